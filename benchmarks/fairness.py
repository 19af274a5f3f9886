"""Who asks for much and the others: exports of pages of a thousand, and an account at ten times its rate."""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import orjson

from benchmarks.command import carried_out, chosen, say
from benchmarks.load import Tally, drive
from benchmarks.paced import CONNECTIONS, Pace
from benchmarks.processes import ADMIN_KEY, ROOT, Child, mongo_url, start_mongod, start_server
from benchmarks.report import Aim, grid, percentile
from benchmarks.seed import seed
from benchmarks.work import PERSON, SLOT, document, request

RUN_SECONDS = 600.0
RATE = 200  # units a second and key, and what a quiet account asks at most
QUIET_PER_SECOND = 150.0
TIMES = 10
EXPORTERS = 2
EXPORT = (
    "query Export{persons(first:1000){nodes{id type firstName lastName emails{address primary} phones{number primary} "
    "tags createdAt} pageInfo{hasNextPage endCursor}}}"
)
EXPORT_MAX, FLOOD_MAX = 2.0, 1.5
PARTS = ("exports", "flood")


@dataclass(slots=True)
class Pair:
    """The times of quiet requests in ms, round by round: alone, and beside somebody who asks for much."""

    name: str
    aim: float
    alone: list[tuple[float, float]] = field(default_factory=list)
    beside: list[tuple[float, float]] = field(default_factory=list)
    more: str = ""

    def ratio(self) -> float:
        """Return the median over the rounds of p99 beside ÷ p99 alone."""
        return median(b[1] / a[1] for a, b in zip(self.alone, self.beside, strict=True))

    def row(self) -> list[object]:
        """Return the line of the table."""
        middles = [median(one[at] for one in rounds) for rounds in (self.alone, self.beside) for at in (0, 1)]
        return [self.name, *(f"{value:.2f}" for value in middles), f"{self.ratio():.2f}", self.more]


class Someone:
    """Asks for persons by id, one after the other, with a key."""

    def __init__(self, ids: list[str], key: str) -> None:
        self._ids = itertools.cycle(ids)
        body = document("Person", PERSON, {"id": SLOT}).replace(SLOT.encode(), ids[0].encode())
        self._parts = request(body, key).split(ids[0].encode())

    def ask(self) -> bytes:
        """Return the next request."""
        return next(self._ids).encode().join(self._parts)


async def quiet(server: Child, someone: Someone, seconds: float) -> tuple[float, float]:
    """Return p50 and p99 in ms of somebody who asks at a pace; all is answered."""
    done = await Pace(server.port, QUIET_PER_SECOND, someone.ask).keep(seconds)
    if set(done.statuses) != {200}:
        raise RuntimeError(f"The quiet account got {dict(done.statuses)}.")
    ordered = sorted(done.latencies)
    return percentile(ordered, 0.5) * 1e3, percentile(ordered, 0.99) * 1e3


async def exports(server: Child, someone: Someone, rounds: int, seconds: float) -> Pair:
    """Ask beside two who export all persons, page after page."""
    pair = Pair(f"{EXPORTERS} exports of pages of 1,000", EXPORT_MAX)
    export = request(document("Export", EXPORT, {}), ADMIN_KEY)
    for _ in range(rounds):
        pair.alone.append(await quiet(server, someone, seconds))
        tally = Tally(lambda: (export, None), lambda body, _: body.startswith(b'{"data":{"persons":{"nodes":[{'))
        busy = asyncio.create_task(drive(tally, server.port, EXPORTERS, seconds))
        pair.beside.append(await quiet(server, someone, seconds))
        await busy
        if tally.failed:
            raise RuntimeError(f"An export failed: {tally.samples}")
        pair.more = f"{len(tally.latencies) / tally.seconds:.0f} pages/s"
        say(f"  exports  alone {pair.alone[-1][1]:.2f} ms, beside {pair.beside[-1][1]:.2f} ms p99, {pair.more}")
    return pair


async def flood(server: Child, someone: Someone, other: Someone, rounds: int, seconds: float) -> Pair:
    """Ask beside an account that asks for ten times of what it may."""
    pair = Pair(f"an account at {TIMES} times its rate", FLOOD_MAX)
    for _ in range(rounds):
        pair.alone.append(await quiet(server, someone, seconds))
        busy = asyncio.create_task(Pace(server.port, RATE * TIMES, other.ask, patient=False).keep(seconds))
        pair.beside.append(await quiet(server, someone, seconds))
        done = await busy
        if set(done.statuses) - {200, 429}:
            raise RuntimeError(f"The other account got {dict(done.statuses)}.")
        unasked = 1 - done.statuses.total() / (RATE * TIMES * seconds)
        refused = done.statuses[429] / done.statuses.total()
        pair.more = f"{refused:.0%} of it refused with 429, {unasked:.0%} not even asked over {CONNECTIONS} connections"
        say(f"  flood    alone {pair.alone[-1][1]:.2f} ms, beside {pair.beside[-1][1]:.2f} ms p99, {pair.more}")
    return pair


def another_key(mongod: Child, database: str) -> str:
    """Make an account beside, and return its key."""
    env = {**os.environ, "PROFILES_MONGO_URL": mongo_url(mongod), "PROFILES_MONGO_DATABASE": database}
    command = [sys.executable, "-m", "app.cli", "accounts", "create", "Neighbour", "--json"]
    made = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True)
    key: str = orjson.loads(made.stdout)["key"]
    return key


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> list[Pair]:
    """Do the whole run within its time."""
    pairs = []
    async with asyncio.timeout(RUN_SECONDS):
        mongod = start_mongod(home)
        children.append(mongod)
        children.append(start_server("ours", mongod, home))
        people = await seed("ours", children[-1], mongod)
        ids = [one.id for one in people]
        key = another_key(mongod, "bench_ours")
        if "exports" in args.only:
            pairs.append(await exports(children[-1], Someone(ids, ADMIN_KEY), args.rounds, args.seconds))
        if "flood" in args.only:
            children.pop().stop()
            children.append(start_server("ours", mongod, home, rate_limit=RATE))
            # Nobody of another account is found, so that the other one's requests are as cheap as they can be.
            both = Someone(ids, ADMIN_KEY), Someone(ids, key)
            pairs.append(await flood(children[-1], *both, args.rounds, args.seconds))
    return pairs


def main() -> int:
    """Run and print; an aim that is not met is no failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/fairness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of one half of a round")
    parser.add_argument("--only", type=partial(chosen, PARTS), default=list(PARTS), metavar="PART,…")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    pairs = carried_out(partial(run, args))
    if pairs is None:
        return 1
    header = ("beside", "alone p50 ms", "p99 ms", "beside p50 ms", "p99 ms", "p99 ÷ p99", "of the other")
    print(grid(header, (pair.row() for pair in pairs)), end="\n\n")
    print(*(Aim(f"{pair.name}: p99 of others ÷ alone", pair.ratio(), pair.aim).line() for pair in pairs), sep="\n")
    if args.json:
        args.json.write_bytes(orjson.dumps([asdict(pair) for pair in pairs], option=orjson.OPT_INDENT_2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
