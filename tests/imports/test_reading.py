"""One cell to one value: the rules of each kind of column, as tables; dates and numbers stand in test_formats."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.core.errors import Refused
from app.imports.formats import FORMATS
from app.imports.reading import reader
from app.imports.table import Cell

SHORTENED = "The spreadsheet has shortened this number: format the column as text there and export it again."
DOTLESS = "\N{LATIN SMALL LETTER DOTLESS I}"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def read(kind: str, cell: Cell, pattern: str | None = None) -> Any:
    """Read one cell."""
    return reader(kind, pattern)(cell)


def problem(kind: str, cell: Cell, pattern: str | None = None) -> str:
    """Return why a cell can't be read."""
    with pytest.raises(Refused) as error:
        read(kind, cell, pattern)
    return error.value.message


KINDS = ("STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "LIST")
OTHERS = ("GENDER", "EMAIL", "PHONE", "TAGS", "DOMAINS")


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_what_is_absent_gives_nothing(kind: str) -> None:
    """So it never clears a value."""
    absent = (None, "", "  ", "-", "n/a", "N/A", "null", "NULL", "\u00a0\u200b", "'-", " - ")
    assert {cell: read(kind, cell) for cell in absent} == dict.fromkeys(absent)


@pytest.mark.parametrize("kind", [one for one in (*KINDS, *OTHERS) if one != "LIST"])
def test_an_empty_list_is_no_value(kind: str) -> None:
    """Where one value stands, many a program writes nothing so; a list that is empty is one."""
    assert read(kind, []) is None
    assert read("LIST", []) == []


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  Anna \t", "Anna"),
        ("\u00a0Anna\u00a0Maria\u202f", "Anna Maria"),
        ("\u200bAn\u200bna\ufeff", "Anna"),
        ("\u202aAnna\u202c", "Anna"),
        ("Jose\u0301", "José"),
        ("Null", "Null"),
        ("a-b", "a-b"),
        ("'=1+1", "=1+1"),
        ("'+43", "+43"),
        ("'@home", "@home"),
        ("'-x", "-x"),
        ("'\tAnna", "Anna"),
        ("'s-Gravenhage", "'s-Gravenhage"),
        ("=1+1", "=1+1"),
        ("a; b", "a; b"),
        (5, "5"),
        (5.0, "5"),
        (5.5, "5.5"),
        (2.0**53, "9007199254740992"),
        (True, "true"),
        (False, "false"),
        (date(2026, 5, 4), "2026-05-04"),
        (datetime(2026, 5, 4), "2026-05-04"),  # noqa: DTZ001 - as spreadsheets have it
        (NOON, "2026-05-04T12:00:00.000Z"),
    ],
)
def test_texts(cell: Cell, value: str) -> None:
    """Trimmed, composed, as a spreadsheet shows them."""
    assert read("STRING", cell) == value


def test_no_digit_of_a_text_is_guessed() -> None:
    """A spreadsheet keeps fifteen of them; a list is no text."""
    assert problem("STRING", 2.0**53 + 2) == SHORTENED
    assert problem("STRING", ["a"]) == "This is a list or an object; here stands one value."


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        (" Ann@X.at ", ["Ann@X.at"]),
        ("mailto:ann@x.at", ["ann@x.at"]),
        ("MAILTO:ann@x.at?subject=hi", ["ann@x.at"]),
        ("<ann@x.at>", ["ann@x.at"]),
        ("Ann Lee <ann@x.at>", ["ann@x.at"]),
        ("Ann <mailto:ann@x.at>", ["ann@x.at"]),
        ("a@x.at;b@x.at ; ;-;", ["a@x.at", "b@x.at"]),
        (";", None),
        (["a@x.at", "Bob <b@x.at>", "", None], ["a@x.at", "b@x.at"]),
        ([], None),
        ("not one", ["not one"]),
        ("a<b", ["a<b"]),
    ],
)
def test_emails(cell: Cell, values: list[str] | None) -> None:
    """Several by `;`, without what address books put around; whether it is one the API says."""
    assert read("EMAIL", cell) == values


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("+43 660 123-45-67", ["+43 660 123-45-67"]),
        ("436601234567.0", ["436601234567"]),
        ("436601234567,0", ["436601234567"]),
        ("+436601234567.0", ["+436601234567"]),
        ("660.123.4560", ["660.123.4560"]),
        ("6601234.00", ["6601234.00"]),
        ("436601234567.00", ["436601234567"]),
        ("+436601234567,000", ["+436601234567"]),
        ([436601234567.0, "436601234567.00"], ["436601234567", "436601234567"]),
        ("'+436601234567", ["+436601234567"]),
        ("'06601234567", ["06601234567"]),
        ("\u202a+43\u00a0660\u00a01234567\u202c", ["+43 660 1234567"]),
        ("06601234567; 06601234568.0", ["06601234567", "06601234568"]),
        (436601234567, ["436601234567"]),
        (436601234567.0, ["436601234567"]),
        (["06601234567", 6601234568], ["06601234567", "6601234568"]),
    ],
)
def test_phones(cell: Cell, values: list[str]) -> None:
    """Several by `;`; a number of a spreadsheet without its fraction."""
    assert read("PHONE", cell) == values


@pytest.mark.parametrize("cell", ["3.85E+11", "3,85E+11", "4E11", "3.8516e+11", "06601234567; 3.85E+11", 3.85e18])
def test_a_shortened_phone_is_an_error(cell: Cell) -> None:
    """Its last digits are lost."""
    assert problem("PHONE", cell) == SHORTENED


def test_a_fraction_is_no_phone() -> None:
    """Its digits would be the number of somebody else."""
    assert problem("PHONE", 436601234567.5) == "This is a number with a fraction, and no phone."


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("vip; New customer ;;vip", ["vip", "New customer", "vip"]),
        ("a, b", ["a, b"]),
        (["a;b", "c", 5], ["a;b", "c", "5"]),
        (5.0, ["5"]),
    ],
)
def test_tags(cell: Cell, values: list[str]) -> None:
    """By `;`, those of a JSON list as they are."""
    assert read("TAGS", cell) == values


@pytest.mark.parametrize("item", [["a"], {"a": 1}])
def test_a_list_in_a_list_is_no_value(item: Any) -> None:
    """Tags are texts."""
    assert problem("TAGS", [item]) == "This is a list or an object; here stands one value."


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("example.com", ["example.com"]),
        ("https://www.Example.com/shop?x=1", ["Example.com"]),
        ("HTTP://user@example.com:8080", ["example.com"]),
        ("//example.com", ["example.com"]),
        ("www.example.com", ["example.com"]),
        ("www.com", ["www.com"]),
        ("example.com/shop; shop.example.com:443", ["example.com", "shop.example.com"]),
        ("no domain", ["no domain"]),
        ("https://", ["https://"]),
    ],
)
def test_domains(cell: Cell, values: list[str]) -> None:
    """Of a website its host alone."""
    assert read("DOMAINS", cell) == values


YES = (
    "true TRUE yes y t 1 1.0 on x X ✓ ja J wahr oui vrai sí SI verdadero sì vero da točno tačno istina tak prawda sim "
)
NO = "false no N f 0 0.0 off nein falsch non faux falso ne netočno netačno laž nie fałsz não NAO HAYIR"


def test_yes_and_no() -> None:
    """In the languages of the headers, in any case."""
    yes = [*YES.split(), "verdadeiro", "evet", "EVET", "doğru", " 'yes ", "yes."]
    no = [*NO.split(), f"hay{DOTLESS}r", f"yanl{DOTLESS}ş"]
    assert {word: read("BOOLEAN", word) for word in yes} == dict.fromkeys(yes, True)
    assert {word: read("BOOLEAN", word) for word in no} == dict.fromkeys(no, False)
    assert [read("BOOLEAN", cell) for cell in (True, 1, 1.0, False, 0, 0.0)] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("cell", ["maybe", "2", "-1", "yesno", "✗", 2, 0.5, date(2026, 5, 4)])
def test_neither_yes_nor_no(cell: Cell) -> None:
    """An error, never a guess."""
    assert problem("BOOLEAN", cell) == "This is neither yes nor no: write true or false."


MEN = "m M male männlich maennlich homme masculin hombre masculino uomo maschio muško MUSKO mężczyzna homem erkek MALE"
WOMEN = "f w female weiblich femme féminin mujer femenino donna femmina žensko ZENSKO kobieta mulher KADIN FEMALE"
NEITHER = "d divers diverse other x otro altro autre drugo inne outro diğer unknown UNKNOWN"


@pytest.mark.parametrize(("gender", "words"), [("MALE", MEN), ("FEMALE", WOMEN), ("UNKNOWN", NEITHER)])
def test_genders(gender: str, words: str) -> None:
    """In the languages of the headers, in any case."""
    written = [*words.split(), f" {words[0]}. "]
    written += [f"kad{DOTLESS}n"] * (gender == "FEMALE")
    assert {word: read("GENDER", word) for word in written} == dict.fromkeys(written, gender)


@pytest.mark.parametrize("cell", ["h", "Vienna", 1, True])
def test_what_is_no_gender(cell: Cell) -> None:
    """`h` is a man in Spanish, where `m` is a woman: it stays an error, so that nobody is turned round."""
    why = "This is not a gender that is known here: write MALE, FEMALE or UNKNOWN."
    assert problem("GENDER", cell) == why


def test_lists_come_from_json() -> None:
    """As a whole; the API gives their items ids."""
    items = [{"n": 1}, {"n": 2}]
    assert read("LIST", items) == items
    assert read("LIST", []) == []
    assert problem("LIST", '[{"n": 1}]') == "A list comes from a JSON file, as a list of objects."
    assert problem("LIST", 5) == "A list comes from a JSON file, as a list of objects."


CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.text(),
    st.text("0123456789.,:/-+' TZeE;<>@", max_size=25),
    st.integers() | st.sampled_from([10**400, -(2**63) - 1]),
    st.floats() | st.booleans() | st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.lists(st.text() | st.none() | st.floats() | st.lists(st.text()) | st.dictionaries(st.text(), st.text())),
)


@settings(max_examples=300, deadline=None)
@given(CELLS)
def test_any_cell_is_read_or_refused(cell: Cell) -> None:
    """By every kind, in every format; nothing else happens to an import."""
    for kind in (*KINDS, *OTHERS):
        for pattern in (None, *FORMATS.get(kind, ())):
            try:
                value = reader(kind, pattern)(cell)
            except Refused:
                continue
            assert value not in ("", []) or kind == "LIST"


@given(st.text())
def test_a_text_that_was_read_reads_the_same(text: str) -> None:
    """A tidy text is tidy."""
    first = read("STRING", text)
    assume(first is not None and not first.startswith("'"))
    assert read("STRING", first) == first
