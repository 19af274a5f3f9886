"""Dates and numbers: how each format reads, what is refused, and which format samples settle."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.values import kept
from app.core.errors import Refused
from app.imports.formats import COMMA, DATE_FORMATS, ISO, NUMBER_FORMATS, POINT, settle_day, settle_number
from app.imports.table import Cell
from tests.imports.test_reading import NOON, SHORTENED, problem, read

NOT_WHOLE = "This is not a whole number."
TIME_OF_DAY = "This has a time of day; here stands a date alone."
NO_TIME = "There is no such time of day."
NUMBER_OF_DAYS = "A moment as a number is seconds or milliseconds since 1970, and this is neither."
WRITTEN = {
    "DD.MM.YYYY": "{0.day:02}.{0.month:02}.{0.year:04}",
    "DD/MM/YYYY": "{0.day}/{0.month}/{0.year:04}",
    "MM/DD/YYYY": "{0.month}/{0.day}/{0.year:04}",
    "DD-MM-YYYY": "{0.day:02}-{0.month:02}-{0.year:04}",
    "YYYY-MM-DD": "{0.year:04}-{0.month:02}-{0.day:02}",
}


@pytest.mark.parametrize(
    ("cell", "pattern", "day"),
    [
        ("1990-05-04", ISO, "1990-05-04"),
        ("1990-05-04", "DD/MM/YYYY", "1990-05-04"),
        ("04.05.1990", "DD.MM.YYYY", "1990-05-04"),
        ("4.5.1990.", "DD.MM.YYYY", "1990-05-04"),
        ("4. 5. 1990", "DD.MM.YYYY", "1990-05-04"),
        ("4/5/1990", "DD/MM/YYYY", "1990-05-04"),
        ("4/5/1990", "MM/DD/YYYY", "1990-04-05"),
        ("04-05-1990", "DD-MM-YYYY", "1990-05-04"),
        ("29.02.2024", "DD.MM.YYYY", "2024-02-29"),
        ("'04.05.1990", "DD.MM.YYYY", "1990-05-04"),
        ("1990-05-04T00:00:00.000Z", ISO, "1990-05-04"),
        ("1990-05-04 00:00", ISO, "1990-05-04"),
        ("1990-05-04T00:00:00+02:00", ISO, "1990-05-04"),
        ("04.05.1990 0:00:00", "DD.MM.YYYY", "1990-05-04"),
        (date(1990, 5, 4), ISO, "1990-05-04"),
        (datetime(1990, 5, 4), ISO, "1990-05-04"),  # noqa: DTZ001 - as spreadsheets have it
    ],
)
def test_dates(cell: Cell, pattern: str, day: str) -> None:
    """ISO, or the pattern of the column; by type where a spreadsheet has one."""
    assert read("DATE", cell, pattern) == day


@pytest.mark.parametrize(
    ("cell", "pattern", "why"),
    [
        ("04.05.90", "DD.MM.YYYY", "The year of a date is written with four digits."),
        ("4/5/90", ISO, "The year of a date is written with four digits."),
        ("04.05.1990", ISO, "This is not a date that is written like YYYY-MM-DD."),
        ("04/05/1990", "DD.MM.YYYY", "This is not a date that is written like DD.MM.YYYY or YYYY-MM-DD."),
        ("19900504", ISO, "This is not a date that is written like YYYY-MM-DD."),
        ("1990-5-4", ISO, "This is not a date that is written like YYYY-MM-DD."),
        ("\u0661990-05-04", ISO, "This is not a date that is written like YYYY-MM-DD."),
        ("May 4", ISO, "This is not a date that is written like YYYY-MM-DD."),
        ("31.02.1990", "DD.MM.YYYY", "There is no such day, read as DD.MM.YYYY."),
        ("12/31/1990", "DD/MM/YYYY", "There is no such day, read as DD/MM/YYYY."),
        ("1990-02-30", "DD/MM/YYYY", "There is no such day, read as YYYY-MM-DD."),
        ("0000-01-01", ISO, "There is no such day, read as YYYY-MM-DD."),
        ("1990-05-04T10:00", ISO, TIME_OF_DAY),
        ("1990-05-04 00:00 o'clock", ISO, TIME_OF_DAY),
        (NOON, ISO, TIME_OF_DAY),
        (33000, ISO, "This is not a date: format the cell as a date, or write YYYY-MM-DD as text."),
        (True, ISO, "This is not a date: format the cell as a date, or write YYYY-MM-DD as text."),
    ],
)
def test_what_is_no_date(cell: Cell, pattern: str, why: str) -> None:
    """Nothing is guessed and nothing cut off."""
    assert problem("DATE", cell, pattern) == why


@pytest.mark.parametrize(
    ("cell", "pattern", "moment"),
    [
        ("2026-05-04T10:00:00Z", ISO, "2026-05-04T10:00:00.000Z"),
        ("2026-05-04t10:00:00.1239z", ISO, "2026-05-04T10:00:00.123Z"),
        ("2026-05-04T10:00:00,5+02:00", ISO, "2026-05-04T08:00:00.500Z"),
        ("2026-05-04T10:00+0200", ISO, "2026-05-04T08:00:00.000Z"),
        ("2026-05-04T10:00:00-05", ISO, "2026-05-04T15:00:00.000Z"),
        ("2026-05-04 10:00", ISO, "2026-05-04T10:00:00.000Z"),
        ("2026-05-04 9:05", ISO, "2026-05-04T09:05:00.000Z"),
        ("2026-05-04 10:00:00 UTC", ISO, "2026-05-04T10:00:00.000Z"),
        ("2026-05-04", ISO, "2026-05-04T00:00:00.000Z"),
        ("04.05.2026 10:00", "DD.MM.YYYY", "2026-05-04T10:00:00.000Z"),
        ("5/4/2026 10:00", "MM/DD/YYYY", "2026-05-04T10:00:00.000Z"),
        ("1777888800", ISO, "2026-05-04T10:00:00.000Z"),
        ("1777888800123", ISO, "2026-05-04T10:00:00.123Z"),
        ("946684800", ISO, "2000-01-01T00:00:00.000Z"),
        ("946684800000", ISO, "2000-01-01T00:00:00.000Z"),
        (1777888800, ISO, "2026-05-04T10:00:00.000Z"),
        (1777888800123.0, ISO, "2026-05-04T10:00:00.123Z"),
        (date(2026, 5, 4), ISO, "2026-05-04T00:00:00.000Z"),
        (NOON, ISO, "2026-05-04T12:00:00.000Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), ISO, "2026-05-04T12:00:00.000Z"),
        (NOON.replace(tzinfo=None), ISO, "2026-05-04T12:00:00.000Z"),
    ],
)
def test_moments(cell: Cell, pattern: str, moment: str) -> None:
    """With their zone, UTC without one; or counted since 1970. The API takes all of them."""
    assert read("DATE_TIME", cell, pattern) == moment
    kept("DATE_TIME", moment)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("20260504", NUMBER_OF_DAYS),
        ("202605041030", NUMBER_OF_DAYS),
        ("20260504103000", NUMBER_OF_DAYS),
        (46146, NUMBER_OF_DAYS),
        ("2026-05-04T25:00", NO_TIME),
        ("2026-05-04T10:00+99:00", NO_TIME),
        ("2026-05-04 10:00 PM", "A time of day is written like 10:00 or 10:00:00+02:00."),
        ("0001-01-01T00:00+05:00", "This moment is before the first year or after the last one."),
        ("04.05.2026 10:00", "This is not a date that is written like YYYY-MM-DD."),
        (True, "This is not a moment such as 2026-05-04T10:00:00Z."),
    ],
)
def test_what_is_no_moment(cell: Cell, why: str) -> None:
    """A number of days of a spreadsheet among it."""
    assert problem("DATE_TIME", cell, ISO) == why


@pytest.mark.parametrize(
    ("cell", "pattern", "number"),
    [
        ("1234", None, 1234),
        ("-5", None, -5),
        ("\N{MINUS SIGN}5", None, -5),
        ("+5", None, 5),
        ("007", None, 7),
        ("5.0", None, 5),
        ("9223372036854775807", None, 2**63 - 1),
        ("-9223372036854775808", None, -(2**63)),
        ("9,223,372,036,854,775,807", POINT, 2**63 - 1),
        ("1,234", POINT, 1234),
        ("1.234", COMMA, 1234),
        ("1 234 567", None, 1234567),
        ("1\u202f234", None, 1234),
        ("1'234", None, 1234),
        ("1\N{RIGHT SINGLE QUOTATION MARK}234", None, 1234),
        ("'1234", None, 1234),
        (1234, None, 1234),
        (1234.0, None, 1234),
        (2**63 - 1, None, 2**63 - 1),
    ],
)
def test_whole_numbers(cell: Cell, pattern: str | None, number: int) -> None:
    """Exact, up to the last digit."""
    value = read("INTEGER", cell, pattern)
    assert (type(value), value) == (int, number)


@pytest.mark.parametrize(
    ("cell", "pattern", "why"),
    [
        ("1.5", POINT, NOT_WHOLE),
        (1.5, None, NOT_WHOLE),
        (True, None, NOT_WHOLE),
        (date(2026, 5, 4), None, NOT_WHOLE),
        ("3.85E+11", POINT, SHORTENED),
        (1e18, None, SHORTENED),
        ("1,234", None, "This number reads in two ways: map the column with the format 1.234,56 or 1,234.56."),
        ("12 EUR", None, "This is not a number."),
        ("1,23,456", POINT, "This is not a number that is written like 1,234.56."),
        ("1,234 567", POINT, "This is not a number that is written like 1,234.56."),
        ("1234,567", COMMA, NOT_WHOLE),
        (".", POINT, "This is not a number that is written like 1,234.56."),
        ("\u0663", None, "This is not a number."),
        ("9" * 5000, None, "This is not a number."),
    ],
)
def test_what_is_no_whole_number(cell: Cell, pattern: str | None, why: str) -> None:
    """Nothing is rounded."""
    assert problem("INTEGER", cell, pattern) == why


@pytest.mark.parametrize(
    ("cell", "pattern", "number"),
    [
        ("1,234.5", POINT, 1234.5),
        ("1.234,5", COMMA, 1234.5),
        ("1 234,5", COMMA, 1234.5),
        ("1'234.5", POINT, 1234.5),
        ("12.5", None, 12.5),
        ("12,5", None, 12.5),
        ("0,125", None, 0.125),
        (".5", POINT, 0.5),
        ("1.5e-3", POINT, 0.0015),
        ("3,85E+11", COMMA, 3.85e11),
        (1.5, None, 1.5),
        (5, None, 5),
    ],
)
def test_numbers(cell: Cell, pattern: str | None, number: float) -> None:
    """By the decimal sign of the column, or where only one is possible."""
    assert read("DECIMAL", cell, pattern) == number


@pytest.mark.parametrize("cell", ["1.234,5", "one", "nan", "inf", "0x1F", "1_000", "12%"])
def test_what_is_no_number(cell: str) -> None:
    """Python would take some of them."""
    assert problem("DECIMAL", cell, POINT) == "This is not a number that is written like 1,234.56."


@pytest.mark.parametrize("cell", [True, date(2026, 5, 4), ["1"]])
def test_cells_of_another_type_are_no_numbers(cell: Cell) -> None:
    """They have one of their own."""
    assert problem("DECIMAL", cell) == "This is not a number."


def spelled(number: int, sign: str, group: str) -> str:
    """Write a number with groups, and a fraction behind its sign."""
    return f"{number:,}".replace(",", group) + f"{sign}25"


@given(st.dates(), st.sampled_from(DATE_FORMATS))
def test_every_day_comes_back_in_every_format(day: date, pattern: str) -> None:
    """As ISO, which the API takes; its settled format is that, or both ways are refused."""
    text = WRITTEN[pattern].format(day)
    assert read("DATE", text, pattern) == day.isoformat()
    kept("DATE", day.isoformat())
    if "/" in text and day.day <= 12:
        with pytest.raises(Refused):
            settle_day([text])
    else:
        assert settle_day([text]) == pattern


@given(st.lists(st.dates(), min_size=1), st.sampled_from(DATE_FORMATS))
def test_settled_dates_read_as_they_were_written(days: list[date], pattern: str) -> None:
    """Or nobody has settled them."""
    texts = [WRITTEN[pattern].format(day) for day in days]
    try:
        settled = settle_day(texts)
    except Refused:
        assert "/" in pattern
        return
    assert [read("DATE", text, settled) for text in texts] == [day.isoformat() for day in days]


@given(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from(["", " ", "'", "\u00a0", "own"]), st.sampled_from(NUMBER_FORMATS)
)
def test_every_whole_number_comes_back_in_every_format(number: int, group: str, pattern: str) -> None:
    """Of 64 bits, to the last digit, however it is grouped."""
    own = "." if pattern == COMMA else ","
    text = f"{number:,}".replace(",", own if group == "own" else group)
    assert read("INTEGER", text, pattern) == number


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(NUMBER_FORMATS))
def test_every_number_comes_back_in_every_format(number: float, pattern: str) -> None:
    """Bit by bit."""
    text = repr(number).replace(".", "," if pattern == COMMA else ".")
    assert read("DECIMAL", text, pattern) == number


@given(st.lists(st.integers(0, 10**7), min_size=1), st.sampled_from([(",", "."), (".", ",")]))
def test_settled_numbers_read_as_they_were_written(numbers: list[int], signs: tuple[str, str]) -> None:
    """With a fraction the sign is beyond doubt."""
    sign, group = signs
    texts = [spelled(number, sign, group) for number in numbers]
    assert [read("DECIMAL", text, settle_number(texts)) for text in texts] == [number + 0.25 for number in numbers]


@given(st.integers(1, 999), st.integers(0, 999))
def test_one_group_alone_is_open(front: int, back: int) -> None:
    """Whichever sign it has; it is never read without a format."""
    text = f"{front},{back:03}"
    with pytest.raises(Refused):
        settle_number([text])
    assert problem("DECIMAL", text).startswith("This number reads in two ways")
    assert (read("DECIMAL", text, POINT), read("DECIMAL", text, COMMA)) == (
        front * 1000 + back,
        float(f"{front}.{back:03}"),
    )
