"""How the cost of a row goes in the course of a long import: the last tenth beside the first."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks.filed import BUSY, LOOK_SECONDS, Filed

PARTS = 10


@dataclass(slots=True)
class Course:
    """An import that is looked at while it is committed; `cpu` tells the seconds its processes have taken so far."""

    filed: Filed
    cpu: Callable[[], float]
    looks: list[tuple[int, float]] = field(default_factory=list)

    async def run(self) -> dict[str, Any]:
        """Commit it, and note how many rows were done by when."""
        await self.filed.begin("COMMIT")
        while (one := await self.filed.look())["state"] in BUSY:
            self.looks.append((one["counts"]["processed"], self.cpu()))
            await asyncio.sleep(LOOK_SECONDS)
        return await self.filed.over()

    def per_row(self, rows: int) -> list[float]:
        """Return the µs of CPU that a row took, tenth by tenth; fewer where too few looks fell into the import."""
        marks: list[tuple[int, float]] = []
        for done, cpu in self.looks:
            if done >= rows * len(marks) // PARTS:
                marks.append((done, cpu))
        return [(after - before) / (far - near) * 1e6 for (near, before), (far, after) in pairwise(marks) if far > near]
