"""Growth: the same reads and batches on a small and on a large database, servers in turns."""

import random
from collections.abc import Callable, Sequence

from benchmarks import asks
from benchmarks.asks import ROWS
from benchmarks.measure import WARM_SECONDS, Asker, Seat, Target, always, take_turns
from benchmarks.people import Sample
from benchmarks.report import Aim, Cell, over
from benchmarks.stage import Stage

SMALL = 10_000
SECONDS = 1.0
BATCHES = 3  # of a round
BATCH_SECONDS = 60.0
GROWTH_MAX = 1.15


async def growth(stage: Stage, large: Target, rounds: int) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and how many times what it costs among few each costs among many."""
    small = await stage.filled(SMALL, "bench_small")
    cells: list[Cell] = []
    aims: list[Aim] = []
    kinds: list[tuple[str, Callable[[Target], Callable[[], Asker]], float]] = [
        ("person by id", lambda one: always(asks.by_id(shuffled(one.people))), SECONDS),
        ("person by email", lambda one: always(asks.by_email(shuffled(one.people))), SECONDS),
        ("list page", lambda _: always(asks.page("list page", {}, None)), SECONDS),
        ("upsert, new", lambda _: lambda: asks.upserts("upsert, new", stage.fresh(BATCHES), "CREATED"), BATCH_SECONDS),
    ]
    for name, work, seconds in kinds:
        rows = ROWS if name.startswith("upsert") else 1
        seats = [Seat(Cell(name, 1, one.name, rows=rows), one, work(one)) for one in (small, large)]
        few, many = await take_turns(seats, stage.mongod, rounds, seconds, min(seconds, WARM_SECONDS))
        for figure, shown in (("cpu", "CPU"), ("p50", "p50")):
            aims.append(Aim(f"{name}, {large.name} ÷ {small.name}, {shown}", over((many, few), figure), GROWTH_MAX))
        cells += (few, many)
    small.child.stop()
    return cells, aims


def shuffled(people: Sequence[Sample]) -> list[Sample]:
    """Return the persons in an order that has nothing to do with their places in the store."""
    found = list(people)
    random.Random(7).shuffle(found)
    return found
