"""What a file is shows in its content; its name only settles what is left."""

import os
from pathlib import Path

import pytest

from app.imports.detect import detect
from app.imports.table import Detection, Unreadable
from tests.imports.files import made, protected_xls, protected_xlsx, xls, xlsx, zipped

CSV = b"name,city\nAnn,Wien\n"
NAMES = {
    "cp1252": "Vorname;Ort\nJürgen;Köln\nRenée;Besançon\nIñigo;Cádiz\n",
    "cp1250": "ime;grad\nŽeljko;Čakovec\nĐurđa;Šibenik\nLuka;Šimić\n",
    "cp1254": "isim;şehir\nŞükrü;İstanbul\nOğuz;İzmir\nYılmaz;Eskişehir\n",  # noqa: RUF001 - Turkish
    "cp1257": "vardas;miestas\nŽydrūnas;Šiauliai\nEglė;Kėdainiai\n",
    "cp1251": "имя;город\nИван;Москва\nОльга;Пермь\n",  # noqa: RUF001 - Cyrillic
    "cp1253": "όνομα;πόλη\nΓιώργος;Αθήνα\nΜαρία;Πάτρα\n",  # noqa: RUF001 - Greek
    "cp932": "名前;町\n太郎;東京\n花子;京都\n",
    "cp850": "Vorname;Ort\nJürgen;Köln\nBjörn;München\n",
}


def found(folder: Path, content: bytes, name: str = "people.csv", given: str | None = None) -> Detection:
    """Write a file and find out what it is."""
    path = folder / "upload"
    path.write_bytes(content)
    return detect(path, name, given)


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (CSV, "people.csv", "CSV"),
        (CSV, "people.xlsx", "CSV"),
        (CSV, "people.json", "CSV"),
        (CSV, "people.TXT", "TXT"),
        (b"[id],name\n1,Ann\n", "a.csv", "CSV"),
        (b'[{"name": "Ann"}]', "people.csv", "JSON"),
        (b' \n[\n  {"name": "Ann"}]', "people", "JSON"),
        (b"[]", "people", "JSON"),
        (b"[id], name", "people.json", "JSON"),
        (b'{"name": "Ann"}\n{"name": "Bob"}\n', "people.csv", "NDJSON"),
        (b'{broken\n{"name": "Bob"}\n', "people.csv", "NDJSON"),
        (b"{broken", "people.jsonl", "NDJSON"),
        (b'{\n"name": "Ann"}', "people", "JSON"),
        (xlsx(), "people.csv", "XLSX"),
        (xls(), "people.xlsx", "XLS"),
        (zipped({"people.csv": CSV}), "people.xlsx", "ZIP"),
    ],
)
def test_the_format_is_that_of_the_content(tmp_path: Path, content: bytes, name: str, kind: str) -> None:
    """By its first bytes; a bracket alone is no JSON, unless the name says so."""
    assert found(tmp_path, content, name).format == kind


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (CSV, "JSON"),
        (CSV, "XLSX"),
        (xls(), "XLSX"),
        (xlsx(), "XLS"),
        (xlsx(), "ZIP"),
        (zipped({"people.csv": CSV}), "CSV"),
        (b'[{"a": 1}]', "NDJSON"),
        (b'[{"a": 1}]', "CSV"),
        (b'{"a": 1}\n', "JSON"),
    ],
)
def test_a_format_that_the_content_contradicts_is_refused(tmp_path: Path, content: bytes, given: str) -> None:
    """The sentence names both."""
    told = found(tmp_path, content).format
    with pytest.raises(Unreadable, match=f"given as {given}, but the content is {told}"):
        found(tmp_path, content, given=given)


def test_text_is_text_under_either_name(tmp_path: Path) -> None:
    """CSV given for TXT, and the other way round, is no contradiction."""
    assert found(tmp_path, CSV, "people.txt", "CSV").format == "CSV"
    assert found(tmp_path, CSV, given="TXT").format == "TXT"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \r\n\t\n", "is empty"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"\x1f\x8b\x08\x00", "packed by gzip"),
        (b"<html><table><tr><td>", "is HTML"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>", "is HTML or XML"),
        (bytes(range(256)) * 16, "no text"),
        (os.urandom(65_536), "no text"),
        (zipped({"[Content_Types].xml": b"", "word/document.xml": b""}), "no XLSX"),
        (zipped({"mimetype": b"", "content.xml": b""}), "no XLSX"),
        (protected_xlsx(), "is protected"),
        (b"PK\x03\x04 and no more", "is damaged"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """With what it is, and what to do."""
    with pytest.raises(Unreadable, match=sentence):
        found(tmp_path, content)


def test_a_protected_workbook_is_refused(tmp_path: Path) -> None:
    """One of before 2007 shows it only when it is opened."""
    with pytest.raises(Unreadable, match="The file is protected"):
        made(tmp_path, protected_xls())


@pytest.mark.parametrize("charset", NAMES)
def test_the_charset_shows_in_the_letters(tmp_path: Path, charset: str) -> None:
    """A guess is told to the person."""
    table = made(tmp_path, NAMES[charset].encode(charset))
    assert table.detection.charset == charset
    assert charset in table.detection.notices[0]
    lines = NAMES[charset].splitlines()
    assert [";".join(map(str, row.cells)) for row in table.rows()] == lines[1:]


def test_one_accent_does_not_make_another_alphabet(tmp_path: Path) -> None:
    """A letter between ASCII letters is a Latin one."""
    assert found(tmp_path, "name,email\nAnn,a@b.co\nRen\xe9e,r@b.co\n".encode("cp1252")).charset == "cp1252"


@pytest.mark.parametrize(
    ("python", "charset"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
    ],
)
@pytest.mark.parametrize("text", ["name;city\nJ\xfcrgen;K\xf6ln\n", NAMES["cp1251"]])
def test_unicode_is_no_guess(tmp_path: Path, python: str, charset: str, text: str) -> None:
    """By its mark, its zero bytes, or since all of it fits."""
    table = made(tmp_path, text.encode(python))
    assert (table.detection.charset, table.detection.notices) == (charset, ())
    assert [";".join(map(str, row.cells)) for row in table.rows()] == text.splitlines()[1:]


def test_stray_zero_bytes_are_no_utf_16(tmp_path: Path) -> None:
    """They stay in their cells, where a rule of fields meets them."""
    table = made(tmp_path, b"a,b\n1,\x002\n3,4\n")
    assert [row.cells for row in table.rows()] == [("1", "\x002"), ("3", "4")]


def test_a_charset_beside_another_spoils_its_rows_alone(tmp_path: Path) -> None:
    """What is nearly all UTF-8 is UTF-8: the other way every name would be wrong and none told."""
    good = "J\xfcrgen,K\xf6ln\n".encode()
    table = made(tmp_path, b"name,city\n" + good * 10 + "Ren\xe9e,Lyon\n".encode("cp1252") + good)
    rows = list(table.rows())
    assert [row.line for row in rows if row.problem] == [12]
    assert rows[10].problem == "This row has characters that are not utf-8. Save the file as UTF-8."
    assert rows[10].cells == ("Ren\ufffde", "Lyon")


def test_a_cut_character_at_the_end_of_the_sample_is_none_of_another_charset(tmp_path: Path) -> None:
    """The first million bytes end where they end."""
    for place in (0, 1):
        content = b"name,city\n" + b"x" * place + "\xfc".encode() * 600_000
        assert found(tmp_path, content).charset == "utf-8"


@pytest.mark.parametrize(
    ("delimiter", "row"),
    [
        (delimiter, row)
        for delimiter in (",", ";", "\t", "|")
        for row in ('1{}"Wien, 1010"{}x', "1,5{}2,7{}3,1", "a; b{}c{}d | e", "{}{}3")
        if delimiter not in row.replace('"Wien, 1010"', "")
    ],
)
def test_the_delimiter_makes_equal_columns(tmp_path: Path, delimiter: str, row: str) -> None:
    """Whatever else stands in the cells."""
    lines = ["x{}y{}z", "1{}2{}3", row, "4{}5{}6", "7{}8{}9"]
    text = "\n".join(line.replace("{}", delimiter) for line in lines)
    assert found(tmp_path, text.encode()).delimiter == delimiter


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(("said", "delimiter"), [("sep=;", ";"), ("SEP=^", "^"), ('"sep=|"', "|"), ("sep=\t", "\t")])
def test_a_sep_line_is_obeyed_and_left_out(tmp_path: Path, said: str, delimiter: str, end: str) -> None:
    """Lines are still those of the file."""
    table = made(tmp_path, end.join([said, f"a,x{delimiter}b", f"1,1{delimiter}2", ""]).encode())
    assert table.columns == ("a,x", "b")
    assert [(row.line, row.cells) for row in table.rows()] == [(3, ("1,1", "2"))]


def test_one_column_is_a_table(tmp_path: Path) -> None:
    """Nothing has to be delimited."""
    table = made(tmp_path, b"email\na@b.co\nc@d.co\n")
    assert (table.detection.delimiter, [row.cells for row in table.rows()]) == (",", [("a@b.co",), ("c@d.co",)])
    assert table.columns == ("email",)


def test_sixty_thousand_quotes_keep_nobody_waiting(tmp_path: Path) -> None:
    """Patterns that look for quotes would take a minute."""
    assert found(tmp_path, b'\n"a ' * 16_000).format == "CSV"
