"""What can be followed live, and how a recorded event is told to those who follow."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, NamedTuple

import strawberry

from app.catalog.filters import tag_names
from app.core.errors import Fault, bad_cursor
from app.core.text import caseless
from app.graph import reading, types
from app.graph.connections import Place
from app.graph.context import Context
from app.graph.declare import Info, Input, argument, relation
from app.graph.following import Following, Told
from app.graph.inputs import CompanyLocator, PersonLocator
from app.graph.relations import After
from app.graph.wanted import PersonFilter
from app.live.topic import Moment, Topic
from app.persons.filters import company_ids
from app.persons.model import Person
from app.timeline.model import Event

# Told also to those who asked for other types: their stream ends with it.
LAST_WORDS = frozenset({"personDeleted", "personMerged", "companyDeleted"})
MERGED_IDS = "mergedIds"
# In the cursor of the end of what is followed: nothing comes behind it, so whoever comes back with it is told so.
_OVER = "over"
# Field of a filter → what a change of it is called.
_CHANGES = {
    "email": "emails",
    "phone": "phones",
    "customAttribute": "customAttributes",
    "companyId": "companies",
    "hasPush": "pushRegistrations",
    "ids": MERGED_IDS,
}
# A company's tags come and go with it, and with what becomes of it.
_INHERITED = {"tags": ("companies", "inheritedTags")}
_ALWAYS = frozenset({"updatedAt"})
# What is told to those whose filter names companies, though it is no change of a person.
_ENDS = frozenset({"companyDeleted"})

Types = Annotated[list[str] | None, argument("Of these types alone; all where nothing is said.")]


def _unknown(noun: str) -> Fault:
    return Fault("NOT_FOUND", f"There is no such {noun} to follow.", status=404)


class _Came(NamedTuple):
    """What a cursor says: the position, whom its follower followed, and whether that was the end of them."""

    token: str | None = None
    whom: str = ""
    over: str = ""


@dataclass(frozen=True, slots=True)
class _Followed:
    """What is followed: its id, as it was asked for, all ids that it has, and its lines; None: all of them."""

    noun: str = ""
    id: str = ""
    ids: frozenset[str] = frozenset()
    lines: frozenset[str] | None = None
    since: frozenset[tuple[str, datetime]] = frozenset()
    # Deleted since the cursor: nothing is told any more but that.
    gone: bool = False


async def _followed(context: Context, noun: str, by: Input, came: _Came) -> _Followed:
    """Return what is followed; whoever comes back goes on with whom the cursor names, be they called otherwise now."""
    if not noun:
        return _Followed()
    asked, found = await _FINDS[noun](context, by)
    held = await _held(context, noun, asked or found) if asked or found else None
    if held is not None and not held.gone and (not came.whom or came.whom in held.ids):
        return held if asked else replace(held, id=came.whom or found)
    if not came.whom or came.over:
        raise _unknown(noun)
    if asked not in ("", came.whom):
        raise bad_cursor()
    kept = await _held(context, noun, came.whom)
    if kept is None or not (kept.gone or held is None):
        raise bad_cursor()
    return kept


async def _found_person(context: Context, by: Input) -> tuple[str, str]:
    """Return the id that is asked for, or else that of whom the locator finds."""
    locator = reading.known(by)
    if locator is None:
        raise _unknown("person")
    if locator.kind == "id":
        return locator.value, ""
    found = await context.services.persons.find(context.account, locator)
    return "", found.id if found else ""


async def _found_company(context: Context, by: Input) -> tuple[str, str]:
    kind, value = reading.company(by)
    if kind == "id":
        return value, ""
    found = await context.services.companies.find(context.account, kind, value)
    return "", found.id if found else ""


_FINDS = {"person": _found_person, "company": _found_company}


async def _held(context: Context, noun: str, asked: str) -> _Followed | None:
    """Return what became of whom an id meant; `gone` where but their end is still to be told, None where not even that.

    A company leaves nothing but its last event, so that is looked for among those of all companies.
    """
    account, services = context.account, context.services
    if noun == "company":
        company = await services.companies.get(account, asked)
        if company is None:
            return _Followed(noun, asked, gone=True)
        return _Followed(noun, asked, frozenset([asked, company.id, *company.merged_ids]), frozenset(company.subjects))
    person = await services.persons.get(account, asked)
    if person is not None:
        ids, since = frozenset([asked, person.id, *person.merged_ids]), frozenset(person.since.items())
        return _Followed(noun, asked, ids, frozenset(person.subjects), since)
    left = await services.persons.remains(account, asked)
    return _Followed(noun, asked, lines=frozenset(left[1]), gone=True) if left else None


async def timeline_events(
    info: Info,
    person: Annotated[Input | None, argument("Whose timeline.", PersonLocator | None)] = None,
    company: Annotated[Input | None, argument("Which company's timeline.", CompanyLocator | None)] = None,
    types: Types = None,
    after: After = None,
) -> Following:
    """Follow a timeline."""
    context, shown = info.context, None if types is None else sorted(set(types))
    noun, by = _meant(person, company)
    place = Place(context, f"live:{noun}", shown)
    came = _Came(*(place.part(after=after).position or ()))
    followed = await _followed(context, noun, by, came)
    present = _Events(context, place, followed, shown)
    return Following(present.topic(followed), came.token, present, present.sealed, followed.id)


def _meant(person: Input | None, company: Input | None) -> tuple[str, Input]:
    """Return which noun is followed, and by what it is meant; nothing where all of the account is."""
    if person and company:
        raise Fault("BAD_VARIABLES", "Follow a person or a company, not both.", status=400)
    return ("person", person) if person else ("company", company) if company else ("", {})


class _Events:
    """Tells the events of a topic."""

    def __init__(self, context: Context, place: Place, followed: _Followed, types: Sequence[str] | None) -> None:
        self._context = context
        self._place = place
        self._noun, self._followed = followed.noun, followed.id
        self._types = frozenset[str]() if followed.gone else None if types is None else frozenset(types)

    def topic(self, followed: _Followed) -> Topic:
        """Return the topic of what is followed."""
        types = None if self._types is None else self._types | LAST_WORDS
        return Topic(self._context.account, followed.lines, types, since=followed.since)

    async def __call__(self, moment: Moment) -> Told:
        """Return the update of a moment; the last where what is followed is gone."""
        event = moment.event
        if event is None:
            return await self._of_position(moment)
        await self._context.services.timeline.entitle([event])
        kind = await self._kind(event)
        moved = event.rejoins or kind == "MERGED" or _taken_over(event)
        topic = await self._moved() if self._followed and moved else None
        if self._passed_over(event, kind):
            return Told(topic=topic)
        update = self._update(kind, moment.token, event)
        return Told([update], kind == "DELETED" and bool(self._followed), topic)

    async def _of_position(self, moment: Moment) -> Told:
        """Return what is told of no event; where some were lost, the end of what is followed may be one of them."""
        told = [self._update(moment.kind, moment.token)]
        if moment.kind != "RESYNC" or not self._followed:
            return Told(told)
        now = await self._now()
        if now is None or now.gone:
            return Told([*told, self._update("DELETED", moment.token)], last=True)
        return Told(told, topic=self.topic(now))

    def sealed(self, token: str) -> str:
        """Return the cursor of a position."""
        return self._place.seal([token, self._followed] if self._followed else [token])

    def _update(self, kind: str, token: str, event: Event | None = None) -> SimpleNamespace:
        over = self._followed and kind == "DELETED"
        cursor = self._place.seal([token, self._followed, _OVER]) if over else self.sealed(token)
        return SimpleNamespace(cursor=cursor, kind=kind, event=event, person_id=event.person_id if event else None)

    async def _kind(self, event: Event) -> str:
        # The end of a company that was taken into the one that is followed is but an event of its timeline.
        if event.type not in LAST_WORDS or not await self._concerns(event):
            return "EVENT"
        if event.type == "personMerged":
            return "MERGED" if event.told else "EVENT"
        # Whoever took it over may be gone by now as well: then there is nothing to go on with.
        return "MERGED" if _taken_over(event) and not (self._followed and await self._moved() is None) else "DELETED"

    async def _concerns(self, event: Event) -> bool:
        """Tell whether an end is that of what is followed, or of what that was merged into."""
        if self._followed in ("", event.person_id, event.company_id):
            return True
        if event.company_id is not None:
            return not _taken_over(event) and self._followed in _named(event)
        persons = self._context.services.persons
        return event.person_id in await persons.succession(self._context.account, self._followed)

    def _passed_over(self, event: Event, kind: str) -> bool:
        """Tell whether an event is none of the follower's: of a type not asked for, or the end of somebody else."""
        if kind != "EVENT":
            return False
        return bool(self._followed and event.told) or (self._types is not None and event.type not in self._types)

    async def _now(self) -> _Followed | None:
        return await _held(self._context, self._noun, self._followed)

    async def _moved(self) -> Topic | None:
        """Return the topic of whatever became of what is followed; None where nothing is left of it to follow."""
        now = await self._now()
        return self.topic(now) if now and now.lines is not None else None


def _taken_over(event: Event) -> bool:
    """Tell whether an event is the end of a company that lives on in another one."""
    return event.type == "companyDeleted" and "into" in event.properties


def _named(event: Event) -> set[str | None]:
    """Return the ids of whom an event is about, and of those that live on in it, or did up to then."""
    return {event.person_id, event.company_id, *(one["id"] for one in event.properties.get(MERGED_IDS, ()))}


async def person_changes(
    info: Info,
    filter: Annotated[Input | None, argument("Which persons; all where nothing is said.", PersonFilter | None)] = None,
    after: After = None,
) -> Following:
    """Follow changes of persons."""
    context = info.context
    place = Place(context, "changes", filter)
    # A bad filter is refused here, not at the first event.
    await context.services.persons.query(context.account, filter)
    present = _Changes(context, place, filter)
    token = await present.begin(after)
    return Following(present.topic(), token, present, lambda token: place.seal([token]))


class _Changes:
    """Tells changes of the persons that a filter finds."""

    def __init__(self, context: Context, place: Place, wanted: Input | None) -> None:
        self._context = context
        self._place = place
        self._wanted = wanted
        self._fields = _fields(wanted or {})
        self._tags = frozenset(map(caseless, tag_names(wanted)))
        self._asked = frozenset(wanted["ids"]) if wanted and wanted.get("ids") is not None else None
        # With whoever these were merged into.
        self._ids = self._asked
        self._companies = company_ids(wanted)

    def topic(self) -> Topic:
        """Return what is followed."""
        return Topic(self._context.account, changes=True, besides=_ENDS if self._companies else frozenset())

    async def __call__(self, moment: Moment) -> Told:
        """Return the update of a moment, none where the person never matched; the last where it is the only one."""
        cursor, event = self._place.seal([moment.token]), moment.event
        if event is None or event.person_id is None:
            return self._of_none(cursor, moment)
        if self._ids is not None and self._ids.isdisjoint(_named(event)):
            return Told()
        changed = event.changed or ()
        if event.type == "personDeleted":
            only = self._asked is not None and len(self._asked) == 1
            cursor = self._place.seal([moment.token, "", _OVER]) if only else cursor
            return Told([_update(cursor, "DELETED", event, changed)], only)
        if event.type == "personMerged" or MERGED_IDS in changed:
            await self.renew()
        if event.type == "personMerged" and event.told:
            return Told([_update(cursor, "MERGED", event, changed, await self._survivor(event.person_id))])
        person = await self._context.services.persons.met(self._context.account, event.person_id, self._wanted)
        if person is not None:
            kind = "CREATED" if event.type == "personCreated" else "UPDATED"
            return Told([_update(cursor, kind, event, changed, person)])
        return Told([_update(cursor, "LEFT", event, changed)] if self._may_leave(event) else [])

    def _may_leave(self, event: Event) -> bool:
        """Tell whether who doesn't match behind an event may have matched before."""
        # Who is new never was among them.
        if event.type == "personCreated":
            return False
        # The deletion of a tag touches that one alone, and may be told to a million.
        if event.cause is not None and event.type == "tagRemoved":
            return caseless(event.properties["tag"]) in self._tags
        return bool(self._fields & {*(event.changed or ()), *_ALWAYS})

    def _of_none(self, cursor: str, moment: Moment) -> Told:
        """Return what is told of no person: a position, or the merge of a company."""
        if moment.event is None:
            return Told([_update(cursor, moment.kind)])
        # All members of what took it in match otherwise from here on, and nothing is told of each.
        return Told([_update(cursor, "RESYNC")] if self._means(moment.event) else [])

    def _means(self, event: Event) -> bool:
        """Tell whether a company that was merged is one that the filter means: by its id, or by one it took in."""
        return _taken_over(event) and not self._companies.isdisjoint(_named(event))

    async def begin(self, after: str | None) -> str | None:
        """Return the position to begin at; NOT_FOUND where it is behind the end of the only one who was followed."""
        came = _Came(*(self._place.part(after=after).position or ()))
        if came.over:
            raise _unknown("person")
        await self.renew()
        return came.token

    async def renew(self) -> None:
        """Look anew at whom the ids that were asked for were merged into, one after the other, be the last one gone."""
        if self._asked:
            persons, account = self._context.services.persons, self._context.account
            lines = await asyncio.gather(*[persons.succession(account, one) for one in sorted(self._asked)])
            self._ids = self._asked.union(*lines)

    async def _survivor(self, merged_id: str) -> Person | None:
        """Return whom a merged person lives on in, where the filter finds them."""
        persons, account = self._context.services.persons, self._context.account
        survivor = await persons.get(account, merged_id)
        if survivor is None:
            return None
        return await persons.met(account, survivor.id, self._wanted)


def _update(
    cursor: str, kind: str, event: Event | None = None, changed: Sequence[str] = (), person: Person | None = None
) -> SimpleNamespace:
    person_id = event.person_id if event else None
    named = [name for name in changed if name != "state"]
    return SimpleNamespace(cursor=cursor, kind=kind, person_id=person_id, shown=person, changed_fields=named)


def _fields(wanted: Input) -> frozenset[str]:
    found: set[str] = set()
    for name, value in wanted.items():
        if name in ("and", "or"):
            found.update(*(_fields(part) for part in value or ()))
        elif name == "not":
            found |= _fields(value or {})
        else:
            found |= {_CHANGES.get(name, name), *_INHERITED.get(name, ())}
    return frozenset(found)


@strawberry.type
class Subscription:
    """What can be followed."""

    timeline_events: types.TimelineUpdate = relation(
        timeline_events,
        "A timeline as it grows: of a person, of a company, or of the whole account. Ends after DELETED of what is"
        " followed; give the last cursor as `after` to miss nothing.",
    )
    person_changes: types.PersonUpdate = relation(
        person_changes, "Changes of the persons that a filter finds; give the last cursor as `after` to miss nothing."
    )
