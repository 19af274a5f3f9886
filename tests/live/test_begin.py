"""Who begins to follow does so where the store stands, be that ahead of what the process has heard of."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.errors import unavailable
from app.live import feed as feeds
from app.mongo.engine import Batch, HistoryLost
from tests.live.doors import Place, Signal, event, opened, queue_of, soon, take, token


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    async with opened() as one:
        yield one


async def test_where_the_store_stands_is_asked_once_for_all_who_come_meanwhile(place: Place) -> None:
    """The first one alone, then the others together; each gets no earlier position than when it asked."""
    await place.begin(past=1)
    first = asyncio.ensure_future(place.feed.present())
    await soon(place.door.opened.get())
    await place.door.happen(event(2))
    others = [asyncio.ensure_future(place.feed.present()) for _ in range(5)]
    assert await soon(first) in (token(1), token(2))
    assert set(await soon(asyncio.gather(*others))) == {token(2)}
    await soon(place.door.opened.get())
    assert place.door.opened.empty()


@pytest.mark.parametrize("order", [unavailable(), HistoryLost(), Signal.SILENCE, Signal.END])
async def test_where_the_store_says_nothing_one_begins_at_what_was_heard_of(
    place: Place, monkeypatch: pytest.MonkeyPatch, order: Exception | Signal
) -> None:
    """Whoever begins is told of something earlier at most, and doesn't wait for it."""
    monkeypatch.setattr(feeds, "PRESENT_SECONDS", 0.01)
    await place.begin(past=1)
    place.door.plan(order)
    assert await soon(place.feed.present()) == token(1)


async def test_what_the_store_told_counts_until_history_is_lost(place: Place) -> None:
    """A position ahead of the watch needs no waiting for; behind a reset no old one is trusted."""
    await place.begin()
    place.door.plan(Batch([], token(9)))
    assert await soon(place.feed.present()) == token(9)
    assert (place.feed.covers(token(9)), place.feed.covers(token(10))) == (True, False)
    resets = queue_of(place.feed.on_reset)
    place.door.interrupt(HistoryLost())
    await soon(resets.get())
    assert not place.feed.covers(token(9))


async def test_who_begins_ahead_shares_from_there_on(place: Place) -> None:
    """What the process hears of before is for the others alone; what comes then is rendered once."""
    await place.begin(past=1)
    place.door.plan(Batch([], token(2)))
    await place.feed.present()
    async with place.follow() as first, place.follow(2) as second:
        assert await take(first) + await take(second) == ["READY 1", "READY 2"]
        waiting = asyncio.ensure_future(anext(second))
        await place.door.happen(event(2), event(3))
        assert await take(first, 2) == ["EVENT 2", "EVENT 3"]
        assert await soon(waiting) == "EVENT 3"
    assert place.rendered == 2


async def test_who_begins_ahead_hears_of_a_reset(place: Place) -> None:
    """However early the new position is."""
    await place.begin(past=1)
    place.door.plan(Batch([], token(9)))
    await place.feed.present()
    async with place.follow(9) as stream:
        assert await take(stream) == ["READY 9"]
        place.door.interrupt(HistoryLost())
        assert await take(stream) == ["RESYNC 1"]
        await place.door.happen(event(2))
        assert await take(stream) == ["EVENT 2"]
