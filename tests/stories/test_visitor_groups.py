"""Stories V, of groups: a message about a company counts once, for whom the anonymous id meant when it was sent."""

import pytest

from app.intake.visit import FORGET, GROUP, IDENTIFY, Message
from tests.api import COMPANY
from tests.make import email
from tests.stories.visitors import Site, ago, site

__all__ = ["site"]

ANA, BEA = email("ana@b.example"), email("bea@b.example")
UNLINK = """mutation($p: [PersonLocator!]!) {
  unlinkPersons(company: {name: "Acme"}, persons: $p) { errors { code } } }"""


@pytest.fixture
async def acme(site: Site) -> None:
    """Let there be a company."""
    await site.api(COMPANY, input={"name": "Acme", "externalId": "acme-1"})


async def companies(site: Site, name: str) -> list[str]:
    """Return of which companies a person is a member."""
    found = await site.person(email=f"{name}@b.example")
    return [one["name"] for one in found["companies"]["nodes"]]


@pytest.mark.usefixtures("acme")
async def test_a_late_group_links_nobody_else(site: Site) -> None:
    """What the first person said comes when the browser is another one's."""
    await site.take(
        Message(IDENTIFY, "v", "i1", ago(minutes=20), identity=(ANA,)),
        Message(FORGET, "v", "f1", ago(minutes=10)),
        Message(IDENTIFY, "v", "i2", ago(minutes=5), identity=(BEA,)),
        Message(GROUP, "v", "g1", ago(minutes=15), group_id="acme-1"),
    )
    assert [await companies(site, one) for one in ("ana", "bea")] == [[], []]
    await site.take(Message(GROUP, "v", "g2", ago(minutes=2), group_id="acme-1"))
    assert [await companies(site, one) for one in ("ana", "bea")] == [[], ["Acme"]]


@pytest.mark.usefixtures("acme")
async def test_a_group_that_is_repeated_links_nobody_again(site: Site) -> None:
    """Whom somebody took out of the company since stays out of it."""
    said = Message(GROUP, "v", "g1", group_name="acme")
    await site.take(Message(IDENTIFY, "v", identity=(ANA,)), said)
    assert await companies(site, "ana") == ["Acme"]
    assert await site.api.codes(UNLINK, p=[{"email": "ana@b.example"}]) == []
    await site.take(said)
    assert await companies(site, "ana") == []


@pytest.mark.usefixtures("acme")
async def test_a_group_of_a_visitor_nobody_knows_is_noted(site: Site) -> None:
    """It is an activity, taken once; whoever the visitor turns out to be is no member by it."""
    said = Message(GROUP, "v", "g1", group_id="acme-1")
    await site.take(said, Message(IDENTIFY, "v", identity=(ANA,)), said)
    assert await companies(site, "ana") == []
