"""Keyset pages and their cursors: signed positions, bound to an account and a query."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from app.core.errors import Fault, bad_cursor

T = TypeVar("T")

PAGE_DEFAULT = 20
PAGE_MAX = 1000
SIGNATURE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of an ordered list is wanted: `limit` items after `position`, or before it when `backward`."""

    limit: int = PAGE_DEFAULT
    position: tuple[Any, ...] | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of an ordered list, always in the list's own order."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool


class Signer:
    """Makes and opens cursors with the service's secret; every process of one database shares it."""

    def __init__(self, secret: bytes) -> None:
        self._key = b""
        self.rekey(secret)

    def rekey(self, secret: bytes) -> None:
        """Sign with another secret from now on."""
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"cursor").digest()

    def seal(self, account: str, query: str, position: Sequence[Any]) -> str:
        """Return an opaque cursor for `position` in `query` of `account`."""
        body = orjson.dumps(list(position))
        return base64.urlsafe_b64encode(self._sign(account, query, body) + body).decode().rstrip("=")

    def open(self, account: str, query: str, cursor: str) -> tuple[Any, ...]:
        """Return the position, or raise BAD_CURSOR where the cursor was made for anything else."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError as error:
            raise bad_cursor() from error
        signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(account, query, body)):
            raise bad_cursor()
        return tuple(orjson.loads(body))

    def _sign(self, account: str, query: str, body: bytes) -> bytes:
        text = f"{account}\0{query}\0".encode() + body
        return hashlib.blake2b(text, digest_size=SIGNATURE_BYTES, key=self._key).digest()


def window(
    open_cursor: Callable[[str], tuple[Any, ...]],
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Slice:
    """Read Relay's four arguments; anything that names no single part is refused with INVALID arguments."""
    if (first is not None or after is not None) and (last is not None or before is not None):
        message = "Page forward with `first`/`after` or backward with `last`/`before`, not both."
        raise Fault("BAD_VARIABLES", message, status=400)
    backward = last is not None or before is not None
    limit = last if backward else first
    limit = PAGE_DEFAULT if limit is None else limit
    if not 0 <= limit <= PAGE_MAX:
        raise Fault("BAD_VARIABLES", f"A page holds 0 to {PAGE_MAX} items, not {limit}.", status=400)
    cursor = before if backward else after
    return Slice(limit, None if cursor is None else open_cursor(cursor), backward)


def cut(rows: Sequence[T], part: Slice) -> Page[T]:
    """Make the page of `part` from rows read in reading direction, one more than the limit where there is one."""
    more = len(rows) > part.limit
    rows = rows[: part.limit]
    if part.backward:
        return Page(rows[::-1], has_next=part.position is not None, has_previous=more)
    return Page(rows, has_next=more, has_previous=part.position is not None)
