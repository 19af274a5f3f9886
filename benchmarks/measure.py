"""One server under load for a while, and several that take turns: what they did, what it took, on whose core."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.command import say
from benchmarks.load import Request, Tally, drive
from benchmarks.people import Sample
from benchmarks.processes import Child
from benchmarks.report import Cell, Round, percentile

WARM_SECONDS = 0.7


@dataclass(slots=True)
class Target:
    """A seeded server."""

    name: str
    child: Child
    people: list[Sample]


class Asker(Protocol):
    """Requests of one operation and the check of their answers."""

    operation: str

    def ask(self) -> Request | None:
        """Return the next request and what its answer is checked by, None where there is no more."""
        ...

    def check(self, body: bytes, token: object) -> bool:
        """Tell whether an answer is the right one."""
        ...


@dataclass(slots=True)
class Seat:
    """One who takes turns: a cell to fill, the server it is about, and the work of each round."""

    cell: Cell
    target: Target
    work: Callable[[], Asker]


def always(work: Asker) -> Callable[[], Asker]:
    """Return what gives the same work in every round."""
    return lambda: work


async def measure(target: Target, mongod: Child, work: Asker, callers: int, seconds: float) -> Round:
    """Load one server for `seconds`, or until there is nothing more to ask, and return its figures."""
    gc.collect()
    own, store, mine = target.child.cpu(), mongod.cpu(), time.process_time()
    tally = await drive(Tally(work.ask, work.check), target.child.port, callers, seconds)
    own, store, mine = target.child.cpu() - own, mongod.cpu() - store, time.process_time() - mine
    for sample in tally.samples:
        say(f"  FAILED {target.name} {work.operation} at {callers}: {sample}")
    ordered, done = sorted(tally.latencies), max(1, len(tally.latencies))
    return Round(
        rate=len(ordered) / tally.seconds,
        p50=percentile(ordered, 0.5) * 1e3,
        p99=percentile(ordered, 0.99) * 1e3,
        cpu=own / done * 1e6,
        busy=own / tally.seconds * 100,
        load=(store + mine) / tally.seconds * 100,
        store=store / done * 1e6,
        rss=target.child.rss() / 1e6,
        failed=tally.failed,
    )


async def take_turns(seats: Sequence[Seat], mongod: Child, rounds: int, seconds: float, warm: float) -> list[Cell]:
    """Warm everybody up, then measure round by round; returns the filled cells."""
    for seat in seats:
        await measure(seat.target, mongod, seat.work(), seat.cell.callers, warm)
    for turn in range(rounds):
        # Nobody is always first, or always behind the same neighbour.
        for step in range(len(seats)):
            seat = seats[(turn + step) % len(seats)]
            seat.cell.rounds.append(await measure(seat.target, mongod, seat.work(), seat.cell.callers, seconds))
    for cell in (seat.cell for seat in seats):
        told(cell)
    return [seat.cell for seat in seats]


def told(cell: Cell) -> None:
    """Print a finished cell in one line."""
    rate, p50, cpu = (cell.middle(name) for name in ("rate", "p50", "cpu"))
    say(f"  {cell.operation:22} {cell.callers:4} {cell.server:9} {rate:9,.1f}/s {p50:9,.2f} ms {cpu:9,.0f} µs")
