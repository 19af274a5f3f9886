"""Sessions and visitors as tables of moments; and for any order and repetition of messages, the same timeline."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake import activity, sessions
from app.intake.activity import Page, Step
from app.intake.sessions import SESSIONS_KEPT, nobody
from app.intake.visit import FORGET, TRACK, Message, Visitor
from app.persons.leaving import FORMER_KEPT
from app.timeline.model import Event

NOON = datetime(2026, 5, 4, 12, 0)  # noqa: DTZ001 - naive UTC is the house's time
ACCOUNT = "acc_1"


def at(minutes: float) -> datetime:
    """Return a moment so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def tracked(minutes: float, message_id: str | None = None) -> Step:
    """Write an event of a visitor down."""
    named = message_id or f"m{minutes:g}".replace(".", "-")
    return Step(activity.record, Message(TRACK, "v", named, at(minutes)), "look")


def forgotten(minutes: float) -> Step:
    """Write a `forget` down."""
    return Step(activity.forget, Message(FORGET, "v", f"f{minutes:g}", at(minutes)))


def taken(steps: Sequence[Step], visitor: Visitor | None = None, now: float = 10_000) -> tuple[Visitor, list[Event]]:
    """Take steps in, each by itself; return the visitor and the timeline, oldest first."""
    known: set[str] = set()
    events: list[Event] = []
    current = visitor or nobody(ACCOUNT, "v", NOON)
    for step in steps:
        page = Page(current, at(now), known)
        step.rule(page, step)
        events += page.events
        current = replace(page.visitor, version=page.visitor.version + 1)
    return current, sorted(events, key=lambda one: (one.occurred_at, one.id))


def told(events: Sequence[Event]) -> list[tuple[str, float]]:
    """Return a timeline as types and minutes."""
    return [(one.type.removeprefix("session"), (one.occurred_at - NOON) / timedelta(minutes=1)) for one in events]


TABLE = [
    ("one visit", [0, 10, 40], [("Started", 0), ("look", 0), ("look", 10), ("look", 40)]),
    (
        "half an hour and a bit",
        [0, 30, 60.5],
        [("Started", 0), ("look", 0), ("look", 30), ("Ended", 30), ("Started", 60.5), ("look", 60.5)],
    ),
    ("late, of the same visit", [10, 0], [("look", 0), ("Started", 10), ("look", 10)]),
    (
        "late, of the visit before",
        [0, 40, 5],
        [("Started", 0), ("look", 0), ("Ended", 0), ("look", 5), ("Started", 40), ("look", 40)],
    ),
    (
        "late, a visit by itself",
        [100, 0],
        [("Started", 0), ("look", 0), ("Ended", 0), ("Started", 100), ("look", 100)],
    ),
    ("again", [0, 0, 0], [("Started", 0), ("look", 0)]),
]


@pytest.mark.parametrize(("name", "minutes", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_visits_are_told_apart_by_the_times_of_messages(
    name: str, minutes: list[float], expected: list[tuple[str, float]]
) -> None:
    """The table of sessions."""
    assert told(taken([tracked(one) for one in minutes])[1]) == expected, name


def test_each_event_carries_the_session_that_it_is_part_of() -> None:
    """The begin, what happens, and the end have one session id; the next visit has another."""
    _, events = taken([tracked(0), tracked(10), tracked(100)])
    visits = [one.session_id for one in events]
    assert visits[:4] == [visits[0]] * 4
    assert len(set(visits)) == 2


def test_the_same_message_begins_the_same_session() -> None:
    """So that a process that dies before its commit makes no second one."""
    first = sessions.session_id("vis_1", NOON, "m-1")
    assert first == sessions.session_id("vis_1", NOON, "m-1")
    others = [("vis_2", NOON, "m-1"), ("vis_1", at(1), "m-1"), ("vis_1", NOON, "m-2"), ("vis_1", NOON, None)]
    assert len({first, *(sessions.session_id(*one) for one in others)}) == 5


def test_a_session_ended_by_hand_takes_nothing_more() -> None:
    """What comes later begins another; what happened before, and comes late, is part of it."""
    visitor, events = taken([tracked(0), forgotten(5), tracked(6), tracked(3)])
    assert told(events)[-2:] == [("Started", 6), ("look", 6)]
    late = next(one for one in events if one.occurred_at == at(3))
    assert late.session_id == events[0].session_id
    assert visitor.session is not None
    assert visitor.session.id != late.session_id


def test_what_is_remembered_is_bounded() -> None:
    """Sessions, and whom the anonymous id meant before."""
    visitor, _ = taken([tracked(40 * one) for one in range(2 * SESSIONS_KEPT)])
    assert len(visitor.sessions) == SESSIONS_KEPT
    for one in range(2 * FORMER_KEPT):
        bound = replace(visitor, person="per_1", subject=f"web_{one}")
        visitor = sessions.renewed(bound, at(2_000 + one))
    assert [one.line for one in visitor.former] == [f"web_{one}" for one in range(FORMER_KEPT, 2 * FORMER_KEPT)]


LIVES = [
    ("nobody for 45 days", None, timedelta(days=45), True),
    ("nobody for longer", None, timedelta(days=45, milliseconds=1), False),
    ("identified, in time", "per_1", timedelta(seconds=1800), True),
    ("identified, too late", "per_1", timedelta(seconds=1800, milliseconds=1), False),
]


@pytest.mark.parametrize(("name", "person", "idle", "same"), LIVES, ids=[row[0] for row in LIVES])
def test_how_long_an_anonymous_id_means_the_same(name: str, person: str | None, idle: timedelta, *, same: bool) -> None:
    """The table of lives; whose time is over is another, with another line of activity."""
    visitor, _ = taken([tracked(0)])
    before = replace(visitor, person=person)
    page = Page(before, NOON + idle, set())
    after = activity.present(page, NOON + idle)
    assert ((after.id, after.subject) == (before.id, before.subject)) is same, name
    assert page.swept == ([] if same or person else [before.subject])


def test_what_comes_late_is_that_of_whom_the_id_meant_then() -> None:
    """After a forget, an event of before goes to the person's line; the same one again, to nobody's."""
    visitor, _ = taken([tracked(0)])
    bound = replace(visitor, person="per_1")
    steps = [forgotten(10), tracked(20), tracked(5), tracked(5), forgotten(10)]
    after, events = taken(steps, bound)
    late = [one for one in events if one.occurred_at == at(5)]
    assert [(one.subject, one.person_id) for one in late] == [(bound.subject, "per_1")]
    assert after.subject != bound.subject
    assert after.session is not None


# ---------------------------------------------------------------- any order, any repetition

MINUTES = st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True)


@given(MINUTES, st.data())
def test_repetitions_change_nothing(minutes: list[int], data: st.DataObject) -> None:
    """Messages that come again, whenever that is, leave the timeline as it was: sessions and all."""
    once = [tracked(one) for one in sorted(minutes)]
    again: list[Step] = []
    for index, step in enumerate(once):
        again += [step, *data.draw(st.lists(st.sampled_from(once[: index + 1]), max_size=3))]
    (first, events), (second, repeated) = taken(once), taken(again)
    assert told(events) == told(repeated)
    assert [one.type for one in events if one.type == "look"] == ["look"] * len(minutes)
    assert len(first.sessions) == len(second.sessions)


@given(MINUTES, st.data())
def test_any_order_keeps_each_event_once_and_every_session_whole(minutes: list[int], data: st.DataObject) -> None:
    """Each event once, each session begun once and ended at most once, and only the last one is open."""
    order = data.draw(st.permutations(minutes))
    visitor, events = taken([tracked(one) for one in (*order, *order)])
    assert sorted(one.occurred_at for one in events if one.type == "look") == [at(one) for one in sorted(minutes)]
    begun = [one.session_id for one in events if one.type == "sessionStarted"]
    ended = [one.session_id for one in events if one.type == "sessionEnded"]
    assert len(set(begun)) == len(begun)
    assert len(set(ended)) == len(ended)
    assert visitor.session is not None
    assert set(begun) - set(ended) == {visitor.session.id}
    assert {one.session_id for one in events} == set(begun)
    assert (visitor.first_seen, visitor.last) == (at(min(minutes)), at(max(minutes)))


@given(st.lists(st.integers(0, 8), min_size=1, max_size=8, unique=True), st.data())
def test_visits_far_apart_are_the_same_in_any_order(hours: list[int], data: st.DataObject) -> None:
    """Where no two messages are near each other, the whole timeline is the same, to the ids of the sessions."""
    order = data.draw(st.permutations(hours))
    forwards = taken([tracked(60 * one) for one in sorted(hours)])[1]
    anyhow = taken([tracked(60 * one) for one in order])[1]
    looks = [one for one in told(forwards) if one[0] != "Ended"]
    assert [one for one in told(anyhow) if one[0] != "Ended"] == looks
