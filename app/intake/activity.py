"""What messages make of a visitor and its timeline, where no person changes by them. All pure.

A repetition does nothing at all; what comes late finds the visitor, and the visit, that it was part of.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.core import ids
from app.intake import sessions, traits
from app.intake.sessions import Placed
from app.intake.visit import ORIGIN, Former, Message, Session, Visitor
from app.timeline.model import Event

TAKEN_KEPT = 64
# Lines of one visitor: every message is looked for on each of them.
JOINED_MAX = 20
IDENTITY_KEPT = 20
# A timeline orders what happened in one moment by id: the begin of a visit stands first, its end last.
_PLACES = {"sessionStarted": "--", "sessionEnded": "zz-"}
DIGEST_BYTES = 7


class Redo(Exception):  # noqa: N818
    """The visitor is not what the step was chosen for: it is to be looked at again."""


@dataclass(frozen=True, slots=True)
class Step:
    """A message that is read and checked: what the plan needs of it, and which rule applies.

    `event` is the type of the event that it is, None where it is none; `traits` what to keep of a visitor, as JSON;
    `person`: the one whose time it prolongs, where that is still the one.
    """

    rule: "Rule"
    message: Message
    event: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    traits: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a page was."""

    visitor: Visitor
    events: int
    swept: int


@dataclass(slots=True)
class Page:
    """One visitor while its messages are taken in, with what is to be written beside it.

    `known` are the ids of events that are there already; `swept` lines of activity whose data go; `before` is the
    visitor as it was read; `later` is who is there by now, where the page is of one who was there before.
    """

    visitor: Visitor
    now: datetime
    known: set[str]
    events: list[Event] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    before: Visitor = field(init=False)
    later: Visitor | None = None

    def __post_init__(self) -> None:
        self.before = self.visitor

    def mark(self) -> "Mark":
        """Return how far it is."""
        return Mark(self.visitor, len(self.events), len(self.swept))

    def back(self, mark: "Mark") -> None:
        """Let nothing have happened since a mark."""
        self.known -= {event.id for event in self.events[mark.events :]}
        del self.events[mark.events :], self.swept[mark.swept :]
        self.visitor = mark.visitor

    def at(self, message: Message) -> datetime:
        """Return when a message happened."""
        return min(message.occurred_at or self.now, self.now)

    def had(self, message: Message) -> bool:
        """Tell whether a message that is an event was taken in before."""
        if message.message_id is None:
            return False
        return any(f"{line}:{message.message_id}" in self.known for line in lines(self.visitor))

    def record(self, event: Event) -> None:
        """Put an event on the timeline, once."""
        if event.id not in self.known:
            self.known.add(event.id)
            self.events.append(event)


Rule = Callable[[Page, Step], None]


def lines(visitor: Visitor) -> list[str]:
    """Return all lines of activity that a message of an anonymous id may have come to."""
    return [*visitor.subjects, *(line for one in visitor.former for line in (one.lines or (one.line,)))]


def digest(message_id: str) -> int:
    """Return what is remembered of the id of a message that is no event."""
    return int.from_bytes(hashlib.blake2b(message_id.encode(), digest_size=DIGEST_BYTES).digest())


def was_taken(visitor: Visitor, message: Message) -> bool:
    """Tell whether a message that is no event was taken in before."""
    return message.message_id is not None and digest(message.message_id) in visitor.taken


def noted(visitor: Visitor, message: Message) -> Visitor:
    """Return the visitor that remembers a message."""
    if message.message_id is None:
        return visitor
    return replace(visitor, taken=(*visitor.taken, digest(message.message_id))[-TAKEN_KEPT:])


def present(page: Page, at: datetime) -> Visitor:
    """Return the visitor that the anonymous id means at that moment, a new one where the old one's time is over."""
    visitor = page.visitor
    if sessions.stands(visitor, at):
        return visitor
    close(page)
    if visitor.subject and visitor.person is None:
        page.swept += visitor.subjects
    return sessions.renewed(visitor, at)


def close(page: Page, at: datetime | None = None) -> None:
    """End the open session, with `at` by hand."""
    done = sessions.ended(page.visitor, at)
    if done is not None:
        note(page, done)


def note(page: Page, done: Placed) -> None:
    """Let what happened to sessions have happened."""
    page.visitor = done.visitor
    for one in done.ended:
        page.record(session_event(done.visitor, one, "sessionEnded", one.last, page.now))
    for one in done.started:
        page.record(session_event(done.visitor, one, "sessionStarted", one.start, page.now))


def session_event(visitor: Visitor, session: Session, type_: str, at: datetime, now: datetime) -> Event:
    """Return the begin or the end of a visit; its id is made of the visit's, so that it comes once."""
    return Event(
        f"{visitor.subject}:{_PLACES[type_]}{session.id}",
        visitor.account,
        visitor.subject,
        type_,
        at,
        now,
        ORIGIN,
        visitor.person,
        session_id=session.id,
        properties={"sessionId": session.id},
    )


def seen(page: Page, message: Message) -> Session | None:
    """Let a message be an activity of the present visitor; None where it belongs to what is nobody's any more."""
    at = page.at(message)
    page.visitor = present(page, at)
    if page.visitor.since is not None and at < page.visitor.since:
        return None
    if not message.identity and sessions.between(page.visitor, at):
        return None
    return active(page, message)


def active(page: Page, message: Message) -> Session:
    """Let a message be an activity of the visitor as it is."""
    done = sessions.placed(page.visitor, page.at(message), message.message_id)
    note(page, done)
    return done.session


# ---------------------------------------------------------------- rules, one for each kind of step


def record(page: Page, step: Step) -> None:
    """Record an event on the visitor's line, or on that of whom the anonymous id meant when it happened."""
    message, at = step.message, page.at(step.message)
    if page.had(message) or sessions.lost(page.visitor, at):
        return
    earlier = sessions.former(page.visitor, at)
    if earlier is not None:
        if sessions.begins(earlier, at):
            raise Redo
        if earlier.since is None or at >= earlier.since:
            happened(page, step, earlier)
        return
    session = seen(page, message)
    if session is not None:
        page.record(_event(page, step, page.visitor.subject, session.id, page.visitor.person))
    elif sessions.begins(page.visitor, at):
        raise Redo


def happened(page: Page, step: Step, earlier: Former | None = None) -> None:
    """Record an event of the visitor as it is, or of whom its anonymous id meant earlier."""
    if earlier is None:
        session = active(page, step.message)
        page.record(_event(page, step, page.visitor.subject, session.id, page.visitor.person))
    else:
        page.record(_event(page, step, earlier.line, earlier.session, earlier.person))


def _event(page: Page, step: Step, line: str, session: str | None, person: str | None) -> Event:
    assert step.event is not None  # noqa: S101 - the rule of events
    return Event(
        f"{line}:{step.message.message_id or ids.new('evt', page.now)}",
        page.visitor.account,
        line,
        step.event,
        page.at(step.message),
        page.now,
        ORIGIN,
        person,
        session_id=session,
        properties=dict(step.properties),
    )


def is_new(page: Page, message: Message) -> bool:
    """Tell whether a message that is no event is to be taken in: none that came before, or that comes too late."""
    late = message.occurred_at is not None and sessions.late(page.visitor, page.at(message))
    return not (late or was_taken(page.visitor, message))


def touch(page: Page, step: Step) -> None:
    """Note an activity without an event; it prolongs the time of the person that the visitor was identified as."""
    if not is_new(page, step.message):
        return
    seen(page, step.message)
    ttl = step.message.ttl_seconds
    if step.person is not None and page.visitor.person == step.person:
        page.visitor = replace(page.visitor, ttl_seconds=ttl or page.visitor.ttl_seconds)
    page.visitor = noted(page.visitor, step.message)


def keep(page: Page, step: Step) -> None:
    """Keep what is said of a visitor whom nobody knows yet, for the person that it will be; refuses TOO_LONG."""
    message = step.message
    if not is_new(page, message):
        return
    visitor = present(page, page.at(message))
    if visitor.person is not None:
        raise Redo
    kept = traits.merged(visitor.traits, step.traits)
    seen(page, message)
    said = {(one.kind, one.value): None for one in message.identity if one.kind != "push"}
    known = tuple(dict.fromkeys((*page.visitor.identity, *said)))[-IDENTITY_KEPT:]
    page.visitor = noted(replace(page.visitor, identity=known, traits=kept), message)


def forget(page: Page, step: Step) -> None:
    """End the session by hand; where the visitor was identified, whoever comes next is a new one."""
    message, at = step.message, page.at(step.message)
    if not is_new(page, message):
        return
    if sessions.stands(page.visitor, at):
        close(page, at)
        if page.visitor.person is not None:
            page.visitor = sessions.left(page.visitor, at)
        page.visitor = noted(page.visitor, message)


def take_over(into: Page, other: Page, step: Step) -> None:
    """Make one visitor of two: the activity of the other joins it, and its anonymous id leads here from now on.

    Nothing happens where one of them is a person by now, or was another one then, or where there would be more than
    JOINED_MAX lines. Refuses with TOO_LONG where too much is kept of both together.
    """
    at = into.at(step.message)
    theirs = other.visitor
    if step.message.occurred_at is not None and any(sessions.late(one, at) for one in (theirs, into.visitor)):
        return
    if theirs.into is not None or not sessions.stands(theirs, at):
        return
    mine = present(into, at)
    if theirs.person is not None or mine.person is not None:
        return
    if len(mine.subjects) + len(theirs.subjects) > JOINED_MAX:
        return
    kept = traits.merged(theirs.traits, mine.traits)
    close(other)
    theirs = other.visitor
    known = sorted((*theirs.sessions, *mine.sessions), key=lambda one: (one.start, one.id))
    into.visitor = replace(
        mine,
        lines=(*mine.lines, *theirs.subjects),
        first_seen=min(mine.first_seen, theirs.first_seen),
        last=max(mine.last, theirs.last),
        sessions=tuple(known[-sessions.SESSIONS_KEPT :]),
        identity=tuple(dict.fromkeys((*theirs.identity, *mine.identity)))[-IDENTITY_KEPT:],
        traits=kept,
        taken=(*theirs.taken, *mine.taken)[-TAKEN_KEPT:],
    )
    # Whom its anonymous id meant before stays known there; nor is it led to whom this one meant before.
    before = [one for one in (theirs.began, mine.began) if one is not None]
    gone = replace(sessions.left(theirs, at), former=theirs.former, began=max(before, default=None))
    other.visitor = replace(gone, into=mine.anonymous_id)
