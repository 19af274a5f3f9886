"""One pass of a connection: what changed in the CRM, what is to be tried again, what changed here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from app.core import clock
from app.core.errors import Refused
from app.mongo.engine import Document
from app.sync.crm import CrmField, CrmPage, FieldGone
from app.sync.incoming import Source
from app.sync.line import Line, Lost, beat
from app.sync.mapping import EntityMap
from app.sync.model import CONVERTED, FAILED, LINKED
from app.sync.pull import Pull
from app.sync.push import Push
from app.sync.slots import fingerprint
from app.sync.store import COMPARED, ENDS, HERE, ISSUES, MAPPED, OWED, WHOLE, forgotten, unmapped

# A change is stamped before it is committed: what is older than this when a look begins, that look sees.
OVERLAP_SECONDS = 60.0
PART = 200
COMPARED_SECONDS = 86_400.0

Offer = Callable[[str], Awaitable[Sequence[CrmField]]]


class Stopped(Exception):  # noqa: N818 - read as what it says
    """Somebody wants the connection to pause."""


async def ahead(pages: AsyncIterator[CrmPage]) -> AsyncIterator[CrmPage]:
    """Yield pages, the next one asked for while one is worked on."""
    asked: asyncio.Task[CrmPage | None] | None = None
    try:
        page = await anext(pages, None)
        while page is not None:
            asked = asyncio.create_task(_next(pages))
            yield page
            page = await asked
    finally:
        if asked is not None and not asked.done():
            asked.cancel()
            await asyncio.wait({asked})


async def _next(pages: AsyncIterator[CrmPage]) -> CrmPage | None:
    return await anext(pages, None)


class Run:
    """A pass; it raises what the CRM raises, Lost, and Stopped behind the page at hand."""

    def __init__(self, line: Line, offer: Offer) -> None:
        self._line = line
        self._offer = offer
        self._marks: dict[str, Any] = dict(line.connection.marks)
        # Entities whose fields are gone, with the words of it; the others go on.
        self.troubles: list[str] = []
        self.busy = False
        # Marks behind what brought nothing: written with the end of the pass.
        self.behind: Document = {}

    async def go(self) -> None:
        """Carry a pass out."""
        ready = list[tuple[EntityMap, Pull, Push]]()
        for one in self._line.connection.maps:
            try:
                ready.append(await self._ready(one))
                await self._begin(*ready[-1])
            except (FieldGone, Refused) as error:
                self.troubles.append(f"{one.object}: {error.message}")
                ready = [each for each in ready if each[0] is not one]
        for one, pull, push in ready:
            await self._again(one, pull)
            await (push.retire() if push.idle else self._push(one, push))

    async def _begin(self, one: EntityMap, pull: Pull, push: Push) -> None:
        if not push.idle:
            await push.recall()
        await pull.begin()
        await self._pull(one, pull)
        await pull.over()

    async def _ready(self, one: EntityMap) -> tuple[EntityMap, Pull, Push]:
        line = self._line
        line.offers = {**line.offers, one.object: await self._offer(one.object)}
        source = await line.source(one)
        await self._mapped(one, source)
        pull = Pull(line, one, source)
        return one, pull, Push(line, one, source, pull)

    async def _mapped(self, one: EntityMap, source: Source) -> None:
        """Have all be compared from the beginning where fields, or what they are mapped to, are others by now."""
        mapped = fingerprint("\n".join(sorted(f"{slot.name} {slot.tag}" for slot in source.slots)))
        if self._marks.get(f"{one.object}{MAPPED}") == mapped:
            return
        for end in ENDS:
            self._marks.pop(f"{one.object}{end}", None)
        self._marks[f"{one.object}{MAPPED}"] = mapped
        change = {"$set": {f"marks.{one.object}{MAPPED}": mapped}, "$unset": forgotten(one.object)}
        pairs = [(slot.name, slot.field) for slot in source.slots]
        await self._line.held(change, [(ISSUES, [unmapped(self._line.connection, one.object, pairs)])])

    async def _standing(self) -> None:
        """See that the connection is still held, and wanted; raises Lost and Stopped."""
        now = await self._line.store.get(self._line.account, self._line.connection.id)
        if now is None or now.lease != self._line.lease.number:
            raise Lost
        if now.pause:
            raise Stopped

    # ------------------------------------------------------------ from there

    async def _pull(self, one: EntityMap, pull: Pull) -> None:
        since = self._marks.get(one.object)
        seen, owed, comparable = set[str](), f"{one.object}{OWED}", self._comparable(one, since)
        # Also where it broke off, and is gone on with.
        pull.whole = since is None or bool(self._marks.get(f"{one.object}{WHOLE}"))
        async for page in ahead(self._line.crm.changed(one.object, pull.fields, since)):
            seen.update(record.id for record in page.records)
            if page.untold and comparable:
                self._marks[owed] = True
            self.busy = self.busy or bool(page.records or page.deleted)
            await pull.gone(page.deleted)
            await self._marked(one, page, pull)
            await self._standing()
        if self._marks.get(owed):
            await self._compare(one, pull, seen)

    async def _marked(self, one: EntityMap, page: CrmPage, pull: Pull) -> None:
        self._marks[one.object] = mark = dict(page.mark)
        name = f"marks.{one.object}"
        if page.records:
            self.behind.pop(name, None)
            left = {OWED: bool(self._marks.get(f"{one.object}{OWED}")), WHOLE: pull.whole}
            ends = {f"{name}{end}": True for end, still in left.items() if still}
            await pull.take(page.records, {"$set": {name: mark, **ends}})
        else:
            self.behind[name] = mark

    def _comparable(self, one: EntityMap, since: Mapping[str, Any] | None) -> bool:
        """Tell whether links are to be compared with what is there: after a whole pass, else once a day."""
        if since is None or "modified" not in since:
            return True
        last = self._marks.get(f"{one.object}{COMPARED}")
        return last is None or clock.now() - last > timedelta(seconds=COMPARED_SECONDS)

    async def _compare(self, one: EntityMap, pull: Pull, seen: set[str]) -> None:
        """Find out which records are gone, where the CRM doesn't tell."""
        after = ""
        while part := await self._line.store.part(self._line.connection, one.object, after, PART):
            after = part[-1].record
            known = [
                link.record
                for link in part
                if link.state in (LINKED, CONVERTED, FAILED) and link.record not in seen and not link.wanted
            ]
            if known:
                there = {each.id for each in await self._line.crm.read(one.object, pull.fields, known)}
                await pull.lost([record for record in known if record not in there])
                await self._standing()
        name = f"marks.{one.object}"
        # So ends each pass that reads all there is.
        over = {f"{name}{end}": "" for end in (OWED, WHOLE)}
        await self._line.held({"$set": {f"{name}{COMPARED}": clock.now()}, "$unset": over})

    async def _again(self, one: EntityMap, pull: Pull) -> None:
        """Read once more what was to be tried again."""
        tried = set[str]()
        while links := await self._line.store.waiting(self._line.connection, "again", one.object, PART):
            fresh = [link for link in links if link.id not in tried]
            if not fresh:
                return
            self.busy = True
            tried.update(link.id for link in fresh)
            there = await self._line.crm.read(one.object, pull.fields, [link.record for link in fresh])
            known = {each.id for each in there}
            await pull.lost([link.record for link in fresh if link.record not in known])
            await pull.take(there, beat(), asked=True)
            await pull.heard(fresh)
            await self._standing()

    # ------------------------------------------------------------ from here

    async def _push(self, one: EntityMap, push: Push) -> None:
        began = clock.now() - timedelta(seconds=OVERLAP_SECONDS)
        name = f"marks.{one.object}{HERE}"
        mark: Document | None = self._marks.get(f"{one.object}{HERE}")
        while True:
            profiles, mark = await push.changed(mark)
            if mark is None:
                break
            await push.bring(profiles)
            await self._line.held({"$set": {name: mark}})
            await self._standing()
        self.behind[name] = {"at": began, "id": ""}
        await self._waiting(push)

    async def _waiting(self, push: Push) -> None:
        """Write what is waiting, each once in a pass."""
        tried = set[str]()
        while True:
            began = clock.now()
            fresh = [profile for profile in await push.waiting() if profile.id not in tried]
            tried.update(profile.id for profile in fresh)
            await push.bring(fresh)
            rested = await push.heard(began)
            if not fresh and not rested:
                return
            self.busy = True
            await self._standing()
