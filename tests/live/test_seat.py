"""A seat knows where its follower stands, a render that fails is a Fault, and a group shares one of them."""

import asyncio

import pytest

from app.core.errors import Fault, unavailable
from app.live import seat as seats
from app.live.group import Group, Routes
from app.live.seat import SLOW_SECONDS, Closing, Seat, Slot, SlowConsumer, rendered, repeated
from app.live.topic import Frame, Moment, Topic
from tests.live.doors import EVERYTHING, Clock, event, moment, soon

FRAME = Frame(("shown",))


async def show(one: Moment) -> Frame:
    """Render anything."""
    return FRAME


def frame_that_never_comes() -> asyncio.Future[Frame]:
    """Make something to wait for in vain."""
    return asyncio.get_running_loop().create_future()


def seated(topic: Topic = EVERYTHING) -> Seat:
    """Make a seat."""
    return Seat(topic, show, None, None)


def with_one_waiting(since: float) -> Seat:
    """Make a live seat that a frame has been waiting for."""
    seat, slot = seated(), Slot(1, moment(1))
    slot.frame, slot.since = FRAME, since
    seat.slot = Slot(0, None)
    seat.slot.next = slot
    return seat


async def test_what_is_rendered_comes_back() -> None:
    """The frame of the one who renders, as it is."""
    assert await rendered(show, moment(1)) is FRAME


async def test_a_fault_of_a_render_stays_itself() -> None:
    """It is meant for the follower."""
    fault = Fault("FORBIDDEN", "No more.")

    async def refuse(one: Moment) -> Frame:
        raise fault

    with pytest.raises(Fault) as caught:
        await rendered(refuse, moment(1))
    assert caught.value is fault


async def test_a_cancelled_render_is_a_fault_and_a_cancelled_task_is_cancelled() -> None:
    """What a render waits for may be cancelled by others; its group must hear of it."""

    async def wait(one: Moment) -> Frame:
        gone = frame_that_never_comes()
        gone.cancel()
        return await gone

    with pytest.raises(Fault) as caught:
        await rendered(wait, moment(1))
    assert caught.value.code == "INTERNAL"
    task = asyncio.create_task(rendered(lambda _: frame_that_never_comes(), moment(1)))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_endless_render_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """After RENDER_SECONDS, as a Fault."""
    monkeypatch.setattr(seats, "RENDER_SECONDS", 0.01)

    async def hang(one: Moment) -> Frame:
        return await frame_that_never_comes()

    with pytest.raises(Fault) as caught:
        await soon(rendered(hang, moment(1)))
    assert caught.value.code == "TIMEOUT"


async def test_a_mistake_of_a_render_shows_no_value() -> None:
    """Whoever follows hears INTERNAL and nothing of what went wrong."""

    async def stumble(one: Moment) -> Frame:
        raise KeyError("secret")

    with pytest.raises(Fault) as caught:
        await rendered(stumble, moment(1))
    assert caught.value.code == "INTERNAL"
    assert "secret" not in caught.value.message


def test_a_repeated_fault_is_equal_and_another() -> None:
    """So that it can be raised in a task of its own."""
    fault = unavailable(7)
    again = repeated(fault)
    assert again is not fault
    assert (again.code, again.message, again.status, again.extra) == (
        fault.code,
        fault.message,
        fault.status,
        {"retryAfter": 7},
    )


def test_a_payload_that_is_not_taken_makes_overdue() -> None:
    """From SLOW_SECONDS after it was handed over."""
    seat = seated()
    seat.hand(100.0)
    assert not seat.overdue(99.9 + SLOW_SECONDS)
    assert seat.overdue(100.0 + SLOW_SECONDS)


def test_a_payload_that_was_taken_does_not_make_overdue() -> None:
    """However long ago that was."""
    seat = seated()
    seat.hand(0.0)
    seat.took()
    assert not seat.overdue(10 * SLOW_SECONDS)


def test_a_frame_left_waiting_makes_overdue() -> None:
    """From SLOW_SECONDS after it was rendered."""
    seat = with_one_waiting(since=100.0)
    assert not seat.overdue(99.9 + SLOW_SECONDS)
    assert seat.overdue(100.0 + SLOW_SECONDS)


def test_who_works_off_a_backlog_is_not_overdue() -> None:
    """Its frames wait because older ones come first."""
    seat = with_one_waiting(since=0.0)
    seat.backlog.append(moment(0))
    assert not seat.overdue(10 * SLOW_SECONDS)


def test_who_has_just_worked_off_a_backlog_is_not_overdue() -> None:
    """However old the next frame became meanwhile."""
    seat = with_one_waiting(since=0.0)
    seat.hand(0.9 * SLOW_SECONDS)
    seat.took()
    assert not seat.overdue(1.8 * SLOW_SECONDS)
    assert seat.overdue(1.9 * SLOW_SECONDS)


def test_who_waits_for_news_is_not_overdue() -> None:
    """Nothing was left behind, nor is what is still being rendered."""
    seat = with_one_waiting(since=0.0)
    assert seat.slot is not None
    assert seat.slot.next is not None
    seat.slot.next.frame = None
    assert not seat.overdue(10 * SLOW_SECONDS)
    seat.slot = seat.slot.next
    assert not seat.overdue(10 * SLOW_SECONDS)


def test_a_live_seat_is_behind_by_what_it_has_not_read() -> None:
    """One that is not live is behind by nothing."""
    seat = with_one_waiting(since=0.0)
    assert seat.behind(Slot(9, moment(9))) == 9
    assert seated().behind(Slot(9, moment(9))) == 0


def test_the_first_end_of_a_seat_stays() -> None:
    """What ended it is raised when the payload was taken, and nothing that waited is kept."""
    seat = with_one_waiting(since=0.0)
    seat.backlog.append(moment(0))
    seat.stop(SlowConsumer("7"))
    seat.stop(Closing())
    with pytest.raises(SlowConsumer) as caught:
        seat.took()
    assert (caught.value.token, list(seat.backlog), seat.slot) == ("7", [], None)


async def test_a_bell_wakes_who_waits_and_nobody_else() -> None:
    """Rung twice or into the void it does no harm."""
    seat = seated()
    seat.ring()
    waiting = asyncio.ensure_future(seat.wait())
    asyncio.get_running_loop().call_soon(seat.ring)
    asyncio.get_running_loop().call_soon(seat.ring)
    await soon(waiting)
    seat.ring()


async def test_a_group_stops_at_a_fault_and_wakes_its_seats() -> None:
    """What was rendered before stays readable; nothing behind is rendered."""
    seat, group = seated(), Group(EVERYTHING, Clock())

    async def refuse_the_second(one: Moment) -> Frame:
        if one.token == moment(2).token:
            raise unavailable()
        return FRAME

    seat.render = refuse_the_second
    group.enter(seat)
    for number in (1, 2, 3):
        group.push(moment(number))
    async with asyncio.timeout(10):
        while group.fault is None:
            await seat.wait()
    group.push(moment(4))
    assert seat.slot is not None
    assert seat.slot.next is not None
    assert seat.slot.next.next is not None
    assert (seat.slot.next.frame, seat.slot.next.next.frame, group.fault.code) == (FRAME, None, "UNAVAILABLE")


async def test_a_group_without_seats_renders_nothing() -> None:
    """Behind the last one who leaves, the work ends."""
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def hang(one: Moment) -> Frame:
        begun.set()
        try:
            return await frame_that_never_comes()
        finally:
            left.set_result(None)

    group = Group(EVERYTHING, Clock())
    seat = Seat(EVERYTHING, hang, None, None)
    group.enter(seat)
    group.push(moment(1))
    await soon(begun.wait())
    group.leave(seat)
    await soon(left)
    assert not group.seats


def test_routes_find_by_subject_and_by_account() -> None:
    """Everyone concerned, each once; of a subject nobody else."""
    routes: Routes[str] = Routes()
    routes.add(EVERYTHING, "all")
    routes.add(Topic("acc_1", frozenset({"p1", "p2"})), "both")
    routes.add(Topic("acc_1", frozenset({"p2"})), "second")
    routes.add(Topic("acc_1", types=frozenset({"left"})), "of another type")
    routes.add(Topic("acc_2"), "stranger")
    assert sorted(routes.of(event(1, "p1"))) == ["all", "both"]
    assert sorted(routes.of(event(1, "p2"))) == ["all", "both", "second"]


def test_routes_keep_nothing_of_who_is_gone() -> None:
    """And removing somebody twice is removing them once."""
    routes: Routes[str] = Routes()
    both, second = Topic("acc_1", frozenset({"p1", "p2"})), Topic("acc_1", frozenset({"p2"}))
    routes.add(both, "both")
    routes.add(second, "second")
    routes.remove(both, "both")
    routes.remove(both, "both")
    assert list(routes.of(event(1, "p2"))) == ["second"]
    routes.remove(second, "second")
    assert len(routes) == 0


@pytest.mark.parametrize(
    ("topic", "seen"),
    [
        (Topic("acc_1"), True),
        (Topic("acc_2"), False),
        (Topic("acc_1", frozenset({"p2"})), False),
        (Topic("acc_1", types=frozenset({"visited"})), True),
        (Topic("acc_1", types=frozenset({"left"})), False),
        (Topic("acc_1", changes=True), False),
    ],
)
def test_a_topic_covers_what_was_asked_for(topic: Topic, *, seen: bool) -> None:
    """An event of its account, subjects and types."""
    assert topic.covers(event(1)) is seen


def test_a_topic_of_changes_covers_those_of_persons() -> None:
    """An event that announces a change of a person, and none of a company."""
    topic = Topic("acc_1", changes=True)
    assert topic.covers(event(1, changed=("firstName",), person_id="p1"))
    assert not topic.covers(event(1, changed=("name",), company_id="c1"))
