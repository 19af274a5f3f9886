"""What an event is: something that happened to a person or a company, once, for ever."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core import clock

# What a change is called that gives a timeline other lines, or takes them off.
TIMELINE = "timeline"


@dataclass(slots=True)
class Event:
    """One event. `id` is `<subject>:<event id>`, unique in the database; a subject is one line of activity."""

    id: str
    account: str
    subject: str
    type: str
    occurred_at: datetime
    received_at: datetime
    source: str = "API"
    person_id: str | None = None
    company_id: str | None = None
    session_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    # The fields that a change touched; on exactly one event of each change, so that a change is announced once.
    changed: tuple[str, ...] | None = None
    # Other lines whose live followers are told as well: those of a profile that this is the end of.
    told: tuple[str, ...] = ()
    # The display name of the type, filled in when read.
    title: str = ""
    # Of the custom attributes that a change touched, the ids: kept for whoever asks when one of them was changed.
    attributes: tuple[str, ...] = ()
    # Of what a profile was not changed by itself: the id of the definition that was deleted, or of what was done.
    cause: str | None = None

    @property
    def rejoins(self) -> bool:
        """Whether the timeline of its person is made of other lines from here on."""
        return self.changed is not None and TIMELINE in self.changed


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """Which events of a timeline are wanted; None: all."""

    types: tuple[str, ...] | None = None
    not_types: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    session_id: str | None = None


def position(event: Event, *, arrival: bool = False) -> tuple[int, str]:
    """Return where an event stands in its list."""
    return clock.millis(event.received_at if arrival else event.occurred_at), event.id
