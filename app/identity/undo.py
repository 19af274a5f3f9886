"""The change that undoes a merge, wherever the survivor has gone since; all pure.

Merges that came later are told again as if this one had never been: so any order of undoing gives the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.catalog import sweeps
from app.catalog.model import Catalog
from app.changes.model import ACTIVE, Change, Effect, Scene, successor
from app.core import clock
from app.core.errors import Refused
from app.identity import handing
from app.identity.decide import blocked, decide, replace_flag, single
from app.identity.model import Merge, shown_field
from app.identity.threeway import carried, taken_back
from app.identity.unite import differences
from app.mongo.engine import Update, Write
from app.persons.leaving import FORMER_KEPT, ISSUES, LINKS, SUBMISSIONS, VISITORS
from app.persons.model import LEAD, Person, claims_of
from app.persons.plan import event, moved
from app.timeline.admit import EVENT_AGE
from app.timeline.model import TIMELINE

# What a record in a CRM is known by, and what they are called.
CrmKey = tuple[str, str, str]
RECORDS = "crmLinks"


class Overtaken(Refused):
    """Another merge was made or undone meanwhile: it is to be read again."""

    def __init__(self) -> None:
        super().__init__("MERGE_BLOCKED", "These persons were merged again meanwhile.", ("id",))


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing makes: the profile that the survivor is now, and the later merges as they would have been.

    `merge` is the one that is undone, as of today; `lived` is how it and each later one left the profile, with how it
    was found next.
    """

    merge: Merge
    current: Person
    later: tuple[Merge, ...]
    kept: tuple[str, ...]
    lived: tuple[tuple[Person, Person], ...]


def followed(companies: Mapping[str, str | None], person: Person) -> Mapping[str, str | None]:
    """Return `companies` with where a person was moved from those that are being taken in, and are there still.

    Raises Overtaken where it was moved since they were read.
    """
    own = {one.company_id for one in person.memberships}
    if not own <= companies.keys():
        raise Overtaken
    left = [(was, companies[one.company_id]) for one in person.memberships for was in one.was if was not in own]
    found = {was: into for was, into in left if companies.get(was) == was}
    return {**{one: into for one, into in companies.items() if one not in found}, **found}


def as_of_today(merge: Merge, companies: Mapping[str, str | None]) -> Merge:
    """Return a merge with its persons as of today; `companies` as in `Undo`."""
    after = person_of_today(merge.after, companies) if merge.after else None
    return replace(merge, before=tuple(person_of_today(one, companies) for one in merge.before), after=after)


def person_of_today(person: Person, companies: Mapping[str, str | None]) -> Person:
    """Return a person as all that was done to its companies and tags has left it, or will; `companies` as in `Undo`.

    That was done to everybody who had them: it is no change of the person. Nor was an undoing before this one.
    """
    held = person.memberships
    for one, into in companies.items():
        if into not in (None, one):
            held = moved(held, one, into)
    there = [one for one in held if companies.get(one.company_id, one.company_id)]
    tags = [one for one in person.tag_ids if one in person.catalog.tags]
    return replace(
        person,
        memberships=single(there, replace_flag),
        tag_ids=tags,
        updated_at=person.recency,
        as_of=None,
    )


def told_apart(merge: Merge, later: Sequence[Merge], current: Person, companies: Mapping[str, str | None]) -> Undone:
    """Return what `rebased` does, of all as they are as of today; `companies` as in `Undo`."""
    there = followed(companies, current)
    merge, *later = [as_of_today(one, there) for one in (merge, *later)]
    return rebased(merge, later, person_of_today(current, there))


def rebased(merge: Merge, later: Sequence[Merge], current: Person) -> Undone:
    """Take a merge out of all that came behind it; `later` are the merges of who survived it, oldest first.

    Raises Overtaken where `current` isn't what the last of them made, in the persons that are part of it.
    """
    base, target = _after(merge), merge.before[0]
    told, kept, lived = list[Merge](), list[str](), list[tuple[Person, Person]]()
    for one in later:
        images = {person.id: person for person in one.before}
        if base.id not in images:
            raise Overtaken
        image = taken_back(base, target, images[base.id])
        kept += image.fields
        lived.append((base, images[base.id]))
        before = tuple(image.person if person.id == base.id else person for person in one.before)
        anew, old = decide(before, one.survivor_id), decide(one.before, one.survivor_id)
        # What the call itself decided differs from what the rules had decided, and stays.
        after = taken_back(old.after, anew.after, _after(one)).person
        fresh = {each.field: each.candidates for each in anew.decisions}
        said = tuple(
            replace(each, candidates=fresh.get(each.field, ())) for each in one.decisions if each.source is None
        )
        decisions = tuple(each for each in anew.decisions if each.field not in {two.field for two in said})
        told.append(replace(one, before=before, after=after, decisions=(*decisions, *said)))
        base, target = _after(one), after
    if current.id != base.id or set(current.merged_ids) != set(base.merged_ids):
        raise Overtaken
    result = taken_back(base, target, current)
    lived.append((base, current))
    return Undone(merge, result.person, tuple(told), tuple(dict.fromkeys((*kept, *result.fields))), tuple(lived))


def _after(merge: Merge) -> Person:
    if merge.after is None:
        raise Refused("ALREADY_REVERTED", "This merge was undone already.", ("id",))
    return merge.after


@dataclass(frozen=True, slots=True)
class Undo(Change[Person]):
    """Tell the persons of a merge apart again.

    `companies` are those of their memberships, each with the id that it has by now; None: it is gone. Those that one
    took in are in its order, so that the same role is left of theirs.
    """

    moves = True

    merge: Merge
    later: Sequence[Merge]
    companies: Mapping[str, str | None]

    def definitions(self) -> Collection[str]:
        """Return none, but have it known what was deleted: of that nothing may come back."""
        return ()

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the survivor as it would be, and those who are persons again."""
        if held is None:
            raise blocked("Who survived this merge lives on in another profile, or is gone.", "id")
        undone = told_apart(self.merge, self.later, held, self.companies)
        after = successor(_possible(undone.current, scene.catalog), scene)
        after.modified_from, after.as_of = undone.current.modified_from, undone.current.updated_at
        back, became = list[Effect[Person]](), set[CrmKey]()
        images = [carried(_possible(image, scene.catalog), undone.lived) for image in undone.merge.before[1:]]
        for image, _ in images:
            _bring(image, after, held)
            became |= _follow(image, after, _after(undone.merge))
        kept = [one for one in undone.kept if one != RECORDS or _recorded(undone.lived) - became]
        if handing.over(after, held, [image for image, _ in images]):
            kept.append("pushRegistrations")
        free = set(claims_of(held)) - set(claims_of(after))
        for possible, edited in images:
            tomb: Person | None = scene.kept(possible.id)
            if tomb is None or tomb.state == ACTIVE:
                raise Overtaken
            restored, lost = _held_to(possible, free)
            kept += [*edited, *lost]
            restored = replace(restored, version=tomb.version + 1, updated_at=scene.now, as_of=possible.recency)
            back.append(Effect(tomb, restored, ("state", TIMELINE)))
        besides = [write for one in back for write in _returned(one, held)]
        besides += handing.elsewhere([one.after for one in back])
        besides += [write for one in back for write in _attributed(one.after, self.merge.at)]
        effect = Effect(held, after, differences(held, after), also=back, besides=besides)
        return self._told(effect, list(dict.fromkeys(kept)), scene)

    def _told(self, effect: Effect[Person], kept: list[str], scene: Scene) -> Effect[Person]:
        named = [name for one in kept if (name := shown_field(one, scene.catalog))]
        apart = [one for one in effect.before.merged_ids if one not in effect.after.merged_ids] if effect.before else []
        said = {
            "mergeId": self.merge.id,
            "mergedIds": [{"id": one} for one in apart],
            "keptFields": [{"name": one} for one in named],
        }
        first = replace(event(effect.after, scene, "mergeReverted", said), changed=effect.changed)
        others = [
            replace(event(one.after, scene, "mergeReverted", {"mergeId": self.merge.id}), changed=one.changed)
            for one in effect.also
        ]
        return replace(effect, events=[first, *others])


def _possible(person: Person, catalog: Catalog) -> Person:
    """Return a person without what was deleted since: tags and attributes."""
    return replace(
        person,
        catalog=catalog,
        tag_ids=[one for one in person.tag_ids if one in catalog.tags],
        values={name: value for name, value in person.values.items() if name in catalog.attributes},
    )


# Attribute → what it is empty.
IDENTIFIERS: dict[str, Any] = {
    "external_id": None,
    **{name: [] for name in ("emails", "phones", "push_registrations", "channels", "crm_links", "aliases")},
}


def _held_to(image: Person, free: set[str]) -> tuple[Person, list[str]]:
    """Return a person with those of its identifiers that the survivor still had, and the names of what it lost."""
    lost = dict.fromkeys(path[0] for key, path in claims_of(image).items() if key not in free)
    if not lost:
        return image, []

    def there(attribute: str, value: Any) -> bool:
        alone = replace(image, **{**IDENTIFIERS, attribute: value})
        return set(claims_of(alone)) <= free

    held: dict[str, Any] = {"external_id": image.external_id if there("external_id", image.external_id) else None}
    for attribute in [one for one in IDENTIFIERS if one != "external_id"]:
        held[attribute] = [one for one in getattr(image, attribute) if there(attribute, [one])]
    for attribute in ("emails", "phones", "push_registrations"):
        if len(held[attribute]) < len(getattr(image, attribute)):
            # The primary one may be among those that are gone: the oldest takes its place.
            held[attribute] = single(held[attribute], replace_flag)
    return replace(image, **held), list(lost)


def _bring(image: Person, after: Person, held: Person) -> None:
    """Give a person the lines that came by its identifiers meanwhile, and take them off the survivor."""
    mine = [line for line, own in held.brought.items() if own in image.subjects]
    image.subjects = [*image.subjects, *mine]
    image.since = {**image.since, **{line: held.since[line] for line in mine if line in held.since}}
    # It may be one with others itself: where those come apart again, what came by theirs goes on with them.
    theirs = {line: held.brought[line] for line in mine if held.brought[line] != image.subjects[0]}
    image.brought = {**image.brought, **theirs}
    after.subjects = [one for one in after.subjects if one not in mine]
    for name in ("since", "brought"):
        setattr(after, name, {line: one for line, one in getattr(after, name).items() if line not in mine})


def _recorded(lived: Sequence[tuple[Person, Person]]) -> set[CrmKey]:
    """Return the records that somebody gave to the survivor since, or took off; when they were synced is no change."""
    sides = [[{one.key for one in person.crm_links} for person in pair] for pair in lived]
    return {key for was, now in sides for key in was ^ now}


def _follow(image: Person, after: Person, merged: Person) -> set[CrmKey]:
    """Give a person the contacts that its leads became since it was merged, and take them off the survivor."""
    leads = {(one.system, one.record_id) for one in image.crm_links}
    before = {one.key for one in merged.crm_links}
    mine = [one for one in after.crm_links if (one.system, one.lead) in leads and one.key not in before]
    image.crm_links = [*image.crm_links, *mine]
    after.crm_links = [one for one in after.crm_links if one not in mine]
    return {one.key for one in mine}


def _attributed(one: Person, merged: datetime) -> list[tuple[str, Write]]:
    """Return what names a person who is back where events of theirs name whoever they were meanwhile."""
    # What happened before the merge may have come behind it.
    what = [one.id, str(clock.millis(merged - EVENT_AGE)), *one.subjects]
    return [(sweeps.COLLECTION, write) for write in sweeps.twice(one.account, sweeps.EVENTS_OF, what)]


def _returned(back: Effect[Person], survivor: Person) -> list[tuple[str, Write]]:
    """Return what gives a person who is back the submissions and the visitors that came by its identifiers."""
    one, lines = back.after, {"$in": back.after.subjects}
    mine = {"$set": {"person": one.id}}
    others = {"$elemMatch": {"line": lines, "person": {"$exists": True, "$ne": one.id}}}
    before = {"$set": {"former.$.person": one.id}, "$inc": {"version": 1}}
    return [
        (SUBMISSIONS, Update({"account": one.account, "line": lines}, mine, many=True)),
        (
            VISITORS,
            Update(
                {"account": one.account, "person": survivor.id, "subject": lines},
                {**mine, "$inc": {"version": 1}},
                many=True,
            ),
        ),
        # Each of them gives one that an anonymous id meant before.
        *[(VISITORS, Update({"account": one.account, "former": others}, before, many=True))] * FORMER_KEPT,
        *_linked(one, survivor),
    ]


def _linked(one: Person, survivor: Person) -> list[tuple[str, Write]]:
    """Return what gives a person who is back the links of its records in CRMs, and the issues of these."""
    records = [{"entity": held.object, "record": held.record_id} for held in one.crm_links]
    if not records:
        return []
    # Also what was noted of them while the survivor was somebody else.
    theirs = {"account": one.account, "profile": {"$in": [survivor.id, *survivor.merged_ids]}, "$or": records}
    mine = {"$set": {"profile": one.id}}
    # Nothing was ever compared with this version of them.
    links = Update(theirs, {**mine, "$unset": {"version": ""}}, many=True)
    # What of a lead was left as long as it was one with a customer is read once more.
    leads = {"account": one.account, "profile": one.id, "state": "linked", "$or": records}
    again = [Update(leads, {"$set": {"again": one.updated_at}}, many=True)] if one.type == LEAD else []
    return [*((LINKS, write) for write in (links, *again)), (ISSUES, Update(theirs, mine, many=True))]
