"""Tables of text, cells between delimiters: read by `csv`, line by line, so that no row fills memory."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from app.imports.charset import MARK, MARKING, mended
from app.imports.table import ROW_CHARACTERS_MAX, Row

SAMPLE_CHARACTERS = 65_536
SAMPLE_ROWS = 200
SEP_CHARACTERS = 16
# What stands in texts least is asked first: of two that fit equally well the first one is it.
_DELIMITERS = "\t;|,"
_SEP = re.compile(r'"?sep=(?P<delimiter>[^\w\s"]|\t)"?[ ]*(?:[\r\n]|\Z)', re.IGNORECASE)

# The bound of a row is ours, see `_Lines`; the module's own is a setting of the process and shorter.
csv.field_size_limit(2 * ROW_CHARACTERS_MAX)


class _Broken(Exception):  # noqa: N818 - never leaves this module
    """A row that csv can't be given whole."""


def delimiter_of(text: str) -> str:
    """Return the delimiter of a text: what a `sep=` line says, else the one with equal columns in most rows.

    `csv.Sniffer` is not asked: its patterns take a minute for 64 KB of quotes, and hold the interpreter for it.
    """
    said = _SEP.match(text)
    if said:
        return said["delimiter"]
    best = max(_DELIMITERS, key=lambda one: _evenness(text[:SAMPLE_CHARACTERS], one))
    return best if _evenness(text[:SAMPLE_CHARACTERS], best)[0] else ","


def _evenness(text: str, delimiter: str) -> tuple[float, int]:
    """Return the share of rows that have as many cells as the first one, and how many these are; 0 for one cell."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    counts = [len(row) for row in islice(filter(any, rows), SAMPLE_ROWS)]
    # The last one may be cut off.
    whole = counts[:-1] or counts
    if not whole or whole[0] == 1:
        return 0, 0
    return whole.count(whole[0]) / len(whole), whole[0]


class _Lines:
    """The lines of a text, one after the other for `csv.reader`; knows where the row began that is being read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.line = 1 if _SEP.match(stream.readline(SEP_CHARACTERS)) else 0
        if not self.line:
            stream.seek(0)
        self.begin()

    def begin(self) -> None:
        """Say that the next line begins a row."""
        self.first = self.line + 1
        self.opened = self.first
        self.characters = 0
        self.marked = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        text = self._stream.readline(ROW_CHARACTERS_MAX)
        goes_on = self.line >= self.first
        if not text and goes_on:
            raise _Broken(f"The quotes that open in line {self.opened} never close: {self.told()} not read.")
        if not text:
            raise StopIteration
        self.line += 1
        self.characters += len(text)
        self.marked = self.marked or MARK in text
        if goes_on and '"' in text.replace('""', ""):
            self.opened = self.line
        if self.characters >= ROW_CHARACTERS_MAX:
            self._refuse(text, in_quotes=goes_on)
        return text

    def told(self) -> str:
        """Say which lines the row has so far."""
        return f"line {self.first} is" if self.line <= self.first else f"lines {self.first} to {self.line} are"

    def _refuse(self, text: str, *, in_quotes: bool) -> None:
        """Refuse a row that is too long, after the line that it has come to is passed over."""
        while len(text) == ROW_CHARACTERS_MAX and not text.endswith(("\n", "\r")):
            text = self._stream.readline(ROW_CHARACTERS_MAX)
        if in_quotes:
            raise _Broken(
                f"The quotes that open in line {self.opened} don't close within {ROW_CHARACTERS_MAX:,} characters: "
                f"{self.told()} not read."
            )
        raise _Broken(f"This line has {ROW_CHARACTERS_MAX:,} characters and more.")


def rows(path: Path, charset: str, delimiter: str) -> Iterator[Row]:
    """Give all rows that are not empty, the header among them; a `sep=` line is left out. Cells are texts.

    What can't be read is a row with a problem and the reading goes on behind it: quotes that don't close, or that
    stand alone in a cell, lines and rows that are too long, bytes that don't fit the charset.
    """
    with path.open(encoding=charset, errors=MARKING, newline="") as stream:
        lines = _Lines(stream)
        # Strict: one quote too many would else join two rows to one without a word.
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            row = _next(reader, lines, charset)
            if row is None:
                return
            if row.problem or any(isinstance(cell, str) and cell.strip() for cell in row.cells):
                yield row


def _next(reader: Iterator[list[str]], lines: _Lines, charset: str) -> Row | None:
    """Return the next row, an empty one as well; None at the end."""
    lines.begin()
    try:
        cells = next(reader)
    except StopIteration:
        return None
    except _Broken as broken:
        return Row(lines.first, (), str(broken))
    except csv.Error:
        problem = f'A quote stands alone in a cell, where it is written twice (""): {lines.told()} not read.'
        return Row(lines.first, (), problem)
    if lines.marked:
        problem = f"This row has characters that are not {charset}. Save the file as UTF-8."
        return Row(lines.first, tuple(map(mended, cells)), problem)
    return Row(lines.first, tuple(cells))
