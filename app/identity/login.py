"""Login and logout of an app: the tables of what becomes of whom, and the changes that do it. All pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from types import MappingProxyType

from app.changes.model import DELETED, Change, Effect, Scene, Wished, successor
from app.claims.model import Locator
from app.core.errors import Refused
from app.identity import installation
from app.identity.decide import blocked, unite
from app.identity.installation import Registration
from app.identity.unite import differences
from app.identity.user import User
from app.persons.model import CUSTOMER, LEAD, LINES_MAX, Person
from app.persons.plan import event, farewell, told, tombstone, write
from app.persons.wish import RULES, Wish
from app.timeline.model import TIMELINE, Event


class Seat(StrEnum):
    """On whom the installation sits."""

    EMPTY = auto()  # an empty lead of its own
    SHARED = auto()  # an empty lead that has other installations as well
    PERSON = auto()  # somebody who is known
    FREED = auto()  # the same, and the app says that they are to let go of it


class Met(StrEnum):
    """Whom the identity finds."""

    NOBODY = auto()
    SELF = auto()  # who has the installation already
    A_LEAD = auto()
    A_CUSTOMER = auto()
    SEVERAL = auto()


class Deed(StrEnum):
    """What comes of it: who has the installation afterwards, or why nobody else has."""

    NEW_CUSTOMER = auto()
    NEW_LEAD = auto()
    JOIN = auto()  # whom the identity found
    STAY = auto()  # who has it now
    PROMOTE = auto()  # the same, as a customer
    IMPOSSIBLE = auto()
    AMBIGUOUS = auto()


# The login table: on whom the installation sits, whom the identity finds → what comes of it, and with keepAsLead.
LOGIN: Mapping[tuple[Seat, Met], tuple[Deed, Deed]] = MappingProxyType(
    {
        (Seat.EMPTY, Met.NOBODY): (Deed.NEW_CUSTOMER, Deed.STAY),
        (Seat.EMPTY, Met.A_LEAD): (Deed.NEW_CUSTOMER, Deed.JOIN),
        (Seat.EMPTY, Met.A_CUSTOMER): (Deed.JOIN, Deed.JOIN),
        (Seat.EMPTY, Met.SEVERAL): (Deed.AMBIGUOUS, Deed.AMBIGUOUS),
        (Seat.SHARED, Met.NOBODY): (Deed.NEW_CUSTOMER, Deed.NEW_LEAD),
        (Seat.SHARED, Met.A_LEAD): (Deed.NEW_CUSTOMER, Deed.JOIN),
        (Seat.SHARED, Met.A_CUSTOMER): (Deed.JOIN, Deed.JOIN),
        (Seat.SHARED, Met.SEVERAL): (Deed.AMBIGUOUS, Deed.AMBIGUOUS),
        (Seat.PERSON, Met.NOBODY): (Deed.IMPOSSIBLE, Deed.IMPOSSIBLE),
        (Seat.PERSON, Met.SELF): (Deed.PROMOTE, Deed.STAY),
        (Seat.PERSON, Met.A_LEAD): (Deed.IMPOSSIBLE, Deed.IMPOSSIBLE),
        (Seat.PERSON, Met.A_CUSTOMER): (Deed.IMPOSSIBLE, Deed.IMPOSSIBLE),
        (Seat.PERSON, Met.SEVERAL): (Deed.AMBIGUOUS, Deed.AMBIGUOUS),
        (Seat.FREED, Met.NOBODY): (Deed.NEW_CUSTOMER, Deed.NEW_LEAD),
        (Seat.FREED, Met.SELF): (Deed.PROMOTE, Deed.STAY),
        (Seat.FREED, Met.A_LEAD): (Deed.NEW_CUSTOMER, Deed.JOIN),
        (Seat.FREED, Met.A_CUSTOMER): (Deed.JOIN, Deed.JOIN),
        (Seat.FREED, Met.SEVERAL): (Deed.AMBIGUOUS, Deed.AMBIGUOUS),
    }
)
# The logout table: on whom the installation sits → who has it afterwards.
LOGOUT: Mapping[Seat, Deed] = MappingProxyType(
    {Seat.EMPTY: Deed.STAY, Seat.SHARED: Deed.STAY, Seat.PERSON: Deed.NEW_LEAD}
)
REFUSED: Mapping[Deed, tuple[str, str]] = MappingProxyType(
    {
        Deed.IMPOSSIBLE: (
            "PERSONALIZATION_IMPOSSIBLE",
            "This installation belongs to another person: log out first, or say forceDepersonalize.",
        ),
        Deed.AMBIGUOUS: ("AMBIGUOUS_PERSONALIZE_CANDIDATES", "These identifiers belong to several persons."),
    }
)
PUSH = "pushRegistrations"
# What has events of its own on the timeline, beside what every change of a person tells.
SPOKEN = frozenset({TIMELINE, "companies"})


def seat_of(person: Person, *, force: bool = False) -> Seat:
    """Return on whom an installation of a person sits."""
    if not installation.is_empty(person):
        return Seat.FREED if force else Seat.PERSON
    return Seat.SHARED if len(person.push_registrations) > 1 else Seat.EMPTY


def met_of(owners: Sequence[Person], holder: Person) -> Met:
    """Return whom an identity finds, given by the owners of its identifiers, each once."""
    if len(owners) > 1:
        return Met.SEVERAL
    if not owners:
        return Met.NOBODY
    (one,) = owners
    if one.id == holder.id:
        return Met.SELF
    return Met.A_LEAD if one.type == LEAD else Met.A_CUSTOMER


@dataclass(frozen=True, slots=True)
class Login(Wished[Person]):
    """Give an installation to whom the app has logged in. `proven`: what of the identity is; None: all is believed."""

    moves = True

    registration: Registration
    wish: User
    force: bool = False
    keep_as_lead: bool = False
    primary: bool = False
    proven: Collection[Locator] | None = None

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return who has the installation afterwards, with the end of those who live on in them."""
        holder, _ = installation.known(held, self.registration, "push")
        found: dict[str, Person] = {}
        for one in self.wish.identity.named():
            if owner := scene.find(one):
                found[owner.id] = owner
        self._refuse_unproven(found.keys() - {holder.id}, scene)
        owners = list(found.values())
        seat, met = seat_of(holder, force=self.force), met_of(owners, holder)
        deed = LOGIN[seat, met][self.keep_as_lead]
        if deed in REFUSED:
            code, words = REFUSED[deed]
            raise Refused(code, words, ("push",) if deed is Deed.IMPOSSIBLE else ("identity",))
        self._refuse_another(owners)
        before, after = _HEIRS[deed](holder, owners, scene)
        ended = [holder] if seat is Seat.EMPTY else []
        ended += owners if deed is Deed.NEW_CUSTOMER else []
        ended = [one for one in ended if one is not before]
        left = holder if seat in (Seat.SHARED, Seat.FREED) and holder is not before else None
        return self._settled(_Heir(before, after), ended, left, scene)

    def _refuse_unproven(self, others: Collection[str], scene: Scene) -> None:
        """Refuse a login without proof: each person whom it reaches must be reached by an identifier that is proven."""
        if self.proven is None:
            return
        reached = {owner.id for one in self.proven if (owner := scene.find(one))}
        if not self.proven or not reached.issuperset(others):
            words = "This key needs an identity token that proves who the user is."
            raise Refused("USER_IDENTITY_INVALID", words, ("identityToken",))

    def _settled(self, heir: "_Heir", ended: Sequence[Person], left: Person | None, scene: Scene) -> Effect[Person]:
        after = heir.after
        _take_in(after, [_moved(one, self.registration, scene) for one in ended])
        also = [Effect(one, tombstone(one, DELETED, scene, into=after.id), ("state",)) for one in ended]
        if left is not None:
            also.append(_leave(left, self.registration, after, scene))
        if heir.before is not None:
            _bring(heir.before, after, self.wish.identity, scene)
        _write(after, self.wish.attributes, scene, "attributes")
        _write(after, _lacking(self.wish.identity, after), scene, "identity")
        first = self.registration if self.primary else None
        after.push_registrations = installation.arranged(after.push_registrations, first)
        _bound(after)
        changed = heir.changed()
        if heir.before is not None and not changed:
            return Effect(heir.before, heir.before, ())
        events = [farewell(one, scene, "personDeleted", {"personId": one.id}) for one in ended]
        events += heir.told(changed, self.registration, scene)
        for one in also:
            events += one.events
        return Effect(heir.before, after, changed, events, also)

    def _refuse_another(self, owners: Sequence[Person]) -> None:
        """Refuse an identity whose contacts belong to a person with another external id."""
        said = self.wish.identity.scalars.get("external_id")
        for one in owners:
            if said and one.external_id and said not in (one.external_id, *one.aliases):
                words = "This belongs to a person with another external id."
                raise Refused("USER_MERGE_INTERRUPTED", words, ("identity", "externalId"), owner=one.id)


@dataclass(frozen=True, slots=True)
class _Heir:
    """Who has the installation afterwards: as they were, None for a new one, and as they become."""

    before: Person | None
    after: Person

    def changed(self) -> tuple[str, ...]:
        """Return the contract's names of what differs; of a new one of what is there."""
        if self.before is not None:
            return differences(self.before, self.after)
        one = self.after
        nothing = Person(
            one.id,
            one.account,
            "",
            one.catalog,
            one.created_at,
            one.updated_at,
            one.created_from,
            one.modified_from,
            one.subjects[:1],
        )
        return differences(nothing, one)

    def told(self, changed: tuple[str, ...], registration: Registration, scene: Scene) -> list[Event]:
        """Return the events of the heir, the first of which announces the change."""
        before, after = self.before, self.after
        came = before is None or installation.held_by(before, registration) is None
        if before is None:
            events = [event(after, scene, "personCreated", {})]
        else:
            spoken = SPOKEN | {PUSH} if came else SPOKEN
            events = told(before, after, [name for name in changed if name not in spoken], scene)
            member = {one.company_id for one in before.memberships}
            for one in [one for one in after.memberships if one.company_id not in member]:
                said = {"companyId": one.company_id, **({"role": one.role} if one.role else {})}
                events.append(event(after, scene, "companyLinked", said))
        if came:
            events.append(installation.attached(after, registration, scene))
        events[0].changed = changed
        return events


Heirs = Callable[[Person, Sequence[Person], Scene], tuple[Person | None, Person]]


def _new(type_: str) -> Heirs:
    return lambda _holder, _owners, scene: (None, installation.blank(type_, scene))


def _found(_: Person, owners: Sequence[Person], scene: Scene) -> tuple[Person, Person]:
    (owner,) = owners
    return owner, successor(owner, scene)


def _same(holder: Person, _: Sequence[Person], scene: Scene) -> tuple[Person, Person]:
    return holder, successor(holder, scene)


def _promoted(holder: Person, _: Sequence[Person], scene: Scene) -> tuple[Person, Person]:
    return holder, replace(successor(holder, scene), type=CUSTOMER)


_HEIRS: Mapping[Deed, Heirs] = {
    Deed.NEW_CUSTOMER: _new(CUSTOMER),
    Deed.NEW_LEAD: _new(LEAD),
    Deed.JOIN: _found,
    Deed.STAY: _same,
    Deed.PROMOTE: _promoted,
}


def _take_in(heir: Person, ended: Sequence[Person]) -> None:
    """Give the heir all that those have who live on in it; of single values only what it lacks itself."""
    if not ended:
        return
    own = heir.merged_ids
    for attribute in RULES:
        held = [value for one in (heir, *ended) if (value := getattr(one, attribute)) is not None]
        setattr(heir, attribute, held[0] if held else None)
    heir.values = {name: value for one in (*reversed(ended), heir) for name, value in one.values.items()}
    unite(heir, replace(heir), ended)
    # Who is gone by a login is gone; who was merged into them before goes on finding the heir.
    heir.merged_ids = [*own, *(one for each in ended for one in each.merged_ids)]


def _moved(one: Person, registration: Registration, scene: Scene) -> Person:
    """Return a person as it comes to an heir: without what was deleted since, each installation with its line.

    The one that is logged in is not primary where the heir has others.
    """
    own, found = one.subjects[0], []
    for push in one.push_registrations:
        primary = push.primary and installation.named(push) != registration
        found.append(replace(push, subject=push.subject or own, primary=primary))
    known = scene.catalog.attributes
    return replace(
        one,
        push_registrations=found,
        tag_ids=[tag_id for tag_id in one.tag_ids if scene.tag_name(tag_id) != tag_id],
        values={name: value for name, value in one.values.items() if name in known},
    )


def _leave(holder: Person, registration: Registration, heir: Person, scene: Scene) -> Effect[Person]:
    """Move an installation to the heir, and return what becomes of who had it and goes on without.

    Of an empty lead its own line goes along; whoever is known keeps all that happened.
    """
    _, push = installation.known(holder, registration)
    own = push.subject if installation.is_empty(holder) and push.subject in holder.subjects[1:] else None
    brought = push if own else installation.relined(push, holder, scene)
    heir.subjects = [*heir.subjects, *filter(None, (brought.subject,))]
    heir.push_registrations = [*heir.push_registrations, replace(brought, primary=False)]
    after = successor(holder, scene)
    after.subjects = [one for one in holder.subjects if one != own]
    rest = [one for one in holder.push_registrations if one is not push]
    after.push_registrations = installation.arranged(rest)
    effect = Effect(holder, after, differences(holder, after), [installation.detached(after, registration, scene)])
    return effect.announced()


def _bring(before: Person, after: Person, identity: Wish, scene: Scene) -> None:
    """Note whose identifier brought new lines: where that one comes apart again, they and the installation go along."""
    own = next((line for one in identity.named() if scene.find(one) is before and (line := scene.line(one))), None)
    if own is not None and own != before.subjects[0]:
        new = [line for line in after.subjects if line not in before.subjects]
        after.brought = {**after.brought, **dict.fromkeys(new, own)}


def _lacking(identity: Wish, person: Person) -> Wish:
    """Return the identity without an external id that already finds the person."""
    known = identity.scalars.get("external_id") in person.aliases
    return replace(identity, scalars={}) if known else identity


def _write(person: Person, wish: Wish, scene: Scene, *at: str) -> None:
    try:
        write(person, wish, scene)
    except Refused as refusal:
        raise refusal.under(*at) from refusal


def _bound(person: Person) -> None:
    installation.bounded(person, "push")
    if len(person.subjects) > LINES_MAX:
        raise blocked(f"A person has at most {LINES_MAX} lines of activity.", "push")


@dataclass(frozen=True, slots=True)
class Logout(Change[Person]):
    """Take an installation from whoever is known by the app, and give it an empty lead of its own."""

    moves = True

    registration: Registration

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return who has the installation afterwards; on an empty lead it stays."""
        holder, push = installation.known(held, self.registration, "push")
        if LOGOUT[seat_of(holder)] is Deed.STAY:
            return Effect(holder, holder, ())
        made = installation.lead(installation.relined(push, holder, scene), scene)
        left = successor(holder, scene)
        rest = [one for one in holder.push_registrations if one is not push]
        left.push_registrations = installation.arranged(rest)
        gone = Effect(holder, left, (PUSH,), [installation.detached(left, self.registration, scene)]).announced()
        events = [*installation.welcomed(made, self.registration, scene), *gone.events]
        return Effect(None, made, ("type", PUSH, TIMELINE), events, [gone])
