"""Buckets by key: how many tokens are in each, and what was taken that only this place knows of."""

from collections import OrderedDict
from typing import Protocol

BUCKETS = 10_000


class Buckets(Protocol):
    """Buckets that fill with time; one that was never asked for is full. Times are seconds of one clock."""

    def take(self, key: str, cost: float, now: float) -> float:
        """Return what was in a bucket, and take `cost` out of it where that is enough."""

    def look(self, key: str, now: float) -> float:
        """Return what is in a bucket."""

    def owed(self, key: str) -> float:
        """Return what was taken since the last time, and begin anew."""

    def owe(self, key: str, units: float) -> None:
        """Count `units` as taken since the last time; the tokens stay."""

    def settle(self, key: str, tokens: float, now: float) -> None:
        """Have what is owed taken out of `tokens`, and the rest be in the bucket."""


class Local:
    """Those of one process, bounded: one too many takes the place of the one that was asked for longest ago."""

    def __init__(self, rate: float, full: float) -> None:
        self._rate = rate
        self._full = full
        # Key → [tokens, when they were counted, owed], the one that was asked for longest ago first.
        self._held: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str, cost: float, now: float) -> float:
        """Return what was in a bucket, and take `cost` out of it where that is enough."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = [self._full, now, 0.0]
            if len(self._held) > BUCKETS:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(key)
        tokens = min(self._full, held[0] + (now - held[1]) * self._rate)
        if tokens >= cost:
            held[0] = tokens - cost
            held[2] += cost
        else:
            held[0] = tokens
        held[1] = now
        return tokens

    def look(self, key: str, now: float) -> float:
        """Return what is in a bucket."""
        tokens, at, _ = self._held.get(key, (self._full, now, 0.0))
        return min(self._full, tokens + (now - at) * self._rate)

    def owed(self, key: str) -> float:
        """Return what was taken since the last time, and begin anew."""
        held = self._held.get(key)
        if held is None:
            return 0.0
        owed, held[2] = held[2], 0.0
        return owed

    def owe(self, key: str, units: float) -> None:
        """Count `units` as taken since the last time; the tokens stay."""
        held = self._held.get(key)
        if held is not None:
            held[2] = min(self._full, held[2] + units)

    def settle(self, key: str, tokens: float, now: float) -> None:
        """Have what is owed taken out of `tokens`, and the rest be in the bucket."""
        held = self._held.get(key)
        if held is not None:
            held[:2] = [tokens - held[2], now]
