"""Stories V, of who comes back: the same person on the same browser, or by a server, goes on with the same line."""

import pytest

from app.intake.visit import FORGET, IDENTIFY, PAGE, Message
from tests.make import email
from tests.stories.visitors import Site, ago, later, site

__all__ = ["site"]

ANA, BEA = email("ana@b.example"), email("bea@b.example")
HOURS = 6


async def lines(site: Site) -> list[int]:
    """Return how many lines of activity each person has."""
    found = await site.api.service.store.engine.find("persons", {}, sort=(("_id", 1),))
    return [len(one["subjects"]) for one in found]


@pytest.mark.parametrize("type_", ["LEAD", "CUSTOMER"])
async def test_a_server_that_names_a_person_every_hour_makes_one_line(site: Site, type_: str) -> None:
    """Each hour is a visit of its own, and all that was sent is on the timeline once."""
    await site.api.made(type=type_, emails=[{"address": "ana@b.example"}])
    for hour in range(HOURS):
        with later(hours=hour):
            sent = (
                Message(IDENTIFY, "user:x", f"u{hour}", identity=(ANA,)),
                Message(PAGE, "user:x", f"p{hour}", properties={}),
            )
            await site.take(*sent)
            await site.take(*sent)
    with later(hours=HOURS - 1):
        await site.take(Message(PAGE, "user:x", "p0", properties={}))
        nodes = (await site.person(email="ana@b.example"))["nodes"]
    assert await lines(site) == [2]
    views = [one for one in nodes if one["type"] == "pageView"]
    assert [one["id"].partition(":")[2] for one in views] == [f"p{hour}" for hour in range(HOURS)]
    assert len({one["sessionId"] for one in views}) == HOURS
    assert [one["type"] for one in nodes].count("sessionEnded") == HOURS - 1


async def test_who_was_forgotten_and_comes_back_goes_on_with_the_same_line(site: Site) -> None:
    """What comes late of the time before is still part of the visit of then."""
    start = Message(IDENTIFY, "v", "i1", identity=(ANA,)), Message(PAGE, "v", "p1", properties={})
    await site.take(*start, Message(FORGET, "v", "f1"))
    await site.take(Message(IDENTIFY, "v", "i2", identity=(ANA,)), Message(PAGE, "v", "p2", properties={}), *start)
    assert await lines(site) == [2]
    found = await site.person(email="ana@b.example")
    assert found["did"] == ["sessionStarted", "pageView", "sessionEnded", "sessionStarted", "pageView"]


async def test_who_did_something_before_they_came_back_has_another_line(site: Site) -> None:
    """What nobody had done yet is the person's by a line of its own; one that is another's is never taken."""
    await site.take(Message(IDENTIFY, "v", "i1", identity=(ANA,)), Message(FORGET, "v", "f1"))
    await site.take(Message(PAGE, "v", "p1", properties={}), Message(IDENTIFY, "v", "i2", identity=(ANA,)))
    assert await lines(site) == [3]
    await site.take(Message(FORGET, "v", "f2"), Message(IDENTIFY, "v", "i3", identity=(BEA,)))
    assert await lines(site) == [3, 2]
    assert (await site.person(email="bea@b.example"))["did"] == ["sessionStarted"]


@pytest.mark.parametrize("type_", ["LEAD", "CUSTOMER"])
@pytest.mark.parametrize("minutes", [(1, 9), (9, 1), (1, 90), (90, 1), (9, 1, 90, 40)])
async def test_a_server_may_send_what_a_person_did_in_any_order(
    site: Site, type_: str, minutes: tuple[int, ...]
) -> None:
    """Each message says who it was: what comes after something later is on the timeline as well, once."""
    await site.api.made(type=type_, emails=[{"address": "ana@b.example"}])
    for one in (*minutes, *minutes):
        at = ago(minutes=one)
        who = Message(IDENTIFY, "user:x", f"u{one}", at, identity=(ANA,))
        await site.take(who, Message(PAGE, "user:x", f"p{one}", at, properties={}))
    nodes = (await site.person(email="ana@b.example"))["nodes"]
    views = [one["id"].partition(":")[2] for one in nodes if one["type"] == "pageView"]
    assert views == [f"p{one}" for one in sorted(minutes, reverse=True)]
