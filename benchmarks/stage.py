"""What stands ready for a run at scale: mongod, filled databases, and their servers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import asks, crowd, people, work
from benchmarks.command import say
from benchmarks.filling import Crowd, fill, known
from benchmarks.measure import Target
from benchmarks.processes import Child, mongo_url, start_mongod, start_server
from benchmarks.seed import NotSeeded

CACHE_GIGABYTES = 8
FIRST_NEW = 10_000_000
ATTRIBUTE = "mutation Attribute($input: DefineAttributeInput!){defineAttribute(input:$input){errors{code message}}}"
DELETE = "mutation Delete($id: ID!){deletePerson(by:{id:$id}){errors{code message}}}"


@dataclass(slots=True)
class Stage:
    """The processes of a run; `fresh` are the numbers of persons that nobody has made yet."""

    home: Path
    children: list[Child]
    mongod: Child
    number: int = FIRST_NEW
    crowds: dict[str, Crowd] = field(default_factory=dict)

    @classmethod
    def open(cls, home: Path, children: list[Child]) -> "Stage":
        """Start mongod."""
        mongod = start_mongod(home, cache_gigabytes=CACHE_GIGABYTES)
        children.append(mongod)
        return cls(home, children, mongod)

    def serve(self, server: str, name: str, database: str) -> Target:
        """Start a server on a database, to be called by a name."""
        child = start_server(server, self.mongod, self.home, database)
        self.children.append(child)
        return Target(name, child, [])

    async def filled(self, size: int, database: str) -> Target:
        """Return the service on a database with a crowd in it, started after the filling."""
        name, url = f"{size:,}", mongo_url(self.mongod)
        target = self.serve("ours", name, database)
        await define(target.child)
        target.child.stop()
        for what, seconds, made in fill(url, database, await known(url, database), size):
            say(f"  {name} persons: {what} in {seconds:,.0f} s")
            self.crowds[name] = made
        target = self.serve("ours", name, database)
        target.people = self.crowds[name].people
        return target

    async def limit(self, size: int) -> Target:
        """Return the bare server on a database filled in the same way, with the service's own indexes."""
        for _ in fill(mongo_url(self.mongod), "bench_limit", crowd.catalog(), size):
            pass
        return self.serve("limit_batches", "limit", "bench_limit")

    def fresh(self, batches: int) -> list[list[dict[str, Any]]]:
        """Return batches of inputs of persons that nobody has made yet."""
        numbers: Iterator[int] = iter(range(self.number, self.number + batches * asks.ROWS))
        self.number += batches * asks.ROWS
        return [[crowd.given(next(numbers)) for _ in range(asks.ROWS)] for _ in range(batches)]


async def define(server: Child) -> None:
    """Define attributes and the event; tags are made by somebody who wears them all, and goes."""
    for name, kind in crowd.ATTRIBUTES.items():
        await asks.answered(server, "Attribute", ATTRIBUTE, {"input": {"name": name, "type": kind}})
    fields = [{"name": name, "type": kind} for name, kind in people.EVENT_FIELDS.items()]
    event = {"id": people.EVENT, "title": people.EVENT_TITLE, "fields": fields}
    await asks.answered(server, "Define", work.DEFINE, {"input": event})
    tagged = {"externalId": "tags", "tags": [*crowd.TAGS, "changed"]}
    made = await asks.answered(server, "Create", work.CREATE, {"input": tagged})
    await asks.answered(server, "Delete", DELETE, {"id": made["person"]["id"]})


async def prove(target: Target) -> None:
    """Let the service itself say that the filled persons are what it would have made: sent again, nothing changes."""
    rows = [one.input for one in target.people[: asks.ROWS]]
    answer = await asks.answered(target.child, "Upsert", asks.UPSERT, {"persons": rows})
    if other := [one for one in answer["results"] if one["status"] != "NOT_MODIFIED"]:
        raise NotSeeded(f"{len(other)} filled persons are not as the service makes them: {other[:3]}")
