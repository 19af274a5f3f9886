"""Sweeps: what a deletion leaves to be cleared behind it, bit by bit; noted in its own unit, so none is forgotten.

What is to be swept is invisible already. A sweep that is done twice, or by two processes at once, does no harm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.catalog.narrow import BY_VALUE
from app.catalog.values import token_prefix
from app.core import clock, ids
from app.core.errors import Fault
from app.mongo.engine import Delete, Engine, Insert, Sort, Update, Write

COLLECTION = "sweeps"
SWEEP_DOCUMENTS = 1000
SWEEPS_AT_ONCE = 100
LOOK_SECONDS = 30.0
# Longer than any call may take: what was under way when something was deleted has arrived by then.
LATECOMERS_SECONDS = 60

# The indexes of collections that other rooms keep; see `mongo/indexes.py`.
BY_SUBJECT: Sort = (("subject", 1), ("at", 1), ("_id", 1))
PERSONS_BY_TAG: Sort = (("account", 1), ("tags", 1), ("state", 1), ("createdAt", 1), ("_id", 1))
COMPANIES_BY_TAG: Sort = (("account", 1), ("tags", 1), ("createdAt", 1), ("_id", 1))

TAG, PERSON_ATTRIBUTE, COMPANY_ATTRIBUTE, EVENTS = "tag", "personAttribute", "companyAttribute", "events"
# What happened on lines of activity before a moment: `what` is that in milliseconds, then the lines.
EVENTS_BEFORE = "eventsBefore"


def later(account: str, kind: str, what: Sequence[str], *, seconds: int = 0) -> Insert:
    """Return the write that notes a sweep of `what`, due in some seconds."""
    now = clock.now()
    due = now + timedelta(seconds=seconds)
    return Insert({"_id": ids.new("swp", now), "account": account, "kind": kind, "what": list(what), "due": due})


def twice(account: str, kind: str, what: Sequence[str]) -> list[Insert]:
    """Return the writes that note a sweep for now, and another for what was under way."""
    return [later(account, kind, what), later(account, kind, what, seconds=LATECOMERS_SECONDS)]


@dataclass(frozen=True, slots=True)
class Part:
    """A collection to sweep: what is found there, and what becomes of it; None: it goes.

    `index` leads to it; without one the whole collection is passed once, in the order of ids.
    """

    collection: str
    found: Mapping[str, Any]
    change: Mapping[str, Any] | None
    index: Sort | None = None


def _parts(kind: str, what: Sequence[str]) -> list[Part]:
    if kind == EVENTS:
        found = {"subject": {"$in": list(what)}, "type": {"$nin": ["personDeleted", "companyDeleted"]}}
        return [Part("events", found, None, BY_SUBJECT)]
    if kind == EVENTS_BEFORE:
        moment, *lines = what
        return [Part("events", {"subject": {"$in": lines}, "at": {"$lt": clock.moment(int(moment))}}, None, BY_SUBJECT)]
    if kind == TAG:
        tagged = {"tags": what[0]}
        indexes = {"persons": PERSONS_BY_TAG, "companies": COMPANIES_BY_TAG}
        return [Part(one, tagged, {"$pull": tagged}, index) for one, index in indexes.items()]
    definition, field = what
    collection = "persons" if kind == PERSON_ATTRIBUTE else "companies"
    words = {"words": {"$regex": f"^{token_prefix(definition)}"}}
    # Lists stand in no index.
    index = None if field.startswith("l.") else BY_VALUE
    return [Part(collection, {field: {"$exists": True}}, {"$unset": {field: ""}, "$pull": words}, index)]


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
            # Before the sweep: what is noted behind its back is swept in the next.
            self._news.clear()
            with suppress(Fault):  # the database is away: what is noted stays noted
                await self.sweep()
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
                await self.clear(kept["account"], kept["kind"], kept["what"])
                await self._engine.write(COLLECTION, [Delete({"_id": kept["_id"]})])
            done += len(found)
            if len(found) < SWEEPS_AT_ONCE:
                return done

    async def clear(self, account: str, kind: str, what: Sequence[str]) -> None:
        """Do one sweep."""
        for part in _parts(kind, what):
            await self._clear(account, part)

    async def _clear(self, account: str, part: Part) -> None:
        """Clear a part bit by bit: what is cleared is found no more, or, without an index, lies behind."""
        where: dict[str, Any] = {"account": account, **part.found}
        sort: Sort | None = None if part.index else (("_id", 1),)
        while held := await self._engine.find(
            part.collection,
            where,
            projection={"_id": 1},
            sort=sort,
            limit=SWEEP_DOCUMENTS,
            hint=part.index or sort,
        ):
            these = {"_id": {"$in": [one["_id"] for one in held]}}
            change = part.change
            write: Write = Delete(these, many=True) if change is None else Update(these, dict(change), many=True)
            await self._engine.write(part.collection, [write])
            if sort:
                where["_id"] = {"$gt": held[-1]["_id"]}
