"""Live at scale: how many hear of a change and how soon, what a socket costs, and who is in whose way."""

import argparse
import asyncio
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import orjson

from benchmarks.audience import Room, Row
from benchmarks.command import carried_out, chosen, say
from benchmarks.crowds import crowd, fan
from benchmarks.delays import delays
from benchmarks.processes import Child, start_mongod, start_server
from benchmarks.report import grid
from benchmarks.stopped import stopped
from benchmarks.telling import populated

PARTS = {"delays": delays, "fan": fan, "stopped": stopped, "crowd": crowd}
OVERHEAD_SECONDS = 600.0
SPARE_DESCRIPTORS = 500
HEADER = ("listeners of", "listeners", "changes/s", "deliveries/s", "p50 ms", "p99 ms")
SHARES = ("CPU µs/delivery", "server core %", "load core %")


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> Room:
    """Do the chosen parts within their time."""
    async with asyncio.timeout(OVERHEAD_SECONDS + 12 * args.seconds):
        mongod = start_mongod(home)
        children.append(mongod)
        server = start_server("ours", mongod, home)
        children.append(server)
        room = Room(mongod, server, await populated(server, args.sockets), args.seconds, args.listeners)
        for name in args.only:
            say(name)
            await PARTS[name](room)
        return room


def table(rows: Sequence[Row]) -> str:
    """Return the Markdown table of what was measured."""
    shown = []
    for row in rows:
        rates = (f"{row.changes:,.0f}", f"{row.deliveries:,.0f}", f"{row.p50:.2f}", f"{row.p99:.2f}")
        shares = (f"{row.cpu:,.1f}", f"{row.busy:.0f}", f"{row.load:.0f}")
        shown.append([row.what, row.listeners, *rates, *shares])
    return grid((*HEADER, *SHARES), shown)


def descriptors(sockets: int) -> int:
    """Let this process and its children have as many descriptors as they may; return how many sockets that allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return sockets if most == resource.RLIM_INFINITY else min(sockets, most - SPARE_DESCRIPTORS)


def main() -> int:
    """Run, print, and tell by the status whether everything was heard as it should; a missed aim is no failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/live", description=__doc__)
    parser.add_argument("--only", type=partial(chosen, tuple(PARTS)), default=list(PARTS), metavar="PART,…")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--listeners", type=int, default=1_000, help="of one change; a tenth of them stop reading")
    parser.add_argument("--sockets", type=int, default=10_000, help="of the crowd")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    args.sockets = descriptors(args.sockets)
    room = carried_out(partial(run, args))
    if room is None:
        return 1
    print(table(room.rows), "", *(aim.line() for aim in room.aims), sep="\n")
    if args.json:
        shown = {"rows": [asdict(row) for row in room.rows], "aims": [asdict(aim) for aim in room.aims]}
        args.json.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    for one in room.wrong[:5]:
        say(f"FAILED: {one}")
    return 1 if room.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
