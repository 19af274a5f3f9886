"""The room of a run of live: the one service, its persons, and what is measured while listeners hear of changes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from benchmarks.command import say
from benchmarks.listeners import Listener, Told, in_turns, opened
from benchmarks.processes import Child
from benchmarks.report import Aim, percentile
from benchmarks.telling import Teller, Writer


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured at once. Times in ms, CPU of the server in µs per delivery, shares in percent of a core."""

    what: str
    listeners: int
    changes: float
    deliveries: float
    p50: float
    p99: float
    cpu: float
    busy: float
    load: float


@dataclass(slots=True)
class Room:
    """The service, its persons and what came of the parts. `wrong` are things heard that should not have been."""

    mongod: Child
    server: Child
    persons: Sequence[str]
    seconds: float
    many: int  # listeners of one change
    rows: list[Row] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def teller(self, told: Told, writers: int, persons: Sequence[str] | None = None) -> Teller:
        """Return somebody who writes events, of the first person unless told otherwise."""
        return Teller(told, [await Writer.open(self.server.port) for _ in range(writers)], persons or self.persons[:1])

    async def measure(self, what: str, told: Told, listeners: int, work: Callable[[], Awaitable[object]]) -> Row:
        """Do the work and return the figures of what was heard meanwhile."""
        told.forget()
        count, sent = told.count, len(told.sent)
        own, store, mine, began = self.server.cpu(), self.mongod.cpu(), time.process_time(), perf_counter()
        await work()
        seconds = perf_counter() - began
        own, load = self.server.cpu() - own, self.mongod.cpu() - store + time.process_time() - mine
        heard, ordered = told.count - count, sorted(told.latencies)
        row = Row(
            what,
            listeners,
            changes=(len(told.sent) - sent) / seconds,
            deliveries=heard / seconds,
            p50=percentile(ordered, 0.5) * 1e3,
            p99=percentile(ordered, 0.99) * 1e3,
            cpu=own / max(1, heard) * 1e6,
            busy=own / seconds * 100,
            load=load / seconds * 100,
        )
        self.rows.append(row)
        say(f"  {what:34} {row.deliveries:9,.0f}/s {row.p50:8,.2f} ms {row.cpu:8,.1f} µs")
        return row


async def followed(room: Room, told: Told, number: int, *, small: bool = False) -> list[Listener]:
    """Return so many listeners who hear all of the first person."""
    made = await opened(room.server.port, told, [None] * number, small=small)
    await in_turns([partial(one.follow, room.persons[0]) for one in made])
    return made


async def gone(room: Room, told: Told, listeners: Sequence[Listener]) -> None:
    """Close all, and note what they heard amiss."""
    for one in listeners:
        one.leave()
    await asyncio.gather(*(one.closed for one in listeners))
    room.wrong += told.wrong
