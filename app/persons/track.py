"""Events from outside: each finds its person, or makes one, and counts once for ever.

What is good is recorded whatever its neighbours are; where a call is atomic, all of it or nothing.
"""

from asyncio import Task, create_task, gather, sleep
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from app.catalog.checks import Listing
from app.catalog.model import Catalog
from app.catalog.service import CatalogService
from app.changes import erasure
from app.changes.model import Ask
from app.claims.model import Locator
from app.claims.service import Claims
from app.core import clock, ids
from app.core.actor import Actor
from app.core.errors import Fault, Refusals, Refused, unavailable
from app.core.steps import stepwise
from app.core.tally import TALLY
from app.mongo.engine import Clash, Conflict, Engine, Insert, Unit, Write
from app.persons import handed
from app.persons.erased import Erased
from app.persons.model import Carrier, Former
from app.persons.plan import Create
from app.persons.service import Persons
from app.persons.wish import Contact, Wish
from app.timeline.admit import Sent, admit
from app.timeline.model import Event
from app.timeline.record import COLLECTION, document
from app.timeline.service import Timeline

EVENTS_MAX = 5000
PART_EVENTS = 1000
TRIES = 8
ACCEPTED, DUPLICATE, REJECTED = "ACCEPTED", "DUPLICATE", "REJECTED"
# Identifiers that are enough to make a customer of.
MAKING = frozenset({"email", "phone", "externalId"})


class Tracked(NamedTuple):
    """One event and the person it is sent for."""

    locator: Locator
    sent: Sent
    create_person: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of one: ACCEPTED and DUPLICATE have the event as it is on the timeline, REJECTED has errors.

    What an installation sent for its last user has none: it is not for the eyes of the next one.
    """

    status: str
    event: Event | None
    errors: tuple[Refused, ...] = ()


@dataclass(slots=True)
class _Item:
    """One on its way: admitted, then with its person, then with its event."""

    index: int
    tracked: Tracked
    occurred: datetime
    properties: dict[str, Any]
    event: Event | None = None
    # Who has the installation that sends it, where it happened before: sees nothing of what is another one's.
    holder: str | None = None

    def mine(self) -> bool:
        """Tell whether it is for the eyes of who sends it."""
        return self.holder is None or (self.event is not None and self.event.person_id == self.holder)


People = dict[Locator, Carrier]


class Tracking:
    """Puts sent events on the timelines of persons."""

    def __init__(
        self, engine: Engine, claims: Claims, catalog: CatalogService, persons: Persons, timeline: Timeline
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._catalog = catalog
        self._persons = persons
        self._timeline = timeline
        self._erased = Erased(engine, persons)

    async def track(self, actor: Actor, items: Sequence[Tracked], *, atomic: bool = False) -> list[Outcome]:
        """Record events, aligned with their outcomes; refuses more than EVENTS_MAX with TOO_MANY."""
        if len(items) > EVENTS_MAX:
            raise Refused("TOO_MANY", f"A call takes at most {EVENTS_MAX} events.", ("events",))
        outcomes: dict[int, Outcome] = {}
        numbered = list(enumerate(items))
        if not atomic and len(items) > PART_EVENTS and _apart(items):
            await self._in_parts(actor, numbered, outcomes)
        else:
            left = await self._ready(actor, numbered, {}, outcomes, atomic=atomic)
            if atomic and (refused := {at: one for at, one in outcomes.items() if one.status == REJECTED}):
                return _nothing(refused, len(items))
            await self._record(left, outcomes, atomic=atomic)
        return [outcomes[index] for index in range(len(items))]

    async def _in_parts(self, actor: Actor, items: Sequence[tuple[int, Tracked]], outcomes: dict[int, Outcome]) -> None:
        """Record part by part: while the store keeps one, the next is checked."""
        people: People = {}
        parts: list[Task[None]] = []
        try:
            for start in range(0, len(items), PART_EVENTS):
                part = items[start : start + PART_EVENTS]
                left = await self._ready(actor, part, people, outcomes, atomic=False)
                parts.append(create_task(self._record(left, outcomes, atomic=False)))
                # It is to leave before the next part is looked at.
                await sleep(0)
            await gather(*parts)
        finally:
            for one in parts:
                one.cancel()

    async def _ready(
        self,
        actor: Actor,
        items: Sequence[tuple[int, Tracked]],
        people: People,
        outcomes: dict[int, Outcome],
        *,
        atomic: bool,
    ) -> list[_Item]:
        """Return what can be recorded, with its event; `people` are those whom the call knows, more join them."""
        good = await self._admitted(actor.account, items, outcomes)
        making = await self._found(actor, good, people, outcomes)
        if atomic and outcomes:
            return []
        if making:
            await self._make(actor, good, people, outcomes)
        if any(line.former for line in people.values()):
            await self._handed(actor.account, good, people, outcomes)
        now = clock.now()
        left = [item for item in good if item.index not in outcomes] if outcomes else good
        for item, event in zip(left, await stepwise(partial(_event, actor, people, now), left), strict=True):
            item.event = event
        await self._had(actor.account, left, people, outcomes)
        left = [item for item in left if item.index not in outcomes]
        _same(left, people)
        await self._timeline.entitle([item.event for item in left if item.event])
        return left

    async def _admitted(
        self, account: str, items: Sequence[tuple[int, Tracked]], outcomes: dict[int, Outcome]
    ) -> list[_Item]:
        catalog = await self._catalog.of(account)
        if not {one.sent.type for _, one in items} <= catalog.events.keys():
            # It may have been defined by another process a moment ago.
            catalog = await self._catalog.fresh(account)
        now = clock.now()
        found = await stepwise(partial(_admit, catalog, now), items)
        if "UNKNOWN_PROPERTY" in {one.code for one in found if isinstance(one, Refused)}:
            catalog = await self._catalog.fresh(account)
            found = await stepwise(partial(_admit, catalog, now), items)
        good: list[_Item] = []
        for (index, _), one in zip(items, found, strict=True):
            if isinstance(one, Refused):
                outcomes[index] = Outcome(REJECTED, None, (one,))
            else:
                good.append(one)
        return good

    async def _found(self, actor: Actor, good: Sequence[_Item], people: People, outcomes: dict[int, Outcome]) -> bool:
        """Find everybody's line; tell whether some are to be made first."""
        if not good:
            return False
        named = [one for one in dict.fromkeys([item.tracked.locator for item in good]) if one not in people]
        found = await self._carriers(actor, good, named, outcomes)
        people.update({locator: line for locator, line in zip(named, found, strict=True) if line})
        if people.keys() >= set(named):
            return False
        making = False
        for item in good:
            locator = item.tracked.locator
            if locator in people or item.index in outcomes:
                continue
            if item.tracked.create_person and locator.kind in MAKING:
                making = True
            else:
                outcomes[item.index] = Outcome(REJECTED, None, (_unknown(),))
        return making

    async def _carriers(
        self, actor: Actor, good: Sequence[_Item], named: Sequence[Locator], outcomes: dict[int, Outcome]
    ) -> Sequence[Carrier | None]:
        """Find the lines of some; what belonged to somebody who was deleted is rejected."""
        if not any(item.tracked.sent.event_id and item.tracked.locator.kind in erasure.KINDS for item in good):
            return await self._persons.carriers(actor.account, named)
        # Asked for together with the claims by which persons are found.
        asked = self._claims.ask(erasure.key_of(actor.account), TALLY.get())
        found, erased = await self._persons.carriers(actor.account, named), await asked
        if isinstance(erased, Exception):
            raise erased
        if erased is not None:
            await self._refuse_erased(actor.account, good, outcomes)
        return found

    async def _refuse_erased(self, account: str, good: Sequence[_Item], outcomes: dict[int, Outcome]) -> None:
        """Reject what belonged to somebody who was deleted."""
        marks = {item.index: mark for item in good if (mark := _mark(account, item))}
        there = await self._erased.among(account, list(marks.values()))
        for index in (index for index, mark in marks.items() if mark in there):
            words = "This event belonged to a person who was deleted."
            outcomes[index] = Outcome(REJECTED, None, (Refused("PERSON_NOT_FOUND", words, ("person",)),))

    async def _make(self, actor: Actor, good: Sequence[_Item], people: People, outcomes: dict[int, Outcome]) -> None:
        """Make the persons that are wanted; whoever was faster has made them as well."""
        left = [item for item in good if item.index not in outcomes]
        named = list(dict.fromkeys(item.tracked.locator for item in left))
        refused: dict[Locator, tuple[Refused, ...]] = {}
        for _ in range(TRIES):
            found = await self._persons.carriers(actor.account, named)
            people.update({locator: line for locator, line in zip(named, found, strict=True) if line})
            missing = [one for one in named if one not in people and one not in refused]
            if not missing:
                break
            asks = [Ask(actor.account, actor.origin, Create(_wish(one))) for one in missing]
            for locator, outcome in zip(missing, await self._persons.apply(asks), strict=True):
                _note(locator, outcome, refused)
        else:
            raise unavailable()
        for item in left:
            if item.tracked.locator in refused:
                outcomes[item.index] = Outcome(REJECTED, None, refused[item.tracked.locator])

    async def _handed(self, account: str, good: Sequence[_Item], people: People, outcomes: dict[int, Outcome]) -> None:
        """Leave what happened before an installation came to its holder with whoever had it then."""
        had: dict[Former, Carrier] = {}
        late: list[_Item] = []
        for item in [item for item in good if item.tracked.sent.occurred_at and item.index not in outcomes]:
            now = people[item.tracked.locator]
            if then := handed.had_then(now, item.occurred):
                had[then] = now
                item.tracked = item.tracked._replace(locator=handed.locator_of(then))
                item.holder = now.person_id
                late.append(item)
        people.update(await handed.carriers(self._persons, account, had))
        gone = [item for item in late if item.tracked.locator not in people]
        outcomes.update({item.index: Outcome(REJECTED, None, (_unknown(),)) for item in gone})

    async def _had(self, account: str, items: Sequence[_Item], people: People, outcomes: dict[int, Outcome]) -> None:
        """Note what its person had under another name already, or what its installation sent before it came to them.

        Who was merged has several lines of their own, and an installation gets a new one at each logout.
        """
        wanted: dict[str, list[_Item]] = {}
        for item in items:
            sent, line = item.tracked.sent.event_id, people[item.tracked.locator]
            for one in (*own_lines(line), *(each.line for each in line.former)) if sent else ():
                wanted.setdefault(f"{one}:{sent}", []).append(item)
        there = await self._timeline.get(account, list(wanted)) if wanted else {}
        for had, event in there.items():
            for item in wanted[had]:
                line = people[item.tracked.locator]
                shown = event if event.subject in line.subjects and item.mine() else None
                if shown or item.index not in outcomes:
                    outcomes[item.index] = Outcome(DUPLICATE, shown)

    async def _record(self, items: Sequence[_Item], outcomes: dict[int, Outcome], *, atomic: bool) -> None:
        events = [item.event for item in items if item.event]
        first: dict[str, int] = {}
        for place, event in enumerate(events):
            first.setdefault(event.id, place)
        sent = [events[place] for place in first.values()]
        fresh = await self._as_one(sent) if atomic else await self._each(sent)
        old = [event_id for event_id in first if event_id not in fresh]
        there = await self._timeline.get(items[0].event.account, old) if old and items[0].event else {}
        for place, (item, event) in enumerate(zip(items, events, strict=True)):
            new = event.id in fresh and first[event.id] == place
            kept = there.get(event.id, events[first[event.id]])
            outcomes[item.index] = Outcome(ACCEPTED if new else DUPLICATE, kept if item.mine() else None)

    async def _each(self, events: list[Event]) -> set[str]:
        """Record what is new; returns the ids of that."""
        found = await self._timeline.record(events) if events else []
        for one in found:
            if isinstance(one, Exception):
                raise one
        return {event.id for event, new in zip(events, found, strict=True) if new}

    async def _as_one(self, events: list[Event]) -> set[str]:
        """Record what is new as one unit; returns the ids of that."""
        if not events:
            return set()
        for _ in range(TRIES):
            there = await self._timeline.get(events[0].account, [event.id for event in events])
            fresh = [event for event in events if event.id not in there]
            writes: list[Write] = [Insert(document(event)) for event in fresh]

            async def work(unit: Unit, writes: list[Write] = writes) -> None:
                if writes:
                    await unit.write(COLLECTION, writes)

            try:
                await self._engine.unit(work)
            except (Clash, Conflict):
                continue
            return {event.id for event in fresh}
        raise unavailable()


def _apart(items: Sequence[Tracked]) -> bool:
    """Tell whether no event can be there twice: then it matters to nobody which part is faster."""
    sent = [one.sent.event_id for one in items if one.sent.event_id]
    return len(set(sent)) == len(sent)


def _admit(catalog: Catalog, now: datetime, numbered: tuple[int, Tracked]) -> _Item | Refused:
    index, tracked = numbered
    try:
        return _Item(index, tracked, *admit(tracked.sent, catalog, now))
    except Refused as refusal:
        return refusal


def _mark(account: str, item: _Item) -> str | None:
    """Return under what an event would be known as erased; None for one that nobody can send again as it was."""
    event_id, locator = item.tracked.sent.event_id, item.tracked.locator
    return erasure.mark(account, locator, event_id) if event_id and locator.kind in erasure.KINDS else None


def _unknown() -> Refused:
    return Refused("PERSON_NOT_FOUND", "There is no such person.", ("person",))


def _wish(locator: Locator) -> Wish:
    contact = Listing([Contact(locator.value, None, ("person", locator.kind))])
    if locator.kind == "email":
        return Wish(emails=contact)
    if locator.kind == "phone":
        return Wish(phones=contact)
    return Wish(scalars={"external_id": locator.value})


def own_lines(line: Carrier) -> list[str]:
    """Return the other lines that events by id, email, phone or external id may have come to."""
    lines = line.subjects
    return [one for one in lines if one != line.subject and ids.kind(one) == "sub"] if len(lines) > 1 else []


def _same(items: Sequence[_Item], people: People) -> None:
    """Give what a call sends again under another name of the same person the event that it sent first."""
    first: dict[tuple[str, str], Event] = {}
    for item in items:
        sent, line = item.tracked.sent.event_id, people[item.tracked.locator]
        # Who has one line only is met by the id of the event; those of installations count for themselves.
        if sent and item.event and len(line.subjects) > 1 and ids.kind(line.subject) == "sub":
            item.event = first.setdefault((line.person_id, sent), item.event)


def _note(locator: Locator, outcome: Any, refused: dict[Locator, tuple[Refused, ...]]) -> None:
    if isinstance(outcome, Fault):
        raise outcome
    refusals = outcome.refusals if isinstance(outcome, Refusals) else (outcome,)
    if any(isinstance(one, Refused) and not one.code.startswith("DUPLICATE_") for one in refusals):
        refused[locator] = tuple(one.under("person") for one in refusals if isinstance(one, Refused))


def _event(actor: Actor, people: People, now: datetime, item: _Item) -> Event:
    sent, line = item.tracked.sent, people[item.tracked.locator]
    subject = line.subject
    return Event(
        f"{subject}:{sent.event_id or ids.new('evt', now)}",
        actor.account,
        subject,
        sent.type,
        item.occurred,
        now,
        actor.origin,
        line.person_id,
        None,
        sent.session_id,
        item.properties,
    )


def _nothing(refused: dict[int, Outcome], count: int) -> list[Outcome]:
    first = min(refused)
    rest = Refused("WRONG_STATE", f"Nothing was written: event {first} was refused.")
    return [refused.get(index) or Outcome(REJECTED, None, (rest,)) for index in range(count)]
