"""kill -9 of one of two processes while visitors come in: sent again, each event is once, and each visit whole."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from tests.stories.visitors import IDENTIFY, TRACK
from tests.system.pair import Pair
from tests.system.test_kills import Batch, again, both, killed, pair

__all__ = ["both", "pair"]

EVENTS = 200
VISITORS = 10


def events(batch: Batch) -> list[dict[str, Any]]:
    """Return the events of a batch, each with an id; all batches of a writer are of the same visitors."""
    writer, number = batch
    return [
        {"anonymousId": f"v{writer}-{n % VISITORS}", "type": "pageView", "eventId": f"{number}-{n}"}
        for n in range(EVENTS)
    ]


async def test_visitors_survive_kill_9(pair: Pair, tmp_path: Path) -> None:
    """W kill -9 in trackVisitor T acknowledged events are there; all of it again, by the other process, is once."""
    acknowledged, left = await killed(pair, TRACK, lambda batch: {"events": events(batch)})
    assert left
    for batch in (*acknowledged, *left):
        assert (await again(pair, TRACK, events=events(batch)))["accepted"]
    batches = [*acknowledged, *left]
    assert await pair.engine.count("events", {"type": "pageView"}) == len(batches) * EVENTS
    writers = {writer for writer, _ in batches}
    kept = await pair.engine.find("visitors", {})
    assert len(kept) == len(writers) * VISITORS
    begun = await pair.engine.find("events", {"type": "sessionStarted"})
    assert sorted(one["subject"] for one in begun) == sorted(one["subject"] for one in kept)
    assert {one["session"] for one in begun} == {one["session"]["id"] for one in kept}
    assert await asyncio.to_thread(pair.check, tmp_path) == "Nothing is wrong.\n"


async def test_identifications_survive_kill_9(pair: Pair) -> None:
    """W kill -9 in identifyVisitor T each visitor is whole: nobody yet, or one lead with its line, never both."""

    def who(batch: Batch) -> dict[str, Any]:
        name = f"v{batch[0]}-{batch[1]}"
        return {"input": {"anonymousId": name, "email": f"{name}@x.example"}}

    acknowledged, left = await killed(pair, IDENTIFY, who)
    assert left
    visitors = {one["anonymousId"]: one for one in await pair.engine.find("visitors", {})}
    persons = {one["emails"][0]["v"]: one for one in await pair.engine.find("persons", {})}
    for batch in acknowledged:
        name = who(batch)["input"]["anonymousId"]
        assert visitors[name]["subject"] in persons[f"{name}@x.example"]["subjects"]
    assert {f"{name}@x.example" for name, one in visitors.items() if "person" in one} == set(persons)
    for batch in (*acknowledged, *left):
        assert (await again(pair, IDENTIFY, **who(batch)))["accepted"]
    counts = Counter(one["type"] for one in await pair.engine.find("events", {}))
    total = len(acknowledged) + len(left)
    assert (counts["personCreated"], counts["sessionStarted"]) == (total, total)
    assert await pair.engine.count("persons", {}) == total
