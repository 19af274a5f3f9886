"""What an app sends of its last user when it is somebody else's by now: it stays with whom it happened to."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app.claims.model import Locator, compound
from app.persons.model import Carrier, Former
from app.persons.service import Persons

# Clocks of phones differ from ours by so much: what happened this close to a logout is not told to be before it.
SKEW = timedelta(minutes=1)


def had_then(line: Carrier, at: datetime) -> Former | None:
    """Return who had the installation of a line at a moment; None where that is who has it now."""
    # The newest comes first.
    return next((one for one in reversed(line.former) if at < one.until - SKEW), None)


def locator_of(one: Former) -> Locator:
    """Return the name of what was carried then, which nobody can ask for."""
    return Locator("former", compound(one.holder, one.line))


async def carriers(persons: Persons, account: str, had: Mapping[Former, Carrier]) -> dict[Locator, Carrier]:
    """Return what carries the events of former holders, without those who are gone; each with what carries them now."""
    found = await gather(*(persons.heir(account, one.holder) for one in had))
    known: dict[Locator, Carrier] = {}
    for (one, now), heir in zip(had.items(), found, strict=True):
        if heir is not None:
            line = one.line if one.line in heir.subjects else heir.subjects[0]
            known[locator_of(one)] = Carrier(heir.id, line, heir.subjects, _others(one, now))
    return known


def _others(one: Former, now: Carrier) -> Sequence[Former]:
    # It may have come already, without its time: then it went to whoever had the installation.
    return [*(other for other in now.former if other is not one), Former(now.subject, one.until, now.person_id)]
