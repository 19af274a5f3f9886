"""The tables of `benchmarks/run` as they stand in `docs/performance.md`: ratios with their aims, and all figures."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from benchmarks import npm
from benchmarks.report import Cell, grid, over

RATIO_CALLERS = 32
TITLES = {
    "person": "person by id",
    "persons": "20 persons with emails and tags",
    "page": "page of 1,000 persons",
    "timeline": "newest 50 of a timeline of 100,000",
    "persons_apart": "20 persons, each caller in words of its own",
    "page_apart": "page of 1,000, each in words of its own",
    "timeline_apart": "timeline, each in words of its own",
    "create": "create person",
    "event": "one event per request",
}
OTHERS = {"mercurius": "Mercurius with JIT", "yoga": "Yoga with JIT", "plain": "plain", "limit": "limit"}
# How many times ours the others are meant to cost, at least.
AIMS = {
    "person": {"mercurius": 4.0, "plain": 12.0, "limit": 1.5},
    "persons": {"mercurius": 1.5, "plain": 4.0},
    "page": {"mercurius": 2.0},
    "timeline": {"mercurius": 2.0},
    "persons_apart": {},
    "page_apart": {},
    "timeline_apart": {},
    "create": {"mercurius": 2.0, "plain": 5.0},
    "event": {"mercurius": 1.5, "plain": 6.0},
}
FIGURES = (
    *("operation", "callers", "server", "requests/s", "p50", "p99", "CPU", "CPU of mongod"),
    *("server core %", "load core %", "RSS MB"),
)

Ratios = dict[str, dict[str, float | None]]


def ratio(cells: Sequence[Cell], operation: str, other: str) -> float | None:
    """Return the median over the rounds of CPU(other) / CPU(ours) at 32 callers, or None where one is missing."""
    at = {c.server: c for c in cells if c.operation == operation and c.callers == RATIO_CALLERS}
    return over([at[other], at["ours"]], "cpu") if {other, "ours"} <= at.keys() else None


def ratios(cells: Sequence[Cell]) -> Ratios:
    """Return operation → server → how many times ours its CPU per request is."""
    names = dict.fromkeys(cell.operation for cell in cells)
    return {name: {other: ratio(cells, name, other) for other in OTHERS} for name in names}


def ratio_table(cells: Sequence[Cell]) -> str:
    """Return the Markdown table of ratios, each operation with its aims and whether they are met."""
    header = ("operation", *(f"{title} ÷ ours" for title in OTHERS.values()), "aim")
    return grid(header, (_ratio_row(name, found) for name, found in ratios(cells).items()))


def _ratio_row(operation: str, found: dict[str, float | None]) -> list[str]:
    shown = [f"{one:.2f}" if one else "-" for one in found.values()]
    aims = [_aim(OTHERS[other], found[other], floor) for other, floor in AIMS[operation].items()]
    return [TITLES[operation], *shown, "; ".join(aims)]


def _aim(title: str, value: float | None, floor: float) -> str:
    verdict = "" if value is None else ": met" if value >= floor else ": **not met**"
    return f"{title} ≥ {floor:g}{verdict}"


def figures(cells: Sequence[Cell]) -> str:
    """Return the Markdown table of all figures: rates by the second, times in ms, CPU in µs per request."""
    return grid(FIGURES, map(_figures_row, cells))


def _figures_row(cell: Cell) -> list[object]:
    m = cell.middle
    times = (f"{m('rate'):,.0f}", f"{m('p50'):.2f}", f"{m('p99'):.2f}", f"{m('cpu'):,.0f}", f"{m('store'):,.0f}")
    shares = (f"{m('busy'):.0f}", f"{m('load'):.0f}", f"{m('rss'):.0f}")
    return [TITLES[cell.operation], cell.callers, cell.server, *times, *shares]


def versions() -> str:
    """Return what was compared, in one line."""
    python = [
        f"Python {platform.python_version()}",
        *(f"{one} {version(one)}" for one in ("strawberry-graphql", "motor")),
    ]
    return ", ".join([*python, *npm.versions()])
