"""The command for sizes: what a person and an event take on disk, in indexes and in the oplog, measured on a crowd."""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks import asks
from benchmarks.command import carried_out, say
from benchmarks.load import Tally, drive
from benchmarks.measure import Target
from benchmarks.processes import Child, mongo_url
from benchmarks.seed import NotSeeded
from benchmarks.stage import Stage, prove

PERSONS = 20_000
BATCHES = 4
EVENT_CALLS = 2
RUN_SECONDS = 900.0
DATABASE = "bench_sizes"
COLLECTIONS = ("persons", "claims", "events")


@dataclass(frozen=True, slots=True)
class Size:
    """What a collection has: documents, their bytes as BSON, the same packed on disk, and the bytes of its indexes."""

    documents: int
    bytes: int
    stored: int
    indexes: dict[str, int]

    @classmethod
    def of(cls, stats: dict[str, Any]) -> "Size":
        """Return what `collStats` says."""
        return cls(stats["count"], stats["size"], stats["storageSize"], dict(stats.get("indexSizes", {})))


def sizes(client: "MongoClient[dict[str, Any]]") -> dict[str, Size]:
    """Return the sizes of the collections, after everything was written to disk."""
    client.admin.command("fsync")
    return {name: Size.of(client[DATABASE].command("collStats", name)) for name in COLLECTIONS}


def oplog(client: "MongoClient[dict[str, Any]]") -> int:
    """Return the bytes of the oplog."""
    return int(client["local"].command("collStats", "oplog.rs")["size"])


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> dict[str, Any]:
    """Fill a database, measure it, then write through the service and measure the oplog."""
    async with asyncio.timeout(RUN_SECONDS):
        stage = Stage.open(home, children)
        say(f"filling {args.persons:,} persons")
        target = await stage.filled(args.persons, DATABASE)
        await prove(target)
        with MongoClient[dict[str, Any]](mongo_url(stage.mongod)) as client:
            found: dict[str, Any] = {"crowd": sizes(client)}
            before = oplog(client)
            batches = stage.fresh(BATCHES)
            await asked(target, asks.upserts("new", batches, "CREATED"))
            found["oplog of a person"] = (oplog(client) - before) / (BATCHES * asks.ROWS)
            before, events = oplog(client), sizes(client)["events"]
            await asked(target, asks.events("events", EVENT_CALLS, batches[0]))
            number = EVENT_CALLS * asks.EVENTS
            found["oplog of an event"] = (oplog(client) - before) / number
            after = sizes(client)["events"]
            found["bytes of an event"] = (after.bytes - events.bytes) / number
    return found


async def asked(target: Target, wanted: asks.Asks) -> None:
    """Send all requests, one after the other; raises NotSeeded where an answer is wrong."""
    tally = await drive(Tally(wanted.ask, wanted.check), target.child.port, 1, RUN_SECONDS)
    if tally.failed:
        raise NotSeeded("\n".join(tally.samples))


def table(persons: int, found: dict[str, Any]) -> str:
    """Return the figures, those of collections for each person."""
    lines = [
        f"for each of {persons:,} persons, in bytes:",
        "| collection | documents | BSON | on disk | indexes |",
        "| --- | --- | --- | --- | --- |",
    ]
    crowd: dict[str, Size] = found.pop("crowd")
    for name, one in crowd.items():
        each = [one.documents / persons, *(part / persons for part in (one.bytes, one.stored))]
        lines.append(
            f"| {name} | {each[0]:.1f} | {each[1]:,.0f} | {each[2]:,.0f} | {index_bytes(one) / persons:,.0f} |"
        )
    lines += [
        f"- {name}.{index}: {size / persons:,.0f}"
        for name, one in crowd.items()
        for index, size in sorted(one.indexes.items(), key=lambda each: -each[1])
    ]
    return "\n".join([*lines, *[f"- {what}: {size:,.0f}" for what, size in found.items()]])


def index_bytes(size: Size) -> int:
    """Return the bytes of all indexes of a collection."""
    return sum(size.indexes.values())


def main() -> int:
    """Run it and print the figures; the exit status is 1 where something failed."""
    parser = argparse.ArgumentParser(prog="benchmarks/sizes", description=__doc__)
    parser.add_argument("--persons", type=int, default=PERSONS, metavar="N")
    args = parser.parse_args()
    found = carried_out(lambda home, children: run(args, home, children))
    if found is None:
        return 1
    print(table(args.persons, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
