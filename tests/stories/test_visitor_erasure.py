"""Stories V, of erasure: what was kept of visitors goes with the person whose identifiers are among it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.catalog.checks import Listing
from app.intake.visit import FORGET, IDENTIFY, PAGE, UPDATE, Message
from app.persons.wish import Given
from tests.make import email
from tests.stories.test_merges import merged, reverted
from tests.stories.visitors import Site, ago, site

__all__ = ["site"]

ANA, BEA = email("ana@b.example"), email("bea@b.example")
# Much less than the sweep waits by itself.
SOON_SECONDS = 10
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"


def traits(*addresses: str) -> Given:
    """Return traits with a name and these emails."""
    return Given(nested=True, scalars={"first_name": "Zoe"}, emails=Listing(None, [(one, None) for one in addresses]))


async def visitors(site: Site) -> list[dict[str, Any]]:
    """Return what is kept of all visitors."""
    return await site.api.service.store.engine.find("visitors", {})


@pytest.mark.parametrize("strict", [True, False])
async def test_an_identifier_of_somebody_is_not_kept_of_a_visitor(site: Site, *, strict: bool) -> None:
    """Neither where it is not shown to be theirs, nor where it is only said of a visitor; what nobody has is kept."""
    await site.api.made(emails=[{"address": "ana@b.example"}], externalId="crm")
    said = traits("ana@b.example", "free@b.example")
    said.scalars["external_id"] = "crm"
    message = Message(IDENTIFY if strict else UPDATE, "v", identity=(ANA,) if strict else (), traits=said)
    assert [one.accepted for one in await site.take(message, strict=strict)] == [True]
    assert await site.api.codes(DELETE, by={"email": "ana@b.example"}) == []
    (kept,) = await visitors(site)
    assert ("ana@b.example" in repr(kept), "crm" in repr(kept)) == (False, False)
    await site.take(Message(IDENTIFY, "v", identity=(BEA,)))
    lead = await site.person(email="bea@b.example")
    assert [one["address"] for one in lead["emails"]] == ["bea@b.example", "free@b.example"]
    assert (lead["firstName"], lead["externalId"]) == ("Zoe", None)


async def test_what_is_kept_of_a_visitor_goes_with_who_came_to_have_the_identifier(site: Site) -> None:
    """Nobody had it when the visitor said it; the visitor, and what it did, stay."""
    await site.track()
    await site.take(Message(UPDATE, "v", traits=traits("ana@b.example")))
    assert "ana@b.example" in repr(await visitors(site))
    await site.api.made(emails=[{"address": "ana@b.example"}])
    assert await site.api.codes(DELETE, by={"email": "ana@b.example"}) == []
    (kept,) = await visitors(site)
    assert ("ana" in repr(kept), "Zoe" in repr(kept)) == (False, False)
    assert await site.seen() == ["sessionStarted", "pageView"]


async def test_what_others_said_stays_where_a_person_goes(site: Site) -> None:
    """A visitor of whom another identifier is kept keeps it."""
    await site.take(Message(UPDATE, "v", traits=traits("free@b.example")))
    await site.api.made(emails=[{"address": "ana@b.example"}])
    assert await site.api.codes(DELETE, by={"email": "ana@b.example"}) == []
    assert "free@b.example" in repr(await visitors(site))


async def test_what_a_customer_did_before_the_visit_is_cleared_at_once(site: Site) -> None:
    """It is nobody's from then on: the sweep doesn't wait for its next look."""
    await site.api.made(emails=[{"address": "ana@b.example"}])
    await site.take(Message(PAGE, "v", "p1", ago(hours=3), properties={}), Message(PAGE, "v", "p2", properties={}))
    engine, sweeps = site.api.service.store.engine, site.api.service.services.catalog.sweeps
    running = asyncio.create_task(sweeps.run())
    # It has looked once, and sleeps.
    await sweeps.sweep()
    await site.take(Message(IDENTIFY, "v", identity=(ANA,)))
    async with asyncio.timeout(SOON_SECONDS):
        while any(one["_id"].endswith(":p1") for one in await engine.find("events", {})):
            await asyncio.wait([running], timeout=0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await site.person(email="ana@b.example"))["did"] == ["sessionStarted", "pageView"]


async def test_of_whoever_was_one_with_a_former_visitor_nothing_stays_on_the_browser(site: Site) -> None:
    """G one who used a browser while merged W they come apart, and the other is erased T no id of that one is kept."""
    ana, bea, cea = [await site.api.made(emails=[{"address": f"{name}@b.example"}]) for name in ("ana", "bea", "cea")]
    payload = await merged(site.api, ana, bea, into=ana["id"])
    for number, who in enumerate((BEA, email("cea@b.example"), BEA)):
        at = ago(minutes=30 - 10 * number)
        await site.take(Message(IDENTIFY, "v", f"i{number}", at, identity=(who,)))
        await site.take(Message(FORGET, "v", f"f{number}", at + timedelta(minutes=5)))
    await reverted(site.api, payload)
    await site.api(DELETE, by={"id": ana["id"]})
    (kept,) = await visitors(site)
    assert [one["person"] for one in kept["former"]] == [bea["id"], cea["id"], bea["id"]]
    await site.take(Message(PAGE, "v", "p1", ago(minutes=28), properties={}))
    (view,) = (await site.api('{ activity(filter: {types: ["pageView"]}) { nodes { person { id } } } }'))["nodes"]
    assert view["person"] == {"id": bea["id"]}
