"""Memory: what the service holds when idle, and the most it ever held under all parts and under its largest answers."""

from typing import Any

from benchmarks import asks
from benchmarks.asks import EVENTS, ROWS, Asks
from benchmarks.batches import CALLS, NEW, SECONDS, SENT
from benchmarks.measure import Target, measure
from benchmarks.report import Aim, Cell
from benchmarks.stage import Stage

CALLERS = 4
PAGES = 40
IDLE_MAX = 200
PEAK_MAX = 400


async def memory(stage: Stage, target: Target, idle: float) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and both figures in MB; `idle` was read before anything else."""
    fresh, cells = stage.fresh(CALLS), []
    works = ((pages(), ROWS), (asks.upserts(NEW, fresh, "CREATED"), ROWS), (asks.events(SENT, CALLS, fresh[0]), EVENTS))
    for work, rows in works:
        cell = Cell(work.operation, CALLERS, target.name, rows=rows)
        cell.rounds.append(await measure(target, stage.mongod, work, CALLERS, SECONDS))
        cells.append(cell)
    peak = target.child.peak() / 1e6
    return cells, [Aim("memory idle, MB", idle, IDLE_MAX), Aim("memory at its peak, MB", peak, PEAK_MAX)]


def pages() -> Asks:
    """Return requests of the largest page."""
    payload = asks.asked("List", asks.LIST, {"first": ROWS})

    def right(data: dict[str, Any], _token: object) -> bool:
        return len({node["id"] for node in data["persons"]["nodes"]}) == ROWS

    return Asks("largest page", iter([(payload, None)] * PAGES), right)
