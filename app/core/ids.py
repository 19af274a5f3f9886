"""Ids: a prefix that says the type, then 48 bits of time and 80 of chance in base 32: they sort by birth."""

import os
import secrets
import string
from datetime import datetime

from app.core import clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
LENGTH = 26
STEP_BYTES = 6
POOL_BYTES = 4096
_ALLOWED = frozenset(ALPHABET)
_PREFIX = frozenset(string.ascii_lowercase)


class _Pool:
    """Random bytes of the system, drawn many at once: a call for each id would cost more than all the rest of it."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return bytes that nobody got before."""
        if self._at + count > len(self._bytes):
            self._bytes, self._at = secrets.token_bytes(POOL_BYTES), 0
        self._at += count
        return self._bytes[self._at - count : self._at]

    def forget(self) -> None:
        """Draw anew: a process that was forked off must not give what its parent gives."""
        self._at = len(self._bytes)


class _Last:
    """The number given last: within its millisecond, or before it, the next is a random step further.

    So order is kept also where a moment is a little older than the last one, or the machine's clock goes back.
    """

    def __init__(self) -> None:
        self._number = 0

    def following(self, millis: int) -> int:
        if self._number >> 80 >= millis:
            self._number += 1 + int.from_bytes(_CHANCE.take(STEP_BYTES))
        else:
            # The topmost bit is left free for steps.
            self._number = millis << 80 | int.from_bytes(_CHANCE.take(10)) >> 1
        return self._number


_CHANCE = _Pool()
_LAST = _Last()
os.register_at_fork(after_in_child=_CHANCE.forget)


def new(prefix: str, at: datetime | None = None) -> str:
    """Return a fresh id such as `per_01k9…`; ids of one process made later sort later."""
    n, p = _LAST.following(clock.millis(at or clock.now())), PAIRS
    # Written out: a batch makes thousands, and a loop takes nearly twice as long.
    head = f"{p[n >> 120]}{p[n >> 110 & 1023]}{p[n >> 100 & 1023]}{p[n >> 90 & 1023]}{p[n >> 80 & 1023]}"
    tail = f"{p[n >> 70 & 1023]}{p[n >> 60 & 1023]}{p[n >> 50 & 1023]}{p[n >> 40 & 1023]}{p[n >> 30 & 1023]}"
    return f"{prefix}_{head}{tail}{p[n >> 20 & 1023]}{p[n >> 10 & 1023]}{p[n & 1023]}"


def kind(value: str) -> str | None:
    """Return the prefix of a well-formed id, or None."""
    prefix, _, rest = value.partition("_")
    well = len(rest) == LENGTH and _ALLOWED.issuperset(rest) and prefix and _PREFIX.issuperset(prefix)
    return prefix if well else None
