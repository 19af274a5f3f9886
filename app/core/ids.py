"""Ids: a prefix that says the type, then 48 bits of time and 80 bits of chance in base 32, so that they sort by birth."""

import secrets
import string
from datetime import datetime

from app.core import clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
LENGTH = 26
_ALLOWED = frozenset(ALPHABET)
_PREFIX = frozenset(string.ascii_lowercase)


def new(prefix: str, at: datetime | None = None) -> str:
    """Return a fresh id such as `per_01k9…`; ids made later sort later, to the millisecond."""
    number = clock.millis(at or clock.now()) << 80 | secrets.randbits(80)
    return prefix + "_" + "".join([PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def kind(value: str) -> str | None:
    """Return the prefix of a well-formed id, or None."""
    prefix, _, rest = value.partition("_")
    well = len(rest) == LENGTH and _ALLOWED.issuperset(rest) and prefix and _PREFIX.issuperset(prefix)
    return prefix if well else None
