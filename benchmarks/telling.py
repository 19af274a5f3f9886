"""Those who write what listeners hear of: numbered orders by `trackEvents`, one after the other, or at a pace."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Self

import orjson

from benchmarks import asks, people, work
from benchmarks.listeners import HEARD_SECONDS, Told
from benchmarks.processes import ADMIN_KEY, Child
from benchmarks.seed import NotSeeded

BLANK = b"\r\n\r\n"
LENGTH = b"content-length:"
# What makes an event large.
NOTES = tuple(f"note{n}" for n in range(8))
NOTE_CHARACTERS = 4_000


class Writer(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._wait: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a server."""
        _, made = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return made

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes until the answer is whole."""
        self._buffer = data = self._buffer + data
        head, blank, body = data.partition(BLANK)
        if not blank:
            return
        size = int(head.lower().partition(LENGTH)[2].partition(b"\r\n")[0])
        if len(body) >= size and self._wait is not None:
            self._buffer, wait, self._wait = b"", self._wait, None
            wait.set_result(body)

    def connection_lost(self, _error: Exception | None) -> None:
        """Let nobody wait for ever."""
        if self._wait is not None and not self._wait.done():
            self._wait.set_exception(NotSeeded("the server closed a connection under a request"))

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer."""
        self._wait = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._wait

    def close(self) -> None:
        """Let go."""
        self._transport.close()


class Teller:
    """Writes events whose numbers go up, each of the person of its number, and notes when each was sent."""

    def __init__(self, told: Told, writers: Sequence[Writer], persons: Sequence[str]) -> None:
        self.told = told
        self.large = False
        self._persons = persons
        self._free: asyncio.Queue[Writer] = asyncio.Queue()
        for one in writers:
            self._free.put_nowait(one)

    async def tell(self, events: int = 1) -> None:
        """Write so many events in one request; raises NotSeeded where one is not accepted."""
        numbers = range(len(self.told.sent), len(self.told.sent) + events)
        items = [self._item(number) for number in numbers]
        request = work.request(work.document("Track", work.TRACK, {"events": items}), ADMIN_KEY)
        self.told.sent += [0.0] * events  # the numbers are taken, whoever writes meanwhile
        writer = await self._free.get()
        self.told.sent[numbers.start : numbers.stop] = [perf_counter()] * events
        answer = orjson.loads(await writer.ask(request))
        self._free.put_nowait(writer)
        if answer.get("errors") or any(one["status"] != "ACCEPTED" for one in answer["data"]["trackEvents"]["results"]):
            raise NotSeeded(f"not accepted: {answer}")

    def _item(self, number: int) -> dict[str, object]:
        properties = {"orderNumber": str(number), "total": 59.9}
        if self.large:
            properties |= dict.fromkeys(NOTES, "x" * NOTE_CHARACTERS)
        return {
            "person": {"id": self._persons[number % len(self._persons)]},
            "type": people.EVENT,
            "properties": properties,
        }

    async def one_by_one(self, seconds: float, listeners: int) -> None:
        """Write an event, wait until all listeners heard of it, and so on for a while."""
        until = perf_counter() + seconds
        while perf_counter() < until:
            heard = self.told.count
            await self.tell()
            await self.told.counted(heard + listeners, HEARD_SECONDS)

    async def crowded(self, seconds: float, listeners: int, in_flight: int) -> None:
        """As `one_by_one`, but go on while at most `in_flight` events are still to be heard by somebody."""
        until = perf_counter() + seconds
        first, count = len(self.told.sent), self.told.count
        while perf_counter() < until:
            await self.told.counted(count + (len(self.told.sent) + 1 - in_flight - first) * listeners, HEARD_SECONDS)
            await self.tell()
        await self.told.counted(count + (len(self.told.sent) - first) * listeners, HEARD_SECONDS)

    async def paced(self, rate: float, seconds: float, events: int = 1) -> int:
        """Write so many events a second, some in each request, by the clock; return how many it were."""
        began, running = perf_counter(), set[asyncio.Task[None]]()
        requests = int(rate * seconds / events)
        for turn in range(requests):
            await asyncio.sleep(began + turn * events / rate - perf_counter())
            task = asyncio.create_task(self.tell(events))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        return requests * events


async def populated(server: Child, number: int) -> list[str]:
    """Define the event and make persons; return their ids."""
    fields = [
        {"name": name, "type": kind} for name, kind in (people.EVENT_FIELDS | dict.fromkeys(NOTES, "STRING")).items()
    ]
    definition = {"id": people.EVENT, "title": people.EVENT_TITLE, "fields": fields}
    await asks.answered(server, "Define", work.DEFINE, {"input": definition})
    made: list[str] = []
    rows = list(people.inputs(number))
    for start in range(0, number, asks.ROWS):
        answer = await asks.answered(server, "Upsert", asks.UPSERT, {"persons": rows[start : start + asks.ROWS]})
        made += [one["person"]["id"] for one in answer["results"]]
    return made
