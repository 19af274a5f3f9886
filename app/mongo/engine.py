"""What every store can do, said once: reads, writes, units and a watch. `server` and `twin` keep this promise."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypedDict, TypeVar, Unpack

T = TypeVar("T")

Document = dict[str, Any]
Filter = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

# An index on this field alone takes documents away when the moment that stands there is over.
LAPSE: Sort = (("until", 1),)


class Reading(TypedDict, total=False):
    """The options of a read: the fields to give, the order, at most how many (0: all), the index to read from."""

    projection: Mapping[str, int] | None
    sort: Sort | None
    limit: int
    hint: Sort | None


class Insert(NamedTuple):
    """Put a new document; an `_id` that exists already is a `Clash`."""

    document: Document


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `document` in place of the one that `filter` finds; finding none is a `Stale`, unless `upsert`."""

    filter: Filter
    document: Document
    upsert: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Apply an update document to the first match, or to all with `many`.

    Finding none is no error, but a `Stale` where one `must` be there.
    """

    filter: Filter
    change: Document
    many: bool = False
    upsert: bool = False
    must: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the first match, or all with `many`; finding none is no error, but a `Stale` where one `must` be there."""

    filter: Filter
    many: bool = False
    must: bool = False


Write = Insert | Replace | Update | Delete
# Writes to one collection, in order.
Group = tuple[str, Sequence[Write]]


class Clash(Exception):  # noqa: N818
    """An `_id` was taken by somebody else in the meantime; `ids` are those that were."""

    def __init__(self, ids: Sequence[Any]) -> None:
        super().__init__(f"taken: {list(ids)}")
        self.ids = tuple(ids)


class Stale(Exception):  # noqa: N818
    """A document was no longer what its writer had read."""


class Conflict(Exception):  # noqa: N818
    """Another unit wrote the same documents at the same time: nothing of this one happened."""


class Change(NamedTuple):
    """One committed write of a watched collection. `document` is whole for inserts, None for deletes.

    `token` orders all changes of the database as plain strings do, on every process alike.
    """

    token: str
    collection: str
    kind: str  # insert, update, replace, delete
    id: Any
    document: Document | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some changes, maybe none, and the position behind them, from where a watch can go on."""

    changes: Sequence[Change]
    token: str


class HistoryLost(Exception):  # noqa: N818
    """The position is older than what the store still knows, or was never one of its own."""


class Unit(Protocol):
    """One all-or-nothing piece of work; see `Engine.unit`."""

    async def find(self, collection: str, filter: Filter, **options: Any) -> list[Document]:
        """Read inside the unit; options as `Engine.find`."""
        ...

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write inside the unit, return documents changed; after a Clash or Stale nothing of the unit remains."""
        ...


async def write_groups(unit: Unit, groups: Sequence[Group]) -> None:
    """Write groups inside a unit, one after the other."""
    for collection, writes in groups:
        await unit.write(collection, writes)


class Engine(Protocol):
    """A store. Every call has a deadline and raises `core.errors.Fault` UNAVAILABLE rather than hang."""

    kind: str  # motor, pymongo, memory

    async def find(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> list[Document]:
        """Return the matching documents."""
        ...

    async def find_packed(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> Sequence[Document]:
        """Return the same as `find`, each document made when it is looked at; a slice makes none."""
        ...

    async def find_each(
        self,
        collection: str,
        filters: Sequence[Filter],
        *,
        sort: Sort,
        limit: int,
        projection: Mapping[str, int] | None = None,
    ) -> list[list[Document]]:
        """Return for each filter the first `limit` documents that it matches, in one call.

        No index is named: each filter has to leave the choice of but one.
        """
        ...

    async def count(self, collection: str, filter: Filter, *, hint: Sort | None = None, limit: int = 0) -> int:
        """Return how many documents match; with a `limit` no more than that are looked for."""
        ...

    async def by_day(self, collection: str, filter: Filter, field: str, *, hint: Sort) -> dict[str, int]:
        """Return how many documents match on each day (YYYY-MM-DD, UTC) of `field`; from the index alone if it can."""
        ...

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write in order, return how many documents were changed; the first Clash or Stale stops it."""
        ...

    async def insert(self, collection: str, documents: Sequence[Document]) -> set[int]:
        """Insert all that are new, in one call; return the positions of those whose `_id` was there already."""
        ...

    async def unit(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """Run `work` as one unit, again after a passing error. Raises what `work` raises, or Conflict."""
        ...

    async def write_unit(self, groups: Sequence[Group]) -> None:
        """Write groups as one unit, each in order: what `unit` does, in one go where a driver has to be waited for."""
        ...

    def watch(self, collections: Sequence[str], after: str | None) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Follow the committed changes of `collections` behind `after` (None: from now on).

        The first batch comes at once and tells the position; batches without changes come at least every second.
        Raises HistoryLost on iteration where `after` is too old.
        """
        ...

    async def ensure(self, indexes: Mapping[str, Sequence[Sort]]) -> None:
        """Create what is missing of `indexes` (collection → keys); see LAPSE."""
        ...

    async def indexes(self, collection: str) -> list[Sort]:
        """Return the keys of the indexes that are there."""
        ...

    async def ping(self) -> None:
        """Raise UNAVAILABLE unless the store answers within a second."""
        ...

    async def close(self) -> None:
        """Let go of everything; idempotent."""
        ...
