"""Batches: a thousand persons and five thousand events a call, beside what the bare driver reaches."""

from benchmarks import asks, crowd
from benchmarks.asks import EVENTS, ROWS, Asks
from benchmarks.measure import Target, measure, told
from benchmarks.report import Aim, Cell, over
from benchmarks.stage import Stage

CALLERS = (1, 4)
CALLS = 8  # of a round
EVENT_CALLS = 4
SECONDS = 90.0
LIMIT_PERSONS = 10_000
PERSONS_MIN = 5_000
EVENTS_MIN = 25_000
NEW, UNCHANGED, CHANGED, SENT = "upsert, new", "upsert, unchanged", "upsert, changed", "events"


async def batches(stage: Stage, target: Target, rounds: int) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and how many persons and events a second came to be."""
    limit = await stage.limit(LIMIT_PERSONS)
    cells: list[Cell] = []
    aims: list[Aim] = []
    for callers in CALLERS:
        mine = {
            name: Cell(name, callers, target.name, rows=EVENTS if name == SENT else ROWS)
            for name in (NEW, UNCHANGED, CHANGED, SENT)
        }
        bare = {name: Cell(name, callers, limit.name, rows=mine[name].rows) for name in (NEW, SENT)}
        for one in (target, limit):
            await warmed(stage, one)
        for _ in range(rounds):
            await _round(stage, target, limit, mine, bare)
        for cell in (*mine.values(), *bare.values()):
            told(cell)
            cells.append(cell)
        for name, what, least in ((NEW, "new persons", PERSONS_MIN), (SENT, "events", EVENTS_MIN)):
            share = over((mine[name], bare[name]), "rate")
            text = f"{what} a second, callers: {callers} ({share:.0%} of the limit)"
            aims.append(Aim(text, mine[name].middle("rate") * mine[name].rows, least, floor=True))
    return cells, aims


async def warmed(stage: Stage, target: Target) -> None:
    """Let a server do each kind of batch once."""
    (batch,) = stage.fresh(1)
    await measure(target, stage.mongod, asks.upserts(NEW, [batch], "CREATED"), 1, SECONDS)
    await measure(target, stage.mongod, asks.events(SENT, 1, batch), 1, SECONDS)


async def _round(stage: Stage, target: Target, limit: Target, mine: dict[str, Cell], bare: dict[str, Cell]) -> None:
    fresh = stage.fresh(CALLS)
    other = [[crowd.changed(one) for one in batch] for batch in fresh]
    await into(stage, target, mine[NEW], asks.upserts(NEW, fresh, "CREATED"))
    await into(stage, target, mine[UNCHANGED], asks.upserts(UNCHANGED, fresh, "NOT_MODIFIED"))
    await into(stage, target, mine[CHANGED], asks.upserts(CHANGED, other, "UPDATED"))
    await into(stage, limit, bare[NEW], asks.upserts(NEW, stage.fresh(CALLS), "CREATED"))
    await into(stage, target, mine[SENT], asks.events(SENT, EVENT_CALLS, fresh[0]))
    await into(stage, limit, bare[SENT], asks.events(SENT, EVENT_CALLS, fresh[0]))


async def into(stage: Stage, target: Target, cell: Cell, work: Asks) -> None:
    """Measure a round of a cell."""
    cell.rounds.append(await measure(target, stage.mongod, work, cell.callers, SECONDS))
