"""Lists of a large account: its first and its thousandth page, a rare filter, searches; in turns."""

from typing import Any

from benchmarks import asks, crowd
from benchmarks.asks import PAGE
from benchmarks.measure import WARM_SECONDS, Seat, Target, always, take_turns
from benchmarks.report import Aim, Cell, over
from benchmarks.stage import Stage

DEEP_PAGE = 1000
STRIDE = 1000
SECONDS = 1.0
DEEP_MAX = 1.2


async def lists(stage: Stage, target: Target, rounds: int) -> tuple[list[Cell], list[Aim]]:
    """Return the cells, and how page 1,000 compares with page 1."""
    found = {name: numbers[::-1] for name, numbers in stage.crowds[target.name].found.items()}
    questions = crowd.wanted(stage.crowds[target.name].size)
    filtered, numbers = questions["filter"].variables, found["filter"]
    deep = min(DEEP_PAGE, len(numbers) // PAGE)
    before = (deep - 1) * PAGE
    after = await walked(target, filtered, before)
    pages = {
        "page 1": asks.page("page 1", filtered, numbers),
        f"page {deep:,}": asks.page("deep page", filtered, numbers[before:], after=after),
    }
    for name in ("rare filter", "search: name", "search: email"):
        pages[name] = asks.page(name, questions[name].variables, found[name])
    seats = [Seat(Cell(name, 1, target.name), target, always(page)) for name, page in pages.items()]
    cells = await take_turns(seats, stage.mongod, rounds, SECONDS, WARM_SECONDS)
    pair, what = (cells[1], cells[0]), f"page {deep:,} ÷ page 1"
    return cells, [
        Aim(f"{what}, p50", over(pair, "p50"), DEEP_MAX),
        Aim(f"{what}, CPU", over(pair, "cpu"), DEEP_MAX),
    ]


async def walked(target: Target, variables: dict[str, Any], items: int) -> str | None:
    """Return the cursor behind so many items: large pages and small ones share their cursors."""
    cursor = None
    while items:
        first = min(STRIDE, items)
        answer = await asks.answered(target.child, "List", asks.LIST, {**variables, "first": first, "after": cursor})
        cursor, items = answer["pageInfo"]["endCursor"], items - first
    return cursor
