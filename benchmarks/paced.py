"""Requests at a pace, whatever becomes of those before: times count from the moment in which each was due."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.load import BLANK, LENGTH

CONNECTIONS = 64
LINGER_SECONDS = 10.0


@dataclass(slots=True)
class Pace:
    """So many requests a second; `latencies` in seconds of all answers, `statuses` how many there were of each."""

    port: int
    per_second: float
    ask: Callable[[], bytes]
    patient: bool = True  # or what finds no connection free in the end is never sent
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    _idle: "deque[Line]" = field(default_factory=deque)
    _due: deque[float] = field(default_factory=deque)

    async def keep(self, seconds: float) -> "Pace":
        """Ask for `seconds`, then wait for the last answers."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port) for _ in range(CONNECTIONS)]
        self._idle.extend(line for _, line in made)
        began, sent = perf_counter(), 0
        while (now := perf_counter()) < began + seconds:
            while began + sent / self.per_second <= now:
                self._due.append(began + sent / self.per_second)
                sent += 1
            self.go_on()
            await asyncio.sleep(0.001)
        if not self.patient:
            sent -= len(self._due)
            self._due.clear()
        async with asyncio.timeout(LINGER_SECONDS):
            while len(self.latencies) < sent:
                await asyncio.sleep(0.01)
        for transport, _ in made:
            transport.close()
        return self

    def go_on(self) -> None:
        """Send what is due where a connection is free."""
        while self._due and self._idle:
            self._idle.popleft().send(self.ask(), self._due.popleft())

    def took(self, line: "Line", status: int, seconds: float) -> None:
        """Note an answer."""
        self.latencies.append(seconds)
        self.statuses[status] += 1
        self._idle.append(line)
        self.go_on()


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Be there."""
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a moment."""
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take bytes; on a whole answer note it."""
        self._buffer += data
        end = self._buffer.find(BLANK)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(LENGTH) + len(LENGTH)
        length = int(head[at:].partition(b"\r\n")[0])
        if len(self._buffer) < end + len(BLANK) + length:
            return
        self._buffer = b""
        self._pace.took(self, int(head[9:12]), perf_counter() - self._due)
