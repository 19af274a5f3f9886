"""Deadlines: whoever is late is ended, nobody else is, and whoever is cancelled by others is told so."""

import asyncio

import pytest

from app.core.deadline import Deadlines

LONG, SHORT = 60.0, 0.01


@pytest.fixture
def deadlines() -> Deadlines:
    """Of one loop."""
    return Deadlines()


async def never() -> None:
    """Wait for what doesn't come."""
    await asyncio.Event().wait()


async def test_what_is_done_in_time_is_returned(deadlines: Deadlines) -> None:
    """And what it raises is raised."""

    async def wrong() -> None:
        raise KeyError("wrong")

    assert await deadlines.within(LONG, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(KeyError):
        await deadlines.within(LONG, wrong())


async def test_what_is_late_is_ended(deadlines: Deadlines) -> None:
    """Also where something that has more time began before it; the task goes on behind it, and may be late again."""
    longer = asyncio.create_task(deadlines.within(LONG, never()))
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await deadlines.within(SHORT, never())
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    assert not longer.done()
    longer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await longer


async def test_all_that_are_late_are_ended_each_at_its_time(deadlines: Deadlines) -> None:
    """By the one timer."""
    ended: list[int] = []

    async def late(number: int) -> None:
        with pytest.raises(TimeoutError):
            await deadlines.within(SHORT * number, never())
        ended.append(number)

    await asyncio.gather(*map(late, (3, 1, 2)))
    assert ended == [1, 2, 3]


async def test_who_is_cancelled_by_others_is_not_late(deadlines: Deadlines) -> None:
    """And who is both is cancelled, for whoever asked for that waits for it."""

    async def stubborn() -> None:
        try:
            await never()
        except asyncio.CancelledError:
            task.cancel()
            raise

    task = asyncio.create_task(deadlines.within(SHORT, stubborn()))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_what_ends_late_but_by_itself_is_returned(deadlines: Deadlines) -> None:
    """As it does with `asyncio.timeout`; nothing of the cancellation is left behind."""

    async def finishing() -> str:
        try:
            await never()
        except asyncio.CancelledError:
            return "done all the same"
        raise AssertionError("it was to be cancelled")

    assert await deadlines.within(SHORT, finishing()) == "done all the same"
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_inner_and_outer_deadlines_are_told_apart(deadlines: Deadlines) -> None:
    """The task is the same."""

    async def outer() -> None:
        with pytest.raises(TimeoutError):
            await deadlines.within(SHORT, never())
        await never()

    with pytest.raises(TimeoutError):
        await deadlines.within(5 * SHORT, outer())
