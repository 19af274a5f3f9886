"""The names of columns: none is empty, none is there twice, and data is no header. All pure."""

import re
from collections.abc import Collection, Iterable
from itertools import islice

from app.core import text
from app.core.errors import Refused
from app.imports.charset import mended
from app.imports.table import COLUMNS_MAX, ERROR, TOO_MANY_COLUMNS, Cell, Unreadable

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.\w{2,}")
# What a formula-safe export puts before a name that looks like a formula.
_SAFE = re.compile(r"\A\s*'(?=[=+@-])")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\u200b\u2060\ufeff]")


def header(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the names of columns by the first row; refuses one that is a row of data, and too many columns."""
    texts = [name_of(cell) for cell in cells]
    for one in texts:
        # Not which one: why a file could not be read is kept for longer than the file.
        if found := "an email address" if _EMAIL.fullmatch(one) else "a phone number" if _is_phone(one) else None:
            raise Unreadable(
                f"The first row looks like data: it has {found} in it. "
                "Put a row above it that names the columns, such as: first name, email, phone."
            )
    return names(texts)


def name_of(cell: Cell) -> str:
    """Return a cell as the name of a column: on one line, without characters that nobody sees."""
    whole = int(cell) if isinstance(cell, float) and cell.is_integer() else cell
    written = _INVISIBLE.sub("", mended("" if whole is None else str(whole)))
    return " ".join(_SAFE.sub("", written).split())


def names(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names with `Column 4` where one is empty and `email (2)` where one is there again."""
    found = named(islice(texts, COLUMNS_MAX + 2))
    refuse_many(found)
    return found


def refuse_many(columns: Collection[str]) -> None:
    """Refuse too many columns; that of a file of errors is none of them."""
    if len(columns) > COLUMNS_MAX + (ERROR in columns):
        raise Unreadable(TOO_MANY_COLUMNS)


def named(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the same for any number."""
    found: dict[str, None] = {}
    counts: dict[str, int] = {}
    for place, given in enumerate(texts, 1):
        plain = given or f"Column {place}"
        name = plain
        while name in found:
            counts[plain] = counts.get(plain, 1) + 1
            name = f"{plain} ({counts[plain]})"
        found[name] = None
    return tuple(found)


def _is_phone(value: str) -> bool:
    try:
        text.phone(value)
    except Refused:
        return False
    return True
