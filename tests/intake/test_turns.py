"""Turns: together, or alone, in the order of coming."""

import asyncio

import pytest

from app.intake.turns import Turns


async def test_alone_waits_for_those_before_and_lets_nobody_in() -> None:
    """Two go on together, one alone behind them, one together behind that one."""
    turns, seen = Turns(), list[str]()
    leave = [asyncio.Event(), asyncio.Event()]

    async def beside(name: str, until: asyncio.Event | None = None) -> None:
        await turns.begin("a")
        seen.append(name)
        if until is not None:
            await until.wait()
        seen.append(f"{name} ends")
        turns.end("a")

    async def alone() -> None:
        async with turns.alone("a"):
            seen.append("alone")
            await asyncio.sleep(0)
            seen.append("alone ends")

    tasks = [asyncio.create_task(one) for one in (beside("1", leave[0]), beside("2", leave[1]), alone(), beside("3"))]
    for event in leave:
        for _ in range(5):
            await asyncio.sleep(0)
        event.set()
    await asyncio.gather(*tasks)
    assert seen == ["1", "2", "1 ends", "2 ends", "alone", "alone ends", "3", "3 ends"]
    assert len(turns) == 0


async def test_who_gives_up_is_out_of_the_way() -> None:
    """Whether it waited to be alone, or behind somebody who was."""
    turns = Turns()
    await turns.begin("a")

    async def alone() -> None:
        async with turns.alone("a"):
            pytest.fail("It was not its turn.")

    waiting = [asyncio.create_task(alone()), asyncio.create_task(turns.begin("a"))]
    for _ in range(3):
        await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    turns.end("a")
    async with turns.alone("a"):
        assert len(turns) == 1
    assert len(turns) == 0


async def test_other_keys_are_not_concerned() -> None:
    """One alone on a key keeps nobody from another."""
    turns = Turns()
    async with turns.alone("a"), turns.alone("b"):
        await turns.begin("c")
        assert len(turns) == 3
    turns.end("c")
    assert len(turns) == 0
