"""Relay's connections around pages: cursors are sealed only where they are asked for, totals counted only then."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import orjson

from app.core.pages import Page, Slice, window
from app.graph.context import Context

T = TypeVar("T")


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


class Edge(Generic[T]):
    """One item and where it stands; `role` and `primary` are those of a membership."""

    __slots__ = ("_connection", "node", "primary", "role")

    def __init__(self, connection: "Connection[T]", node: T, role: str | None, *, primary: bool) -> None:
        self._connection = connection
        self.node = node
        self.role = role
        self.primary = primary

    @property
    def cursor(self) -> str:
        """The item's position."""
        return self._connection.cursor(self.node)


class Connection(Generic[T]):
    """A page as GraphQL shows it."""

    __slots__ = ("_count", "_place", "_position", "_roles", "has_next_page", "has_previous_page", "nodes")

    def __init__(
        self,
        page: Page[T],
        place: Place,
        position: Callable[[T], Sequence[Any]],
        *,
        count: Callable[[], Awaitable[int]] | int | None = None,
        roles: Callable[[T], tuple[str | None, bool]] | None = None,
    ) -> None:
        self.nodes = page.items
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
        return [
            Edge(self, node, role, primary=flag)
            for node, (role, flag) in zip(self.nodes, map(roles, self.nodes), strict=True)
        ]

    @property
    def page_info(self) -> "Connection[T]":
        """The connection itself: it knows."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """Where the page begins."""
        return self.cursor(self.nodes[0]) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        """Where the page ends."""
        return self.cursor(self.nodes[-1]) if self.nodes else None

    def cursor(self, node: T) -> str:
        """Return the cursor of an item."""
        return self._place.seal(self._position(node))

    async def count(self) -> int:
        """Return how many there are on all pages."""
        if isinstance(self._count, int):
            return self._count
        return await self._count() if self._count else len(self.nodes)
