"""Stories V7 and V8 in whatever order messages come: what says who it was, or is to be forgotten, and pages."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.intake.visit import FORGET, IDENTIFY, PAGE, Message
from tests.make import email
from tests.stories.visitors import Site, ago, site

__all__ = ["site"]


def said(name: str, message: str) -> Message:
    """Return a message of so many minutes ago: `i20` says who it was, `f10` to forget that, `p25` neither."""
    at = ago(minutes=int(message[1:]))
    if message[0] == "i":
        return Message(IDENTIFY, name, message, at, identity=(email(f"{name}@b.example"),))
    return Message(FORGET, name, message, at) if message[0] == "f" else Message(PAGE, name, message, at, properties={})


async def views(site: Site, type_: str, name: str, messages: Sequence[str]) -> list[str]:
    """Return what stands on the timeline of a known person when a browser of theirs sends messages in this order."""
    await site.api.made(type=type_, emails=[{"address": f"{name}@b.example"}])
    for one in (*messages, *messages):
        await site.take(said(name, one))
    await site.api.service.services.catalog.sweeps.sweep()
    return await seen(site, name)


async def seen(site: Site, name: str) -> list[str]:
    """Return the pages on the timeline of a person, oldest first."""
    nodes = (await site.person(email=f"{name}@b.example"))["nodes"]
    return [one["id"].partition(":")[2] for one in nodes if one["type"] == "pageView"]


@pytest.mark.parametrize(("type_", "shown"), [("CUSTOMER", ["p12", "p5", "p1"]), ("LEAD", ["p99", "p12", "p5", "p1"])])
async def test_V7_what_came_before_in_the_visit_is_shown_though_it_comes_behind(
    site: Site, type_: str, shown: list[str]
) -> None:
    """G a visit in which it is said who it was W its pages come in any order T all are shown; older visits are not."""
    for number, rest in enumerate(itertools.permutations(["p12", "p5", "i3", "p1"])):
        assert await views(site, type_, f"ana{number}", ("p99", *rest)) == shown, rest


@pytest.mark.parametrize(("type_", "shown"), [("CUSTOMER", ["p170", "p25"]), ("LEAD", ["p170", "p100", "p25"])])
async def test_V8_what_is_between_two_visits_is_nobodys_though_it_comes_late(
    site: Site, type_: str, shown: list[str]
) -> None:
    """G two visits of a customer, and one that nobody spoke in between W its page comes in any order T never shown."""
    for number, rest in enumerate(itertools.permutations(["p170", "p100", "p25", "i20"])):
        assert await views(site, type_, f"bea{number}", ("i180", *rest)) == shown, rest


LEAVING = [
    ("forgotten", ["p12", "i3", "f2", "p5"], ["p12", "p5"]),
    ("forgotten, and all of it behind", ["i3", "f2", "p5", "p12", "p40"], ["p40", "p12", "p5"]),
    ("another one is there since", ["i63", "p1", "p65"], ["p65"]),
    ("of two visits the other one's end", ["p99", "i3", "f2", "p40"], []),
    ("the visit before was ended by hand", ["p20", "f15", "p14", "i3", "f2", "p17", "p14"], ["p14"]),
    ("a visit that goes on from another one", ["p50", "i3", "p25"], ["p50", "p25"]),
]


@pytest.mark.parametrize(("name", "messages", "shown"), LEAVING, ids=[row[0] for row in LEAVING])
async def test_V7_what_came_before_in_the_visit_is_shown_though_they_have_left(
    site: Site, name: str, messages: list[str], shown: list[str]
) -> None:
    """W a page of a visit comes when the browser means its customer no more T shown, and nothing of other visits."""
    assert await views(site, "CUSTOMER", "cea", messages) == shown, name


async def test_V7_what_came_with_it_counts_once(site: Site) -> None:
    """W the begin of a visit comes in one call with what has no id T all of it is there once."""
    await site.api.made(emails=[{"address": "ana@b.example"}])
    await site.take(said("ana", "i3"))
    nameless = Message(PAGE, "ana", None, ago(minutes=2), properties={})
    await site.take(nameless, said("ana", "p12"), nameless, said("ana", "p25"))
    assert (await site.person(email="ana@b.example"))["did"].count("pageView") == 4


BEHIND = [
    ("a page that nobody spoke behind", ["p5", "i60"], []),
    ("and those of the visit", ["p5", "i60", "p62", "p58"], ["p62", "p58"]),
    ("who spoke again", ["p5", "i60", "i3"], ["p5"]),
    ("a visit that goes on", ["p25", "p5", "i50"], ["p25", "p5"]),
    ("what is on one line with it can't be told apart", ["p62", "p5", "i60"], []),
    ("between two visits, the earlier one of which comes last", ["p64", "i1", "i184", "p40"], []),
]


@pytest.mark.parametrize(("name", "messages", "shown"), BEHIND, ids=[row[0] for row in BEHIND])
async def test_V8_what_came_after_a_visit_is_nobodys_though_it_comes_first(
    site: Site, name: str, messages: list[str], shown: list[str]
) -> None:
    """G a page behind a customer's visit W it comes before what said who that was T never shown."""
    assert await views(site, "CUSTOMER", "dea", messages) == shown, name


@pytest.mark.parametrize("type_", ["CUSTOMER", "LEAD", None])
@pytest.mark.parametrize("pages", [("p25", "p10", "p1"), ("p1", "p10", "p25")])
async def test_V7_who_was_there_before_may_say_so_behind_whoever_is_there_now(
    site: Site, type_: str | None, pages: Sequence[str]
) -> None:
    """W two say who they are on one browser, the later one first T each has what was done while it was theirs."""
    for name in ("ana", "bea") if type_ else ():
        await site.api.made(type=type_, emails=[{"address": f"{name}@b.example"}])
    bea, ana = replace(said("bea", "i3"), anonymous_id="v"), replace(said("ana", "i20"), anonymous_id="v")
    await site.take(bea, ana, *(replace(said("", one), anonymous_id="v") for one in pages), ana, bea)
    assert (await seen(site, "ana"), await seen(site, "bea")) == (["p25", "p10"], ["p1"])
    await site.take(Message(PAGE, "v", "p0", properties={}))
    assert await seen(site, "bea") == ["p1", "p0"]
