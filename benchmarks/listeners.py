"""Websocket clients by the thousand: a raw protocol each, with just as much of RFC 6455 as a listener needs.

A listener is opened (handshake, connection_init), may follow one subscription, and then counts what it is told.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import orjson

from benchmarks.processes import ADMIN_KEY, NotStarted

OPEN_SECONDS = 30.0
HEARD_SECONDS = 60.0
AT_ONCE = 100
SMALL_BYTES, SMALL_SEGMENT_BYTES = 4_096, 536
BLANK = b"\r\n\r\n"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# A mask of zeros changes nothing, and costs the server as much as any other.
NO_MASK = bytes(4)
HELLO = (
    b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
INIT = {"type": "connection_init", "payload": {"apiKey": ADMIN_KEY}}
ACK = b'{"type":"connection_ack"}'
FOLLOW = (
    "subscription Follow($person: PersonLocator,$after: Cursor){timelineEvents(person:$person,after:$after,"
    'types:["orderPlaced"]){kind cursor event{title properties}}}'
)


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a whole frame of a client."""
    size = len(payload)
    head = (
        struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 254, size)
    )
    return head + NO_MASK + payload


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield opcode, payload and end of each whole frame of a server at the beginning of `data`."""
    at, size = 0, len(data)
    while at + 2 <= size:
        opcode, length, start = data[at] & 15, data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[start : start + 2]), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[start : start + 8]), at + 10
        if start + length > size:
            return
        at = start + length
        yield opcode, data[start:at], at


class Told:
    """What listeners heard: how many events, how long after they were sent, and everything that was wrong."""

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.order: list[int] = []  # as the first to hear of them heard them; all others are to hear the same
        self.count = 0
        self.latencies: list[float] = []
        self.wrong: list[str] = []
        self.lost = 0
        self._known: dict[bytes, int] = {}
        self._ordered: set[int] = set()
        self._waits: dict[int, asyncio.Future[None]] = {}

    def number(self, payload: bytes) -> int:
        """Return the number of the event that a payload tells; -1 where it is none. Equal ones are read once."""
        found = self._known.get(payload)
        if found is None:
            found = self._known[payload] = _number(payload)
        return found

    def forget(self) -> None:
        """Begin to measure anew; the numbers of events go on."""
        self.latencies = []
        self._known.clear()

    def heard(self, number: int) -> None:
        """Note that a listener heard of an event."""
        self.latencies.append(perf_counter() - self.sent[number])
        self.count += 1
        if self.count in self._waits:
            self._waits.pop(self.count).set_result(None)

    def in_turn(self, place: int, number: int) -> bool:
        """Tell whether an event may be heard at a place in the order: as others heard it, and by nobody twice."""
        if place < len(self.order):
            return self.order[place] == number
        if number in self._ordered:
            return False
        self.order.append(number)
        self._ordered.add(number)
        return True

    def fail(self, what: str) -> None:
        """Note what was wrong."""
        self.wrong.append(what[:300])

    async def counted(self, count: int, seconds: float) -> None:
        """Wait until so many were heard in all; raises TimeoutError."""
        if self.count < count:
            self._waits[count] = asyncio.get_running_loop().create_future()
            await asyncio.wait_for(self._waits[count], seconds)


def _number(payload: bytes) -> int:
    try:
        update = orjson.loads(payload)["payload"]["data"]["timelineEvents"]
        right = update["kind"] == "EVENT" and update["cursor"] and update["event"]["title"]
        return int(update["event"]["properties"]["orderNumber"]) if right else -1
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return -1


class Listener(asyncio.Protocol):
    """One socket. It is to hear of each event in the order of all, or with `wanted` of those alone, once each."""

    def __init__(self, told: Told, wanted: Callable[[int], bool] | None = None) -> None:
        self.told = told
        self.wanted = wanted
        self.place = 0  # how many it heard, those included that it need not hear again
        self._own: tuple[int, ...] = ()
        self.cursor: str | None = None
        self.error: dict[str, Any] | None = None
        self.code: int | None = None
        self.closed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.keeps_cursor = False
        self._buffer = b""
        self._open = False
        self._wait: asyncio.Future[bytes] | None = asyncio.get_running_loop().create_future()
        self._hello = self._wait

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        """Take what came, frame by frame."""
        if self._buffer:
            data = self._buffer + data
        if not self._open:
            end = data.find(BLANK)
            if end < 0:
                self._buffer = data
                return
            self._open = True
            self._answered(data[:end])
            data = data[end + 4 :]
        done = 0
        for opcode, payload, end in frames(data):
            done = end
            self._take(opcode, payload)
        self._buffer = data[done:] if done < len(data) else b""

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            if self._wait is not None:
                self._answered(payload)
                return
            number = self.told.number(payload)
            if number < 0 or not self._right(number):
                self._odd(payload)
                return
            self.place += 1
            self.told.heard(number)
            if self.keeps_cursor:
                self.cursor = orjson.loads(payload)["payload"]["data"]["timelineEvents"]["cursor"]
        elif opcode == PING:
            self.transport.write(masked(PONG, payload))
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2])
            self.transport.write(masked(CLOSE, payload[:2]))

    def _right(self, number: int) -> bool:
        if self.wanted is None:
            return self.told.in_turn(self.place, number)
        new = number not in self._own and self.wanted(number)
        self._own += (number,)
        return new

    def _odd(self, payload: bytes) -> None:
        message = orjson.loads(payload)
        if message.get("type") == "error":
            self.error = message["payload"][0]["extensions"]
        else:
            self.told.fail(f"heard in place {self.place}: {payload.decode()}")

    def _answered(self, payload: bytes) -> None:
        wait, self._wait = self._wait, None
        if wait is not None and not wait.done():
            wait.set_result(payload)

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that it is gone."""
        self.told.lost += 1
        if not self.closed.done():
            self.closed.set_result(None)
        self._answered(b"connection lost")

    def answer(self) -> "asyncio.Future[bytes]":
        """Return what is to get the next message."""
        self._wait = asyncio.get_running_loop().create_future()
        return self._wait

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.transport.write(masked(TEXT, orjson.dumps(message)))

    async def begin(self) -> None:
        """Introduce itself; raises NotStarted where it is not taken."""
        if not (head := await self._hello).startswith(b"HTTP/1.1 101"):
            raise NotStarted(head.decode("utf-8", "replace"))
        self.send(INIT)
        if (answer := await self.answer()) != ACK:
            raise NotStarted(answer.decode("utf-8", "replace"))

    async def follow(self, person: str | None = None, after: str | None = None) -> None:
        """Follow a person's orders, or all; back when READY came."""
        variables = {"person": person and {"id": person}, "after": after}
        given = {name: value for name, value in variables.items() if value}
        self.send({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW, "variables": given}})
        answer = await self.answer()
        if b'"kind":"READY"' not in answer:
            raise NotStarted(answer.decode("utf-8", "replace"))

    def leave(self) -> None:
        """Close the socket."""
        self.transport.close()


async def opened(
    port: int, told: Told, wants: Iterable[Callable[[int], bool] | None], *, small: bool = False
) -> list[Listener]:
    """Return a listener, introduced, for each of `wants`; the kernel keeps little for a small one that doesn't read."""
    loop = asyncio.get_running_loop()

    async def one(wanted: Callable[[int], bool] | None) -> Listener:
        plug = socket.socket()
        if small:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
            # What the server's kernel keeps grows with the segments that are asked for.
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
        plug.setblocking(False)
        await loop.sock_connect(plug, ("127.0.0.1", port))
        _, made = await loop.create_connection(lambda: Listener(told, wanted), sock=plug)
        await made.begin()
        return made

    return await in_turns([partial(one, wanted) for wanted in wants])


async def in_turns(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do all of it, AT_ONCE at a time; returns what came of each."""
    done: list[Any] = []
    for start in range(0, len(works), AT_ONCE):
        async with asyncio.timeout(OPEN_SECONDS):
            done += await asyncio.gather(*(work() for work in works[start : start + AT_ONCE]))
    return done
