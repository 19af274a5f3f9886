"""Rows to what a client of the API would send. All pure.

Each column has one reading function, composed once for a mapping; what a text becomes is remembered, since phones,
countries and tags repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog.checks import Listing
from app.catalog.model import PERSON
from app.companies import wish as company
from app.core.errors import Refused
from app.imports.fields import CUSTOM, FIELDS
from app.imports.mapping import Column, Mapping
from app.imports.reading import Reader, exact, reader
from app.imports.table import Cell, Row
from app.persons import wish as person

# Texts of a column whose values are remembered, and how long they may be.
CELL_CACHE = 65_536
CELL_CHARACTERS = 64
Given = person.Given | company.Given


@dataclass(slots=True)
class Converted:
    """What a row gives, and what could not be read of it: the header of the column and why."""

    given: Given
    problems: list[tuple[str, str]]


class _Known(dict[str, Any]):
    """What the texts of a column become; begun anew when it is full."""

    def __init__(self, read: Reader) -> None:
        super().__init__()
        self.read = read

    def __missing__(self, cell: str) -> Any:
        value = self.read(cell)
        if len(cell) <= CELL_CHARACTERS:
            if len(self) >= CELL_CACHE:
                self.clear()
            self[cell] = value
        return value


# Where a cell stands, where its value goes, what its texts become, how other cells are read, the header.
_Step = tuple[int, str, _Known, Reader, str]


class Converter:
    """Converts the rows of one file by its mapping; it is not shared between threads."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._given = _person if mapping.target == PERSON else _company
        self._width = max((column.index for column in mapping.columns), default=-1) + 1
        self._fields = FIELDS[mapping.target]
        self._scalars: list[_Step] = []
        self._attributes: list[_Step] = []
        self._several: list[_Step] = []
        for column in mapping.columns:
            self._add(column)

    def _add(self, column: Column) -> None:
        read = exact if column.field == "externalId" else reader(column.kind, column.format)
        if column.attribute is not None:
            steps, place = self._attributes, column.attribute
        else:
            field = self._fields[column.field]
            steps, place = self._several if field.several else self._scalars, field.place
        steps.append((column.index, place, _Known(read), read, column.header))

    def convert(self, row: Row) -> Converted:
        """Return what a row gives; absent cells are left out, so that they clear nothing."""
        cells = self._filled(row)
        problems: list[tuple[str, str]] = []
        scalars = _singles(self._scalars, cells, problems)
        attributes = _singles(self._attributes, cells, problems)
        lists: dict[str, list[str]] = {}
        for place, values, _ in _read(self._several, cells, problems):
            if place in lists:
                lists[place] += values
            else:
                lists[place] = [*values]
        return Converted(self._given(scalars, lists, attributes or None), problems)

    def column(self, path: Sequence[str], row: Row) -> str | None:
        """Return the header of the column that a refusal of the API's checks speaks of, None where it is no one's."""
        place, *rest = path
        if any(field.several and field.place == place for field in self._fields.values()):
            return self._holder(place, int(rest[0]) if rest else 0, row)
        name = f"{CUSTOM}{rest[0]}" if f"{place}." == CUSTOM and rest else place
        return next((column.header for column in self.mapping.columns if column.field == name), None)

    def _holder(self, place: str, index: int, row: Row) -> str | None:
        steps = [step for step in self._several if step[1] == place]
        for _, values, header in _read(steps, self._filled(row), []):
            if index < len(values):
                return header
            index -= len(values)
        return None

    def _filled(self, row: Row) -> tuple[Cell, ...]:
        missing = self._width - len(row.cells)
        return row.cells if missing <= 0 else row.cells + (None,) * missing


def _singles(steps: list[_Step], cells: tuple[Cell, ...], problems: list[tuple[str, str]]) -> dict[str, Any]:
    return {place: value for place, value, _ in _read(steps, cells, problems)}


def _read(steps: list[_Step], cells: tuple[Cell, ...], problems: list[tuple[str, str]]) -> list[tuple[str, Any, str]]:
    """Return what some columns hold: the place of each, its value, its header; nothing of absent cells."""
    found = []
    for index, place, known, read, header in steps:
        cell = cells[index]
        try:
            value = known[cell] if type(cell) is str else read(cell)
        except Refused as refusal:
            problems.append((header, refusal.message))
        else:
            if value is not None:
                found.append((place, value, header))
    return found


def _person(scalars: dict[str, Any], lists: dict[str, list[str]], attributes: dict[str, Any] | None) -> person.Given:
    emails, phones = _contacts(lists, "emails"), _contacts(lists, "phones")
    return person.Given(None, scalars, emails, phones, _added(lists, "tags"), attributes)


def _contacts(lists: dict[str, list[str]], place: str) -> Listing[tuple[str, bool | None]] | None:
    return Listing(add=[(one, None) for one in lists[place]]) if place in lists else None


def _company(scalars: dict[str, Any], lists: dict[str, list[str]], attributes: dict[str, Any] | None) -> company.Given:
    return company.Given(scalars, _added(lists, "domains"), _added(lists, "tags"), attributes)


def _added(lists: dict[str, list[str]], place: str) -> Listing[str] | None:
    return Listing(add=lists[place]) if place in lists else None
