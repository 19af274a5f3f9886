"""JSON as a table: a list of objects by `ijson`, or one object a line; fields of an object in an object by `a.b`.

Whole numbers are exact, those beyond 64 bits as texts; others are 64-bit floats, as JSON's readers have them.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TextIO

import ijson  # type: ignore[import-untyped]
from ijson.common import ObjectBuilder  # type: ignore[import-untyped]

from app.imports.charset import MARK, MARKING, mended
from app.imports.header import name_of, names, refuse_many
from app.imports.table import COLUMNS_MAX, ROW_CHARACTERS_MAX, Cell, Row, Unreadable

SAMPLE_OBJECTS = 1_000
READ_CHARACTERS = 65_536
# Python makes no whole number of more; ijson does not look whether it could, and the process would be gone.
DIGITS_MAX = 4_300
_DIGITS = "0123456789"
_TOO_MANY_DIGITS = re.compile(rf"(?<![0-9])[0-9]{{{DIGITS_MAX + 1}}}")
# Objects and lists in each other; what is deeper is no person.
DEPTH = 32
_INTS = range(-(2**63), 2**63)
_LIST_WANTED = "A JSON file is read as a list of objects: [{…}, {…}]. Write it so, or one object a line."
_NO_OBJECT = "This is no object, such as {…}."
_DEEPER = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}


@dataclass(frozen=True, slots=True)
class _Found:
    """An item of the list, or a line: its value, or why it has none."""

    line: int
    value: Any
    problem: str | None = None
    # Whether a mark may be in it; to look for it in each value would be dear.
    doubtful: bool = False


Find = Callable[[], Iterator[_Found]]


def opened(path: Path, charset: str, *, by_line: bool) -> tuple[tuple[str, ...], Callable[[], Iterator[Row]]]:
    """Return the columns by the fields of the first 1,000 objects, and what reads the rows."""

    def find() -> Iterator[_Found]:
        return _lines(path, charset) if by_line else _items(path, charset)

    fields: dict[str, None] = {}
    for found in islice(find(), SAMPLE_OBJECTS):
        fields |= dict.fromkeys(_flat(found.value) if isinstance(found.value, dict) else ())
        refuse_many(fields)
    if not fields:
        raise Unreadable("The file has no objects with fields in it.")
    return names(map(name_of, fields)), lambda: (_row(found, charset, fields) for found in find())


def _items(path: Path, charset: str) -> Iterator[_Found]:
    """Give the items of the list; raises Unreadable where it is broken, by the number of the object."""
    with path.open(encoding=charset, errors=MARKING, newline="") as stream:
        source = _Source(stream)
        index = 0
        try:
            for value in _values(ijson.basic_parse(source, buf_size=READ_CHARACTERS)):
                index += 1
                source.characters = 0
                yield _Found(index, value, doubtful=source.doubtful)
        except (ijson.JSONError, ValueError, ArithmeticError) as error:
            raise Unreadable(f"The JSON is broken at object {index + 1}.") from error
        except _Beyond as error:
            raise Unreadable(f"Object {index + 1} {error}.") from error


class _Beyond(Exception):  # noqa: N818 - never leaves this module
    """An object that can't be held; the words go on behind its number."""


class _Source:
    """Gives ijson UTF-8, whatever the charset is; ends what goes on without end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.characters = 0
        self.doubtful = False
        # Digits at the end of what was read last: a number may go on.
        self._digits = ""

    def read(self, size: int) -> bytes:
        """Return the next bytes; none where ijson asks for none, to see their type."""
        if self.characters > ROW_CHARACTERS_MAX:
            raise _Beyond(f"is longer than {ROW_CHARACTERS_MAX:,} characters")
        text = self._stream.read(size)
        self.characters += len(text)
        self.doubtful = self.doubtful or MARK in text
        going = self._digits + text
        if _TOO_MANY_DIGITS.search(going):
            raise _Beyond(f"has a number of more than {DIGITS_MAX:,} digits")
        self._digits = going[len(going.rstrip(_DIGITS)) :]
        return text.encode()


def _values(events: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """Put together the values of a list; built here, for ijson's own way keeps a path for each level of depth."""
    if next(events)[0] != "start_array":
        raise Unreadable(_LIST_WANTED)
    depth = 0
    builder = ObjectBuilder()
    for event, value in events:
        depth += _DEEPER.get(event, 0)
        if depth > DEPTH:
            raise _Beyond(f"is more than {DEPTH} levels deep")
        if depth < 0:
            continue
        builder.event(event, value)
        if depth == 0:
            yield builder.value
            builder = ObjectBuilder()


def _lines(path: Path, charset: str) -> Iterator[_Found]:
    """Give the lines that are not empty; a broken one has a problem."""
    with path.open(encoding=charset, errors=MARKING, newline="") as stream:
        line = 0
        while text := stream.readline(ROW_CHARACTERS_MAX):
            line += 1
            if len(text) == ROW_CHARACTERS_MAX:
                yield _Found(line, None, f"This line has {ROW_CHARACTERS_MAX:,} characters and more.")
            elif text.strip():
                yield _parsed(line, text)
            while len(text) == ROW_CHARACTERS_MAX and not text.endswith("\n"):
                text = stream.readline(ROW_CHARACTERS_MAX)


def _parsed(line: int, text: str) -> _Found:
    try:
        return _Found(line, _DECODER.decode(text), doubtful=MARK in text)
    except (ValueError, RecursionError):
        return _Found(line, None, "This line is no JSON object.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# NaN and Infinity are JSON to Python alone.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an object, those of objects in it by dotted names."""
    flat: dict[str, Any] = {}
    for name, one in value.items():
        if isinstance(one, dict):
            flat |= {f"{name}.{inner}": leaf for inner, leaf in one.items()}
        else:
            flat[name] = one
    return flat


def _row(found: _Found, charset: str, fields: dict[str, None]) -> Row:
    if found.problem is not None or not isinstance(found.value, dict):
        return Row(found.line, (), found.problem or _NO_OBJECT)
    flat = _flat(found.value)
    try:
        cells = tuple([_cell(flat.get(name)) for name in fields])
        marked = found.doubtful and _is_marked(flat)
    except RecursionError:
        return Row(found.line, (), "This object is too deep.")
    beyond = sorted(name for name in flat.keys() - fields.keys() if flat[name] not in (None, "", []))[:COLUMNS_MAX]
    if marked:
        return Row(found.line, cells, f"This object has characters that are not {charset}. Save the file as UTF-8.")
    if beyond:
        named = tuple(map(name_of, beyond))
        problem = f"The field {mended(beyond[0])!r} has no column: none of the first {SAMPLE_OBJECTS:,} objects has it."
        return Row(found.line, cells + tuple(_cell(flat[name]) for name in beyond), problem, named)
    return Row(found.line, cells)


def _is_marked(value: Any) -> bool:
    if isinstance(value, str):
        return MARK in value
    if isinstance(value, dict):
        return any(_is_marked(name) or _is_marked(one) for name, one in value.items())
    return isinstance(value, list) and any(map(_is_marked, value))


def _cell(value: Any) -> Cell:
    """Return a cell: a list of objects as it is, one of other values as texts, whatever is deeper as JSON."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return [_kept(one) for one in value]
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return [_text(_kept(one)) for one in value if one is not None]
    kept: Cell = _text(_kept(value)) if isinstance(value, (dict, list)) else _kept(value)
    return kept


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kept(value: Any) -> Any:
    """Return a value of JSON as it can be kept: numbers that every store has, texts without half characters."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, (Decimal, float)):
        number = float(value)
        return number if math.isfinite(number) else str(value)
    if isinstance(value, int):
        return value if value in _INTS else str(value)
    if isinstance(value, dict):
        return {mended(name): _kept(one) for name, one in value.items()}
    return [_kept(one) for one in value] if isinstance(value, list) else value
