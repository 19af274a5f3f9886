"""The file of failed rows: the columns of the original and `error`, safe to be opened in a spreadsheet. All pure.

Repaired, it can be imported again as the original was.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from app.imports.header import names
from app.imports.model import Import, RowError

MARK = b"\xef\xbb\xbf"
ERROR = "error"
# What a look at a text finds by itself; others are named in a line of their own.
_DELIMITERS = "\t;|,"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"\+[0-9]+|[+-]?[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]+)?")
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T00:00:00")


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before what looks like one."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def written(rows: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    """Return rows as lines of a file, each cell in quotes and safe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([[safe(cell) for cell in row] for row in rows])
    return out.getvalue().encode(errors="replace")


class Report:
    """The file of one import, in parts: `begin`, then what failed."""

    def __init__(self, one: Import) -> None:
        kind = one.detected.get("inner") or one.detected["format"]
        self._delimiter: str = one.detected.get("delimiter") or ","
        self._dated = kind in ("XLSX", "XLS")
        mapped = {column["header"] for column in (one.mapping or {}).get("columns", ())}
        # What an earlier file of this kind told is told anew, unless somebody keeps it.
        self._columns = [column.name for column in one.columns if column.name != ERROR or ERROR in mapped]

    def begin(self) -> bytes:
        """Return what the file begins with."""
        said = b"" if self._delimiter in _DELIMITERS else f"sep={self._delimiter}\r\n".encode()
        return MARK + said + written([names([*self._columns, ERROR])], self._delimiter)

    def lines(self, errors: Iterable[RowError]) -> bytes:
        """Return the lines of some rows."""
        return written([self._line(one) for one in errors], self._delimiter)

    def _line(self, one: RowError) -> list[str]:
        # Of what an undo kept the row's cells are not known any more, its place is.
        message = one.message if one.values or not one.row else f"{one.message} (row {one.row})"
        return [*(self._text(one.values.get(name)) for name in self._columns), message]

    def _text(self, cell: Any) -> str:
        if cell is None:
            return ""
        if isinstance(cell, str):
            whole = _MIDNIGHT.fullmatch(cell) if self._dated else None
            return whole[1] if whole else cell
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, float) and cell.is_integer():
            return str(int(cell))
        if isinstance(cell, list) and not any(isinstance(item, (dict, list)) for item in cell):
            return "; ".join(map(str, cell))
        return orjson.dumps(cell).decode() if isinstance(cell, (list, dict)) else str(cell)
