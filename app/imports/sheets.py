"""Spreadsheets: turned to rows by a child process, since a workbook is held whole while it is read."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.imports import sheets_child as child
from app.imports.table import ROW_CHARACTERS_MAX, Cell, Row, Unreadable

WORKBOOK_SECONDS_MAX = 120
# While somebody waits for the answer: it is to come before the time of an operation is over.
WORKBOOK_LOOK_SECONDS_MAX = 20
_TOO_LARGE = "The workbook is too large to be read, or damaged. Save the sheet as CSV."
_SAID = {
    child.PROTECTED: "The file is protected by a password. Save it without one.",
    child.EMPTY: "The workbook has no visible sheet with rows.",
    child.DAMAGED: "The workbook is damaged. Open it in a spreadsheet program and save it once more.",
    child.TOO_LARGE: _TOO_LARGE,
}
# Children that run, so that they end with the process.
_RUNNING: set["subprocess.Popen[bytes]"] = set()
PROTECTED = _SAID[child.PROTECTED]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was turned to rows: its name, and the names of those that are not read."""

    name: str
    others: tuple[str, ...]


def convert(workbook: Path, kind: str, to: Path, wanted: str | None = None, *, look: bool = False) -> None:
    """Write the rows of a sheet to `to`, where they appear when they are whole; by default the first with rows.

    `kind`: XLSX or XLS. Ends after two minutes, with the child, and sooner where it is but a `look` that somebody waits
    for. Raises Unreadable with what to do.
    """
    with TemporaryDirectory(dir=to.parent) as folder:
        # By this name the library knows which format to complain about; else it would only say that it is none.
        named, part = Path(folder) / f"workbook.{kind.lower()}", Path(folder) / "rows"
        named.symlink_to(workbook.resolve())
        arguments = [str(named), str(part), *([wanted] if wanted else [])]
        seconds = WORKBOOK_LOOK_SECONDS_MAX if look else WORKBOOK_SECONDS_MAX
        said, status = _ended([sys.executable, "-I", child.__file__, *arguments], seconds)
        # Without a word it ended by itself: where memory runs out nobody says more.
        if said or status:
            raise Unreadable(_SAID.get(said, _TOO_LARGE))
        part.replace(to)


def _ended(command: Sequence[str], seconds: float) -> tuple[str, int]:
    """Run a child to its end; returns what it said, and its status."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:  # noqa: S603 - our own
        _RUNNING.add(one)
        try:
            said, _ = one.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise Unreadable(_TOO_LARGE) from error
        finally:
            _RUNNING.discard(one)
            one.kill()
    return said.decode(errors="replace"), one.returncode


def end_all() -> None:
    """End all children: the process stops, and their threads would keep it for two minutes."""
    for one in list(_RUNNING):
        one.kill()


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
