"""What ends by itself: sessions after half an hour, visitors after 45 days. Any process may do it, also two at once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from app.catalog import sweeps
from app.core import clock
from app.core.errors import Fault
from app.core.unexpected import unexpected
from app.intake import activity, sessions
from app.intake.activity import Page
from app.intake.sessions import visitor_key
from app.intake.visit import Visitor
from app.intake.visit_record import BY_DUE, COLLECTION, read, written
from app.mongo.engine import Clash, Conflict, Delete, Document, Engine, Insert, Stale, Unit, Update, Write
from app.timeline.record import COLLECTION as EVENTS
from app.timeline.record import document as event_document

SWEEP_VISITORS = 500
# Bounds one round: what is left over is due in the next.
SWEEPS_AT_ONCE = 200
LOOK_SECONDS = 60.0
ASIDE_SECONDS = 86_400


class VisitSweep:
    """Ends the sessions and the visitors of all accounts; `wake` is called where data are left to be cleared."""

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake
        self.aside = 0  # how often a document couldn't be read

    async def run(self) -> None:
        """Sweep for ever, every LOOK_SECONDS."""
        while True:
            with suppress(Fault):  # the database is away: what is due stays due
                await self.sweep()
            await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> int:
        """End all that is over by now; returns how many visitors were changed (index `due,_id`). Raises UNAVAILABLE."""
        done = 0
        for _ in range(SWEEPS_AT_ONCE):
            due = {"due": {"$lte": clock.now()}}
            found = await self._engine.find(COLLECTION, due, sort=BY_DUE, limit=SWEEP_VISITORS, hint=BY_DUE)
            visitors = await self._readable(found)
            ended = await self._end(await self._leading(visitors))
            done += ended
            if len(found) < SWEEP_VISITORS or not (ended or len(visitors) < len(found)):
                break
        return done

    async def _readable(self, found: Sequence[Document]) -> list[Visitor]:
        """Return visitors; a document that can't be read waits ASIDE_SECONDS, and holds up no other."""
        visitors, aside = list[Visitor](), list[Write]()
        for kept in found:
            try:
                visitors.append(read(kept))
            except Exception as error:  # noqa: BLE001 - whatever is in it, all others are due as well
                unexpected(error, "visit_sweep")
                later = {"$set": {"due": clock.now() + timedelta(seconds=ASIDE_SECONDS)}}
                aside.append(Update({"_id": kept["_id"], "due": kept["due"]}, later))
        if aside:
            self.aside += await self._engine.write(COLLECTION, aside)
        return visitors

    async def _leading(self, visitors: Sequence[Visitor]) -> list[Visitor]:
        """Return visitors; an anonymous id that leads to one who is still there stays as long as that one."""
        wanted = {visitor_key(one.account, one.into) for one in visitors if one.into}
        if not wanted:
            return list(visitors)
        found = await self._engine.find(COLLECTION, {"_id": {"$in": list(wanted)}}, projection={"last": 1})
        there = {kept["_id"]: kept["last"] for kept in found}
        lead = [(one, there.get(visitor_key(one.account, one.into))) for one in visitors if one.into]
        late = [replace(one, last=last) for one, last in lead if last is not None and last > one.last]
        if late:
            with suppress(Clash, Stale, Conflict):  # somebody else did it
                await self._engine.write(COLLECTION, [written(one) for one in late])
        stay = {one.anonymous_id for one in late}
        return [one for one in visitors if not (one.into and one.anonymous_id in stay)]

    async def _end(self, visitors: Sequence[Visitor]) -> int:
        """End what is over of these, in halves where somebody else was faster; who is left is looked at again."""
        if not visitors:
            return 0
        pages = [_ended(one) for one in visitors]
        try:
            await self._write(pages)
        except (Clash, Stale, Conflict):
            half = len(visitors) // 2
            return await self._end(visitors[:half]) + await self._end(visitors[half:]) if half else 0
        if any(page.swept for page in pages):
            self._wake()
        return len(pages)

    async def _write(self, pages: Sequence[Page]) -> None:
        events: list[Write] = [Insert(event_document(event)) for page in pages for event in page.events]
        swept: list[Write] = [
            sweeps.later(page.visitor.account, sweeps.EVENTS, page.swept) for page in pages if page.swept
        ]

        async def work(unit: Unit) -> None:
            await unit.write(COLLECTION, [_kept(page) for page in pages])
            for collection, writes in ((EVENTS, events), (sweeps.COLLECTION, swept)):
                if writes:
                    await unit.write(collection, writes)

        await self._engine.unit(work)


def _ended(visitor: Visitor) -> Page:
    """Return what is over of a visitor that is due: its session, or itself with all that it did, if it is nobody's."""
    page = Page(visitor, clock.now(), set())
    if sessions.over(visitor, page.now):
        activity.close(page)
    elif visitor.person is None:
        page.swept += visitor.subjects
    return page


def _kept(page: Page) -> Write:
    """Return the write: a visitor whose session ended stays, any other that was due goes."""
    if page.visitor is not page.before:
        return written(page.visitor)
    where = {"_id": visitor_key(page.visitor.account, page.visitor.anonymous_id)}
    return Delete({**where, "version": page.visitor.version}, must=True)
