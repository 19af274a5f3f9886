"""Files for the tests of readers, made where they are needed; and one way to read them."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import xlwt  # type: ignore[import-untyped]
from xlwt.CompoundDoc import XlsDoc  # type: ignore[import-untyped]

from app.imports.detect import detect
from app.imports.readers import opened
from app.imports.table import Table

Rows = Sequence[Sequence[Any]]
PEOPLE = (("first name", "city"), ("Ann", "Wien"), ("Bob", "Graz"))


def made(folder: Path, content: bytes, name: str = "people.csv", given: str | None = None) -> Table:
    """Write a file, find out what it is and open it."""
    path = folder / "upload"
    path.write_bytes(content)
    return opened(path, detect(path, name, given), folder)


def zipped(files: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP of some files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def changed(packed: bytes, *, local: tuple[str, int, int] | None = None, central: tuple[str, int, int]) -> bytes:
    """Return a ZIP of which fields are overwritten: struct's format, place in the header, value."""
    data = bytearray(packed)
    for signature, field in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        if field:
            form, place, value = field
            struct.pack_into(form, data, data.index(signature) + place, value)
    return bytes(data)


def xlsx(rows: Rows = PEOPLE) -> bytes:
    """Return a workbook of one sheet."""
    return workbook(people=rows)


def workbook(**sheets: Rows) -> bytes:
    """Return a workbook of some sheets; one named `hidden` is so."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden" if name == "hidden" else "visible"
        for row in rows:
            sheet.append(list(row))
    book.active = len(sheets) - 1
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def xls(rows: Rows = PEOPLE) -> bytes:
    """Return a workbook as before 2007."""
    target = io.BytesIO()
    _book(rows).save(target)
    return target.getvalue()


def protected_xls() -> bytes:
    """Return one that says, behind the beginning of its stream, that it is encrypted."""
    stream = _book(PEOPLE).get_biff_data()
    begin = 4 + struct.unpack_from("<H", stream, 2)[0]
    password = struct.pack("<HHH", 0x2F, 2, 1)
    target = io.BytesIO()
    XlsDoc().save(target, stream[:begin] + password + stream[begin:])
    return target.getvalue()


def protected_xlsx() -> bytes:
    """Return the container that office programs put an encrypted workbook in."""
    plain, encrypted = "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
    return xls().replace(plain + bytes(16), encrypted)


def _book(rows: Rows) -> Any:
    book = xlwt.Workbook()
    sheet = book.add_sheet("people")
    for line, row in enumerate(rows):
        for place, value in enumerate(row):
            dated = (
                xlwt.easyxf(num_format_str="YYYY-MM-DD") if hasattr(value, "isoformat") else xlwt.Style.default_style
            )
            sheet.write(line, place, value, dated)
    return book
