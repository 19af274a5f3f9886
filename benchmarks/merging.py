"""Merging and undoing: two persons with ten events each, and two with a hundred thousand each, in turns."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from benchmarks import asks, work
from benchmarks.asks import EVENTS
from benchmarks.command import say
from benchmarks.measure import Target, measure
from benchmarks.report import Aim, Cell, Round, over, percentile
from benchmarks.seed import NotSeeded
from benchmarks.stage import Stage, define

FEW, MANY = 10, 100_000
TIMES = 20  # of a round
SECONDS = 120.0
GROWTH_MAX = 1.2
MERGE, REVERT = "merge", "revert"
CREATE = work.CREATE
MERGES = (
    "mutation Merge($one: ID!,$two: ID!){mergePersons(input:{persons:[{id:$one},{id:$two}]}){"
    "person{id} merge{id} errors{code}}}"
)
REVERTS = "mutation Revert($id: ID!){revertMerge(id:$id){persons{id} keptFields errors{code}}}"


@dataclass(slots=True)
class Couple:
    """Two persons, and how long each call took."""

    name: str
    ids: list[str]
    taken: dict[str, list[float]] = field(default_factory=lambda: {MERGE: [], REVERT: []})


async def couple(stage: Stage, target: Target, size: int) -> Couple:
    """Make two persons with so many events each."""
    ids = []
    for side in "ab":
        given = {"externalId": f"{size}-{side}", "emails": [{"address": f"{size}-{side}@bench.example"}]}
        ids.append((await asks.answered(target.child, "Create", CREATE, {"input": given}))["person"]["id"])
        calls, rest = divmod(size, EVENTS)
        sent = asks.events("events", calls, [given])
        if calls and (await measure(target, stage.mongod, sent, 1, SECONDS)).failed:
            raise NotSeeded("events were refused")
        if rest:
            await asks.answered(target.child, "Track", work.TRACK, {"events": few(given, rest)})
    return Couple(f"{size:,} events each", ids)


def few(person: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return some events of a person."""
    event = {"type": "orderPlaced", "properties": {"orderNumber": "A", "total": 1}}
    return [{"person": {"externalId": person["externalId"]}, **event} for _ in range(count)]


async def timed(target: Target, one: Couple, what: str, query: str, variables: dict[str, Any]) -> Any:
    """Return the answer of a call, and note how long it took."""
    began = perf_counter()
    answer = await asks.answered(target.child, what.capitalize(), query, variables)
    one.taken[what].append(perf_counter() - began)
    return answer


async def turn(stage: Stage, target: Target, one: Couple) -> tuple[Round, Round]:
    """Merge and undo some times; CPU is that of both together."""
    one.taken = {MERGE: [], REVERT: []}
    own, store, began = target.child.cpu(), stage.mongod.cpu(), perf_counter()
    for _ in range(TIMES):
        first, second = one.ids
        done = await timed(target, one, MERGE, MERGES, {"one": first, "two": second})
        if done["person"]["id"] != first:
            raise NotSeeded("the wrong one survived")
        undone = await timed(target, one, REVERT, REVERTS, {"id": done["merge"]["id"]})
        if [each["id"] for each in undone["persons"]] != one.ids or undone["keptFields"]:
            raise NotSeeded("the undoing was not exact")
    own, store, seconds = target.child.cpu() - own, stage.mongod.cpu() - store, perf_counter() - began
    return _round(one, MERGE, own, store, seconds), _round(one, REVERT, own, store, seconds)


def _round(one: Couple, what: str, own: float, store: float, seconds: float) -> Round:
    ordered = sorted(one.taken[what])
    return Round(
        rate=len(ordered) / sum(ordered),
        p50=percentile(ordered, 0.5) * 1e3,
        p99=percentile(ordered, 0.99) * 1e3,
        cpu=own / TIMES / 2 * 1e6,
        busy=own / seconds * 100,
        load=store / seconds * 100,
        store=store / TIMES / 2 * 1e6,
        rss=0.0,
        failed=0,
    )


async def merging(stage: Stage, rounds: int) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and how many times what it costs with few events it costs with many."""
    target = stage.serve("ours", "ours", "bench_merging")
    await define(target.child)
    couples = [await couple(stage, target, size) for size in (FEW, MANY)]
    cells = {(one.name, what): Cell(what, 1, one.name) for one in couples for what in (MERGE, REVERT)}
    for one in couples:
        await turn(stage, target, one)
    for number in range(rounds):
        for one in couples if number % 2 else reversed(couples):
            for what, found in zip((MERGE, REVERT), await turn(stage, target, one), strict=True):
                cells[one.name, what].rounds.append(found)
    few_, many = couples
    aims = []
    for what in (MERGE, REVERT):
        pair = (cells[many.name, what], cells[few_.name, what])
        aims.append(Aim(f"{what}, {MANY:,} events each ÷ {FEW}, p50", over(pair, "p50"), GROWTH_MAX))
    pair = (cells[many.name, MERGE], cells[few_.name, MERGE])
    aims.append(Aim(f"merge and revert, {MANY:,} events each ÷ {FEW}, CPU", over(pair, "cpu"), GROWTH_MAX))
    for cell in cells.values():
        say(f"  {cell.operation:8} {cell.server:22} {cell.middle('p50'):8,.2f} ms {cell.middle('cpu'):8,.0f} µs")
    return list(cells.values()), aims
