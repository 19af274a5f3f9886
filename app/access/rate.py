"""How much somebody may ask per second: a bucket for each, filled steadily, that holds some seconds' worth."""

import time
from collections.abc import Callable, Mapping

from app.access.buckets import Buckets, Local
from app.core.errors import Fault

BURST_SECONDS = 10


class Rates:
    """Token buckets by the id of a key, or of whoever else asks; `per_second` 0 switches them off.

    `buckets` makes them, given the rate and what a full one holds: of this process, or of several.
    """

    def __init__(
        self,
        per_second: float,
        timer: Callable[[], float] = time.monotonic,
        *,
        burst_seconds: float = BURST_SECONDS,
        buckets: Callable[[float, float], Buckets] = Local,
    ) -> None:
        self.rate = float(per_second)
        self.full = self.rate * burst_seconds
        self._timer = timer
        self._buckets = buckets(self.rate, self.full)
        self._asked: set[str] | None = None

    def take(self, key: str, cost: int) -> None:
        """Take `cost` units, or raise RATE_LIMITED with the seconds to wait; no request is more than a bucket."""
        if not self.rate:
            return
        cost = min(max(1, cost), int(self.full))
        tokens = self._buckets.take(key, cost, self._timer())
        if tokens < cost:
            wait = max(1, -int(-(cost - tokens) // self.rate))
            message = f"This key asks too much at once. Try again in {wait} seconds."
            raise Fault("RATE_LIMITED", message, status=429, retryAfter=wait)
        if self._asked is not None:
            self._asked.add(key)

    def standing(self, key: str) -> tuple[int, int, int] | None:
        """Return what a full bucket holds, what is left in this one, and in how many seconds it is full again.

        None where rates are off.
        """
        if not self.rate:
            return None
        tokens = self._buckets.look(key, self._timer())
        return int(self.full), max(0, int(tokens)), -int((tokens - self.full) // self.rate)

    # ------------------------------------------------------------ over several machines

    def unsettled(self) -> dict[str, float]:
        """Return what was taken from each bucket since the last call; the first call begins to count."""
        asked, self._asked = self._asked or set(), set()
        owed = {key: self._buckets.owed(key) for key in asked}
        return {key: units for key, units in owed.items() if units}

    def settle(self, left: Mapping[str, float]) -> None:
        """Take over what is left in buckets by everybody's count, less what was taken here since `unsettled`."""
        now = self._timer()
        for key, tokens in left.items():
            self._buckets.settle(key, tokens, now)

    def owe(self, units: Mapping[str, float]) -> None:
        """Take back what `unsettled` gave and nobody could be told; never more than a bucket for each."""
        for key, some in units.items():
            self._buckets.owe(key, min(some, self.full))
        if self._asked is not None:
            self._asked.update(units)
