"""Stories V, of browsers that several persons use: what comes late, or again, is nobody else's."""

from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.intake.visit import ALIAS, FORGET, IDENTIFY, PAGE, Message
from tests.make import email
from tests.stories.visitors import Site, site

__all__ = ["site"]

DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"
PERSONS = 7


class Day:
    """Messages by the minute of one half hour."""

    def __init__(self) -> None:
        self._start = clock.now() - timedelta(minutes=29)

    def at(self, minute: float) -> datetime:
        """Return the moment."""
        return self._start + timedelta(minutes=minute)

    def page(self, id_: str, name: str, minute: float) -> Message:
        """Return the view of a page."""
        return Message(PAGE, id_, name, self.at(minute), properties={})

    def said(self, kind: str, id_: str, name: str, minute: float, **more: Any) -> Message:
        """Return a message that is no event."""
        return Message(kind, id_, name, self.at(minute), **more)


async def pages(site: Site, who: str) -> list[str]:
    """Return the names of the pages that a person saw."""
    found = await site.person(email=f"{who}@b.example")
    return [one["id"].partition(":")[2] for one in found["nodes"] if one["type"] == "pageView"]


async def busy(site: Site, day: Day, persons: int = PERSONS) -> None:
    """Let persons use one browser after the other, four minutes each, and look at a page of their own."""
    for index in range(persons):
        await site.take(
            day.said(IDENTIFY, "v", f"i{index}", 4 * index, identity=(email(f"k{index}@b.example"),)),
            day.page("v", f"p{index}", 4 * index + 1),
            day.said(FORGET, "v", f"f{index}", 4 * index + 2),
        )


async def test_what_one_of_many_did_is_nobody_elses_when_it_comes_again(site: Site) -> None:
    """Nor what comes late: whose time it was is known for a few of them alone."""
    day = Day()
    await busy(site, day)
    await site.take(*[day.page("v", f"p{index}", 4 * index + 1) for index in range(PERSONS)])
    await site.take(day.page("v", "late0", 1.5), day.page("v", "late5", 21.5))
    expected = [[f"p{index}"] for index in range(PERSONS)]
    expected[5].append("late5")
    assert [await pages(site, f"k{index}") for index in range(PERSONS)] == expected


async def test_what_an_erased_person_did_comes_to_nobody_else(site: Site) -> None:
    """Neither to who used the browser next, nor to who was there before."""
    day = Day()
    await busy(site, day, 3)
    assert await site.api.codes(DELETE, by={"email": "k1@b.example"}) == []
    await site.take(day.page("v", "p1", 5), day.page("v", "late1", 5.5), day.page("v", "p9", 20))
    assert [await pages(site, one) for one in ("k0", "k2")] == [["p0"], ["p2"]]
    assert await site.seen("v") == ["sessionStarted", "pageView"]


async def test_an_alias_leaves_with_each_person_what_they_did(site: Site) -> None:
    """A browser that was one person's joins another one: what comes late from that time, or again, is the first's."""
    day, one, two = Day(), (email("one@b.example"),), (email("two@b.example"),)
    await site.take(
        day.said(IDENTIFY, "b", "i1", 0, identity=one),
        day.page("b", "p1", 1),
        day.said(FORGET, "b", "f1", 5),
        day.page("b", "p2", 8),
        day.page("a", "p3", 9),
        day.said(ALIAS, "a", "j1", 10, previous_id="b"),
    )
    await site.take(day.page("b", "p1", 1), day.page("b", "late1", 3), day.page("b", "p2", 8), day.page("b", "p4", 11))
    await site.take(day.said(IDENTIFY, "a", "i2", 12, identity=two))
    # Late, and again: none of it is the second person's.
    await site.take(
        day.page("b", "late2", 4), day.said(FORGET, "b", "f1", 5), day.said(IDENTIFY, "b", "i1", 0, identity=one)
    )
    await site.take(day.page("b", "p5", 13))
    assert [await pages(site, who) for who in ("one", "two")] == [["p1", "late1", "late2"], ["p2", "p3", "p4", "p5"]]
    assert await site.api.codes(DELETE, by={"email": "one@b.example"}) == []
    await site.take(day.page("b", "p1", 1))
    assert await pages(site, "two") == ["p2", "p3", "p4", "p5"]


async def test_an_alias_that_comes_late_joins_nobody(site: Site) -> None:
    """It was said when the browser was another one's."""
    day = Day()
    await busy(site, day, 1)
    await site.take(day.page("v", "p9", 8), day.page("w", "p8", 9), day.said(ALIAS, "v", "j1", 1, previous_id="w"))
    assert [await site.seen(one) for one in ("v", "w")] == [["sessionStarted", "pageView"]] * 2


async def test_what_was_taken_of_either_is_taken_of_both(site: Site) -> None:
    """A message that is no event, and came before the alias, does nothing again."""
    forget = Message(FORGET, "b", "f1")
    await site.take(Message(PAGE, "b", "p1", properties={}), forget, Message(PAGE, "b", "p2", properties={}))
    await site.take(Message(PAGE, "a", "p3", properties={}), Message(ALIAS, "a", "j1", previous_id="b"))
    before = await site.seen("a")
    await site.take(forget)
    assert await site.seen("a") == before


async def test_who_used_the_browser_before_an_erased_person_stays_known(site: Site) -> None:
    """What comes late, or again, from their time is theirs; that of the erased one's is nobody's."""
    day = Day()
    await busy(site, day, 1)
    await site.take(day.said(IDENTIFY, "v", "i1", 4, identity=(email("k1@b.example"),)), day.page("v", "p1", 5))
    assert await site.api.codes(DELETE, by={"email": "k1@b.example"}) == []
    (kept,) = await site.api.service.store.engine.find("visitors", {})
    assert {"subject", "visitor", "person", "session"}.isdisjoint(kept)
    await site.take(day.page("v", "p0", 1), day.page("v", "late0", 1.5), day.page("v", "p1", 5))
    assert await pages(site, "k0") == ["p0", "late0"]
    assert await site.seen("v") == []
    await site.track("v")
    assert await site.seen("v") == ["sessionStarted", "pageView"]
