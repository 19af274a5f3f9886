"""What the headers of a request say of who asks: worked out once for all of a connection that have the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.access import keys
from app.web import shield
from app.web.accepted import accepted
from app.web.answers import Header, cors, rendered
from app.web.edge import Edge, Headers, key_of, named

RESPONSE_TYPE = b"application/graphql-response+json; charset=utf-8"
JSON_TYPE = b"application/json; charset=utf-8"
# Of every answer.
_FRESH = [(b"cache-control", b"no-store"), *shield.DATA]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks `/graphql`, by the headers of a request.

    `digest` is that of its key, None where it has none; `named` its own id of the request. `welcome`, `json` and
    `stream` tell whether it may come in, sends JSON, and takes a stream of events; `old` whether it would rather have
    plain JSON. `head` holds the headers of every answer to it, `lines` the same as they are written.
    """

    headers: Headers
    digest: bytes | None
    named: str | None
    welcome: bool
    json: bool
    stream: bool
    old: bool
    head: Sequence[Header]
    lines: bytes


def asker(edge: Edge, headers: Headers) -> Asker:
    """Return who asks."""
    wanted, key = accepted(headers.get(b"accept")), key_of(headers)
    head = [(b"content-type", JSON_TYPE if wanted.old else RESPONSE_TYPE), *_FRESH, *cors(edge, headers)]
    return Asker(
        headers,
        keys.digest(key) if key else None,
        named(headers),
        edge.welcomes(headers),
        _json(headers),
        wanted.stream,
        wanted.old,
        head,
        rendered(head),
    )


def _json(headers: Headers) -> bool:
    kind, _, parameters = headers.get(b"content-type", b"").partition(b";")
    utf8 = b"charset" not in parameters or b"utf-8" in parameters.lower()
    return kind.strip().lower() == b"application/json" and utf8
