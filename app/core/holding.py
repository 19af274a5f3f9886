"""Work that stands on a lease: it goes on as long as the lease is renewed, and not a moment longer."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


async def held(work: Coroutine[Any, Any, None], renew: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Carry work out, renewing every so many seconds; tells whether it came to its end.

    Where somebody else has the lease, or nobody could ask, it is cancelled. What it raises is its own to note.
    """
    working, renewing = asyncio.create_task(work), asyncio.create_task(_renewed(renew, seconds))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        return working.done()
    finally:
        for task in (working, renewing):
            task.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


async def _renewed(renew: Callable[[], Awaitable[bool]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        if not await renew():
            return
