"""What it costs to watch one request: its counters, its tally and one counted call, without the work itself.

Each is timed in a loop beside the same loop without it, in turns; the figure is the median of the differences. No
store, no socket: the loop is the only thing that runs.
"""

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable

import uvloop

from app.core.tally import TALLY
from app.mongo.chunk import Chunks
from app.mongo.counted import Calls
from app.web.metrics import Metrics
from app.web.sight import Sight

AIM_MICROSECONDS = 2.0
REQUESTS = 20_000
NAMES = ("PersonById", "Persons", "CreatePerson", "Timeline")

Work = Callable[[int], Awaitable[None]]


async def _answer() -> int:
    return 1


async def bare(requests: int) -> None:
    """Make the call, and nothing else."""
    for _ in range(requests):
        await _answer()


def watched(sight: Sight, calls: Calls) -> Work:
    """Return the same, watched as a request of GraphQL with one call to the store is."""

    async def work(requests: int) -> None:
        for number in range(requests):
            tally = sight.begin({}, "req_1")
            tally.account, tally.query = "acc_1", "{ viewer { accountId } }"
            await calls.counted("find", "persons", _answer)
            tally.kind, tally.name, tally.cost = "query", NAMES[number % len(NAMES)], 1
            sight.end(tally, 200, ())

    return work


def chunked(name: str) -> Work:
    """Return the same by a shared call, whose own cost there was before there were figures of it."""

    async def run(items: list[int]) -> list[int]:
        return items

    chunks: Chunks[int, int] = Chunks(run, name=name)

    async def work(requests: int) -> None:
        for number in range(requests):
            await chunks.put(number)

    return work


async def timed(work: Work, requests: int) -> float:
    """Return microseconds of CPU of one request: whoever else is on the machine makes no difference to that."""
    began = time.process_time()
    await work(requests)
    return (time.process_time() - began) / requests * 1e6


async def measure(rounds: int, requests: int) -> None:
    """Print the figures."""
    work = watched(Sight(Metrics(), slow_ms=1000), Calls())
    differences, shared = [], []
    for _ in range(rounds):
        alone = await timed(bare, requests)
        differences.append(await timed(work, requests) - alone)
        TALLY.set(None)
        shared.append(await timed(chunked("benchmark"), requests // 10))
    found = statistics.median(differences)
    verdict = "met" if found <= AIM_MICROSECONDS else "missed"
    print(f"a watched request with one call: {found:.2f} µs more than without (aim {AIM_MICROSECONDS} µs: {verdict})")
    print(f"an item by a chunk of its own:   {statistics.median(shared):.2f} µs, tasks and futures among them")


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    args = parser.parse_args()
    uvloop.run(measure(args.rounds, args.requests))


if __name__ == "__main__":
    main()
