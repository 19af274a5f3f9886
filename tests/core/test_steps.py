"""Long work in steps: all of it in order, in turns with other long work, and never in the way of the rest."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import steps
from app.core.steps import slicewise, stepwise


@given(rows=st.lists(st.integers(), max_size=40), size=st.integers(1, 12))
def test_everything_is_done_once_and_in_order(rows: list[int], size: int) -> None:
    """Whatever the slices."""
    done = asyncio.run(slicewise(list, rows, size))
    assert [one for some in done for one in some] == rows
    assert all(len(some) == size for some in done[:-1])
    assert asyncio.run(stepwise(str, rows)) == [str(one) for one in rows]


async def test_long_works_take_turns_and_leave_rounds_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each round of the loop one step is long work's, however many do it."""
    for name in ("FIRST_SECONDS", "STEP_SECONDS"):
        monkeypatch.setattr(steps, name, 0.0)
    rounds, told = 0, list[tuple[str, int]]()

    async def watch() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def work(name: str) -> None:
        def note(some: Sequence[int]) -> None:
            told.append((name, rounds))

        await slicewise(note, range(10), 1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(work("a"), work("b"), work("c"))
    watching.cancel()
    assert sorted(name for name, _ in told) == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert [name for name, _ in told[:6]] == ["a", "b", "c"] * 2
    # The first step of each is done at once. The last of a round and the first of the next may fall between two looks.
    assert max(sum(1 for _, at in told[3:] if at == one) for one in range(rounds + 1)) <= 2


@pytest.mark.parametrize("others", [False, True])
async def test_steps_are_longer_where_nobody_else_is_there(monkeypatch: pytest.MonkeyPatch, *, others: bool) -> None:
    """Each twice as long as the one before, up to the first; short again while rounds take others' time."""
    now, told = 0.0, list[int]()

    async def elsewhere() -> None:
        nonlocal now
        while True:
            now += 2 * steps.ALONE_SECONDS
            await asyncio.sleep(0)

    def work(row: int) -> None:
        nonlocal now
        now += steps.STEP_SECONDS
        told[-1] += 1

    def step(*given: Any) -> list[Any]:
        told.append(0)
        return _step(*given)

    _step = steps._step
    monkeypatch.setattr(steps, "_step", step)
    monkeypatch.setattr(steps, "perf_counter", lambda: now)
    busy = asyncio.create_task(elsewhere()) if others else None
    await stepwise(work, range(40))
    if busy:
        busy.cancel()
    assert told == ([8, *[1] * 32] if others else [8, 2, 4, 8, 8, 8, 2])


async def test_others_get_their_turn_while_many_rows_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds a step over: the loop goes round before the next row."""
    for name in ("FIRST_SECONDS", "STEP_SECONDS"):
        monkeypatch.setattr(steps, name, 0.0)
    turns: list[int] = []
    done: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: turns.append(len(done)))

    def work(row: int) -> int:
        done.append(row)
        return 2 * row

    assert await stepwise(work, range(5)) == [0, 2, 4, 6, 8]
    assert turns == [1]


async def test_short_work_is_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are worked on at once."""
    monkeypatch.setattr(steps, "FIRST_SECONDS", 60.0)
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: turns.append(1))
    assert await stepwise(str, range(3)) == ["0", "1", "2"]
    assert turns == []


async def test_work_that_fails_or_is_given_up_lets_go_of_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others go on."""
    for name in ("FIRST_SECONDS", "STEP_SECONDS"):
        monkeypatch.setattr(steps, name, 0.0)

    def fails(some: Sequence[int]) -> None:
        if some[0] == 3:
            raise LookupError

    with pytest.raises(LookupError):
        await slicewise(fails, range(10), 1)
    given_up = asyncio.create_task(slicewise(len, range(10), 1))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert given_up.cancelled()
    assert await slicewise(len, range(4), 1) == [1, 1, 1, 1]
