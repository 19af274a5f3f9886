"""What is seen of chunks: how large, how long one waited, and whose calls to the store theirs are."""

import asyncio
import gc
from collections.abc import Sequence

import pytest

from app.core.tally import TALLY, Tally
from app.mongo import chunk
from app.mongo.chunk import FIGURES, LIST_ITEMS, Chunks
from app.mongo.counted import Counted
from app.mongo.twin import Twin

SECONDS = 10.0


class Reading:
    """Chunks of at most three numbers, each of which reads twice once `open` is set."""

    def __init__(self, name: str) -> None:
        self.store = Counted(Twin())
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.chunks: Chunks[int, int] = Chunks(self._run, name=name, limit=3)
        self.figures = FIGURES[name]

    async def _run(self, items: list[int]) -> Sequence[int]:
        self.asked.set()
        await self.open.wait()
        await self.store.find("things", {})
        await self.store.find("things", {})
        return items

    async def for_one(self, *items: int) -> Tally:
        """Put items for an operation of their own; returns it when it is answered."""
        tally = Tally(0.0)
        TALLY.set(tally)
        await self.chunks.put_all(items)
        return tally


async def test_a_call_of_one_operation_is_its_own() -> None:
    """Whether it carries one item, a few, or a list that travels by itself."""
    async with asyncio.timeout(SECONDS):
        reading = Reading("test-own")
        reading.open.set()
        for items in ((1,), (1, 2, 3), range(LIST_ITEMS)):
            tally = await asyncio.create_task(reading.for_one(*items))
            calls = 2 * -(-len(items) // 3)
            assert (tally.calls, tally.shared) == (calls, 0)


async def test_a_call_of_several_operations_counts_for_each() -> None:
    """Each waited for it; the process made it once, and the first caller is charged with its own alone."""
    async with asyncio.timeout(SECONDS):
        reading = Reading("test-shared")
        first = asyncio.create_task(reading.for_one(1))
        await reading.asked.wait()
        others = [asyncio.create_task(reading.for_one(*items)) for items in ((2, 3), (4,))]
        nobody = asyncio.create_task(reading.chunks.put(5))
        await asyncio.sleep(0)
        reading.open.set()
        await nobody
        tallies = [await one for one in (first, *others)]
        assert [(one.calls, one.shared) for one in tallies] == [(2, 0), (2, 2), (2, 2)]
        assert reading.store.calls.made == {("things", "find"): 6}


async def test_sizes_and_waits_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of calls that were made, and of the items that wait now."""
    now = [100.0]
    monkeypatch.setattr(chunk, "monotonic", lambda: now[0])
    async with asyncio.timeout(SECONDS):
        reading = Reading("test-figures")
        figures = reading.figures
        assert (figures.waiting, figures.oldest_seconds) == (0, 0.0)
        tasks = [asyncio.create_task(reading.chunks.put(1))]
        await reading.asked.wait()
        tasks.append(asyncio.create_task(reading.chunks.put_all([2, 3, 4, 5])))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        now[0] += 0.2
        assert figures.waiting == 4
        assert figures.oldest_seconds == pytest.approx(0.2)
        reading.open.set()
        await asyncio.gather(*tasks)
    sizes = dict(zip((*figures.items.limits, "more"), figures.items.counts, strict=True))
    assert {size: count for size, count in sizes.items() if count} == {1: 2, 5: 1}
    assert figures.waits.total == pytest.approx(0.4)  # of the second and the third call
    assert (figures.waiting, figures.items.total) == (0, 5)


async def test_chunks_that_are_gone_are_not_looked_at() -> None:
    """Those of a name share their figures, and a closed service leaves none behind."""
    chunks = Reading("test-gone").chunks
    assert len(FIGURES["test-gone"].chunks) == 1
    del chunks
    gc.collect()
    assert len(FIGURES["test-gone"].chunks) == 0
