"""Who waits for the next event gets its frame without being woken; everybody else comes for it, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.live import group as groups
from app.live.group import Group
from app.live.seat import SLOW_SECONDS, Seat, SlowConsumer
from app.live.topic import Frame, Moment
from tests.live.doors import EVERYTHING, Clock, Place, event, moment, opened, soon, take, token


class Taker:
    """Takes frames at once as long as it is `open`; `taken` are their payloads."""

    def __init__(self) -> None:
        self.open = True
        self.breaks = False
        self.taken: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, frame: Frame) -> bool:
        """Take a frame."""
        if self.breaks:
            raise RuntimeError("secret")
        if self.open:
            for payload in frame.payloads:
                self.taken.put_nowait(payload)
        return self.open


async def dropped(*waiting: "asyncio.Future[Any]") -> None:
    """End what waits in vain."""
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has begun."""
    async with opened() as one:
        await one.begin()
        yield one


async def test_who_waits_is_given_frames_and_goes_on_waiting(place: Place) -> None:
    """When frames are refused it comes for them, in order and each once, and is given the next ones again."""
    taker = Taker()
    async with place.follow(at_once=taker) as stream:
        assert await take(stream) == ["READY 0"]
        waiting = asyncio.ensure_future(anext(stream))
        for number in (1, 2):
            await place.door.happen(event(number))
            assert await soon(taker.taken.get()) == f"EVENT {number}"
        taker.open = False
        await place.door.happen(event(3), event(4))
        assert [await soon(waiting), *await take(stream)] == ["EVENT 3", "EVENT 4"]
        taker.open = True
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        await place.door.happen(event(5))
        assert (await soon(taker.taken.get()), waiting.done()) == ("EVENT 5", False)
        await dropped(waiting)


async def test_who_is_busy_is_given_nothing(place: Place) -> None:
    """An event that comes while the last payload is being sent waits for its turn."""
    taker = Taker()
    async with place.follow(at_once=taker) as stream, place.follow() as other:
        assert await take(stream) + await take(other) == ["READY 0"] * 2
        await place.door.happen(event(1))
        assert await take(other) == ["EVENT 1"]
        assert (taker.taken.empty(), await take(stream)) == (True, ["EVENT 1"])


async def test_the_end_of_a_stream_is_not_passed_over(place: Place) -> None:
    """The last frame comes by the stream, which ends behind it."""
    taker, place.last = Taker(), 2
    async with place.follow(at_once=taker) as stream:
        await take(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        await place.door.happen(event(1), event(2))
        assert (await soon(taker.taken.get()), await soon(waiting)) == ("EVENT 1", "EVENT 2")
        with pytest.raises(StopAsyncIteration):
            await soon(anext(stream))


async def test_one_that_breaks_harms_nobody(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Its follower comes for the frame, and the others get theirs; the log names the kind of error alone."""
    bad, good = Taker(), Taker()
    bad.breaks = True
    async with place.follow(at_once=bad) as one, place.follow(at_once=good) as two:
        assert await take(one) + await take(two) == ["READY 0"] * 2
        first, second = asyncio.ensure_future(anext(one)), asyncio.ensure_future(anext(two))
        await place.beat()
        await place.door.happen(event(1))
        assert (await soon(first), await soon(good.taken.get())) == ("EVENT 1", "EVENT 1")
        await dropped(second)
    said = capsys.readouterr().out
    assert ("RuntimeError" in said, "secret" in said) == (True, False)


async def test_what_was_given_at_once_counts_as_taken(place: Place) -> None:
    """Who is turned out later has a cursor behind it."""
    taker = Taker()
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    async with place.follow(at_once=taker, on_slow=told.put_nowait) as stream:
        await take(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        await place.door.happen(event(1))
        await soon(taker.taken.get())
        taker.open = False
        await place.door.happen(event(2))
        assert await soon(waiting) == "EVENT 2"
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        assert told.get_nowait().token == token(1)


async def test_many_are_served_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between them others have their turn; who leaves meanwhile gets nothing more, and all others theirs."""
    monkeypatch.setattr(groups, "SPREAD_SEATS", 1)
    group = Group(EVERYTHING, Clock())
    got: list[int] = []
    served: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def render(one: Moment) -> Frame:
        return Frame(("shown",))

    def seat(number: int) -> Seat:
        def take_it(_: Frame) -> bool:
            got.append(number)
            if number == 0:  # the second leaves in the turn between it and the first
                asyncio.get_running_loop().call_soon(group.leave, seats[1])
            if number == 3:
                served.set_result(None)
            return True

        made = Seat(EVERYTHING, render, None, None, take_it)
        group.enter(made)
        return made

    seats = [seat(number) for number in range(4)]
    waits = [asyncio.ensure_future(one.wait()) for one in seats]
    await asyncio.sleep(0)  # all of them wait
    group.push(moment(1))
    await soon(served)
    assert got == [0, 2, 3]
    await dropped(*waits)
