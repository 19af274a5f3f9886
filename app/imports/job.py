"""A run of an import: its rows in parts, each one unit with the ledger, the counts and the place where the next begins.

Whoever goes on with a run that broke off begins where the last unit ended, so nothing is done twice and nothing is left
out. A dry run does the same in memory, from the beginning each time.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from app.catalog.model import AttributeDefinition
from app.catalog.service import CatalogService
from app.changes.model import Ask
from app.changes.rehearsal import Memory
from app.changes.sealing import Sealing, smaller
from app.changes.service import Changes
from app.claims.service import Claims
from app.core import clock, ids
from app.core.errors import Refused
from app.imports import book, reader
from app.imports.mapping import Mapping
from app.imports.model import (
    CANCELLED,
    CHECKED,
    COMMIT,
    DONE,
    DONE_WITH_ERRORS,
    FAILED,
    MAPPED,
    Counts,
    Import,
    RowError,
)
from app.imports.reader import Asker, File, Part
from app.imports.repeats import Repeats
from app.imports.store import CHUNKS, Lease, Store, failed_row, lapsing
from app.imports.table import Unreadable
from app.mongo.engine import Engine, Write

CHUNK_ROWS = 500
# While others are being served, by more than a look at the import each second: a unit holds up whoever shares the
# process with it, so it is small and alone, and a pause makes up for it. Beside a process at work an import has this
# share of the time.
CHUNK_ROWS_BUSY = 100
BUSY_MIN = 0.1
IMPORT_SHARE = 0.5


class Lost(Exception):  # noqa: N818 - read as what it says
    """Somebody else goes on with this import, or nobody needs to."""


class Run:
    """One run of one import; `changes` are those of its profiles, `busy` is how much others ask, from 0 to 1.

    `tries`: how often it was put off, for units that were too much for the store among other reasons.
    """

    def __init__(  # noqa: PLR0913 - what a run needs, by name
        self,
        engine: Engine,
        *,
        store: Store,
        catalog: CatalogService,
        claims: Claims,
        changes: Changes[Any],
        home: Path,
        busy: Callable[[], float],
        tries: int = 0,
    ) -> None:
        self._engine = engine
        self._store = store
        self._catalog = catalog
        self._claims = claims
        self._changes = changes
        self._home = home
        self._busy = busy
        self._rows = smaller(CHUNK_ROWS, tries)

    async def go(self, one: Import, lease: Lease) -> None:
        """Carry a run out to its end. Raises UNAVAILABLE, and Lost; what was done by then is kept and known."""
        try:
            file = await reader.opened(self._store, one, self._home)
            mapping = Mapping.of_document(one.mapping or {})
            one = await self._prepared(one, lease, file, mapping)
        except (Unreadable, Refused) as error:
            await self._fail(one, lease, str(error), one.next)
            return
        asker = Asker(one, mapping)
        made = book.Book(one, lease, asker, file.table.columns)
        if one.mode == COMMIT:
            await self._commit(one, lease, file, asker, made)
        else:
            await self._rehearse(one, lease, file, asker, made)

    # ------------------------------------------------------------ beginning and end

    async def _prepared(self, one: Import, lease: Lease, file: File, mapping: Mapping) -> Import:
        """Begin a run that nobody has begun: count the rows, define what is to be made; a dry run always begins."""
        if one.mode == COMMIT and one.prepared:
            return one
        rows = await file.count()
        if one.mode == COMMIT:
            await self._define(one.account, mapping)
        if not await self._store.begin(one, lease, book.begun(rows)):
            raise Lost
        return replace(one, next=0, groups=(), counts=Counts(rows=rows))

    async def _define(self, account: str, mapping: Mapping) -> None:
        catalog = await self._catalog.fresh(account)
        for name, type_ in mapping.created():
            if catalog.attribute(mapping.target, name) is None:
                now = clock.now()
                wanted = AttributeDefinition(ids.new("att", now), mapping.target, name, type_, now)
                await self._catalog.define_attribute(account, wanted)

    async def _fail(self, one: Import, lease: Lease, why: str, row: int) -> None:
        """End a run whose file can't be read: what was done stays, and can be undone."""
        error = RowError("9" * 10, row, None, why, {})
        also: list[tuple[str, Write]] = [(CHUNKS, failed_row(one, error)), (CHUNKS, lapsing(one))]
        group = {"message": why, "column": None, "rows": 1, "samples": [row]}
        await self._end(lease, FAILED, also, **{"groups.file": group})

    async def _end(self, lease: Lease, state: str, also: Sequence[tuple[str, Write]] = (), **change: Any) -> None:
        finished = {"state": state, "finishedAt": clock.now(), **change}
        if not await self._store.end(lease, finished, also=also):
            raise Lost

    async def _finish(self, one: Import, lease: Lease) -> None:
        now = await self._now(one)
        failed = now.counts.failed > 0
        await self._end(lease, DONE_WITH_ERRORS if failed else DONE, [(CHUNKS, lapsing(one))])

    async def _now(self, one: Import) -> Import:
        now = await self._store.get(one.account, one.id)
        if now is None:
            raise Lost
        return now

    async def _cancelled(self, one: Import, lease: Lease, sealing: Sealing[Any] | None = None) -> bool:
        """End a run that somebody wants to stop, behind what is under way: a dry run leaves the import as it was."""
        if not (await self._now(one)).cancel:
            return False
        if sealing is not None:
            await sealing.over()
        commit = one.mode == COMMIT
        await self._end(lease, CANCELLED if commit else MAPPED, [(CHUNKS, lapsing(one))] if commit else [])
        return True

    # ------------------------------------------------------------ commit

    async def _commit(self, one: Import, lease: Lease, file: File, asker: Asker, made: book.Book) -> None:
        """Write the rows; while a part is written the next is planned, and the one behind it read and checked."""
        parts, at = await file.parts(one.next), one.next
        sealing = self._changes.sealing()
        try:
            while True:
                began, busy = monotonic(), self._busy()
                size = min(self._rows, CHUNK_ROWS_BUSY) if busy > BUSY_MIN else self._rows
                part = await parts.next(size)
                asks = await asker.asks(part.rows, at, await self._catalog.of(one.account))
                if await self._cancelled(one, lease, sealing):
                    return
                at += len(part.rows)
                if asks:
                    await sealing.send(asks, made.seal)
                if part.last:
                    break
                if busy > BUSY_MIN:
                    await sealing.over()
                    await asyncio.sleep(busy * (monotonic() - began) * (1 - IMPORT_SHARE) / IMPORT_SHARE)
            await sealing.over()
        finally:
            await sealing.give_up()
        await self._over(one, lease, part, at)

    async def _over(self, one: Import, lease: Lease, part: Part, at: int) -> None:
        if part.broken is not None:
            await self._fail(one, lease, part.broken, at + 1)
        elif one.mode == COMMIT:
            await self._finish(one, lease)
        else:
            await self._end(lease, CHECKED)

    # ------------------------------------------------------------ dry run

    async def _rehearse(self, one: Import, lease: Lease, file: File, asker: Asker, made: book.Book) -> None:
        """Plan the rows; whoever is met by several of them is kept in mind."""
        catalog = reader.imagined(await self._catalog.fresh(one.account), asker.mapping)
        again: Repeats = Repeats()
        parts = await file.parts()
        while (part := await parts.next(self._rows)).rows:
            for keys in await self._met(await asker.asks(part.rows, 0, catalog)):
                again.add(keys)
            if await self._cancelled(one, lease):
                return
            if part.broken is not None:
                break
        again.settle()
        memory: Memory[Any] = Memory(catalog, again)
        parts, at = await file.parts(), 0
        while True:
            if await self._cancelled(one, lease):
                return
            part = await parts.next(self._rows)
            asks = await asker.asks(part.rows, at, catalog)
            if asks:
                outcomes = await self._changes.rehearse(asks, memory)
                await self._note(asks, outcomes, made)
            at += len(asks)
            if part.last:
                break
        await self._over(one, lease, part, at)

    async def _met(self, asks: Sequence[Ask[Any]]) -> list[list[str]]:
        """Return for each ask the keys that it names, and the ids of those who have them now."""
        keys = [[one.claim(ask.account) for one in ask.sought] for ask in asks]
        owned = await self._claims.owners(list({key for each in keys for key in each}))
        return [[*each, *(claim.owner for key in each if (claim := owned.get(key)))] for each in keys]

    async def _note(self, asks: Sequence[Ask[Any]], outcomes: Sequence[Any], made: book.Book) -> None:
        await self._engine.write_unit(made.seal(asks, outcomes))
