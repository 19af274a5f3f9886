"""Who comes from before the ring is brought to it: together where possible, by itself where not, never in silence."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.errors import Fault, unavailable
from app.live import catchup
from app.live.catchup import GATHER_SECONDS, STRETCHES, TRIES, CatchUp
from app.live.feed import BACKOFF_SECONDS_MAX
from app.live.seat import Seat
from app.live.topic import Topic
from app.mongo.engine import Batch, HistoryLost, Insert
from app.timeline.record import COLLECTION
from tests.live.doors import Pauses, Place, Signal, change, event, opened, soon, token


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    async with opened() as one:
        yield one


@pytest.fixture
async def catch_up(place: Place) -> AsyncIterator[CatchUp]:
    """Give the stretches of that process."""
    one = CatchUp(place.door, place.feed, place.pauses)
    yield one
    await one.close()


async def arrived(*seats: Seat) -> None:
    """Wait until nobody is being caught up any more."""
    async with asyncio.timeout(10):
        for seat in seats:
            while seat.catching_up:
                await seat.wait()


def waiting(seat: Seat) -> list[int]:
    """Return the numbers of the events that wait for a follower."""
    return [int(one.token) for one in seat.backlog]


async def test_followers_from_anywhere_share_one_read(place: Place, catch_up: CatchUp) -> None:
    """Each gets what lies behind its own position, by one watch from the oldest."""
    await place.begin(past=5)
    seats = [place.seat(after) for after in (3, 1, 4)]
    for seat in seats:
        catch_up.join(seat)
    await arrived(*seats)
    assert [waiting(seat) for seat in seats] == [[4, 5], [2, 3, 4, 5], [5]]
    assert (await soon(place.door.opened.get()), place.door.opened.empty()) == (token(1), True)
    assert place.pauses.noted == [GATHER_SECONDS]


async def test_each_follower_gets_what_it_follows(place: Place, catch_up: CatchUp) -> None:
    """Events of its subjects; all others move its position alone."""
    await place.door.happen(event(1, "p1"), event(2, "p2"), event(3, "p1"), event(4, "p3"))
    await place.begin()
    first, second = (place.seat(0, Topic("acc_1", frozenset({subject}))) for subject in ("p1", "p2"))
    catch_up.join(first)
    catch_up.join(second)
    await arrived(first, second)
    assert (waiting(first), waiting(second)) == ([1, 3], [2])
    assert (first.reached, second.reached) == (token(4), token(4))


async def test_what_cannot_be_read_is_passed_over(place: Place, catch_up: CatchUp) -> None:
    """In the past as in the present."""
    await place.door.write(COLLECTION, [Insert({"_id": "strange"})])
    await place.door.happen(event(2))
    await place.begin()
    seat = place.seat(0)
    catch_up.join(seat)
    await arrived(seat)
    assert waiting(seat) == [2]


async def test_who_comes_behind_a_stretch_joins_it(place: Place, catch_up: CatchUp) -> None:
    """While it reads; whoever comes from before where it stands gets another one."""
    await place.begin(past=5)
    place.door.plan(Batch([], token(2)), Signal.SILENCE)
    first, same, later, earlier = place.seat(2), place.seat(2), place.seat(3), place.seat(1)
    catch_up.join(first)
    assert await soon(place.door.opened.get()) == token(2)
    catch_up.join(same)
    catch_up.join(later)
    assert len(catch_up) == 1
    catch_up.join(earlier)
    assert (len(catch_up), await soon(place.door.opened.get())) == (2, token(1))
    await arrived(earlier)
    place.door.interrupt(Batch([], token(2)))
    await arrived(first, same, later)
    assert [waiting(seat) for seat in (first, same, later)] == [[3, 4, 5], [3, 4, 5], [4, 5]]
    assert waiting(earlier) == [2, 3, 4, 5]


async def test_a_few_stretches_read_and_one_more_waits(place: Place, catch_up: CatchUp) -> None:
    """It gathers those who come meanwhile, and reads when another one ends."""
    await place.begin(past=9)
    for _ in range(STRETCHES):
        place.door.plan(Signal.SILENCE)
    seats = [place.seat(8 - number) for number in range(STRETCHES)]
    for seat in seats:
        catch_up.join(seat)
        assert await soon(place.door.opened.get()) == seat.reached
    late, last = place.seat(1), place.seat(0)
    catch_up.join(late)
    await place.beat()
    catch_up.join(last)
    assert (len(catch_up), place.door.opened.empty()) == (STRETCHES + 1, True)
    catch_up.leave(seats[0])
    await arrived(late, last)
    assert [waiting(seat) for seat in (late, last)] == [list(range(2, 10)), list(range(1, 10))]


async def test_a_stretch_that_nobody_needs_ends(place: Place, catch_up: CatchUp) -> None:
    """With the last one who leaves; the others have theirs until then."""
    await place.begin(past=3)
    place.door.plan(Signal.SILENCE)
    first, second = place.seat(0), place.seat(1)
    catch_up.join(first)
    catch_up.join(second)
    await soon(place.door.opened.get())
    catch_up.leave(first)
    assert (first.catching_up, second.catching_up, len(catch_up)) == (False, True, 1)
    catch_up.leave(second)
    assert (second.catching_up, len(catch_up)) == (False, 0)


async def test_a_stretch_whose_followers_had_enough_ends(
    place: Place, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has WAITING_EVENTS waiting works them off first, and no event behind them is kept for it."""
    monkeypatch.setattr(catchup, "WAITING_EVENTS", 2)
    await place.begin(past=5)
    place.door.plan(Batch([change(one) for one in (1, 2, 3)], token(3)), Signal.SILENCE)
    seat = place.seat(0)
    catch_up.join(seat)
    await arrived(seat)
    assert (waiting(seat), seat.reached) == ([1, 2], token(2))
    seat.backlog.clear()
    catch_up.join(seat)
    await arrived(seat)
    assert (waiting(seat), seat.lost) == ([3, 4], False)


async def test_who_is_older_than_history_is_lost_alone(place: Place, catch_up: CatchUp) -> None:
    """Of many positions in one stretch, those that are still known go on, found by halving."""
    await place.begin(past=64)
    place.door.forget(40)
    seats = [place.seat(after) for after in range(64)]
    for seat in seats:
        catch_up.join(seat)
    await arrived(*seats)
    assert [seat.lost for seat in seats] == [True] * 40 + [False] * 24
    assert [waiting(seat) for seat in seats[40:]] == [list(range(after + 1, 65)) for after in range(40, 64)]
    assert not any(seat.backlog for seat in seats[:40])
    assert place.door.opened.qsize() <= 2 + 6  # in vain, by halving 63 positions, and from the oldest that is known


async def test_a_store_that_is_away_while_halving_is_asked_again(place: Place, catch_up: CatchUp) -> None:
    """Nobody ends with a fault, and nobody's loss is passed over."""
    await place.begin(past=5)
    place.door.forget(1)
    seats = [place.seat(0), place.seat(3)]
    place.door.plan(HistoryLost())
    place.door.plan(unavailable())
    for seat in seats:
        catch_up.join(seat)
    await arrived(*seats)
    assert ([seat.end for seat in seats], [seat.lost for seat in seats]) == ([None, None], [True, False])
    assert waiting(seats[1]) == [4, 5]


async def test_a_silent_watch_is_opened_anew(place: Place, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SILENCE_SECONDS, so that it holds neither its followers nor a place to read."""
    await place.begin(past=3)
    monkeypatch.setattr(catchup, "SILENCE_SECONDS", 0.01)
    place.door.plan(Signal.SILENCE)
    seat = place.seat(1)
    catch_up.join(seat)
    await arrived(seat)
    assert (waiting(seat), seat.end) == ([2, 3], None)


async def test_all_who_are_too_old_are_lost(place: Place, catch_up: CatchUp) -> None:
    """Where nothing of the past is known, and nobody waits for ever."""
    await place.begin(past=9)
    place.door.forget(9)
    seats = [place.seat(after) for after in (0, 0, 5, 8)]
    for seat in seats:
        catch_up.join(seat)
    await arrived(*seats)
    assert all(seat.lost for seat in seats)


async def test_history_lost_on_the_way_parts_with_those_who_stand_there(place: Place, catch_up: CatchUp) -> None:
    """What they were given before stays theirs."""
    await place.begin(past=5)
    place.door.plan(Batch([change(1)], token(1)), HistoryLost())
    behind, ahead = place.seat(0), place.seat(4)
    catch_up.join(behind)
    catch_up.join(ahead)
    await arrived(behind, ahead)
    assert (behind.lost, waiting(behind)) == (True, [1])
    assert (ahead.lost, waiting(ahead)) == (False, [5])


async def test_who_leaves_while_positions_are_tried_is_not_lost(place: Place, catch_up: CatchUp) -> None:
    """It went by itself."""
    await place.begin(past=5)
    place.door.plan(HistoryLost())
    place.door.plan(Signal.SILENCE)
    gone, stays = place.seat(0), place.seat(3)
    catch_up.join(gone)
    catch_up.join(stays)
    assert [await soon(place.door.opened.get()) for _ in range(2)] == [token(0), token(3)]
    catch_up.leave(gone)
    place.door.interrupt(Batch([], token(3)))
    await arrived(stays)
    assert (gone.lost, waiting(stays)) == (False, [4, 5])


@pytest.mark.parametrize("order", [unavailable(), Signal.END])
async def test_a_store_that_comes_back_has_cost_nothing(
    place: Place, catch_up: CatchUp, order: Exception | Signal
) -> None:
    """One failure less than TRIES in a row, each waited for longer up to a bound."""
    await place.begin(past=3)
    for _ in range(TRIES - 1):
        place.door.plan(order)
    seat = place.seat(1)
    catch_up.join(seat)
    await arrived(seat)
    assert (waiting(seat), seat.end) == ([2, 3], None)
    assert place.pauses.noted[:4] == [GATHER_SECONDS, 0.2, 0.4, 0.8]
    assert place.pauses.noted[-1] == BACKOFF_SECONDS_MAX


async def test_failures_count_from_where_the_read_came_to(place: Place, catch_up: CatchUp) -> None:
    """Whoever gets on does not give up; nothing is told twice."""
    await place.begin(past=4)
    for number in (1, 2, 3):
        for _ in range(TRIES - 2):
            place.door.plan(unavailable())
        place.door.plan(Batch([change(number)], token(number)), unavailable())
    seat = place.seat(0)
    catch_up.join(seat)
    await arrived(seat)
    assert (waiting(seat), seat.end) == ([1, 2, 3, 4], None)


async def test_a_store_that_stays_away_ends_the_followers(place: Place, catch_up: CatchUp) -> None:
    """After TRIES failures in a row, each with a fault of its own."""
    await place.begin(past=3)
    for _ in range(TRIES):
        place.door.plan(unavailable())
    seats = [place.seat(0), place.seat(1)]
    for seat in seats:
        catch_up.join(seat)
    await arrived(*seats)
    ends = [seat.end for seat in seats if isinstance(seat.end, Fault)]
    assert [end.code for end in ends] == ["UNAVAILABLE"] * 2
    assert (ends[0] is ends[1], place.door.opened.qsize()) == (False, TRIES)


async def test_a_mistake_in_a_read_ends_the_followers(place: Place, catch_up: CatchUp) -> None:
    """With INTERNAL, for nobody knows what it was; who comes then gets a new stretch."""
    await place.begin(past=3)
    place.door.plan(RuntimeError("secret"))
    seat, next_one = place.seat(0), place.seat(0)
    catch_up.join(seat)
    await arrived(seat)
    assert isinstance(seat.end, Fault)
    assert (seat.end.code, "secret" in seat.end.message) == ("INTERNAL", False)
    catch_up.join(next_one)
    await arrived(next_one)
    assert waiting(next_one) == [1, 2, 3]


async def test_closing_ends_all_stretches(place: Place) -> None:
    """Those that gather and those that read."""
    pauses = Pauses()
    catch_up = CatchUp(place.door, place.feed, pauses)
    await place.begin(past=3)
    place.door.plan(Signal.SILENCE)
    catch_up.join(place.seat(2))
    await soon(place.door.opened.get())
    pauses.held.add(GATHER_SECONDS)
    catch_up.join(place.seat(1))
    assert len(catch_up) == 2
    await soon(catch_up.close())
    assert len(catch_up) == 0
