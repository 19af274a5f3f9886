"""Deleting whoever has a timeline too long for one unit: its events are noted before, part by part, and cleared behind.

The unit stays what decides: marks that were noted before count once their person is gone, and what is to be cleared is
noted in it, so that any process goes on where this one dies.
"""

from collections.abc import Sequence
from datetime import timedelta

from app.catalog import sweeps
from app.changes import erasure
from app.changes.erasure import COLLECTION, Gone
from app.core import clock
from app.core.errors import Fault
from app.mongo.engine import Document, Engine, Replace
from app.timeline.record import COLLECTION as EVENTS

# What one unit takes with it in good time.
UNIT_EVENTS = 2_000
PART_EVENTS = 1_000
# For so long what was noted is gone on with; then it begins anew, for too much may have come since.
NOTED_HOURS = 1


class Unnoted(Fault):
    """These are deleted with timelines too long for their unit, and were not noted before."""

    def __init__(self, gone: Sequence[Gone]) -> None:
        super().__init__("UNAVAILABLE", "This takes longer than a moment. Try again.", status=503, retryAfter=1)
        self.gone = gone


class Farewell:
    """Long timelines of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sweeps = sweeps.Sweeps(engine)

    async def long(self, gone: Sequence[Gone]) -> bool:
        """Tell whether some have more events together than a unit takes; raises Unnoted where they are to be noted."""
        where = {"subject": {"$in": [line for one in gone for line in one.subjects]}}
        if await self._engine.count(EVENTS, where, hint=sweeps.BY_SUBJECT, limit=UNIT_EVENTS + 1) <= UNIT_EVENTS:
            return False
        left = {erasure.noted_key(one): one for one in gone}
        for kept in await self._engine.find(COLLECTION, {"_id": {"$in": list(left)}}):
            if kept["done"] and erasure.stands(kept, left[kept["_id"]]):
                del left[kept["_id"]]
        if left:
            raise Unnoted(list(left.values()))
        return True

    async def note(self, gone: Sequence[Gone]) -> None:
        """Note what was sent for some who are about to be deleted; where this broke off before, it goes on."""
        for one in gone:
            await self._note(one)

    async def _note(self, gone: Gone) -> None:
        noted, reached = await self._noted(gone), erasure.reached_by(gone)
        for line in sorted(reached):
            while not noted["done"] and (part := await self._part(gone.account, line, noted["last"])):
                marks = [one for event in part for one in erasure.marks_of(event, reached[line], person=gone.id)]
                if marks:
                    await self._engine.insert(COLLECTION, marks)
                noted["last"] = part[-1]["_id"]
                await self._keep(noted)
        noted["done"] = True
        await self._keep(noted)

    async def _noted(self, gone: Gone) -> Document:
        """Return how far it got; from the beginning where the lines or the identifiers are others by now."""
        now = clock.now()
        (kept,) = await self._engine.find(COLLECTION, {"_id": erasure.noted_key(gone)}) or (None,)
        if kept is not None and erasure.stands(kept, gone):
            return kept
        until, said = now + timedelta(hours=NOTED_HOURS), erasure.reach(erasure.reached_by(gone))
        begun = {"of": said, "began": now, "last": "", "done": False}
        return {"_id": erasure.noted_key(gone), "account": gone.account, "until": until, **begun}

    async def _keep(self, noted: Document) -> None:
        await self._engine.write(COLLECTION, [Replace({"_id": noted["_id"]}, noted, upsert=True)])

    async def _part(self, account: str, line: str, last: str) -> list[Document]:
        """Return the next events of a line in the order of their ids, which begin with it."""
        within = {"$gt": max(last, f"{line}:"), "$lt": f"{line};"}
        where = {"_id": within, "account": account}
        return await self._engine.find(
            EVENTS, where, projection=erasure.SENT, sort=(("_id", 1),), limit=PART_EVENTS, hint=(("_id", 1),)
        )

    async def clear(self, account: str, lines: Sequence[str]) -> None:
        """Clear the events of somebody who is gone; whoever sweeps does it as well."""
        await self._sweeps.clear(account, sweeps.EVENTS, lines)
