"""What can be followed, and what a follower gets to see."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.timeline.model import Event


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of one account's events: those of some subjects (None: of all), of some types (None: of all).

    `since` are subjects of which only what happened from a moment on is seen; `changes` keeps only the events that
    announce a change of a person, and those of the types `besides`. What gives a timeline other lines is told whatever
    its type.
    """

    account: str
    subjects: frozenset[str] | None = None
    types: frozenset[str] | None = None
    changes: bool = False
    besides: frozenset[str] = frozenset()
    since: frozenset[tuple[str, datetime]] = frozenset()

    def covers(self, event: Event) -> bool:
        """Tell whether a follower of this topic is to see `event`."""
        if event.account != self.account or not self._on_line(event):
            return False
        if self.changes and (event.changed is None or event.person_id is None) and event.type not in self.besides:
            return False
        return self.types is None or event.type in self.types or event.rejoins

    def _on_line(self, event: Event) -> bool:
        if self.subjects is None:
            return True
        if event.subject not in self.subjects:
            return not self.subjects.isdisjoint(event.told)
        return not any(line == event.subject and event.occurred_at < at for line, at in self.since)


class Moment(NamedTuple):
    """One thing to tell: READY and RESYNC carry a position alone, EVENT an event and the position behind it."""

    kind: str
    token: str
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment as it goes out: encoded payloads, none where it doesn't concern the follower; `last` ends it.

    `topic` is what is followed behind it, where that is something else. `encoded` is for those who send it: what they
    made of the payloads, by whatever tells that it is the same for others.
    """

    payloads: tuple[str, ...]
    last: bool = False
    topic: Topic | None = None
    encoded: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
