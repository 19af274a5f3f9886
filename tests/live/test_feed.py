"""The feed outlives a store that is away, and says so where positions were lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.errors import Fault, unavailable
from app.live import feed as feeds
from app.live.feed import BACKOFF_SECONDS_MIN, LINGER_SECONDS, UNHEALTHY_SECONDS, Feed, Ring
from app.live.topic import Topic
from app.mongo.engine import Batch, Change, HistoryLost, Insert, Update
from app.timeline.record import COLLECTION
from tests.live.doors import (
    EVERYTHING,
    OTHERS,
    Door,
    Pauses,
    Place,
    Signal,
    change,
    event,
    moment,
    opened,
    queue_of,
    soon,
    take,
    token,
)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    async with opened() as one:
        yield one


def test_the_ring_drops_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its floor rises to what was dropped, also by subject; the index goes on."""
    monkeypatch.setattr(feeds, "RING_EVENTS", 2)
    ring, moments = Ring(), [moment(1, "p1"), moment(2, "p2"), moment(3, "p1"), moment(4, "p1")]
    for one in moments:
        ring.append(one)
    assert (ring.floor, len(ring), ring.end) == (token(2), 2, 4)
    assert ring.since(ring.floor, EVERYTHING) == moments[2:]
    assert ring.since(ring.floor, Topic("acc_1", frozenset({"p1", "p2"}))) == moments[2:]


def test_the_ring_gives_what_lies_behind_a_position() -> None:
    """In order, of the topic's subjects and types alone."""
    ring = Ring()
    first, second, third = moment(1, "p1"), moment(2, "p2"), moment(3, "p1", type="left")
    for one in (first, second, third):
        ring.append(one)
    assert ring.since(token(1), EVERYTHING) == [second, third]
    assert ring.since(token(0), Topic("acc_1", frozenset({"p2", "p1", "p9"}))) == [first, second, third]
    assert ring.since(token(0), Topic("acc_1", types=frozenset({"visited"}))) == [first, second]


async def test_an_event_that_cannot_be_read_is_passed_over(place: Place) -> None:
    """Whatever else was written there, those who follow hear what comes behind it."""
    await place.begin()
    await place.door.write(COLLECTION, [Insert({"_id": "strange"})])
    await place.door.happen(event(2))
    assert await soon(place.heard.get()) == ["EVENT 2"]


async def test_only_recorded_events_are_told(place: Place) -> None:
    """A later write to an event is none."""
    await place.begin()
    await place.door.happen(event(1))
    await place.door.write(COLLECTION, [Update({"_id": "p1:1"}, {"$set": {"source": "IMPORT"}})])
    await place.door.happen(event(3))
    assert [await soon(place.heard.get()) for _ in range(2)] == [["EVENT 1"], ["EVENT 3"]]


async def test_what_was_told_is_not_told_again(place: Place) -> None:
    """Also where a watch repeats itself."""
    await place.begin(past=2)
    place.door.interrupt(Batch([change(1), change(3)], token(2)))
    assert await soon(place.heard.get()) == ["EVENT 3"]


async def test_changes_of_other_collections_go_to_who_asked(place: Place) -> None:
    """Those of the first batch too, and none of them to the followers."""
    told: asyncio.Queue[Change] = asyncio.Queue()
    place.feed.on_change(OTHERS, told.put_nowait)
    place.door.plan(Batch([change(0, OTHERS)], token(0)))
    await place.begin()
    await place.door.write(OTHERS, [Insert({"_id": "t1"})])
    assert [(await soon(told.get())).id for _ in range(2)] == ["p1:0", "t1"]
    assert place.heard.empty()


def test_a_collection_that_is_not_watched_has_no_changes(place: Place) -> None:
    """To ask for them is a mistake in the code."""
    with pytest.raises(ValueError, match="persons"):
        place.feed.on_change("persons", print)


async def test_a_callback_that_fails_makes_nobody_deaf(place: Place) -> None:
    """The next ones are still called."""

    def stumble(_: Change) -> None:
        raise KeyError("secret")

    told: asyncio.Queue[Change] = asyncio.Queue()
    place.feed.on_change(OTHERS, stumble)
    place.feed.on_change(OTHERS, told.put_nowait)
    await place.begin()
    await place.door.write(OTHERS, [Insert({"_id": "t1"})])
    assert (await soon(told.get())).id == "t1"


async def test_a_feed_is_healthy_while_batches_come(place: Place) -> None:
    """Before the first one it is not, and not long after the last."""
    assert (place.feed.age_seconds, place.feed.healthy) == (float("inf"), False)
    await place.begin()
    place.clock.now += UNHEALTHY_SECONDS
    assert (place.feed.age_seconds, place.feed.healthy) == (UNHEALTHY_SECONDS, True)
    place.clock.now += 0.1
    assert not place.feed.healthy
    await place.beat()
    assert place.feed.healthy
    await place.feed.stop()
    assert not place.feed.healthy


async def test_a_start_that_takes_too_long_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With UNAVAILABLE; a later start is a new one."""
    place.door.plan(Signal.SILENCE)
    monkeypatch.setattr(feeds, "START_SECONDS", 0.01)
    with pytest.raises(Fault) as caught:
        await soon(place.feed.start())
    monkeypatch.undo()
    assert caught.value.code == "UNAVAILABLE"
    await soon(place.feed.start())
    assert place.feed.position == token(0)


async def test_a_feed_starts_and_stops_once(place: Place) -> None:
    """A second time does nothing."""
    await place.begin()
    await place.feed.start()
    assert place.door.opened.empty()
    await place.feed.stop()
    await place.feed.stop()
    assert not place.feed.healthy


@pytest.mark.parametrize("order", [unavailable(), RuntimeError("secret"), Signal.END])
async def test_an_interruption_misses_nothing(place: Place, order: Exception | Signal) -> None:
    """Whatever ended the watch, the next one goes on behind the last batch, and nothing is reset."""
    resets = queue_of(place.feed.on_reset)
    await place.begin(past=1)
    place.door.interrupt(order)
    await place.door.happen(event(2))
    assert await soon(place.heard.get()) == ["EVENT 2"]
    assert (await soon(place.door.opened.get()), resets.empty()) == (token(1), True)


async def test_a_silent_watch_is_opened_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SILENCE_SECONDS, from where it was."""
    monkeypatch.setattr(feeds, "SILENCE_SECONDS", 0.01)
    place.door.plan(Batch([], token(0)), Signal.SILENCE)
    await place.begin()
    assert await soon(place.door.opened.get()) == token(0)


async def test_lost_history_is_told_as_a_reset(place: Place) -> None:
    """Once the new position is known; the ring begins there, and what happens then is told."""
    resets = queue_of(place.feed.on_reset)
    await place.begin(past=1)
    place.door.interrupt(HistoryLost())
    await place.door.happen(event(2))
    await soon(resets.get())
    assert (await soon(place.door.opened.get()), place.feed.ring.floor) == (None, token(2))
    assert (place.feed.covers(token(1)), place.feed.covers(token(2))) == (False, True)
    await place.door.happen(event(3))
    assert await soon(place.heard.get()) == ["EVENT 3"]


async def test_the_old_position_holds_until_a_new_one_is_known(place: Place) -> None:
    """Nobody is told of a reset that has nothing to begin at."""
    resets = queue_of(place.feed.on_reset)
    await place.begin(past=1)
    place.door.plan(unavailable())
    place.door.plan(Signal.SILENCE)
    place.door.interrupt(HistoryLost())
    assert [await soon(place.door.opened.get()) for _ in range(2)] == [None, None]
    assert (place.feed.position, resets.empty()) == (token(1), True)


async def test_failures_in_a_row_wait_longer_and_longer() -> None:
    """Twice as long each time up to a bound, and briefly again when a batch has come."""
    door, pauses = Door(), Pauses()
    for _ in range(6):
        door.plan(unavailable())
    feed = Feed(door, pause=pauses)
    await feed.start()
    assert pauses.noted == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    beaten = [door.opened.get_nowait() for _ in range(7)]
    door.interrupt(unavailable())
    assert (await soon(door.opened.get()), pauses.noted[6:]) == (token(0), [BACKOFF_SECONDS_MIN])
    assert beaten == [None] * 7
    await feed.stop()


async def test_events_are_not_heard_of_where_nobody_follows(place: Place) -> None:
    """The position goes on, and what others watch is told."""
    told: asyncio.Queue[Change] = asyncio.Queue()
    place.feed.on_change(OTHERS, told.put_nowait)
    await place.begin(past=1, followed=False)
    await place.door.happen(event(2))
    await place.door.write(OTHERS, [Insert({"_id": "t1"})])
    assert (await soon(told.get())).id == "t1"
    assert (place.heard.empty(), place.feed.position) == (True, token(3))
    assert (place.feed.covers(token(2)), place.feed.covers(token(3))) == (False, True)


async def test_whoever_joins_hears_of_all_behind_the_position(place: Place) -> None:
    """The watch that waits is opened anew at once, from where it stood; a second one who joins changes nothing."""
    await place.begin(past=1, followed=False)
    place.feed.join()
    place.feed.join()
    await place.door.happen(event(2))
    assert await soon(place.heard.get()) == ["EVENT 2"]
    assert (await soon(place.door.opened.get()), place.door.opened.empty()) == (token(1), True)
    assert (place.pauses.noted, place.feed.covers(token(1))) == ([], True)


async def test_whoever_joins_while_a_batch_is_on_its_way_misses_nothing_in_it(place: Place) -> None:
    """It left the events out, so it doesn't count."""
    await place.begin(past=1, followed=False)
    await place.door.happen(event(2))
    place.feed.join()
    assert place.feed.covers(token(1))
    assert await soon(place.heard.get()) == ["EVENT 2"]


async def test_whoever_begins_to_follow_is_the_first_that_events_are_heard_of_for(place: Place) -> None:
    """From now on, and from a cursor of before."""
    await place.begin(past=2, followed=False)
    position = await place.feed.present()
    async with place.follow(int(position)) as now, place.follow(1) as earlier:
        assert await take(now) + await take(earlier, 2) == ["READY 2", "READY 1", "EVENT 2"]
        await place.door.happen(event(3))
        assert await take(now) + await take(earlier) == ["EVENT 3", "EVENT 3"]


async def test_events_are_left_out_again_long_after_the_last_has_gone(place: Place) -> None:
    """And never while somebody follows, however long the process stood still."""
    told: asyncio.Queue[Change] = asyncio.Queue()
    place.feed.on_change(OTHERS, told.put_nowait)
    await place.begin()
    place.feed.join()
    place.clock.now += 2 * LINGER_SECONDS
    await place.beat()
    await place.door.happen(event(1))
    assert await soon(place.heard.get()) == ["EVENT 1"]
    place.feed.leave()
    place.clock.now += LINGER_SECONDS
    await place.beat()
    assert await soon(place.door.opened.get()) == token(1)
    await place.door.happen(event(2))
    await place.door.write(OTHERS, [Insert({"_id": "t1"})])
    assert (await soon(told.get())).id == "t1"
    place.feed.join()
    await place.door.happen(event(4))
    assert await soon(place.heard.get()) == ["EVENT 4"]
