"""The change by which several persons become one: in one unit, with all that it takes to undo it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.catalog.checks import Listing
from app.changes.model import MERGED, Change, Effect, Path, Scene, successor
from app.claims.model import Locator
from app.core import ids
from app.core.errors import Refused
from app.identity import record
from app.identity.decide import Decided, blocked, decide
from app.identity.model import ATTRIBUTE, Decision, Merge
from app.mongo.engine import Insert
from app.persons.model import CUSTOMER, LEAD, Person
from app.persons.plan import NO_IDENTIFIER, Create, Update, event, farewell, identified, tombstone, write
from app.persons.wish import RULES, Contact, Wish
from app.timeline.model import TIMELINE, Event

# Identifiers that join the survivor where nobody has them.
JOINING = frozenset({"email", "phone", "externalId"})
# What else a person has: attribute → its name in the contract.
LISTS = {
    "type": "type",
    "emails": "emails",
    "phones": "phones",
    "push_registrations": "pushRegistrations",
    "channels": "channels",
    "tag_ids": "tags",
    "memberships": "companies",
    "crm_links": "crmLinks",
    "values": "customAttributes",
    "merged_ids": "mergedIds",
    "subjects": TIMELINE,
}


def differences(before: Person, after: Person) -> tuple[str, ...]:
    """Return the contract's names of what differs."""
    named = {**{attribute: name for attribute, (name, _) in RULES.items()}, **LISTS}
    return tuple(name for attribute, name in named.items() if getattr(before, attribute) != getattr(after, attribute))


@dataclass(frozen=True, slots=True)
class Unite(Change[Person]):
    """Make one of all whom `places` find; what of it nobody has joins the survivor, or makes a customer of its own.

    `wish` is written over what was decided. One that is `unattended` never joins two customers.
    """

    moves = True

    places: Sequence[tuple[Locator, Path]]
    into: str | None = None
    wish: Wish | None = None
    unattended: bool = False
    request: str | None = None

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return whom it means, and what the wish names."""
        wished = self.wish.places() if self.wish else ()
        return [*self.places, *((one, ("overrides", *path)) for one, path in wished)]

    def definitions(self) -> Collection[str] | None:
        """Return the attributes of the wish."""
        return self.wish.definitions() if self.wish else None

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - it may be any of them
        """Return the survivor with the end of the others; refuses PERSON_NOT_FOUND and MERGE_BLOCKED."""
        known = [(one, scene.find(one)) for one, _ in self.places]
        found: dict[str, Person] = {person.id: person for _, person in known if person}
        strangers = [(one, path) for (one, path), (_, person) in zip(self.places, known, strict=True) if not person]
        for one, path in strangers:
            if one.kind not in JOINING:
                raise Refused("PERSON_NOT_FOUND", "There is no such person.", path)
        into = self._into(found, scene)
        wish = _joined(self.wish, strangers)
        names = [one.value for one, _ in strangers if one.kind == "externalId"]
        if len(found) < 2:  # noqa: PLR2004 - one alone is nobody's duplicate
            return _alone(next(iter(found.values()), None), wish, names, scene)
        if self.unattended and sum(one.type == CUSTOMER for one in found.values()) > 1:
            raise blocked("Two customers are never merged unattended.")
        return self._united(decide(list(found.values()), into), wish, names, scene)

    def _into(self, found: dict[str, Person], scene: Scene) -> str | None:
        if self.into is None:
            return None
        survivor: Person | None = scene.find(Locator("id", self.into))
        if survivor is None or survivor.id not in found:
            raise Refused("PERSON_NOT_FOUND", "The survivor is one of the persons to merge.", ("into",))
        return survivor.id

    def _united(self, decided: Decided, wish: Wish, names: Sequence[str], scene: Scene) -> Effect[Person]:
        stamps = successor(decided.survivor, scene)
        after = replace(
            decided.after,
            version=stamps.version,
            updated_at=stamps.updated_at,
            modified_from=stamps.modified_from,
            as_of=None,
        )
        decisions = _overridden(after, wish, decided.decisions, scene)
        _name(after, names)
        gone = [Effect(one, tombstone(one, MERGED, scene, into=after.id), ("state",)) for one in decided.gone]
        merge = Merge(
            ids.new("mrg", scene.now),
            scene.account,
            after.id,
            tuple(one.id for one in decided.gone),
            decisions,
            scene.now,
            scene.origin,
            (decided.survivor, *decided.gone),
            after,
            self.request,
        )
        return Effect(
            decided.survivor,
            after,
            differences(decided.survivor, after),
            _told(merge, decided, scene),
            gone,
            [(record.COLLECTION, Insert(record.document(merge)))],
        )


def _joined(wish: Wish | None, strangers: Sequence[tuple[Locator, Path]]) -> Wish:
    """Return the wish with the emails and phones that nobody has."""
    wish = replace(wish) if wish else Wish()
    for one, path in strangers:
        if one.kind == "email":
            wish.emails = _with(wish.emails, Contact(one.value, None, path))
        elif one.kind == "phone":
            wish.phones = _with(wish.phones, Contact(one.value, None, path))
    return wish


def _with(listing: Listing[Contact] | None, contact: Contact) -> Listing[Contact]:
    if listing is None or listing.replace is None:
        held = listing or Listing()
        return Listing(None, [*held.add, contact], held.remove)
    return Listing([*listing.replace, contact])


def _alone(person: Person | None, wish: Wish, names: Sequence[str], scene: Scene) -> Effect[Person]:
    """Return what becomes of one person, or of nobody, to whom identifiers come that nobody had."""
    if person is None or (names and person.external_id is None):
        wish = replace(wish, scalars={**({"external_id": names[0]} if names else {}), **wish.scalars})
    try:
        effect = Create(wish).plan(None, scene) if person is None else Update(wish).plan(person, scene)
    except Refused as refusal:
        # Whatever it was, the call said it.
        raise refusal.under("overrides") from refusal
    more = [one for one in names if one != effect.after.external_id]
    if not more:
        return effect
    after = effect.after if effect.changed else successor(effect.after, scene)
    _name(after, more)
    events = effect.events or [event(after, scene, "personUpdated", {"changedFields": [{"name": "externalId"}]})]
    return replace(effect, after=after, changed=(*effect.changed, "externalId"), events=events).announced()


def _name(after: Person, names: Sequence[str]) -> None:
    """Give external ids that nobody had: the first where there is none, all others as aliases."""
    for one in names:
        if after.external_id is None:
            after.external_id = one
        elif one != after.external_id:
            after.aliases = [*after.aliases, one]


def _overridden(after: Person, wish: Wish, decisions: Sequence[Decision], scene: Scene) -> tuple[Decision, ...]:
    """Write the wish over what was decided; return the decisions as they are now."""
    if wish.type == LEAD and after.type == CUSTOMER:
        raise Refused("TYPE_NOT_ALLOWED", "A customer never becomes a lead again.", ("overrides", "type"))
    after.type = wish.type or after.type
    own_id = after.external_id
    known_by = identified(after)
    try:
        write(after, wish, scene)
    except Refused as refusal:
        if refusal.code == "TOO_MANY":
            raise blocked("Together with what the call adds they have too many contacts.") from refusal
        raise refusal.under("overrides") from refusal
    if known_by and not identified(after):
        raise Refused("NO_IDENTIFIER", NO_IDENTIFIER, ("overrides",))
    # What one of them was known by goes on finding it.
    names = dict.fromkeys([*after.aliases, *filter(None, (own_id,))])
    after.aliases = [one for one in names if one != after.external_id]
    fixed = ["type"] if wish.type else []
    fixed += [RULES[attribute][0] for attribute in wish.scalars]
    fixed += [ATTRIBUTE + attribute_id for attribute_id in wish.attributes]
    known = {one.field: one for one in decisions}
    for name in fixed:
        candidates = known[name].candidates if name in known else ()
        known[name] = Decision(name, value_of(after, name), None, candidates)
    return tuple(known.values())


def value_of(person: Person, field: str) -> object:
    """Return the value of a field of decisions, as it is kept."""
    if field.startswith(ATTRIBUTE):
        return person.values.get(field.removeprefix(ATTRIBUTE))
    attribute = next((one for one, (name, _) in RULES.items() if name == field), field)
    return getattr(person, attribute)


def _told(merge: Merge, decided: Decided, scene: Scene) -> list[Event]:
    """Return the farewells to followers of those who go, and then what the survivor's timeline tells."""
    said = {"into": merge.survivor_id, "mergeId": merge.id}
    # With whoever lived on in them: one of these may be a person again by the time that somebody comes back to it.
    events = [farewell(one, scene, "personMerged", {**said, **_ids(one.merged_ids)}) for one in decided.gone]
    assert merge.after is not None  # noqa: S101 - it was just made
    merged = event(merge.after, scene, "personMerged", {"mergeId": merge.id, **_ids(merge.merged)})
    changed = differences(decided.survivor, merge.after)
    return [*events, replace(merged, changed=changed)]


def _ids(merged: Sequence[str]) -> dict[str, Any]:
    return {"mergedIds": [{"id": one} for one in merged]} if merged else {}
