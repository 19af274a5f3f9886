"""Changes of one kind of profiles, by whoever asks: single ones share chunks, lists travel by themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from app.catalog.checks import has_unknown
from app.catalog.model import Catalog, Tag
from app.catalog.service import CatalogService
from app.changes.chunk import CHUNK_CHANGES, Chunk, Seal
from app.changes.farewell import Farewell, Unnoted
from app.changes.model import Ask, Change, Effect, Impossible, Kind, Outcome, Outdated, P, Wishes
from app.changes.parts import PART_CHANGES, Parts, named_by
from app.changes.rehearsal import Memory
from app.changes.requests import Once
from app.changes.sealing import Sealing
from app.changes.unmet import Unmet
from app.claims.model import Locator
from app.core.actor import Actor
from app.core.errors import Refusals
from app.core.steps import stepwise
from app.mongo.chunk import LIST_ITEMS, Chunks
from app.mongo.engine import Engine

CHUNKS_IN_FLIGHT = 2

T = TypeVar("T")
G = TypeVar("G")
W = TypeVar("W")
N = TypeVar("N", bound=Wishes)


class Changes(Generic[P]):
    """The one way to change profiles of a kind."""

    def __init__(
        self, engine: Engine, catalog: CatalogService, kind: Kind[P], secret: Callable[[], bytes] = bytes
    ) -> None:
        self.collection = kind.collection
        self._catalog = catalog
        self._farewell = Farewell(engine)
        # Whom records of CRMs name that were erased since.
        self.unmet = Unmet(engine, secret)
        self._chunk = Chunk(engine, catalog, kind, self.unmet)
        self._chunks: Chunks[Ask[P], Outcome[P]] = Chunks(
            self._chunk.run, name=kind.collection, limit=CHUNK_CHANGES, flights=CHUNKS_IN_FLIGHT
        )
        self._wholes = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

    async def one(self, ask: Ask[P]) -> Effect[P]:
        """Carry out one change; raises what it was refused with."""
        return settled(await self._chunks.put(ask))

    async def removed(self, ask: Ask[P]) -> Effect[P]:
        """Carry out a change that deletes a profile, however long its timeline is: nothing of it is left behind."""
        try:
            effect = await self.one(ask)
        except Unnoted as unnoted:
            await self._farewell.note(unnoted.gone)
            effect = await self.one(ask)
        if effect.long:
            await self._farewell.clear(effect.after.account, effect.after.subjects)
        return effect

    async def dry(self, ask: Ask[P]) -> tuple[Effect[P], list[Tag]]:
        """Return what a change would do, and the tags that it would make; raises what it would be refused with."""
        outcome, tags = await self._chunk.dry(ask)
        return settled(outcome), tags

    async def all(self, asks: Sequence[Ask[P]], *, whole: bool = False) -> Sequence[Outcome[P] | Exception]:
        """Carry out any number of changes; each has its own outcome, aligned.

        With `whole` they are one unit: where one is refused, nothing is written, whatever the other outcomes say. Of
        changes that name the same identifier a later one sees what the earlier ones did.
        """
        if whole:
            async with self._wholes:
                return await self._chunk.whole(asks)
        if len(asks) < LIST_ITEMS and _apart(asks):
            return await self._chunks.put_all(list(asks))
        return await self._in_parts(asks, _as_they_are)

    def sealing(self) -> Sealing[P]:
        """Return a way for parts of one list that are sealed, each in a unit of its own, one behind the other."""
        return Sealing(self._chunk.sealed)

    async def sealed(self, asks: Sequence[Ask[P]], seal: Seal[P]) -> None:
        """Carry out asks in their order, with what `seal` writes of them in the same units; see `Chunk.sealed`."""
        await self._chunk.sealed(asks, seal)

    async def rehearse(self, asks: Sequence[Ask[P]], memory: Memory[P]) -> Sequence[Outcome[P]]:
        """Return what would become of asks after all that `memory` remembers; nothing is written."""
        return await self._chunk.rehearse(asks, memory)

    async def _in_parts(
        self, rows: Sequence[T], made: Callable[[Sequence[T]], Awaitable[list[Ask[P]]]]
    ) -> Sequence[Outcome[P] | Exception]:
        """Carry out the asks that are `made` of rows, a part of them after the other."""
        parts: Parts[P] = Parts(self._chunks.alone)
        try:
            for start in range(0, len(rows), PART_CHANGES):
                await parts.send(await made(rows[start : start + PART_CHANGES]))
            return await parts.outcomes()
        finally:
            parts.give_up()

    async def wish(
        self,
        actor: Actor,
        given: G,
        check: Callable[[G, Catalog], W],
        make: Callable[[W], Change[P]],
        sought: Sequence[Locator] = (),
        *,
        once: Once | None = None,
    ) -> Effect[P]:
        """Check what was given, and carry out the change that is made of it; raises what it was refused with."""

        def ask(_: int, wish: W | Refusals) -> Ask[P]:
            return Ask(actor.account, actor.origin, change_of(wish, make), sought, once=once)

        (outcome,) = await self.asked(actor.account, (given,), check, ask)
        return settled(outcome)

    async def rows(
        self,
        actor: Actor,
        given: Sequence[G],
        check: Callable[[G, Catalog], N],
        make: Callable[[N], Change[P]],
        *,
        whole: bool = False,
        once: Once | None = None,
    ) -> Sequence[Outcome[P] | Exception]:
        """Check rows, and carry out the change of each on whoever has what it names; outcomes as those of `all`."""

        def ask(index: int, wish: N | Refusals) -> Ask[P]:
            sought = () if isinstance(wish, Refusals) else wish.named()
            return Ask(actor.account, actor.origin, change_of(wish, make), sought, once=once and once.row(index))

        return await self.asked(actor.account, given, check, ask, whole=whole)

    async def asked(
        self,
        account: str,
        given: Sequence[G],
        check: Callable[[G, Catalog], W],
        ask: Callable[[int, W | Refusals], Ask[P]],
        *,
        whole: bool = False,
    ) -> Sequence[Outcome[P] | Exception]:
        """Check what was given, and carry out what is asked by it; `ask` gets the place and the wish of each.

        What turns out to be checked by definitions that were deleted meanwhile is checked and carried out again.
        """
        done = [*await self._carried(account, list(enumerate(given)), check, ask, whole=whole)]
        late = [index for index, one in enumerate(done) if isinstance(one, Outdated)]
        if late and whole:
            return await self._carried(account, list(enumerate(given)), check, ask, whole=True)
        if late:
            again = await self._carried(account, [(index, given[index]) for index in late], check, ask)
            for index, outcome in zip(late, again, strict=True):
                done[index] = outcome
        return done

    async def _carried(
        self,
        account: str,
        given: Sequence[tuple[int, G]],
        check: Callable[[G, Catalog], W],
        ask: Callable[[int, W | Refusals], Ask[P]],
        *,
        whole: bool = False,
    ) -> Sequence[Outcome[P] | Exception]:
        async def made(part: Sequence[tuple[int, G]]) -> list[Ask[P]]:
            catalog = await self._catalog.of(account)
            wishes = await stepwise(partial(_checked, catalog, check), part)
            if any(isinstance(one, Refusals) and has_unknown(one) for one in wishes):
                # An attribute may have been defined by another process a moment ago.
                catalog = await self._catalog.fresh(account)
                wishes = await stepwise(partial(_checked, catalog, check), part)
            return [ask(index, wish) for (index, _), wish in zip(part, wishes, strict=True)]

        if whole or len(given) < LIST_ITEMS:
            return await self.all(await made(given), whole=whole)
        return await self._in_parts(given, made)


def settled(outcome: Outcome[P] | Exception) -> Effect[P]:
    """Return the effect of an outcome, or raise what it was refused with."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def change_of(wish: W | Refusals, make: Callable[[W], Change[P]]) -> Change[P]:
    """Return the change of a wish; one that can't be is answered only where it happened before."""
    return Impossible(wish) if isinstance(wish, Refusals) else make(wish)


def _apart(asks: Sequence[Ask[P]]) -> bool:
    """Tell whether no two of the asks name the same identifier."""
    seen = [one for ask in asks for one in named_by(ask)]
    return len(set(seen)) == len(seen)


async def _as_they_are(asks: Sequence[Ask[P]]) -> list[Ask[P]]:
    return list(asks)


def _checked(catalog: Catalog, check: Callable[[G, Catalog], W], row: tuple[int, G]) -> W | Refusals:
    try:
        return check(row[1], catalog)
    except Refusals as refusals:
        return refusals
