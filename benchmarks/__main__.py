"""The command: starts mongod and the servers, seeds them, measures each cell in interleaved rounds, prints tables."""

import argparse
import asyncio
import gc
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from benchmarks.load import Tally, drive
from benchmarks.people import Sample
from benchmarks.processes import (
    ADMIN_KEY,
    STORE_CORE,
    Child,
    NotStarted,
    start_mongod,
    start_server,
    stopped_at_exit,
)
from benchmarks.report import Cell, Round, as_json, percentile, ratio_table, table
from benchmarks.seed import NotSeeded, seed
from benchmarks.work import OPERATIONS, Work

SERVERS = ("limit", "plain", "ours")
CALLERS = (1, 32, 128)
WARM_SECONDS = 0.7
OVERHEAD_SECONDS = 600.0  # starts, seeds and stragglers of the whole run


@dataclass(slots=True)
class Target:
    """A seeded server."""

    name: str
    child: Child
    people: list[Sample]


def say(text: str) -> None:
    """Print progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


async def measure(target: Target, mongod: Child, work: Work, callers: int, seconds: float) -> Round:
    """Load one server for `seconds` and return its figures."""
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


async def measure_cell(
    targets: list[Target],
    mongod: Child,
    operation: str,
    callers: int,
    args: argparse.Namespace,
) -> list[Cell]:
    """Measure one operation at one concurrency: warm every server up, then take turns."""
    cells = [Cell(operation, callers, target.name, []) for target in targets]
    works = [Work(operation, target.people, ADMIN_KEY, f"x{callers}x") for target in targets]
    for target, work in zip(targets, works, strict=True):
        await measure(target, mongod, work, callers, WARM_SECONDS)
    for turn in range(args.rounds):
        # Nobody is always first, or always behind the same neighbour.
        for step in range(len(targets)):
            at = (turn + step) % len(targets)
            cells[at].rounds.append(await measure(targets[at], mongod, works[at], callers, args.seconds))
    for cell in cells:
        say(f"  {operation:8} {callers:4} {cell.server:6} {cell.middle('rate'):9,.0f}/s {cell.middle('cpu'):7,.0f} µs")
    return cells


async def prepare(names: list[str], mongod: Child, home: Path, children: list[Child]) -> list[Target]:
    """Start and seed the servers; one that does not come up is reported and left out."""
    targets = []
    for name in names:
        try:
            child = start_server(name, mongod, home)
        except NotStarted as error:
            say(f"{name} is left out: {error}")
            continue
        children.append(child)
        try:
            people = await seed(name, child, mongod)
        except NotSeeded as error:
            say(f"{name} is left out: {error}\n{child.last_words()}")
            child.stop()
            continue
        say(f"{name}: {len(people):,} persons")
        targets.append(Target(name, child, people))
    return targets


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> list[Cell]:
    """Do the whole run within its time."""
    turns = len(args.only) * len(CALLERS) * len(args.servers)
    bound = OVERHEAD_SECONDS + turns * (WARM_SECONDS + args.rounds * args.seconds)
    cells: list[Cell] = []
    async with asyncio.timeout(bound):
        mongod = start_mongod(home)
        children.append(mongod)
        targets = await prepare(args.servers, mongod, home, children)
        for operation in args.only:
            for callers in CALLERS:
                cells += await measure_cell(targets, mongod, operation, callers, args)
    return cells


def chosen(known: tuple[str, ...], text: str) -> list[str]:
    """Return the comma-separated names in the order of `known`; refuse others."""
    names = text.split(",")
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; one of {', '.join(known)}")
    return [name for name in known if name in names]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round")
    parser.add_argument("--only", type=lambda text: chosen(OPERATIONS, text), default=list(OPERATIONS), metavar="OP,…")
    parser.add_argument("--servers", type=lambda text: chosen(SERVERS, text), default=list(SERVERS), metavar="NAME,…")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run, print, and tell by the status whether all servers took part and every answer was right."""
    args = arguments()
    os.sched_setaffinity(0, {STORE_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="profiles-bench-") as home, stopped_at_exit(children):
        try:
            cells = uvloop.run(run(args, Path(home), children))
        except (NotStarted, TimeoutError) as error:
            say(f"gave up: {error or 'out of time'}")
            return 1
    print(table(cells), "", ratio_table(cells), sep="\n")
    if args.json:
        settings = {"rounds": args.rounds, "seconds": args.seconds, "servers": args.servers, "only": args.only}
        args.json.write_bytes(orjson.dumps(as_json(cells, settings), option=orjson.OPT_INDENT_2))
    missing = set(args.servers) - {cell.server for cell in cells}
    failed = sum(cell.failed() for cell in cells)
    if missing or failed:
        say(f"not complete: missing {', '.join(sorted(missing)) or 'nobody'}; {failed} failed requests")
    return 1 if missing or failed else 0


if __name__ == "__main__":
    sys.exit(main())
