"""The command for synchronizations: a first one of many contacts, all of it once more, and passes with nothing to do.

The CRM is the one of the tests, over real HTTP: it works in the generator's process, on the core of the store.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from app.sync.run import OVERLAP_SECONDS
from benchmarks import asks
from benchmarks.command import carried_out, say
from benchmarks.measure import Target
from benchmarks.processes import Child
from benchmarks.report import Aim, grid
from benchmarks.seed import NotSeeded
from benchmarks.stage import Stage
from tests.fakes.connecting import credentials
from tests.fakes.dynamics import FakeDynamics
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.serving import served

CONTACTS = 100_000
PASSES = 20
RUN_SECONDS = 3600.0
LOOK_SECONDS = 0.2
RATE_MIN = 3_000
IDLE_MILLISECONDS = 50.0
HEADER = ("system", "what", "records", "seconds", "records/s", "CPU µs/record", "mongod µs/record", "RSS MB")
CONNECT = "mutation Connect($input: ConnectCrmInput!){connectCrm(input:$input){connection{id} errors{code message}}}"
SAVE = (
    "mutation Save($id: ID!,$mappings: [SyncMappingInput!]!)"
    "{saveSyncMapping(connectionId:$id,mappings:$mappings){connection{id} errors{code message}}}"
)
START = (
    "mutation Start($id: ID!,$full: Boolean!)"
    "{startSync(connectionId:$id,full:$full){connection{id} errors{code message}}}"
)
LOOK = "query Look{syncConnections{id state lastError lastRunAt counts{pulled created updated unchanged failed}}}"
NAMES = {
    "SALESFORCE": ("Contact", "FirstName", "LastName", "Email", "MobilePhone", "MailingCity"),
    "DYNAMICS": ("contact", "firstname", "lastname", "emailaddress1", "mobilephone", "address1_city"),
}


@dataclass(slots=True)
class Line:
    """What a pass took: of CPU the service's own and the store's."""

    system: str
    what: str
    records: int
    seconds: float
    own: float
    store: float
    rss: float

    def cells(self) -> list[object]:
        """Return the line of the table; of passes with nothing to do the CPU is that of one pass."""
        number = max(self.records, 1)
        rate = f"{self.records / self.seconds:,.0f}" if self.records else ""
        each = (f"{cpu / number * 1e6:,.0f}" for cpu in (self.own, self.store))
        return [
            self.system,
            self.what,
            f"{self.records:,}",
            f"{self.seconds:.2f}",
            rate,
            *each,
            f"{self.rss / 1e6:,.0f}",
        ]


@dataclass(slots=True)
class Synced:
    """One connection of the service."""

    child: Child
    id: str = ""

    async def connected(self, given: dict[str, Any], system: str) -> "Synced":
        """Connect, and map five fields."""
        made = await asks.answered(self.child, "Connect", CONNECT, {"input": given})
        self.id = made["connection"]["id"]
        entity, *names = NAMES[system]
        ours = ("firstName", "lastName", "email", "phone", "city")
        fields = [{"crmField": crm, "field": field} for crm, field in zip(names, ours, strict=True)]
        await asks.answered(
            self.child, "Save", SAVE, {"id": self.id, "mappings": [{"object": entity, "fields": fields}]}
        )
        return self

    async def run(self, *, full: bool = False) -> dict[str, Any]:
        """Have a pass run to its end."""
        before = await self.look()
        await asks.answered(self.child, "Start", START, {"id": self.id, "full": full})
        while (one := await self.look())["state"] == "RUNNING" or one["lastRunAt"] == before["lastRunAt"]:
            await asyncio.sleep(LOOK_SECONDS)
        if one["state"] != "IDLE" or one["counts"]["failed"]:
            raise NotSeeded(f"a synchronization ended as {one}")
        return one

    async def look(self) -> dict[str, Any]:
        """Return the connection."""
        found = await asks.answered(self.child, "Look", LOOK, {})
        (one,) = [each for each in found if each["id"] == self.id]
        return dict(one)


def filled(system: str, contacts: int) -> Any:
    """Return a CRM with so many contacts."""
    fake: Any = FakeSalesforce() if system == "SALESFORCE" else FakeDynamics()
    entity, *names = NAMES[system]
    for number in range(contacts):
        values = (f"First{number}", f"Last{number}", f"p{number}@sync.example", f"+43 664 {number:07}", "Graz")
        fake.add(entity, **dict(zip(names, values, strict=True)))
    return fake


async def timed(stage: Stage, target: Target, system: str, what: str, one: Synced, *, full: bool = False) -> Line:
    """Return what a pass took."""
    own, store, began = target.child.cpu(), stage.mongod.cpu(), time.perf_counter()
    done = await one.run(full=full)
    seconds = time.perf_counter() - began
    own, store = target.child.cpu() - own, stage.mongod.cpu() - store
    line = Line(system, what, done["counts"]["pulled"], seconds, own, store, target.child.peak())
    say(f"  {system} {what}: {line.records / seconds:,.0f} records/s")
    return line


async def run(args: argparse.Namespace, home: Path, children: list[Child]) -> list[Line]:
    """Do the whole run within its time."""
    lines = list[Line]()
    async with asyncio.timeout(RUN_SECONDS):
        stage = Stage.open(home, children)
        for system in NAMES:
            fake = filled(system, args.contacts)
            target = stage.serve("ours", "ours", f"bench_{system.lower()}")
            async with served(fake) as url:
                one = await Synced(target.child).connected(credentials(fake, url, system), system)
                lines.append(await timed(stage, target, system, "first", one))
                if lines[-1].records < args.contacts:
                    raise NotSeeded("not every record came")
                fake.advance(600)
                lines.append(await timed(stage, target, system, "again, all", one, full=True))
                # Until nothing can have been stamped before it was committed, on either side, each pass looks again.
                fake.advance(600)
                await asyncio.sleep(OVERLAP_SECONDS)
                await one.run()
                idle = [await timed(stage, target, system, "idle", one) for _ in range(PASSES)]
                middle = sorted(idle, key=lambda each: each.own)[len(idle) // 2]
                lines.append(middle)
            target.child.stop()
    return lines


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/syncs", description=__doc__)
    parser.add_argument("--contacts", type=int, default=CONTACTS, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Run and print; an aim that is not met is no failure."""
    args = arguments()
    lines = carried_out(partial(run, args))
    if lines is None:
        return 1
    print(grid(HEADER, [one.cells() for one in lines]), end="\n\n")
    for one in lines:
        if one.what == "first":
            print(Aim(f"{one.system}: records a second, first", one.records / one.seconds, RATE_MIN, floor=True).line())
        elif one.what == "idle":
            print(Aim(f"{one.system}: ms of CPU of an idle pass", one.own * 1e3, IDLE_MILLISECONDS).line())
    if args.json:
        args.json.write_bytes(orjson.dumps([asdict(one) for one in lines], option=orjson.OPT_INDENT_2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
