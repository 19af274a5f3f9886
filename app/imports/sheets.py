"""Spreadsheets: turned to rows by a child process, since a workbook is held whole while it is read."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.imports import sheets_child as child
from app.imports.table import ROW_CHARACTERS_MAX, Cell, Row, Unreadable

WORKBOOK_SECONDS_MAX = 120
_TOO_LARGE = "The workbook is too large to be read, or damaged. Save the sheet as CSV."
_SAID = {
    child.PROTECTED: "The file is protected by a password. Save it without one.",
    child.EMPTY: "The workbook has no visible sheet with rows.",
    child.DAMAGED: "The workbook is damaged. Open it in a spreadsheet program and save it once more.",
    child.TOO_LARGE: _TOO_LARGE,
}
PROTECTED = _SAID[child.PROTECTED]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was turned to rows: its name, and the names of those that are not read."""

    name: str
    others: tuple[str, ...]


def convert(workbook: Path, kind: str, to: Path, wanted: str | None = None) -> None:
    """Write the rows of a sheet to `to`, where they appear when they are whole; by default the first with rows.

    `kind`: XLSX or XLS. Ends after two minutes, with the child. Raises Unreadable with what to do.
    """
    with TemporaryDirectory(dir=to.parent) as folder:
        # By this name the library knows which format to complain about; else it would only say that it is none.
        named, part = Path(folder) / f"workbook.{kind.lower()}", Path(folder) / "rows"
        named.symlink_to(workbook.resolve())
        said = _said([str(named), str(part), *([wanted] if wanted else [])])
        if said is not None:
            raise Unreadable(_SAID.get(said, _TOO_LARGE))
        part.replace(to)


def _said(arguments: list[str]) -> str | None:
    """Run the child; returns its word, or that it ended without one: where memory runs out nobody says more."""
    command = [sys.executable, "-I", child.__file__, *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=WORKBOOK_SECONDS_MAX, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return child.TOO_LARGE
    said = ended.stdout.decode(errors="replace")
    return said or (child.TOO_LARGE if ended.returncode else None)


def sheet(converted: Path) -> Sheet:
    """Return which sheet was turned to rows."""
    with converted.open(encoding="utf-8") as file:
        told = json.loads(file.readline())
    return Sheet(told["sheet"], tuple(told["others"]))


def rows(converted: Path) -> Iterator[Row]:
    """Give the rows with anything in them, the header among them, by their numbers in the sheet."""
    with converted.open(encoding="utf-8") as file:
        next(file)
        for text in file:
            line, cells = json.loads(text)
            if cells is None:
                yield Row(line, (), f"This row is longer than {ROW_CHARACTERS_MAX:,} characters.")
            else:
                yield Row(line, tuple(map(_cell, cells)))


def _cell(value: Any) -> Cell:
    if not isinstance(value, dict):
        plain: Cell = value
        return plain
    if "t" in value:
        return datetime.fromisoformat(value["t"])
    return date.fromisoformat(value["d"])
