"""The command for a large account: lists, growth, batches and memory with a million persons, against aims."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import orjson

from benchmarks import asks
from benchmarks.batches import batches
from benchmarks.command import carried_out, chosen, say
from benchmarks.growth import SMALL, growth
from benchmarks.lists import lists
from benchmarks.memory import memory
from benchmarks.processes import Child
from benchmarks.report import Aim, Cell, as_json, batch_table, table
from benchmarks.stage import Stage, prove

PERSONS = 1_000_000
PARTS = ("lists", "growth", "batches", "memory")
RUN_SECONDS = 1800.0


@dataclass(slots=True)
class Outcome:
    """What a run brought."""

    cells: list[Cell] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)

    def add(self, found: tuple[Sequence[Cell], Sequence[Aim]]) -> None:
        """Take in what a part brought."""
        self.cells += found[0]
        self.aims += found[1]

    def failed(self) -> int:
        """Return how many answers were wrong or missing."""
        return sum(cell.failed() for cell in self.cells)


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> Outcome:
    """Do the whole run within its time."""
    outcome = Outcome()
    async with asyncio.timeout(RUN_SECONDS):
        stage = Stage.open(home, children)
        say(f"filling {args.persons:,} persons")
        large = await stage.filled(args.persons, "bench_large")
        await asks.answered(large.child, "List", asks.LIST, {"first": 1})
        idle = large.child.rss() / 1e6
        await prove(large)
        # Growth before batches: both of its servers have a short past, with little of it in memory.
        for part, measured in (("lists", lists), ("growth", growth), ("batches", batches)):
            if part in args.only:
                outcome.add(await measured(stage, large, args.rounds))
        if "memory" in args.only:
            outcome.add(await memory(stage, large, idle))
    return outcome


def enough(text: str) -> int:
    """Return how many persons are wanted; refuse fewer than the small database has."""
    if int(text) < SMALL:
        raise argparse.ArgumentTypeError(f"at least {SMALL:,}")
    return int(text)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/scale", description=__doc__)
    parser.add_argument("--persons", type=enough, default=PERSONS, metavar="N", help=f"at least {SMALL:,}")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", type=partial(chosen, PARTS), default=list(PARTS), metavar="PART,…")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run, print, and tell by the status whether every answer was right; an aim that is not met is no failure."""
    args = arguments()
    outcome = carried_out(partial(run, args))
    if outcome is None:
        return 1
    for shown, fits in ((table, lambda rows: rows == 1), (batch_table, lambda rows: rows > 1)):
        if cells := [cell for cell in outcome.cells if fits(cell.rows)]:
            print(shown(cells), end="\n\n")
    print(*(aim.line() for aim in outcome.aims), sep="\n")
    if args.json:
        settings = {"rounds": args.rounds, "persons": args.persons, "only": args.only}
        aims = [{**asdict(aim), "met": aim.met} for aim in outcome.aims]
        args.json.write_bytes(orjson.dumps(as_json(outcome.cells, settings, aims=aims), option=orjson.OPT_INDENT_2))
    if failed := outcome.failed():
        say(f"{failed} failed requests")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
