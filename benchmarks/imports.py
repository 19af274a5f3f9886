"""The command for imports: a large file dry, in earnest, once more and taken back; and who asks meanwhile."""

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pymongo import MongoClient

from app.mongo.indexes import INDEXES
from app.mongo.server import Server
from benchmarks import asks, people, work
from benchmarks.command import carried_out, say
from benchmarks.course import Course
from benchmarks.filed import Filed, seconds, uploaded
from benchmarks.measure import Target
from benchmarks.paced import Pace
from benchmarks.people import Sample
from benchmarks.processes import ADMIN_KEY, SERVER_CORE, STORE_CORE, Child, mongo_url
from benchmarks.report import Aim, grid, percentile
from benchmarks.seed import NotSeeded
from benchmarks.stage import Stage, define

ROWS = 100_000
RUN_SECONDS = 7200.0
DATABASE, LIMIT = "bench_imports", "bench_limit"
UNIT_ROWS = 500
COLLECTIONS = ("claims", "persons", "events")
ASKED = 50  # persons whom the interactive requests are about
PER_SECOND = 20.0
QUIET_SECONDS = 5.0
STRETCH_SECONDS = 2.0
RATE_MIN = 10_000
RSS_MAX = 300
GROWTH_MAX = 1.1
HEADER = ("what", "rows", "seconds", "rows/s", "CPU µs/row", "mongod µs/row", "core %", "RSS MB", "RSS peak MB")
WAITS = ("request", "import under way", "answers", "p50 ms", "p99 ms")


@dataclass(slots=True)
class Line:
    """What one run over the file took: of CPU the service's own and the store's, of memory now and at most."""

    what: str
    rows: int
    seconds: float
    own: float
    store: float
    rss: float = 0.0
    peak: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    def cells(self) -> list[object]:
        """Return the line of the table."""
        each = (f"{cpu / self.rows * 1e6:,.0f}" for cpu in (self.own, self.store))
        memory = (f"{size / 1e6:,.0f}" if size else "" for size in (self.rss, self.peak))
        busy = f"{self.own / self.seconds * 100:.0f}"
        return [self.what, f"{self.rows:,}", f"{self.seconds:.1f}", f"{self.rate:,.0f}", *each, busy, *memory]


@dataclass(slots=True)
class Waits:
    """How long requests at a pace waited, beside an import or alone."""

    request: str
    beside: bool
    latencies: list[float] = field(default_factory=list)
    failed: int = 0

    def add(self, pace: Pace) -> None:
        """Take in what a stretch brought."""
        self.latencies += pace.latencies
        self.failed += sum(count for status, count in pace.statuses.items() if status != 200)

    def at(self, share: float) -> float:
        """Return the milliseconds below which a share of the answers lies."""
        return percentile(sorted(self.latencies), share) * 1e3

    def cells(self) -> list[object]:
        """Return the line of the table."""
        times = (f"{self.at(share):.1f}" for share in (0.5, 0.99))
        return [self.request, "yes" if self.beside else "no", f"{len(self.latencies):,}", *times]


@dataclass(slots=True)
class Outcome:
    """What a run brought."""

    lines: list[Line] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    tenths: list[float] = field(default_factory=list)

    def aims(self) -> list[Aim]:
        """Return the figures that were aimed at."""
        (commit,) = [one for one in self.lines if one.what == "commit"]
        (limit,) = [one for one in self.lines if one.what == "limit"]
        share = f"rows a second, committed ({commit.rate / limit.rate:.0%} of the limit)"
        aims = [
            Aim(share, commit.rate, RATE_MIN, floor=True),
            Aim("RSS at most, MB", max(one.peak for one in self.lines) / 1e6, RSS_MAX),
        ]
        if len(self.tenths) > 1:
            aims.append(Aim("CPU of a row, last tenth against first", self.tenths[-1] / self.tenths[0], GROWTH_MAX))
        return aims


async def timed(
    stage: Stage, target: Target, what: str, rows: int, do: Callable[[], Awaitable[dict[str, Any]]]
) -> tuple[Line, dict[str, Any]]:
    """Let an import do something, and note what it took."""
    own, store = target.child.cpu(), stage.mongod.cpu()
    one = await do()
    own, store = target.child.cpu() - own, stage.mongod.cpu() - store
    line = Line(what, rows, seconds(one), own, store, target.child.rss(), target.child.peak())
    say(f"  {what:10} {line.rate:9,.0f} rows/s {own / rows * 1e6:9,.0f} µs")
    return line, one


async def asked(target: Target) -> list[Sample]:
    """Make some persons to be asked for."""
    made = []
    for given in itertools.islice(people.inputs(), ASKED):
        answer = await asks.answered(target.child, "Create", work.CREATE, {"input": given})
        made.append(Sample(answer["person"]["id"], given))
    return made


async def paced(target: Target, known: list[Sample], waits: list[Waits], duration: float, run: str) -> None:
    """Ask for persons and make new ones at a pace, both at once."""
    works = [work.Work(operation, known, ADMIN_KEY, run) for operation in ("person", "create")]
    paces = [Pace(target.child.port, PER_SECOND, lambda one=one: one.ask()[0]) for one in works]
    for wait, pace in zip(waits, await asyncio.gather(*[one.keep(duration) for one in paces]), strict=True):
        wait.add(pace)


async def waited(target: Target, known: list[Sample], beside: Filed) -> list[Waits]:
    """Return how long requests waited alone, and then beside an import from its beginning to its end."""
    names, numbers = ("person by id", "create"), itertools.count()
    alone = [Waits(name, beside=False) for name in names]
    await paced(target, known, alone, QUIET_SECONDS, f"w{next(numbers)}x")
    during = [Waits(name, beside=True) for name in names]
    await beside.begin("COMMIT")
    while (await beside.look())["state"] == "RUNNING":
        await paced(target, known, during, STRETCH_SECONDS, f"w{next(numbers)}x")
    await beside.over()
    return [one for pair in zip(alone, during, strict=True) for one in pair]


def limit(stage: Stage, rows: int) -> Line:
    """Write the documents that an import has written once more, by the bare driver, in transactions of 500 rows.

    They are read before the clock runs; the indexes are the service's own. The driver works on the core of servers.
    """
    os.sched_setaffinity(0, {SERVER_CORE})
    taken = own = store = 0.0
    with MongoClient(mongo_url(stage.mongod)) as client:
        source, target = client[DATABASE], client[LIMIT]
        cursors = {name: source[name].find({}, batch_size=2000) for name in COLLECTIONS}
        shares = {name: -(-source[name].estimated_document_count() * UNIT_ROWS // rows) for name in COLLECTIONS}
        for _ in range(0, rows, UNIT_ROWS):
            parts = {name: list(itertools.islice(cursors[name], shares[name])) for name in COLLECTIONS}
            began, mine, its = time.perf_counter(), time.process_time(), stage.mongod.cpu()
            with client.start_session() as session, session.start_transaction():
                for name in COLLECTIONS:
                    if parts[name]:
                        target[name].insert_many(parts[name], ordered=False, session=session)
            taken += time.perf_counter() - began
            own += time.process_time() - mine
            store += stage.mongod.cpu() - its
    os.sched_setaffinity(0, {STORE_CORE})
    line = Line("limit", rows, taken, own, store)
    say(f"  {line.what:10} {line.rate:9,.0f} rows/s")
    return line


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> Outcome:
    """Do the whole run within its time."""
    outcome, rows = Outcome(), args.rows
    async with asyncio.timeout(RUN_SECONDS):
        stage = Stage.open(home, children)
        url = mongo_url(stage.mongod)
        target = stage.serve("ours", "ours", DATABASE)
        await define(target.child)
        upload, size = await uploaded(url, DATABASE, 0, rows)
        say(f"{rows:,} rows x 12 columns, {size / 1e6:,.1f} MB")
        first = await Filed(target.child).mapped(upload)
        course = Course(first, lambda: target.child.cpu() + stage.mongod.cpu())
        for what, do in (("dry run", partial(first.run, "DRY_RUN")), ("commit", course.run)):
            line, one = await timed(stage, target, what, rows, do)
            if one["counts"]["created"] != rows:
                raise NotSeeded(f"not every row was new: {one}")
            outcome.lines.append(line)
        engine = await Server.connect(url, LIMIT)
        await engine.ensure(INDEXES)
        await engine.close()
        outcome.tenths = course.per_row(rows)
        outcome.lines.append(limit(stage, rows))
        if args.once:
            return outcome
        again = await Filed(target.child).mapped((await uploaded(url, DATABASE, 0, rows))[0])
        outcome.lines.append((await timed(stage, target, "again", rows, partial(again.run, "COMMIT")))[0])
        undo, one = await timed(stage, target, "undo", rows, first.revert)
        if one["reverted"] != {"deleted": rows, "kept": 0}:
            raise NotSeeded(f"the undo kept something: {one}")
        outcome.lines.append(undo)
        known = await asked(target)
        beside = await Filed(target.child).mapped((await uploaded(url, DATABASE, rows, rows))[0])
        outcome.waits = await waited(target, known, beside)
    return outcome


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help="1000000 for a very large file")
    parser.add_argument("--once", action="store_true", help="no second import, no undo, nobody who asks meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run, print, and tell by the status whether every answer was right; an aim that is not met is no failure."""
    args = arguments()
    outcome = carried_out(partial(run, args))
    if outcome is None:
        return 1
    print(grid(HEADER, [one.cells() for one in outcome.lines]), end="\n\n")
    if outcome.waits:
        print(grid(WAITS, [one.cells() for one in outcome.waits]), end="\n\n")
    print("CPU of a row, µs, tenth by tenth:", *(f"{one:,.0f}" for one in outcome.tenths), end="\n\n")
    print(*(aim.line() for aim in outcome.aims()), sep="\n")
    if args.json:
        waits = [
            {"request": one.request, "beside": one.beside, "p50": one.at(0.5), "p99": one.at(0.99)}
            for one in outcome.waits
        ]
        shown = {"rows": args.rows, "lines": [asdict(one) for one in outcome.lines], "waits": waits}
        shown["tenths"] = outcome.tenths
        args.json.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    if failed := sum(one.failed for one in outcome.waits):
        say(f"{failed} failed requests")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
