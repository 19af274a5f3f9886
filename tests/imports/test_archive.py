"""A ZIP is opened for its first file, within bounds that its directory has no word in."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from app.imports import archive
from app.imports.table import Unreadable
from tests.imports.files import changed, made, xls, xlsx, zipped

CSV = b"name,city\nAnn,Wien\n"
ONE = zipped({"people.csv": CSV})
HIDDEN = {"__MACOSX/._x": b"x", ".DS_Store": b"x", "folder/.~lock.people.csv#": CSV, "folder/Thumbs.db": b"x"}


@pytest.mark.parametrize(
    ("name", "content", "inner"),
    [
        ("people.csv", CSV, "CSV"),
        ("people.txt", CSV, "TXT"),
        ("people", b'[{"name": "Ann", "city": "Wien"}]', "JSON"),
        ("people", b'{"name": "Ann", "city": "Wien"}\n', "NDJSON"),
        ("people.xlsx", xlsx([("name", "city"), ("Ann", "Wien")]), "XLSX"),
        ("people.xls", xls([("name", "city"), ("Ann", "Wien")]), "XLS"),
        ("people.csv", "name;city\nAnn;Wien\n".encode("utf-16"), "CSV"),
    ],
)
def test_the_file_in_it_is_read_like_any_other(tmp_path: Path, name: str, content: bytes, inner: str) -> None:
    """With a format, a charset and a delimiter of its own."""
    table = made(tmp_path, zipped({"folder/": b"", **HIDDEN, f"folder/{name}": content}), "people.zip", "ZIP")
    assert (table.detection.format, table.detection.inner, table.detection.notices) == ("ZIP", inner, ())
    assert table.columns == ("name", "city")
    assert [row.cells for row in table.rows()] == [("Ann", "Wien")]


def test_other_files_are_named(tmp_path: Path) -> None:
    """Five of them, without what would steer a screen."""
    others = {"b\x1b[2J.csv": CSV} | {f"{i}.csv": CSV for i in range(6)}
    table = made(tmp_path, zipped({"people.csv": CSV} | others))
    assert table.detection.notices == (
        "Only people.csv is read. The ZIP has other files as well: b[2J.csv, 0.csv, 1.csv, 2.csv, 3.csv and 2 more.",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (zipped({}), "no file in it"),
        (zipped({"folder/": b"", "__MACOSX/._people.csv": CSV}), "no file in it"),
        (zipped({"people.csv": b""}), "is empty"),
        (zipped({"people.csv": b"name,city\n"}), "a header and no rows"),
        (zipped({"inner.zip": ONE}), "another ZIP in the ZIP"),
        (zipped({"inner.csv": ONE}, zipfile.ZIP_STORED), "another ZIP in the ZIP"),
        (zipped({"a.docx": zipped({"[Content_Types].xml": b"", "word/x": b""})}), "no XLSX"),
        (zipped({"people.csv": CSV}, zipfile.ZIP_BZIP2), "in a way that few can read"),
        (zipped({"people.csv": CSV}, zipfile.ZIP_LZMA), "in a way that few can read"),
        (changed(ONE, local=("<H", 6, 1), central=("<H", 8, 1)), "is encrypted"),
        (ONE[:-30], "is damaged"),
        (ONE[:40] + b"\xff\xff\xff" + ONE[43:], "is damaged"),
        (changed(ONE, central=("<I", 16, 7)), "is damaged"),
        (changed(ONE, central=("<I", 42, 1_000_000)), "is damaged"),
    ],
)
def test_what_can_not_be_unpacked_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """With what to do."""
    with pytest.raises(Unreadable, match=sentence):
        made(tmp_path, content, "people.zip")


def bomb() -> bytes:
    """Return a ZIP of 300 MB of one letter; each step makes one MB of it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("people.csv", "w") as file:
        file.write(b"name,city\n")
        for _ in range(300):
            file.write(b"a" * 1_000_000)
    return target.getvalue()


def test_a_bomb_is_met_by_what_comes_out_of_it(tmp_path: Path) -> None:
    """Whatever size its directory tells; nothing of it stays."""
    packed = bomb()
    assert len(packed) < 400_000
    with pytest.raises(Unreadable, match="grows more than 200 times"):
        made(tmp_path, packed)
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


@pytest.mark.parametrize("size", [0, 5, 10, 1_000_000, 0xFFFFFFFE])
def test_a_size_that_lies_is_not_believed(tmp_path: Path, size: int) -> None:
    """One that is too small breaks the checksum; one that is too large is a number, and no memory is kept for it."""
    content = changed(ONE, central=("<I", 24, size))
    if size > len(CSV):
        assert [row.cells for row in made(tmp_path, content).rows()] == [("Ann", "Wien")]
    else:
        with pytest.raises(Unreadable, match=r"is damaged|is empty"):
            made(tmp_path, content)


def test_what_is_larger_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted while it is read."""
    monkeypatch.setattr(archive, "UNPACKED_BYTES_MAX", len(CSV) - 1)
    with pytest.raises(Unreadable, match="more than 18 bytes in it"):
        made(tmp_path, ONE)


def test_a_crowd_of_files_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    """Each would be an object in memory."""
    entry = ONE[ONE.index(b"PK\x01\x02") : ONE.index(b"PK\x05\x06")]
    crowd = entry * (archive.ENTRIES_MAX + 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(crowd), ONE.index(b"PK\x01\x02"), 0)
    with pytest.raises(Unreadable, match="more than 10,000 files"):
        made(tmp_path, ONE[: ONE.index(b"PK\x01\x02")] + crowd + end)


def test_it_is_unpacked_once(tmp_path: Path) -> None:
    """A job that goes on finds the file where it was unpacked."""
    made(tmp_path, ONE)
    (tmp_path / "unpacked").write_bytes(b"name,city\nBob,Graz\n")
    assert [row.cells for row in made(tmp_path, ONE).rows()] == [("Bob", "Graz")]
