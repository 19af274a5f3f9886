"""The command: starts mongod and the servers, seeds them, measures each cell in interleaved rounds, prints tables."""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

import orjson

from benchmarks import npm
from benchmarks.aims import RATIO_CALLERS, TITLES, figures, ratio_table, ratios, versions
from benchmarks.command import carried_out, chosen, say
from benchmarks.measure import Seat, Target, always, take_turns
from benchmarks.processes import ADMIN_KEY, Child, NotStarted, start_mongod, start_server
from benchmarks.report import Cell, as_json
from benchmarks.seed import NotSeeded, seed
from benchmarks.work import Work

SERVERS = ("limit", "plain", *npm.SERVERS, "ours")
OPERATIONS = tuple(TITLES)
CALLERS = (RATIO_CALLERS,)
# Node compiles what runs often, and takes its time: thousands of requests.
WARM_SECONDS = 2.5
OVERHEAD_SECONDS = 1200.0  # starts, seeds and stragglers of the whole run


def seats(targets: list[Target], operation: str, callers: int) -> list[Seat]:
    """Return a seat for every server at one operation and one concurrency."""
    found = []
    for target in targets:
        work = Work(operation, target.people, ADMIN_KEY, f"x{callers}x")
        found.append(Seat(Cell(operation, callers, target.name), target, always(work)))
    return found


async def prepare(names: list[str], mongod: Child, home: Path, children: list[Child]) -> list[Target]:
    """Start and seed the servers; one that does not come up is reported and left out."""
    targets = []
    for name in names:
        try:
            child = start_server(name, mongod, home)
        except (NotStarted, npm.NotInstalled) as error:
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
    turns = len(args.only) * len(args.callers) * len(args.servers)
    bound = OVERHEAD_SECONDS + turns * (WARM_SECONDS + args.rounds * args.seconds)
    cells: list[Cell] = []
    async with asyncio.timeout(bound):
        mongod = start_mongod(home)
        children.append(mongod)
        targets = await prepare(args.servers, mongod, home, children)
        for operation in args.only:
            for callers in args.callers:
                taken = seats(targets, operation, callers)
                cells += await take_turns(taken, mongod, args.rounds, args.seconds, WARM_SECONDS)
    return cells


def numbers(text: str) -> list[int]:
    """Return comma-separated numbers."""
    return [int(one) for one in text.split(",")]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round")
    parser.add_argument("--callers", type=numbers, default=list(CALLERS), metavar="N,…", help="at once")
    parser.add_argument("--only", type=partial(chosen, OPERATIONS), default=list(OPERATIONS), metavar="OP,…")
    parser.add_argument("--servers", type=partial(chosen, SERVERS), default=list(SERVERS), metavar="NAME,…")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run, print, and tell by the status whether all servers took part and every answer was right."""
    args = arguments()
    cells = carried_out(partial(run, args))
    if cells is None:
        return 1
    print(versions(), "", ratio_table(cells), "", figures(cells), sep="\n")
    if args.json:
        told = as_json(cells, {**vars(args), "json": str(args.json)}, ratios=ratios(cells), versions=versions())
        args.json.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    missing = set(args.servers) - {cell.server for cell in cells}
    failed = sum(cell.failed() for cell in cells)
    if missing or failed:
        say(f"not complete: missing {', '.join(sorted(missing)) or 'nobody'}; {failed} failed requests")
    return 1 if missing or failed else 0


if __name__ == "__main__":
    sys.exit(main())
