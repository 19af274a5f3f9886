"""Which keys come more than once: counted by 64-bit digests, eight bytes each, so that millions fit into memory."""

import hashlib
from array import array
from collections.abc import Iterable
from itertools import pairwise

_BUCKETS = 256


class Repeats:
    """Keys of row after row; `settle` ends the counting, and what came in more than one row is known from then on.

    Two keys with one digest count as one that came twice: that costs memory and changes nothing else.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._again: set[int] = set()

    def add(self, keys: Iterable[str]) -> None:
        """Take in the keys of one row, each counted once."""
        for one in {_digest(key) for key in keys}:
            self._buckets[one % _BUCKETS].append(one)

    def settle(self) -> None:
        """Find what came twice, bucket by bucket, and forget the rest."""
        for bucket in self._buckets:
            ordered = sorted(bucket)
            self._again.update(one for one, next_one in pairwise(ordered) if one == next_one)
        self._buckets = []

    def __contains__(self, key: object) -> bool:
        """Tell whether a key came in more than one row."""
        return isinstance(key, str) and _digest(key) in self._again


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest())
