"""Whatever a stranger sends, by HTTP, websocket and the wire: no 5xx, no traceback, no memory kept, no loop blocked.

`PROFILES_TEST_MALFORMED` says how many inputs, `PROFILES_TEST_SEED` which ones.
"""

import gc
import os
import socket
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Any

import orjson
import psutil
import pytest

from app.graph import document
from tests.system.malformed import Input, frame, malformed, seed
from tests.system.threaded import SECONDS, Threaded, pace, threaded

ASKED = "PROFILES_TEST_MALFORMED" in os.environ
INPUTS = int(os.environ.get("PROFILES_TEST_MALFORMED", "1000"))
# So much of them fill caches before memory is compared, and the heaviest of all have been sent: what one input takes at
# its peak the allocator keeps, and is no leak wherever in a run it comes.
WARM = 0.4
HEAVIEST = 20
GROWTH = 1.05
# While a short run goes on, the allocator still takes what it needs: a leak shows in a long one.
SLACK_BYTES = 12 * 2**20 if INPUTS < 100_000 else 0
BLOCKED_SECONDS = 0.05
TRIES = 6
EMPTIED_INPUTS = 200
CUT_SECONDS = 0.1
SHAKE = b"""GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"""
PING = frame(b'{"type":"ping"}')
PONG = b'{"type":"pong"}'
# Close codes by which a server says that it is its own fault.
FAULTS = (1011, 1012, 1014)
NO_CODE = 1005


async def _turn() -> None:
    """Be run once by the loop."""


class Sender:
    """Sends inputs one after the other, and reads what each costs the service's thread."""

    def __init__(self, served: Threaded) -> None:
        self.served = served
        self.answers: Counter[tuple[str, int]] = Counter()
        self._line: socket.socket | None = None
        self._told = b""

    def cost(self, one: Input) -> float:
        """Send an input, wait for all that it brings about; return the processor seconds of it."""
        began = self.served.cpu()
        status = self._socket(one) if one.frames else self._http(one)
        self.served.call(_turn())
        own = status in FAULTS if one.frames else status >= 500
        assert not own, (one.name, status, one.data[:2000], self._told[:500])
        assert b'"code":"INTERNAL"' not in self._told, (one.name, one.data[:2000], self._told[:500])
        self.answers[one.name, status] += 1
        return self.served.cpu() - began

    def close(self) -> None:
        """Go away."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _http(self, one: Input) -> int:
        if one.cut:
            self.close()
        reused = self._line is not None
        line = self._line = self._line or self.served.connected()
        line.settimeout(CUT_SECONDS if one.cut else SECONDS)
        self._told = b""
        try:
            line.sendall(one.data)
            whole = self._answer(line)
            if not self._told and reused:
                # Closed behind the answer before: a client begins anew.
                self.close()
                return self._http(one)
        except (TimeoutError, ConnectionError):
            # Only what is incomplete may be left without an answer.
            assert one.cut, (one.name, one.data[:2000])
            whole = False
        assert self._told or one.cut, (one.name, one.data[:2000])
        if one.cut or not whole:
            self.close()
        return int(self._told.split(b" ", 2)[1]) if self._told else 0

    def _answer(self, line: socket.socket) -> bool:
        """Read one answer; tells whether the connection stays."""
        while b"\r\n\r\n" not in self._told:
            if not (more := line.recv(65_536)):
                return False
            self._told += more
        head, _, rest = self._told.partition(b"\r\n\r\n")
        named = dict(text.lower().split(b": ", 1) for text in head.split(b"\r\n")[1:])
        if b"content-length" not in named:
            # A stream of events has no end but ours.
            return False
        missing = int(named[b"content-length"]) - len(rest)
        while missing > 0 and (more := line.recv(65_536)):
            self._told += more
            missing -= len(more)
        return named.get(b"connection") != b"close"

    def _socket(self, one: Input) -> int:
        with self.served.connected() as line:
            self._told = told = b""
            try:
                line.sendall(SHAKE)
                while b"\r\n\r\n" not in told:
                    told += line.recv(65_536)
                line.settimeout(CUT_SECONDS if one.cut else SECONDS)
                line.sendall(one.data + PING)
                told = told.partition(b"\r\n\r\n")[2]
                while PONG not in told and not _code(told) and (more := line.recv(65_536)):
                    told += more
            except (TimeoutError, ConnectionError):
                # Half a frame is waited for, and what is no frame ends the connection.
                assert one.cut, (one.name, one.data[:2000], told[:500])
            self._told = told
        return _code(told)


def _code(told: bytes) -> int:
    """Return the code of the close among frames, 0 where there is none."""
    while len(told) >= 2:
        size, at = told[1] & 0x7F, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(told[2 : 2 + wide]), 2 + wide
        if told[0] & 0x0F == 8:
            return int.from_bytes(told[at : at + 2]) or NO_CODE
        told = told[at + size :]
    return 0


def blocks(sender: Sender, one: Input, seconds: float) -> float:
    """Return what an input costs at best, on a core of its own: this machine may have been busy with something else."""
    # What comes on a socket is done frame by frame, with others' work between.
    parts = max(1, one.frames)
    best = seconds / pace() / parts
    for _ in range(TRIES):
        if best <= BLOCKED_SECONDS:
            break
        sender.served.service.edge.operations.documents._kept.clear()
        before = pace()
        best = min(best, sender.cost(one) / max(before, pace()) / parts)
    return best


def kept(process: psutil.Process) -> int:
    """Return the bytes that the process holds, its garbage collected."""
    gc.collect()
    resident: int = process.memory_info().rss
    return resident


def heaviest(number: int, served: Threaded) -> Iterator[Input]:
    """Yield the heaviest inputs of a run, made anew one by one, so that they are not held."""
    rng, found = Random(number), list[tuple[int, int, Any]]()
    for index in range(INPUTS):
        before = rng.getstate()
        heappush(found, (len(malformed(rng, served.key, served.web_key).data), index, before))
        if len(found) > HEAVIEST:
            heappop(found)
    for _, _, before in found:
        rng.setstate(before)
        yield malformed(rng, served.key, served.web_key)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threaded]:
    """Give the service on a thread; what is there now is no garbage."""
    # What tests keep of documents for each other would be taken for a leak.
    monkeypatch.setattr(document, "prepare", document.prepare.__wrapped__)  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()
    with threaded() as one:
        # So small that it is full before memory is compared; how large it may be has a test of its own.
        one.service.edge.operations.documents.capacity = 100
        yield one
    gc.unfreeze()


@pytest.mark.timeout(7200)
def test_malformed_inputs_harm_nobody(served: Threaded) -> None:
    """Each is answered or closed as the sender's own mistake; afterwards the service is as it was."""
    number = seed()
    print(f"\nPROFILES_TEST_SEED={number} PROFILES_TEST_MALFORMED={INPUTS}")  # noqa: T201 - to be run again
    rng, sender, process, start = Random(number), Sender(served), psutil.Process(), 0
    slowest: list[tuple[float, str, bytes]] = []
    for index in range(INPUTS):
        one = malformed(rng, served.key, served.web_key)
        seconds = sender.cost(one)
        if seconds > BLOCKED_SECONDS:
            seconds = blocks(sender, one, seconds)
            # Time is held against a run that was asked for: the gate shares its cores, and is watched for coverage.
            assert seconds <= BLOCKED_SECONDS or not ASKED, (one.name, seconds, one.data[:3000])
        slowest = sorted([*slowest, (seconds, one.name, one.data[:300])], reverse=True)[:5]
        if index % EMPTIED_INPUTS == 0:
            served.emptied()
        if index == int(INPUTS * WARM):
            for heavy in heaviest(number, served):
                sender.cost(heavy)
            start = kept(process)
    grown = (kept(process) - SLACK_BYTES) / start
    sender.close()
    print(f"memory grew {grown:.3f} times of {start / 2**20:.0f} MB;", dict(sender.answers))  # noqa: T201
    print("slowest:", *slowest, sep="\n  ")  # noqa: T201
    assert served.complaints.found == []
    assert grown < GROWTH
    metrics = served.service.edge.metrics.text().decode()
    assert 'status="5' not in metrics
    assert 'code="INTERNAL"' not in metrics
    good = Input("good", frame(orjson.dumps({"type": "connection_init", "payload": {"apiKey": served.key}})), frames=1)
    sender.cost(good)
    assert b"connection_ack" in sender._told
