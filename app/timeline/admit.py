"""Which sent events are let in: the rules of an event from outside, all pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.catalog import values
from app.catalog.model import Catalog
from app.core.errors import Refused

EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
AGE_DAYS = 30
EVENT_AGE = timedelta(days=AGE_DAYS)
EVENT_BYTES = 512_000
SESSION_ID_MAX = 256


@dataclass(slots=True)
class Sent:
    """An event as somebody sent it; `occurred_at` None: now."""

    type: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    session_id: str | None = None
    properties: Any = field(default_factory=dict)


def admit(
    sent: Sent, catalog: Catalog, now: datetime, *, also: Collection[str] = ()
) -> tuple[datetime, dict[str, Any]]:
    """Return when it occurred and its checked properties, or refuse it with a code of the contract.

    `also` are those of the service's own events that may come from outside this way.
    """
    definition = catalog.events.get(sent.type)
    if definition is None:
        raise Refused("UNKNOWN_EVENT_TYPE", f"There is no event {sent.type}. Define it first.", ("type",))
    if definition.standard and sent.type not in also:
        raise Refused("STANDARD_EVENT", f"{sent.type} is recorded by the service itself.", ("type",))
    if sent.event_id is not None and not EVENT_ID.fullmatch(sent.event_id):
        raise Refused("INVALID", "An event id has 1 to 64 of A-Z, a-z, 0-9, _ and -.", ("eventId",))
    if sent.session_id is not None and not 1 <= len(sent.session_id) <= SESSION_ID_MAX:
        raise Refused("INVALID", f"A session id has 1 to {SESSION_ID_MAX} characters.", ("sessionId",))
    occurred = when(sent.occurred_at, now)
    try:
        properties = values.properties(definition.declared, sent.properties)
    except Refused as refusal:
        raise refusal.under("properties") from refusal
    if len(orjson.dumps(properties)) > EVENT_BYTES:
        raise Refused("TOO_LONG", f"An event has at most {EVENT_BYTES} bytes.", ("properties",))
    return occurred, properties


def when(occurred_at: datetime | None, now: datetime) -> datetime:
    """Return when something occurred: now where nobody says, or where it lies ahead; refuses TOO_OLD."""
    occurred = min(occurred_at or now, now)
    if occurred < now - EVENT_AGE:
        raise Refused("TOO_OLD", f"Events older than {AGE_DAYS} days are not taken.", ("occurredAt",))
    return occurred
