"""A store whose calls are counted: for the process by collection and kind, for each operation, and in its trace."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any, TypeVar

from app.core.errors import Fault
from app.core.spread import Spread
from app.core.tally import TALLY, Trace
from app.mongo.engine import Batch, Document, Engine, Filter, Group, Sort, Unit, Write

T = TypeVar("T")

KINDS = ("find", "find_each", "count", "by_day", "write", "insert", "unit")
# A unit has no collection: what is done in it is counted as well, each by its own.
UNIT = "-"


class Calls:
    """Calls of one process to its store, as plain numbers; without pings, and without the watch, which waits."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, ...], int] = {}  # by collection and kind
        self.failed: dict[tuple[str, ...], int] = {(kind,): 0 for kind in KINDS}
        self.seconds = {kind: Spread() for kind in KINDS}

    async def counted(
        self, kind: str, collection: str, method: Callable[..., Awaitable[T]], *given: Any, **options: Any
    ) -> T:
        """Make a call: for the operation in whose context this is, if it is one's."""
        # Made here and not by who asks, for a task that is cancelled before it begins would leave it unawaited.
        call = method(*given, **options)
        tally = TALLY.get()
        if tally is not None:
            tally.calls += 1
            if tally.trace is not None:
                call = _traced(tally.trace, kind, collection, call)
        key = (collection, kind)
        self.made[key] = self.made.get(key, 0) + 1
        began = perf_counter()
        try:
            return await call
        except Fault:
            self.failed[(kind,)] += 1
            raise
        finally:
            self.seconds[kind].add(perf_counter() - began)

    def noted(self, kind: str, collections: Sequence[str]) -> None:
        """Count calls that are made with another one."""
        tally = TALLY.get()
        if tally is not None:
            tally.calls += len(collections)
        for collection in collections:
            key = (collection, kind)
            self.made[key] = self.made.get(key, 0) + 1


async def _traced(trace: Trace, kind: str, collection: str, call: Awaitable[T]) -> T:
    attributes = {"db.system.name": "mongodb", "db.operation.name": kind, "db.collection.name": collection}
    with trace.part(kind, attributes):
        return await call


class CountedUnit:
    """A unit under way; see `engine.Unit`."""

    def __init__(self, unit: Unit, calls: Calls) -> None:
        self._unit = unit
        self._calls = calls

    def find(self, collection: str, filter: Filter, **options: Any) -> Coroutine[Any, Any, list[Document]]:
        """Read inside the unit."""
        return self._calls.counted("find", collection, self._unit.find, collection, filter, **options)

    def write(self, collection: str, writes: Sequence[Write]) -> Coroutine[Any, Any, int]:
        """Write inside the unit."""
        return self._calls.counted("write", collection, self._unit.write, collection, writes)


class Counted:
    """An engine like the one below it; each method promises what `engine.Engine` says."""

    def __init__(self, engine: Engine) -> None:
        self.kind = engine.kind
        self.calls = Calls()
        self._engine = engine

    def find(self, collection: str, filter: Filter, **options: Any) -> Coroutine[Any, Any, list[Document]]:
        """Return the matching documents."""
        return self.calls.counted("find", collection, self._engine.find, collection, filter, **options)

    def find_packed(self, collection: str, filter: Filter, **options: Any) -> Coroutine[Any, Any, Sequence[Document]]:
        """Return the matching documents, packed."""
        return self.calls.counted("find", collection, self._engine.find_packed, collection, filter, **options)

    def find_each(
        self, collection: str, filters: Sequence[Filter], **options: Any
    ) -> Coroutine[Any, Any, list[list[Document]]]:
        """Return what matches each filter."""
        return self.calls.counted("find_each", collection, self._engine.find_each, collection, filters, **options)

    def count(self, collection: str, filter: Filter, **options: Any) -> Coroutine[Any, Any, int]:
        """Return how many documents match."""
        return self.calls.counted("count", collection, self._engine.count, collection, filter, **options)

    def by_day(self, collection: str, filter: Filter, field: str, *, hint: Sort) -> Coroutine[Any, Any, dict[str, int]]:
        """Return how many documents match on each day."""
        return self.calls.counted("by_day", collection, self._engine.by_day, collection, filter, field, hint=hint)

    def write(self, collection: str, writes: Sequence[Write]) -> Coroutine[Any, Any, int]:
        """Write in order."""
        return self.calls.counted("write", collection, self._engine.write, collection, writes)

    def insert(self, collection: str, documents: Sequence[Document]) -> Coroutine[Any, Any, set[int]]:
        """Insert all that are new."""
        return self.calls.counted("insert", collection, self._engine.insert, collection, documents)

    def unit(self, work: Callable[[Unit], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        """Run `work` as one unit."""
        return self.calls.counted("unit", UNIT, self._engine.unit, lambda unit: work(CountedUnit(unit, self.calls)))

    def write_unit(self, groups: Sequence[Group]) -> Coroutine[Any, Any, None]:
        """Write groups as one unit; each counts as a write."""
        self.calls.noted("write", [collection for collection, _ in groups])
        return self.calls.counted("unit", UNIT, self._engine.write_unit, groups)

    def watch(self, collections: Sequence[str], after: str | None) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Follow the committed changes."""
        return self._engine.watch(collections, after)

    async def ensure(self, indexes: Mapping[str, Sequence[Sort]]) -> None:
        """Create what is missing of the indexes."""
        await self._engine.ensure(indexes)

    async def indexes(self, collection: str) -> list[Sort]:
        """Return the keys of the indexes."""
        return await self._engine.indexes(collection)

    async def ping(self) -> None:
        """Raise UNAVAILABLE unless the store answers."""
        await self._engine.ping()

    async def close(self) -> None:
        """Let go of everything."""
        await self._engine.close()
