"""Messages of many visitors at once: read together, planned in memory, written as one unit.

A repetition of what was taken in before changes nothing; where somebody else was faster, it is read and planned again.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.catalog import sweeps
from app.core import chance, clock
from app.core.errors import Fault, Refused, unavailable
from app.core.unexpected import unexpected
from app.intake import activity, sessions
from app.intake.activity import Page, Redo, Step
from app.intake.sessions import nobody, visitor_key
from app.intake.visit import Verdict, Visitor
from app.intake.visit_record import COLLECTION, read, written
from app.mongo.engine import Clash, Conflict, Document, Engine, Insert, Stale, Write
from app.timeline.record import COLLECTION as EVENTS
from app.timeline.record import document as event_document

CHUNK_STRETCHES = 500
UNIT_MESSAGES = 1000
COMMIT_TRIES = 12
# Anonymous ids that lead to others that lead to others.
ALIASES_MAX = 10

Verdicts = list[Verdict] | Exception


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one anonymous id that belong together; `other` is the visitor whose activity joins it."""

    account: str
    anonymous_id: str
    steps: tuple[Step, ...]
    other: str | None = None

    def about(self) -> list[str]:
        """Return the keys of the visitors that it is about."""
        return [visitor_key(self.account, one) for one in (self.anonymous_id, self.other) if one is not None]


@dataclass(slots=True)
class _Desk:
    """What a chunk knows: visitors as they were read, and as they are after the steps planned so far."""

    now: datetime
    there: dict[str, Visitor]
    known: set[str] = field(default_factory=set)
    pages: dict[str, Page] = field(default_factory=dict)

    def pages_of(self, account: str, anonymous_id: str) -> list[Page]:
        """Return the page of an anonymous id, and of those that it leads to, the last of which it means by now."""
        found: list[Page] = []
        for _ in range(ALIASES_MAX):
            found.append(self._page(visitor_key(account, anonymous_id), account, anonymous_id))
            into = found[-1].visitor.into
            if into is None or visitor_key(account, into) not in self.there:
                break
            anonymous_id = into
        return found

    def _page(self, key: str, account: str, anonymous_id: str) -> Page:
        found = self.pages.get(key)
        if found is None:
            visitor = self.there.get(key) or nobody(account, anonymous_id, self.now)
            found = self.pages[key] = Page(visitor, self.now, self.known)
        return found

    def changed(self) -> list[Visitor]:
        """Return the visitors that are to be written: those who did something, were it nothing new about them."""
        return [page.visitor for page in self.pages.values() if page.events or page.visitor != page.before]


class VisitChunk:
    """Plans and commits what visitors do."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, stretches: Sequence[Stretch]) -> list[Verdicts]:
        """Return the verdicts of each stretch; never raises for one of them."""
        outcomes: list[Verdicts] = []
        for part in _parts(stretches):
            outcomes += await self._guarded(part, COMMIT_TRIES)
        return outcomes

    async def _guarded(self, stretches: Sequence[Stretch], tries: int) -> list[Verdicts]:
        try:
            return await self._commit(stretches, tries)
        except Fault as fault:
            return [fault] * len(stretches)

    async def _commit(self, stretches: Sequence[Stretch], tries: int) -> list[Verdicts]:
        desk = _Desk(clock.now(), await self._read(stretches))
        desk.known |= await self._known(_sent(stretches, desk))
        outcomes = [_planned(one, desk) for one in stretches]
        if tries < COMMIT_TRIES:
            # Second thoughts: an event may be there that no message names, and that only a look can tell.
            found = await self._known([event.id for page in desk.pages.values() for event in page.events])
            desk = _Desk(desk.now, desk.there, found | await self._known(_sent(stretches, desk)))
            outcomes = [_planned(one, desk) for one in stretches]
        try:
            await self._write(desk)
        except (Clash, Stale, Conflict):
            if tries <= 1:
                return [unavailable()] * len(stretches)
            await asyncio.sleep(chance.pause(COMMIT_TRIES - tries))
            half = (len(stretches) + 1) // 2
            first = await self._guarded(stretches[:half], tries - 1)
            return first + (await self._guarded(stretches[half:], tries - 1) if half < len(stretches) else [])
        return outcomes

    async def _read(self, stretches: Sequence[Stretch]) -> dict[str, Visitor]:
        there: dict[str, Visitor] = {}
        wanted = {key for one in stretches for key in one.about()}
        for _ in range(ALIASES_MAX):
            found = [read(kept) for kept in await self._found(COLLECTION, wanted)]
            there |= {visitor_key(one.account, one.anonymous_id): one for one in found}
            wanted = {visitor_key(one.account, one.into) for one in found if one.into} - there.keys()
            if not wanted:
                break
        return there

    async def _known(self, event_ids: Collection[str]) -> set[str]:
        if not event_ids:
            return set()
        where = {"_id": {"$in": list(event_ids)}}
        return {kept["_id"] for kept in await self._engine.find(EVENTS, where, projection={"_id": 1})}

    async def _found(self, collection: str, keys: Collection[str]) -> list[Document]:
        return await self._engine.find(collection, {"_id": {"$in": list(keys)}}) if keys else []

    async def _write(self, desk: _Desk) -> None:
        visitors = [written(one) for one in desk.changed()]
        if not visitors:
            return
        pages = desk.pages.values()
        events: list[Write] = [Insert(event_document(event)) for page in pages for event in page.events]
        swept: list[Write] = [
            sweeps.later(page.visitor.account, sweeps.EVENTS, page.swept) for page in pages if page.swept
        ]

        groups = ((COLLECTION, visitors), (EVENTS, events), (sweeps.COLLECTION, swept))
        await self._engine.write_unit([group for group in groups if group[1]])


def _parts(stretches: Sequence[Stretch]) -> Iterable[list[Stretch]]:
    """Give stretches in groups of at most about UNIT_MESSAGES messages."""
    part: list[Stretch] = []
    size = 0
    for one in stretches:
        if part and size + len(one.steps) > UNIT_MESSAGES:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.steps)
    if part:
        yield part


def _sent(stretches: Sequence[Stretch], desk: _Desk) -> set[str]:
    """Return the ids under which events of the messages may be there already; who is new has none."""
    wanted = set()
    for one in stretches:
        named = [step.message.message_id for step in one.steps if step.event and step.message.message_id]
        visitors = [page.before for page in desk.pages_of(one.account, one.anonymous_id) if page.before.version]
        lines = {line for visitor in visitors for line in activity.lines(visitor)} if named else ()
        wanted |= {f"{line}:{message_id}" for line in lines for message_id in named}
    return wanted


def _planned(stretch: Stretch, desk: _Desk) -> Verdicts:
    """Return what becomes of a stretch. A mistake in a rule is its own alone: then nothing of it happened."""
    pages = desk.pages_of(stretch.account, stretch.anonymous_id)
    others = [] if stretch.other is None else desk.pages_of(stretch.account, stretch.other)
    marks = [(page, page.mark()) for page in (*pages, *others)]
    try:
        outcome = _joined(stretch, pages[-1], others[-1]) if others else _done(stretch, pages)
    except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours in the chunk are not to pay for it
        outcome = unexpected(error, "messages of a visitor")
    if isinstance(outcome, Exception):
        for page, mark in marks:
            page.back(mark)
    return outcome


def _done(stretch: Stretch, pages: Sequence[Page]) -> Verdicts:
    verdicts = []
    for step in stretch.steps:
        try:
            step.rule(_then(step, pages), step)
        except Redo as redo:
            return redo
        except Refused as refusal:
            verdicts.append(Verdict(accepted=False, refused=(refusal,)))
        else:
            verdicts.append(Verdict())
    return verdicts


def _then(step: Step, pages: Sequence[Page]) -> Page:
    """Return the page of whom an anonymous id meant when a message happened: it may lead elsewhere since."""
    if step.message.occurred_at is None:
        return pages[-1]
    return next((one for one in pages if sessions.late(one.visitor, one.at(step.message))), pages[-1])


def _joined(stretch: Stretch, page: Page, other: Page) -> Verdicts:
    (step,) = stretch.steps
    if not page.visitor.version:
        return Redo()
    mark = page.mark()
    try:
        if other is not page:
            activity.take_over(page, other, step)
    except Refused as refusal:
        page.back(mark)
        return [Verdict(accepted=False, refused=(refusal,))]
    return [Verdict()]
