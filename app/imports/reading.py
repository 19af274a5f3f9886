"""One cell to one value: a reading function for each kind of column. All pure.

A reader returns what a client of the API would send, None for an absent cell, and refuses what it can't read; messages
name no values, so that equal mistakes are counted together. What the API checks itself is left to it.
"""

import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from importlib.resources import files
from typing import Any

from app.core.errors import Refused
from app.core.text import composed
from app.imports import formats
from app.imports.fields import DOMAINS, EMAIL, GENDER, PHONE, TAGS, letters
from app.imports.table import Cell

Reader = Callable[[Cell], Any]

# What stands for nothing. No `Null`: that is a family name.
ABSENT = frozenset({"", "-", "n/a", "N/A", "null", "NULL"})
_WORDS = tomllib.loads((files(__package__) / "words.toml").read_text("utf-8"))
GENDERS = {letters(word): gender for gender, words in _WORDS["gender"].items() for word in words}
BOOLEANS = {letters(word): truth == "true" for truth, words in _WORDS["boolean"].items() for word in words}
# No-break and thin spaces are spaces; those without width are nothing.
_SPACES = str.maketrans({**dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), **dict.fromkeys("\u200b\u2060\ufeff", None)})
# Marks of direction, which address books leave around what is copied from them.
_DIRECTION = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069 \t\r\n"
_ODD = re.compile("[\u00a0\u2007\u2009\u200b\u200e\u200f\u202a-\u202f\u2060\u2066-\u2069\ufeff]")
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+")
# See `formats.plain`: nobody else writes so many decimals.
_ROUNDED = re.compile(r"-?[0-9]\.[0-9]{16}e\+[0-9]{2}")
# Two and more zeros behind a sign may be the end of a short number; behind ten digits they are a fraction.
_SHEET_NUMBER = re.compile(rf"(\+?[0-9]+(?=[.,]0\Z)|\+?[0-9]{{10,}}(?=[.,]0+\Z))[.,]0+|{_SHORTENED.pattern}")
_NAMED_EMAIL = re.compile(r"[^<>]*<([^<>]*)>")
_SITE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@]*@)?([^/?#:]*).*|([^/?#:@]+)[/?#:].*", re.IGNORECASE | re.DOTALL
)
_WWW = re.compile(r"www\.(?=[^.]+\.)", re.IGNORECASE)
_SHORTENED_WORDS = "The spreadsheet has shortened this number: format the column as text there and export it again."


def tidy(cell: str) -> str:
    """Return a text trimmed and composed, without what an export put before a formula; empty where it is absent."""
    return _trimmed(composed(cell))


def _trimmed(cell: str) -> str:
    value = cell.strip()
    if not value.isascii() and _ODD.search(value):
        value = value.translate(_SPACES).strip(_DIRECTION)
    if value.startswith(_FORMULA):
        value = value[1:].strip()
    return "" if value in ABSENT else value


def bare(cell: str) -> str:
    """Return the same without a leading apostrophe, which no phone, date or number has."""
    return tidy(cell).removeprefix("'").lstrip()


def string(cell: Cell) -> str | None:
    """Read a text; dates and numbers of spreadsheets become what they show."""
    return (_whole(tidy(cell)) if isinstance(cell, str) else _written(cell)) or None


def exact(cell: Cell) -> str | None:
    """Read the id of another system: a text in the form that it has."""
    return (_whole(_trimmed(cell)) if isinstance(cell, str) else _written(cell)) or None


def _whole(value: str) -> str:
    """Return a text; refuses a number that was shortened, as the file of errors writes it: nobody has repaired it."""
    if value[-4:-2] == "e+" and _ROUNDED.fullmatch(value):
        raise Refused("INVALID", _SHORTENED_WORDS)
    return value


def _tag(part: str) -> str:
    return _whole(tidy(part))


def _written(cell: Cell) -> str:
    match cell:
        # Many programs write what has nothing in it as an empty list.
        case None | []:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return _digits(cell)
        case datetime():
            return cell.date().isoformat() if _midnight(cell) else formats.utc(cell)
        case date():
            return cell.isoformat()
        case list() | dict():
            raise Refused("INVALID", "This is a list or an object; here stands one value.")
    return str(cell)


def _digits(cell: float) -> str:
    """Write a number of a spreadsheet: whole ones without a fraction, and only where no digit is lost."""
    if cell.is_integer() and abs(cell) > formats.EXACT_FLOAT:
        raise Refused("INVALID", _SHORTENED_WORDS)
    return formats.plain(cell)


def _midnight(cell: datetime) -> bool:
    return cell.time() == time()


def _several(one: Callable[[str], str | None]) -> Reader:
    """Return the reader of a cell with several values: divided by `;`, or a list of JSON."""

    def read(cell: Cell) -> list[str] | None:
        if isinstance(cell, str):
            if ";" not in cell:
                return [value] if (value := one(cell)) else None
            parts = cell.split(";")
        elif isinstance(cell, list):
            parts = [string(item) or "" for item in cell]
        else:
            parts = [_written(cell)]
        return [value for part in parts if (value := one(part))] or None

    return read


def _email(part: str) -> str | None:
    value = tidy(part)
    if "<" in value and (named := _NAMED_EMAIL.fullmatch(value)):
        value = named[1].strip()
    if ":" in value and value[:7].lower() == "mailto:":
        value = value[7:].partition("?")[0].strip()
    return value


def _phone(part: str) -> str | None:
    value = bare(part)
    number = _SHEET_NUMBER.fullmatch(value)
    if number and number[1] is None:
        raise Refused("INVALID", _SHORTENED_WORDS)
    return number[1] if number else value


_phones = _several(_phone)


def _phone_cell(cell: Cell) -> list[str] | None:
    if isinstance(cell, float) and not cell.is_integer():
        raise Refused("INVALID", "This is a number with a fraction, and no phone.")
    value: list[str] | None = _phones(cell)
    return value


def _domain(part: str) -> str | None:
    value = tidy(part)
    if site := _SITE.fullmatch(value):
        value = site[1] or site[2] or value
    return _WWW.sub("", value, count=1) if value[:4].lower() == "www." else value


def _typed(read: Callable[[str], Any], others: Callable[[Any], Any]) -> Reader:
    """Return a reader: texts are tidied and read, cells with a type of their own go the other way."""

    def reader(cell: Cell) -> Any:
        if cell is None or cell == []:
            return None
        if not isinstance(cell, str):
            return others(cell)
        value = bare(cell)
        return read(value) if value else None

    return reader


def _date(pattern: str) -> Reader:
    def typed(cell: Cell) -> str:
        if isinstance(cell, datetime) and _midnight(cell):
            return cell.date().isoformat()
        if isinstance(cell, datetime):
            raise Refused("INVALID", "This has a time of day; here stands a date alone.")
        if isinstance(cell, date):
            return cell.isoformat()
        raise Refused("INVALID", f"This is not a date: format the cell as a date, or write {formats.ISO} as text.")

    return _typed(lambda value: formats.day(value, pattern).isoformat(), typed)


def _moment(pattern: str) -> Reader:
    def typed(cell: Cell) -> str:
        if isinstance(cell, datetime):
            return formats.utc(cell)
        if isinstance(cell, date):
            return formats.utc(datetime.combine(cell, time()))
        if isinstance(cell, (int, float)) and not isinstance(cell, bool):
            return formats.moment(_written(cell), pattern)
        raise Refused("INVALID", "This is not a moment such as 2026-05-04T10:00:00Z.")

    return _typed(lambda value: formats.moment(value, pattern), typed)


def _integer(pattern: str | None) -> Reader:
    def whole(value: str) -> int:
        if _SHORTENED.fullmatch(value):
            raise Refused("INVALID", _SHORTENED_WORDS)
        digits, rest = formats.number(value, pattern)
        if rest.strip(".0"):
            raise Refused("INVALID", "This is not a whole number.")
        return int(digits)

    def typed(cell: Cell) -> int:
        if isinstance(cell, float) and cell.is_integer():
            return int(_digits(cell))
        if type(cell) is int:
            return cell
        raise Refused("INVALID", "This is not a whole number.")

    return _typed(whole, typed)


def _decimal(pattern: str | None) -> Reader:
    def typed(cell: Cell) -> int | float:
        if isinstance(cell, bool) or not isinstance(cell, (int, float)):
            raise Refused("INVALID", "This is not a number.")
        return cell

    return _typed(lambda value: float("".join(formats.number(value, pattern))), typed)


def _boolean(cell: Cell) -> Any:
    if isinstance(cell, bool):
        return cell
    return _listed(cell, BOOLEANS, "This is neither yes nor no: write true or false.")


def _gender(cell: Cell) -> Any:
    return _listed(cell, GENDERS, "This is not a gender that is known here: write MALE, FEMALE or UNKNOWN.")


def _listed(cell: Cell, words: dict[str, Any], refusal: str) -> Any:
    value = string(cell)
    if not value:
        return None
    found = words.get(letters(value.removeprefix("'").removesuffix(".")))
    if found is None:
        raise Refused("INVALID", refusal)
    return found


def _list(cell: Cell) -> list[Any] | None:
    if isinstance(cell, list):
        return cell
    if cell is None or (isinstance(cell, str) and not tidy(cell)):
        return None
    raise Refused("INVALID", "A list comes from a JSON file, as a list of objects.")


_PLAIN: dict[str, Reader] = {
    "STRING": string,
    "BOOLEAN": _boolean,
    "LIST": _list,
    GENDER: _gender,
    EMAIL: _several(_email),
    PHONE: _phone_cell,
    TAGS: _several(_tag),
    DOMAINS: _several(_domain),
}
_DATES = {"DATE": _date, "DATE_TIME": _moment}
_NUMBERS = {"INTEGER": _integer, "DECIMAL": _decimal}


def reader(kind: str, pattern: str | None) -> Reader:
    """Return the reader of a kind of cells; dates and numbers are read by the column's format."""
    if kind in _DATES:
        return _DATES[kind](pattern or formats.ISO)
    return _NUMBERS[kind](pattern) if kind in _NUMBERS else _PLAIN[kind]
