"""What goes with a definition that is deleted is told: on the timeline of each who had it, and so to followers.

It is the account that was changed: versions and stamps of profiles stay, and nobody's own change is held up by it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.core import clock
from app.mongo.engine import Document, Engine
from app.timeline.model import Event
from app.timeline.record import COLLECTION, document

# Whose profiles have their own event for each tag; companies have one for whatever is changed.
PERSONS = "persons"


class Deletions:
    """The deletions of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def tell(self, account: str, collection: str, said: Document, held: Sequence[Document]) -> None:
        """Tell profiles what they had; each once for ever, for the definition names the event."""
        now = clock.now()
        events = [_event(account, collection, said, kept, now) for kept in held if kept.get("subjects")]
        # With the definition, for whoever asks what was done to a profile itself.
        await self._engine.insert(COLLECTION, [{**document(one), "gone": said["id"]} for one in events])


def _event(account: str, collection: str, said: Document, kept: Document, now: datetime) -> Event:
    subject, own = kept["subjects"][0], said["id"].partition("_")[2]
    type_, properties = _words(collection, said.get("tag"))
    who = {"person_id": kept["_id"]} if collection == PERSONS else {"company_id": kept["_id"]}
    return Event(
        f"{subject}:evt_{own}",
        account,
        subject,
        type_,
        said["at"],
        now,
        said["by"],
        properties=properties,
        changed=("tags",) if "tag" in said else ("customAttributes",),
        attributes=() if "tag" in said else (said["id"],),
        **who,
    )


def _words(collection: str, tag: str | None) -> tuple[str, dict[str, Any]]:
    """Return the type of the event, and what it says: of values nothing but that there were some."""
    if collection != PERSONS:
        return "companyUpdated", {}
    return ("tagRemoved", {"tag": tag}) if tag else ("personUpdated", {"changedFields": [{"name": "customAttributes"}]})
