"""What was changed on one side, brought to the other: how a merge is taken out of a profile that lived on. All pure.

`base` became `current` by whatever was done to it; `target` is what base should have been. What nobody touched becomes
as in the target, exactly; what somebody changed stays and is named.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.catalog.values import ITEM_ID
from app.identity.decide import itself, replace_flag, single
from app.identity.model import ATTRIBUTE
from app.persons.model import Person
from app.persons.wish import RULES

T = TypeVar("T")
Key = Callable[[Any], Hashable]


@dataclass(frozen=True, slots=True)
class Kept:
    """A profile as it becomes, and the fields that stayed because somebody changed them, attributes by their ids."""

    person: Person
    fields: tuple[str, ...]


# Attribute → its name, what tells its parts apart, and whether one of them is primary.
LISTS: dict[str, tuple[str, Key, bool]] = {
    "emails": ("emails", lambda one: one.address, True),
    "phones": ("phones", lambda one: one.number, True),
    "push_registrations": ("pushRegistrations", lambda one: (one.application_id, one.registration_id), False),
    "channels": ("channels", itself, False),
    "crm_links": ("crmLinks", lambda one: one.key, False),
    "tag_ids": ("tags", itself, False),
    "memberships": ("companies", lambda one: one.company_id, True),
    "aliases": ("externalId", itself, False),
    "subjects": ("", itself, False),
    "merged_ids": ("", itself, False),
}
SCALARS = {
    "type": "type",
    **{attribute: name for attribute, (name, _) in RULES.items()},
    "modified_from": "",
    "updated_at": "",
}


def taken_back(base: Person, target: Person, current: Person) -> Kept:
    """Return `current` as it is when `base` had been `target`; version and stamps are those of `current`."""
    result, named = replace(current), list[str]()
    for attribute, name in SCALARS.items():
        was, should, now = (getattr(one, attribute) for one in (base, target, current))
        if now == was:
            setattr(result, attribute, should)
        elif now != should:
            named.append(name)
    for attribute, (name, key, flagged) in LISTS.items():
        was, should, now = (getattr(one, attribute) for one in (base, target, current))
        found = parts(was, should, now, key)
        setattr(result, attribute, single(found, replace_flag) if flagged and now != was else found)
        if now not in (was, should):
            named.append(name)
    _values(result, (base, target, current), named)
    result.since = {line: at for line, at in {**target.since, **current.since}.items() if line in result.subjects}
    result.brought = {one: own for one, own in {**target.brought, **current.brought}.items() if one in result.subjects}
    return Kept(result, tuple(dict.fromkeys(filter(None, named))))


def carried(image: Person, merged: Person, current: Person) -> tuple[Person, list[str]]:
    """Return a person as it was before a merge, with what was done to parts of it that the survivor has had since.

    What was taken off the survivor stays off, what was changed there stays changed; the names of both come beside.
    Identifiers are not looked at: who holds them decides.
    """
    result, named = replace(image), list[str]()
    for attribute in ("tag_ids", "memberships"):
        name, key, flagged = LISTS[attribute]
        held, base, now = (getattr(one, attribute) for one in (image, merged, current))
        found = _carried(held, base, now, key)
        if found != held:
            setattr(result, attribute, single(found, replace_flag) if flagged else found)
            named.append(name)
    values = dict(image.values)
    for name, held in image.values.items():
        if isinstance(held, list):
            base, now = merged.values.get(name, []), current.values.get(name, [])
            found = _carried(held, base, now, lambda item: item[ITEM_ID])
            if found != held:
                values[name] = found
                named.append(ATTRIBUTE + name)
    result.values = {name: value for name, value in values.items() if value != []}
    return result, named


def _carried(held: Sequence[T], merged: Sequence[T], now: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    before, there = {key(one): one for one in merged}, {key(one): one for one in now}
    found = []
    for one in held:
        at = key(one)
        if at not in before or before[at] == there.get(at):
            found.append(one)
        elif at in there:
            found.append(there[at])
    return found


def parts(was: Sequence[T], should: Sequence[T], now: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the parts of a list: exactly those that should be where nobody touched it, else set by set."""
    if list(now) == list(was):
        return list(should)
    before, wanted = {key(one) for one in was}, {key(one) for one in should}
    held = {key(one) for one in now}
    kept = [one for one in now if key(one) in wanted or key(one) not in before]
    return kept + [one for one in should if key(one) not in before and key(one) not in held]


def _values(result: Person, sides: tuple[Person, Person, Person], named: list[str]) -> None:
    base, target, current = (one.values for one in sides)
    values = dict(current)
    for name in dict.fromkeys((*base, *target, *current)):
        was, should, now = base.get(name), target.get(name), current.get(name)
        if now == was:
            values[name] = should
        elif isinstance(now, list):
            values[name] = parts(was or [], should or [], now, lambda item: item[ITEM_ID])
        if now not in (was, should):
            named.append(ATTRIBUTE + name)
    result.values = {name: value for name, value in values.items() if value is not None}
