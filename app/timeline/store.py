"""How events are kept: one immutable document each, in the order of their subject or of their arrival."""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from app.core import clock
from app.core.pages import Slice
from app.core.steps import stepwise
from app.mongo.bound import Bound
from app.mongo.engine import Document, Engine, Sort
from app.mongo.pages import Fields, Pages
from app.timeline.model import Event, TimelineFilter
from app.timeline.record import COLLECTION, document, read

BY_SUBJECT: Sort = (("subject", 1), ("at", 1), ("_id", 1))
BY_ARRIVAL: Sort = (("account", 1), ("received", 1), ("_id", 1))


def matching(wanted: TimelineFilter) -> dict[str, Any]:
    """Return the query of a filter, beside subject and position."""
    query: dict[str, Any] = {}
    kinds: dict[str, Any] = {}
    if wanted.types is not None:
        kinds["$in"] = list(wanted.types)
    if wanted.not_types:
        kinds["$nin"] = list(wanted.not_types)
    if kinds:
        query["type"] = kinds
    if wanted.sources is not None:
        query["source"] = {"$in": list(wanted.sources)}
    if wanted.session_id is not None:
        query["session"] = wanted.session_id
    return query


def behind(field: str, part: Slice, bounds: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the keyset condition of a newest-first list on `field`, and the direction to read in."""
    direction = 1 if part.backward else -1
    if part.position is None:
        return ({field: bounds} if bounds else {}), direction
    millis, last_id = part.position
    at = clock.moment(millis)
    strict, loose = ("$gt", "$gte") if part.backward else ("$lt", "$lte")
    either = [{field: {strict: at}}, {"_id": {strict: last_id}}]
    return {
        "$and": [{field: {loose: at}}, {field: bounds}] if bounds else [{field: {loose: at}}],
        "$or": either,
    }, direction


# So many sorted scans of an index the server merges at once.
LINES_AT_ONCE = 200


class Events:
    """The events of all accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pages = Pages(engine, COLLECTION)

    async def insert(self, events: list[Event]) -> set[int]:
        """Keep events; return the positions of those that were there already."""
        return await self._engine.insert(COLLECTION, await stepwise(document, events))

    async def get(self, account: str, ids: list[str]) -> dict[str, Event]:
        """Return events by id (index `_id`)."""
        found = await Bound(self._engine, COLLECTION, account).find({"_id": {"$in": ids}})
        return {kept["_id"]: read(kept) for kept in found}

    async def of_subjects(
        self, account: str, subjects: list[str], wanted: TimelineFilter, part: Slice, fields: Fields = None
    ) -> list[Document]:
        """Return one more than `part` asks for, in reading direction (index `subject,at,_id`)."""
        parts = [subjects[start : start + LINES_AT_ONCE] for start in range(0, len(subjects), LINES_AT_ONCE)]
        if len(parts) == 1:
            return await self._of_lines(account, subjects, wanted, part, fields)
        found = await gather(*[self._of_lines(account, one, wanted, part, fields) for one in parts])
        merged = sorted(chain(*found), key=lambda one: (one["at"], one["_id"]), reverse=not part.backward)
        return merged[: part.limit + 1]

    async def _of_lines(
        self, account: str, subjects: list[str], wanted: TimelineFilter, part: Slice, fields: Fields
    ) -> list[Document]:
        where, direction = behind("at", part, _bounds(wanted))
        query, sort = {"subject": _among(subjects), **where}, (("at", direction), ("_id", direction))
        if narrows := matching(wanted):
            # It may look at very many before it finds enough: nobody shares a call with it.
            return await self._page(account, {**query, **narrows}, sort, part, hint=BY_SUBJECT, fields=fields)
        shown = {**fields, "account": 1} if fields else None
        found = await self._pages.get(query, sort, part.limit + 1, shown)
        # Lines are one account's own; the index that finds them doesn't hold it.
        return [kept for kept in found if kept["account"] == account]

    async def by_day(
        self, subjects: Sequence[str], first: datetime, since: Mapping[str, datetime]
    ) -> Mapping[str, int]:
        """Return how many events there were on each day from the first (index `subject,at,_id`, and nothing but that).

        Subjects are unique in the database; the account is left out because the index doesn't hold it.
        """
        whole = [one for one in subjects if one not in since]
        late = [{"subject": one, "at": {"$gte": max(first, since[one])}} for one in subjects if one in since]
        wanted: list[dict[str, Any]] = [{"subject": _among(whole), "at": {"$gte": first}}] if whole else []
        wanted += [{"$or": late[start : start + LINES_AT_ONCE]} for start in range(0, len(late), LINES_AT_ONCE)]
        found = await gather(*[self._engine.by_day(COLLECTION, one, "at", hint=BY_SUBJECT) for one in wanted])
        return sum(map(Counter, found), Counter[str]())

    async def of_account(
        self, account: str, wanted: TimelineFilter, part: Slice, fields: Fields = None
    ) -> list[Document]:
        """Return one more than `part` asks for, newest arrival first (index `account,received,_id`)."""
        where, direction = behind("received", part, {})
        query = {**where, **matching(wanted)}
        if bounds := _bounds(wanted):
            query["at"] = bounds
        sort = (("received", direction), ("_id", direction))
        return await self._page(account, query, sort, part, hint=BY_ARRIVAL, fields=fields)

    async def _page(
        self, account: str, query: dict[str, Any], sort: Sort, part: Slice, *, hint: Sort, fields: Fields
    ) -> list[Document]:
        return await Bound(self._engine, COLLECTION, account).find(
            query, projection=fields, sort=sort, limit=part.limit + 1, hint=hint
        )


def _among(subjects: list[str]) -> Any:
    return subjects[0] if len(subjects) == 1 else {"$in": subjects}


def _bounds(wanted: TimelineFilter) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    if wanted.since is not None:
        bounds["$gte"] = wanted.since
    if wanted.until is not None:
        bounds["$lt"] = wanted.until
    return bounds
