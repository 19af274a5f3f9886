"""The load generator: so many keep-alive callers on raw protocols, every answer checked, as little work as possible."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

LINGER_SECONDS = 100.0
BLANK = b"\r\n\r\n"
LENGTH = b"content-length:"
SHOWN_FAILURES = 3

Request = tuple[bytes, object]


@dataclass(slots=True)
class Tally:
    """What came of one round: a latency in seconds per good answer, and the failures."""

    ask: Callable[[], Request | None]
    check: Callable[[bytes, object], bool]
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    samples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def fail(self, what: bytes) -> None:
        """Count a failure and keep the first few to show."""
        self.failed += 1
        if len(self.samples) < SHOWN_FAILURES:
            self.samples.append(what[:300].decode("utf-8", "replace"))


class Caller(asyncio.Protocol):
    """One connection that sends the next request when the last is answered, until it is told to stop."""

    def __init__(self, tally: Tally, done: asyncio.Future[None]) -> None:
        self.tally = tally
        self.done = done
        self.stopping = False
        self.buffer = b""
        self.token: object = None
        self.sent = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send the first request."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the next request, or finish."""
        request = None if self.stopping else self.tally.ask()
        if request is None:
            self.finish()
            return
        payload, self.token = request
        self.sent = perf_counter()
        self.transport.write(payload)

    def finish(self) -> None:
        """Say that this caller has nothing under way any more."""
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes; on a whole answer note its latency, check it and go on."""
        self.buffer = data = self.buffer + data if self.buffer else data
        end = data.find(BLANK)
        if end < 0:
            return
        head = data[:end].lower()
        at = head.find(LENGTH)
        if at < 0:
            self.tally.fail(b"no content-length: " + data)
            self.finish()
            return
        line = head.find(b"\r\n", at)
        length = int(head[at + len(LENGTH) : line if line > 0 else end])
        if len(data) < end + 4 + length:
            return
        elapsed = perf_counter() - self.sent
        self.buffer = b""
        body = data[end + 4 :]
        if head.startswith(b"http/1.1 200") and self.tally.check(body, self.token):
            self.tally.latencies.append(elapsed)
        else:
            self.tally.fail(data[: head.find(b"\r\n")] + b" " + body)
        self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a connection that the server dropped under a request."""
        if not self.done.done():
            self.tally.fail(b"connection lost")
            self.done.set_result(None)


async def drive(tally: Tally, port: int, callers: int, seconds: float) -> Tally:
    """Keep `callers` connections busy for `seconds`, or until there is nothing more to ask; then wait for the last."""
    loop = asyncio.get_running_loop()
    waits = [loop.create_future() for _ in range(callers)]
    began = perf_counter()
    pairs = [await loop.create_connection(lambda w=wait: Caller(tally, w), "127.0.0.1", port) for wait in waits]
    await asyncio.wait(waits, timeout=seconds)
    for _, caller in pairs:
        caller.stopping = True
    _, late = await asyncio.wait(waits, timeout=LINGER_SECONDS)
    tally.seconds = perf_counter() - began
    for wait in late:
        tally.fail(b"no answer in time")
        wait.set_result(None)
    for transport, _ in pairs:
        transport.close()
    return tally
