"""Spreadsheets: the first visible sheet with rows, its values as they are stored; read by a process that has bounds."""

import io
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest

from app.imports import sheets
from app.imports.readers import opened
from app.imports.table import Detection, Row, Unreadable
from tests.imports.files import PEOPLE, made, protected_xls, protected_xlsx, workbook, xls, xlsx


@pytest.mark.parametrize("content", [xlsx(), xls()])
def test_a_sheet_is_a_table(tmp_path: Path, content: bytes) -> None:
    """Of either format; it is named."""
    table = made(tmp_path, content, "people.xlsx")
    assert (table.columns, table.detection.sheet) == (PEOPLE[0], "people")
    assert list(table.rows()) == [Row(2, ("Ann", "Wien")), Row(3, ("Bob", "Graz"))]
    assert len(list(table.rows())) == 2


def test_values_come_as_the_sheet_has_them(tmp_path: Path) -> None:
    """Dates by the type of their cells; of a formula what was stored, and a sheet that was never reckoned has none."""
    moment = datetime(2024, 5, 4, 10, 30)  # noqa: DTZ001 - a sheet knows no zones
    values = [date(2024, 5, 4), moment, time(10, 3), timedelta(hours=30), 5, 1.5, True, " x\ny", "=1+1", None]
    table = made(tmp_path, xlsx([[f"c{i}" for i in range(len(values))], values]))
    assert list(table.rows()) == [
        Row(2, (date(2024, 5, 4), moment, "10:03:00", "1 day, 6:00:00", 5.0, 1.5, True, " x\ny", None, None))
    ]


def test_dates_of_old_workbooks_are_dates(tmp_path: Path) -> None:
    """By the format of the cell."""
    table = made(tmp_path, xls([("born", "size"), (date(2001, 2, 3), 1.5)]), "a.xls")
    assert [row.cells for row in table.rows()] == [(date(2001, 2, 3), 1.5)]


def test_rows_are_told_by_the_sheets_numbers(tmp_path: Path) -> None:
    """Empty ones are passed over, above the header as well."""
    table = made(tmp_path, xlsx([(), ("", "name", "city"), (), ("", "Ann", "Wien"), (None, None), ("", "Bob")]))
    assert [(row.line, [cell for cell in row.cells if cell]) for row in table.rows()] == [
        (4, ["Ann", "Wien"]),
        (6, ["Bob"]),
    ]


def test_the_first_visible_sheet_with_rows_is_read(tmp_path: Path) -> None:
    """The others are named."""
    table = made(tmp_path, workbook(blank=(), hidden=[("a",), ("b",)], people=PEOPLE, zoo=[("x",), ("y",)]))
    assert (table.columns, table.detection.sheet) == (PEOPLE[0], "people")
    assert table.detection.notices == ("Only the sheet 'people' is read, not: zoo.",)


@pytest.mark.parametrize("cover", [[(" ",)], [(" ", "\u00a0"), ("\n",)], [("Sales of May",)]])
def test_sheets_without_rows_are_passed_over(tmp_path: Path, cover: list[tuple[str, ...]]) -> None:
    """Also those of blank cells, and a header alone, where a sheet behind them has rows."""
    table = made(tmp_path, workbook(cover=cover, people=PEOPLE))
    assert (table.columns, table.detection.sheet) == (PEOPLE[0], "people")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (xlsx([]), "no visible sheet with rows"),
        (xlsx([("name", "city")]), "a header and no rows"),
        (xlsx([(" ",), ("",)]), "no visible sheet with rows"),
        (workbook(people=[("name",)], zoo=[(" ",)]), "a header and no rows"),
        (xlsx([("Ann", "a@b.co"), ("Bob", "b@b.co")]), "looks like data"),
        (xlsx([(436601234567.0, "x"), ("Bob", "y")]), "looks like data"),
        (protected_xls(), "is protected"),
        (protected_xlsx(), "is protected"),
        (xlsx()[:-200], "is damaged"),
        (xls()[:1_000], "is damaged"),
        (xls()[:512] + bytes(2_000), "is damaged"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path: Path, content: bytes, sentence: str) -> None:
    """With what to do."""
    with pytest.raises(Unreadable, match=sentence):
        made(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir() if path.name != "rows.ndjson"] == ["upload"]


def test_a_row_that_is_too_long_is_one_row(tmp_path: Path) -> None:
    """Of so many long texts; the next one is read."""
    table = made(tmp_path, xlsx([[f"c{i}" for i in range(40)], ["x" * 32_000] * 40, ["y"]]))
    first, second = table.rows()
    assert (first.line, first.problem) == (2, "This row is longer than 1,048,576 characters.")
    assert (second.line, second.cells[0]) == (3, "y")


def test_the_child_ends_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the workbook would take it."""
    monkeypatch.setattr(sheets, "WORKBOOK_SECONDS_MAX", 0.001)
    with pytest.raises(Unreadable, match="too large to be read"):
        made(tmp_path, xlsx())
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_the_child_has_little_memory(tmp_path: Path) -> None:
    """One cell in the last corner makes a sheet of seventeen thousand million, which it does not get."""
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = "name"
    book.worksheets[0]["XFD1048576"] = "far"
    target = io.BytesIO()
    book.save(target)
    with pytest.raises(Unreadable, match="too large to be read"):
        made(tmp_path, target.getvalue())
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_a_sheet_is_turned_to_rows_once(tmp_path: Path) -> None:
    """A job that goes on finds them where they were."""
    made(tmp_path, xlsx())
    rows = tmp_path / "rows.ndjson"
    rows.write_text(rows.read_text().replace("Ann", "Eve"))
    assert next(made(tmp_path, xlsx()).rows()).cells == ("Eve", "Wien")


def test_the_sheet_that_was_asked_for_is_read(tmp_path: Path) -> None:
    """By its name; one that is not there is told."""
    path = tmp_path / "upload"
    path.write_bytes(workbook(people=PEOPLE, zoo=[("animal",), ("cat",)]))
    for name, columns in (("zoo", ("animal",)), ("people", PEOPLE[0])):
        folder = tmp_path / name
        folder.mkdir()
        assert opened(path, Detection("XLSX", sheet=name), folder).columns == columns
    with pytest.raises(Unreadable, match="no visible sheet"):
        opened(path, Detection("XLSX", sheet="gone"), tmp_path)
