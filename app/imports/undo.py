"""Taking an import back: its ledger from the last row to the first, as far as nobody has changed anything since."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from app.catalog.service import CatalogService
from app.changes.model import Ask, Effect, Outcome
from app.changes.sealing import smaller
from app.changes.service import Changes
from app.claims.model import Locator
from app.companies.model import sought
from app.core import clock
from app.imports import ledger
from app.imports.job import Lost
from app.imports.ledger import Entry, Undone
from app.imports.mapping import Mapping
from app.imports.model import ORIGIN, PERSON, REVERTED, Import, RowError
from app.imports.repeats import Repeats
from app.imports.store import CHUNKS, JOBS, Lease, Store, failed_row, lapsing
from app.mongo.engine import Engine, Group, Update, Write
from app.timeline.record import COLLECTION as EVENTS

# To take somebody off costs several times what it costs to make one: more of them would not end within a deadline.
UNDO_ROWS = 100


class Undo:
    """One undo of one import; `changes` are those of the profiles that it is about, `tries` as of a run."""

    def __init__(
        self, engine: Engine, store: Store, catalog: CatalogService, changes: Changes[Any], tries: int = 0
    ) -> None:
        self._engine = engine
        self._store = store
        self._catalog = catalog
        self._changes = changes
        self._collection = changes.collection
        self._rows = smaller(UNDO_ROWS, tries)
        # Of those whom several rows were about: the last one.
        self._last: dict[str, Entry] = {}
        self._made: set[str] = set()

    async def go(self, one: Import, lease: Lease) -> None:
        """Carry an undo out to its end, from where one that broke off has ended. Raises UNAVAILABLE, and Lost."""
        await self._look_through(one)
        at = one.undone
        async for entries in self._parts(one):
            rest = [entry for entry in entries if at is None or entry.line < at]
            for start in range(0, len(rest), self._rows):
                part = rest[start : start + self._rows]
                await self._changes.sealed(await self._asks(one, part, at), _Seal(one, lease))
                at = part[-1].line
        finished: dict[str, Any] = {"state": REVERTED, "finishedAt": clock.now()}
        also: list[tuple[str, Write]] = [(CHUNKS, lapsing(one))]
        now = await self._store.get(one.account, one.id)
        if now is not None and now.undo is not None and (named := await self._defined(one)):
            words = f"kept: attributes that the import made, to be deleted by hand: {', '.join(named)}"
            also.append((CHUNKS, failed_row(one, RowError("9" * 10, 0, None, words, {}), kept=True)))
            finished["undo.kept"] = now.undo.kept + 1
        if not await self._store.end(lease, finished, also=also):
            raise Lost

    async def _defined(self, one: Import) -> list[str]:
        """Return the names of the attributes that the import made and that are there: others may use them by now."""
        mapping = Mapping.of_document(one.mapping or {})
        catalog = await self._catalog.fresh(one.account)
        there = ((name, catalog.attribute(mapping.target, name)) for name, _ in mapping.created())
        return [name for name, defined in there if defined is not None and defined.created_at >= one.created_at]

    async def _parts(self, one: Import) -> AsyncIterator[list[Entry]]:
        """Yield the ledger, newest first."""
        before = None
        while (kept := await self._store.ledger(one, before)) is not None:
            before = kept["_id"]
            yield [ledger.read(each) for each in reversed(kept["rows"])]

    async def _look_through(self, one: Import) -> None:
        """Find whom the import has made and touched again: they go as a whole, if nobody else touched them."""
        again = Repeats()
        async for entries in self._parts(one):
            for entry in entries:
                again.add((entry.profile,))
        again.settle()
        async for entries in self._parts(one):
            for entry in (each for each in entries if each.profile in again):
                self._last.setdefault(entry.profile, replace(entry, scalars={}, attributes={}, added={}))
                if entry.created:
                    self._made.add(entry.profile)

    async def _asks(self, one: Import, entries: Sequence[Entry], at: int | None) -> list[Ask[Any]]:
        active = await self._active(one, entries)

        def ask(entry: Entry, previous: int | None) -> Ask[Any]:
            change = Undone(
                entry,
                previous,
                self._last.get(entry.profile, entry),
                made=entry.created or entry.profile in self._made,
                active=active.get(entry.profile),
                former=ledger.given_up(entry, one.target),
            )
            return Ask(one.account, ORIGIN, change, _meant(one, entry.profile), tuple(change.former.values()))

        return [ask(*each) for each in zip(entries, (at, *(entry.line for entry in entries)), strict=False)]

    async def _active(self, one: Import, entries: Sequence[Entry]) -> dict[str, str]:
        """Return those whom the import has made, and to whom something happened that was no import: from where."""
        made = {entry.profile for entry in entries if entry.created or entry.profile in self._made}
        there = {"_id": {"$in": list(made)}, "account": one.account}
        found = await self._engine.find(self._collection, there, projection={"subjects": 1}) if made else []
        lines = {line: kept["_id"] for kept in found for line in kept["subjects"]}
        # Of what came by a deletion for the whole account, or by a company: nobody touched these.
        happened = {"subject": {"$in": list(lines)}, "source": {"$ne": ORIGIN}, "cause": None}
        events = await self._engine.find(EVENTS, happened, projection={"subject": 1, "source": 1}) if lines else []
        return {lines[kept["subject"]]: kept["source"] for kept in events}


def _meant(one: Import, profile_id: str) -> Sequence[Locator]:
    return (Locator("id", profile_id),) if one.target == PERSON else sought("id", profile_id)


class _Seal:
    """What is written with a part of an undo: what was taken back, what was kept and why, and how far it got."""

    def __init__(self, one: Import, lease: Lease) -> None:
        self._import = one
        self._lease = lease

    def __call__(self, asks: Sequence[Ask[Any]], outcomes: Sequence[Outcome[Any]]) -> list[Group]:
        """Return the writes."""
        first: Undone = asks[0].change  # type: ignore[assignment]
        last: Undone = asks[-1].change  # type: ignore[assignment]
        counts: Counter[str] = Counter()
        kept: list[Write] = []
        for ask, done in zip(asks, outcomes, strict=True):
            change: Undone = ask.change  # type: ignore[assignment]
            why = self._told(change, done, counts)
            if why is not None:
                counts["kept"] += 1
                error = RowError(f"{change.entry.line:010}", change.entry.line, None, why, {})
                kept.append(failed_row(self._import, error, kept=True))
        where = self._lease.where(undone=first.previous)
        # With a count that may be nothing, so that there is always one.
        more = {f"undo.{name}": counts[name] for name in ("deleted", "restored", "kept")}
        job = Update(where, {"$set": {"undone": last.entry.line}, "$inc": more}, must=True)
        return [(JOBS, [job]), *([(CHUNKS, kept)] if kept else [])]

    def _told(self, change: Undone, done: Outcome[Any], counts: Counter[str]) -> str | None:
        """Count what was done by an entry; returns what was kept of it, None where nothing was."""
        if not isinstance(done, Effect):
            # Also what a mistake of ours met: it stays as it is, and the others are taken back.
            return done.message if isinstance(done, ledger.Kept) else f"kept: {done}"
        if change.entry.created:
            counts["deleted"] += 1
            return None
        if change.made:
            return None
        counts["restored"] += bool(done.changed)
        said = ledger.kept(done, change.entry)
        return f"kept: {'; '.join(said)}" if said else None
