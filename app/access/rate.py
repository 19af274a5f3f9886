"""How much somebody may ask per second: a bucket for each, filled steadily, that holds some seconds' worth."""

import time
from collections import OrderedDict
from collections.abc import Callable

from app.core.errors import Fault

BURST_SECONDS = 10
BUCKETS = 10_000


class Rates:
    """Token buckets by the id of a key, or of whoever else asks; `per_second` 0 switches them off."""

    def __init__(
        self, per_second: float, timer: Callable[[], float] = time.monotonic, *, burst_seconds: float = BURST_SECONDS
    ) -> None:
        self._rate = float(per_second)
        self._full = self._rate * burst_seconds
        self._timer = timer
        # Key → (tokens, when they were counted), the one that was asked for longest ago first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, cost: int) -> None:
        """Take `cost` units, or raise RATE_LIMITED with the seconds to wait; no request is more than a bucket."""
        if not self._rate:
            return
        now = self._timer()
        tokens, at = self._buckets.get(key, (self._full, now))
        tokens = min(self._full, tokens + (now - at) * self._rate)
        cost = min(max(1, cost), int(self._full))
        enough = tokens >= cost
        self._buckets[key] = (tokens - cost if enough else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)
        if not enough:
            wait = max(1, -int(-(cost - tokens) // self._rate))
            message = f"This key asks too much at once. Try again in {wait} seconds."
            raise Fault("RATE_LIMITED", message, status=429, retryAfter=wait)

    def standing(self, key: str) -> tuple[int, int, int] | None:
        """Return what a full bucket holds, what is left in this one, and in how many seconds it is full again.

        None where rates are off.
        """
        if not self._rate:
            return None
        now = self._timer()
        tokens, at = self._buckets.get(key, (self._full, now))
        tokens = min(self._full, tokens + (now - at) * self._rate)
        return int(self._full), int(tokens), -int((tokens - self._full) // self._rate)
