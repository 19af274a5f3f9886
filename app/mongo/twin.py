"""The in-memory twin: a real engine for one process, on mongomock. Units are serialised by a lock and rolled back."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar, Unpack, cast

import bson
from mongomock.filtering import filter_applies
from mongomock_motor import AsyncMongoMockClient
from pymongo.errors import DuplicateKeyError

from app.mongo.engine import (
    Batch,
    Change,
    Clash,
    Delete,
    Document,
    Filter,
    Group,
    HistoryLost,
    Insert,
    Reading,
    Replace,
    Sort,
    Stale,
    Update,
    Write,
    write_groups,
)
from app.mongo.patterns import within

T = TypeVar("T")

LOG_CHANGES = 100_000
AWAIT_SECONDS = 1.0


class Twin:
    """Everything in memory, gone with the process."""

    kind = "memory"

    def __init__(self) -> None:
        self._client: Any = AsyncMongoMockClient()
        self._db = self._client["twin"]
        self._collections: dict[str, Any] = {}
        self._lock = asyncio.Lock()
        self._log: deque[Change] = deque(maxlen=LOG_CHANGES)
        self._position = 0
        self._news = asyncio.Event()
        self._indexes: dict[str, list[Sort]] = {}

    def _collection(self, name: str) -> Any:
        found = self._collections.get(name)
        if found is None:
            # The synchronous one inside the asynchronous wrapper: a write never lets go of the loop half done.
            found = self._collections[name] = _by_id(self._db[name].delegate)
        return found

    async def find(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> list[Document]:
        """Return the matching documents; there are no indexes to choose from."""
        projection, sort, limit = options.get("projection"), options.get("sort"), options.get("limit", 0)
        await asyncio.sleep(0)
        cursor = self._collection(collection).find(within(dict(filter)), projection and dict(projection))
        if sort:
            cursor = cursor.sort(list(sort))
        return list(cursor.limit(limit) if limit else cursor)

    async def find_packed(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> list[Document]:
        """Return the same: they are made already."""
        return await self.find(collection, filter, **options)

    async def find_each(
        self,
        collection: str,
        filters: Sequence[Filter],
        *,
        sort: Sort,
        limit: int,
        projection: Mapping[str, int] | None = None,
    ) -> list[list[Document]]:
        """Return the first matches of each filter."""
        return [await self.find(collection, one, projection=projection, sort=sort, limit=limit) for one in filters]

    async def count(
        self,
        collection: str,
        filter: Filter,
        *,
        hint: Sort | None = None,  # noqa: ARG002 - there are no indexes to choose from
        limit: int = 0,
    ) -> int:
        """Return how many documents match, at most `limit`."""
        await asyncio.sleep(0)
        found = int(self._collection(collection).count_documents(within(dict(filter))))
        return min(found, limit) if limit else found

    async def by_day(
        self,
        collection: str,
        filter: Filter,
        field: str,
        *,
        hint: Sort,  # noqa: ARG002 - there are no indexes to choose from
    ) -> dict[str, int]:
        """Return how many documents match on each day."""
        found = await self.find(collection, filter, projection={field: 1})
        return dict(Counter(one[field].date().isoformat() for one in found))

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write in order; the first Clash or Stale stops it."""
        async with self._lock:
            unit = TwinUnit(self)
            try:
                return await unit.write(collection, writes)
            finally:
                self._publish(unit.changes)

    async def insert(self, collection: str, documents: Sequence[Document]) -> set[int]:
        """Insert what is new; return the positions of the rest."""
        async with self._lock:
            unit, old = TwinUnit(self), set()
            for index, document in enumerate(documents):
                try:
                    await unit.write(collection, [Insert(document)])
                except Clash:
                    old.add(index)
            self._publish(unit.changes)
            return old

    async def unit(self, work: "Callable[[TwinUnit], Awaitable[T]]") -> T:
        """Run `work` alone; what it wrote is taken back where it raises."""
        async with self._lock:
            unit = TwinUnit(self)
            try:
                result = await work(unit)
            except BaseException:
                unit.roll_back()
                raise
            self._publish(unit.changes)
            return result

    async def write_unit(self, groups: Sequence[Group]) -> None:
        """Write groups as one unit."""
        await self.unit(partial(write_groups, groups=groups))

    def _publish(self, changes: Sequence[tuple[str, str, Any, Document | None]]) -> None:
        for collection, kind, key, document in changes:
            self._position += 1
            self._log.append(Change(_token(self._position), collection, kind, key, document))
        self._news.set()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def watch(self, collections: Sequence[str], after: str | None) -> AsyncIterator[AsyncIterator[Batch]]:
        """Follow the log."""
        yield self._batches(frozenset(collections), after)

    async def _batches(self, collections: frozenset[str], after: str | None) -> AsyncIterator[Batch]:
        position = self._position if after is None else self._read_token(after)
        while True:
            if position < self._position - len(self._log):
                raise HistoryLost
            news = self._news
            fresh = self._position - position
            found = [] if not fresh else [one for one in list(self._log)[-fresh:] if one.collection in collections]
            position = self._position
            yield Batch(found, _token(position))
            if position == self._position:
                await _came(news)

    def _read_token(self, token: str) -> int:
        position = int(token) if token.isascii() and token.isdigit() and len(token) == len(_token(0)) else -1
        if not 0 <= position <= self._position:
            raise HistoryLost
        return position

    async def ensure(self, indexes: Mapping[str, Sequence[Sort]]) -> None:
        """Note what should be there; it makes nothing faster here."""
        for collection, wanted in indexes.items():
            self._indexes[collection] = list(wanted)

    async def indexes(self, collection: str) -> list[Sort]:
        """Return what was noted."""
        return self._indexes.get(collection, [])

    async def ping(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """There is nothing to let go of."""


def _by_id(collection: Any) -> Any:
    """Have a collection look at the documents that a filter names by id, where it would look at all there are."""
    look_through = collection._iter_documents  # noqa: SLF001 - it has no index of its own

    def documents(filter: Document) -> Iterable[Document]:
        wanted = filter.get("_id")
        ids = wanted["$in"] if isinstance(wanted, dict) and wanted.keys() == {"$in"} else [wanted]
        if not all(isinstance(one, str) for one in ids):
            return cast("Iterable[Document]", look_through(filter))
        store = collection._store  # noqa: SLF001 - as above
        there = [store[one] for one in dict.fromkeys(ids) if one in store]
        return [one for one in there if filter_applies(filter, one)]  # type: ignore[no-untyped-call]

    collection._iter_documents = documents  # noqa: SLF001 - as above
    return collection


class TwinUnit:
    """Writes under way, with what is needed to take them back."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._before: list[tuple[str, Any, Document | None]] = []
        self.changes: list[tuple[str, str, Any, Document | None]] = []

    async def find(self, collection: str, filter: Filter, **options: Any) -> list[Document]:
        """Read inside the unit."""
        return await self._twin.find(collection, filter, **options)

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write inside the unit."""
        await asyncio.sleep(0)
        return sum([self._one(collection, one) for one in writes])

    def _one(self, name: str, one: Write) -> int:
        collection = self._twin._collection(name)  # noqa: SLF001 - one thing in two classes
        match one:
            case Insert():
                return self._insert(name, one.document)
            case Replace():
                return self._replace(name, one)
            case Update():
                return self._update(name, one)
            case Delete():
                found = list(collection.find(dict(one.filter)))[: None if one.many else 1]
                if one.must and not found:
                    raise Stale
                for document in found:
                    collection.delete_one({"_id": document["_id"]})
                    self._note(name, "delete", document["_id"], document, None)
                return len(found)

    def _insert(self, name: str, document: Document) -> int:
        kept = _as_kept(document)
        try:
            self._twin._collection(name).insert_one(kept)  # noqa: SLF001
        except DuplicateKeyError as error:
            raise Clash([document["_id"]]) from error
        self._note(name, "insert", kept["_id"], None, kept)
        return 1

    def _replace(self, name: str, one: Replace) -> int:
        collection = self._twin._collection(name)  # noqa: SLF001
        old = collection.find_one(dict(one.filter))
        if old is None:
            if not one.upsert:
                raise Stale
            return self._insert(name, {**one.document, "_id": one.document.get("_id", one.filter.get("_id"))})
        kept = {**_as_kept(one.document), "_id": old["_id"]}
        if kept == old:
            return 0
        collection.replace_one({"_id": old["_id"]}, kept)
        self._note(name, "replace", old["_id"], old, kept)
        return 1

    def _update(self, name: str, one: Update) -> int:
        collection = self._twin._collection(name)  # noqa: SLF001
        found = list(collection.find(dict(one.filter)))[: None if one.many else 1]
        if not found and one.upsert:
            made = collection.update_one(dict(one.filter), one.change, upsert=True).upserted_id
            self._note(name, "insert", made, None, collection.find_one({"_id": made}))
            return 1
        if one.must and not found:
            raise Stale
        changed = 0
        for old in found:
            # With the filter: what of a list is meant by `$` is what that found.
            collection.update_one({**one.filter, "_id": old["_id"]}, one.change)
            new = collection.find_one({"_id": old["_id"]})
            if new != old:
                changed += 1
                self._note(name, "update", old["_id"], old, None)
        return changed

    def _note(self, name: str, kind: str, key: Any, before: Document | None, after: Document | None) -> None:
        self._before.append((name, key, before))
        self.changes.append((name, kind, key, after))

    def roll_back(self) -> None:
        """Put everything back as it was."""
        for name, key, before in reversed(self._before):
            collection = self._twin._collection(name)  # noqa: SLF001
            collection.delete_one({"_id": key})
            if before is not None:
                collection.insert_one(before)


def _token(position: int) -> str:
    return f"{position:016d}"


def _as_kept(document: Document) -> Document:
    """Return a copy as BSON would give it back: the same limits of numbers, times in milliseconds."""
    kept: Document = bson.decode(bson.encode(document))
    return kept


async def _came(news: asyncio.Event) -> None:
    """Wait for news, not for ever."""
    # Not wait_for, which on 3.11 may swallow a cancellation that comes together with the news.
    with suppress(TimeoutError):
        async with asyncio.timeout(AWAIT_SECONDS):
            await news.wait()
