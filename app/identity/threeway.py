"""What was changed on one side, brought to the other: how a merge is taken out of a profile that lived on. All pure.

`base` became `current` by whatever was done to it; `target` is what base should have been. What nobody touched becomes
as in the target, exactly; what somebody changed stays and is named.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.catalog.values import ITEM_ID
from app.identity.decide import F, itself, replace_flag, single
from app.identity.model import ATTRIBUTE
from app.persons.model import Membership, Person
from app.persons.wish import RULES

T = TypeVar("T")
Key = Callable[[Any], Hashable]


@dataclass(frozen=True, slots=True)
class Kept:
    """A profile as it becomes, and the fields that stayed because somebody changed them, attributes by their ids."""

    person: Person
    fields: tuple[str, ...]


# Attribute → its name, and what tells its parts apart.
LISTS: dict[str, tuple[str, Key]] = {
    "emails": ("emails", lambda one: one.address),
    "phones": ("phones", lambda one: one.number),
    "push_registrations": ("pushRegistrations", lambda one: (one.application_id, one.registration_id)),
    "channels": ("channels", itself),
    "crm_links": ("crmLinks", lambda one: one.key),
    "tag_ids": ("tags", itself),
    "memberships": ("companies", lambda one: one.company_id),
    "subjects": ("", itself),
    "merged_ids": ("", itself),
}
# Those of which one is primary, and whether it always is.
FLAGGED = {"emails": True, "phones": True, "push_registrations": False, "memberships": True}
# Those that go with whom they came from, however they were changed since.
CARRIED = {"tag_ids": "tags", "memberships": "companies"}
SCALARS = {
    "type": "type",
    **{attribute: name for attribute, (name, _) in RULES.items() if attribute != "external_id"},
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
    for attribute, (name, key) in LISTS.items():
        was, should, now = (getattr(one, attribute) for one in (base, target, current))
        if attribute in FLAGGED and now != was:
            found = flagged(was, should, now, key, lone=FLAGGED[attribute])
        else:
            found = parts(was, should, now, key)
        setattr(result, attribute, found)
        if now not in (was, should):
            named.append(name)
    _external_ids(result, (base, target, current), named)
    _values(result, (base, target, current), named)
    result.since = {line: at for line, at in {**target.since, **current.since}.items() if line in result.subjects}
    result.brought = {one: own for one, own in {**target.brought, **current.brought}.items() if one in result.subjects}
    return Kept(result, tuple(dict.fromkeys(filter(None, named))))


def carried(image: Person, lived: Sequence[tuple[Person, Person]]) -> tuple[Person, list[str]]:
    """Return a person as it was before a merge, with what was done to parts of it that the survivor has had since.

    `lived` is how each merge left the profile, and how the next one found it: what merges did to it nobody has done.
    What was taken off stays off, what was changed stays changed; the names of both come beside. Identifiers are not
    looked at: who holds them decides.
    """
    result = replace(image)
    for merged, now in lived:
        # A line that went with an installation to whoever logged in there is theirs.
        result.subjects = _carried(result.subjects, merged.subjects, now.subjects, itself)
        result.tag_ids = _carried(result.tag_ids, merged.tag_ids, now.tag_ids, itself)
        result.memberships = _members(result.memberships, merged.memberships, now.memberships)
        result.values = {
            name: _carried(held, merged.values.get(name, []), now.values.get(name, []), _item)
            if isinstance(held, list)
            else held
            for name, held in result.values.items()
        }
    named = [name for attribute, name in CARRIED.items() if getattr(result, attribute) != getattr(image, attribute)]
    named += [ATTRIBUTE + name for name, held in image.values.items() if result.values[name] != held]
    result.values = {name: value for name, value in result.values.items() if value != []}
    return result, named


def _item(item: Any) -> Hashable:
    found: Hashable = item[ITEM_ID]
    return found


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


def _members(held: Sequence[Membership], merged: Sequence[Membership], now: Sequence[Membership]) -> list[Membership]:
    key = LISTS["memberships"][1]
    bare = _bare(held)
    found = _carried(bare, _bare(merged), _bare(now), key)
    own, was, there = (_primary(one, key) for one in (held, merged, now))
    # Where the primary one was taken off, the next in its place is nobody's choice.
    chosen = there if was != there and was in map(key, now) and there in map(key, found) else own
    if found == bare and chosen == own:
        return list(held)
    return _with_primary(found, key, chosen if chosen in map(key, found) else there)


def flagged(was: Sequence[F], should: Sequence[F], now: Sequence[F], key: Key, *, lone: bool) -> list[F]:
    """Return what `parts` does, looking for itself at which of them is primary; see `single` for `lone`."""
    found = parts(_bare(was), _bare(should), _bare(now), key)
    before, wanted, there = (_primary(one, key) for one in (was, should, now))
    return _with_primary(found, key, wanted if there == before else there, lone=lone)


def _bare(found: Sequence[F]) -> list[F]:
    return [replace_flag(one, primary=False) for one in found]


def _primary(found: Sequence[F], key: Key) -> Hashable:
    return next((key(one) for one in found if one.primary), None)


def _with_primary(found: Sequence[F], key: Key, chosen: Hashable, *, lone: bool = True) -> list[F]:
    return single([replace_flag(one, key(one) == chosen) for one in found], replace_flag, lone=lone)


def parts(was: Sequence[T], should: Sequence[T], now: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the parts of a list: exactly those that should be where nobody touched it, else part by part."""
    if list(now) == list(was):
        return list(should)
    before, wanted = {key(one): one for one in was}, {key(one): one for one in should}
    held = {key(one) for one in now}
    kept = [
        wanted[at] if at in wanted and at in before and before[at] == one else one
        for one in now
        if (at := key(one)) in wanted or at not in before
    ]
    return kept + [one for one in should if key(one) not in before and key(one) not in held]


def _external_ids(result: Person, sides: tuple[Person, Person, Person], named: list[str]) -> None:
    """Bring them over as one list, for any of them may have become the one that is shown, and none finds nobody."""
    was, should, now = ([one.external_id, *one.aliases] for one in sides)
    found = parts(was, should, now, itself)
    # What was chosen since stays, whosever it was. Where it was only taken off, nobody has chosen another one.
    chosen = now[0] if now[0] != was[0] else None
    result.external_id = chosen or (should[0] if should[0] in found else None)
    result.aliases = [one for one in found if one not in (None, result.external_id)]
    if now not in (was, should):
        named.append("externalId")


def _values(result: Person, sides: tuple[Person, Person, Person], named: list[str]) -> None:
    base, target, current = (one.values for one in sides)
    values = dict(current)
    for name in dict.fromkeys((*base, *target, *current)):
        was, should, now = base.get(name), target.get(name), current.get(name)
        if now == was:
            values[name] = should
        elif isinstance(now, list):
            values[name] = parts(was or [], should or [], now, _item)
        if now not in (was, should):
            named.append(ATTRIBUTE + name)
    result.values = {name: value for name, value in values.items() if value is not None}
