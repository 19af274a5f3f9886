"""Any file as one table: `opened` gives its columns and its rows, streamed, whatever the file is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from app.imports import archive, delimited, objects, sheets
from app.imports.header import header
from app.imports.table import COLUMNS_MAX, EMPTY, HEADER_ONLY, Detection, Row, Table, Unreadable

Read = Callable[[], Iterator[Row]]


def opened(path: Path, detection: Detection, workdir: Path, *, look: bool = False) -> Table:
    """Open a file that was looked at by `detect`; raises Unreadable for one without a header or without rows.

    `workdir`: a folder of this file alone. What is unpacked or converted stays in it, and is found there when the
    file is opened again. `look`: somebody waits for it, so it takes no longer than an operation may.
    """
    if detection.inner:
        unpacked = workdir / "unpacked"
        if not unpacked.exists():
            archive.unpacked(path, unpacked)
        path = unpacked
    table = _table(path, detection, workdir, look=look)
    if next(table.rows(), None) is None:
        raise Unreadable(HEADER_ONLY)
    return table


def _table(path: Path, detection: Detection, workdir: Path, *, look: bool) -> Table:
    kind = detection.inner or detection.format
    charset, delimiter = detection.charset or "utf-8", detection.delimiter or ","
    if kind in ("XLSX", "XLS"):
        return _sheet(path, detection, workdir, look=look)
    if kind in ("JSON", "NDJSON"):
        columns, read = objects.opened(path, charset, by_line=kind == "NDJSON")
        return Table(columns, detection, read)
    return _flat(lambda: delimited.rows(path, charset, delimiter), detection)


def _sheet(path: Path, detection: Detection, workdir: Path, *, look: bool) -> Table:
    converted = workdir / "rows.ndjson"
    if not converted.exists():
        sheets.convert(path, detection.inner or detection.format, converted, detection.sheet, look=look)
    sheet = sheets.sheet(converted)
    others = (f"Only the sheet {sheet.name!r} is read, not: {', '.join(sheet.others)}.",) if sheet.others else ()
    complete = replace(detection, sheet=sheet.name, notices=tuple(dict.fromkeys((*detection.notices, *others))))
    return _flat(lambda: sheets.rows(converted), complete)


def _flat(read: Read, detection: Detection) -> Table:
    """Return the table of rows of which the first is the header."""
    first = next(read(), None)
    if first is None:
        raise Unreadable(EMPTY)
    if first.problem and not first.cells:
        raise Unreadable(f"The header can't be read. {first.problem}")
    columns = header(first.cells)

    def shaped() -> Iterator[Row]:
        rows = read()
        next(rows)
        return (_shaped(row, len(columns)) for row in rows)

    return Table(columns, detection, shaped)


def _shaped(row: Row, width: int) -> Row:
    """Return the row as wide as the header; one that has more in it has a problem."""
    if row.problem or len(row.cells) == width:
        return row
    if len(row.cells) < width:
        return Row(row.line, row.cells + ("",) * (width - len(row.cells)))
    if any(cell not in ("", None) for cell in row.cells[width:]):
        problem = f"This row has {len(row.cells)} cells, the header {width}. Put what belongs together in quotes."
        return Row(row.line, row.cells[:COLUMNS_MAX], problem)
    return Row(row.line, row.cells[:width])
