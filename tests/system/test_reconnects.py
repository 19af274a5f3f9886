"""Subscribers that come and go under load: each sees each event of its topic once, in the order of the store's own log.

What they should have seen is read from the collection, and from a change stream of the test's own.
"""

import asyncio
import itertools
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from tests.conftest import said
from tests.system.follower import Follower
from tests.system.load import Load
from tests.system.pair import Pair
from tests.system.test_races import UPSERT

PEOPLE = 5
# Some follow everything, some one person each.
TOPICS: tuple[str | None, ...] = (None, None, *(f"p{n}" for n in range(PEOPLE)))
WRITERS = 2
EVENTS = 5
VISIT_SECONDS = 0.3
END_SECONDS = 60.0
TRACK = "mutation($events: [EventInput!]!) { trackEvents(events: $events) { errors { code } } }"


class Subscriber:
    """One of them; `seen` are the ids of the events that it was told of, in their order."""

    def __init__(self, pair: Pair, topic: str | None, chance: random.Random) -> None:
        self._pair = pair
        self._topic = topic
        self._chance = chance
        self._cursor: str | None = None
        self.seen: list[str] = []

    async def visit(self, seconds: float, until: int | None = None) -> None:
        """Come back with the last cursor, to either process, and stay for a while, or until so many were seen."""
        follower = Follower(self._chance.choice(self._pair.served), self._pair.key)
        await follower.begin(self._cursor, self._topic)
        ready = await follower.next()
        assert ready["kind"] == "READY"
        self._cursor = ready["cursor"]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while until is None or len(self.seen) < until:
                    await self._read(follower)
        if self._chance.random() < 0.5:
            follower.socket.transport.abort()
        await follower.socket.close()

    async def _read(self, follower: Follower) -> None:
        update = await follower.next()
        assert update["kind"] == "EVENT", update
        self._cursor = update["cursor"]
        self.seen.append(update["event"]["id"])

    async def come_and_go(self, times: int) -> None:
        """Visit so many times, each for as long as chance has it."""
        for _ in range(times):
            await self.visit(self._chance.random() * VISIT_SECONDS)


class Log:
    """The store's own log of events, by a change stream of the test's own."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    @asynccontextmanager
    async def kept(self, pair: Pair) -> AsyncIterator[None]:
        """Write down what is recorded meanwhile."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(pair.settings["mongo_url"])
        collection = client[pair.settings["mongo_database"]]["events"]
        async with client, await collection.watch() as stream:
            reading = asyncio.create_task(self._read(stream))
            try:
                yield
                async with asyncio.timeout(END_SECONDS):
                    while len(self.events) < await collection.count_documents({}):
                        assert not reading.done()
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, stream: Any) -> None:
        async for change in stream:
            assert change["operationType"] == "insert"
            self.events.append(change["fullDocument"])

    def of(self, person: str | None) -> list[str]:
        """Return the ids of all events, or of those of one person."""
        return [one["_id"] for one in self.events if person is None or one.get("person") == person]


async def tell(pair: Pair, chance: random.Random, done: asyncio.Event) -> None:
    """Tell of the persons who are followed, again and again."""
    for number in itertools.count():
        if done.is_set():
            return
        events = [
            {"person": {"externalId": f"p{chance.randrange(PEOPLE)}"}, "type": "paid", "eventId": f"t{number}-{n}"}
            for n in range(EVENTS)
        ]
        assert (await pair.ask(number % 2, TRACK, events=events))["errors"] == []


@pytest.mark.timeout(900)
async def test_who_comes_back_has_missed_nothing_and_sees_nothing_twice(
    pair: Pair, seed: int, request: pytest.FixtureRequest
) -> None:
    """W subscribers reconnect at random moments under load T 0 gaps, 0 repeats, and the order of the log."""
    times = math.ceil(request.config.getoption("--reconnects") / len(TOPICS))
    made = await pair.ask(0, UPSERT, rows=[{"externalId": f"p{n}"} for n in range(PEOPLE)])
    ids: dict[str | None, str | None] = {f"p{n}": one["person"]["id"] for n, one in enumerate(made["results"])}
    subscribers = [Subscriber(pair, topic, random.Random(f"{seed}-{n}")) for n, topic in enumerate(TOPICS)]
    before = await pair.engine.count("events", {})
    log, done = Log(), asyncio.Event()
    async with log.kept(pair):
        log.events = [{"_id": "", "person": ""}] * before
        await asyncio.gather(*[one.visit(0) for one in subscribers])
        async with Load(pair, seed, WRITERS):
            telling = asyncio.create_task(tell(pair, random.Random(seed), done))
            await asyncio.gather(*[one.come_and_go(times) for one in subscribers])
            done.set()
            await telling
    kept = {one["_id"] for one in await pair.engine.find("events", {}, projection={"_id": 1})}
    log.events = log.events[before:]
    assert {one["_id"] for one in log.events} <= kept
    for one, topic in zip(subscribers, TOPICS, strict=True):
        wanted = log.of(ids.get(topic))
        await one.visit(END_SECONDS, len(wanted))
        assert one.seen == wanted, topic
    told = sum(len(one.seen) for one in subscribers)
    said(f"subscribers: {times * len(TOPICS)} reconnects, seed {seed}: {told:,} events told, 0 gaps, 0 repeats")
