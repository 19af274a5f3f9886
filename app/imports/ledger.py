"""The ledger of an import: what each row did, in as few words as taking it back needs. All pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from app.catalog.model import Catalog
from app.changes.model import ACTIVE, Change, Effect, Scene, successor
from app.claims.model import Locator, digest
from app.companies import plan as companies
from app.companies.model import Company, sought
from app.companies.wish import RULES as COMPANY_RULES
from app.core.errors import Refused
from app.imports.model import ORIGIN, PERSON
from app.mongo.engine import Document
from app.persons import plan as persons
from app.persons.model import CUSTOMER, LEAD, Person
from app.persons.wish import RULES as PERSON_RULES

Both = Person | Company


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row did with whom: `version` is that after it; `set`: value before and after by field or attribute.

    `added` are contacts, domains and tags by their list; `merged` stands for those who were merged into it by then,
    None for nobody; `mark` is that of the profile after it, where an import made it; `dates` of a person are the
    `recency` before and after it.
    """

    line: int
    profile: str
    version: int
    created: bool
    promoted: bool = False
    scalars: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    added: Mapping[str, Sequence[str]] = field(default_factory=dict)
    merged: str | None = None
    mark: str | None = None
    dates: Sequence[datetime] = ()


# Lists of a profile → what stands for an item in the ledger.
_LISTS: Mapping[str, Any] = {
    "emails": lambda one: one.address,
    "phones": lambda one: one.number,
    "domains": lambda one: one,
    "tag_ids": lambda one: one,
}


def entry(line: int, effect: Effect[Any]) -> Entry | None:
    """Return the entry of a row, None for one that changed nothing."""
    before, after = effect.before, effect.after
    if not effect.changed:
        return None
    if before is None:
        return Entry(line, after.id, after.version, created=True, mark=mark(after))
    old, new = before.values, after.values
    return Entry(
        line,
        after.id,
        after.version,
        created=False,
        promoted=isinstance(after, Person) and before.type != after.type,
        scalars=_changed({name: (getattr(before, name), getattr(after, name)) for name in _rules(after)}),
        attributes=_changed({name: (old.get(name), new.get(name)) for name in {**old, **new}}),
        added={
            name: came
            for name in _LISTS
            if hasattr(after, name) and (came := _came(name, getattr(before, name), getattr(after, name)))
        },
        merged=_merged(after),
        mark=mark(after) if after.created_from == ORIGIN else None,
        dates=[one.recency for one in (before, after) if isinstance(one, Person)],
    )


# What tells nothing of what a profile holds: who wrote it last and when, and what never changes.
_STAMPS = {"catalog", "version", "created_at", "updated_at", "as_of", "created_from", "modified_from", "values"}
_CONTENT = {kind: [one.name for one in fields(kind) if one.name not in _STAMPS] for kind in (Person, Company)}


def mark(one: Both) -> str:
    """Return what stands for all that a profile holds: it is the same again where another import was taken back."""
    held = [getattr(one, name) for name in _CONTENT[type(one)]]
    return digest(repr(held), repr(sorted(one.values.items())))


def _merged(one: Both) -> str | None:
    """Return what stands for those who are part of a profile, whatever was merged and told apart again before."""
    return digest(*sorted(one.merged_ids)) if one.merged_ids else None


def _changed(pairs: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _came(name: str, before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    known = set(map(_LISTS[name], before))
    return [value for value in map(_LISTS[name], after) if value not in known]


def document(one: Entry) -> Document:
    """Return an entry as it is kept; what is empty is left out."""
    kept: Document = {"r": one.line, "p": one.profile, "v": one.version, "c": one.created, "up": one.promoted}
    parts = {"s": one.scalars, "a": one.attributes, "l": one.added}
    kept |= {name: value for name, value in (("m", one.merged), ("k", one.mark)) if value is not None}
    kept |= {"t": list(one.dates)} if one.dates else {}
    return kept | {name: {key: list(value) for key, value in part.items()} for name, part in parts.items() if part}


def read(kept: Document) -> Entry:
    """Return the entry of a document."""
    rest = (kept.get("s", {}), kept.get("a", {}), kept.get("l", {}), kept.get("m"), kept.get("k"), kept.get("t", ()))
    return Entry(kept["r"], kept["p"], kept["v"], kept["c"], kept["up"], *rest)


def given_up(one: Entry, target: str) -> dict[str, Locator]:
    """Return what only one profile may have, and a row of a target replaced, by field: others may have it since."""
    kinds = {"external_id": "externalId"} if target == PERSON else {"external_id": "externalId", "name": "name"}
    before = {name: one.scalars[name][0] for name in kinds if name in one.scalars}
    make = Locator if target == PERSON else _of_company
    return {name: make(kinds[name], value) for name, value in before.items() if value is not None}


def _of_company(kind: str, value: str) -> Locator:
    return sought(kind, value)[0]


class Kept(Refused):
    """Something was changed since by others: it stays as it is."""

    def __init__(self, why: str) -> None:
        super().__init__("WRONG_STATE", f"kept: {why}")


@dataclass(frozen=True, slots=True)
class Undone(Change[Any]):
    """Take back what an entry says, as far as nobody has changed it since.

    `previous` is the line of the entry that was dealt with before, a later one; `last` that of the last row about
    the profile; `made`: the import has made it, so that it goes or stays as a whole; `active`: from where something
    happened to it since; `former`: see `given_up`.
    """

    entry: Entry
    previous: int | None
    last: Entry
    made: bool
    active: str | None = None
    former: Mapping[str, Locator] = field(default_factory=dict)

    def plan(self, held: Both | None, scene: Scene) -> Effect[Any]:
        """Return the effect; refuses with `Kept` what stays as a whole."""
        if held is None:
            raise Kept("it was deleted since")
        if held.id != self.entry.profile or held.state != ACTIVE:
            raise Kept(f"it was merged into {held.id} since")
        if _merged(held) != (None if self.made else self.entry.merged):
            raise Kept("it was merged with another since")
        if self.made:
            return self._whole(held, scene)
        owners = {name: scene.find(one) for name, one in self.former.items()}
        taken = {name for name, owner in owners.items() if owner is not None and owner.id != held.id}
        return restored(held, self.entry, scene, taken)

    def _whole(self, held: Both, scene: Scene) -> Effect[Any]:
        """Return the end of a profile by the row that made it, none by others; refuses where others have touched it."""
        alike = held.modified_from == scene.origin and mark(held) == self.last.mark
        if held.version != self.last.version and not alike:
            raise Kept(f"it was changed since by {held.modified_from}")
        if self.active is not None:
            raise Kept("it has activity since")
        if not self.entry.created:
            return Effect(held, held, ())
        return persons.Remove().plan(held, scene) if isinstance(held, Person) else companies.Remove().plan(held, scene)


def restored(held: Both, one: Entry, scene: Scene, taken: Collection[str] = ()) -> Effect[Any]:
    """Return a profile with the values of before, but where somebody else wrote since, or has them now: `taken`."""
    after = successor(held, scene)
    for name, (before, wrote) in one.scalars.items():
        if getattr(after, name) == wrote and name not in taken:
            setattr(after, name, before)
            if name == "external_id" and isinstance(after, Person) and not persons.identified(after):
                after.external_id = wrote
    after.values = _attributes(held, one, scene.catalog)
    _take_off(after, one)
    changed = _names(held, after)
    if isinstance(after, Person) and one.promoted and after.type == CUSTOMER:
        after.type = LEAD
        changed.append("type")
    if not changed:
        return Effect(held, held, ())
    effect: Effect[Any] = Effect(held, after, tuple(changed))
    if isinstance(after, Person) and isinstance(held, Person):
        after.as_of = _recency(held, one)
        effect.events = _told(held, after, changed, scene)
    elif isinstance(after, Company):
        effect.events = [companies.event(after, scene, "companyUpdated")]
    return effect.announced()


def _recency(held: Person, one: Entry) -> datetime:
    """Return when somebody changed what is there once the row is taken back: that makes nothing new."""
    before, wrote = one.dates or (held.recency, held.recency)
    return before if held.recency == wrote else held.recency


def kept(effect: Effect[Any], one: Entry) -> list[str]:
    """Return what a restored profile keeps of what the import or somebody after it wrote, as "city changed since"."""
    before, after = effect.before or effect.after, effect.after
    rules, known = _rules(after), after.catalog.attributes
    found = [rules[name][0] for name, (_, wrote) in one.scalars.items() if getattr(before, name) != wrote]
    stays = {rules[name][0]: was for name, (was, wrote) in one.scalars.items() if getattr(after, name) == wrote}
    found += [
        f"customAttributes.{known[name].name}"
        for name, (_, wrote) in one.attributes.items()
        if name in known and before.values.get(name) != wrote
    ]
    still = {name for name in one.added if not _added(after, one, name).isdisjoint(_values(after, name))}
    said = {
        "changed since": found,
        "of before taken by another since": [name for name, was in stays.items() if was is not None],
        # Where nothing is to be put back nobody can have it: what stays says who this is.
        "as the last identifier": [*(name for name, was in stays.items() if was is None), *sorted(still)],
    }
    return [f"{', '.join(names)} {why}" for why, names in said.items() if names]


def _told(held: Person, after: Person, changed: Sequence[str], scene: Scene) -> list[Any]:
    """Return the events; becoming a lead again is one of the plain changes, for nothing else tells it."""
    plain = [name for name in changed if name != "type"]
    events = persons.told(held, after, plain, scene) if plain else []
    if "type" in changed:
        said = {"changedFields": [{"name": "type"}]}
        events.append(persons.event(after, scene, "personUpdated", said))
    return events


def _attributes(held: Both, one: Entry, catalog: Catalog) -> dict[str, Any]:
    values = dict(held.values)
    for name, (before, wrote) in one.attributes.items():
        if name not in catalog.attributes or values.get(name) != wrote:
            continue
        if before is None:
            values.pop(name, None)
        else:
            values[name] = before
    return values


def _take_off(after: Both, one: Entry) -> None:
    """Take off what was added, but not the last that says who somebody is."""
    for name in ("domains", "tag_ids", "phones", "emails"):
        if not (added := _added(after, one, name)):
            continue
        held = getattr(after, name)
        rest = [each for each in held if _LISTS[name](each) not in added]
        if name in ("emails", "phones") and rest and not any(each.primary for each in rest):
            rest[0] = replace(rest[0], primary=True)
        setattr(after, name, rest)
        if isinstance(after, Person) and not persons.identified(after):
            setattr(after, name, held)


def _added(after: Both, one: Entry, name: str) -> set[str]:
    """Return what was added to a list; of tags those that are still there: a sweep takes off the others, and tells."""
    return set(one.added.get(name, ())) - (after.catalog.gone if name == "tag_ids" else set())


def _values(one: Both, name: str) -> list[str]:
    return list(map(_LISTS[name], getattr(one, name)))


def _rules(one: Both) -> Mapping[str, tuple[str, Any]]:
    return PERSON_RULES if isinstance(one, Person) else COMPANY_RULES


def _names(held: Both, after: Both) -> list[str]:
    lists = {"emails": "emails", "phones": "phones", "domains": "domains", "tag_ids": "tags"}
    lists |= {"values": "customAttributes"}
    names = {**{attribute: rule[0] for attribute, rule in _rules(after).items()}, **lists}
    return [
        name
        for attribute, name in names.items()
        if hasattr(after, attribute) and getattr(held, attribute) != getattr(after, attribute)
    ]
