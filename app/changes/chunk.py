"""A chunk of changes: read, planned in memory, committed as one unit.

A later change of a chunk sees what the earlier ones did; one that is refused leaves no trace.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import monotonic
from typing import Generic

from app.catalog.model import Tag
from app.catalog.record import mark_key
from app.catalog.service import CatalogService
from app.catalog.sweeps import COLLECTION as SWEEPS
from app.changes import erasure
from app.changes.desk import MERGES_MAX, Desk
from app.changes.erasure import Gone
from app.changes.farewell import Farewell, Unnoted
from app.changes.model import Ask, Effect, Guard, Kind, Outcome, P
from app.changes.plan import named_keys, planned
from app.changes.rehearsal import Memory
from app.changes.requests import COLLECTION as REQUESTS
from app.changes.unmet import Unmet
from app.changes.writing import writes_of
from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import read as read_claim
from app.core import chance, clock
from app.core.errors import Fault, Refusals, Refused, unavailable
from app.core.steps import stepwise
from app.mongo.engine import Clash, Conflict, Document, Engine, Group, Stale, Unit, write_groups

CHUNK_CHANGES = 500
COMMIT_TRIES = 12
READ_TRIES = 4
# A plan that has waited for longer is made anew: of who stays as they are nothing tells whether they still are.
PLAN_SECONDS = 2.0


# What is written with a part of the asks, by what became of each; the caller's own book of them.
Seal = Callable[[Sequence[Ask[P]], Sequence[Outcome[P]]], Sequence[Group]]
# Asks that are committed first: what was known of each of their units, once they are.
Before = asyncio.Task[list[Desk[P]]] | None


class Chunk(Generic[P]):
    """Plans and commits chunks of changes of one kind of profiles."""

    def __init__(self, engine: Engine, catalog: CatalogService, kind: Kind[P], unmet: Unmet) -> None:
        self._engine = engine
        self._catalog = catalog
        self._kind = kind
        self._farewell = Farewell(engine)
        self._unmet = unmet
        # One sealed unit at a time is written: whoever waits for a single change is served beside it.
        self._seals = asyncio.Semaphore(1)

    async def run(self, asks: Sequence[Ask[P]]) -> list[Outcome[P]]:
        """Return the outcome of each ask. Never raises for one of them: neighbours are not harmed."""
        try:
            return await self._commit(list(asks), COMMIT_TRIES)
        except Fault as fault:
            return [fault] * len(asks)

    async def whole(self, asks: Sequence[Ask[P]]) -> list[Outcome[P]]:
        """Carry out all asks as one unit, or none: where one is refused, nothing is written. Raises UNAVAILABLE."""
        for tried in range(COMMIT_TRIES):
            try:
                desk = await self._read(asks)
                outcomes = await self._planned(asks, desk)
                if not all(isinstance(one, Effect) for one in outcomes):
                    return _unmade(outcomes)
                return await self._settled(desk, outcomes)
            except Unnoted as unnoted:
                await self._farewell.note(unnoted.gone)
            except (Clash, Stale, Conflict):
                await self._renew(asks, tried)
        raise unavailable()

    async def sealed(self, asks: Sequence[Ask[P]], seal: Seal[P], before: "Before[P]" = None) -> list[Desk[P]]:
        """Carry out asks in their order, with what `seal` writes of their outcomes in the same unit.

        Where somebody else was faster they are planned again in halves, each a unit with a seal of its own, so a caller
        may be told of more than one. They are planned while those `before` them are committed, and once more where
        these changed what the plan stands on. Returns what was known of each unit behind it. Raises UNAVAILABLE: what
        was sealed by then has happened, and nothing else; and what `before` raises.
        """
        desks: list[Desk[P]] = []
        parts, tried = [list(asks)], 0
        while parts:
            part = parts.pop(0)
            try:
                desk = await self._sealed(part, seal, before)
            except (Unnoted, Clash, Stale, Conflict) as error:
                tried += 1
                if tried >= COMMIT_TRIES:
                    raise unavailable() from None
                if isinstance(error, Unnoted):
                    await self._farewell.note(error.gone)
                    parts.insert(0, part)
                    continue
                await self._renew(part, tried - 1)
                half = len(part) // 2
                parts[:0] = [part[:half], part[half:]] if half else [part]
                if before is not None and before.done() and before.exception() is None:
                    # What is read from now on has seen all of it.
                    before = None
                continue
            before, tried = None, 0
            if desk is None:
                parts.insert(0, part)
            else:
                desks.append(desk)
        return desks

    async def _sealed(self, part: Sequence[Ask[P]], seal: Seal[P], before: "Before[P]") -> Desk[P] | None:
        """Carry out one unit; returns None where those before it changed what its plan stands on, or took very long."""
        desk = await self._read(part)
        done = await self._planned(part, desk)
        if before is not None:
            planned_at = monotonic()
            if any(map(desk.overtaken, await before)) or monotonic() - planned_at > PLAN_SECONDS:
                return None
        async with self._seals:
            await self._settled(desk, done, seal(part, done))
        return desk

    async def rehearse(self, asks: Sequence[Ask[P]], memory: Memory[P]) -> list[Outcome[P]]:
        """Return what would become of asks after all that `memory` remembers; nothing is written.

        What is to be remembered of them is noted there.
        """
        for tried in range(COMMIT_TRIES):
            try:
                desk = await self._read(asks)
            except Stale:
                await self._renew(asks, tried)
                continue
            memory.lay_over(desk, asks)
            done = await stepwise(partial(planned, desk=desk), asks)
            memory.take_in(desk, asks, done)
            return done
        raise unavailable()

    async def dry(self, ask: Ask[P]) -> tuple[Outcome[P], list[Tag]]:
        """Return what would become of an ask, and the tags that it would make; nothing is written."""
        for tried in range(COMMIT_TRIES):
            try:
                desk = await self._read([ask])
                return planned(ask, desk), list(desk.tags.values())
            except Stale:
                await self._renew([ask], tried)
        raise unavailable()

    async def _commit(self, asks: list[Ask[P]], tries: int) -> list[Outcome[P]]:
        try:
            desk = await self._read(asks)
            return await self._settled(desk, await self._planned(asks, desk))
        except Unnoted as unnoted:
            if len(asks) == 1:
                return [unnoted]
            return await self._halves(asks, tries)
        except (Clash, Stale, Conflict):
            # Somebody else was faster: read again, in halves, so that one contended change doesn't hold up the rest.
            if tries <= 1:
                return [unavailable()] * len(asks)
            await self._renew(asks, COMMIT_TRIES - tries)
            if len(asks) == 1:
                return await self._commit(asks, tries - 1)
            return await self._halves(asks, tries - 1)

    async def _halves(self, asks: list[Ask[P]], tries: int) -> list[Outcome[P]]:
        half = len(asks) // 2
        return await self._half(asks[:half], tries) + await self._half(asks[half:], tries)

    async def _half(self, asks: list[Ask[P]], tries: int) -> list[Outcome[P]]:
        """Commit a half; a fault is its own, for the other half may have been written."""
        try:
            return await self._commit(asks, tries)
        except Fault as fault:
            return [fault] * len(asks)

    async def _settled(
        self, desk: Desk[P], outcomes: list[Outcome[P]], besides: Sequence[Group] = ()
    ) -> list[Outcome[P]]:
        """Write what was planned, and `besides`; raises Clash, Stale or Conflict where somebody else was faster.

        Raises Unnoted where somebody is deleted whose timeline has to be noted first.
        """
        effects = [one for one in outcomes if isinstance(one, Effect) and not one.replayed]
        gone = [
            Gone(one.account, one.id, tuple(one.subjects), tuple(desk.earliest.get(one.id, ()))) for one in desk.gone()
        ]
        long = bool(gone) and await self._farewell.long(gone)
        for one in effects if long else ():
            one.long = True
        writes = await writes_of(desk, effects, long=long)
        writes += besides
        if writes:
            await self._written(gone, writes, long=long)
            if self._kind.spread is not None and any(collection == SWEEPS for collection, _ in writes):
                self._catalog.sweeps.wake()
        for (account, _), tag in desk.tags.items():
            # Others may have read the catalog anew since: who was changed names their tags by that of the desk.
            for catalog in (desk.catalogs[account], self._catalog.known(account)):
                if catalog is not None:
                    catalog.add(tag)
        return outcomes

    async def _written(self, gone: Sequence[Gone], writes: Sequence[Group], *, long: bool) -> None:
        if not gone:
            await self._engine.write_unit(writes)
            return

        async def work(unit: Unit) -> None:
            told = await erasure.note(unit, gone, before=long) | await self._unmet.note(unit, gone)
            for account in sorted(told):
                await erasure.tell(unit, account)
            await write_groups(unit, writes)

        await self._engine.unit(work)

    async def _planned(self, asks: Sequence[Ask[P]], desk: Desk[P]) -> list[Outcome[P]]:
        """Return the outcome of each ask; raises Stale where one is refused for what is somebody else's no more."""
        outcomes = await stepwise(partial(planned, desk=desk), asks)
        # What this chunk itself has given to somebody is certain once it is committed.
        keys = {key for key in desk.taken if desk.claims.get(key) is desk.read.get(key)}
        ids = desk.wanting & desk.originals.keys()
        if keys or ids:
            claims, profiles = await asyncio.gather(self._found(CLAIMS, keys), self._found(self._kind.collection, ids))
            owners = {kept["_id"]: kept["owner"] for kept in claims}
            versions = {kept["_id"]: kept["version"] for kept in profiles}
            if any(owners.get(key) != desk.read[key].owner for key in keys):
                raise Stale
            if any(versions.get(one) != desk.originals[one] for one in ids):
                raise Stale
        return outcomes

    async def _renew(self, asks: Sequence[Ask[P]], tried: int) -> None:
        """Get ready for another try: with fresh definitions, and after a while by chance, so that all get on."""
        if tried:
            await asyncio.sleep(chance.pause(tried))
        for account in {ask.account for ask in asks}:
            await self._catalog.fresh(account)

    async def _read(self, asks: Sequence[Ask[P]], tries: int = READ_TRIES) -> Desk[P]:
        """Read all that the asks name; where identifiers moved while it was read, again, a few times: then Stale."""
        catalogs = {account: await self._catalog.of(account) for account in {ask.account for ask in asks}}
        desk: Desk[P] = Desk(self._kind, clock.now(), catalogs)
        desk.named.update(*await stepwise(named_keys, asks))
        meant = [(ask.account, one) for ask in asks for one in (*ask.sought, *ask.others)]
        ids = {one.value for _, one in meant if one.kind == "id"}
        claims, requests, there, profiles = await asyncio.gather(
            self._found(CLAIMS, desk.named),
            self._found(REQUESTS, {ask.once.id for ask in asks if ask.once}),
            self._guards([guard for ask in asks for guard in ask.guards]),
            self._found(self._kind.collection, ids),
        )
        desk.read = {kept["_id"]: read_claim(kept) for kept in claims}
        desk.claims = {**desk.read}
        desk.note_requests(requests)
        desk.there = there
        await self._update_catalogs(desk)
        await self._load(desk, profiles)
        wanted = {owner for account, one in meant if (owner := desk.owner(account, one))} - ids
        for _ in range(MERGES_MAX):
            wanted |= desk.missing() - ids
            if not wanted:
                break
            await self._load(desk, await self._found(self._kind.collection, wanted))
            # Once each: of some there is nothing to be found.
            ids |= wanted
            wanted = set()
        # Behind the claims: whoever had one of them by then is found, or was noted.
        desk.erased = await self._unmet.among(
            {one.claim(ask.account): ask.account for ask in asks for one in ask.change.wary()}
        )
        if any(ask.change.moves for ask in asks):
            await self._load_claims(desk)
            if not desk.agrees(meant):
                if tries <= 1:
                    raise Stale
                return await self._read(asks, tries - 1)
        return desk

    async def _load_claims(self, desk: Desk[P]) -> None:
        """Read all claims of the profiles that were found: where they go, their lines of activity go with them."""
        keys = {key for one in desk.profiles.values() for key in desk.claims_of(one)} - desk.claims.keys()
        desk.claims.update({kept["_id"]: read_claim(kept) for kept in await self._found(CLAIMS, keys)})

    async def _found(self, collection: str, keys: Collection[str]) -> list[Document]:
        return await self._engine.find(collection, {"_id": {"$in": list(keys)}}) if keys else []

    async def _guards(self, guards: Sequence[Guard]) -> dict[str, int]:
        found: list[Document] = []
        for collection in {one.collection for one in guards}:
            found += await self._found(collection, {one.id for one in guards if one.collection == collection})
        return {kept["_id"]: kept.get("version", 0) for kept in found}

    async def _update_catalogs(self, desk: Desk[P]) -> None:
        """Read catalogs again from which something was deleted since: the news of it may be late."""
        for account, catalog in list(desk.catalogs.items()):
            mark = desk.claims.get(mark_key(account))
            if mark is not None and mark.owner != catalog.mark:
                desk.catalogs[account] = await self._catalog.fresh(account)

    async def _load(self, desk: Desk[P], documents: Sequence[Document]) -> None:
        for account, catalog in list(desk.catalogs.items()):
            mine = [kept for kept in documents if kept["account"] == account]
            if not catalog.fits(mine):
                desk.catalogs[account] = await self._catalog.fitting(account, mine)
            await stepwise(desk.take_kept, mine)


def _unmade(outcomes: Sequence[Outcome[P]]) -> list[Outcome[P]]:
    """Return outcomes of which nothing happened: no refusal names an owner that would have been made."""
    made = {one.after.id for one in outcomes if isinstance(one, Effect) and one.before is None}

    def bare(one: Refused) -> Refused:
        return Refused(one.code, one.message, one.path) if one.owner in made else one

    def unmade(one: Outcome[P]) -> Outcome[P]:
        if isinstance(one, Refusals):
            return Refusals([bare(each) for each in one.refusals])
        return bare(one) if isinstance(one, Refused) else one

    return [unmade(one) for one in outcomes]
