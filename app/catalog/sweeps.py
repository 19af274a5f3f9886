"""Sweeps: what a deletion leaves to be cleared behind it, bit by bit; noted in its own unit, so none is forgotten.

What is to be swept is invisible already. A sweep that is done twice, or by two processes at once, does no harm. Where
those whom it clears are told of it, that comes before, by one process at a time, and no faster than followers read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.catalog.narrow import BY_ID, BY_VALUE
from app.catalog.values import token_prefix
from app.core import clock, ids
from app.core.errors import Fault
from app.mongo.engine import Delete, Document, Engine, Insert, Sort, Update, Write

COLLECTION = "sweeps"
SWEEP_DOCUMENTS = 1000
# What no index leads to is looked for among so many at a time: a read has its deadline, however few there are.
PASSED_DOCUMENTS = 10_000
SWEEPS_AT_ONCE = 100
LOOK_SECONDS = 30.0
# Longer than any call may take: what was under way when something was deleted has arrived by then.
LATECOMERS_SECONDS = 60
# A process may stand still for longer, and then write what it had begun: what came of that is looked for once more.
STRAGGLERS_SECONDS = 86_400
# Who are told are cleared so many at once, and so many in a second: whoever follows all persons keeps up with it.
TOLD_DOCUMENTS = 200
TOLD_PER_SECOND = 250
# For so long a sweep is the process's that began a bite of it; whoever finds it behind that goes on with it.
HELD_SECONDS = 30

# The indexes of collections that other rooms keep; see `mongo/indexes.py`.
BY_SUBJECT: Sort = (("subject", 1), ("at", 1), ("_id", 1))
PERSONS_BY_TAG: Sort = (("account", 1), ("tags", 1), ("state", 1), ("createdAt", 1), ("_id", 1))
PERSONS_BY_COMPANY: Sort = (("account", 1), ("companies.id", 1), ("state", 1), ("_id", 1))
COMPANIES_BY_TAG: Sort = (("account", 1), ("tags", 1), ("createdAt", 1), ("_id", 1))

TAG, PERSON_ATTRIBUTE, COMPANY_ATTRIBUTE, EVENTS = "tag", "personAttribute", "companyAttribute", "events"
# What happened on lines of activity before a moment: `what` is that in milliseconds, then the lines.
EVENTS_BEFORE = "eventsBefore"
# What happened to somebody from a moment on, and stands with another one by now: `what` is that one, then as above.
EVENTS_OF = "eventsOf"
# Companies whose members are told of something: so many in one, each of which is a scan of its own.
MEMBERS = "members"
COMPANIES_AT_ONCE = 100

# Tells what is said of a sweep to profiles of an account's collection, given with their `_id` and `subjects`; of those
# who were told already it tells nothing.
Tell = Callable[[str, str, Document, Sequence[Document]], Awaitable[None]]


async def _untold(account: str, collection: str, said: Document, held: Sequence[Document]) -> None:
    """Tell nobody."""


def sayable(what: str, changed: str, origin: str, at: datetime) -> Document:
    """Return what a sweep says: the id of what was deleted or done, a field of profiles, by whom, and when."""
    return {"id": what, "changed": changed, "by": origin, "at": at}


def later(
    account: str, kind: str, what: Sequence[str], *, seconds: int = 0, said: Mapping[str, Any] | None = None
) -> Insert:
    """Return the write that notes a sweep of `what`, due in some seconds; `said` is told to those whom it clears."""
    now = clock.now()
    due = now + timedelta(seconds=seconds)
    noted = {"_id": ids.new("swp", now), "account": account, "kind": kind, "what": list(what), "due": due}
    return Insert({**noted, "said": dict(said)} if said else noted)


def twice(account: str, kind: str, what: Sequence[str]) -> list[Insert]:
    """Return the writes that note a sweep for now, and others for what was under way."""
    return [later(account, kind, what), behind(account, kind, what)]


def behind(account: str, kind: str, what: Sequence[str]) -> Insert:
    """Return the write that notes a sweep for what was under way; it is done again for what was still longer so."""
    return Insert({**later(account, kind, what, seconds=LATECOMERS_SECONDS).document, "again": True})


@dataclass(frozen=True, slots=True)
class Part:
    """A collection to sweep: what is found there, and what becomes of it; None: it goes; nothing: it is told alone.

    `index` leads to it; by that of ids the whole collection is passed. What is `passed` is found again behind that,
    and so it is gone through in the order of ids.
    """

    collection: str
    found: Mapping[str, Any]
    change: Mapping[str, Any] | None
    index: Sort = BY_ID
    passed: bool = False


def _parts(kind: str, what: Sequence[str]) -> list[Part]:
    if kind == EVENTS:
        found = {"subject": {"$in": list(what)}, "type": {"$nin": ["personDeleted", "companyDeleted"]}}
        return [Part("events", found, None, BY_SUBJECT)]
    if kind == EVENTS_BEFORE:
        moment, *lines = what
        return [Part("events", {"subject": {"$in": lines}, "at": {"$lt": clock.moment(int(moment))}}, None, BY_SUBJECT)]
    if kind == EVENTS_OF:
        person, moment, *lines = what
        theirs = {"at": {"$gte": clock.moment(int(moment))}, "person": {"$exists": True, "$ne": person}}
        return [Part("events", {"subject": {"$in": lines}, **theirs}, {"$set": {"person": person}}, BY_SUBJECT)]
    if kind == TAG:
        tagged = {"tags": what[0]}
        indexes = {"persons": PERSONS_BY_TAG, "companies": COMPANIES_BY_TAG}
        return [Part(one, tagged, {"$pull": tagged}, index) for one, index in indexes.items()]
    if kind == MEMBERS:
        members = {"companies.id": {"$in": list(what)}, "state": "active"}
        return [Part("persons", members, {}, PERSONS_BY_COMPANY, passed=True)]
    definition, field = what
    collection = "persons" if kind == PERSON_ATTRIBUTE else "companies"
    words = {"words": {"$regex": f"^{token_prefix(definition)}"}}
    change = {"$unset": {field: ""}, "$pull": words}
    # Lists stand in no index.
    index, passed = (BY_ID, True) if field.startswith("l.") else (BY_VALUE, False)
    return [Part(collection, {field: {"$exists": True}}, change, index, passed=passed)]


class Sweeps:
    """The sweeps of all accounts; any process may do them. `tell` is whose business it is to tell of them."""

    def __init__(self, engine: Engine, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._engine = engine
        self._pause = pause
        self._news = asyncio.Event()
        # Whoever wants it swept while somebody sweeps here waits for the end of that.
        self._one = asyncio.Lock()
        self.tell: Tell = _untold

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
        """Do all that is due; returns how many sweeps that were. Raises UNAVAILABLE.

        What is told to nobody comes first. Of what is told each account gets a bite in its turn, and so does each of
        its sweeps: neither a long one nor thousands of them hold up any other.
        """
        async with self._one:
            return await self._all()

    async def _all(self) -> int:
        done = 0
        served: set[str] = set()
        # Where each account goes on.
        places: dict[str, str] = {}
        while True:
            untold, told = await self._due(sorted(served))
            for kept in untold:
                done += await self._cleared(kept)
            if told:
                account = told[0]["account"]
                served.add(account)
                over, places[account] = await self._turn(account, places.get(account, ""))
                done += over
            elif served:
                served.clear()
            elif not untold:
                return done

    async def _due(self, served: Sequence[str]) -> list[list[Document]]:
        """Return some sweeps that are told to nobody, and some of accounts that had no turn yet; the oldest first."""
        due = {"due": {"$lte": clock.now()}}
        told = {**due, "said": {"$exists": True}, "account": {"$nin": served}}
        filters = [{**due, "said": {"$exists": False}}, told]
        return await self._engine.find_each(COLLECTION, filters, sort=BY_ID, limit=SWEEPS_AT_ONCE)

    async def _turn(self, account: str, last: str) -> tuple[int, str]:
        """Tell and clear a bite of the sweeps behind `last`; returns how many are over, and where to go on."""
        due = {"due": {"$lte": clock.now()}, "said": {"$exists": True}, "account": account, "_id": {"$gt": last}}
        done = told = 0
        found = await self._engine.find(COLLECTION, due, sort=BY_ID, limit=SWEEPS_AT_ONCE)
        further = found[-1]["_id"] if len(found) == SWEEPS_AT_ONCE else ""
        for kept in found:
            if not await self._taken(kept):
                continue
            bitten = await self._bitten(kept, kept["said"])
            if bitten is None and not await self._put_off(kept, kept["said"]):
                done += await self._done(kept)
            told += bitten or 0
            if told >= TOLD_DOCUMENTS and kept is not found[-1]:
                return done, kept["_id"]
        return done, further

    async def clear(self, account: str, kind: str, what: Sequence[str]) -> None:
        """Do one sweep."""
        for part in _parts(kind, what):
            held, last = await self._found(account, part, "", SWEEP_DOCUMENTS)
            while last:
                await self._clear(part, held)
                held, last = await self._found(account, part, last, SWEEP_DOCUMENTS)

    async def _cleared(self, kept: Document) -> int:
        try:
            await self.clear(kept["account"], kept["kind"], kept["what"])
        except Fault:
            raise
        except Exception:
            # Whatever it was, as a kind of sweep that only a newer version knows: it is not to keep others waiting.
            await self._taken(kept)
            raise
        return await self._done(kept)

    async def _done(self, kept: Document) -> int:
        if "again" in kept:
            again = {"$set": {"due": clock.now() + timedelta(seconds=STRAGGLERS_SECONDS)}, "$unset": {"again": ""}}
            return await self._engine.write(COLLECTION, [Update({"_id": kept["_id"], "due": kept["due"]}, again)])
        return await self._engine.write(COLLECTION, [Delete({"_id": kept["_id"]})])

    async def _taken(self, kept: Document) -> bool:
        """Take a sweep; False where another process was faster."""
        held = {"$set": {"due": clock.now() + timedelta(seconds=HELD_SECONDS)}}
        return await self._engine.write(COLLECTION, [Update({"_id": kept["_id"], "due": kept["due"]}, held)]) == 1

    async def _bitten(self, kept: Document, said: Document) -> int | None:
        """Tell and clear some; returns how many these were, None where there is nobody left."""
        for part in _parts(kept["kind"], kept["what"]):
            held, last = await self._found(kept["account"], part, kept.get("last", ""), TOLD_DOCUMENTS)
            if held:
                await self.tell(kept["account"], part.collection, said, held)
                await self._clear(part, held)
                await self._pause(len(held) / TOLD_PER_SECOND)
            if last:
                further = {"$set": {"due": clock.now(), "last": last}}
                await self._engine.write(COLLECTION, [Update({"_id": kept["_id"]}, further)])
                return len(held)
        return None

    async def _put_off(self, kept: Document, said: Document) -> bool:
        """Have it done once more for what was under way when it was noted; False where it was, or needs it not."""
        if kept["kind"] == MEMBERS or kept.get("late"):
            return False
        late = {"due": said["at"] + timedelta(seconds=LATECOMERS_SECONDS), "late": True, "last": ""}
        await self._engine.write(COLLECTION, [Update({"_id": kept["_id"]}, {"$set": late})])
        return True

    async def _found(self, account: str, part: Part, last: str, limit: int) -> tuple[list[Document], str]:
        """Return some who are to be cleared, and the id up to which these are all; "" where there is nobody left.

        What is cleared is found no more, or lies behind `last`.
        """
        where: dict[str, Any] = {"account": account, **part.found}
        end = ""
        if part.passed:
            where["_id"] = {"$gt": last}
        if part.index == BY_ID:
            end = await self._end(part.collection, last)
            where["_id"] = {"$gt": last, "$lte": end}
        held = await self._engine.find(
            part.collection,
            where,
            projection={"_id": 1, "subjects": 1},
            sort=BY_ID if part.passed else None,
            limit=limit,
            hint=part.index,
        )
        return held, held[-1]["_id"] if held and (not end or len(held) == limit) else end

    async def _end(self, collection: str, last: str) -> str:
        """Return the id at the end of the next window of a collection, "" at its own end."""
        ahead = await self._engine.find(
            collection,
            {"_id": {"$gt": last}},
            projection={"_id": 1},
            sort=BY_ID,
            limit=PASSED_DOCUMENTS,
            hint=BY_ID,
        )
        return ahead[-1]["_id"] if ahead else ""

    async def _clear(self, part: Part, held: Sequence[Document]) -> None:
        if part.change == {} or not held:
            return
        these = {"_id": {"$in": [one["_id"] for one in held]}}
        change = part.change
        write: Write = Delete(these, many=True) if change is None else Update(these, dict(change), many=True)
        await self._engine.write(part.collection, [write])
