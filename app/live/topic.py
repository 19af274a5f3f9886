"""What can be followed, and what a follower gets to see."""

from dataclasses import dataclass
from typing import NamedTuple

from app.timeline.model import Event


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of one account's events: those of some subjects (None: of all), of some types (None: of all).

    `changes` keeps only the events that announce a change of a person.
    """

    account: str
    subjects: frozenset[str] | None = None
    types: frozenset[str] | None = None
    changes: bool = False

    def covers(self, event: Event) -> bool:
        """Tell whether a follower of this topic is to see `event`."""
        if event.account != self.account or (self.subjects is not None and event.subject not in self.subjects):
            return False
        if self.changes and (event.changed is None or event.person_id is None):
            return False
        return self.types is None or event.type in self.types


class Moment(NamedTuple):
    """One thing to tell: READY and RESYNC carry a position alone, EVENT an event and the position behind it."""

    kind: str
    token: str
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment as it goes out: encoded payloads, none where it doesn't concern the follower; `last` ends it."""

    payloads: tuple[str, ...]
    last: bool = False
