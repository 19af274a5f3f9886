"""Long work in steps: nobody who shares the loop waits longer than one of them, however many do long work."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

# So long one works before others get their turn, the answers of the store among them.
STEP_SECONDS = 0.00025
# So many rows are shown between two looks at the clock.
SLICE_ROWS = 8

T = TypeVar("T")
R = TypeVar("R")

# Of each loop: who holds it does the one step of this round.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def slicewise(work: Callable[[Sequence[T]], R], rows: Sequence[T], size: int = SLICE_ROWS) -> list[R]:
    """Return what pure work makes of `size` rows after the other; others get their turn in between."""
    if len(rows) <= size:
        return [work(rows)]
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    done: list[R] = []
    slices = iter(range(0, len(rows), size))
    while len(done) * size < len(rows):
        async with turn:
            until = perf_counter() + STEP_SECONDS
            for start in slices:
                done.append(work(rows[start : start + size]))
                if perf_counter() >= until:
                    break
            if len(done) * size < len(rows):
                await asyncio.sleep(0)
    return done


async def stepwise(work: Callable[[T], R], rows: Sequence[T]) -> list[R]:
    """Return what pure work makes of each row; others get their turn in between."""
    return await slicewise(lambda some: work(some[0]), rows, 1) if rows else []
