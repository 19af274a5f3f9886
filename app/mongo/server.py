"""A real MongoDB, a replica set or mongos, by either driver: every call has a deadline, every unit is a transaction."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from inspect import isawaitable
from typing import Any, Self, TypeVar, Unpack

from pymongo import IndexModel
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from app.core import chance
from app.core.errors import Fault, StartError, unavailable
from app.mongo import bulk
from app.mongo.drivers import Driver, open_driver
from app.mongo.engine import (
    LAPSE,
    Batch,
    Clash,
    Conflict,
    Delete,
    Document,
    Filter,
    Group,
    Reading,
    Sort,
    Stale,
    Write,
    write_groups,
)
from app.mongo.packed import Packed
from app.mongo.watch import follow

T = TypeVar("T")

DEADLINE_MILLISECONDS = 5000
WATCH_SOCKET_MILLISECONDS = 10_000
PING_SECONDS = 1.0
UNIT_TRIES = 6
COMMIT_TRIES = 3
BACKOFF_SECONDS = 0.01
OLDEST = (6, 0)
DUPLICATE = 11000
BATCH_DAYS = 10_000
BATCH_UNION = 10_000
# Of which filter a document is; no document has a field of that name.
_MARK = "__of"

ADVICE = (
    "This MongoDB is a standalone server; units and live streams need a replica set. Start it with --replSet rs0 and "
    "run rs.initiate() once: a set of one is enough."
)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WriteConcernError) as error:
        raise unavailable() from error
    except PyMongoError as error:
        if error.timeout:
            raise unavailable() from error
        raise


class Server:
    """The engine on a real MongoDB; made by `connect`."""

    def __init__(self, driver: Driver, follower: Driver, database: str, kind: str, *, deadline_seconds: float) -> None:
        self.kind = kind
        self._driver = driver
        self._follower = follower
        self._name = database
        self._db = driver.client[database]
        self._collections: dict[str, Any] = {}
        self._other: Server | None = None
        self._deadline_seconds = deadline_seconds

    @classmethod
    async def connect(
        cls, url: str, database: str, *, driver: str = "motor", deadline_milliseconds: int = DEADLINE_MILLISECONDS
    ) -> Self:
        """Return a connected engine; raises StartError where nobody answers, or a standalone or too old server does."""
        first = open_driver(driver, url, timeoutMS=deadline_milliseconds)
        # A stream waits for news longer than any call may take, so it has a client without that deadline.
        second = open_driver(driver, url, socketTimeoutMS=WATCH_SOCKET_MILLISECONDS)
        server = cls(first, second, database, driver, deadline_seconds=deadline_milliseconds / 1000)
        try:
            hello = await first.client.admin.command("hello")
            build = await first.client.admin.command("buildInfo")
        except PyMongoError as error:
            await server.close()
            raise StartError(f"MongoDB does not answer ({type(error).__name__}); see PROFILES_MONGO_URL.") from None
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            await server.close()
            raise StartError(ADVICE)
        if tuple(build["versionArray"][:2]) < OLDEST:
            await server.close()
            raise StartError(f"MongoDB {build['version']} is too old: this needs 6.0 or newer.")
        return server

    def _collection(self, name: str) -> Any:
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._db[name]
        return found

    async def find(
        self, collection: str, filter: Filter, session: Any = None, **options: Unpack[Reading]
    ) -> list[Document]:
        """Return the matching documents."""
        with _translated():
            return await self._driver.listed(self._collection(collection), "find", filter, session, **_given(options))

    async def find_packed(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> Packed:
        """Return the same, as it came."""
        with _translated():
            kept = self._collection(collection)
            return Packed.of(await self._driver.listed(kept, "find_raw_batches", filter, None, **_given(options)))

    async def find_each(
        self,
        collection: str,
        filters: Sequence[Filter],
        *,
        sort: Sort,
        limit: int,
        projection: Mapping[str, int] | None = None,
    ) -> list[list[Document]]:
        """Return the first matches of each filter: one pipeline that joins one for each."""
        parts = [
            [{"$match": one}, {"$sort": dict(sort)}, {"$limit": limit}, _marked(projection, number)]
            for number, one in enumerate(filters)
        ]
        steps = [*parts[0], *({"$unionWith": {"coll": collection, "pipeline": part}} for part in parts[1:])]
        found: list[list[Document]] = [[] for _ in filters]
        with _translated():
            # One driver gives the cursor at once, the other has to be waited for.
            cursor = self._collection(collection).aggregate(steps, batchSize=BATCH_UNION)
            for kept in await (await cursor if isawaitable(cursor) else cursor).to_list(None):
                found[kept.pop(_MARK)].append(kept)
        return found

    async def count(self, collection: str, filter: Filter, *, hint: Sort | None = None, limit: int = 0) -> int:
        """Return how many documents match, at most `limit`."""
        options: dict[str, Any] = {**({"hint": list(hint)} if hint else {}), **({"limit": limit} if limit else {})}
        with _translated():
            return int(await self._collection(collection).count_documents(filter, **options))

    async def by_day(self, collection: str, filter: Filter, field: str, *, hint: Sort) -> dict[str, int]:
        """Return how many documents match on each day."""
        day = {"$dateToString": {"date": f"${field}", "format": "%Y-%m-%d"}}
        steps = [{"$match": filter}, {"$group": {"_id": day, "n": {"$sum": 1}}}]
        with _translated():
            # As a plain command, which both drivers spell alike; the days of a year and more come in one batch.
            found = await self._db.command(
                "aggregate", collection, pipeline=steps, cursor={"batchSize": BATCH_DAYS}, hint=dict(hint)
            )
        return {one["_id"]: one["n"] for one in found["cursor"]["firstBatch"]}

    async def write(self, collection: str, writes: Sequence[Write], session: Any = None) -> int:
        """Write in order; raises Clash or Stale."""
        if bulk.inserts(writes):
            return await self._bulk(collection, writes, session)
        changed = 0
        # The server's answer counts matches together, and deletions together: told apart by asking apart.
        for _, group in itertools.groupby(writes, bulk.counted):
            changed += await self._bulk(collection, list(group), session)
        return changed

    async def _bulk(self, collection: str, writes: Sequence[Write], session: Any) -> int:
        if not writes:
            return 0
        try:
            with _translated():
                if documents := bulk.inserts(writes):
                    await self._collection(collection).insert_many(documents, session=session)
                    return len(documents)
                requests = [bulk.request(one) for one in writes]
                done = await self._collection(collection).bulk_write(requests, ordered=True, session=session)
        except BulkWriteError as error:
            failed = error.details.get("writeErrors") or [{}]
            if failed[0].get("code") == DUPLICATE:
                raise Clash([bulk.taken(failed[0])]) from error
            if error.details.get("writeConcernErrors"):
                raise unavailable() from error
            raise
        must = sum(bulk.must_match(one) for one in writes)
        gone = sum(isinstance(one, Delete) and one.must for one in writes)
        if done.matched_count < must or done.deleted_count < gone:
            raise Stale
        return int(done.inserted_count + done.modified_count + done.deleted_count + done.upserted_count)

    async def insert(self, collection: str, documents: Sequence[Document]) -> set[int]:
        """Insert what is new; return the positions of the rest."""
        try:
            with _translated():
                if len(documents) == 1:
                    await self._collection(collection).insert_one(documents[0])
                else:
                    await self._collection(collection).insert_many(documents, ordered=False)
        except DuplicateKeyError:
            return {0}
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if error.details.get("writeConcernErrors"):
                raise unavailable() from error
            if any(one["code"] != DUPLICATE for one in failed):
                raise
            return {one["index"] for one in failed}
        return set()

    async def unit(self, work: "Callable[[ServerUnit], Awaitable[T]]") -> T:
        """Run `work` as one transaction, again after passing errors: UNIT_TRIES times, and not beyond the deadline.

        Raises Conflict where others wrote the same every time, UNAVAILABLE where the store was away.
        """
        return await self._tried(partial(self._once, work))

    async def write_unit(self, groups: Sequence[Group]) -> None:
        """Write groups as one transaction, as `unit` does; with Motor they are one job of a thread, not one each."""
        work = partial(write_groups, groups=groups)

        def once(until: float) -> Awaitable[None]:
            return self._driver.carried(lambda driver: Server._once(self._through(driver), work, until))

        await self._tried(once)

    async def _tried(self, once: Callable[[float], Awaitable[T]]) -> T:
        until = time.monotonic() + self._deadline_seconds
        for attempt in range(UNIT_TRIES):
            try:
                with _translated_unit():
                    return await once(until)
            except _Passing as passing:
                end = passing.end
            if time.monotonic() >= until:
                break
            await asyncio.sleep(chance.part(BACKOFF_SECONDS * 2**attempt))
        raise end

    def _through(self, driver: Driver) -> "Server":
        """Return the same engine by another driver."""
        if driver is self._driver:
            return self
        if self._other is None:
            self._other = Server(driver, self._follower, self._name, self.kind, deadline_seconds=self._deadline_seconds)
        return self._other

    async def _once(self, work: "Callable[[ServerUnit], Awaitable[T]]", until: float) -> T:
        driver = self._driver
        session = await driver.session()
        try:
            await driver.begin(session)
            try:
                result = await work(ServerUnit(self, session))
            except BaseException:
                with contextlib.suppress(PyMongoError):  # the server ends it by itself where this can't be said
                    await driver.abort(session)
                raise
            await _commit(driver, session, until)
            return result
        finally:
            await driver.end(session)

    def watch(self, collections: Sequence[str], after: str | None) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Follow committed changes."""
        return follow(self._follower, self._name, collections, after)

    async def ensure(self, indexes: Mapping[str, Sequence[Sort]]) -> None:
        """Create what is missing, however long that takes."""
        # By the client without a deadline: a build that is given up begins anew at the next start, and never ends.
        database = self._follower.client[self._name]
        for collection, wanted in indexes.items():
            there = await self.indexes(collection)
            if lacking := [_index(keys) for keys in wanted if list(keys) not in there]:
                with _translated():
                    await database[collection].create_indexes(lacking)

    async def indexes(self, collection: str) -> list[Sort]:
        """Return the keys of what is there."""
        with _translated():
            found = await self._collection(collection).index_information()
        return [
            [(field, int(way) if isinstance(way, float) else way) for field, way in one["key"]]
            for one in found.values()
        ]

    async def ping(self) -> None:
        """Raise UNAVAILABLE unless the store answers within a second."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                with _translated():
                    await self._driver.client.admin.command("ping")
        except TimeoutError as error:
            raise unavailable() from error

    async def drop(self) -> None:
        """Remove the whole database; for tests and benchmarks."""
        await self._driver.client.drop_database(self._name)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._driver.close()
        await self._follower.close()


class ServerUnit:
    """A transaction under way."""

    def __init__(self, server: Server, session: Any) -> None:
        self._server = server
        self._session = session

    async def find(self, collection: str, filter: Filter, **options: Any) -> list[Document]:
        """Read inside the transaction."""
        return await self._server.find(collection, filter, session=self._session, **options)

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write inside the transaction."""
        return await self._server.write(collection, writes, self._session)


class _Passing(Exception):  # noqa: N818
    """The transaction failed for a reason that a repetition may not meet; `end` is what it is if every one does."""

    def __init__(self, end: Exception) -> None:
        super().__init__()
        self.end = end


@contextmanager
def _translated_unit() -> Iterator[None]:
    try:
        with _translated():
            yield
    except OperationFailure as error:
        if error.has_error_label("TransientTransactionError"):
            raise _Passing(Conflict()) from error
        raise
    except Fault as fault:
        cause = fault.__cause__
        if isinstance(cause, PyMongoError) and cause.has_error_label("TransientTransactionError"):
            raise _Passing(fault) from fault
        raise


async def _commit(driver: Driver, session: Any, until: float) -> None:
    for attempt in range(COMMIT_TRIES):
        try:
            await driver.commit(session)
        except PyMongoError as error:
            # The driver repeats a commit by itself, up to its deadline: beyond that nobody waits.
            over = attempt == COMMIT_TRIES - 1 or time.monotonic() >= until
            if over or not error.has_error_label("UnknownTransactionCommitResult"):
                raise
        else:
            return


def _given(options: Reading) -> dict[str, Any]:
    """Return the options of a read as the drivers take them; all of it comes in one batch."""
    limit, sort, hint = options.get("limit", 0), options.get("sort"), options.get("hint")
    return {
        "projection": options.get("projection"),
        "sort": list(sort) if sort else None,
        "limit": limit,
        "hint": list(hint) if hint else None,
        "batch_size": limit,
    }


def _marked(projection: Mapping[str, int] | None, number: int) -> dict[str, Any]:
    mark = {_MARK: {"$literal": number}}
    return {"$project": {**projection, **mark}} if projection else {"$set": mark}


def _index(keys: Sort) -> IndexModel:
    lapse = {"expireAfterSeconds": 0} if list(keys) == list(LAPSE) else {}
    return IndexModel(list(keys), **lapse)
