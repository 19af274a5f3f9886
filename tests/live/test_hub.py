"""The hub turns out who is too slow, waits for who is ahead, and tells everybody where events were lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from app.core.errors import Fault, unavailable
from app.live import catchup, hub
from app.live.hub import AHEAD_SECONDS, SWEEP_SECONDS, Hub
from app.live.seat import SLOW_SECONDS, Closing, Seat, SlowConsumer
from app.live.topic import Topic
from app.mongo.engine import Batch, HistoryLost
from tests.live.doors import Place, Signal, change, event, opened, soon, take, token


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    async with opened() as one:
        yield one


# Coming and going


async def test_nobody_follows_a_feed_that_has_no_position(place: Place) -> None:
    """It is UNAVAILABLE until the feed has started."""
    with pytest.raises(Fault) as caught:
        await take(place.follow().thing)
    assert (caught.value.code, len(place.hub)) == ("UNAVAILABLE", 0)


async def test_nobody_follows_a_closed_hub(place: Place) -> None:
    """It refuses new followers as it ended the old ones, and closes once."""
    await place.begin()
    await place.hub.close()
    await place.hub.close()
    with pytest.raises(Closing):
        await take(place.follow().thing)


async def test_closing_ends_who_waits_and_who_is_busy(place: Place) -> None:
    """Both go on elsewhere."""
    await place.begin()
    async with place.follow() as busy, place.follow() as idle:
        assert await take(busy) + await take(idle) == ["READY 0"] * 2
        waiting = asyncio.ensure_future(anext(idle))
        await place.beat()
        await place.hub.close()
        for ended in (waiting, anext(busy)):
            with pytest.raises(Closing):
                await soon(ended)


async def test_who_leaves_is_forgotten(place: Place) -> None:
    """Nothing is kept of the last one, and the next one is as the first."""
    await place.begin()
    for _ in range(2):
        async with place.follow() as stream:
            await take(stream)
            assert len(place.hub) == 1
        assert len(place.hub) == 0


async def test_who_leaves_on_the_way_to_the_ring_ends_the_read(place: Place) -> None:
    """A later one from there has a read of its own, and misses nothing."""
    await place.begin(past=3)
    place.door.plan(Batch([change(1)], token(1)), Signal.SILENCE)
    async with place.follow(0) as stream:
        assert await take(stream, 2) == ["READY 0", "EVENT 1"]
    async with place.follow(0) as stream:
        assert await take(stream, 4) == ["READY 0", "EVENT 1", "EVENT 2", "EVENT 3"]


async def test_a_cursor_in_the_ring_costs_no_read(place: Place) -> None:
    """What lies behind it waits in the ring, of the follower's subjects alone."""
    await place.begin()
    await place.door.happen(event(1, "p1"), event(2, "p2"), event(3, "p1"))
    await soon(place.heard.get())
    async with place.follow(0, Topic("acc_1", frozenset({"p1"}))) as stream:
        assert await take(stream, 3) == ["READY 0", "EVENT 1", "EVENT 3"]
    assert place.door.opened.empty()


async def test_a_long_past_comes_in_pieces(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event once, in order, however often the follower has to come again."""
    monkeypatch.setattr(catchup, "WAITING_EVENTS", 2)
    await place.begin(past=7)
    async with place.follow(0) as stream:
        assert await take(stream, 8) == ["READY 0", *(f"EVENT {number}" for number in range(1, 8))]
        await place.door.happen(event(8))
        assert await take(stream) == ["EVENT 8"]


async def test_a_read_that_fails_ends_the_follower(place: Place) -> None:
    """With the fault, behind what it has got."""
    await place.begin(past=3)
    place.door.plan(RuntimeError("secret"))
    async with place.follow(0) as stream:
        assert await take(stream) == ["READY 0"]
        with pytest.raises(Fault) as caught:
            await take(stream)
    assert caught.value.code == "INTERNAL"


# Renders that fail


async def test_a_fault_in_a_group_ends_its_followers(place: Place) -> None:
    """Each with a fault of its own; who comes then begins a new group."""
    await place.begin()
    async with place.follow() as first, place.follow() as second:
        assert await take(first) + await take(second) == ["READY 0"] * 2
        place.breaks = Fault("FORBIDDEN", "No more.", status=403)
        await place.door.happen(event(1))
        with pytest.raises(Fault) as caught:
            await take(first)
        place.breaks = None
        async with place.follow() as third:
            assert await take(third) == ["READY 1"]
            with pytest.raises(Fault) as other:
                await take(second)
            await place.door.happen(event(2))
            assert await take(third) == ["EVENT 2"]
    assert (caught.value.code, other.value.code, caught.value is other.value) == ("FORBIDDEN", "FORBIDDEN", False)


async def test_a_new_group_outlives_the_one_that_failed(place: Place) -> None:
    """When the last of the old one leaves, those who come share what the new one renders."""
    await place.begin()
    async with place.follow() as second:
        async with place.follow() as first:
            assert await take(first) == ["READY 0"]
            place.breaks = unavailable()
            await place.door.happen(event(1))
            await place.beat()
            place.breaks = None
            assert await take(second) == ["READY 1"]
        async with place.follow() as third:
            assert await take(third) == ["READY 1"]
            await place.door.happen(event(2))
            assert await take(second) + await take(third) == ["EVENT 2"] * 2
    assert place.rendered == 1


async def test_a_fault_in_a_backlog_ends_its_follower_alone(place: Place) -> None:
    """The others of its group go on."""
    await place.begin(past=1)
    async with place.follow() as live:
        assert await take(live) == ["READY 1"]
        place.breaks = RuntimeError("secret")
        async with place.follow(0) as stream:
            assert await take(stream) == ["READY 0"]
            with pytest.raises(Fault) as caught:
                await take(stream)
        place.breaks = None
        await place.door.happen(event(2))
        assert (await take(live), caught.value.code) == (["EVENT 2"], "INTERNAL")


# Those who are too slow


async def test_who_takes_nothing_is_turned_out(place: Place) -> None:
    """It is told at once of the position behind what it took, even while a payload is stuck."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as stream:
        await take(stream)
        await place.door.happen(event(1))
        assert await take(stream) == ["EVENT 1"]
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        assert told.get_nowait().token == token(0)
        with pytest.raises(SlowConsumer) as caught:
            await take(stream)
    assert caught.value.token == token(0)


async def test_who_was_turned_out_is_told_once(place: Place) -> None:
    """Later sweeps find it gone."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as stream:
        await take(stream)
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        place.hub.sweep()
        assert told.qsize() == 1


async def test_sweeps_come_by_themselves(place: Place) -> None:
    """Each SWEEP_SECONDS, while somebody follows."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as stream:
        await take(stream)
        place.pauses.let_go()
        await place.beat()
        assert (place.pauses.noted, told.empty()) == ([SWEEP_SECONDS] * 2, True)
        place.clock.now += SLOW_SECONDS
        place.pauses.let_go()
        assert (await soon(told.get())).token == token(0)


async def test_sweeps_go_on_whatever_happens(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails is told in the log, and the next one turns out who is too slow."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    turn_out = Hub._turn_out

    def failing(_: Hub, seat: Seat) -> None:
        monkeypatch.setattr(Hub, "_turn_out", turn_out)
        raise KeyError(seat.taken)

    monkeypatch.setattr(Hub, "_turn_out", failing)
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as stream:
        await take(stream)
        place.clock.now += SLOW_SECONDS
        with capture_logs() as logs:
            place.pauses.let_go()
            place.pauses.let_go()
            await soon(told.get())
    assert [one["event"] for one in logs] == ["live_sweep_failed"]


async def test_who_keeps_up_stays(place: Place) -> None:
    """Waiting for news is not being slow."""
    await place.begin()
    async with place.follow() as stream:
        await take(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        place.clock.now += 10 * SLOW_SECONDS
        place.hub.sweep()
        await place.door.happen(event(1))
        assert await soon(waiting) == "EVENT 1"


async def test_who_has_too_much_waiting_is_turned_out_between_sweeps(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From SLOW_EVENTS on; whoever keeps up in the same group misses nothing."""
    monkeypatch.setattr(hub, "SLOW_EVENTS", 3)
    monkeypatch.setattr(hub, "SWEEP_EVENTS", 1)
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as slow, place.follow() as quick:
        assert await take(slow) + await take(quick) == ["READY 0"] * 2
        for number in (1, 2):
            await place.door.happen(event(number))
            assert await take(quick) == [f"EVENT {number}"]
        assert told.empty()
        await place.door.happen(event(3))
        assert await take(quick) == ["EVENT 3"]
        assert told.get_nowait().token == token(0)
        with pytest.raises(SlowConsumer):
            await take(slow)


async def test_who_was_turned_out_comes_back_and_has_missed_nothing(place: Place) -> None:
    """From the position that it was told."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=told.put_nowait) as stream:
        await take(stream)
        await place.door.happen(event(1), event(2))
        assert await take(stream) == ["EVENT 1"]
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
    async with place.follow(int(told.get_nowait().token)) as stream:
        assert await take(stream, 3) == ["READY 0", "EVENT 1", "EVENT 2"]


async def test_who_is_slow_on_the_way_to_the_ring_is_turned_out(place: Place) -> None:
    """And the read that it needed ends."""
    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin(past=3)
    place.door.plan(Batch([change(1)], token(1)), Signal.SILENCE)
    async with place.follow(0, on_slow=told.put_nowait) as stream:
        assert await take(stream, 2) == ["READY 0", "EVENT 1"]
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        assert (told.get_nowait().token, len(place.hub._catch_up)) == (token(0), 0)


async def test_a_callback_that_fails_saves_nobody(place: Place) -> None:
    """All who are slow are turned out, whatever one of them does about it."""

    def stumble(_: SlowConsumer) -> None:
        raise KeyError("secret")

    told: asyncio.Queue[SlowConsumer] = asyncio.Queue()
    await place.begin()
    async with place.follow(on_slow=stumble) as first, place.follow(on_slow=told.put_nowait) as second:
        assert await take(first) + await take(second) == ["READY 0"] * 2
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        assert told.qsize() == 1
        with pytest.raises(SlowConsumer):
            await take(first)


async def test_who_asked_for_no_call_is_turned_out_all_the_same(place: Place) -> None:
    """It hears of it when it comes for the next payload."""
    await place.begin()
    async with place.follow() as stream:
        await take(stream)
        place.clock.now += SLOW_SECONDS
        place.hub.sweep()
        with pytest.raises(SlowConsumer):
            await take(stream)


# Those who are ahead


async def test_a_cursor_of_a_process_that_is_ahead_is_waited_for(place: Place) -> None:
    """What it has seen elsewhere does not come again, and nothing behind it is missed."""
    await place.begin(past=1)
    async with place.follow(2) as stream:
        assert await take(stream) == ["READY 2"]
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        place.clock.now += AHEAD_SECONDS - 0.1
        await place.beat()
        await place.door.happen(event(2), event(3))
        assert await soon(waiting) == "EVENT 3"


async def test_a_cursor_that_is_never_reached_gets_a_resync(place: Place) -> None:
    """After AHEAD_SECONDS, with the present position; then what happens."""
    await place.begin(past=1)
    async with place.follow(9) as stream:
        assert await take(stream) == ["READY 9"]
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        place.clock.now += AHEAD_SECONDS
        await place.beat()
        assert await soon(waiting) == "RESYNC 1"
        await place.door.happen(event(2))
        assert await take(stream) == ["EVENT 2"]


async def test_who_leaves_while_ahead_is_forgotten(place: Place) -> None:
    """Batches that come then wake nobody."""
    await place.begin(past=1)
    async with place.follow(9) as stream:
        await take(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await place.beat()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await place.beat()
    assert len(place.hub) == 0


# Lost history


async def test_a_reset_is_told_to_all_who_are_live(place: Place) -> None:
    """One RESYNC behind what came before and ahead of what comes then, with a cursor that goes on."""
    await place.begin()
    async with place.follow() as first, place.follow(topic=Topic("acc_1", frozenset({"p9"}))) as second:
        assert await take(first) + await take(second) == ["READY 0"] * 2
        await place.door.happen(event(1))
        await soon(place.heard.get())
        place.door.interrupt(HistoryLost())
        assert await take(first, 2) + await take(second) == ["EVENT 1", "RESYNC 1", "RESYNC 1"]
        await place.door.happen(event(2))
        assert await take(first) == ["EVENT 2"]
    async with place.follow(1) as back:
        assert await take(back, 2) == ["READY 1", "EVENT 2"]


async def test_an_interruption_is_not_told(place: Place) -> None:
    """Followers see each event once and hear nothing of a store that was away."""
    await place.begin()
    async with place.follow() as stream:
        await take(stream)
        await place.door.happen(event(1))
        place.door.interrupt(unavailable())
        await place.door.happen(event(2))
        assert await take(stream, 2) == ["EVENT 1", "EVENT 2"]


async def test_a_forgotten_cursor_gets_a_resync(place: Place) -> None:
    """In place of what is known no more; then what happens."""
    await place.begin(past=3)
    place.door.forget(2)
    async with place.follow(1) as lost, place.follow(2) as known:
        assert await take(lost, 2) + await take(known, 2) == ["READY 1", "RESYNC 3", "READY 2", "EVENT 3"]
        await place.door.happen(event(4))
        assert await take(lost) + await take(known) == ["EVENT 4"] * 2
