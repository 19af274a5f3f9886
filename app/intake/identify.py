"""What an identified visitor makes of persons: a lead, a lead with more activity, a customer with a visit. All pure.

The person, the visitor that is bound to it and its line of activity are changed as one unit, or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.catalog import sweeps
from app.catalog.checks import Listing
from app.changes.model import Change, Effect, Guard, Path, Scene, Wished
from app.claims.model import Locator
from app.core import clock, ids
from app.core.errors import Refused
from app.intake import activity, sessions
from app.intake.activity import Page, Step
from app.intake.sessions import visitor_key
from app.intake.visit import ORIGIN, TTL_SECONDS, Former, Message, Session, Visitor
from app.intake.visit_record import COLLECTION, following
from app.mongo.engine import Replace, Write
from app.persons.model import LEAD, LINES_MAX, Person
from app.persons.plan import Update, event, write
from app.persons.wish import Contact, Wish

_KINDS = {"email": "emails", "phone": "phones"}


class Overtaken(Refused):
    """The visitor is not as it was read: it is to be read, and everything decided, again."""

    def __init__(self) -> None:
        super().__init__("VERSION_CONFLICT", "The visitor did something else meanwhile.")


class Unjoined(Refused):
    """Nobody is joined, and the visitor stays what it is; the caller is not told.

    `reason` is UNPROVEN (somebody is known by that, but it is not shown that it is the same one), SEVERAL (two persons
    are), NOBODY (what can't make a person is nobody's), FULL (the person has LINES_MAX lines). `unowned` are the
    identifiers of the message that nobody has.
    """

    def __init__(self, reason: str, unowned: Sequence[Locator] = ()) -> None:
        super().__init__("WRONG_STATE", "The visitor joins nobody.")
        self.reason = reason
        self.unowned = tuple(unowned)


UNPROVEN, SEVERAL, NOBODY, FULL = "UNPROVEN", "SEVERAL", "NOBODY", "FULL"


def guard(visitor: Visitor) -> Guard:
    """Return what makes a change stand on a visitor as it was read."""
    return Guard(COLLECTION, visitor_key(visitor.account, visitor.anonymous_id), Overtaken(), visitor.version)


@dataclass(frozen=True, slots=True)
class Identify(Wished[Person]):
    """Let a visitor be whoever its identifiers name.

    `wish` is what is said of the person, with what was kept of the visitor; `identity` the identifiers of the message,
    `kept` those of the visitor. `proven` are the identifiers by which an existing person may be met; None: all.
    """

    visitor: Visitor
    message: Message
    wish: Wish
    kept: Sequence[Locator] = ()
    proven: frozenset[Locator] | None = None

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return all identifiers that it may give to somebody."""
        told = [(one, (one.kind,)) for one in (*self.message.identity, *self.kept)]
        return [*told, *self.wish.places()]

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - several may be meant
        """Return what becomes of whom it is, by the table of the Web SDK; or refuse with Unjoined."""
        page = Page(self.visitor, scene.now, set())
        at = page.at(self.message)
        stands = sessions.stands(self.visitor, at)
        met, own = self._met(scene), None
        if stands:
            own = next((one for one in met.values() if self.visitor.subject in one.subjects), None)
        known = [one for one in met.values() if one is own or self._shown(one, scene)]
        if met and not known:
            said = (*self.wish.named(), *self.message.identity)
            raise Unjoined(UNPROVEN, [one for one in said if scene.find(one) is None])
        if len(known) > 1:
            raise Unjoined(SEVERAL)
        if own is not None:
            return self._again(own, page, scene)
        whom = known[0] if known else None
        session = self._seen(page, whom, scene)
        if whom is None:
            return self._made(page, scene)
        if len(whom.subjects) + len(_new(page.visitor.subjects, whom)) > LINES_MAX:
            raise Unjoined(FULL)
        return self._joined(whom, page, scene) if whom.type == LEAD else self._visited(whom, page, session, scene)

    def _seen(self, page: Page, whom: Person | None, scene: Scene) -> Session:
        """Let the message be an activity of a visitor who is nobody yet, or who was this person, now or earlier."""
        at = page.at(self.message)
        unknown = self.visitor.person is None
        # A lead has whatever a visitor did whom nobody knew.
        if not (unknown and (whom is None or whom.type == LEAD)) and sessions.passed(self.visitor, at, self._ttl()):
            page.later, page.visitor = self.visitor, sessions.ahead(self.visitor, at)
            return activity.active(page, self.message)
        same = sessions.again(self.visitor, at, self._theirs(whom, scene) if whom else ())
        if same is not None:
            page.visitor = same
            return activity.active(page, self.message)
        if not unknown and sessions.stands(self.visitor, at):
            activity.close(page)
            page.visitor = sessions.renewed(page.visitor, at)
        session = activity.seen(page, self.message)
        assert session is not None  # noqa: S101 - who is not bound has no moment before which nothing counts
        return session

    def _own(self, person: Person, scene: Scene) -> str:
        """Return the line of the identifier that means a person; while it is several, of the one whose that is."""
        met = (one for one in self.message.identity if scene.find(one) is person)
        return next(filter(None, map(scene.line, met)), person.subjects[0])

    def _theirs(self, person: Person, scene: Scene) -> list[str]:
        """Return the lines that are of who is meant: of several who are one, those that came by this identifier."""
        own = self._own(person, scene)
        return [one for one in person.subjects if not person.merged_ids or person.brought.get(one) == own]

    def _met(self, scene: Scene) -> dict[str, Person]:
        found = (scene.find(one) for one in self.message.identity)
        return {one.id: one for one in found if one is not None}

    def _shown(self, person: Person, scene: Scene) -> bool:
        return self.proven is None or any(scene.find(one) is person for one in self.proven)

    def _again(self, person: Person, page: Page, scene: Scene) -> Effect[Person]:
        """Return what an identification of the same person changes: of a lead what is new, of a customer no value."""
        if person.type != LEAD:
            return self._earlier(person, page, scene)
        effect = self._told(person, scene)
        if not effect.changed:
            return effect
        activity.seen(page, self.message)
        page.visitor = replace(page.visitor, ttl_seconds=self._ttl())
        return carried(effect, page, self.message)

    def _earlier(self, person: Person, page: Page, scene: Scene) -> Effect[Person]:
        """Return a customer who was there before as well, as an identification says that comes behind a later one."""
        since, at = self.visitor.since, page.at(self.message)
        if since is None or at >= since or not self._shown(person, scene):
            return Effect(person, person, ())
        after = _since(person, self.visitor, at)
        # What was between was nobody's, and is.
        theirs = tuple(one for one in self.visitor.sessions if one.start >= since)
        page.visitor = replace(self.visitor, since=at, sessions=theirs)
        activity.active(page, self.message)
        return carried(Effect(person, after, ("timeline",)), page, self.message)

    def _told(self, person: Person, scene: Scene) -> Effect[Person]:
        """Return the lead with what is said of it; what it can't take is left out, for nobody is told."""
        wish = free(self.wish, (*self.message.identity, *self.kept), person, scene)
        for one in (wish, replace(wish, emails=None, phones=None), Wish()):
            try:
                return Update(one).plan(person, scene)
            except Refused:
                continue
        return Effect(person, person, ())

    def _made(self, page: Page, scene: Scene) -> Effect[Person]:
        """Return the new lead; what it can't take is left out, as with one who is there: neither is told apart."""
        named = *self.message.identity, *self.kept
        bare = replace(self.wish, emails=None, phones=None)
        for wish, identity in ((self.wish, named), (bare, named), (Wish(), self.message.identity)):
            try:
                effect = self._born(free(wish, identity, None, scene), page, scene)
            except Refused:
                continue
            return self._bound(effect, page)
        raise Unjoined(NOBODY)

    def _born(self, wish: Wish, page: Page, scene: Scene) -> Effect[Person]:
        lines = [ids.new("sub", scene.now), *page.visitor.subjects]
        born = ids.new("per", scene.now), scene.account, LEAD, scene.catalog, scene.now, scene.now
        made = Person(*born, ORIGIN, ORIGIN, lines)
        changed = write(made, wish, scene)
        if not (made.external_id or made.emails or made.phones):
            raise Unjoined(NOBODY)
        effect: Effect[Person] = Effect(None, made, ("type", *changed))
        effect.events.append(event(made, scene, "personCreated", {}))
        return effect.announced()

    def _joined(self, person: Person, page: Page, scene: Scene) -> Effect[Person]:
        told = self._told(person, scene)
        after = told.after if told.changed else replace(person, version=person.version + 1)
        for one in told.events:
            one.changed = None
        return self._bound(self._with_lines(person, after, told, page, scene), page)

    def _visited(self, person: Person, page: Page, session: Session, scene: Scene) -> Effect[Person]:
        after = replace(person, version=person.version + 1)
        lines = _new(page.visitor.subjects, person)
        after.since = {**person.since, **dict.fromkeys(lines, session.start)}
        effect = self._with_lines(person, after, Effect(person, person, ()), page, scene)
        swept: list[tuple[str, Write]] = []
        if lines and page.visitor.first_seen < session.start:
            # No more than what is known: something of this visit may come late.
            what = [str(clock.millis(sessions.before(page.visitor, session))), *lines]
            swept.append((sweeps.COLLECTION, sweeps.later(scene.account, sweeps.EVENTS_BEFORE, what)))
        if lines:
            began = sessions.cut(page.visitor, session.start)
            page.visitor = replace(page.visitor, since=session.start, began=began)
        bound = self._bound(effect, page)
        bound.besides = [*bound.besides, *swept]
        return bound

    def _with_lines(
        self, person: Person, after: Person, told: Effect[Person], page: Page, scene: Scene
    ) -> Effect[Person]:
        """Return a person with the visitor's lines of activity, announced to whoever follows the timeline."""
        own = self._own(person, scene)
        new = _new(page.visitor.subjects, person)
        after.subjects = [*person.subjects, *new]
        if own != person.subjects[0] or person.merged_ids:
            # Where that one comes apart again, what came by its identifier goes along.
            after.brought = {**person.brought, **dict.fromkeys(new, own)}
        effect = Effect(person, after, (*told.changed, "timeline"))
        effect.events = [event(after, scene, "visitorIdentified", {}), *told.events]
        return effect.announced()

    def _bound(self, effect: Effect[Person], page: Page) -> Effect[Person]:
        """Bind the visitor to the person; what was kept of it is the person's now."""
        person, line = effect.after.id, page.visitor.subject
        for one in page.events:
            if one.subject == line:
                one.person_id = person
        page.visitor = replace(page.visitor, person=person, ttl_seconds=self._ttl(), identity=(), traits=None)
        if page.later is not None:
            activity.close(page)
            page.visitor = sessions.behind(page.visitor, page.later)
        return carried(effect, page, self.message)

    def _ttl(self) -> int:
        return self.message.ttl_seconds or TTL_SECONDS


def _since(person: Person, who: Visitor | Former, at: datetime) -> Person:
    """Return a customer whose timeline shows a visitor from an earlier moment on."""
    lines = who.subjects if isinstance(who, Visitor) else who.lines
    shown = {one: at for one in lines if person.since.get(one) == who.since}
    return replace(person, version=person.version + 1, since={**person.since, **shown})


@dataclass(frozen=True, slots=True)
class Begin(Change[Person]):
    """Record what happened in the visit of a customer before all that is known of it."""

    visitor: Visitor
    step: Step

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the customer; refuses Unjoined where the visitor is nobody's any more."""
        page, message = Page(self.visitor, scene.now, set()), self.step.message
        at = page.at(message)
        earlier = sessions.former(self.visitor, at)
        who = earlier or self.visitor
        if person is None or not sessions.begins(who, at):
            raise Unjoined(NOBODY)
        after = _since(person, who, at)
        page.visitor = sessions.shown(self.visitor, earlier, at)
        activity.happened(page, self.step, earlier)
        # An event is known by its id.
        return carried(Effect(person, after, ("timeline",)), page, replace(message, message_id=None))


def _new(lines: Sequence[str], person: Person) -> list[str]:
    """Return those of a visitor's lines that a person has not yet: who comes back goes on with the same."""
    return [one for one in lines if one not in person.subjects]


def carried(effect: Effect[Person], page: Page, message: Message) -> Effect[Person]:
    """Return a change of a person that writes the visitor, and what it did, in the same unit."""
    visitor = activity.noted(page.visitor, message)
    kept = following(visitor)
    effect.events += page.events
    besides: list[tuple[str, Write]] = [(COLLECTION, Replace({"_id": kept["_id"]}, kept))]
    if page.swept:
        besides.append((sweeps.COLLECTION, sweeps.later(visitor.account, sweeps.EVENTS, page.swept)))
    effect.besides = [*effect.besides, *besides]
    return effect


def free(wish: Wish, identity: Sequence[Locator], person: Person | None, scene: Scene) -> Wish:
    """Return a wish without the identifiers that somebody else has, and with those that nobody has."""

    def open_(kind: str, value: str) -> bool:
        owner = scene.find(Locator(kind, value))
        return owner is None or (person is not None and owner.id == person.id)

    scalars = dict(wish.scalars)
    named = scalars.get("external_id")
    if named and not open_("externalId", named):
        del scalars["external_id"]
    lists: dict[str, Listing[Contact] | None] = {}
    for kind, name in _KINDS.items():
        said: Listing[Contact] | None = getattr(wish, name)
        known = [one.value for one in identity if one.kind == kind and open_(kind, one.value)]
        lists[name] = _open_list(said, kind, known, open_)
    for one in identity:
        if one.kind == "externalId" and (person is None or person.external_id is None) and open_(one.kind, one.value):
            scalars.setdefault("external_id", one.value)
    return replace(wish, scalars=scalars, emails=lists["emails"], phones=lists["phones"])


def _open_list(
    said: Listing[Contact] | None, kind: str, known: Sequence[str], open_: Callable[[str, str], bool]
) -> Listing[Contact] | None:
    """Return the wish for contacts without those of others, and with the identifiers of the message."""
    named = [Contact(value, None, (kind,)) for value in dict.fromkeys(known)]
    if said is None:
        return Listing(None, named) if named else None
    replaced = None if said.replace is None else [one for one in said.replace if open_(kind, one.value)]
    added = [one for one in said.add if open_(kind, one.value)]
    there = {one.value for one in (*(replaced or ()), *added)}
    new = [one for one in named if one.value not in there]
    if replaced is not None:
        return Listing([*replaced, *new])
    return Listing(None, [*new, *added], said.remove)


def is_bound(visitor: Visitor, at: datetime) -> bool:
    """Tell whether an anonymous id means a person at that moment."""
    return visitor.person is not None and sessions.stands(visitor, at)
