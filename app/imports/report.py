"""The file of failed rows: the columns of the original and `error`. All pure.

Repaired, it can be imported again as the original was. That of JSON has an object a line, with lists and numbers as
they were; any other is a table of text, safe to be opened in a spreadsheet.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from app.imports import formats
from app.imports.header import named
from app.imports.model import Import, RowError
from app.imports.table import COLUMNS_MAX, ERROR

MARK = b"\xef\xbb\xbf"
# What a look at a text finds by itself; others are named in a line of their own.
_DELIMITERS = "\t;|,"
_LEFT_OUT = f"Here it is left out: a file has at most {COLUMNS_MAX:,} columns."
_NUMBERS = ("INTEGER", "DECIMAL")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMERAL = re.compile(r"\+[0-9]+|[+-]?[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]+)?")


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before what looks like one."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMERAL.fullmatch(text) else text


def written(rows: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    """Return rows as lines of a file, each cell in quotes and safe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([[safe(cell) for cell in row] for row in rows])
    return out.getvalue().encode(errors="replace")


class Report:
    """The file of one import, in parts: `begin`, then what failed; `suffix` is that of its name, csv or ndjson."""

    def __init__(self, one: Import) -> None:
        kind = one.detected.get("inner") or one.detected["format"]
        self.suffix = "ndjson" if kind in ("JSON", "NDJSON") else "csv"
        self._delimiter: str = one.detected.get("delimiter") or ","
        mapped = {column["header"]: column for column in (one.mapping or {}).get("columns", ())}
        self._formats = {header: column["format"] for header, column in mapped.items() if column["kind"] in _NUMBERS}
        self._known = frozenset(column.name for column in one.columns)
        # What an earlier file of this kind told is told anew, unless somebody keeps it.
        self._columns = [column.name for column in one.columns if column.name != ERROR or ERROR in mapped]
        self._header = named([*self._columns, ERROR])
        # Fields without a column, of all rows: with them a file of objects has no more columns than one may have.
        self._more: dict[str, None] = {}
        self._room = COLUMNS_MAX + 1 - len(self._header)

    def begin(self) -> bytes:
        """Return what the file begins with."""
        if self.suffix == "ndjson":
            return b""
        said = b"" if self._delimiter in _DELIMITERS else f"sep={self._delimiter}\r\n".encode()
        return MARK + said + written([self._header], self._delimiter)

    def lines(self, errors: Iterable[RowError]) -> bytes:
        """Return the lines of some rows."""
        if self.suffix == "ndjson":
            return b"".join(orjson.dumps(self._object(one), option=orjson.OPT_APPEND_NEWLINE) for one in errors)
        return written([self._line(one) for one in errors], self._delimiter)

    def _object(self, one: RowError) -> dict[str, Any]:
        more = self._beyond(one)
        for name in more:
            if len(self._more) < self._room:
                self._more.setdefault(name)
        told = {name: cell for name, cell in more.items() if name in self._more}
        message = _message(one) if len(told) == len(more) else f"{_message(one)} {_LEFT_OUT}"
        row = [*(one.values.get(name) for name in self._columns), message]
        return told | dict(zip(self._header, row, strict=True))

    def _line(self, one: RowError) -> list[str]:
        row = [*(self._text(name, one.values.get(name)) for name in self._columns), _message(one)]
        # Behind the last column, so that the row stays longer than the header until somebody has put it in order.
        return row + [self._text(name, cell) for name, cell in self._beyond(one).items()]

    def _beyond(self, one: RowError) -> dict[str, Any]:
        return {name: cell for name, cell in one.values.items() if name not in self._known}

    def _text(self, column: str, cell: Any) -> str:
        """Return a cell as a text that is read as the cell was."""
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, float):
            return formats.written(cell, self._formats[column]) if column in self._formats else formats.plain(cell)
        return "" if cell is None else str(cell)


def _message(one: RowError) -> str:
    # Of what an undo kept the row's cells are not known any more, its place is.
    return one.message if one.values or not one.row else f"{one.message} (row {one.row})"
