"""The wire under load: one event a request of many callers, and batches, beside GraphQL and the bare driver."""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson

from benchmarks.command import carried_out, say
from benchmarks.measure import WARM_SECONDS, Seat, Target, always, take_turns
from benchmarks.people import EVENT, EVENT_PROPERTIES
from benchmarks.probing import probed
from benchmarks.processes import ADMIN_KEY, Child, start_mongod, start_server
from benchmarks.report import Aim, Cell, as_json, batch_table, over, table
from benchmarks.seed import seed
from benchmarks.work import Work

CALLERS = 256
BATCH, BATCH_CALLERS = 500, 4
VISITORS = 10_000
OVERHEAD_SECONDS = 300.0
RATE_MIN = 5_000
ONE, MANY, GRAPHQL = "wire, one event", "wire, batch of 500", "event"
TAKEN = b'{"success":true}'
MESSAGE_SLOT, VISITOR_SLOT = "@message@@@", "@visitor"


@dataclass(slots=True)
class Wire:
    """Requests of new messages of so many visitors; every answer has to say that all was taken."""

    operation: str
    rows: int
    run: str
    numbers: Iterator[int] = field(default_factory=itertools.count)
    parts: list[bytes] = field(init=False)
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Build a message around its two values, whose length never changes."""
        message = {
            "type": "track",
            "messageId": MESSAGE_SLOT,
            "anonymousId": VISITOR_SLOT,
            "event": EVENT,
            "properties": EVENT_PROPERTIES,
            "context": {"locale": "en-GB", "userAgent": "benchmark", "library": {"name": "pe", "version": "1"}},
        }
        first, rest = orjson.dumps(message).split(MESSAGE_SLOT.encode())
        self.parts = [first, *rest.split(VISITOR_SLOT.encode())]
        body = self.body()
        path = "track" if self.rows == 1 else "batch"
        self.head = (
            f"POST /v1/{path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\n"
            f"authorization: Bearer {ADMIN_KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()

    def body(self) -> bytes:
        """Return the next request's body."""
        if self.rows == 1:
            return self.message()
        return b'{"batch":[' + b",".join([self.message() for _ in range(self.rows)]) + b"]}"

    def message(self) -> bytes:
        """Return a message that nobody has sent yet."""
        number = next(self.numbers)
        first, middle, last = self.parts
        visitor = number * 7919 % VISITORS
        return b"%s%s%09d%s%s%06d%s" % (first, self.run.encode(), number, middle, b"v-", visitor, last)

    def ask(self) -> tuple[bytes, object]:
        """Return the next request."""
        return self.head + self.body(), None

    def check(self, body: bytes, _token: object) -> bool:
        """Tell whether all of it was taken."""
        return body == TAKEN


def seats(ours: Target, limit: Target) -> list[Seat]:
    """Return everybody who takes turns: the wire, the same event by GraphQL, and by a bare insert."""
    asked = [Wire(ONE, 1, "e-"), Wire(MANY, BATCH, "b-")]
    cells = [Cell(ONE, CALLERS, ours.name), Cell(MANY, BATCH_CALLERS, ours.name, rows=BATCH)]
    found = [Seat(cell, ours, always(work)) for cell, work in zip(cells, asked, strict=True)]
    for target in (ours, limit):
        work = Work(GRAPHQL, target.people, ADMIN_KEY, "w")
        found.append(Seat(Cell(GRAPHQL, CALLERS, target.name), target, always(work)))
    return found


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> tuple[list[Cell], Aim]:
    """Do the whole run within its time; the last is whether somebody who asks for persons learns anything."""
    async with asyncio.timeout(OVERHEAD_SECONDS + 4 * (WARM_SECONDS + args.rounds * args.seconds)):
        mongod = start_mongod(home)
        children.append(mongod)
        targets = []
        for name in ("ours", "limit"):
            children.append(start_server(name, mongod, home))
            targets.append(Target(name, children[-1], await seed(name, children[-1], mongod)))
        cells = await take_turns(seats(*targets), mongod, args.rounds, args.seconds, WARM_SECONDS)
        return cells, await probed(targets[0])


def aims(cells: list[Cell]) -> list[Aim]:
    """Return the rate, and what an event costs beside its neighbours of the same run."""
    one, many, graphql, limit = cells
    return [
        Aim(f"events a second by the wire, callers: {CALLERS}", one.middle("rate"), RATE_MIN, floor=True),
        Aim("CPU of a wire event / of the same by trackEvents", over([one, graphql], "cpu"), 1),
        Aim("CPU of a wire event / of a bare insert", over([one, limit], "cpu"), 1),
        Aim(f"CPU of an event in a batch of {BATCH} / of one alone", over([many, one], "cpu") / BATCH, 1),
    ]


def main() -> int:
    """Run, print, and tell by the status whether every answer was right; an aim that is not met is no failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/wire", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    outcome = carried_out(partial(run, args))
    if outcome is None:
        return 1
    cells, learnt = outcome
    print(table(cell for cell in cells if cell.rows == 1), "", sep="\n")
    print(batch_table(cell for cell in cells if cell.rows > 1), "", sep="\n")
    print(*(aim.line() for aim in (*aims(cells), learnt)), sep="\n")
    if args.json:
        settings = {"rounds": args.rounds, "seconds": args.seconds}
        args.json.write_bytes(orjson.dumps(as_json(cells, settings), option=orjson.OPT_INDENT_2))
    if failed := sum(cell.failed() for cell in cells):
        say(f"{failed} failed requests")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
