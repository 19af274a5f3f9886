"""How imports are kept: the job and its counters, the file in pieces, the ledger of what was done, the failed rows.

`importChunks` holds all but the job: `<upload>:<piece>` of the file, `<import>:s` the samples of its columns,
`<import>:l:<row>` a part of the ledger for each unit that was committed, `<import>:e:<row>` a row that failed,
`<import>:k:<row>` what an undo kept.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from app.core import clock, ids
from app.core.pages import Page, Slice, cut
from app.imports import model
from app.imports.model import Import, RowError
from app.mongo.bound import Bound
from app.mongo.engine import Clash, Conflict, Delete, Document, Engine, Insert, Sort, Stale, Unit, Update, Write

JOBS, CHUNKS = "imports", "importChunks"
BY_ACCOUNT: Sort = (("account", 1), ("_id", 1))
PIECE_BYTES = 1_048_576
UPLOAD_HOURS = 24
IMPORT_UNDO_DAYS = 30
LEASE_SECONDS = 30
PIECES_AT_ONCE = 4
PART_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in: `name` is a label, never a path; `size` in bytes."""

    id: str
    account: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's hold on an import; each has a number of its own, so that an old one writes nothing any more."""

    import_id: str
    account: str
    number: int

    def where(self, **more: Any) -> dict[str, Any]:
        """Return what finds the import while this lease holds."""
        return {"_id": self.import_id, "lease": self.number, **more}

    def unlocking(self) -> tuple[str, Write]:
        """Return the write by which another import of the account may begin."""
        return JOBS, Delete({"_id": f"lock|{self.account}", "import": self.import_id})


class Store:
    """Imports and their files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ------------------------------------------------------------ files

    async def keep_piece(self, account: str, upload_id: str, number: int, data: bytes) -> None:
        """Keep a piece of a file that is coming in; it goes after a day, unless an import takes it."""
        until = clock.now() + timedelta(hours=UPLOAD_HOURS)
        kept = {"_id": f"{upload_id}:{number:06}", "account": account, "upload": upload_id, "data": data}
        await self._engine.write(CHUNKS, [Insert({**kept, "until": until})])

    async def keep_upload(self, one: Upload) -> None:
        """Note a file of which all pieces are there."""
        until = clock.now() + timedelta(hours=UPLOAD_HOURS)
        kept = {"_id": one.id, "account": one.account, "upload": one.id, "file": one.name, "size": one.size}
        await self._engine.write(CHUNKS, [Insert({**kept, "until": until})])

    async def drop_upload(self, account: str, upload_id: str) -> None:
        """Take the pieces of a file off again."""
        await self._engine.write(CHUNKS, [Delete({"upload": upload_id, "account": account}, many=True)])

    async def upload(self, account: str, upload_id: str) -> Upload | None:
        """Return a file that is there as a whole."""
        found = await Bound(self._engine, CHUNKS, account).find({"_id": upload_id}, limit=1)
        if not found or "size" not in found[0]:
            return None
        return Upload(upload_id, account, found[0]["file"], found[0]["size"])

    async def download(self, account: str, upload_id: str, path: Path) -> None:
        """Write a file to a path of this machine, a few pieces at a time."""
        with path.open("wb") as out:
            async for data in self._pieces(account, upload_id):
                out.write(data)

    async def _pieces(self, account: str, upload_id: str) -> AsyncIterator[bytes]:
        chunks, last = Bound(self._engine, CHUNKS, account), f"{upload_id}:"
        while True:
            within = {"$gt": last, "$lt": f"{upload_id};"}
            found = await chunks.find({"_id": within}, sort=(("_id", 1),), limit=PIECES_AT_ONCE)
            for kept in found:
                yield bytes(kept["data"])
                last = kept["_id"]
            if len(found) < PIECES_AT_ONCE:
                return

    # ------------------------------------------------------------ jobs

    async def create(self, one: Import) -> None:
        """Keep a new import; its file, and what was seen of it, stay with it for a while."""
        seen = [(CHUNKS, [Insert(_samples(one))])] if one.columns else []
        await self._engine.write_unit([(JOBS, [Insert(model.document(one))]), *seen])
        await self.stay(one)

    async def stay(self, one: Import) -> None:
        """Have the file, its samples and the ledger of an import stay for IMPORT_UNDO_DAYS from now."""
        await self._engine.write(CHUNKS, [lapsing(one)])

    async def get(self, account: str, import_id: str) -> Import | None:
        """Return an import."""
        found = await Bound(self._engine, JOBS, account).find({"_id": import_id}, limit=1)
        return (await self._read(account, found))[0] if found else None

    async def _read(self, account: str, found: Sequence[Document]) -> list[Import]:
        """Return imports with the samples of their columns, as long as these are there."""
        wanted = {"_id": {"$in": [_place(kept["_id"]) for kept in found]}}
        seen = await Bound(self._engine, CHUNKS, account).find(wanted, limit=len(found)) if found else []
        samples = {kept["_id"]: kept["samples"] for kept in seen}
        await self._unseen(found)
        return [model.read(kept, samples.get(_place(kept["_id"]), ())) for kept in found]

    async def unsee(self) -> None:
        """Do so with all imports of all accounts, part by part (index `_id`): what nobody reads would keep them."""
        last, fields = "", {"account": 1, "columns": 1}
        # The name, the samples and the suggestion of a column: now there are two.
        while found := await self._engine.find(
            JOBS,
            {"_id": {"$gt": last}, "columns.0.2": {"$exists": True}},
            projection=fields,
            sort=(("_id", 1),),
            limit=PART_ROWS,
        ):
            await self._unseen(found)
            last = found[-1]["_id"]

    async def _unseen(self, found: Sequence[Document]) -> None:
        """Take samples off imports of a time when they stood with the names of columns, and would have stayed."""
        writes = list[Write]()
        for kept in found:
            bare = [[name, suggestion] for name, *_, suggestion in kept["columns"]]
            if bare != [list(column) for column in kept["columns"]]:
                where = {"_id": kept["_id"], "account": kept["account"], "columns": kept["columns"]}
                writes.append(Update(where, {"$set": {"columns": bare}}))
        if writes:
            await self._engine.write(JOBS, writes)

    async def page(self, account: str, part: Slice) -> Page[Import]:
        """Return a part of the imports of an account, newest first."""
        where: dict[str, Any] = {}
        if part.position is not None:
            where = {"_id": {"$gt" if part.backward else "$lt": part.position[0]}}
        direction = 1 if part.backward else -1
        sort = (("account", direction), ("_id", direction))
        found = await Bound(self._engine, JOBS, account).find(where, sort=sort, limit=part.limit + 1, hint=BY_ACCOUNT)
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    async def change(self, one: Import, change: Mapping[str, Any], *, unset: Sequence[str] = ()) -> bool:
        """Change an import that is still in the state it was read in; tells whether it was."""
        wanted: Document = {"$set": dict(change)} | ({"$unset": dict.fromkeys(unset, "")} if unset else {})
        where = {"_id": one.id, "account": one.account, "state": one.state, "mode": one.mode}
        try:
            await self._engine.write(JOBS, [Update(where, wanted, must=True)])
        except Stale:
            return False
        return True

    async def reverting(self, account: str) -> bool:
        """Tell whether an import of an account is being taken back."""
        where = {"due": {"$exists": True}, "state": model.REVERTING}
        return bool(await Bound(self._engine, JOBS, account).find(where, limit=1, hint=BY_ACCOUNT))

    # ------------------------------------------------------------ leases

    async def due(self) -> list[Document]:
        """Return id and account of the imports that somebody should work on and nobody does, oldest first."""
        where, fields = {"due": {"$lte": clock.now()}}, {"_id": 1, "account": 1}
        return await self._engine.find(JOBS, where, projection=fields, sort=(("due", 1),), limit=100)

    async def take(self, account: str, import_id: str) -> tuple[Import, Lease] | None:
        """Take an import over, unless somebody has it, or works on another one of the account."""
        now = clock.now()
        until = now + timedelta(seconds=LEASE_SECONDS)
        lock = f"lock|{account}"
        free = {"_id": lock, "$or": [{"import": import_id}, {"until": {"$lte": now}}]}

        async def work(unit: Unit) -> None:
            if not await unit.find(JOBS, {"_id": lock}):
                await unit.write(JOBS, [Insert({"_id": lock, "import": import_id, "until": until})])
            await unit.write(JOBS, [Update(free, {"$set": {"import": import_id, "until": until}}, must=True)])
            mine = {"_id": import_id, "account": account, "due": {"$lte": now}}
            await unit.write(JOBS, [Update(mine, {"$inc": {"lease": 1}, "$set": {"due": until}}, must=True)])

        try:
            await self._engine.unit(work)
        except (Clash, Stale, Conflict):
            return None
        (kept,) = await self._engine.find(JOBS, {"_id": import_id})
        return model.read(kept), Lease(import_id, account, kept["lease"])

    async def begin(self, one: Import, lease: Lease, change: Mapping[str, Any]) -> bool:
        """Begin a run: the failed rows of an earlier one go, its ledger stays; tells whether it was still held.

        There may be as many as the file has rows, so they go part by part.
        """
        chunks, held = Bound(self._engine, CHUNKS, one.account), True
        within = {"_id": {"$gt": f"{one.id}:e:", "$lt": f"{one.id}:f"}}
        while held and (part := await chunks.find(within, projection={"_id": 1}, limit=PART_ROWS)):
            gone = Delete({"_id": {"$in": [kept["_id"] for kept in part]}}, many=True)
            beat = Update(lease.where(), {"$set": {"beat": clock.now()}}, must=True)
            held = await self._mine(beat, [(CHUNKS, gone)])
        return held and await self._mine(Update(lease.where(), {"$set": dict(change)}, must=True))

    async def renew(self, lease: Lease) -> bool:
        """Hold an import for longer; tells whether it is still held."""
        until = clock.now() + timedelta(seconds=LEASE_SECONDS)
        mine = Update(lease.where(due={"$exists": True}), {"$set": {"due": until}}, must=True)
        lock = Update({"_id": f"lock|{lease.account}", "import": lease.import_id}, {"$set": {"until": until}})
        try:
            await self._engine.write(JOBS, [mine, lock])
        except Stale:
            return False
        return True

    async def end(self, lease: Lease, change: Mapping[str, Any], *, also: Sequence[tuple[str, Write]] = ()) -> bool:
        """Let an import go with a last change of it; tells whether it was still held. The lease is over then."""
        over: Document = {"$set": {**change, "cancel": False}, "$unset": {"due": ""}, "$inc": {"lease": 1}}
        return await self._mine(Update(lease.where(), over, must=True), [lease.unlocking(), *also])

    async def let_go(self, lease: Lease) -> bool:
        """Give an import back unfinished: whoever looks next goes on with it; tells whether it was still held."""
        back = Update(lease.where(due={"$exists": True}), {"$set": {"due": clock.now()}}, must=True)
        return await self._mine(back, [lease.unlocking()])

    async def _mine(self, change: Update, also: Sequence[tuple[str, Write]] = ()) -> bool:
        """Make a change of an import that stands on a lease, with others in one unit; tells whether it was held."""
        try:
            await self._engine.write_unit([(JOBS, [change]), *((name, [write]) for name, write in also)])
        except Stale:
            return False
        return True

    # ------------------------------------------------------------ ledger and failed rows

    async def ledger(self, one: Import, before: str | None) -> Document | None:
        """Return the newest part of the ledger, or the newest before another one."""
        within = {"$gt": f"{one.id}:l:", "$lt": before or f"{one.id}:m"}
        found = await Bound(self._engine, CHUNKS, one.account).find({"_id": within}, sort=(("_id", -1),), limit=1)
        return found[0] if found else None

    async def errors(self, one: Import, part: Slice) -> Page[RowError]:
        """Return a part of the rows that failed, in the order of the file, and then of what an undo kept."""
        low, high = f"{one.id}:e:", f"{one.id}:l"
        if part.position is not None:
            low, high = (low, part.position[0]) if part.backward else (part.position[0], high)
        direction = -1 if part.backward else 1
        chunks = Bound(self._engine, CHUNKS, one.account)
        within = {"_id": {"$gt": low, "$lt": high}}
        found = await chunks.find(within, sort=(("_id", direction),), limit=part.limit + 1)
        page = cut(found, part)
        return Page([_row_error(kept) for kept in page.items], page.has_next, page.has_previous)


def _place(import_id: str) -> str:
    return f"{import_id}:s"


def _samples(one: Import) -> Document:
    """Return the samples as they are kept: with the file that they are of, for they hold what stands in it."""
    samples = [list(column.samples) for column in one.columns]
    return {
        "_id": _place(one.id),
        "account": one.account,
        "upload": one.upload,
        "samples": samples,
        "until": lapse(),
    }


def failed_row(one: Import, error: RowError, *, kept: bool = False) -> Insert:
    """Return the write that keeps a failed row; values as JSON text, for a column may have any name."""
    return Insert(
        {
            "_id": f"{one.id}:{'k' if kept else 'e'}:{error.key}",
            "account": one.account,
            "row": error.row,
            "column": error.column,
            "message": error.message,
            "values": orjson.dumps(error.values, default=str).decode(),
            "until": lapse(),
        }
    )


def _row_error(kept: Document) -> RowError:
    return RowError(kept["_id"], kept["row"], kept["column"], kept["message"], orjson.loads(kept["values"]))


def lapse() -> datetime:
    """Return when what is kept now of a run goes."""
    return clock.now() + timedelta(days=IMPORT_UNDO_DAYS)


def lapsing(one: Import) -> Update:
    """Return the write by which what is of an import stays for IMPORT_UNDO_DAYS; what does so anyway is left."""
    mine = {"$or": [{"upload": one.upload}, {"_id": {"$gt": f"{one.id}:l:", "$lt": f"{one.id}:m"}}]}
    sooner = {"until": {"$not": {"$gte": lapse() - timedelta(days=1)}}}
    return Update({**mine, "account": one.account, **sooner}, {"$set": {"until": lapse()}}, many=True)


def new_id() -> str:
    """Return the id of a new import."""
    return ids.new("imp")
