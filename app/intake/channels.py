"""What channels tell, and what becomes of it: one table of source and whom it finds. All pure.

Journeys, chatbots, the inbox and forms are trusted: what they know of somebody is written, and a contact of whatever
kind is enough for a profile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.catalog import values
from app.catalog.model import Catalog
from app.changes.model import Change, Effect, Path, Scene
from app.claims.model import Locator, digest, parts
from app.core import text
from app.core.errors import Refusals, Refused
from app.persons.model import CUSTOMER, LEAD, REGISTRATION_ID_MAX, Person
from app.persons.plan import Create, Update
from app.persons.reach import Reach
from app.persons.wish import Given, Wish, check, cleaned

INBOUND, PARTICIPANT, CHATBOT, INBOX, FORM = "INBOUND", "PARTICIPANT", "CHATBOT", "INBOX", "FORM"
NOBODY = "NOBODY"
STARTED, ENDED = 0, 1
# Ids of messages, sessions, journeys, bots, agents; parts of channel users; ids of applications.
ID_MAX = 256


@dataclass(frozen=True, slots=True)
class Action:
    """What is done: a profile of type `makes` is made, or the one that is there used (None).

    `writes`: what was learned is written as it is; otherwise by the rules of the form. `events` by phase.
    """

    makes: str | None
    origin: str
    writes: bool
    events: tuple[str, ...]


_ENTERED = ("journeyEntered",)
_CHATBOT = ("chatbotSessionStarted", "chatbotSessionEnded")
_INBOX = ("conversationCreated", "conversationFinished")
_SUBMITTED = ("formSubmitted",)

# The table of `docs/guide/channels.md`. A type never changes here: only what is made has one of the channel's choice.
ACTIONS: Mapping[tuple[str, str], Action] = {
    (INBOUND, NOBODY): Action(LEAD, "FLOW", writes=True, events=_ENTERED),
    (INBOUND, LEAD): Action(None, "FLOW", writes=True, events=_ENTERED),
    (INBOUND, CUSTOMER): Action(None, "FLOW", writes=True, events=_ENTERED),
    (PARTICIPANT, NOBODY): Action(LEAD, "FLOW", writes=True, events=_ENTERED),
    (PARTICIPANT, LEAD): Action(None, "FLOW", writes=True, events=_ENTERED),
    (PARTICIPANT, CUSTOMER): Action(None, "FLOW", writes=True, events=_ENTERED),
    (CHATBOT, NOBODY): Action(CUSTOMER, "ANSWERS", writes=True, events=_CHATBOT),
    (CHATBOT, LEAD): Action(None, "ANSWERS", writes=True, events=_CHATBOT),
    (CHATBOT, CUSTOMER): Action(None, "ANSWERS", writes=True, events=_CHATBOT),
    (INBOX, NOBODY): Action(CUSTOMER, "CONVERSATIONS", writes=True, events=_INBOX),
    (INBOX, LEAD): Action(None, "CONVERSATIONS", writes=True, events=_INBOX),
    (INBOX, CUSTOMER): Action(None, "CONVERSATIONS", writes=True, events=_INBOX),
    (FORM, NOBODY): Action(LEAD, "FORMS", writes=True, events=_SUBMITTED),
    (FORM, LEAD): Action(None, "FORMS", writes=False, events=_SUBMITTED),
    (FORM, CUSTOMER): Action(None, "FORMS", writes=False, events=_SUBMITTED),
}


def action(source: str, person: Person | None) -> Action:
    """Return what a source does with whom it found."""
    return ACTIONS[source, person.type if person else NOBODY]


def origin(source: str) -> str:
    """Return what is stamped on all that comes from a source."""
    return ACTIONS[source, NOBODY].origin


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a channel tells of whoever has a contact.

    `thread` names the message, session, conversation or submission, and makes it count once with its `phase`; `learned`
    is what is to be written of the person. `properties` are those of the event, None where there is nothing.
    """

    source: str
    contact: Locator
    thread: tuple[str, ...]
    phase: int = STARTED
    occurred_at: datetime | None = None
    learned: Given | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    session_id: str | None = None

    @property
    def type(self) -> str:
        """The type of its event."""
        return ACTIONS[self.source, NOBODY].events[self.phase]

    def event_id(self, phase: int) -> str:
        """Return the id of the event of a phase: nobody can send one like it.

        Within a millisecond it sorts behind the making of its person, and a beginning before its end.
        """
        return f"told-{digest(self.source, *self.thread)}.{phase}"

    @property
    def phases(self) -> Sequence[int]:
        """The phases that its thread has, its own among them."""
        return range(len(ACTIONS[self.source, NOBODY].events))


def checked(told: Told) -> Told:
    """Return what was told; refuses a contact that can't be one, and ids and properties that are none, by their paths.

    Paths are those of the contract's inputs.
    """
    refused: list[Refused] = []
    for name, value in told.properties.items():
        rule = values.CHECKS["STRING"] if name == "text" else identifier
        try:
            if value is not None:
                rule(value)
        except Refused as refusal:
            refused.append(refusal.under(name))
    try:
        reachable(told.contact)
    except Refused as refusal:
        refused.append(refusal.under("contact"))
    if refused:
        raise Refusals(refused)
    said = {name: value for name, value in told.properties.items() if value is not None}
    return replace(told, properties=said)


def identifier(value: str, limit: int = ID_MAX) -> str:
    """Return an id of another system; refuses an empty or long one, and control characters."""
    if not value.strip():
        raise Refused("REQUIRED", "This is not empty.")
    if len(value) > limit:
        raise Refused("TOO_LONG", f"This has at most {limit:,} characters.")
    return text.line(value)


def reachable(contact: Locator) -> Locator:
    """Return a contact by which somebody can be reached; refuses one that nobody can have, by its kind and part."""
    try:
        _reachable(contact)
    except Refused as refusal:
        raise refusal.under(contact.kind) from refusal
    return contact


_PARTS: Mapping[str, Sequence[tuple[str, int]]] = {
    "channel": (("channel", ID_MAX), ("sender", ID_MAX), ("userId", ID_MAX)),
    "push": (("applicationId", ID_MAX), ("registrationId", REGISTRATION_ID_MAX)),
}


def _reachable(contact: Locator) -> None:
    if contact.kind == "externalId":
        text.external_id(contact.value)
    named = _PARTS.get(contact.kind, ())
    found = parts(contact.value)
    if named and len(found) != len(named):
        raise Refused("FORBIDDEN_CHARACTER", "A text can't contain the control character U+0000.")
    for (name, limit), value in zip(named, found, strict=False):
        try:
            identifier(value, limit)
        except Refused as refusal:
            raise refusal.under(name) from refusal


def learn(told: Told, catalog: Catalog) -> Wish:
    """Return what is to be written of the person; names are cleaned, all else is refused with its path."""
    return learned(told.learned, [told.contact], catalog)


def learned(given: Given | None, contacts: Sequence[Locator], catalog: Catalog) -> Wish:
    """Return the wish of what was learned of whoever has the contacts, its type passed over; refuses by `attributes`.

    An external id that is another than that of a contact is refused: the next one would find nobody by it.
    """
    if given is None:
        return Wish()
    try:
        wish = check(replace(cleaned(given), type=None), catalog)
    except Refusals as refusals:
        raise Refusals([one.under("attributes") for one in refusals.refusals]) from refusals
    known = {one.value for one in contacts if one.kind == "externalId"}
    if known and wish.scalars.get("external_id", next(iter(known))) not in known:
        words = "The person was named by another external id."
        raise Refusals([Refused("INVALID", words, ("attributes", "externalId"))])
    return wish


@dataclass(frozen=True, slots=True)
class Contacted(Change[Person]):
    """Somebody was in contact: who has it is brought up to date, or made."""

    source: str
    reach: Reach
    wish: Wish

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return the contacts, and what was learned."""
        return [*self.reach, *((one, ("attributes", *path)) for one, path in self.wish.places())]

    def definitions(self) -> Collection[str] | None:
        """Return the attributes of what was learned."""
        return self.wish.definitions()

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person as it is now, by the table."""
        makes = action(self.source, held).makes
        try:
            if held is None:
                return Create(self.wish, makes or LEAD, self.reach).plan(None, scene)
            return Update(self.wish, reach=self.reach).plan(held, scene)
        except Refused as refusal:
            raise refusal if refusal.path in [path for _, path in self.reach] else refusal.under("attributes") from None
