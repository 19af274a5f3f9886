"""What an uploaded file is, by its content first and its name then: format, charset, delimiter."""

import json
import re
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from app.imports import archive, delimited
from app.imports.charset import charset_of, decoded
from app.imports.sheets import PROTECTED
from app.imports.table import EMPTY, Detection, Unreadable

HEAD_BYTES = 1_048_576
# Among so many lines one is a whole object where each line is to be one.
LINES = 100
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The stream of an office file that is encrypted, as it stands in the directory of its container.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# Beginnings of what is often uploaded and is no table.
_FOREIGN = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"7z\xbc\xaf", "packed by 7-Zip"),
    (b"Rar!", "packed by RAR"),
)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|table|\?xml|meta)", re.IGNORECASE)
_LIST = re.compile(r"\s*\[\s*[\[{\"\]\d-]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")
# Of so many characters one may be of the sort that no text has: a stray zero byte makes no picture.
_TEXT_SHARE = 10
_WANTED = "Upload a table: CSV, XLSX, XLS, JSON, or one of them in a ZIP."
_TEXTS = {"CSV", "TXT"}


def detect(path: Path, file_name: str, given: str | None = None) -> Detection:
    """Return what the file is; raises Unreadable for an empty one, one that is no table, and a wrong `given` format.

    CSV and TXT are one: tables of text, whatever stands between the cells.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = _packed(path) if _is_zip(head) and not _is_workbook(path) else _found(head, file_name)
    if given is None or given == found.format:
        return found
    if {given, found.format} == _TEXTS:
        return replace(found, format=given)
    raise Unreadable(
        f"The format is given as {given}, but the content is {found.format}. Leave the format out, or name that one."
    )


def _is_zip(head: bytes) -> bool:
    return head.startswith((archive.MAGIC + b"\x03\x04", archive.MAGIC + b"\x05\x06"))


def _is_workbook(path: Path) -> bool:
    """Tell an XLSX from other ZIPs; refuses office files that are none."""
    parts = archive.parts(path)
    office = "[Content_Types].xml" in parts
    if office and any(part.startswith("xl/") for part in parts):
        return True
    if office or {"mimetype", "content.xml"} <= parts:
        raise Unreadable("This is an office file, but no XLSX. Save the table as XLSX or CSV.")
    return False


def _packed(path: Path) -> Detection:
    name, notices = archive.entry(path)
    head = archive.head(path, HEAD_BYTES)
    if _is_zip(head):
        _refuse_nested(path)
    inner = _found(head, name)
    return replace(inner, format="ZIP", inner=inner.format, notices=(*notices, *inner.notices))


def _refuse_nested(path: Path) -> None:
    """Refuse a ZIP in a ZIP; a workbook is one only from inside, which is seen when it is unpacked."""
    with TemporaryDirectory() as folder:
        inner = Path(folder) / "inner"
        archive.unpacked(path, inner)
        if not _is_workbook(inner):
            raise Unreadable("There is another ZIP in the ZIP. Pack the file alone.")


def _found(head: bytes, name: str) -> Detection:
    """Return what a file is that begins so; a ZIP is a workbook here."""
    if not head:
        raise Unreadable(EMPTY)
    if _is_zip(head):
        return Detection("XLSX")
    if head.startswith(OLE):
        if _ENCRYPTED in head:
            raise Unreadable(PROTECTED)
        return Detection("XLS")
    for beginning, what in _FOREIGN:
        if head.startswith(beginning):
            raise Unreadable(f"This file is {what}. {_WANTED}")
    return _text(head, PurePath(name).suffix.lower())


def _text(head: bytes, suffix: str) -> Detection:
    charset, guessed = charset_of(head)
    text = decoded(head, charset)
    if not text.strip():
        raise Unreadable(EMPTY)
    if len(_CONTROL.findall(text)) * _TEXT_SHARE > len(text):
        raise Unreadable(f"This file is no text. {_WANTED}")
    if _MARKUP.match(text):
        raise Unreadable("This file is HTML or XML, whatever its name says. Open it and save it as XLSX or CSV.")
    said = f"Its characters were read as {charset}. If letters look wrong, save the file as UTF-8."
    notices = (said,) if guessed else ()
    json_format = _json_format(text, suffix)
    if json_format:
        return Detection(json_format, charset=charset, notices=notices)
    plain = "TXT" if suffix == ".txt" else "CSV"
    return Detection(plain, charset=charset, delimiter=delimited.delimiter_of(text), notices=notices)


def _json_format(text: str, suffix: str) -> str | None:
    """Return JSON or NDJSON where a text is one of them; a lone bracket is no proof, unless the name says the same."""
    beginning = text.lstrip()[:1]
    if _LIST.match(text):
        return "JSON"
    if beginning == "{" and (suffix in (".ndjson", ".jsonl") or any(map(_is_object, text.split("\n", LINES)[:LINES]))):
        return "NDJSON"
    is_json = beginning == "{" or (beginning == "[" and suffix == ".json")
    return "JSON" if is_json else None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
