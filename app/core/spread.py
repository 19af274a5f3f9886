"""How values spread: how many lie below each of some limits, kept as plain numbers, for one thread counts."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Spread:
    """Counts of values: `counts[i]` of those at most `limits[i]` and above the limit before, the last of the rest."""

    __slots__ = ("counts", "limits", "total")

    def __init__(self, limits: Sequence[float] = SECONDS) -> None:
        self.limits = limits
        self.counts = [0] * (len(limits) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.limits, value)] += 1
        self.total += value
