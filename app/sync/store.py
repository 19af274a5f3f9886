"""How connections, links and issues are kept: three collections, of which the first also says who works on what.

A worker holds a connection by a lease with a number of its own: every unit it writes asks for that number, so that one
that was taken for dead writes nothing any more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.claims.model import digest
from app.core import clock, ids
from app.core.pages import Page, Slice, cut
from app.mongo.bound import Bound
from app.mongo.engine import Clash, Delete, Document, Engine, Group, Insert, Replace, Sort, Stale, Update, Write
from app.sync import model
from app.sync.model import Connection, Link, SyncIssue

SYNCS, LINKS, ISSUES = "syncs", "syncLinks", "syncIssues"
LEASE_SECONDS = 30
# A connection that nobody wants any more is remembered for so long.
KEPT_DAYS = 30
SYNC_ISSUES_MAX = 10_000
CONNECTIONS_MAX = 50
NEWEST: Sort = (("connection", -1), ("at", -1), ("_id", -1))
# Begins the name, and ends the id, of an issue about what can't be written to a CRM.
OUTWARD = ">"
# Behind the name of an entity in the marks of a connection: what changed here, when links were compared last, whether
# they are to be, for deletions were not told, whether all records are being read, and by which mapping.
HERE, COMPARED, OWED, WHOLE, MAPPED = ">", "=", "!", "*", "#"
# Of the marks that say how far it got.
ENDS = ("", HERE, COMPARED, OWED, WHOLE)


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's hold on a connection."""

    connection: str
    account: str
    number: int

    def where(self, **more: Any) -> dict[str, Any]:
        """Return what finds the connection while this lease holds."""
        return {"_id": self.connection, "lease": self.number, **more}

    def holding(self, change: Document) -> Group:
        """Return the write that a unit stands on: a change of the connection, while it is held."""
        return SYNCS, [Update(self.where(), change, must=True)]


class Store:
    """Connections with all that belongs to them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ------------------------------------------------------------ connections

    async def all_of(self, account: str) -> list[Connection]:
        """Return the connections of an account, oldest first."""
        found = await Bound(self._engine, SYNCS, account).find({}, sort=(("_id", 1),), limit=CONNECTIONS_MAX)
        return [model.read(one) for one in found]

    async def get(self, account: str, connection_id: str) -> Connection | None:
        """Return a connection."""
        found = await Bound(self._engine, SYNCS, account).find({"_id": connection_id}, limit=1)
        return model.read(found[0]) if found else None

    async def create(self, kept: Document) -> None:
        """Keep a new connection."""
        await self._engine.write(SYNCS, [Insert(kept)])

    async def change(self, one: Connection, change: Document) -> bool:
        """Change a connection that is still in the state it was read in; tells whether it was."""
        where = {"_id": one.id, "account": one.account, "state": one.state}
        try:
            await self._engine.write(SYNCS, [Update(where, change, must=True)])
        except Stale:
            return False
        return True

    async def purge(self, one: Document) -> None:
        """Take away a connection that was given up long ago, with what was known of its records."""
        mine = {"connection": one["_id"], "account": one["account"]}
        await self._engine.write(LINKS, [Delete(mine, many=True)])
        await self._engine.write(ISSUES, [Delete(mine, many=True)])
        await self._engine.write(SYNCS, [Delete({"_id": one["_id"], "state": model.DISCONNECTED})])

    # ------------------------------------------------------------ leases

    async def due(self) -> list[Document]:
        """Return the connections that somebody should work on and nobody does, longest due first."""
        fields = {"_id": 1, "account": 1, "state": 1}
        return await self._engine.find(
            SYNCS, {"due": {"$lte": clock.now()}}, projection=fields, sort=(("due", 1),), limit=100
        )

    async def take(self, account: str, connection_id: str) -> tuple[Connection, Lease] | None:
        """Take a connection over, unless somebody has it; a run that broke off keeps its counts."""
        one = await self.get(account, connection_id)
        now = clock.now()
        if one is None or one.due is None or one.due > now or one.state == model.DISCONNECTED:
            return None
        fresh: Document = {} if one.state == model.RUNNING else {"counts": {}}
        until = now + timedelta(seconds=LEASE_SECONDS)
        mine = {"_id": connection_id, "account": account, "lease": one.lease, "state": one.state}
        change: Document = {
            "$set": {"state": model.RUNNING, "due": until, "lastRunAt": now, "again": False, **fresh},
            "$inc": {"lease": 1},
        }
        try:
            await self._engine.write(SYNCS, [Update(mine, change, must=True)])
        except Stale:
            return None
        taken = await self.get(account, connection_id)
        lease = Lease(connection_id, account, one.lease + 1)
        return (taken, lease) if taken is not None and taken.lease == lease.number else None

    async def renew(self, lease: Lease) -> bool:
        """Hold a connection for longer; tells whether it is still held."""
        until = clock.now() + timedelta(seconds=LEASE_SECONDS)
        return await self.mine(lease, {"$set": {"due": until}})

    async def mine(self, lease: Lease, change: Document, groups: Sequence[Group] = ()) -> bool:
        """Write in one unit with a change of the connection.

        Tells whether it was still held, and nobody whom it is about was erased meanwhile.
        """
        try:
            await self._engine.write_unit([lease.holding(change), *(one for one in groups if one[1])])
        except (Stale, Clash):
            return False
        return True

    # ------------------------------------------------------------ links

    async def links(self, account: str, link_ids: Collection[str]) -> dict[str, Link]:
        """Return links by their ids."""
        if not link_ids:
            return {}
        found = await Bound(self._engine, LINKS, account).find({"_id": {"$in": list(link_ids)}})
        return {one["_id"]: model.link_of(one) for one in found}

    async def of_profiles(self, one: Connection, entity: str, profiles: Collection[str]) -> list[Link]:
        """Return the links of some profiles; rides on the index by profile."""
        where = {"profile": {"$in": list(profiles)}, "connection": one.id, "entity": entity}
        return [model.link_of(kept) for kept in await Bound(self._engine, LINKS, one.account).find(where)]

    async def doubtful(self, one: Connection, entity: str, profiles: Collection[str]) -> set[str]:
        """Return of which of some profiles a record might be, where that can't be told; rides on the index by whose."""
        where: dict[str, Any] = {"whose": {"$in": list(profiles)}, "connection": one.id}
        # Of a lead that became a contact, that is what might be somebody else's.
        where["$or"] = [
            {"entity": entity},
            {"state": model.CONVERTED, "entity": {"$in": [each.object for each in one.maps]}},
        ]
        found = await Bound(self._engine, LINKS, one.account).find(where)
        return {each for kept in found for each in kept["whose"]}

    async def part(self, one: Connection, entity: str, after: str, limit: int) -> list[Link]:
        """Return links of an entity in the order of their ids."""
        low, high = model.link_id(one.id, entity, after), model.link_id(one.id, entity, "\uffff")
        where = {"_id": {"$gt": low, "$lt": high}}
        found = await Bound(self._engine, LINKS, one.account).find(where, sort=(("_id", 1),), limit=limit)
        return [model.link_of(kept) for kept in found]

    async def waiting(
        self, one: Connection, what: str, entity: str, limit: int, *, state: str | None = None
    ) -> list[Link]:
        """Return links whose time has come; `what` is push or again. Those of one state where it is given."""
        where = {"connection": one.id, what: {"$lte": clock.now()}, "entity": entity}
        where |= {"state": state} if state else {}
        found = await Bound(self._engine, LINKS, one.account).find(where, sort=((what, 1),), limit=limit)
        return [model.link_of(kept) for kept in found]

    async def soonest(self, one: Connection) -> datetime | None:
        """Return when the next link wants to be looked at; those of what is mapped no more wait for nobody."""
        times = []
        mapped = [each.object for each in one.maps]
        written = [each.object for each in one.maps if each.goes]
        for what, entities in (("push", written), ("again", mapped)):
            where = {"connection": one.id, what: {"$gt": clock.EPOCH}, "entity": {"$in": entities}}
            found = await Bound(self._engine, LINKS, one.account).find(where, sort=((what, 1),), limit=1)
            times += [kept[what] for kept in found]
        return min(times, default=None)

    # ------------------------------------------------------------ issues

    async def issue(self, account: str, issue_id: str) -> SyncIssue | None:
        """Return an issue."""
        found = await Bound(self._engine, ISSUES, account).find({"_id": issue_id}, limit=1)
        return model.issue_of(found[0]) if found else None

    async def issues(self, one: Connection, part: Slice) -> Page[SyncIssue]:
        """Return a part of the issues of a connection, newest first, of what is mapped."""
        where: dict[str, Any] = {"connection": one.id, "entity": {"$in": [each.object for each in one.maps]}}
        if part.position is not None:
            at, last = clock.moment(part.position[0]), part.position[1]
            less = "$gt" if part.backward else "$lt"
            where["$or"] = [{"at": {less: at}}, {"at": at, "_id": {less: last}}]
        sort = tuple((name, 1) for name, _ in NEWEST) if part.backward else NEWEST
        found = await Bound(self._engine, ISSUES, one.account).find(where, sort=sort, limit=part.limit + 1)
        page = cut(found, part)
        return Page([model.issue_of(kept) for kept in page.items], page.has_next, page.has_previous)

    async def unmap(self, one: Connection, entities: Collection[str]) -> None:
        """Forget what was changed on both sides of entities that are mapped no more: that has been settled.

        What else is listed of them is shown again where they are mapped again, as far as it is still so. Who was held
        off by a record of theirs is looked at.
        """
        gone: Document = {"connection": one.id, "account": one.account, "entity": {"$in": list(entities)}}
        await self._engine.write(ISSUES, [Delete({**gone, "slot": {"$gt": ""}}, many=True)])
        await self._engine.write(LINKS, [_free(one.id, one.account)])

    async def trim(self, one: Connection) -> None:
        """Forget all but the newest issues."""
        found = await Bound(self._engine, ISSUES, one.account).find(
            {"connection": one.id}, projection={"at": 1}, sort=NEWEST, limit=SYNC_ISSUES_MAX + 1
        )
        if len(found) > SYNC_ISSUES_MAX:
            old = {"connection": one.id, "account": one.account, "at": {"$lt": found[-1]["at"]}}
            await self._engine.write(ISSUES, [Delete(old, many=True)])


def put(link: Link, *, revived: bool = False) -> Write:
    """Return the write that keeps a link as it is now; a Clash where its profile was erased since it was read.

    `revived`: it was read as erased, and its record has a profile again.
    """
    anyhow = revived or link.state == model.ERASED
    where: Document = {"_id": link.id} if anyhow else {"_id": link.id, "state": {"$ne": model.ERASED}}
    return Replace(where, link.document(), upsert=True)


def new(link: Link) -> Write:
    """Return the write that keeps a link that was not there; a Clash where it was."""
    return Insert(link.document())


def drop(link: Link) -> Write:
    """Return the write that forgets a link."""
    return Delete({"_id": link.id})


def roused(one: Connection, entity: str, companies: Sequence[str]) -> list[Write]:
    """Return the writes by which records are read once more that belong to `companies` which have just been linked."""
    waiting = {"connection": one.id, "waits": {"$in": list(companies)}, "account": one.account, "entity": entity}
    return [Update(waiting, {"$set": {"again": clock.now()}}, many=True)] if companies else []


def woken(link: Link, profiles: Collection[str]) -> list[Write]:
    """Return the writes by which who was held off is looked at: this record is not of some `profiles` after all.

    All of them are, for these may be others by now.
    """
    return [_free(link.connection, link.account)] if profiles else []


def _free(connection: str, account: str) -> Write:
    """Return the write by which whoever is held off by a record is looked at: some still are, by another one."""
    held = {"connection": connection, "waits": model.WANTED, "account": account}
    return Update(held, {"$set": {"push": clock.now()}}, many=True)


def told(issue: SyncIssue) -> Write:
    """Return the write that keeps an issue; the same one again is told anew."""
    return Replace({"_id": issue.id}, issue.document(), upsert=True)


def settled(issue_ids: Sequence[str]) -> list[Write]:
    """Return the writes by which issues go."""
    return [Delete({"_id": one}) for one in issue_ids]


def unmapped(one: Connection, entity: str, pairs: Sequence[tuple[str, str]]) -> Write:
    """Return the write by which conflicts of an entity go, but of these `pairs` of fields: theirs, ours."""
    where: Document = {"account": one.account, "connection": one.id, "entity": entity, "slot": {"$gt": ""}}
    where["$nor"] = [{"slot": slot, "field": field} for slot, field in pairs]
    return Delete(where, many=True)


def issue_id(connection: str, entity: str, record: str, what: str) -> str:
    """Return the id of the issue of a record, once for each thing; OUTWARD begins what can't be written."""
    end = OUTWARD if what.startswith(OUTWARD) else ""
    return f"{connection}|{digest(entity, record, what)}{end}"


def issue_about(link: Link, what: str) -> str:
    """Return the id of the issue of a link's record about something."""
    return issue_id(link.connection, link.entity, link.record, what)


def forgotten(entity: str) -> Document:
    """Return what unsets the marks of an entity: it is compared from the beginning then."""
    return {f"marks.{entity}{end}": "" for end in ENDS}


def new_id() -> str:
    """Return the id of a new connection."""
    return ids.new("syn")


def counted(counts: Mapping[str, int]) -> Document:
    """Return the change that adds to what a run did."""
    added = {f"counts.{name}": number for name, number in counts.items() if number}
    return {"$inc": added} if added else {}
