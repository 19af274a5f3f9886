"""The command for identity: merging, undoing, and visitors who say who they are, against aims."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import orjson

from benchmarks.command import carried_out, chosen, say
from benchmarks.merging import merging
from benchmarks.processes import Child
from benchmarks.report import Aim, Cell, as_json, table
from benchmarks.stage import Stage
from benchmarks.visits import visits

PARTS = {"merges": merging, "visits": visits}
RUN_SECONDS = 1200.0


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> tuple[list[Cell], list[Aim]]:
    """Do the whole run within its time."""
    cells: list[Cell] = []
    aims: list[Aim] = []
    async with asyncio.timeout(RUN_SECONDS):
        stage = Stage.open(home, children)
        for name in args.only:
            found = await PARTS[name](stage, args.rounds)
            cells += found[0]
            aims += found[1]
    return cells, aims


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/identity", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", type=partial(chosen, tuple(PARTS)), default=list(PARTS), metavar="PART,…")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run, print, and tell by the status whether every answer was right; an aim that is not met is no failure."""
    args = arguments()
    outcome = carried_out(partial(run, args))
    if outcome is None:
        return 1
    cells, aims = outcome
    print(table(cells), end="\n\n")
    print(*(aim.line() for aim in aims), sep="\n")
    if args.json:
        shown = [{**asdict(aim), "met": aim.met} for aim in aims]
        settings = {"rounds": args.rounds, "only": args.only}
        args.json.write_bytes(orjson.dumps(as_json(cells, settings, aims=shown), option=orjson.OPT_INDENT_2))
    if failed := sum(cell.failed() for cell in cells):
        say(f"{failed} failed requests")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
