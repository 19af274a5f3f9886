"""Long work in steps: nobody who shares the loop waits longer than one of them."""

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TypeVar

# So long one works before others get their turn, the answers of the store among them.
STEP_SECONDS = 0.002

T = TypeVar("T")
R = TypeVar("R")


async def stepwise(work: Callable[[T], R], rows: Iterable[T]) -> list[R]:
    """Return what pure work makes of each row; others get their turn in between."""
    done: list[R] = []
    until = perf_counter() + STEP_SECONDS
    for row in rows:
        if perf_counter() >= until:
            await asyncio.sleep(0)
            until = perf_counter() + STEP_SECONDS
        done.append(work(row))
    return done
