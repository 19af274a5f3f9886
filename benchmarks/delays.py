"""From a write to its follower, beside the change stream as the driver alone gives it to somebody in the same loop."""

import asyncio
from contextlib import suppress
from statistics import median
from time import perf_counter
from typing import Any

from pymongo import AsyncMongoClient

from benchmarks.audience import Room, followed, gone
from benchmarks.listeners import HEARD_SECONDS, Told
from benchmarks.processes import mongo_url
from benchmarks.report import Aim

PACE = 50.0  # changes a second
BEHIND_MILLISECONDS = 3


async def delays(room: Room) -> None:
    """One listener and one bare change stream hear of the same changes."""
    told, seen = Told(), dict[int, float]()
    listeners = await followed(room, told, 1)
    teller = await room.teller(told, 4)
    watching = asyncio.Event()
    watch = asyncio.create_task(_watch(room, seen, watching))
    await asyncio.wait_for(watching.wait(), HEARD_SECONDS)
    await teller.paced(PACE, 1.0)
    first, count = len(told.sent), told.count

    async def work() -> None:
        sent = await teller.paced(PACE, 2 * room.seconds)
        await told.counted(count + sent, HEARD_SECONDS)

    await told.counted(first, HEARD_SECONDS)
    await room.measure("one listener", told, 1, work)
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    await gone(room, told, listeners)
    heard = list(zip(told.order[first:], told.latencies, strict=True))
    pairs = [(latency, seen[number] - told.sent[number]) for number, latency in heard if number in seen]
    if len(pairs) < len(heard):
        room.wrong.append(f"the change stream told only {len(pairs)} of {len(heard)}")
    ours, raw = (median(side) * 1e3 for side in zip(*pairs, strict=True))
    what = f"p50 from write to listener ({ours:.2f} ms) behind the bare change stream ({raw:.2f} ms), ms"
    room.aims.append(Aim(what, median(one - other for one, other in pairs) * 1e3, BEHIND_MILLISECONDS))


async def _watch(room: Room, seen: dict[int, float], watching: asyncio.Event) -> None:
    """Note when the driver's own change stream gives each event."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url(room.mongod))
    async with client:
        events = client[room.server.name].events
        async with await events.watch([{"$match": {"operationType": "insert"}}]) as stream:
            watching.set()
            async for change in stream:
                at = perf_counter()
                number = change["fullDocument"].get("props", {}).get("orderNumber")
                if number is not None:
                    seen[int(number)] = at
