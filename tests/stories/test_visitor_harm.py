"""Stories V, of harm: what one visitor says does nothing to others, and tells nothing of anybody."""

import asyncio

from app.intake import visit
from app.intake.visit import Message, Verdict
from app.persons.wish import Given
from tests.stories.visitors import Site, site

__all__ = ["site"]

DEFINE_ATTRIBUTE = "mutation($input: DefineAttributeInput!) { defineAttribute(input: $input) { errors { code } } }"
# 16,000 bytes, and few enough characters for a text.
LONG = "\N{GRINNING FACE}" * 4000


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
