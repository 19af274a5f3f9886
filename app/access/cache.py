"""Keys that were found good, by the SHA-256 of their text: fast, bounded, and never good for longer than it may be."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.access.model import ApiKey
from app.core import clock
from app.core.actor import Actor

CACHE_KEYS = 10_000
UNTRUSTED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its actor, as they were read at `at` (monotonic seconds)."""

    key: ApiKey
    actor: Actor
    at: float


class Cache:
    """What was read stays until it is forgotten, while `trusted` says that news of revocations come in; else 5 s."""

    def __init__(self, trusted: Callable[[], bool], timer: Callable[[], float] = time.monotonic) -> None:
        self._trusted = trusted
        self._timer = timer
        self._entries: dict[bytes, Entry] = {}
        self._digests: dict[str, bytes] = {}
        self.generation = 0  # rises with every forgetting

    def get(self, digest: bytes) -> Actor | None:
        """Return the actor of a key that is known to be good now."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        expires_at = entry.key.expires_at
        if (expires_at is not None and clock.now() >= expires_at) or (
            not self._trusted() and self._timer() - entry.at >= UNTRUSTED_SECONDS
        ):
            self._drop(entry.key.id)
            return None
        return entry.actor

    def put(self, digest: bytes, key: ApiKey, *, generation: int, at: float) -> Actor:
        """Take in what was read since `at` and `generation`; after a forgetting in between it serves only this once."""
        actor = key.actor()
        if generation != self.generation:
            return actor
        self._drop(key.id)
        while len(self._entries) >= CACHE_KEYS:
            self._drop(next(iter(self._digests)))
        self._entries[digest] = Entry(key, actor, at)
        self._digests[key.id] = digest
        return actor

    def forget(self, key_id: str) -> None:
        """Drop one key, and whatever is being read at this moment."""
        self.generation += 1
        self._drop(key_id)

    def forget_all(self) -> None:
        """Drop everything."""
        self.generation += 1
        self._entries.clear()
        self._digests.clear()

    def now(self) -> float:
        """Return the time that `at` is told in."""
        return self._timer()

    def _drop(self, key_id: str) -> None:
        digest = self._digests.pop(key_id, None)
        if digest is not None:
            del self._entries[digest]
