"""Stories V, of harm: what one visitor says does nothing to others, and tells nothing of anybody."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.catalog.checks import Listing
from app.intake import visit
from app.intake.visit import Message, Verdict
from app.persons.wish import Given
from tests.make import email
from tests.stories.visitors import Site, site

__all__ = ["site"]

DEFINE_ATTRIBUTE = "mutation($input: DefineAttributeInput!) { defineAttribute(input: $input) { errors { code } } }"
# 16,000 bytes, and few enough characters for a text.
LONG = "\N{GRINNING FACE}" * 4000
MANY: Listing[tuple[str, bool | None]] = Listing(None, [(f"f{index}@b.example", None) for index in range(100)])


async def attributes(site: Site, count: int) -> None:
    """Define as many text attributes, t0 the first."""
    for index in range(count):
        assert await site.api.codes(DEFINE_ATTRIBUTE, input={"name": f"t{index}", "type": "STRING"}) == []


def kept(anonymous_id: str, *names: str) -> Message:
    """Return a message with long texts to be kept of a visitor."""
    return Message(visit.UPDATE, anonymous_id, traits=Given(nested=True, attributes=dict.fromkeys(names, LONG)))


async def test_an_alias_of_too_much_is_refused_alone(site: Site) -> None:
    """Of two who say much each, nothing is joined; those who share the call of the store are taken."""
    await attributes(site, 6)
    assert await site.take(kept("a", "t0", "t1", "t2"), kept("b", "t3", "t4", "t5")) == [Verdict(), Verdict()]
    await site.take(Message(visit.PAGE, "b", "m-b", properties={}))
    joined, *others = await asyncio.gather(
        site.take(Message(visit.ALIAS, "a", "m-alias", previous_id="b")),
        *[site.take(Message(visit.PAGE, f"n{index}", f"m{index}", properties={})) for index in range(4)],
    )
    assert [[one.code for one in verdict.refused] for verdict in joined] == [["TOO_LONG"]]
    assert others == [[Verdict()]] * 4
    assert await site.seen("b") == ["sessionStarted", "pageView"]


@pytest.mark.parametrize("strict", [False, True])
async def test_R17_traits_that_are_too_much_tell_nothing_of_anybody(site: Site, *, strict: bool) -> None:
    """A lead, a customer and nobody are answered the same: of nobody's, only what names it is taken."""
    await site.api.made(type="LEAD", emails=[{"address": "lead@b.example"}])
    await site.api.made(emails=[{"address": "customer@b.example"}])
    given = Given(nested=True, scalars={"first_name": "Ana"}, emails=MANY)
    for who in ("lead", "customer", "nobody"):
        message = Message(visit.IDENTIFY, who, identity=(email(f"{who}@b.example"),), traits=given)
        assert await site.take(message, strict=strict) == [Verdict()]
    made = await site.person(email="nobody@b.example")
    assert ([one["address"] for one in made["emails"]], made["firstName"]) == (["nobody@b.example"], "Ana")


@pytest.mark.parametrize("room", [True, False])
async def test_R17_traits_that_are_too_long_to_keep_tell_nothing(site: Site, *, room: bool) -> None:
    """Refused for all where one message says too much; taken of all where there is no room for more of a visitor."""
    await attributes(site, 6)
    await site.api.made(emails=[{"address": "customer@b.example"}])
    names = ("t3", "t4", "t5") if room else ("t0", "t1", "t2", "t3", "t4")
    given = Given(nested=True, attributes=dict.fromkeys(names, LONG))
    verdicts = []
    for who in ("customer", "nobody"):
        if room:
            await site.take(kept(who, "t0", "t1", "t2"))
        message = Message(visit.IDENTIFY, who, identity=(email(f"{who}@b.example"),), traits=given)
        (verdict,) = await site.take(message, strict=True)
        verdicts.append((verdict.accepted, [one.code for one in verdict.refused]))
    assert verdicts == [(True, []) if room else (False, ["TOO_LONG"])] * 2


async def test_what_is_kept_of_a_visitor_is_bounded_from_the_first_word(site: Site) -> None:
    """More than 64 KB is refused, and nothing is kept."""
    await attributes(site, 5)
    (verdict,) = await site.take(kept("v", "t0", "t1", "t2", "t3", "t4"))
    assert [(one.code, one.path) for one in verdict.refused] == [("TOO_LONG", ("traits",))]
    assert await site.api.service.store.engine.count("visitors", {}) == 0


async def test_who_joins_nobody_is_counted_and_not_logged(site: Site) -> None:
    """By the reason; any website can make it happen as often as it likes."""
    await site.api.made(emails=[{"address": "customer@b.example"}], externalId="crm")
    await site.api.made(emails=[{"address": "other@b.example"}])
    with capture_logs() as log:
        for _ in range(3):
            message = Message(visit.IDENTIFY, "v", identity=(email("customer@b.example"),))
            assert await site.take(message, strict=True) == [Verdict()]
        both = email("customer@b.example"), email("other@b.example")
        assert await site.take(Message(visit.IDENTIFY, "v", identity=both)) == [Verdict()]
    assert log == []
    text = site.api.service.edge.metrics.text().decode()
    for reason, count in (("UNPROVEN", 3), ("SEVERAL", 1)):
        assert f'profiles_visitors_unjoined_total{{reason="{reason}"}} {count}.0' in text
