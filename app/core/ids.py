"""Ids: a prefix that says the type, then 48 bits of time and 80 of chance in base 32: they sort by birth."""

import secrets
import string
from datetime import datetime

from app.core import clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
LENGTH = 26
STEP_BITS = 48
_ALLOWED = frozenset(ALPHABET)
_PREFIX = frozenset(string.ascii_lowercase)


class _Last:
    """The number given last: within its millisecond, or before it, the next is a random step further.

    So order is kept also where a moment is a little older than the last one, or the machine's clock goes back.
    """

    def __init__(self) -> None:
        self._number = 0

    def following(self, millis: int) -> int:
        number = millis << 80 | secrets.randbits(79)
        if self._number >> 80 >= millis:
            number = self._number + 1 + secrets.randbits(STEP_BITS)
        self._number = number
        return number


_LAST = _Last()


def new(prefix: str, at: datetime | None = None) -> str:
    """Return a fresh id such as `per_01k9…`; ids of one process made later sort later."""
    number = _LAST.following(clock.millis(at or clock.now()))
    return prefix + "_" + "".join([PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def kind(value: str) -> str | None:
    """Return the prefix of a well-formed id, or None."""
    prefix, _, rest = value.partition("_")
    well = len(rest) == LENGTH and _ALLOWED.issuperset(rest) and prefix and _PREFIX.issuperset(prefix)
    return prefix if well else None
