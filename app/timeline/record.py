"""An event as a document, for whoever records one in the unit of the change that it tells."""

from app.catalog.model import Catalog
from app.core import clock
from app.core.sources import Kept, Source, Sources
from app.mongo.engine import Document
from app.timeline.model import Event

COLLECTION = "events"


# What says where an event stands.
PLACED = ("subject", "at", "received")


def _title(kept: Kept, catalog: Catalog) -> str:
    known = catalog.events.get(kept["type"])
    return known.title if known else str(kept["type"])


# What lists show of events, where it stands.
SOURCES: Sources = {
    "id": Source(("_id",)),
    "type": Source(("type",)),
    "title": Source(("type",), _title),
    "occurred_at": Source(("at",)),
    "received_at": Source(("received",)),
    "source": Source(("source",)),
    "session_id": Source(("session",)),
    "properties": Source(("props",), lambda kept, _: kept.get("props", {})),
}


def standing(kept: Kept, *, arrival: bool = False) -> tuple[int, str]:
    """Return where the event of a document stands in its list; see `model.position`."""
    return clock.millis(kept["received" if arrival else "at"]), kept["_id"]


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
        ("attributes", list(event.attributes)),
        ("cause", event.cause),
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
        cause=kept.get("cause"),
    )
