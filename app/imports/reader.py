"""The rows of an import as asks: read from its file, converted by its mapping, checked as those of the API are."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from app.catalog.checks import Listing
from app.catalog.model import AttributeDefinition, Catalog
from app.changes.model import Ask, Change, Effect, Scene
from app.companies import wish as company_wish
from app.core import clock
from app.core.errors import Refusals, Refused
from app.core.steps import stepwise
from app.imports import readers
from app.imports.cells import Converter
from app.imports.mapping import Mapping
from app.imports.model import COMPANY, ORIGIN, Import
from app.imports.rows import CompanyRow, PersonRow, Told
from app.imports.store import Store
from app.imports.table import Detection, Row, Table, Unreadable
from app.persons import wish as person_wish
from app.persons.model import LEAD

# A unit of more is too much for a store that is slow: it has to be over within a deadline.
PART_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class FailedRow(Change[Any]):
    """A row that can't be one of profiles, whoever is there; `columns` are those of its refusals, where known."""

    told: Told
    refused: tuple[Refused, ...]
    columns: tuple[str, ...] = ()

    def plan(self, held: Any, scene: Scene) -> Effect[Any]:  # noqa: ARG002 - whoever it is
        """Refuse."""
        raise Refusals(self.refused)


@dataclass(slots=True)
class Part:
    """Some rows of the file in order; `last` where there are no more, `broken` why it can't be read any further."""

    rows: list[Row]
    last: bool = False
    broken: str | None = None


class File:
    """A file of an import, opened; `parts` can be asked for again and again."""

    def __init__(self, table: Table) -> None:
        self.table = table

    async def parts(self, start: int = 0) -> "Parts":
        """Return what comes from a row on."""
        rows = self.table.rows()
        parts = Parts(rows)
        if start:
            await asyncio.to_thread(parts.pass_over, start)
        return parts

    async def count(self) -> int:
        """Return how many rows can be read."""
        return await asyncio.to_thread(_count, self.table.rows())


class Parts:
    """What comes next of a file."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows

    def pass_over(self, count: int) -> None:
        """Read on without a look."""
        next(islice(self._rows, count - 1, None), None)

    async def next(self, size: int) -> Part:
        """Return so many rows; fewer where they are long, and at the end of the file, where there may be none."""
        return await asyncio.to_thread(self._next, size)

    def _next(self, size: int) -> Part:
        part, characters = Part([]), 0
        try:
            for row in islice(self._rows, size):
                part.rows.append(row)
                characters += row.characters()
                if characters >= PART_CHARACTERS:
                    return part
        except Unreadable as unreadable:
            part.broken = str(unreadable)
        part.last = len(part.rows) < size
        return part


def _count(rows: Iterator[Row]) -> int:
    count = 0
    try:
        for _ in rows:
            count += 1
    except Unreadable:
        return count
    return count


async def opened(store: Store, one: Import, home: Path, *, look: bool = False) -> File:
    """Return the file of an import, brought to this machine; raises Unreadable. `look`: see `readers.opened`."""
    path = home / "file"
    await store.download(one.account, one.upload, path)
    return await asyncio.to_thread(_opened, path, one, home, look=look)


def _opened(path: Path, one: Import, home: Path, *, look: bool) -> File:
    return File(readers.opened(path, Detection(**one.detected), home, look=look))


class Asker:
    """Makes asks of the rows of an import."""

    def __init__(self, one: Import, mapping: Mapping) -> None:
        self.mapping = mapping
        self._import = one
        self._converter = Converter(mapping)
        self._type = one.person_type or LEAD

    async def asks(self, rows: Sequence[Row], start: int, catalog: Catalog) -> list[Ask[Any]]:
        """Return the ask of each row; `start` is the place of the first in the file."""
        return await stepwise(lambda row: self._ask(*row, catalog), list(enumerate(rows, start)))

    def _ask(self, index: int, row: Row, catalog: Catalog) -> Ask[Any]:
        one = self._import
        told = Told(one.id, index, row.line, one.duplicates, row.cells, row.beyond)
        change = self._change(row, told, catalog)
        sought = () if isinstance(change, FailedRow) else tuple(change.wish.named())
        return Ask(one.account, ORIGIN, change, sought)

    def _change(self, row: Row, told: Told, catalog: Catalog) -> FailedRow | PersonRow | CompanyRow:
        if row.problem is not None:
            return FailedRow(told, (Refused("INVALID", row.problem),))
        converted = self._converter.convert(row)
        if converted.problems:
            refused = tuple(Refused("INVALID", message) for _, message in converted.problems)
            return FailedRow(told, refused, tuple(column for column, _ in converted.problems))
        given = converted.given
        if self._import.tag is not None:
            given.tags = Listing(None, [*(given.tags.add if given.tags else ()), self._import.tag])
        try:
            return self._wished(given, told, catalog)
        except Refusals as refusals:
            return FailedRow(told, refusals.refusals)

    def _wished(self, given: Any, told: Told, catalog: Catalog) -> PersonRow | CompanyRow:
        if self._import.target == COMPANY:
            return CompanyRow(company_wish.check(given, catalog), told)
        return PersonRow(person_wish.check(given, catalog), told, self._type)

    def columns(self, change: Change[Any], refused: Sequence[Refused]) -> list[str | None]:
        """Return the headers of the columns that the refusals of a row speak of."""
        if isinstance(change, FailedRow) and change.columns:
            return list(change.columns)
        told: Told = change.told  # type: ignore[attr-defined]  # each change of an import has it
        row = Row(told.line, tuple(told.cells))
        return [self._converter.column(one.path, row) if one.path else None for one in refused]


def imagined(catalog: Catalog, mapping: Mapping) -> Catalog:
    """Return a catalog in which the attributes are defined that a mapping is going to make."""
    there = replace(catalog, attributes=dict(catalog.attributes), attributes_by_name=dict(catalog.attributes_by_name))
    for number, (name, type_) in enumerate(mapping.created()):
        if there.attribute(mapping.target, name) is None:
            there.add(AttributeDefinition(f"new{number}", mapping.target, name, type_, clock.now()))
    return there
