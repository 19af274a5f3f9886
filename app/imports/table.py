"""A table as it was found in a file: its columns, and its rows as a stream of any length."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any

# A list is of texts: several values; or of objects as JSON has them: fit for a LIST attribute.
Cell = str | int | float | bool | date | datetime | list[Any] | None

COLUMNS_MAX = 1_000
# A row, a line and an object alike: beyond it memory would be the file's affair.
ROW_CHARACTERS_MAX = 1_048_576
SAMPLE_ROWS = 1_000
# Less rows where they are long: a sample of the longest rows would fill memory.
SAMPLE_CHARACTERS = 8_388_608
SHOWN_CHARACTERS = 100

EMPTY = "The file is empty."
HEADER_ONLY = "The file has a header and no rows."
# The column of what was wrong, which the file of errors has more.
ERROR = "error"
TOO_MANY_COLUMNS = f"The file has more than {COLUMNS_MAX:,} columns. Leave out those that are not needed."


class Unreadable(Exception):  # noqa: N818 - read as what it says
    """The file as a whole can't be read, or no further; one sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells in the order of the columns, as many as they are; a row with a problem holds what could be read of it.

    `line`: the line of the file where it begins (header = 1), the sheet's row, or the index in JSON's list from 1.
    `problem`: why it can't be taken, in words that a person can act on. `beyond`: names of cells behind the columns,
    where they have names.
    """

    line: int
    cells: tuple[Cell, ...]
    problem: str | None = None
    beyond: tuple[str, ...] = ()

    def characters(self) -> int:
        """Return how long its texts are; lists count by what they show."""
        return sum(len(one) if isinstance(one, str) else len(str(one)) for one in self.cells if one is not None)


@dataclass(frozen=True, slots=True)
class Detection:
    """What a file is: enough to open it again without a second look.

    `format`: CSV TXT XLSX XLS JSON NDJSON ZIP; `inner`: that of the file in a ZIP, which the rest is about then.
    `charset`: as Python names it; `sheet`: the one to read, None for the first visible one with rows.
    `notices`: what a person should know before the import.
    """

    format: str
    inner: str | None = None
    charset: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was opened; `detection` is complete: it names the sheet that is read."""

    columns: tuple[str, ...]
    detection: Detection
    read: Callable[[], Iterator[Row]] = field(repr=False, compare=False)

    def rows(self) -> Iterator[Row]:
        """Give the rows behind the header from the first on, each time anew; empty ones are passed over.

        Raises Unreadable where a file breaks off that can't be read on: JSON in the middle of its list.
        """
        return self.read()


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table: what suggestions and checks of a mapping stand on."""

    columns: tuple[str, ...]
    rows: list[Row]

    def texts(self, n: int = 5) -> tuple[tuple[str, ...], ...]:
        """Return for each column its first `n` distinct values as texts, to be shown to a person."""
        found: list[dict[str, None]] = [{} for _ in self.columns]
        for row in self.rows:
            for texts, cell in zip(found, row.cells, strict=False):
                text = shown(cell) if len(texts) < n else ""
                if text:
                    texts[text] = None
        return tuple(tuple(texts) for texts in found)


def sample(table: Table) -> Sample:
    """Return what can be read of the first 1,000 rows of a table; of less where they are long."""
    rows: list[Row] = []
    characters = 0
    for row in islice(table.rows(), SAMPLE_ROWS):
        if row.problem is None:
            rows.append(row)
            characters += row.characters()
        if characters >= SAMPLE_CHARACTERS:
            break
    return Sample(table.columns, rows)


def _plain(value: Any) -> str:
    """Return a value as JSON writes it, a text as it is."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def shown(cell: Cell) -> str:
    """Return a cell as a text for people: trimmed, at most 100 characters; several values by semicolons."""
    values = cell if isinstance(cell, list) else [] if cell is None else [cell]
    text = "; ".join(map(_plain, values)).strip()
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
