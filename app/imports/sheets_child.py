"""Reads a workbook in a process of its own, for it is held whole: within bounds of memory, time and what it writes.

Run by its path with: workbook, file to write, sheet or nothing. Imports nothing of the service: it starts at once.
The file has one JSON a line: first the sheet, then [row, cells] each; dates as {"d": …}, date-times as {"t": …},
null for the cells of a row that is too long. What is wrong with the workbook is one word on stdout.
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

MEMORY_BYTES = 2 * 1_073_741_824
WRITTEN_BYTES = 1_073_741_824
SECONDS = 120
LINE_CHARACTERS = 1_048_576
# The words that it ends with.
PROTECTED, EMPTY, DAMAGED, TOO_LARGE = "protected", "empty", "damaged", "too large"


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_BYTES, WRITTEN_BYTES))
    # A second watch, should the one who started it be gone.
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def _cell(value: Any) -> Any:
    # A date-time is a date as well, so it is asked first.
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    if isinstance(value, (time, timedelta)):
        return str(value)
    return None if value == "" else value


def _line(number: int, row: list[Any]) -> str:
    line = json.dumps([number, [_cell(value) for value in row]], separators=(",", ":"))
    return line if len(line) <= LINE_CHARACTERS else json.dumps([number, None])


def _lines(sheet: CalamineSheet) -> Iterator[str]:
    """Give the rows with anything in them, each by its number in the sheet."""
    for number, row in enumerate(sheet.iter_rows(), 1):
        if _filled(row):
            yield _line(number, row)


def _filled(row: list[Any]) -> bool:
    return any(value is not None and not (isinstance(value, str) and not value.strip()) for value in row)


def _sheet(book: CalamineWorkbook, wanted: str | None) -> tuple[CalamineSheet, list[str]] | None:
    """Return the sheet to read, and the names of the visible ones behind it that have rows and are not read."""
    visible = [
        one.name
        for one in book.sheets_metadata
        if one.visible == SheetVisibleEnum.Visible and one.typ == SheetTypeEnum.WorkSheet
    ]
    header = None
    for place, name in enumerate(visible):
        if wanted in (None, name):
            sheet = book.get_sheet_by_name(name)
            rows = len(list(islice(filter(_filled, sheet.iter_rows()), 2)))
            found = sheet, visible[place + 1 :]
            if rows > 1:
                return found
            header = header or (found if rows else None)
    # A header alone is passed over only where a sheet behind it has rows.
    return header


def main(workbook: str, target: str, wanted: str | None = None) -> str | None:
    """Write the rows of a workbook; returns a word where it can't."""
    _bounded()
    try:
        with CalamineWorkbook.from_path(workbook) as book, Path(target).open("w", encoding="utf-8") as file:
            found = _sheet(book, wanted)
            if found is None:
                return EMPTY
            sheet, others = found
            file.write(json.dumps({"sheet": sheet.name, "others": others}) + "\n")
            file.writelines(line + "\n" for line in _lines(sheet))
    except PasswordError:
        return PROTECTED
    except (MemoryError, OSError):
        return TOO_LARGE
    except CalamineError:
        return DAMAGED
    return None


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) or "")
