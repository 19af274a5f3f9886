"""The headers that answers have in common: which pages may read them, and how much a key may still ask."""

from collections.abc import Mapping

from app.core.actor import Actor
from app.web.edge import Edge

Header = tuple[bytes, bytes]
# What a browser's page may read of an answer.
EXPOSED = b"x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset"


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
    if left is None:
        return []
    return [
        (b"ratelimit-limit", b"%d" % left[0]),
        (b"ratelimit-remaining", b"%d" % left[1]),
        (b"ratelimit-reset", b"%d" % left[2]),
    ]
