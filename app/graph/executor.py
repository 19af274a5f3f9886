"""Runs planned operations: attributes are read in a loop, and whatever must be awaited is awaited in waves.

Everything that one wave asks of the store leaves together, so equal reads share a query. Errors null the nearest place
that may be null, as GraphQL says. A differential test holds the results against graphql-core's own executor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

import orjson
from graphql.execution.values import VariableValues

from app.core.errors import Fault
from app.core.steps import stepwise
from app.graph import faults
from app.graph.plan import AT_ONCE, Shape, Slot

Known = Callable[[BaseException], Fault]


class Info:
    """What resolvers get to know about a run, and about the page that is wanted of them: see `compiled.Rows`."""

    __slots__ = ("context", "rows")

    def __init__(self, context: Any, rows: Any = None) -> None:
        self.context = context
        self.rows = rows


class Place:
    """Where a value lies in the answer: a key of a container that lies at `parent`."""

    __slots__ = ("container", "key", "nullable", "parent")

    def __init__(self, parent: "Place | None", container: Any, key: str | int, *, nullable: bool) -> None:
        self.parent = parent
        self.container = container
        self.key = key
        self.nullable = nullable

    def path(self, *last: str | int) -> faults.Path:
        """Return the way from the root."""
        keys = list(last)
        place: Place | None = self
        while place is not None and place.parent is not None:
            keys.insert(0, place.key)
            place = place.parent
        return keys

    def clear(self) -> None:
        """Put null here, or where the next may be null further out."""
        place = self
        while not place.nullable and place.parent is not None:
            place = place.parent
        place.container[place.key] = None


Pending = tuple[Awaitable[Any], Slot, dict[str, Any], Place]
# A list whose first items are completed, and what of it goes where.
Later = tuple[Slot, Shape, Sequence[Any], list[Any], Place]


class Run:
    """One operation, or one event of a subscription, on its way to an answer."""

    __slots__ = ("_info", "_known", "_later", "_pending", "_variables", "errors", "faults", "holder")

    def __init__(self, context: Any, variables: VariableValues, known: Known) -> None:
        self._info = Info(context)
        self._variables = variables
        self._known = known
        self._pending: list[Pending] = []
        self._later: list[Later] = []
        self.holder: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []
        self.faults: list[Fault] = []

    async def query(self, plan: Sequence[Slot], source: Any) -> dict[str, Any] | None:
        """Return the data of a selection on `source`, all fields at once."""
        out, place = self._root()
        self._fill(plan, source, out, place)
        if self._pending or self._later:
            await self._drain()
        return self._data()

    def failed(self, slot: Slot, error: BaseException) -> dict[str, Any] | None:
        """Return the data of a selection of one field that came to nothing."""
        out, place = self._root()
        self._fail(error, slot, out, slot.key, place, nullable=slot.shape.nullable)
        return self._data()

    async def mutation(self, plan: Sequence[Slot]) -> dict[str, Any] | None:
        """Return the data of a mutation, one field after the other."""
        out, place = self._root()
        for slot in plan:
            self._fill((slot,), None, out, place)
            await self._drain()
        return self._data()

    async def event(self, slot: Slot, update: Any) -> dict[str, Any] | None:
        """Return the data of one update of a subscription."""
        out, place = self._root()
        self._complete(slot, slot.shape, update, out, slot.key, place=place)
        await self._drain()
        return self._data()

    def _data(self) -> dict[str, Any] | None:
        data: dict[str, Any] | None = self.holder["data"]
        return data

    def _root(self) -> tuple[dict[str, Any], Place]:
        out: dict[str, Any] = {}
        self.holder["data"] = out
        return out, Place(None, self.holder, "data", nullable=True)

    def _fill(self, plan: Sequence[Slot], source: Any, out: dict[str, Any], place: Place) -> None:
        for slot in plan:
            key, attribute = slot.key, slot.attribute
            try:
                if attribute is not None:
                    value = getattr(source, attribute)
                elif slot.constant is not None:
                    out[key] = slot.constant
                    continue
                else:
                    value = self._resolved(slot, source)
            except Exception as error:  # noqa: BLE001 - whatever a field raises becomes its error
                self._fail(error, slot, out, key, place, nullable=slot.shape.nullable)
                continue
            shape = slot.shape
            if value.__class__ is shape.itself or (value is None and shape.nullable):
                out[key] = value
            elif attribute is None and isawaitable(value):
                out[key] = None
                self._pending.append((value, slot, out, place))
            else:
                self._complete(slot, shape, value, out, key, place=place)

    def _resolved(self, slot: Slot, source: Any) -> Any:
        arguments = slot.fixed if slot.arguments is None else slot.arguments(self._variables)
        assert slot.resolve is not None  # noqa: S101 - a slot without attribute has one
        info = self._info if slot.rows is None else Info(self._info.context, slot.rows)
        return slot.resolve(source, info, **(arguments or {}))

    def _complete(self, slot: Slot, shape: Shape, value: Any, container: Any, key: str | int, *, place: Place) -> None:
        """Put the completed value under `key` of `container`, which lies at `place`."""
        try:
            if value is None:
                _allow_null(slot, shape)
                container[key] = None
            elif shape.plan is not None:
                if not _shown(shape, value, container, key):
                    out: dict[str, Any] = {}
                    container[key] = out
                    self._fill(shape.plan, value, out, Place(place, container, key, nullable=shape.nullable))
            elif shape.item is not None:
                self._list(slot, shape, value, container, key, place=place)
            elif shape.serialize is not None:
                container[key] = shape.serialize(value)
            else:
                self._abstract(shape, value, container, key, place=place)
        except Exception as error:  # noqa: BLE001 - a value that can't be shown is its field's error
            self._fail(error, slot, container, key, place, nullable=shape.nullable)

    def _list(self, slot: Slot, shape: Shape, value: Any, container: Any, key: str | int, *, place: Place) -> None:
        if value.__class__ is orjson.Fragment:
            container[key] = value
            return
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(f"{slot.owner}.{slot.name} is no list")
        item = shape.item
        assert item is not None  # noqa: S101 - its caller looked
        itself = item.itself
        if itself is not None and all(one.__class__ is itself for one in value):
            container[key] = list(value)
            return
        if item.show is not None and len(value) <= AT_ONCE and _shown_all(item, value, container, key):
            return
        items: list[Any] = [None] * len(value)
        container[key] = items
        here = Place(place, container, key, nullable=shape.nullable)
        for index, one in enumerate(value[:AT_ONCE]):
            self._complete(slot, item, one, items, index, place=here)
        if len(value) > AT_ONCE:
            self._later.append((slot, item, value, items, here))

    def _abstract(self, shape: Shape, value: Any, container: Any, key: str | int, *, place: Place) -> None:
        assert shape.kind_of is not None  # noqa: S101 - no other shape is left
        assert shape.plans is not None  # noqa: S101
        plan = shape.plans[shape.kind_of(value, self._info, None)]
        out: dict[str, Any] = {}
        container[key] = out
        self._fill(plan, value, out, Place(place, container, key, nullable=shape.nullable))

    def _fail(
        self, error: BaseException, slot: Slot, container: Any, key: str | int, place: Place, *, nullable: bool
    ) -> None:
        fault = self._known(error)
        self.faults.append(fault)
        self.errors.append(faults.entry(fault, place.path(key), slot.nodes))
        if nullable:
            container[key] = None
        else:
            place.clear()

    async def _go_on(self) -> None:
        """Complete the rest of long lists; others get their turn in between."""
        while self._later:
            slot, item, value, items, here = self._later.pop()

            def complete(index: int) -> None:
                self._complete(slot, item, value[index], items, index, place=here)  # noqa: B023 - used up in this turn

            await stepwise(complete, range(AT_ONCE, len(value)))

    async def _drain(self) -> None:
        while self._pending or self._later:
            # First all of a level, so that what it asks of the store leaves together.
            if self._later:
                await self._go_on()
            batch, self._pending = self._pending, []
            if len(batch) == 1:
                await self._single(batch[0])
                continue
            if not batch:
                continue
            values = await asyncio.gather(*[one[0] for one in batch], return_exceptions=True)
            for (_, slot, out, place), value in zip(batch, values, strict=True):
                if isinstance(value, Exception):
                    self._fail(value, slot, out, slot.key, place, nullable=slot.shape.nullable)
                elif isinstance(value, BaseException):
                    raise value
                else:
                    self._complete(slot, slot.shape, value, out, slot.key, place=place)

    async def _single(self, pending: Pending) -> None:
        awaitable, slot, out, place = pending
        try:
            value = await awaitable
        except Exception as error:  # noqa: BLE001 - whatever a field raises becomes its error
            self._fail(error, slot, out, slot.key, place, nullable=slot.shape.nullable)
            return
        self._complete(slot, slot.shape, value, out, slot.key, place=place)


def _shown(shape: Shape, value: Any, container: Any, key: str | int) -> bool:
    """Show an object of plain attributes at once; False where the long way has to find out what is unusual."""
    if shape.show is None:
        return False
    try:
        container[key] = shape.show(value)
    except Exception:  # noqa: BLE001 - whatever it is, the long way meets it again and tells it
        return False
    return True


def _shown_all(item: Shape, values: Sequence[Any], container: Any, key: str | int) -> bool:
    show = item.show
    assert show is not None  # noqa: S101 - its caller looked
    try:
        container[key] = [show(value) for value in values]
    except Exception:  # noqa: BLE001 - whatever it is, the long way meets it again and tells it
        return False
    return True


def _allow_null(slot: Slot, shape: Shape) -> None:
    if not shape.nullable:
        raise TypeError(f"{slot.owner}.{slot.name} is null and can't be")
