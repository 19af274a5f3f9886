"""An event as a document, for whoever records one in the unit of the change that it tells."""

from app.mongo.engine import Document
from app.timeline.model import Event

COLLECTION = "events"


def document(event: Event) -> Document:
    """Return an event as it is kept; what is not there is left out."""
    kept: Document = {
        "_id": event.id,
        "account": event.account,
        "subject": event.subject,
        "type": event.type,
        "at": event.occurred_at,
        "received": event.received_at,
        "source": event.source,
    }
    for name, value in (
        ("person", event.person_id),
        ("company", event.company_id),
        ("session", event.session_id),
        ("props", event.properties),
    ):
        if value:
            kept[name] = value
    if event.changed is not None:
        kept["changed"] = list(event.changed)
    if event.told:
        kept["told"] = list(event.told)
    return kept


def read(kept: Document) -> Event:
    """Return the event of a document."""
    changed = kept.get("changed")
    return Event(
        kept["_id"],
        kept["account"],
        kept["subject"],
        kept["type"],
        kept["at"],
        kept["received"],
        kept["source"],
        kept.get("person"),
        kept.get("company"),
        kept.get("session"),
        kept.get("props", {}),
        None if changed is None else tuple(changed),
        tuple(kept.get("told", ())),
    )
