"""Whoever asks on and on beyond its rate is told so a little later.

To refuse costs as well, and a caller that waits for its refusal can't ask for the next.
"""

import time
from collections.abc import Callable

from app.core import chance

# So many refusals within a second are told at once: a client may not know better yet.
AT_ONCE = 20
# Those behind them for so long and up to as long again, so that they don't come back together; less than the second or
# more that each is told to wait.
HELD_SECONDS = 0.15


class Patience:
    """The refusals of this second, by account; it only knows who was refused just now."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._second = 0
        self._told: dict[str, int] = {}

    def seconds(self, account: str) -> float:
        """Note a refusal, and return how long to hold it back."""
        second = int(self._timer())
        if second != self._second:
            self._second, self._told = second, {}
        told = self._told[account] = self._told.get(account, 0) + 1
        return HELD_SECONDS + chance.part(HELD_SECONDS) if told > AT_ONCE else 0.0
