"""How dates and numbers are written: which formats there are, which one a column's samples settle, and reading by it.

Nothing is guessed: what can be read in two ways is refused until somebody says which one is meant. All pure.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time

from app.core import clock
from app.core.errors import Refused

ISO = "YYYY-MM-DD"
DAY_FIRST, MONTH_FIRST = "DD/MM/YYYY", "MM/DD/YYYY"
DATE_FORMATS = ("DD.MM.YYYY", DAY_FIRST, MONTH_FIRST, "DD-MM-YYYY", ISO)
POINT, COMMA = "1,234.56", "1.234,56"
NUMBER_FORMATS = (COMMA, POINT)
# Type of a column → all formats that a mapping may name for it; ISO dates are read beside any other one.
FORMATS = {"DATE": DATE_FORMATS, "DATE_TIME": DATE_FORMATS, "INTEGER": NUMBER_FORMATS, "DECIMAL": NUMBER_FORMATS}

_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# With the full stop at the end that Croatian and Serbian put.
_DOTTED = re.compile(r"([0-9]{1,2})\. ?([0-9]{1,2})\. ?([0-9]{4})\.?")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_DASHED = re.compile(r"([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})")
# Format → its shape, and where year, month and day stand in it.
_SHAPES = {
    "DD.MM.YYYY": (_DOTTED, (3, 2, 1)),
    DAY_FIRST: (_SLASHED, (3, 2, 1)),
    MONTH_FIRST: (_SLASHED, (3, 1, 2)),
    "DD-MM-YYYY": (_DASHED, (3, 2, 1)),
}
_SHORT_YEAR = re.compile(r"[0-9]{1,2}(?:\. ?|/|-)[0-9]{1,2}(?:\. ?|/|-)[0-9]{2}\.?")
_WITH_TIME = re.compile(r"(.*?[0-9.])[T ]([0-9]{1,2}:[0-9]{2}.*)", re.IGNORECASE)
_TIME = re.compile(
    r"([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?) ?(?:(Z|UTC)|([+-][0-9]{2}(?::?[0-9]{2})?))?", re.IGNORECASE
)
_MIDNIGHT = re.compile(r"[0:.,]+")
_MONTHS = 12
# Seconds of 1973 to 2286; milliseconds of the same years, but for what looks like 199005041030.
_SECONDS = re.compile(r"[0-9]{9,10}")
_MILLISECONDS = re.compile(r"(?!(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{6}$)[0-9]{12,13}")
_SPACES = "' \N{RIGHT SINGLE QUOTATION MARK}"


def _number(group: str, point: str) -> re.Pattern[str]:
    whole = rf"[0-9]*|[1-9][0-9]{{0,2}}(?P<group>[{group}{_SPACES}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    fraction = rf"{point}(?P<fraction>[0-9]+)"
    return re.compile(rf"(?P<sign>[+-]?)(?P<whole>{whole})(?:{fraction})?(?P<exponent>[eE][+-]?[0-9]{{1,3}})?")


_NUMBERS = {POINT: _number(",", r"\."), COMMA: _number(r"\.", ",")}
_GROUPS = re.compile(rf"[.,{_SPACES}]")
# Three digits behind a sign may be thousands as well; a fourth one settles it.
_THOUSANDTHS = re.compile(r"\.[0-9]{3}(?![0-9])")
# Above it a number of a spreadsheet has lost its last digits.
EXACT_FLOAT = 2**53
# More digits are no number that anybody wrote.
_NUMBER_CHARACTERS = 400


# ---------------------------------------------------------------- dates


def day(text: str, pattern: str) -> date:
    """Return the day of a text in ISO or in `pattern`; a time of day beside it must be midnight."""
    with_time = _WITH_TIME.fullmatch(text)
    if not with_time:
        return _day(text, pattern)
    parts = _TIME.fullmatch(with_time[2])
    if not parts or not _MIDNIGHT.fullmatch(parts[1]):
        raise Refused("INVALID", "This has a time of day; here stands a date alone.")
    return _day(with_time[1], pattern)


def _day(text: str, pattern: str) -> date:
    found, (year, month, day_) = _ISO.fullmatch(text), (1, 2, 3)
    if not found and pattern != ISO:
        shape, (year, month, day_) = _SHAPES[pattern]
        found = shape.fullmatch(text)
    if not found:
        if _SHORT_YEAR.fullmatch(text):
            raise Refused("INVALID", "The year of a date is written with four digits.")
        wanted = ISO if pattern == ISO else f"{pattern} or {ISO}"
        raise Refused("INVALID", f"This is not a date that is written like {wanted}.")
    try:
        return date(int(found[year]), int(found[month]), int(found[day_]))
    except ValueError as error:
        raise Refused(
            "INVALID", f"There is no such day, read as {pattern if found.re is not _ISO else ISO}."
        ) from error


def is_date(text: str) -> bool:
    """Tell whether a text has the shape of a date, in any format."""
    return any(shape.fullmatch(text) for shape in (_ISO, _DOTTED, _SLASHED, _DASHED, _SHORT_YEAR))


def moment(text: str, pattern: str) -> str:
    """Return a moment as the API takes it: ISO or `pattern` with a time, UTC where no zone stands, or epoch."""
    if _SECONDS.fullmatch(text):
        return clock.text(clock.moment(int(text) * 1000))
    if _MILLISECONDS.fullmatch(text):
        return clock.text(clock.moment(int(text)))
    with_time = _WITH_TIME.fullmatch(text)
    if not with_time:
        return utc(datetime.combine(_moment_day(text, pattern), time()))
    return utc(datetime.combine(_moment_day(with_time[1], pattern), _time(with_time[2])))


def _moment_day(text: str, pattern: str) -> date:
    if text.isdigit():
        raise Refused("INVALID", "A moment as a number is seconds or milliseconds since 1970, and this is neither.")
    return _day(text, pattern)


def _time(text: str) -> time:
    parts = _TIME.fullmatch(text)
    if not parts:
        raise Refused("INVALID", "A time of day is written like 10:00 or 10:00:00+02:00.")
    hours = parts[1] if parts[1][2] == ":" else f"0{parts[1]}"
    try:
        return time.fromisoformat(hours + ("+00:00" if parts[2] else parts[3] or ""))
    except ValueError as error:
        raise Refused("INVALID", "There is no such time of day.") from error


def utc(value: datetime) -> str:
    """Return a moment as the API takes it; one without a zone is UTC."""
    try:
        in_utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise Refused("INVALID", "This moment is before the first year or after the last one.") from error
    return clock.text(in_utc)


def settle_day(texts: Sequence[str]) -> str:
    """Return the one format that all samples of a date column allow; refuses several, and none."""
    days = [found[1] if (found := _WITH_TIME.fullmatch(text)) else text for text in texts]
    shaped = {name: [one for one in days if shape.fullmatch(one)] for name, (shape, _) in _SHAPES.items()}
    slashed = [tuple(map(int, one.split("/")[:2])) for one in shaped.pop(MONTH_FIRST)]
    month_first = any(first <= _MONTHS < second for first, second in slashed)
    day_first = any(second <= _MONTHS < first for first, second in slashed)
    used = [name for name, samples in shaped.items() if samples]
    if len(used) > 1 or (month_first and day_first):
        raise Refused("INVALID", f"The dates of this column are written in several ways. Write them as {ISO}.")
    if used == [DAY_FIRST] and not (month_first or day_first):
        either = f"Say which one by the format {DAY_FIRST} or {MONTH_FIRST}, or write them as {ISO}"
        raise Refused("INVALID", f"{shaped[DAY_FIRST][0]} may begin with the day or with the month. {either}.")
    if month_first:
        return MONTH_FIRST
    return used[0] if used else ISO


# ---------------------------------------------------------------- numbers


def _plain(text: str, pattern: str) -> tuple[str, str] | None:
    """Return a number as Python writes it, whole part and the rest; None where it is none of that format."""
    found = _NUMBERS[pattern].fullmatch(text) if len(text) <= _NUMBER_CHARACTERS else None
    if not found or not (found["whole"] or found["fraction"]):
        return None
    whole = _GROUPS.sub("", found["whole"]) or "0"
    fraction = f".{found['fraction']}" if found["fraction"] else ""
    return found["sign"] + whole, fraction + (found["exponent"] or "")


def number(text: str, pattern: str | None) -> tuple[str, str]:
    """Return a number as Python writes it, whole part and the rest; without a format it must read one way."""
    text = text.replace("\N{MINUS SIGN}", "-")
    ways = {_plain(text, one) for one in ((pattern,) if pattern else NUMBER_FORMATS)} - {None}
    if not ways:
        wanted = f" that is written like {pattern}" if pattern else ""
        raise Refused("INVALID", f"This is not a number{wanted}.")
    if len(ways) > 1:
        words = f"This number reads in two ways: map the column with the format {COMMA} or {POINT}."
        raise Refused("INVALID", words)
    return next(way for way in ways if way)


def plain(value: float) -> str:
    """Return a number of a spreadsheet or of JSON as text: without a fraction where it is whole and exact."""
    if value.is_integer():
        return str(int(value)) if abs(value) <= EXACT_FLOAT else f"{value:.16e}"
    return repr(value)


def written(value: float, pattern: str | None) -> str:
    """Return a number as text that reads as it by the format, without a format in one way alone."""
    text = plain(value)
    return text.replace(".", ",") if pattern == COMMA else _THOUSANDTHS.sub(r"\g<0>0", text)


def settle_number(texts: Sequence[str]) -> str | None:
    """Return the format that all samples of a number column allow, None where none of them needs one."""
    ways = [tuple(_plain(text.replace("\N{MINUS SIGN}", "-"), one) for one in NUMBER_FORMATS) for text in texts]
    fits = [name for place, name in enumerate(NUMBER_FORMATS) if all(way[place] for way in ways if any(way))]
    if not fits:
        either = f"Say which one by the format {COMMA} or {POINT}"
        raise Refused("INVALID", f"The decimal sign of this column is now a comma, now a point. {either}.")
    if len(fits) == 1:
        return fits[0]
    open_ = [text for text, (comma, point) in zip(texts, ways, strict=True) if comma != point]
    if open_:
        raise Refused("INVALID", f"{open_[0]} reads in two ways. Say which one by the format {COMMA} or {POINT}.")
    return None


SETTLED: dict[str, Callable[[Sequence[str]], str | None]] = {
    "DATE": settle_day,
    "DATE_TIME": settle_day,
    "INTEGER": settle_number,
    "DECIMAL": settle_number,
}
