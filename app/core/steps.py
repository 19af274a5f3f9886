"""Long work in steps: nobody who shares the loop waits longer than one of them."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

# So long one works before others get their turn, the answers of the store among them.
STEP_SECONDS = 0.002
# So many rows are shown between two looks at the clock.
SLICE_ROWS = 32

T = TypeVar("T")
R = TypeVar("R")


async def slicewise(work: Callable[[Sequence[T]], list[R]], rows: Sequence[T], size: int = SLICE_ROWS) -> list[R]:
    """Return what pure work makes of all rows, of which it takes `size` at once; others get their turn in between."""
    if len(rows) <= size:
        return work(rows)
    done: list[R] = []
    until = perf_counter() + STEP_SECONDS
    for start in range(0, len(rows), size):
        if perf_counter() >= until:
            await asyncio.sleep(0)
            until = perf_counter() + STEP_SECONDS
        done += work(rows[start : start + size])
    return done


async def stepwise(work: Callable[[T], R], rows: Sequence[T]) -> list[R]:
    """Return what pure work makes of each row; others get their turn in between."""
    return await slicewise(lambda some: [work(one) for one in some], rows, 1)
