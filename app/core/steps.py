"""Long work in steps: nobody who shares the loop waits longer than one of them, however many do long work."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

# So long one works before others get their turn, the answers of the store among them.
STEP_SECONDS = 0.00025
# A round of the loop that was over so soon had hardly anybody in it: the next step is twice as long, up to the first.
ALONE_SECONDS = 0.0001
# And so long at first: what is done by then waits for nobody. Pages of twenty and fifty are; in steps they would all be
# answered late, one by one, and what they ask of the store next would no longer leave together.
FIRST_SECONDS = 0.002
# So many rows are shown between two looks at the clock.
SLICE_ROWS = 8

T = TypeVar("T")
R = TypeVar("R")

# Of each loop: who holds it does the one step of this round.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def slicewise(work: Callable[[Sequence[T]], R], rows: Sequence[T], size: int = SLICE_ROWS) -> list[R]:
    """Return what pure work makes of `size` rows after the other; others get their turn in between.

    The first FIRST_SECONDS are done at once: short work waits for nobody.
    """
    starts = range(0, len(rows), size)
    done = _step(work, rows, starts, FIRST_SECONDS)
    if len(done) == len(starts):
        return done
    turn, seconds = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()), STEP_SECONDS
    while len(done) < len(starts):
        async with turn:
            left = perf_counter()
            await asyncio.sleep(0)
            alone = perf_counter() - left < ALONE_SECONDS
            seconds = min(2 * seconds, FIRST_SECONDS) if alone else STEP_SECONDS
            done += _step(work, rows, starts[len(done) :], seconds)
    return done


def _step(work: Callable[[Sequence[T]], R], rows: Sequence[T], starts: range, seconds: float) -> list[R]:
    done, until = list[R](), perf_counter() + seconds
    for start in starts:
        done.append(work(rows[start : start + starts.step]))
        if perf_counter() >= until:
            break
    return done


async def stepwise(work: Callable[[T], R], rows: Sequence[T]) -> list[R]:
    """Return what pure work makes of each row; others get their turn in between."""
    if len(rows) == 1:
        # What most requests are about.
        return [work(rows[0])]
    return await slicewise(lambda some: work(some[0]), rows, 1)
