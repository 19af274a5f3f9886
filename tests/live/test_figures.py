"""What is seen of followers: where they are, how late they hear, who was turned out, and when news were lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.live.catchup import GATHER_SECONDS
from app.live.seat import SLOW_SECONDS
from app.mongo.engine import HistoryLost
from tests.live.doors import Place, event, opened, queue_of, soon, take


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    async with opened() as one:
        yield one


async def test_the_lag_is_that_of_each_live_delivery(place: Place) -> None:
    """From the batch that brought an event to its follower; READY and what was missed are no news."""
    await place.begin()
    async with place.follow() as quick, place.follow() as late:
        await take(quick)
        await take(late)
        await place.door.happen(event(1))
        await take(quick)
        place.clock.now += 0.3
        await take(late)
        assert sum(place.hub.lag.counts) == 2
        assert place.hub.lag.total == pytest.approx(0.3)
    async with place.follow(after=0) as again:
        assert await take(again, 2) == ["READY 0", "EVENT 1"]
    assert sum(place.hub.lag.counts) == 2


async def test_followers_are_seen_where_they_are(place: Place) -> None:
    """Live once they have what there is; who comes back from before the ring catches up."""
    place.pauses.held.add(GATHER_SECONDS)
    await place.begin(past=3)
    assert place.hub.seats() == {"live": 0, "catching_up": 0, "between": 0}
    async with place.follow() as live, place.follow(after=1) as back:
        assert await take(live) + await take(back) == ["READY 3", "READY 1"]
        assert place.hub.seats() == {"live": 1, "catching_up": 0, "between": 1}
        reading = asyncio.ensure_future(anext(back))
        await place.beat()
        assert place.hub.seats() == {"live": 1, "catching_up": 1, "between": 0}
        place.pauses.let_go()  # the sweep's, which came first
        place.pauses.let_go()
        assert await soon(reading) == "EVENT 2"


async def test_who_was_turned_out_is_counted(place: Place) -> None:
    """Once each, however often is swept."""
    await place.begin()
    async with place.follow() as stream:
        await take(stream)
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        place.hub.sweep()
        assert place.hub.turned_out == 1


async def test_lost_news_are_counted(place: Place) -> None:
    """The first beginning is none."""
    resets = queue_of(place.feed.on_reset)
    await place.begin()
    assert place.feed.resets == 0
    place.door.interrupt(HistoryLost())
    await place.door.happen(event(1))
    await soon(resets.get())
    assert place.feed.resets == 1
