"""Relay's connections around pages: cursors are sealed only where they are asked for, totals counted only then."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import orjson

from app.core.pages import Page, Slice, window
from app.core.sources import Sources
from app.graph.compiled import Rows
from app.graph.context import Context

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Position = Callable[[Any], Sequence[Any]]
# An object as the answer shows it already.
Shown = dict[str, Any]
# A page of them, or the JSON of it.
Shows = Sequence[Shown] | orjson.Fragment


class Place:
    """One list of one account: opens and seals its cursors. `query` is everything that decides what is in it."""

    __slots__ = ("_account", "_query", "_signer")

    def __init__(self, context: Context, name: str, *query: Any) -> None:
        self._signer = context.services.signer
        self._account = context.account
        self._query = name + (orjson.dumps(query, option=orjson.OPT_SORT_KEYS).decode() if query else "")

    def part(
        self, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
    ) -> Slice:
        """Read Relay's arguments; raises BAD_VARIABLES and BAD_CURSOR."""
        return window(self._open, first=first, after=after, last=last, before=before)

    def seal(self, position: Sequence[Any]) -> str:
        """Return the cursor of a position."""
        return self._signer.seal(self._account, self._query, position)

    def _open(self, cursor: str) -> tuple[Any, ...]:
        return self._signer.open(self._account, self._query, cursor)


def listed(sources: Sources) -> Callable[[F], F]:
    """Mark the resolver of a page whose items can be shown from documents: `sources` say from where in them."""

    def mark(resolver: F) -> F:
        resolver.sources = sources  # type: ignore[attr-defined]
        return resolver

    return mark


class Edge(Generic[T]):
    """One item and where it stands; `role` and `primary` are those of a membership."""

    __slots__ = ("_connection", "_item", "node", "primary", "role")

    def __init__(
        self, connection: "Connection[T]", item: T, node: T | Shown, role: str | None, *, primary: bool
    ) -> None:
        self._connection = connection
        self._item = item
        self.node = node
        self.role = role
        self.primary = primary

    @property
    def cursor(self) -> str:
        """The item's position."""
        return self._connection.cursor(self._item)


class Connection(Generic[T]):
    """A page as GraphQL shows it; with `shown` its items are documents, each shown already."""

    __slots__ = ("_count", "_items", "_place", "_position", "_roles", "has_next_page", "has_previous_page", "nodes")

    def __init__(
        self,
        page: Page[T],
        place: Place,
        position: Callable[[T], Sequence[Any]],
        *,
        count: Callable[[], Awaitable[int]] | int | None = None,
        roles: Callable[[T], tuple[str | None, bool]] | None = None,
        shown: Shows | None = None,
    ) -> None:
        self._items = page.items
        self.nodes: Sequence[T | Shown] | orjson.Fragment = page.items if shown is None else shown
        self.has_next_page = page.has_next
        self.has_previous_page = page.has_previous
        self._place = place
        self._position = position
        self._count = count
        self._roles = roles

    @property
    def edges(self) -> list[Edge[T]]:
        """The items with their cursors."""
        roles = self._roles or (lambda _: (None, False))
        assert not isinstance(self.nodes, orjson.Fragment)  # noqa: S101 - written only where no edge is asked for
        return [
            Edge(self, item, node, role, primary=flag)
            for item, node, (role, flag) in zip(self._items, self.nodes, map(roles, self._items), strict=True)
        ]

    @property
    def page_info(self) -> "Connection[T]":
        """The connection itself: it knows."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """Where the page begins."""
        return self.cursor(self._items[0]) if self._items else None

    @property
    def end_cursor(self) -> str | None:
        """Where the page ends."""
        return self.cursor(self._items[-1]) if self._items else None

    def cursor(self, item: T) -> str:
        """Return the cursor of an item."""
        return self._place.seal(self._position(item))

    async def count(self) -> int:
        """Return how many there are on all pages."""
        if isinstance(self._count, int):
            return self._count
        return await self._count() if self._count else len(self._items)


async def paged(
    info: Any,
    place: Place,
    kept: tuple[Callable[[frozenset[str]], Awaitable[tuple[Page[Any], Any]]], Position],
    models: tuple[Callable[[], Awaitable[Page[Any]]], Position],
    **more: Any,
) -> Connection[Any]:
    """Return a page: shown from documents where the selection allows it, from models otherwise.

    Of both there is what reads them, documents with a catalog, and where an item stands; `more` goes to the connection.
    """
    rows: Rows | None = getattr(info, "rows", None)
    if rows is not None:
        read, position = kept
        page, catalog = await read(rows.fields)
        shown = await rows.of(page.items, catalog)
        if shown is not None:
            return Connection(page, place, position, shown=shown, **more)
    return Connection(await models[0](), place, models[1], **more)
