"""Who is to be told when a key stops being good: open sockets register here."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

from app.core import clock

Told = Callable[[], None]
# A timer's seconds; an expiry further away is looked at again then.
WAIT_SECONDS_MAX = 86_400.0


class Closing:
    """Listeners by key id; each is called at most once."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Told]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, key_id: str, told: Told) -> Told:
        """Have `told` called when the key is revoked or expires; returns what takes it off again."""
        self._listeners.setdefault(key_id, []).append(told)

        def leave() -> None:
            listeners = self._listeners.get(key_id, [])
            with suppress(ValueError):  # it was told already
                listeners.remove(told)
            if not listeners:
                self._end(key_id)

        return leave

    def expire(self, key_id: str, expires_at: datetime) -> None:
        """Tell whoever listens for this key at that moment, at once where it has passed."""
        if key_id in self._listeners and key_id not in self._timers:
            self._wait(key_id, expires_at)

    def keys(self) -> Iterable[str]:
        """Return the ids of the keys that somebody listens for."""
        return list(self._listeners)

    def tell(self, key_id: str) -> None:
        """Call everybody who listens for this key, and forget them."""
        listeners = self._listeners.get(key_id, [])
        self._end(key_id)
        for told in listeners:
            told()

    def clear(self) -> None:
        """Let go of everybody without a word."""
        for key_id in self.keys():
            self._end(key_id)

    def _end(self, key_id: str) -> None:
        self._listeners.pop(key_id, None)
        timer = self._timers.pop(key_id, None)
        if timer is not None:
            timer.cancel()

    def _wait(self, key_id: str, expires_at: datetime) -> None:
        left = (expires_at - clock.now()).total_seconds()
        if left <= 0:
            self.tell(key_id)
            return
        loop = asyncio.get_running_loop()
        self._timers[key_id] = loop.call_later(min(left, WAIT_SECONDS_MAX), self._wait, key_id, expires_at)
