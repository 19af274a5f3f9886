"""Lists of profiles in any order: pages both ways by keyset, each from the index that has least to read."""

from asyncio import gather
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.catalog.filters import Query, bad
from app.catalog.model import AttributeDefinition, Catalog
from app.catalog.narrow import Indexes, Part, Way, in_order, ways
from app.catalog.service import CatalogService
from app.core import clock
from app.core.pages import Page, Slice, cut
from app.mongo.bound import Bound
from app.mongo.engine import Document, Engine, Sort

# Up to so many matches are read from the index of a filter and sorted; more, and the index of the order is walked.
NARROW_MATCHES = 2000
PROBES_MAX = 4
CUSTOM_ATTRIBUTE = "CUSTOM_ATTRIBUTE"
_MOMENTS = ("DATE", "DATE_TIME")


def same(value: Any) -> Any:
    """Return what JSON can hold as it is."""
    return value


@dataclass(frozen=True, slots=True)
class By:
    """An order as a client asks for it."""

    by: str = "CREATED_AT"
    descending: bool = True
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order of documents by `field`, equal ones by id; without an `index` the field may be missing, and comes first.

    `value` says where a profile stands, in a form for cursors; `kept` turns that into what documents hold.
    """

    field: str
    index: Sort | None
    value: Callable[[Any], Any]
    kept: Callable[[Any], Any] = same
    descending: bool = True

    def position(self, profile: Any) -> tuple[Any, str]:
        """Return where a profile stands."""
        return self.value(profile), profile.id

    def standing(self, kept: Document) -> tuple[Any, str]:
        """Return where the profile of a document stands, by nothing of it but `field`."""
        value: Any = kept
        for step in self.field.split("."):
            value = value.get(step) if value is not None else None
        return clock.millis(value) if isinstance(value, datetime) else value, kept["_id"]

    def turned(self, *, descending: bool) -> "Order":
        """Return the same order in a direction."""
        return replace(self, descending=descending)


def _projection(fields: Collection[str], ordered: str) -> dict[str, int]:
    """Return what to read of each; MongoDB refuses a part of a field beside the whole."""
    whole = ordered.partition(".")[0]
    return dict.fromkeys(fields if whole in fields else (*fields, ordered), 1)


def by_attribute(definition: AttributeDefinition) -> Order:
    """Return the order by a custom attribute; refuses a LIST with BAD_VARIABLES."""
    if definition.type == "LIST":
        raise bad(f"{definition.name} is a LIST: there is no order by it.")
    moments = definition.type in _MOMENTS

    def value(profile: Any) -> Any:
        held = profile.values.get(definition.id)
        return clock.millis(held) if moments and held is not None else held

    return Order(f"a.{definition.id}", None, value, clock.moment if moments else same)


def behind(order: Order, position: Sequence[Any], direction: int) -> list[Query]:
    """Return the terms of what comes behind a position, reading upwards with 1 and downwards with -1."""
    field, (frozen, last) = order.field, position
    strict, loose = ("$lt", "$lte") if direction < 0 else ("$gt", "$gte")
    tie = {"_id": {strict: last}}
    if frozen is None:
        if direction < 0:
            return [{field: {"$exists": False}}, tie]
        return [{"$or": [{field: {"$exists": True}}, tie]}]
    at = order.kept(frozen)
    if order.index is None and direction < 0:
        return [{"$or": [{field: {strict: at}}, {field: at, **tie}, {field: {"$exists": False}}]}]
    return [{field: {loose: at}}, {"$or": [{field: {strict: at}}, tie]}]


@dataclass(frozen=True, slots=True)
class Route:
    """The index to read from, None where only the server can join several; `lead` is the term that bounds it.

    It stands first in the query: of several terms on one field MongoDB bounds an index by the first.
    """

    index: Sort | None
    lead: tuple[Query, ...] = ()


def along(way: Way, found: Sequence[Way]) -> Route:
    """Return the route of one of the ways that were found."""
    if len(way) > 1:
        return Route(None)
    return Route(way[0].index, (way[0].where,) if len(found) > 1 else ())


@dataclass(frozen=True, slots=True)
class Kind:
    """What is listed: a collection, whose attributes, its orders and the indexes that serve filters."""

    collection: str
    target: str
    orders: Mapping[str, Order]
    indexes: Indexes
    shown: Mapping[str, Any]


class Lists:
    """The lists of one kind of profile."""

    def __init__(self, engine: Engine, catalog: CatalogService, kind: Kind) -> None:
        self._engine = engine
        self._catalog = catalog
        self._kind = kind

    async def order(self, account: str, wanted: By) -> Order:
        """Return the order that is meant; refuses with BAD_VARIABLES what names no attribute or one too many."""
        if (wanted.by == CUSTOM_ATTRIBUTE) != (wanted.attribute is not None):
            raise bad(f"`customAttribute` names what to order by with {CUSTOM_ATTRIBUTE}, and stands with it alone.")
        if wanted.attribute is None:
            return self._kind.orders[wanted.by].turned(descending=wanted.descending)
        definition = (await self._catalog.of(account)).attribute(self._kind.target, wanted.attribute)
        definition = definition or (await self._catalog.fresh(account)).attribute(self._kind.target, wanted.attribute)
        if definition is None:
            raise bad(f"There is no attribute {wanted.attribute}.")
        return by_attribute(definition).turned(descending=wanted.descending)

    async def page(self, account: str, query: Mapping[str, Any], part: Slice, order: Order) -> Page[Document]:
        """Return a part of what a query finds."""
        wanted, options = await self._read(account, query, part, order)
        return cut(await self._bound(account).find(wanted, **options), part)

    async def rows(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order, fields: Collection[str]
    ) -> tuple[Page[Document], Catalog]:
        """Return the same part as documents that have nothing but `fields`, and the catalog to read them by.

        Whoever reads them asks the catalog whether it fits.
        """
        wanted, options = await self._read(account, query, part, order)
        found = await self._bound(account).find_packed(wanted, projection=_projection(fields, order.field), **options)
        return cut(found, part), await self._catalog.of(account)

    async def _read(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order
    ) -> tuple[Query, dict[str, Any]]:
        """Return how to read a part of what a query finds, and one more; see `_route` for the index."""
        direction = -1 if order.descending != part.backward else 1
        route = await self._route(account, query, order)
        terms = [*route.lead, query]
        if part.position is not None:
            terms += behind(order, part.position, direction)
        sort = ((order.field, direction), ("_id", direction))
        return self._where(terms), {"sort": sort, "limit": part.limit + 1, "hint": route.index}

    async def count(self, account: str, query: Mapping[str, Any]) -> int:
        """Return how many a query finds."""
        found = ways(query, self._kind.indexes)[:PROBES_MAX]
        route = Route(self._kind.orders["CREATED_AT"].index)
        if found:
            way = found[0] if len(found) == 1 else (await self._least(account, found))[1]
            route = along(way, found)
        return await self._bound(account).count(self._where([*route.lead, query]), hint=route.index)

    async def _route(self, account: str, query: Mapping[str, Any], order: Order) -> Route:
        """Choose the index to read from.

        What matches little is read from the index of its filter and sorted; anything else is walked in its order.
        """
        found = ways(query, self._kind.indexes)[:PROBES_MAX]
        # Where no index is in the order, documents are best read as they were made: they lie side by side.
        walked = order if order.index else self._kind.orders["CREATED_AT"]
        ordered = next((way for way in found if in_order(way, walked.field)), None)
        if ordered and len(found) == 1:
            return along(ordered, found)
        if found:
            size, way = await self._least(account, found)
            if size <= NARROW_MATCHES:
                return along(way, found)
        return along(ordered, found) if ordered else Route(walked.index)

    async def _least(self, account: str, found: Sequence[Way]) -> tuple[int, Way]:
        """Return the shortest way and how much it holds, counted up to a little more than NARROW_MATCHES."""
        sizes = [sum(each) for each in await gather(*[self._sizes(account, way) for way in found])]
        least = min(sizes)
        return least, found[sizes.index(least)]

    async def _sizes(self, account: str, way: Way) -> list[int]:
        return await gather(*[self._stretch(account, part) for part in way])

    async def _stretch(self, account: str, part: Part) -> int:
        if part.few:
            return 0
        where = part.where if part.foreign else {**part.where, "account": account}
        return await self._engine.count(self._kind.collection, where, hint=part.index, limit=NARROW_MATCHES + 1)

    def _where(self, terms: Sequence[Mapping[str, Any]]) -> Query:
        held = [term for term in terms if term]
        return {**self._kind.shown, **({"$and": held} if held else {})}

    def _bound(self, account: str) -> Bound:
        return Bound(self._engine, self._kind.collection, account)
