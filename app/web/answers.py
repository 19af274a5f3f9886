"""What answers have in common: how a whole one is sent, which pages may read it, how much a key may still ask."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.types import Scope, Send

from app.core.actor import Actor
from app.web.edge import Edge

Header = tuple[bytes, bytes]
# Sends a whole answer, sooner or later: status, headers as lines, its size among them, and body.
Reply = Callable[[int, bytes, bytes], None]
# Names what writes a whole answer at once, in the scope of a server that does: see `connection.py`.
WHOLE = "profiles.whole"
_STANDING = (b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset")
# The same as lines, to be given the three numbers.
STANDING = b"".join([name + b": %d\r\n" for name in _STANDING])
# What a browser's page may read of an answer.
EXPOSED = b"x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset"


def size(body: bytes) -> Header:
    """Return the header that says how long a body is."""
    return b"content-length", b"%d" % len(body)


def rendered(headers: Iterable[Header]) -> bytes:
    """Return headers as they are written; no value of ours has ends of lines."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


async def send_whole(scope: Scope, send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    """Send a whole answer, its size with it."""
    sized = [*headers, size(body)]
    write: Any = scope.get("extensions", {}).get(WHOLE)
    if write is None or not write(status, sized, body):
        await send({"type": "http.response.start", "status": status, "headers": sized})
        await send({"type": "http.response.body", "body": body})


def cors(edge: Edge, headers: Mapping[bytes, bytes], method: bytes = b"POST") -> list[Header]:
    """Return what lets a page of a welcome origin ask and read; nothing for others."""
    origin = headers.get(b"origin")
    if origin is None or not edge.welcomes(headers):
        return []
    exposed = EXPOSED + (b", content-disposition" if method == b"GET" else b"")
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", method),
        (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
        (b"access-control-expose-headers", exposed),
        (b"access-control-max-age", b"600"),
        (b"vary", b"origin"),
    ]


def standing(edge: Edge, actor: Actor | None) -> list[Header]:
    """Return how much the key may still ask: nothing where rates are off or nobody is known."""
    left = edge.rates.standing(actor.key) if actor is not None else None
    return [(name, b"%d" % number) for name, number in zip(_STANDING, left, strict=True)] if left else []
