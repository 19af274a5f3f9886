"""Rounds to figures: medians per cell, a Markdown table, and the ratios of CPU per request round by round."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

HEADER = (
    "| operation | callers | server | requests/s | p50 ms | p99 ms | CPU µs/request | server core % "
    "| load core % | mongod µs/request | RSS MB | failed |"
)
RATIO_CALLERS = 32


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
    """All rounds of one server at one operation and concurrency."""

    operation: str
    callers: int
    server: str
    rounds: list[Round]

    def middle(self, name: str) -> float:
        """Return the median of a figure over the rounds."""
        return median(getattr(one, name) for one in self.rounds)

    def failed(self) -> int:
        """Return how many answers were wrong or missing in all rounds."""
        return sum(one.failed for one in self.rounds)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of an ordered sequence lies; 0 of an empty one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def table(cells: Iterable[Cell]) -> str:
    """Return the Markdown table of all cells."""
    lines = [HEADER, "|" + " --- |" * HEADER.count(" | ") + " --- |"]
    for cell in cells:
        m = cell.middle
        lines.append(
            f"| {cell.operation} | {cell.callers} | {cell.server} | {m('rate'):,.0f} | {m('p50'):.2f} | {m('p99'):.2f} "
            f"| {m('cpu'):,.0f} | {m('busy'):.0f} | {m('load'):.0f} "
            f"| {m('store'):,.0f} | {m('rss'):.0f} | {cell.failed()} |"
        )
    return "\n".join(lines)


def ratio(cells: Sequence[Cell], operation: str, other: str) -> float | None:
    """Return the median over the rounds of CPU(other) / CPU(ours) at 32 callers, or None where one is missing."""
    at = {c.server: c.rounds for c in cells if c.operation == operation and c.callers == RATIO_CALLERS}
    pairs = [(a.cpu, b.cpu) for a, b in zip(at.get(other, []), at.get("ours", []), strict=False) if b.cpu]
    return median(a / b for a, b in pairs) if pairs else None


def ratios(cells: Sequence[Cell]) -> dict[str, dict[str, float | None]]:
    """Return operation → server → how many times ours its CPU per request is."""
    names = dict.fromkeys(cell.operation for cell in cells)
    return {name: {other: ratio(cells, name, other) for other in ("plain", "limit")} for name in names}


def ratio_table(cells: Sequence[Cell]) -> str:
    """Return the Markdown table of ratios."""
    lines = [f"| CPU per request, {RATIO_CALLERS} callers | plain / ours | limit / ours |", "| --- | --- | --- |"]
    for name, found in ratios(cells).items():
        shown = [f"{value:.2f}" if value else "-" for value in found.values()]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def as_json(cells: Sequence[Cell], settings: dict[str, Any]) -> dict[str, Any]:
    """Return everything for a file, rounds included."""
    return {"settings": settings, "cells": [asdict(cell) for cell in cells], "ratios": ratios(cells)}
