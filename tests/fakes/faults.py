"""What goes wrong with a fake, by name and probability; and its clock."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

NAMES = (
    "expire_token",
    "too_many",
    "server_error",
    "limit",
    "slow",
    "half_open",
    "garbage",
    "drop_after_commit",
    "late_commit",
    "skew",
    "page_moves",
    "duplicate",
    "vanish",
    "partial",
    "reformat",
    "stale_token",
)
# Together less than the five minutes that a pass without change tracking starts before its mark.
LATE_SECONDS = 120
SKEW_SECONDS = 120


class Faults(dict[str, float]):
    """Probabilities of faults, 0 to 1; `plan` has one happen for certain the next times that it could."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.struck: Counter[str] = Counter()
        self._planned: Counter[str] = Counter()

    def __setitem__(self, name: str, probability: float) -> None:
        if name not in NAMES:
            raise KeyError(name)
        super().__setitem__(name, probability)

    def plan(self, name: str, times: int = 1) -> None:
        """Have a fault happen the next times."""
        if name not in NAMES:
            raise KeyError(name)
        self._planned[name] += times

    def strikes(self, name: str) -> bool:
        """Tell whether a fault happens now."""
        if self._planned[name]:
            self._planned[name] -= 1
        elif not self.get(name) or self.chance.random() >= self[name]:
            return False
        self.struck[name] += 1
        return True


class Clock:
    """A clock that goes on by itself, from wherever it was set to; naive UTC in whole seconds."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return its time."""
        return (datetime.now(UTC).replace(tzinfo=None) + self._offset).replace(microsecond=0)

    def set(self, moment: datetime) -> None:
        """Set it."""
        self._offset = moment - datetime.now(UTC).replace(tzinfo=None)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._offset += timedelta(seconds=seconds)
