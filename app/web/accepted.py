"""What media types a request accepts, and which it likes better: RFC 9110, and GraphQL over HTTP."""

import re
from functools import lru_cache
from typing import NamedTuple

HEADERS_KEPT = 256
HEADER_BYTES_KEPT = 512
_WEIGHT = re.compile(rb"(?i)\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*\Z")
_JSON, _RESPONSE = b"application/json", b"application/graphql-response+json"
_STREAM, _PAGE = b"text/event-stream", b"text/html"


class Accepted(NamedTuple):
    """Whether plain JSON is wanted rather than the newer type of GraphQL, and whether a stream or a page would do.

    Where neither type is accepted one is sent nevertheless: an answer tells more than a refusal.
    """

    old: bool
    stream: bool
    page: bool


def accepted(header: bytes | None) -> Accepted:
    """Return what a header says; what most send is worked out once."""
    said = b"*/*" if header is None else header
    return _known(said) if len(said) <= HEADER_BYTES_KEPT else _read(said)


def _read(header: bytes) -> Accepted:
    weights = dict(map(_weighed, header.split(b",")))
    return Accepted(
        _rank(weights, _JSON) > _rank(weights, _RESPONSE),
        weights.get(_STREAM, 0) > 0,
        weights.get(_PAGE, 0) > 0,
    )


_known = lru_cache(maxsize=HEADERS_KEPT)(_read)


def _weighed(part: bytes) -> tuple[bytes, float]:
    """Return a type, or a range of types, and its weight; other parameters make no difference here."""
    name, *parameters = part.split(b";")
    found = next(filter(None, map(_WEIGHT.match, parameters)), None)
    return name.strip().lower(), float(found[1]) if found else 1.0


def _rank(weights: dict[bytes, float], name: bytes) -> tuple[float, bool]:
    """Return how much a type is liked; of two alike the one that is named comes first, unless it is ruled out."""
    if name in weights:
        return weights[name], weights[name] > 0
    ranged = weights.get(name.partition(b"/")[0] + b"/*", weights.get(b"*/*", 0.0))
    return ranged, ranged == 0
