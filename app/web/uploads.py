"""The file of an upload, piece by piece: a form with a field `file`, or a body that is the file itself.

No more of it is held than the piece that grows. What can't be taken is a Fault in the middle of it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from app.core.errors import Fault

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PIECE_BYTES = 1_048_576
UPLOAD_BYTES_MAX = 52_428_800
# Of a form: boundaries, headers of parts, other fields.
OTHER_BYTES_MAX = 1_048_576
# So long no byte may come; and so long an upload may take as a whole, which is 15 KB a second for the largest.
STALL_SECONDS = 30.0
UPLOAD_SECONDS = 3_600.0
FIELD = "file"
LENGTH_DIGITS = 15
_FORM = b"multipart/form-data"

# What strangers do wrong is told to them, and not to the log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class Body(Protocol):
    """What a body is read by: `name` is what the file is called, None where nothing says so."""

    name: str | None

    def feed(self, data: bytes) -> bytes:
        """Take in some bytes; returns those of the file among them."""
        ...

    def end(self) -> None:
        """Take in that nothing comes any more; refuses what is not whole."""
        ...


class Raw:
    """A body that is the file."""

    def __init__(self, name: str | None) -> None:
        self.name = name

    def feed(self, data: bytes) -> bytes:
        """Return all of it."""
        return data

    def end(self) -> None:
        """Take it as it is, be it empty."""


class Form:
    """A form, of which one field is the file; other fields are passed over."""

    def __init__(self, boundary: bytes, name: str | None) -> None:
        self.name = name
        self._found = bytearray()
        self._other = 0
        self._files = 0
        self._inside = self._whole = False
        self._header, self._value = bytearray(), bytearray()
        calls: MultipartCallbacks = {
            "on_part_begin": self._leave,
            "on_header_field": self._on_header,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_end": self._on_end,
        }
        self._parser = MultipartParser(boundary, calls)

    def feed(self, data: bytes) -> bytes:
        """Return what belongs to the file."""
        self._found.clear()
        # What comes behind the end belongs to nothing.
        if not self._whole:
            try:
                self._parser.write(data)
            except FormParserError:
                raise _bad("The form can't be read: it is not multipart/form-data as its header says.") from None
        self._other += len(data) - len(self._found)
        if self._other > OTHER_BYTES_MAX:
            words = f"Beside the file an upload has at most {OTHER_BYTES_MAX:,} bytes."
            raise Fault("PAYLOAD_TOO_LARGE", words, status=413)
        return bytes(self._found)

    def end(self) -> None:
        """Refuse a form that breaks off, and one without the file."""
        if not self._whole:
            raise ended_early()
        if not self._files:
            raise _bad(f"The form has no field `{FIELD}` with the file.")

    def _leave(self) -> None:
        self._inside = False

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, said = parse_options_header(bytes(self._value))
            if said.get(b"name") == FIELD.encode():
                self._begin(said.get(b"filename"))
        self._header.clear()
        self._value.clear()

    def _begin(self, name: bytes | None) -> None:
        self._files += 1
        if self._files > 1:
            raise _bad("An upload is one file; put several into a ZIP, or upload one after the other.")
        self._inside = True
        if name:
            self.name = name.decode(errors="replace")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._found += memoryview(data)[start:end]

    def _on_end(self) -> None:
        self._whole = True


def opened(headers: Mapping[bytes, bytes], query: bytes) -> Body:
    """Return what the body of a request is read by; refuses one that is packed, too long, or no form that it says."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        raise Fault("UNSUPPORTED_MEDIA_TYPE", "Send the file as it is, or as a ZIP.", status=415)
    kind, said = parse_options_header(headers.get(b"content-type", b""))
    form = kind.strip().lower() == _FORM
    length = headers.get(b"content-length", b"0")
    most = UPLOAD_BYTES_MAX + OTHER_BYTES_MAX * form
    if length.isdigit() and (len(length) > LENGTH_DIGITS or int(length) > most):
        raise too_large()
    named = parse_qs(query.decode("latin-1")).get("fileName", [None])[0]
    if not form:
        return Raw(named)
    try:
        return Form(said[b"boundary"], named)
    except (KeyError, FormParserError):
        raise _bad("A form names its boundary: Content-Type: multipart/form-data; boundary=…") from None


def megabytes(headers: Mapping[bytes, bytes]) -> int:
    """Return how many megabytes a body has by its header, begun ones as whole; 0 where it says nothing."""
    length = headers.get(b"content-length", b"0")
    return -(-int(length) // PIECE_BYTES) if length.isdigit() and len(length) <= LENGTH_DIGITS else 0


async def pieces(receive: Receive, body: Body) -> AsyncIterator[bytes]:
    """Yield the file in pieces of a megabyte; refuses a file that is too large, stands still, or ends early."""
    grown, size, more = bytearray(), 0, True
    until = asyncio.get_running_loop().time() + UPLOAD_SECONDS
    while more:
        data, more = await _next(receive, until)
        found = body.feed(data)
        size += len(found)
        if size > UPLOAD_BYTES_MAX:
            raise too_large()
        grown += found
        while len(grown) >= PIECE_BYTES:
            yield bytes(grown[:PIECE_BYTES])
            del grown[:PIECE_BYTES]
    body.end()
    if grown:
        yield bytes(grown)


async def _next(receive: Receive, until: float) -> tuple[bytes, bool]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(min(loop.time() + STALL_SECONDS, until)):
            message = await receive()
    except TimeoutError:
        words = f"The file did not arrive: for {STALL_SECONDS:.0f} seconds nothing came, or it took an hour."
        raise Fault("TIMEOUT", words, status=408) from None
    if message["type"] == "http.disconnect":
        raise ended_early()
    return message.get("body", b""), message.get("more_body", False)


def too_large() -> Fault:
    """Return the fault of a file that is too large."""
    words = f"A file has at most {UPLOAD_BYTES_MAX:,} bytes. Pack it into a ZIP: of tables little is left."
    return Fault("PAYLOAD_TOO_LARGE", words, status=413)


def ended_early() -> Fault:
    """Return the fault of a body that breaks off."""
    return Fault("BAD_REQUEST", "The body ended early.", status=400)


def _bad(message: str) -> Fault:
    return Fault("BAD_REQUEST", message, status=400)
