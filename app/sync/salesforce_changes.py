"""One pass over what changed in an entity of a Salesforce, page by page, each with a mark from which to go on.

A transaction stamps its records before others can see them. So each pass begins some minutes before its mark, and no
page takes a record of these minutes for a mark: what is told twice does no harm, what is never told does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from app.core import clock
from app.sync import salesforce_bulk as bulk
from app.sync import salesforce_soql as soql
from app.sync.crm import Away, CrmDeleted, CrmField, CrmPage, CrmRecord, FieldGone, Mark
from app.sync.salesforce_line import DATA, Line, code, meaning, missing
from app.sync.salesforce_soql import Choice, readable
from app.sync.wire import Reply

# So late a record may appear with an older stamp.
LATE = timedelta(minutes=5)
# Deletions are told for 15 days; the last hour of these is left out, for clocks.
DELETIONS_TOLD = timedelta(days=15) - timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DELETED_AT_ONCE = 2_000
LOST_CURSORS = 5
# What can be merged, and then says into what.
MERGED = ("Lead", "Contact", "Account")
_UNTOLD = ("INVALID_REPLICATION_DATE", "EXCEEDED_ID_LIMIT")

Describe = Callable[[str], Awaitable[list[CrmField]]]
# From a time on, or behind the record of that time with this id.
Since = tuple[datetime | None, str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a pass has come: what changed until `stamp` was seen, and what was deleted until `deleted`.

    `untold`: it reads all that is there, and tells of no deletions. While it reads the results of a bulk `job`, `stamp`
    is when that began, and `locator` the part that comes next.
    """

    stamp: datetime | None = None
    deleted: datetime | None = None
    untold: bool = True
    job: str | None = None
    locator: str | None = None

    @staticmethod
    def of(mark: Mark | None) -> "Place":
        """Return the place of a mark; where it can't be read, the beginning."""
        told = mark or {}
        try:
            stamp, deleted = (soql.moment(told[name]) for name in ("stamp", "deleted"))
        except (KeyError, TypeError, ValueError):
            return Place()
        return Place(stamp, deleted, bool(told.get("untold")), told.get("job"), told.get("locator"))

    def mark(self) -> Mark:
        """Return the mark of a place."""
        told: dict[str, Any] = {
            name: clock.text(at) for name, at in (("stamp", self.stamp), ("deleted", self.deleted)) if at
        }
        more = {"untold": self.untold, "job": self.job, "locator": self.locator}
        return {**told, **{name: value for name, value in more.items() if value}}

    def seen(self, records: Sequence[CrmRecord], began: datetime) -> "Place":
        """Return the place behind a page of a pass; a record that changed while it was read says nothing of others."""
        sure = [one.stamp for one in records if one.stamp <= began - LATE]
        return replace(self, stamp=max(filter(None, (self.stamp, *sure)), default=None))


class Changes:
    """Reads what changed. What we add and may not see is `hidden`, by entity, and asked for no more."""

    def __init__(self, line: Line, describe: Describe) -> None:
        self._line = line
        self._describe = describe
        self._hidden: dict[str, frozenset[str]] = {}

    async def query(
        self, entity: str, fields: Sequence[str], where: str = "", *, since: Since | None = None
    ) -> tuple[Choice, Reply]:
        """Ask for the records that meet a condition, or for what changed in order; returns the choice and a page."""
        soql.named(entity, *fields)
        while True:
            choice = Choice(entity, tuple(fields), self._hidden.get(entity, frozenset()))
            text = choice.soql(where) if since is None else choice.soql(choice.since(*since), ordered=True)
            reply = await self._line.ask("GET", soql.path(text), entity, bear=("INVALID_FIELD",))
            if not code(reply):
                return choice, reply
            name = missing(reply)
            if name not in choice.ours:
                raise meaning(reply, entity)
            self._hidden[entity] = choice.hidden | {name}

    async def following(self, reply: Reply, entity: str) -> Reply | None:
        """Return the page behind one, None where that was the last."""
        path = _next(reply)
        return None if path is None else await self._line.ask("GET", path, entity)

    async def read(self, entity: str, fields: Sequence[str], since: Mark | None) -> AsyncIterator[CrmPage]:
        """Yield the pages of a pass."""
        soql.named(entity, *fields)
        place = Place.of(since)
        if place.job is not None:
            choice, kinds = await self._columns(entity, fields)
            try:
                async for page in self._loaded(choice, kinds, place):
                    yield page
            except bulk.Lost:
                place = Place()
            else:
                return
        if place.stamp is None and (began := await self._large(entity)) is not None:
            choice, kinds = await self._columns(entity, fields)
            self._line.spare()
            job = await bulk.start(self._line, entity, choice.soql())
            await bulk.finished(self._line, job)
            pages = self._loaded(choice, kinds, Place(began, began, untold=True, job=job))
        else:
            pages = self._listed(entity, fields, place)
        async for page in pages:
            yield page

    async def _large(self, entity: str) -> datetime | None:
        """Return the time where there is more than queries are good for."""
        reply = await self._line.ask("GET", soql.path(soql.counted(entity)), entity)
        with readable():
            return reply.date if reply.body["totalSize"] > bulk.BULK_RECORDS else None

    async def _columns(self, entity: str, fields: Sequence[str]) -> tuple[Choice, Mapping[str, str]]:
        """Return what a bulk load selects, with the kind of each field; raises FieldGone."""
        kinds = {one.name: one.kind for one in await self._describe(entity)}
        for name in fields:
            if name not in kinds:
                raise FieldGone(f"No such column '{name}' on {entity}.", entity)
        bare = Choice(entity, tuple(fields))
        return replace(bare, hidden=frozenset(one for one in bare.ours if one not in kinds)), kinds

    async def _loaded(self, choice: Choice, kinds: Mapping[str, str], place: Place) -> AsyncIterator[CrmPage]:
        """Yield the results of a bulk job that is done."""
        while True:
            found = await bulk.part(self._line, str(place.job), place.locator, choice.columns, kinds)
            with readable():
                records = [choice.record(row) for row in found.rows]
            if found.locator is None:
                done = Place(place.stamp, place.deleted, untold=False)
                yield CrmPage(records, (), done.mark(), untold=True)
                return
            place = replace(place, locator=found.locator)
            yield CrmPage(records, (), place.mark())
            self._line.spare()

    async def _listed(self, entity: str, fields: Sequence[str], place: Place) -> AsyncIterator[CrmPage]:
        """Yield what a query finds, and then what was deleted."""
        began: datetime | None = None
        async for began, records in self._pages(entity, fields, None if place.stamp is None else place.stamp - LATE):
            place = replace(place.seen(records, began), deleted=place.deleted or began)
            yield CrmPage(records, (), place.mark())
        if began is not None and place.deleted is not None:
            async for page in self._deleted(entity, place, began):
                yield page

    async def _pages(
        self, entity: str, fields: Sequence[str], start: datetime | None
    ) -> AsyncIterator[tuple[datetime, Sequence[CrmRecord]]]:
        """Yield when the first page was given, and the records of each; where Salesforce loses its place, ask anew."""
        beyond: str | None = None
        began: datetime | None = None
        for _ in range(LOST_CURSORS):
            choice, reply = await self.query(entity, fields, since=(start, beyond))
            began = began or reply.date
            while not code(reply):
                records = choice.records(reply)
                yield began, records
                sure = next((one for one in reversed(records) if one.stamp <= began - LATE), None)
                if sure is not None:
                    start, beyond = sure.stamp, sure.id
                path = _next(reply)
                if path is None:
                    return
                self._line.spare()
                reply = await self._line.ask("GET", path, entity, bear=("INVALID_QUERY_LOCATOR",))
        raise Away("The CRM loses its place in a query again and again.")

    async def _deleted(self, entity: str, place: Place, began: datetime) -> AsyncIterator[CrmPage]:
        """Yield what was deleted, as far as that is told; a minute is told when it is over."""
        done = Place(began, began, untold=False)
        deleted = place.deleted or began
        # Ahead of the present only where the clock was put back.
        if place.untold or not began - DELETIONS_TOLD <= deleted <= began:
            yield CrmPage((), (), done.mark(), untold=True)
            return
        self._line.spare()
        end = began.replace(second=0, microsecond=0)
        start = min(deleted.replace(second=0, microsecond=0), end - 2 * MINUTE)
        times = urlencode({"start": start.isoformat() + "+00:00", "end": end.isoformat() + "+00:00"})
        reply = await self._line.ask("GET", f"{DATA}/sobjects/{entity}/deleted/?{times}", entity, bear=_UNTOLD)
        if code(reply):
            yield CrmPage((), (), done.mark(), untold=True)
            return
        with readable():
            told = sorted(reply.body["deletedRecords"], key=lambda one: str(one["deletedDate"]))
            ids = list(dict.fromkeys(str(one["id"]) for one in told))
            done = replace(done, deleted=min(soql.moment(reply.body["latestDateCovered"]), began))
            untold = soql.moment(reply.body["earliestDateAvailable"]) > start
        for first in range(0, max(1, len(ids)), DELETED_AT_ONCE):
            some = ids[first : first + DELETED_AT_ONCE]
            masters = await self.masters(entity, some)
            last = first + DELETED_AT_ONCE >= len(ids)
            mark = done if last else replace(done, deleted=place.deleted)
            yield CrmPage((), [CrmDeleted(one, masters.get(one)) for one in some], mark.mark(), untold=untold and last)

    async def masters(self, entity: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return into what deleted records were merged, as far as they were."""
        masters: dict[str, str] = {}
        for some in soql.lists(ids if entity in MERGED else ()):
            self._line.spare()
            path = soql.path(soql.merged(entity, some), gone=True)
            reply = await self._line.ask("GET", path, entity, bear=("INVALID_FIELD",))
            if code(reply):
                # We may not see into what.
                break
            following: Reply | None = reply
            while following is not None:
                with readable():
                    rows = following.body["records"]
                    masters |= {row["Id"]: row["MasterRecordId"] for row in rows if row["MasterRecordId"]}
                following = await self.following(following, entity)
        return {one: _end(masters, one) for one in masters}


def _next(reply: Reply) -> str | None:
    """Return where the page behind one is."""
    with readable():
        return None if reply.body["done"] else str(reply.body["nextRecordsUrl"])


def _end(masters: Mapping[str, str], lost: str) -> str:
    """Return where a record is now: what it was merged into may have been merged itself."""
    passed = {lost}
    while (into := masters[lost]) in masters and into not in passed:
        passed.add(into)
        lost = into
    return into
