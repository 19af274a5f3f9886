"""What a change makes of a person: the person after it, claims taken and freed, the events that tell it. All pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.catalog import values
from app.catalog.checks import Listing
from app.changes.model import DELETED, Change, Effect, Scene, Wished, successor
from app.changes.tags import tags_after
from app.core import ids
from app.core.errors import Refused
from app.persons.model import CUSTOMER, LEAD, EmailContact, Membership, Person, PhoneContact, known_before
from app.persons.reach import Reach, reached, staying
from app.persons.wish import CONTACTS_MAX, RULES, Contact, Wish
from app.timeline.model import TIMELINE, Event

# Kind of claim → the code of a refusal because it is taken, and what it is called.
TAKEN = {
    "externalId": ("DUPLICATE_EXTERNAL_ID", "external id"),
    "email": ("DUPLICATE_EMAIL", "email"),
    "phone": ("DUPLICATE_PHONE", "phone number"),
}

C = TypeVar("C", EmailContact, PhoneContact)


def event(person: Person, scene: Scene, type_: str, properties: Mapping[str, Any]) -> Event:
    """Return one of our own events on the person's first line of activity."""
    return scene.event(person.subjects[0], type_, properties, person_id=person.id)


def checked(person: Person | None, expected: int | None) -> Person:
    """Return the person to change; refuses PERSON_NOT_FOUND and VERSION_CONFLICT."""
    if person is None:
        raise Refused("PERSON_NOT_FOUND", "There is no such person.", ("by",))
    if expected is not None and person.version != expected:
        message = f"This person is at version {person.version}, not {expected}: read it again."
        raise Refused("VERSION_CONFLICT", message, ("expectedVersion",))
    return person


def identified(person: Person) -> bool:
    """Tell whether an external id, an email or a phone number says who it is."""
    return bool(person.external_id or person.emails or person.phones)


NO_IDENTIFIER = "A person needs an email, a phone number or an external id."


@dataclass(frozen=True, slots=True)
class Create(Wished[Person]):
    """Make a person; refused with NO_IDENTIFIER where nothing identifies it, and nothing reaches it."""

    wish: Wish
    type: str = CUSTOMER
    reach: Reach = ()

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - there is none yet
        """Return the new person and its first event."""
        made = Person(
            ids.new("per", scene.now),
            scene.account,
            self.wish.type or self.type,
            scene.catalog,
            scene.now,
            scene.now,
            scene.origin,
            scene.origin,
            [ids.new("sub", scene.now)],
        )
        changed = reached(made, self.reach, scene) + write(made, staying(self.wish, self.reach), scene)
        if not self.reach and not identified(made):
            raise Refused("NO_IDENTIFIER", NO_IDENTIFIER)
        effect = Effect(None, made, tuple(dict.fromkeys(("type", *changed))))
        effect.events.append(event(made, scene, "personCreated", {}))
        return effect.announced()


@dataclass(frozen=True, slots=True)
class Update(Wished[Person]):
    """Change what the wish names; with `overwrite` empty all that it doesn't name. By `reach` it is reached as well."""

    wish: Wish
    expected: int | None = None
    overwrite: bool = False
    reach: Reach = ()

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the changed person with one event for each thing that happened."""
        before = checked(person, self.expected)
        after = successor(before, scene)
        changed = [] if self.overwrite else _promoted(after, self.wish)
        changed += reached(after, self.reach, scene)
        wish = staying(self.wish, self.reach)
        changed += write(after, _emptied(wish, before) if self.overwrite else wish, scene)
        if not identified(after) and (self.overwrite or identified(before)):
            raise Refused("NO_IDENTIFIER", NO_IDENTIFIER)
        if not changed:
            return Effect(before, before, ())
        effect = Effect(before, after, tuple(dict.fromkeys(changed)))
        effect.events = told(before, after, effect.changed, scene)
        return effect.announced()


def _promoted(person: Person, wish: Wish) -> list[str]:
    if wish.type is None or wish.type == person.type:
        return []
    if wish.type == LEAD:
        raise Refused("TYPE_NOT_ALLOWED", "A customer never becomes a lead again.", ("type",))
    person.type = wish.type
    return ["type"]


def _emptied(wish: Wish, person: Person) -> Wish:
    """Return the wish with everything absent emptied."""
    return Wish(
        None,
        dict.fromkeys(RULES) | wish.scalars,
        wish.emails or Listing([]),
        wish.phones or Listing([]),
        wish.tags or Listing([]),
        dict.fromkeys(person.values) | wish.attributes,
    )


def write(person: Person, wish: Wish, scene: Scene) -> list[str]:
    """Write a wish into a person of one's own; return the contract's names of the fields that changed."""
    changed = []
    for attribute, value in wish.scalars.items():
        if getattr(person, attribute) != value:
            if attribute == "external_id":
                person.aliases = _aliases(person, value)
            setattr(person, attribute, value)
            changed.append(RULES[attribute][0])
    emails = _contacts(person.emails, wish.emails, "emails", EmailContact, lambda c: c.address)
    phones = _contacts(person.phones, wish.phones, "phones", PhoneContact, lambda c: c.number)
    tags = tags_after(person.tag_ids, wish.tags, scene)
    attributes = values.written(person.values, wish.attributes)
    for name, old, new in (
        ("emails", person.emails, emails),
        ("phones", person.phones, phones),
        ("tags", person.tag_ids, tags),
        ("customAttributes", person.values, attributes),
    ):
        if old != new:
            changed.append(name)
    if wish.attributes:
        values.bounded(attributes)
    person.emails, person.phones, person.tag_ids, person.values = emails, phones, tags, attributes
    return changed


def _aliases(person: Person, chosen: str | None) -> list[str]:
    """Return the aliases beside another external id; where that is one of them, it changes places with the former."""
    if chosen not in person.aliases:
        return person.aliases
    return [one for one in (person.external_id, *person.aliases) if one not in (None, chosen)]


def _contacts(
    held: list[C],
    wish: Listing[Contact] | None,
    name: str,
    make: Callable[[str, bool], C],
    value_of: Callable[[C], str],
) -> list[C]:
    if wish is None:
        return held
    wanted = wish.add if wish.replace is None else wish.replace
    keep = held if wish.replace is None else []
    gone = set(wish.remove)
    flags = {value_of(one): one.primary for one in keep if value_of(one) not in gone}
    primary = next((one.value for one in wanted if one.primary), None)
    for one in wanted:
        flags.setdefault(one.value, False)
        if one.primary is False:
            flags[one.value] = False
    if len(flags) > CONTACTS_MAX:
        raise Refused("TOO_MANY", f"A person has at most {CONTACTS_MAX} {name}.", (name,))
    # At most one is primary; where none is, the oldest.
    primary = primary or next((value for value, flag in flags.items() if flag), next(iter(flags), None))
    return [make(value, value == primary) for value in flags]


def told(before: Person, after: Person, changed: Sequence[str], scene: Scene) -> list[Event]:
    """Return one event for each thing that happened; values of the profile stay out of them."""
    events = []
    came = _came(before, after, changed, scene)
    spoken = {"type", "emails", "phones", "tags", *came}
    plain = [name for name in changed if name not in spoken]
    if "type" in changed:
        events.append(event(after, scene, "personPromoted", {}))
    if plain or _primaries(before) != _primaries(after):
        named = plain or [name for name in ("emails", "phones") if name in changed]
        events.append(event(after, scene, "personUpdated", {"changedFields": [{"name": name} for name in named]}))
    for channel, old, new in (
        ("EMAIL", {one.address for one in before.emails}, {one.address for one in after.emails}),
        ("PHONE", {one.number for one in before.phones}, {one.number for one in after.phones}),
    ):
        for type_, count in (("contactAdded", len(new - old)), ("contactRemoved", len(old - new))):
            if count:
                events.append(event(after, scene, type_, {"channel": channel, "count": count}))
    events += [one for each in came.values() for one in each]
    for type_, gained, lost in (
        ("tagAdded", after.tag_ids, before.tag_ids),
        ("tagRemoved", before.tag_ids, after.tag_ids),
    ):
        fresh = [tag_id for tag_id in gained if tag_id not in lost]
        events += [event(after, scene, type_, {"tag": scene.tag_name(tag_id)}) for tag_id in fresh]
    return events


def _came(before: Person, after: Person, changed: Sequence[str], scene: Scene) -> dict[str, list[Event]]:
    """Return what is told of channels and installations that are new, by the fields of which that tells enough."""
    found: dict[str, list[Event]] = {}
    channels = [one.channel for one in after.channels if one not in before.channels]
    if channels and "channels" in changed:
        found["channels"] = [event(after, scene, "contactAdded", {"channel": one, "count": 1}) for one in channels]
    held = {(one.application_id, one.registration_id) for one in before.push_registrations}
    new = [one for one in after.push_registrations if (one.application_id, one.registration_id) not in held]
    if new and "pushRegistrations" in changed:
        said = [{"applicationId": one.application_id} for one in new]
        found["pushRegistrations"] = [event(after, scene, "pushAttached", one) for one in said]
        found[TIMELINE] = []
    return found


def _primaries(person: Person) -> tuple[set[str], set[str]]:
    return (
        {one.address for one in person.emails if one.primary},
        {one.number for one in person.phones if one.primary},
    )


def tombstone(person: Person, state: str, scene: Scene, *, into: str | None = None) -> Person:
    """Return what stays of a person who is merged or deleted: no value of it, only where it leads.

    Its lines of activity stay with it, but where it was deleted and lives on `into` another one, which has them.
    """
    stamps = successor(person, scene)
    return Person(
        person.id,
        person.account,
        person.type,
        scene.catalog,
        person.created_at,
        stamps.updated_at,
        person.created_from,
        stamps.modified_from,
        [] if into is not None and state == DELETED else person.subjects,
        version=stamps.version,
        state=state,
        into=into,
        merged_ids=person.merged_ids,
    )


def farewell(person: Person, scene: Scene, type_: str, properties: Mapping[str, Any]) -> Event:
    """Return what followers of a person are told at its end, on a line of its own: its lines are another one's now."""
    said = scene.event(ids.new("sub", scene.now), type_, properties, person_id=person.id)
    return replace(said, told=tuple(person.subjects), changed=("state",))


@dataclass(frozen=True, slots=True)
class Remove(Change[Person]):
    """Delete a person: what stays is a tombstone without personal data."""

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the tombstone and the last event."""
        before = checked(person, None)
        after = tombstone(before, DELETED, scene)
        effect = Effect(before, after, ("state",))
        effect.events.append(event(after, scene, "personDeleted", {"personId": before.id}))
        return effect.announced()


@dataclass(frozen=True, slots=True)
class Link(Change[Person]):
    """Join a company, or change the role there; `subject` is the company's line of activity."""

    company_id: str
    subject: str
    role: str | None = None
    primary: bool = False

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the member, with an event on both timelines where it is new."""
        before = checked(person, None)
        held = _member(before, self.company_id)
        role = self.role if self.role is not None or held is None else held.role
        primary = self.primary or (held.primary if held else not before.memberships)
        new = Membership(self.company_id, role, primary, held.was if held else ())
        if new == held:
            return Effect(before, before, ())
        kept = [replace(one, primary=False) if primary and one is not held else one for one in before.memberships]
        after = successor(before, scene)
        after.memberships = [*kept, new] if held is None else [new if one is held else one for one in kept]
        effect = Effect(before, after, ("companies",))
        said = {"companyId": self.company_id, **({"role": role} if role else {})}
        effect.events.append(event(after, scene, "companyLinked", said))
        if held is None:
            effect.events.append(_of_company(scene, "memberJoined", after, self))
        return effect.announced()


@dataclass(frozen=True, slots=True)
class Unlink(Change[Person]):
    """Leave a company; no change where the person was no member. `gone`: it is the company that goes."""

    company_id: str
    subject: str
    gone: bool = False

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person without the membership; the oldest other company becomes primary where that one was."""
        before = checked(person, None)
        held = _member(before, self.company_id)
        if held is None:
            return Effect(before, before, ())
        rest = [one for one in before.memberships if one is not held]
        if held.primary and rest:
            rest[0] = replace(rest[0], primary=True)
        after = _unasked(before, scene) if self.gone else successor(before, scene)
        after.memberships = rest
        effect = Effect(before, after, ("companies",))
        effect.events.append(event(after, scene, "companyUnlinked", {"companyId": self.company_id}))
        effect.events.append(_of_company(scene, "memberLeft", after, self))
        return effect.announced()


def _member(person: Person, company_id: str) -> Membership | None:
    return next((one for one in person.memberships if one.company_id == company_id), None)


def moved(held: Sequence[Membership], company_id: str, into: str) -> list[Membership]:
    """Return memberships with one in `into` for that in a company; who is a member there already keeps the role."""
    old, there = (next((one for one in held if one.company_id == at), None) for at in (company_id, into))
    if old is None:
        return list(held)
    role = there.role if there and there.role is not None else old.role
    was = known_before(*(there.was if there else ()), *old.was, company_id)
    new = Membership(into, role, old.primary or bool(there and there.primary), was)
    return [new if one is old else one for one in held if one is not there]


def _unasked(person: Person, scene: Scene) -> Person:
    # What becomes of a company makes nothing newer of what its members are.
    return replace(successor(person, scene), as_of=person.recency)


def _of_company(scene: Scene, type_: str, person: Person, link: Link | Unlink) -> Event:
    # The id alone: the company's timeline outlives the person.
    return scene.event(link.subject, type_, {"personId": person.id}, company_id=link.company_id)


@dataclass(frozen=True, slots=True)
class Move(Change[Person]):
    """Leave one company for another that takes it in; who is a member there already keeps role and place."""

    company_id: str
    into: Link

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person with the other membership; no change where the person was no member."""
        before = checked(held, None)
        if _member(before, self.company_id) is None:
            return Effect(before, before, ())
        there = _member(before, self.into.company_id)
        after = _unasked(before, scene)
        after.memberships = moved(before.memberships, self.company_id, self.into.company_id)
        effect = Effect(before, after, ("companies",))
        new = _member(after, self.into.company_id)
        said = {"companyId": self.into.company_id, **({"role": new.role} if new and new.role else {})}
        effect.events.append(event(after, scene, "companyLinked", said))
        if there is None:
            effect.events.append(_of_company(scene, "memberJoined", after, self.into))
        return effect.announced()
