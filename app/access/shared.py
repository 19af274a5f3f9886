"""Buckets that the workers of one command have in common: tables in memory that their parent made.

A table is a set-associative cache: a key has its place among the few of its set, and takes over there from the one that
was asked for longest ago. Each set has a lock that outlives a holder who is killed.
"""

import ctypes
import errno
import mmap
import os
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Literal

from app.core.errors import StartError

TABLES = 2
SETS = 2048
WAYS = 8
LOCKS = 64
LOCK_BYTES = 64  # a mutex has 40 to 48; apart, so that two cores do not fight for one line
FIELDS = 4  # tag, tokens, when they were counted, owed
FIELD_BYTES = 8
TABLE_FIELDS = SETS * WAYS * FIELDS
LOCKS_BYTES = LOCKS * LOCK_BYTES
MEMORY_BYTES = TABLES * (LOCKS_BYTES + TABLE_FIELDS * FIELD_BYTES)
KNOWN_KEYS = 10_000
# A holder may have lost its core for a while. One that was stopped in the middle holds up a process once so long, and
# until it goes on, what is asked there is not counted.
WAIT_SECONDS = 0.25
STUCK_SECONDS = 10.0

_PROCESS_SHARED, _ROBUST = 1, 1
# It keeps the interpreter while it calls: what is held here must not wait for another thread to let go of that.
_LIBC = ctypes.PyDLL(None) if sys.platform == "linux" else None


class Memory:
    """The memory of one command's tables, open as `fd`; all zero but for the locks."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, MEMORY_BYTES)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    @classmethod
    def make(cls) -> "Memory":
        """Return new memory, gone with the last process that has it; raises StartError."""
        if _LIBC is None:
            raise StartError("PROFILES_WORKERS: several workers need Linux.")
        fd = os.memfd_create("profiles-rates")
        os.ftruncate(fd, MEMORY_BYTES)
        made = cls(fd)
        attributes = ctypes.create_string_buffer(LOCK_BYTES)
        _LIBC.pthread_mutexattr_init(attributes)
        _LIBC.pthread_mutexattr_setpshared(attributes, _PROCESS_SHARED)
        _LIBC.pthread_mutexattr_setrobust(attributes, _ROBUST)
        for lock in (made.lock(table, number) for table in range(TABLES) for number in range(LOCKS)):
            _LIBC.pthread_mutex_init(lock, attributes)
        return made

    def lock(self, table: int, number: int) -> ctypes.c_void_p:
        """Return the address of a lock."""
        return ctypes.c_void_p(self._start + (table * LOCKS + number) * LOCK_BYTES)

    def fields(self, table: int, kind: Literal["Q", "d"]) -> Any:
        """Return the fields of a table as numbers of a kind; whoever writes one writes into the memory."""
        begin = TABLES * LOCKS_BYTES + table * TABLE_FIELDS * FIELD_BYTES
        return memoryview(self._map)[begin : begin + TABLE_FIELDS * FIELD_BYTES].cast(kind)

    def table(self, number: int) -> "Callable[[float, float], Shared]":
        """Return what makes the buckets of a table."""
        return lambda rate, full: Shared(self, number, rate, full)

    def close(self) -> None:
        """Let go of the memory's descriptor; what is mapped stays until nobody uses it."""
        os.close(self.fd)


class Shared:
    """The buckets of one table, which other processes take from at the same time."""

    def __init__(self, memory: Memory, table: int, rate: float, full: float) -> None:
        if _LIBC is None:
            raise StartError("PROFILES_WORKERS: several workers need Linux.")
        self._rate = rate
        self._full = full
        self._memory = memory
        self._tags = memory.fields(table, "Q")
        self._numbers = memory.fields(table, "d")
        self._locks = [memory.lock(table, number) for number in range(LOCKS)]
        self._lock, self._unlock = _LIBC.pthread_mutex_trylock, _LIBC.pthread_mutex_unlock
        self._mend = _LIBC.pthread_mutex_consistent
        # Locks that could not be had, and until when that is not tried for long again.
        self._stuck: dict[int | None, float] = {}
        # Where keys were met last: tag, first field of the set, lock, first field of the bucket.
        self._known: dict[str, tuple[int, int, ctypes.c_void_p, int]] = {}

    def take(self, key: str, cost: float, now: float) -> float:
        """Return what was in a bucket, and take `cost` out of it where that is enough."""
        at, lock = self._enter(key, now)
        if lock is None:
            return self._full
        numbers = self._numbers
        tokens: float = min(self._full, numbers[at + 1] + (now - numbers[at + 2]) * self._rate)
        if tokens >= cost:
            numbers[at + 1] = tokens - cost
            numbers[at + 3] += cost
        else:
            numbers[at + 1] = tokens
        numbers[at + 2] = now
        self._unlock(lock)
        return tokens

    def look(self, key: str, now: float) -> float:
        """Return what is in a bucket."""
        return self.take(key, float("inf"), now)

    def owed(self, key: str) -> float:
        """Return what was taken since the last time, and begin anew."""
        at, lock = self._enter(key, time.monotonic())
        if lock is None:
            return 0.0
        owed: float = self._numbers[at + 3]
        self._numbers[at + 3] = 0.0
        self._unlock(lock)
        return owed

    def owe(self, key: str, units: float) -> None:
        """Count `units` as taken since the last time; the tokens stay."""
        at, lock = self._enter(key, time.monotonic())
        if lock is not None:
            self._numbers[at + 3] = min(self._full, self._numbers[at + 3] + units)
            self._unlock(lock)

    def settle(self, key: str, tokens: float, now: float) -> None:
        """Have what is owed taken out of `tokens`, and the rest be in the bucket."""
        at, lock = self._enter(key, now)
        if lock is not None:
            self._numbers[at + 1] = tokens - self._numbers[at + 3]
            self._numbers[at + 2] = now
            self._unlock(lock)

    def _enter(self, key: str, now: float) -> tuple[int, ctypes.c_void_p | None]:
        """Return the first field of a key's bucket and the lock that is held now, None where it could not be had."""
        known = self._known.get(key)
        if known is None:
            known = self._meet(key)
        tag, first, lock, at = known
        state = self._lock(lock)
        if state and not self._wait(lock, state):
            return at, None
        if self._tags[at] != tag:
            at = self._place(tag, first, now)
            self._known[key] = tag, first, lock, at
        return at, lock

    def _meet(self, key: str) -> tuple[int, int, ctypes.c_void_p, int]:
        tag = int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) or 1  # 0 is nobody's
        number = tag % SETS
        if len(self._known) >= KNOWN_KEYS:
            self._known.clear()
        first = number * WAYS * FIELDS
        return tag, first, self._locks[number % LOCKS], first

    def _place(self, tag: int, first: int, now: float) -> int:
        """Return the bucket of a tag, whose set is locked; a new one is full."""
        places = range(first, first + WAYS * FIELDS, FIELDS)
        for at in places:
            if self._tags[at] == tag:
                return at
        numbers = self._numbers
        at = min(places, key=lambda one: numbers[one + 2])
        numbers[at + 1], numbers[at + 2], numbers[at + 3] = self._full, now, 0.0
        self._tags[at] = tag
        return at

    def _wait(self, lock: ctypes.c_void_p, state: int) -> bool:
        """Tell whether a lock that somebody holds was had in time; one whose holder died is mended."""
        began = time.monotonic()
        while state == errno.EBUSY:
            if began < self._stuck.get(lock.value, 0.0):
                return False
            if time.monotonic() - began > WAIT_SECONDS:
                self._stuck[lock.value] = began + STUCK_SECONDS
                return False
            os.sched_yield()
            state = self._lock(lock)
        if state == errno.EOWNERDEAD:
            self._mend(lock)
        return True
