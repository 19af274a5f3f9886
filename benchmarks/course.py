"""How the cost of a row goes in the course of a long import: the last tenth beside the first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks.filed import Filed

PARTS = 10


@dataclass(slots=True)
class Course:
    """An import that is looked at while it is committed; `cpu` tells the seconds its processes have taken so far."""

    filed: Filed
    cpu: Callable[[], float]
    looks: list[tuple[int, float]] = field(default_factory=list)

    async def run(self) -> dict[str, Any]:
        """Commit it, and note how many rows were done by when."""
        self.note(0)
        await self.filed.begin("COMMIT")
        return await self.filed.over(lambda one: self.note(one["counts"]["processed"]))

    def note(self, done: int) -> None:
        """Note a look; where fewer rows are done than before, those before were of the run before."""
        while self.looks and self.looks[-1][0] > done:
            self.looks.pop()
        self.looks.append((done, self.cpu()))

    def per_row(self, rows: int) -> list[float]:
        """Return the µs of CPU that a row took, tenth by tenth; between two looks all rows cost the same."""
        marks = [self.looks[0][1], *(self._cpu_at(rows * part / PARTS) for part in range(1, PARTS + 1))]
        return [(after - before) / rows * PARTS * 1e6 for before, after in pairwise(marks)]

    def _cpu_at(self, done: float) -> float:
        """Return what it had taken when so many rows were done."""
        (near, before), (far, after) = next(pair for pair in pairwise(self.looks) if pair[1][0] >= done)
        return before + (after - before) * (done - near) / (far - near)
