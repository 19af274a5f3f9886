"""Messages of a visitor in any order and repetition, through the whole service: the same person, each event once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.companies.service import Companies
from app.core import clock
from app.core.actor import Actor
from app.core.pages import Slice
from app.identity.tokens import Tokens
from app.intake.visit import FORGET, IDENTIFY, PAGE, Message
from app.intake.visitors import Visitors
from app.mongo.twin import Twin
from app.persons.model import Person
from app.timeline.service import EVERYTHING
from tests.make import House, email, house

ACTOR = Actor("acc_1", "key_1", frozenset(), "WEB_SDK")
ANA = email("ana@b.example")
MINUTES = list(range(12))
START = clock.now() - timedelta(minutes=20)


def pages(minutes: Sequence[int]) -> list[Message]:
    """Write page views down."""
    return [Message(PAGE, "v", f"m{one}", START + timedelta(minutes=one)) for one in minutes]


def identified(minute: float, message_id: str = "i") -> Message:
    """Write an identification down."""
    return Message(IDENTIFY, "v", message_id, START + timedelta(minutes=minute), identity=(ANA,))


async def sent(batches: Sequence[Sequence[Message]], *, at_once: bool = False) -> House:
    """Send batches to a service of their own."""
    rooms = house(Twin())
    companies = Companies(rooms.engine, rooms.claims, rooms.catalog, rooms.persons)
    visitors = Visitors(rooms.engine, rooms.catalog, rooms.persons, companies, Tokens(rooms.engine, bytes))
    calls = [visitors.take(ACTOR, batch) for batch in batches]
    answers = await asyncio.gather(*calls) if at_once else [await one for one in calls]
    assert all(one.accepted for answer in answers for one in answer)
    return rooms


async def lead(rooms: House) -> tuple[Person, list[str]]:
    """Return the one person that there is, and the ids of the pages on its timeline."""
    assert await rooms.engine.count("persons", {}) == 1
    person = await rooms.persons.find("acc_1", ANA)
    assert person is not None
    page = await rooms.timeline.of_subjects("acc_1", person.subjects, EVERYTHING, Slice(1000), since=person.since)
    return person, sorted(one.id.partition(":")[2] for one in page.items if one.type == "pageView")


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 11), st.booleans())
def test_any_order_and_repetition_make_the_same_lead(data: st.DataObject, minute: int, at_once: bool) -> None:  # noqa: FBT001
    """Within one visit: whoever comes first, be it the identification, the lead has all of it, each page once."""
    messages = [*pages(MINUTES), identified(minute + 0.5)]
    order = data.draw(st.permutations([*messages, *data.draw(st.lists(st.sampled_from(messages), max_size=10))]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3)))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True) if a < b]

    async def work() -> None:
        person, seen = await lead(await sent(batches, at_once=at_once))
        assert seen == sorted(f"m{one}" for one in MINUTES)
        assert len(person.subjects) == 2

    asyncio.run(work())


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 10))
def test_repetitions_after_a_forget_stay_with_whom_they_were(data: st.DataObject, minute: int) -> None:
    """What comes again finds the person that the browser was then; nothing of it becomes the next visitor's."""
    before, after = pages(MINUTES[:minute]), pages(MINUTES[minute:])
    forget = Message(FORGET, "v", "f", START + timedelta(minutes=minute - 0.25))
    once = [*before, identified(minute - 0.5), forget, *after]
    again = data.draw(st.lists(st.sampled_from(once), max_size=15))

    async def work() -> None:
        rooms = await sent([once, again, again])
        _, seen = await lead(rooms)
        assert seen == sorted(f"m{one}" for one in range(minute))
        assert await rooms.engine.count("events", {"type": "pageView"}) == len(MINUTES)
        assert await rooms.engine.count("events", {"type": "sessionStarted"}) == 2

    asyncio.run(work())
