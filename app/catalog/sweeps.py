"""Sweeps: what a deletion leaves to be cleared behind it, bit by bit; noted in its own unit, so none is forgotten.

What is to be swept is invisible already. A sweep that is done twice, or by two processes at once, does no harm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from app.catalog.values import token_prefix
from app.core import clock, ids
from app.core.errors import Fault
from app.mongo.engine import Delete, Document, Engine, Insert, Update, Write

COLLECTION = "sweeps"
SWEEP_DOCUMENTS = 1000
SWEEPS_AT_ONCE = 100
LOOK_SECONDS = 30.0
# Longer than any call may take: what was under way when a person was deleted has arrived by then.
LATECOMERS_SECONDS = 60

TAG, PERSON_ATTRIBUTE, COMPANY_ATTRIBUTE, EVENTS = "tag", "personAttribute", "companyAttribute", "events"


def later(account: str, kind: str, what: Sequence[str], *, seconds: int = 0) -> Insert:
    """Return the write that notes a sweep of `what`, due in some seconds."""
    now = clock.now()
    due = now + timedelta(seconds=seconds)
    return Insert({"_id": ids.new("swp", now), "account": account, "kind": kind, "what": list(what), "due": due})


def _parts(kept: Document) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]]:
    """Return the collections of a sweep, each with what it finds and what becomes of that; None: it goes."""
    what = kept["what"]
    if kept["kind"] == EVENTS:
        return [("events", {"subject": {"$in": what}, "type": {"$nin": ["personDeleted", "companyDeleted"]}}, None)]
    if kept["kind"] == TAG:
        found = {"tags": what[0]}
        return [(one, found, {"$pull": found}) for one in ("persons", "companies")]
    definition, field = what
    collection = "persons" if kept["kind"] == PERSON_ATTRIBUTE else "companies"
    words = {"words": {"$regex": f"^{token_prefix(definition)}"}}
    return [(collection, {field: {"$exists": True}}, {"$unset": {field: ""}, "$pull": words})]


class Sweeps:
    """The sweeps of all accounts; any process may do them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something to sweep."""
        self._news.set()

    async def run(self) -> None:
        """Sweep for ever: at once where somebody says so, and else every LOOK_SECONDS."""
        while True:
            with suppress(Fault):  # the database is away: what is noted stays noted
                await self.sweep()
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()

    async def sweep(self) -> int:
        """Do all that is due, oldest first; returns how many sweeps that were. Raises UNAVAILABLE."""
        done = 0
        while True:
            due = {"due": {"$lte": clock.now()}}
            found = await self._engine.find(COLLECTION, due, sort=(("_id", 1),), limit=SWEEPS_AT_ONCE)
            for kept in found:
                for part in _parts(kept):
                    await self._clear(kept["account"], *part)
                await self._engine.write(COLLECTION, [Delete({"_id": kept["_id"]})])
            done += len(found)
            if len(found) < SWEEPS_AT_ONCE:
                return done

    async def _clear(
        self, account: str, collection: str, found: Mapping[str, Any], change: Mapping[str, Any] | None
    ) -> None:
        where = {"account": account, **found}
        while held := await self._engine.find(collection, where, projection={"_id": 1}, limit=SWEEP_DOCUMENTS):
            these = {"_id": {"$in": [one["_id"] for one in held]}}
            write: Write = Delete(these, many=True) if change is None else Update(these, dict(change), many=True)
            await self._engine.write(collection, [write])
