"""Who says who they are: visitors with ten events each, and with a thousand each, become leads; in turns."""

import itertools
from time import perf_counter

from benchmarks import asks
from benchmarks.command import say
from benchmarks.measure import Target
from benchmarks.report import Aim, Cell, Round, over, percentile
from benchmarks.seed import NotSeeded
from benchmarks.stage import Stage, define

FEW, MANY = 10, 1_000
VISITORS = 20  # of a round
EVENTS_AT_ONCE = 500
GROWTH_MAX = 1.2
IDENTIFY = "identify"
TRACK = "mutation Visit($events: [VisitorEventInput!]!){trackVisitor(events:$events){accepted errors{code}}}"
IDENTIFIES = "mutation Identify($input: IdentifyVisitorInput!){identifyVisitor(input:$input){accepted errors{code}}}"
_NUMBERS = itertools.count()


async def visitors(target: Target, size: int) -> list[str]:
    """Make visitors with so many events each; returns their anonymous ids."""
    made = [f"bench-{next(_NUMBERS)}" for _ in range(VISITORS)]
    event = {"type": "orderPlaced", "properties": {"orderNumber": "A", "total": 1}}
    for one in made:
        for start in range(0, size, EVENTS_AT_ONCE):
            sent = [{"anonymousId": one, **event}] * min(EVENTS_AT_ONCE, size - start)
            if not (await asks.answered(target.child, "Visit", TRACK, {"events": sent}))["accepted"]:
                raise NotSeeded("events were refused")
    return made


async def turn(stage: Stage, target: Target, size: int) -> Round:
    """Let visitors say who they are, one after the other."""
    made, taken = await visitors(target, size), list[float]()
    own, store, began = target.child.cpu(), stage.mongod.cpu(), perf_counter()
    for one in made:
        given = {"anonymousId": one, "email": f"{one}@bench.example"}
        start = perf_counter()
        answer = await asks.answered(target.child, "Identify", IDENTIFIES, {"input": given})
        taken.append(perf_counter() - start)
        if not answer["accepted"]:
            raise NotSeeded("an identification was refused")
    own, store, seconds = target.child.cpu() - own, stage.mongod.cpu() - store, perf_counter() - began
    ordered = sorted(taken)
    return Round(
        rate=len(ordered) / seconds,
        p50=percentile(ordered, 0.5) * 1e3,
        p99=percentile(ordered, 0.99) * 1e3,
        cpu=own / len(ordered) * 1e6,
        busy=own / seconds * 100,
        load=store / seconds * 100,
        store=store / len(ordered) * 1e6,
        rss=target.child.rss() / 1e6,
        failed=0,
    )


async def visits(stage: Stage, rounds: int) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and how many times what it costs with few events it costs with many."""
    target = stage.serve("ours", "ours", "bench_visits")
    await define(target.child)
    cells = {size: Cell(IDENTIFY, 1, f"{size:,} events each") for size in (FEW, MANY)}
    await turn(stage, target, FEW)
    for number in range(rounds):
        for size in (FEW, MANY) if number % 2 else (MANY, FEW):
            cells[size].rounds.append(await turn(stage, target, size))
    for cell in cells.values():
        say(f"  {cell.operation:8} {cell.server:22} {cell.middle('p50'):8,.2f} ms {cell.middle('cpu'):8,.0f} µs")
    what = f"identify, {MANY:,} events each ÷ {FEW}, p50"
    return list(cells.values()), [Aim(what, over((cells[MANY], cells[FEW]), "p50"), GROWTH_MAX)]
