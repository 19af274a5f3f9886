"""Rounds to figures: medians per cell, Markdown tables, ratios round by round, and aims."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

HEADER = ("operation", "callers", "server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request")
HEADER += ("server core %", "load core %", "mongod µs/request", "RSS MB", "failed")
BATCH_HEADER = ("operation", "callers", "server", "rows/s", "p50 ms of a call", "CPU µs/row", "mongod µs/row")
BATCH_HEADER += ("server core %", "load core %", "RSS MB", "failed")


@dataclass(frozen=True, slots=True)
class Round:
    """What one server did for a few seconds. Times in ms, CPU in µs per request, memory in MB.

    `busy` and `load` are percent of the server's core and of the core that mongod and the generator share: the one that
    is near 100 is what bounds the rate.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float
    load: float
    store: float
    rss: float
    failed: int


@dataclass(slots=True)
class Cell:
    """All rounds of one server at one operation and concurrency; `rows` are those that one request carries."""

    operation: str
    callers: int
    server: str
    rounds: list[Round] = field(default_factory=list)
    rows: int = 1

    def middle(self, name: str) -> float:
        """Return the median of a figure over the rounds."""
        return median(getattr(one, name) for one in self.rounds)

    def failed(self) -> int:
        """Return how many answers were wrong or missing in all rounds."""
        return sum(one.failed for one in self.rounds)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of an ordered sequence lies; 0 of an empty one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def table(cells: Iterable[Cell]) -> str:
    """Return the Markdown table of all cells."""
    return grid(HEADER, map(_row, cells))


def _row(cell: Cell) -> list[object]:
    m = cell.middle
    times = (f"{m('rate'):,.0f}", f"{m('p50'):.2f}", f"{m('p99'):.2f}", f"{m('cpu'):,.0f}")
    shares = (f"{m('busy'):.0f}", f"{m('load'):.0f}", f"{m('store'):,.0f}", f"{m('rss'):.0f}")
    return [cell.operation, cell.callers, cell.server, *times, *shares, cell.failed()]


def batch_table(cells: Iterable[Cell]) -> str:
    """Return the Markdown table of cells whose requests carry many rows: rates and CPU are of one row."""
    return grid(BATCH_HEADER, map(_batch_row, cells))


def _batch_row(cell: Cell) -> list[object]:
    m, rows = cell.middle, cell.rows
    times = (f"{m('rate') * rows:,.0f}", f"{m('p50'):,.0f}", f"{m('cpu') / rows:,.1f}", f"{m('store') / rows:,.1f}")
    shares = (f"{m('busy'):.0f}", f"{m('load'):.0f}", f"{m('rss'):.0f}")
    return [cell.operation, cell.callers, cell.server, *times, *shares, cell.failed()]


def as_json(cells: Sequence[Cell], settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return everything for a file, rounds included."""
    return {"settings": settings, "cells": [asdict(cell) for cell in cells], **more}


def over(cells: Sequence[Cell], name: str) -> float:
    """Return the median over the rounds of a figure of the first of two cells by that of the second; 0 of none."""
    first, second = (cell.rounds for cell in cells)
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(first, second, strict=True)]
    return median([a / b for a, b in pairs if b] or [0.0])


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure and what it should be: at most, or with `floor` at least, `bound`."""

    what: str
    value: float
    bound: float
    floor: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value >= self.bound if self.floor else self.value <= self.bound

    def line(self) -> str:
        """Return it as a sentence."""
        sign, shown = ("≥" if self.floor else "≤"), (",.0f" if self.bound >= 10 else ".2f")
        verdict = "met" if self.met else "not met"
        return f"{self.what}: {self.value:{shown}} (aim {sign} {self.bound:,g}): {verdict}"
