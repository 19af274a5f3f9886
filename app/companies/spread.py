"""Members inherit the tags of their companies: where these change, they are told of it behind that."""

from collections.abc import Sequence

from app.catalog.sweeps import COLLECTION, COMPANIES_AT_ONCE, MEMBERS, later, sayable
from app.companies.model import Company
from app.core import ids
from app.mongo.engine import Write


def spread(changed: Sequence[tuple[Company, Company]]) -> list[tuple[str, Write]]:
    """Return the writes that have the members told, of companies as they were and as they are."""
    tagged: dict[str, list[Company]] = {}
    for before, after in changed:
        if set(before.tag_ids) != set(after.tag_ids):
            tagged.setdefault(after.account, []).append(after)
    parts = [
        those[at : at + COMPANIES_AT_ONCE]
        for those in tagged.values()
        for at in range(0, len(those), COMPANIES_AT_ONCE)
    ]
    return [(COLLECTION, _noted(part)) for part in parts]


def _noted(companies: Sequence[Company]) -> Write:
    one = companies[0]
    said = sayable(ids.new("inh"), "inheritedTags", one.modified_from, one.updated_at)
    return later(one.account, MEMBERS, [each.id for each in companies], said=said)
