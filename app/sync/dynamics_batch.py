"""Batches of the Web API: several requests in one multipart body, and the answers to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from typing import Any

import orjson

from app.sync.wire import parsed

MULTIPART = "multipart/mixed"
_HTTP = "application/http"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a batch."""

    method: str
    path: str
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of a batch; `body` is None where it has none that can be read."""

    status: int
    headers: Mapping[str, str]
    body: Any


def written(boundary: str, requests: Iterable[Asked]) -> bytes:
    """Return the body of a batch in which each request is for itself."""
    parts = []
    for one in requests:
        headers = {"Content-Type": "application/json", **one.headers}
        parts += [
            f"--{boundary}\r\nContent-Type: {_HTTP}\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode(),
            f"{one.method} {one.path} HTTP/1.1\r\n".encode(),
            *(f"{name}: {_line(value)}\r\n".encode() for name, value in headers.items()),
            b"\r\n",
            orjson.dumps(one.json),
            b"\r\n",
        ]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _line(value: str) -> str:
    """Return a header's value as one line: an ETag is the CRM's, and must not begin another header."""
    return value.replace("\r", "").replace("\n", "")


def read(content_type: str, data: bytes) -> list[Answered]:
    """Return the answers of a batch in their order, those of change sets among them; raises ValueError."""
    whole = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + data)
    if not whole.is_multipart():
        raise ValueError("no parts")
    return [_answer(part) for part in whole.walk() if part.get_content_type() == _HTTP]


def _answer(part: Message) -> Answered:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise ValueError("a part without content")  # noqa: TRY004 - what is wrong is what came
    line, _, rest = content.lstrip().replace(b"\r\n", b"\n").partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    headers = BytesHeaderParser().parsebytes(head)
    told: Any = None
    if body.strip() and headers.get_content_type() == "application/json":
        told = parsed(body)
    return Answered(int(line.split()[1]), {name.lower(): str(value) for name, value in headers.items()}, told)
