"""ZIP: its first file, unpacked within bounds that are counted while reading; the directory of it is not believed."""

import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.imports.table import Unreadable

UNPACKED_BYTES_MAX = 1_073_741_824
UNPACKED_RATIO_MAX = 200
ENTRIES_MAX = 10_000
PIECE_BYTES = 1_048_576
MAGIC = b"PK"
NAMES_TOLD = 5
_NAME_CHARACTERS = 100
# What Windows puts beside the files of a folder.
_DESKTOP = ("Thumbs.db", "desktop.ini")
_DIRECTORY_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = "The ZIP is damaged. Pack it once more, or upload the file as it is."
_FAILURES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)


def parts(path: Path) -> frozenset[str]:
    """Return the names of all entries: an office file tells by them which one it is."""
    with _opened(path) as archive:
        return frozenset(archive.namelist())


def entry(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the name of the file that is read, and a notice where there are others."""
    with _opened(path) as archive:
        first, *others = [_label(one.filename) for one in _files(archive)]
    if not others:
        return first, ()
    named = ", ".join(others[:NAMES_TOLD])
    more = f" and {len(others) - NAMES_TOLD} more" if len(others) > NAMES_TOLD else ""
    return first, (f"Only {first} is read. The ZIP has other files as well: {named}{more}.",)


def head(path: Path, size: int) -> bytes:
    """Return the first bytes of the file, so many at most."""
    found = b""
    for piece in _pieces(path):
        found += piece
        if len(found) >= size:
            break
    return found[:size]


def unpacked(path: Path, to: Path) -> None:
    """Write the file in a ZIP to `to`, where it appears when it is whole."""
    with TemporaryDirectory(dir=to.parent) as folder:
        part = Path(folder) / "part"
        with part.open("wb") as target:
            target.writelines(_pieces(path))
        part.replace(to)


def _pieces(path: Path) -> Iterator[bytes]:
    packed = path.stat().st_size
    count = 0
    with _opened(path) as archive, archive.open(_files(archive)[0]) as file:
        while piece := file.read(PIECE_BYTES):
            count += len(piece)
            if count > UNPACKED_BYTES_MAX:
                raise Unreadable(f"The ZIP has more than {UNPACKED_BYTES_MAX:,} bytes in it. Split the file.")
            if count > UNPACKED_RATIO_MAX * packed:
                raise Unreadable(f"The ZIP grows more than {UNPACKED_RATIO_MAX} times: that is no table of people.")
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP; whatever is wrong with it, also while it is read, is Unreadable."""
    _refuse_crowd(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _FAILURES as error:
        raise Unreadable(_DAMAGED) from error


def _refuse_crowd(path: Path) -> None:
    """Count the entries by their signatures: the library makes an object of each, whatever number is claimed."""
    count = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            count += piece.count(_DIRECTORY_ENTRY)
    if count > ENTRIES_MAX:
        raise Unreadable(f"The ZIP has more than {ENTRIES_MAX:,} files in it.")


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the entries that are files, what desktops hide or add left out; refuses a first one that can't be read."""
    files = [one for one in archive.infolist() if not one.is_dir() and not _is_hidden(one.filename)]
    if not files:
        raise Unreadable("The ZIP has no file in it.")
    if files[0].flag_bits & _ENCRYPTED:
        raise Unreadable("The ZIP is encrypted. Pack the file without a password.")
    if files[0].compress_type not in _PACKINGS:
        raise Unreadable("The ZIP is packed in a way that few can read. Pack it in the usual one (Deflate).")
    return files


def _is_hidden(path: str) -> bool:
    name = path.rpartition("/")[2]
    return path.startswith("__MACOSX/") or name.startswith(".") or name in _DESKTOP


def _label(name: str) -> str:
    """Return a name to show: what steers a screen is taken out of it."""
    return "".join(char for char in name if unicodedata.category(char)[0] != "C")[:_NAME_CHARACTERS] or "(no name)"
