"""JSON as browsers and servers send it: plain or packed, sometimes with half a character; unpacked within a bound."""

import re
import zlib
from typing import Any

import orjson

from app.core.errors import Fault

GZIP = 31  # zlib's word for a gzip header and the largest window
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(_HIGH + rb"(?!" + _LOW + rb")|(?<!" + _HIGH + rb")" + _LOW)
# Stands for an escaped backslash while halves are looked for; no JSON has such a byte.
_ASIDE = b"\x01\x01"


def unpacked(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """Return a body as it was before packing; raises PAYLOAD_TOO_LARGE before it fills memory, BAD_REQUEST for junk."""
    if encoding in (b"", b"identity"):
        return body
    if encoding != b"gzip":
        raise _bad("A body comes as it is, or as gzip.")
    reader = zlib.decompressobj(GZIP)
    try:
        text = reader.decompress(body, most_bytes + 1)
    except zlib.error:
        raise _bad("The body is not gzip.") from None
    if len(text) > most_bytes:
        raise Fault("PAYLOAD_TOO_LARGE", f"A request has at most {most_bytes:,} bytes unpacked.", status=413)
    if not reader.eof or reader.unused_data:
        raise _bad("The body is not one whole gzip.")
    return text


def parsed(body: bytes) -> Any:
    """Return the value of a JSON body; half of a surrogate pair, as a cut-off emoji leaves it, becomes U+FFFD."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _mended(body)


def _mended(body: bytes) -> Any:
    # In a few sweeps of the library, none of Python: whoever sends half a million escapes keeps nobody waiting.
    apart = body.replace(rb"\\", _ASIDE)
    mended = _HALF.sub(rb"\\ufffd", apart)
    if mended == apart or b"\x01" in body:
        raise _bad("The body is not JSON.")
    try:
        return orjson.loads(mended.replace(_ASIDE, rb"\\"))
    except orjson.JSONDecodeError:
        raise _bad("The body is not JSON.") from None


def _bad(message: str) -> Fault:
    return Fault("BAD_REQUEST", message, status=400)
