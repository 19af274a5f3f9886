"""What profiles were not changed by themselves is told: on the timeline of each, and so to followers.

What went with the definition of a tag or an attribute, and tags that members inherit. It is the account, or a company,
that was changed: versions and stamps of the profiles stay, and nobody's own change is held up by it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.catalog import sweeps
from app.changes.model import ACTIVE
from app.core import clock
from app.mongo.engine import Delete, Document, Engine
from app.timeline.model import Event
from app.timeline.record import COLLECTION, document

# Whose profiles have their own event for each tag; companies have one for whatever is changed.
PERSONS = "persons"
ATTRIBUTES, INHERITED = "customAttributes", "inheritedTags"


class Spreading:
    """Tells it in one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def tell(self, account: str, collection: str, said: Document, held: Sequence[Document]) -> None:
        """Tell profiles what they had; each once for ever, for the cause names the event."""
        now = clock.now()
        events = {kept["_id"]: _event(account, collection, said, kept, now) for kept in held if kept.get("subjects")}
        await self._engine.insert(COLLECTION, [document(one) for one in events.values()])
        await self._take_back(collection, events)
        if collection != PERSONS and "tag" in said:
            await self._spread(account, said, [kept["_id"] for kept in held])

    async def _take_back(self, collection: str, events: Mapping[str, Event]) -> None:
        """Tell nothing of who is gone: a process that stood still comes when all that a deletion left is cleared."""
        where = {"_id": {"$in": list(events)}, "state": {"$in": [None, ACTIVE]}}
        found = await self._engine.find(collection, where, projection={"_id": 1})
        if gone := events.keys() - {one["_id"] for one in found}:
            late = {"_id": {"$in": [events[one].id for one in gone]}}
            await self._engine.write(COLLECTION, [Delete(late, many=True)])

    async def _spread(self, account: str, said: Document, companies: Sequence[str]) -> None:
        """Have the members told of what these companies had; noted again it is there, or tells nobody anew."""
        noted = [_of_members(account, said, one) for one in companies]
        await self._engine.insert(sweeps.COLLECTION, noted)


def _of_members(account: str, said: Document, company: str) -> Document:
    own = f"{_bare(said['id'])}{_bare(company)}"
    inherited = sweeps.sayable(f"inh_{own}", INHERITED, said["by"], said["at"])
    return {**sweeps.later(account, sweeps.MEMBERS, [company], said=inherited).document, "_id": f"swp_{own}"}


def _bare(one: str) -> str:
    return one.partition("_")[2]


def _event(account: str, collection: str, said: Document, kept: Document, now: datetime) -> Event:
    subject = kept["subjects"][0]
    type_, properties = _words(collection, said)
    who = {"person_id": kept["_id"]} if collection == PERSONS else {"company_id": kept["_id"]}
    return Event(
        f"{subject}:evt_{_bare(said['id'])}",
        account,
        subject,
        type_,
        said["at"],
        now,
        said["by"],
        properties=properties,
        changed=(said["changed"],),
        attributes=(said["id"],) if said["changed"] == ATTRIBUTES else (),
        cause=said["id"],
        **who,
    )


def _words(collection: str, said: Document) -> tuple[str, dict[str, Any]]:
    """Return the type of the event, and what it says: of values nothing but that there were some."""
    if collection != PERSONS:
        return "companyUpdated", {}
    if "tag" in said:
        return "tagRemoved", {"tag": said["tag"]}
    return "personUpdated", {"changedFields": [{"name": said["changed"]}]}
