"""Files of tables in every format, made by the tests themselves, and their way in."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import xlwt  # type: ignore[import-untyped]

from tests.api import Api
from tests.stories.importing import Import, created

Table = Sequence[Sequence[Any]]


def text(table: Table, delimiter: str = ",", **more: Any) -> bytes:
    """Return a table as text."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, **more).writerows(
        [["" if cell is None else cell for cell in row] for row in table]
    )
    return out.getvalue().encode()


def xlsx(table: Table) -> bytes:
    """Return a workbook."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in table:
        book.worksheets[0].append(list(row))
    book.save(out)
    return out.getvalue()


def xls(table: Table) -> bytes:
    """Return a workbook of before 2007."""
    book, out = xlwt.Workbook(), io.BytesIO()
    sheet = book.add_sheet("People")
    dated = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for at, row in enumerate(table):
        for place, cell in enumerate(row):
            sheet.write(at, place, cell, *([dated] if isinstance(cell, (date, datetime)) else []))
    book.save(out)
    return out.getvalue()


def objects(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table as objects."""
    header, *rows = table
    return [{name: cell for name, cell in zip(header, row, strict=True) if cell is not None} for row in rows]


def listed(table: Table) -> bytes:
    """Return a list of objects."""
    return json.dumps(objects(table), default=str).encode()


def lines(table: Table) -> bytes:
    """Return one object a line."""
    return "\n".join(json.dumps(one, default=str) for one in objects(table)).encode()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


async def uploaded(api: Api, data: bytes, name: str, **more: Any) -> Import:
    """Upload a file, and make an import of it."""
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = await api.http.post("/uploads", files={"file": (name, data)}, headers=headers)
    assert answer.status_code == 201, answer.text
    return await created(api, None, uploadId=answer.json()["uploadId"], **more)


async def downloaded(api: Api, path: str) -> bytes:
    """Return a file that is there."""
    answer = await api.http.get(path, headers={"Authorization": f"Bearer {api.key}"})
    assert answer.status_code == 200, answer.text
    return answer.content


def cells(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a file of ours, by header."""
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))
