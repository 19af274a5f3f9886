"""A crowd as a file of twelve columns, and its import: put into the store, mapped and run by the API."""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.access.service import DEFAULT_ID
from app.core import ids
from app.imports.store import PIECE_BYTES, Store, Upload
from app.mongo.server import Server
from benchmarks import asks, crowd
from benchmarks.processes import Child
from benchmarks.seed import NotSeeded

LOOK_SECONDS = 1.0
FIELDS = {
    "First name": "firstName",
    "Last name": "lastName",
    "Email": "email",
    "Second email": "email",
    "Phone": "phone",
    "Customer number": "externalId",
    "City": "city",
    "Country": "country",
    "Birth date": "birthDate",
    "Plan": "customAttributes.plan",
    "Score": "customAttributes.score",
    "Tags": "tags",
}
ERRORS = "errors{code message}"
CREATE = (
    f"mutation CreateImport($input: CreateImportInput!){{createImport(input:$input){{import{{id columns{{name}}}}"
    f" {ERRORS}}}}}"
)
MAP = (
    f"mutation MapImport($id: ID!,$input: MapImportInput!)"
    f"{{mapImport(id:$id,input:$input){{import{{state}} {ERRORS}}}}}"
)
RUN = f"mutation RunImport($id: ID!,$mode: ImportMode!){{runImport(id:$id,mode:$mode){{import{{state}} {ERRORS}}}}}"
REVERT = f"mutation RevertImport($id: ID!){{revertImport(id:$id){{import{{state}} {ERRORS}}}}}"
LOOK = (
    "query Import($id: ID!){import(id:$id){state startedAt finishedAt counts{rows processed created updated unchanged"
    " failed} reverted{deleted kept}}}"
)
BUSY = ("RUNNING", "REVERTING")


def row(number: int) -> list[object]:
    """Return the cells of the person of a number."""
    one = crowd.given(number)
    address, attributes = one["emails"][0]["address"], one["customAttributes"]
    return [
        one["firstName"],
        one["lastName"],
        address,
        f"second.{address}",
        f"+3859{number:09d}",
        one["externalId"],
        one["city"],
        one["country"],
        attributes["since"],
        attributes["plan"],
        attributes["score"],
        ";".join(one["tags"]),
    ]


def pieces(start: int, rows: int) -> Iterator[bytes]:
    """Give a file of persons in pieces as an upload keeps them."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(FIELDS)
    rest = b""
    for number in range(start, start + rows):
        out.writerow(row(number))
        if text.tell() >= PIECE_BYTES:
            rest += text.getvalue().encode()
            text.seek(0)
            text.truncate()
            while len(rest) >= PIECE_BYTES:
                yield rest[:PIECE_BYTES]
                rest = rest[PIECE_BYTES:]
    rest += text.getvalue().encode()
    for at in range(0, len(rest), PIECE_BYTES):
        yield rest[at : at + PIECE_BYTES]


async def uploaded(url: str, database: str, start: int, rows: int) -> tuple[str, int]:
    """Keep a file of persons where uploads stand; returns its id and its bytes."""
    engine = await Server.connect(url, database)
    try:
        store, upload, size = Store(engine), ids.new("upl"), 0
        for number, piece in enumerate(pieces(start, rows)):
            await store.keep_piece(DEFAULT_ID, upload, number, piece)
            size += len(piece)
        await store.keep_upload(Upload(upload, DEFAULT_ID, "crowd.csv", size))
    finally:
        await engine.close()
    return upload, size


@dataclass(slots=True)
class Filed:
    """One import of a service."""

    child: Child
    id: str = ""

    async def mapped(self, upload: str) -> "Filed":
        """Make it of an upload, and say what its columns are."""
        made = await asks.answered(self.child, "CreateImport", CREATE, {"input": {"uploadId": upload}})
        self.id = made["import"]["id"]
        mapping = [{"column": column, "field": field} for column, field in FIELDS.items()]
        given = {"mapping": mapping, "duplicates": "REWRITE", "tag": "crowd"}
        await asks.answered(self.child, "MapImport", MAP, {"id": self.id, "input": given})
        return self

    async def run(self, mode: str) -> dict[str, Any]:
        """Run it to its end."""
        await self.begin(mode)
        return await self.over()

    async def begin(self, mode: str) -> None:
        """Have it begin."""
        await asks.answered(self.child, "RunImport", RUN, {"id": self.id, "mode": mode})

    async def revert(self) -> dict[str, Any]:
        """Take it back."""
        await asks.answered(self.child, "RevertImport", REVERT, {"id": self.id})
        return await self.over()

    async def look(self) -> dict[str, Any]:
        """Return how far it is."""
        found: dict[str, Any] = await asks.answered(self.child, "Import", LOOK, {"id": self.id})
        return found

    async def over(self, seen: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Wait until nobody works on it any more; `seen` is shown each look."""
        while (one := await self.look())["state"] in BUSY:
            seen(one)
            await asyncio.sleep(LOOK_SECONDS)
        seen(one)
        if one["state"] == "FAILED" or one["counts"]["failed"]:
            raise NotSeeded(f"an import ended as {one}")
        return one


def seconds(one: dict[str, Any]) -> float:
    """Return how long the last run of an import took, from the request on."""
    began, ended = (datetime.fromisoformat(one[name]) for name in ("startedAt", "finishedAt"))
    return (ended - began).total_seconds()
