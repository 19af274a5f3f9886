"""Long work lets others have their turn."""

import asyncio

import pytest

from app.core import steps
from app.core.steps import stepwise


async def test_others_get_their_turn_while_many_rows_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds a step over: the loop goes round before the next row."""
    monkeypatch.setattr(steps, "STEP_SECONDS", 0.0)
    turns: list[int] = []
    done: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: turns.append(len(done)))

    def work(row: int) -> int:
        done.append(row)
        return 2 * row

    assert await stepwise(work, range(5)) == [0, 2, 4, 6, 8]
    assert turns == [0]


async def test_short_work_is_one_step() -> None:
    """A few rows are worked on at once."""
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: turns.append(1))
    assert await stepwise(str, range(3)) == ["0", "1", "2"]
    assert turns == []
