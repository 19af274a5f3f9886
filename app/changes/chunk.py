"""A chunk of changes: read, planned in memory, committed as one unit.

A later change of a chunk sees what the earlier ones did; one that is refused leaves no trace.
"""

from collections.abc import Sequence
from typing import Generic

from app.catalog.service import CatalogService
from app.changes import erasure
from app.changes.desk import Desk
from app.changes.model import Ask, Effect, Kind, Outcome, P
from app.changes.plan import named_keys, planned
from app.changes.requests import COLLECTION as REQUESTS
from app.changes.writing import writes_of
from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import read as read_claim
from app.core import clock
from app.core.errors import Fault, unavailable
from app.mongo.engine import Clash, Conflict, Document, Engine, Stale, Unit

CHUNK_CHANGES = 500
COMMIT_TRIES = 12
MERGES_MAX = 50


class Chunk(Generic[P]):
    """Plans and commits chunks of changes of one kind of profiles."""

    def __init__(self, engine: Engine, catalog: CatalogService, kind: Kind[P]) -> None:
        self._engine = engine
        self._catalog = catalog
        self._kind = kind

    async def run(self, asks: Sequence[Ask[P]]) -> list[Outcome[P]]:
        """Return the outcome of each ask. Never raises for one of them: neighbours are not harmed."""
        try:
            return await self._commit(list(asks), COMMIT_TRIES)
        except Fault as fault:
            return [fault] * len(asks)

    async def whole(self, asks: Sequence[Ask[P]]) -> list[Outcome[P]]:
        """Carry out all asks as one unit, or none: where one is refused, nothing is written. Raises UNAVAILABLE."""
        for _ in range(COMMIT_TRIES):
            desk = await self._read(asks)
            outcomes = [planned(ask, desk) for ask in asks]
            if not all(isinstance(one, Effect) for one in outcomes):
                return outcomes
            try:
                return await self._settled(desk, outcomes)
            except (Clash, Stale, Conflict):
                await self._renew(desk)
        raise unavailable()

    async def _commit(self, asks: list[Ask[P]], tries: int) -> list[Outcome[P]]:
        desk = await self._read(asks)
        outcomes = [planned(ask, desk) for ask in asks]
        try:
            return await self._settled(desk, outcomes)
        except (Clash, Stale, Conflict):
            # Somebody else was faster: read again, in halves, so that one contended change doesn't hold up the rest.
            if tries <= 1:
                return [unavailable()] * len(asks)
            await self._renew(desk)
            if len(asks) == 1:
                return await self._commit(asks, tries - 1)
            half = len(asks) // 2
            return await self._half(asks[:half], tries - 1) + await self._half(asks[half:], tries - 1)

    async def _half(self, asks: list[Ask[P]], tries: int) -> list[Outcome[P]]:
        """Commit a half; a fault is its own, for the other half may have been written."""
        try:
            return await self._commit(asks, tries)
        except Fault as fault:
            return [fault] * len(asks)

    async def _settled(self, desk: Desk[P], outcomes: list[Outcome[P]]) -> list[Outcome[P]]:
        """Write what was planned; raises Clash, Stale or Conflict where somebody else was faster."""
        writes = writes_of(desk, [one for one in outcomes if isinstance(one, Effect) and not one.replayed])
        if writes:

            async def work(unit: Unit) -> None:
                for one in desk.gone():
                    await erasure.note(unit, one.account, one.subjects, desk.earliest.get(one.id, ()))
                for collection, group in writes:
                    await unit.write(collection, group)

            await self._engine.unit(work)
        for tag_key, tag in desk.tags.items():
            if held := self._catalog.known(tag_key[0]):
                held.add(tag)
        return outcomes

    async def _renew(self, desk: Desk[P]) -> None:
        for account in desk.catalogs:
            await self._catalog.fresh(account)

    async def _read(self, asks: Sequence[Ask[P]]) -> Desk[P]:
        catalogs = {account: await self._catalog.of(account) for account in {ask.account for ask in asks}}
        desk: Desk[P] = Desk(self._kind, clock.now(), catalogs)
        keys = dict.fromkeys(key for ask in asks for key in named_keys(ask))
        if keys:
            desk.claims = dict.fromkeys(keys)
            for kept in await self._engine.find(CLAIMS, {"_id": {"$in": list(keys)}}):
                desk.claims[kept["_id"]] = read_claim(kept)
        if marks := list({ask.once.id for ask in asks if ask.once}):
            desk.note_requests(await self._engine.find(REQUESTS, {"_id": {"$in": marks}}))
        wanted = {key for ask in asks for one in (*ask.sought, *ask.others) if (key := desk.owner(ask.account, one))}
        for _ in range(MERGES_MAX):
            if not wanted:
                break
            await self._load(desk, await self._engine.find(self._kind.collection, {"_id": {"$in": list(wanted)}}))
            wanted = {one.into for one in desk.profiles.values() if one.into and one.into not in desk.profiles}
        return desk

    async def _load(self, desk: Desk[P], documents: Sequence[Document]) -> None:
        for account, catalog in desk.catalogs.items():
            mine = [kept for kept in documents if kept["account"] == account]
            if not catalog.fits(mine):
                desk.catalogs[account] = await self._catalog.fitting(account, mine)
            for kept in mine:
                desk.take_kept(kept)
