"""Any file is one table: its header by rules, its rows as a stream, and what can't be read is told by its line."""

import csv
import io
import json
import re
import tracemalloc
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imports.objects import DIGITS_MAX, READ_CHARACTERS
from app.imports.readers import opened
from app.imports.table import COLUMNS_MAX, ROW_CHARACTERS_MAX, Cell, Detection, Row, Unreadable, sample, shown
from tests.imports.files import made

LONG = "x" * ROW_CHARACTERS_MAX


def rows(folder: Path, text: str, name: str = "people.csv") -> list[Row]:
    """Return the rows of a text."""
    return list(made(folder, text.encode(), name).rows())


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("a,b,c", ("a", "b", "c")),
        ("a,,c,", ("a", "Column 2", "c", "Column 4")),
        ("email,email,name,email", ("email", "email (2)", "name", "email (3)")),
        ("email,email (2),email", ("email", "email (2)", "email (3)")),
        ('\u200b a\xa0 b ,"c\nd"', ("a b", "c d")),
        ("Phone 2,2024", ("Phone 2", "2024")),
        ("\n\n,,\na,b,c", ("a", "b", "c")),
    ],
)
def test_columns_have_names_that_differ(tmp_path: Path, header: str, columns: tuple[str, ...]) -> None:
    """By the first row that is not empty."""
    assert made(tmp_path, f"{header}\n1,2,3\n".encode()).columns == columns


@pytest.mark.parametrize("header", ["name,a@b.co", "Ann,+43 660 1234567", "4366012345678,Ann"])
def test_data_is_no_header(tmp_path: Path, header: str) -> None:
    """The advice is a row that names the columns."""
    with pytest.raises(Unreadable, match=r"looks like data: .* Put a row above it"):
        made(tmp_path, f"{header}\nBob,b@b.co\n".encode())


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("name,city", "a.csv", "a header and no rows"),
        ("name,city\n,\n\n", "a.csv", "a header and no rows"),
        (",,\n,,\n", "a.csv", "is empty"),
        ('name,"city\nAnn,Wien\n', "a.csv", "header can't be read. The quotes that open in line 1 never close"),
        (LONG, "a.csv", "header can't be read. This line has 1,048,576 characters"),
        ("a" + "," * COLUMNS_MAX + "\n1,2\n", "a.csv", "more than 1,000 columns"),
        ("[]", "a.json", "no objects with fields"),
        ("[1, 2]", "a.json", "no objects with fields"),
        ('{\n"name": "Ann"\n}', "a.json", "read as a list of objects"),
        (json.dumps([{f"field {i}": 1 for i in range(COLUMNS_MAX + 1)}]), "a.json", "more than 1,000 columns"),
        ("[" * 100_000, "a.json", "Object 1 is more than 32 levels deep"),
        ('[{"name": "' + LONG * 2, "a.json", "Object 1 is longer than 1,048,576 characters"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str, name: str, sentence: str) -> None:
    """When it is opened, before anything is mapped."""
    with pytest.raises(Unreadable, match=sentence):
        made(tmp_path, text.encode(), name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2\n3,4\n", [(2, ("1", "2"), None), (3, ("3", "4"), None)]),
        ("1\n\n , \n3,4", [(2, ("1", ""), None), (5, ("3", "4"), None)]),
        ('"1\n1",2\r\n3,4\r5,6', [(2, ("1\n1", "2"), None), (4, ("3", "4"), None), (5, ("5", "6"), None)]),
        ("1,2,,\n", [(2, ("1", "2"), None)]),
        ("1,2,3\n4,5\n", [(2, ("1", "2", "3"), "has 3 cells, the header 2"), (3, ("4", "5"), None)]),
        ('1,"say ""so"""\n', [(2, ("1", 'say "so"'), None)]),
        ('1,5" pipe\n', [(2, ("1", '5" pipe'), None)]),
        ('1,"2\n3,"4"\n5,6\n', [(2, (), "lines 2 to 3 are not read"), (4, ("5", "6"), None)]),
        ('1,"2" x\n5,6\n', [(2, (), "stands alone in a cell.*line 2 is not read"), (3, ("5", "6"), None)]),
        ('1,2\n"3\n3","4\n5,6\n', [(2, ("1", "2"), None), (3, (), "open in line 4 never close: lines 3 to 5")]),
        (f"{LONG},2\n3,4\n", [(2, (), "has 1,048,576 characters"), (3, ("3", "4"), None)]),
        (f"{LONG}", [(2, (), "has 1,048,576 characters")]),
        (f'1,"\n{LONG}\n3,4\n', [(2, (), "open in line 2 don't close .* lines 2 to 3"), (4, ("3", "4"), None)]),
        (f'1,"\n{LONG}{LONG}x\n3,4\n', [(2, (), "lines 2 to 3 are not read"), (4, ("3", "4"), None)]),
        ("Ann,\x00\nBob\x00,Example\n", [(2, ("Ann", "\x00"), None), (3, ("Bob\x00", "Example"), None)]),
    ],
)
def test_each_row_is_told_by_its_line(tmp_path: Path, text: str, found: list[tuple[int, Any, str | None]]) -> None:
    """What can't be read is one row with a problem, and the next one is read again."""
    given = rows(tmp_path, f"a,b\n{text}")
    assert [(row.line, row.cells) for row in given] == [(line, cells) for line, cells, _ in found]
    for row, (_, _, problem) in zip(given, found, strict=True):
        assert (row.problem is None) if problem is None else re.search(problem, row.problem or "")


def test_quotes_that_never_close_end_the_row_at_its_bound(tmp_path: Path) -> None:
    """The lines behind it are rows again; so many are told as not read."""
    line = "Ann Example,Wien,+43 660 1234567\n"
    found = rows(tmp_path, "name,city,phone\n" + line + 'Bob,"Graz,1\n' + line * 50_000)
    last = 3 + -(-(ROW_CHARACTERS_MAX - 12) // len(line))
    assert [row.line for row in found if row.problem] == [3]
    assert f"lines 3 to {last} are not read" in (found[1].problem or "")
    assert (found[2].line, len(found)) == (last + 1, 1 + 1 + 50_003 - last)


def test_bytes_that_do_not_fit_spoil_their_row_alone(tmp_path: Path) -> None:
    """Also where they come long after the first look at the file."""
    good = "J\xfcrgen,K\xf6ln\n".encode()
    table = made(tmp_path, b"name,city\n" + good * 80_000 + b"Ren\xe9,\xff\n" + good)
    spoilt = [row for row in table.rows() if row.problem]
    assert [(row.line, row.cells) for row in spoilt] == [(80_002, ("Ren\ufffd", "\ufffd"))]
    assert spoilt[0].problem == "This row has characters that are not utf-8. Save the file as UTF-8."


def test_rows_are_read_anew_each_time(tmp_path: Path) -> None:
    """A job that was broken off reads from the start and passes over what is done."""
    table = made(tmp_path, b"a,b\n1,2\n3,4\n")
    first = table.rows()
    next(first)
    assert list(table.rows()) == [Row(2, ("1", "2")), Row(3, ("3", "4"))]
    assert list(first) == [Row(3, ("3", "4"))]


@pytest.mark.parametrize("beginning", ["a,b\n1,2\n", 'a,b\n1,2\n"', '{"a": 1}\n'])
def test_a_line_without_end_does_not_fill_memory(tmp_path: Path, beginning: str) -> None:
    """Fifty million characters on one line are read in a few."""
    path = tmp_path / "upload"
    with path.open("w") as file:
        file.write(beginning)
        file.writelines("y" * 1_000_000 for _ in range(50))
    kind = "NDJSON" if beginning.startswith("{") else "CSV"
    tracemalloc.start()
    try:
        found = list(opened(path, Detection(kind, charset="utf-8", delimiter=","), tmp_path).rows())
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()
    assert [row.problem is None for row in found] == [True, False]


def test_json_is_a_table_by_its_fields(tmp_path: Path) -> None:
    """One level of objects by dotted names, several values as texts, lists of objects as they are."""
    people = [
        {"name": "Ann", "address": {"city": "Wien", "geo": {"lat": 48.2}}, "email": ["a@b.co", "c@d.co", None]},
        {"name": None, "age": 7, "kids": [{"name": "Bob", "size": 1.5}], "mixed": [1, [2]], "yes": True},
    ]
    table = made(tmp_path, json.dumps(people).encode())
    assert table.columns == ("name", "address.city", "address.geo", "email", "age", "kids", "mixed", "yes")
    assert list(table.rows()) == [
        Row(1, ("Ann", "Wien", '{"lat": 48.2}', ["a@b.co", "c@d.co"], None, None, None, None)),
        Row(2, (None, None, None, None, 7, [{"name": "Bob", "size": 1.5}], "[1, [2]]", True)),
    ]


@pytest.mark.parametrize("by_line", [False, True])
@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("9223372036854775807", 9223372036854775807),
        ("-9223372036854775808", -9223372036854775808),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1", 0.1),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ('[1, 2.5, true, "x"]', ["1", "2.5", "true", "x"]),
        ("[]", []),
        ('[{"n": 123456789012345678901}]', [{"n": "123456789012345678901"}]),
        ('"\\u00fc\\u0000"', "\xfc\x00"),
    ],
)
def test_values_of_json_are_exact(tmp_path: Path, value: str, cell: Any, *, by_line: bool) -> None:
    """What no 64-bit number holds is a text; the same in a list and line by line."""
    text = f'{{"a": {value}, "b": 1}}'
    found = rows(tmp_path, text if by_line else f"[{text}]")
    assert [row.cells for row in found] == [(cell, 1)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('[{"a": 1}, {"a": 2}, {"a": ', 3),
        ('[{"a": 1}, {"a" 2}]', 2),
        ('[{"a": 1},', 2),
        ('[{"a": 1}] [', 2),
        ('[{"a": NaN}]', 1),
        ('[{"a": 1}, {"a": 1e99999999999999999999}]', 2),
    ],
)
def test_json_that_breaks_off_is_told_by_its_object(tmp_path: Path, text: str, number: int) -> None:
    """There is no line to begin again at."""
    with pytest.raises(Unreadable, match=f"broken at object {number}"):
        rows(tmp_path, text)


@pytest.mark.parametrize("before", [0, READ_CHARACTERS - 3_000])
def test_a_number_of_thousands_of_digits_ends_the_file(tmp_path: Path, before: int) -> None:
    """What reads JSON would fall over it, and take the process along; shorter ones, and fractions, are read."""
    number = "1" * DIGITS_MAX
    fits = f'[{{"a": "{"x" * before}", "b": {number}, "c": -{number}, "d": {number}.{number}}}]'
    assert len(rows(tmp_path, fits)) == 1
    with pytest.raises(Unreadable, match=r"Object 1 has a number of more than 4,300 digits"):
        rows(tmp_path, fits.replace("-1", "-11"))


def test_json_that_breaks_late_gives_what_stands_before(tmp_path: Path) -> None:
    """So a job that has come so far keeps it."""
    table = made(tmp_path, ("[" + '{"a": 1},' * 5_000 + "{").encode())
    given = table.rows()
    assert [next(given).line for _ in range(5_000)][-1] == 5_000
    with pytest.raises(Unreadable, match="object 5001"):
        next(given)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{broken", "no JSON object"),
        ('{"a": NaN}', "no JSON object"),
        ("[1]", "no object"),
        ("[" * 5_000, "no JSON object"),
        ('{"a": ' + "[" * 600 + "]" * 600 + "}", "too deep"),
        ('{"a": "\udcff"}', "characters that are not utf-8"),
        ('{"a": 1, "b": 2}', "field 'b' has no column"),
        (f'{{"a": "{LONG}"}}', "1,048,576 characters"),
    ],
)
def test_a_bad_line_of_ndjson_is_one_row(tmp_path: Path, line: str, problem: str) -> None:
    """Those around it are read."""
    text = '{"a": "\xfc\xfc\xfc\xfc\xfc\xfc\xfc\xfc\xfc\xfc"}\n' * 1_000 + line + '\n\n{"a": 3}'
    found = list(made(tmp_path, text.encode("utf-8", "surrogateescape")).rows())
    assert re.search(problem, found[1_000].problem or "")
    assert [(row.line, row.problem) for row in found if row is not found[1_000]][-1] == (1_003, None)
    assert len(found) == 1_002


def test_a_bad_byte_in_json_spoils_its_object_alone(tmp_path: Path) -> None:
    """The list goes on behind it."""
    good = '{"a": ["\xfc\xfc\xfc\xfc\xfc", 1], "b": "\xfc\xfc\xfc\xfc\xfc"}'.encode()
    found = list(made(tmp_path, b"[" + good + b', {"a": ["x\xff"], "b": 1}, ' + good + b"]").rows())
    assert [row.problem is None for row in found] == [True, False, True]
    assert found[1].cells == (["x\ufffd"], 1)


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ['[{"a": "\xfc"}]', '{"a": "\xfc"}\n'])
def test_json_comes_in_any_unicode(tmp_path: Path, text: str, charset: str) -> None:
    """As programs on Windows write it."""
    assert [row.cells for row in made(tmp_path, text.encode(charset)).rows()] == [("\xfc",)]


def test_half_an_emoji_is_mended(tmp_path: Path) -> None:
    """As by the API: it can be kept nowhere."""
    assert rows(tmp_path, '{"a": "x\\ud83d"}\n')[0].cells == ("x\ufffd",)


def test_a_sample_is_the_first_rows_that_can_be_read(tmp_path: Path) -> None:
    """With the first values of each column that differ."""
    lines = "".join(f"{i},{i % 2},\n" for i in range(2_000))
    taken = sample(made(tmp_path, f"a,b,c\n1,2,3,4\n{lines}".encode()))
    assert (len(taken.rows), taken.rows[0].line) == (999, 3)
    assert taken.texts(3) == (("0", "1", "2"), ("0", "1"), ())


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("  ", ""),
        (1.5, "1.5"),
        (date(2024, 5, 4), "2024-05-04"),
        (["a", "b"], "a; b"),
        (True, "true"),
        ([{"sku": "A-1", "n": None}, {"sku": "Ü"}], '{"sku": "A-1", "n": null}; {"sku": "Ü"}'),
        ([[1, "b"], False], '[1, "b"]; false'),
        ("x" * 101, "x" * 99 + "\u2026"),
    ],
)
def test_cells_are_shown_as_texts(cell: Cell, text: str) -> None:
    """Short, for a screen on which people map columns."""
    assert shown(cell) == text


def test_a_sample_of_long_rows_is_short(tmp_path: Path) -> None:
    """It stays in memory as long as somebody maps."""
    taken = sample(made(tmp_path, b"a,b\n" + (b"x" * 1_000_000 + b",2\n") * 30))
    assert len(taken.rows) == 9
    assert [len(one) for one in taken.texts()[0]] == [100]


ANY = st.characters(exclude_characters="\ufdd0", exclude_categories=["Cs"])
TEXTS = {
    one: st.text(ANY, max_size=12) for one in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030")
}
for one in ("cp1252", "cp1250", "cp1251", "mac_roman"):
    TEXTS[one] = st.text(bytes(range(256)).decode(one, "ignore"), max_size=12)


@given(data=st.data(), charset=st.sampled_from(sorted(TEXTS)), delimiter=st.sampled_from(",;\t|"))
def test_what_csv_writes_reads_back_equal(data: st.DataObject, charset: str, delimiter: str) -> None:
    """Any texts in any charset between any delimiters; empty rows alone are passed over."""
    written = data.draw(st.lists(st.tuples(*[TEXTS[charset]] * 3), min_size=1, max_size=8))
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter).writerows([("first", "second", "third"), *written, ("1", "2", "3")])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(target.getvalue().encode(charset))
        table = opened(path, Detection("CSV", charset=charset, delimiter=delimiter), Path(folder))
        assert table.columns == ("first", "second", "third")
        found = [(row.cells, row.problem) for row in table.rows()]
    kept = [row for row in written if any(cell.strip() for cell in row)]
    assert found == [(row, None) for row in (*kept, ("1", "2", "3"))]
