"""Who follows sees each event once, in order, across reconnects and processes; on both stores."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from app.claims.model import Locator
from app.live.feed import Feed
from app.live.hub import Hub
from app.live.seat import Closing
from app.live.topic import Frame, Moment, Topic
from app.mongo.engine import Engine
from tests.make import ACTOR, House, house

EVERYTHING = Topic("acc_1")


class Process:
    """A feed and a hub, as each process has them; counts what it renders."""

    def __init__(self, engine: Engine) -> None:
        self.feed = Feed(engine)
        self.hub = Hub(self.feed, engine)
        self.rendered = 0

    async def render(self, moment: Moment) -> Frame:
        """Encode a moment."""
        self.rendered += 1
        event = moment.event
        shown = {"kind": moment.kind, "token": moment.token, "type": event.type if event else None}
        return Frame((orjson.dumps(shown).decode(),), last=event is not None and event.type == "personDeleted")

    def follow(self, after: str | None = None, topic: Topic = EVERYTHING) -> Any:
        """Follow as one group."""
        return contextlib.aclosing(self.hub.follow(topic, group="one", render=self.render, after=after))


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Process]:
    """Run a process."""
    process = Process(engine)
    await process.feed.start()
    try:
        yield process
    finally:
        await process.hub.close()
        await process.feed.stop()


async def take(stream: Any, number: int) -> list[dict[str, Any]]:
    """Read some payloads."""
    return [orjson.loads(await asyncio.wait_for(anext(stream), 20)) for _ in range(number)]


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


async def test_a_follower_is_ready_then_sees_what_happens(home: House) -> None:
    """READY first with a position, then each event once."""
    async with running(home.engine) as process, process.follow() as stream:
        assert [one["kind"] for one in await take(stream, 1)] == ["READY"]
        await home.person("a@example.com")
        await home.person("b@example.com", tags=["x"])
        seen = await take(stream, 2)
    assert [(one["kind"], one["type"]) for one in seen] == [("EVENT", "personCreated")] * 2
    assert seen[0]["token"] < seen[1]["token"]


async def test_who_reconnects_elsewhere_has_missed_nothing(home: House) -> None:
    """A cursor of one process goes on at another, without gap or repeat."""
    async with running(home.engine) as first, running(home.engine) as second:
        async with first.follow() as stream:
            await take(stream, 1)
            made = await home.person("a@example.com")
            cursor = (await take(stream, 1))[0]["token"]
        for number in range(3):
            await home.person(f"{number}@example.com")
        async with second.follow(cursor) as stream:
            seen = await take(stream, 4)
        assert [one["kind"] for one in seen] == ["READY", "EVENT", "EVENT", "EVENT"]
        assert seen[0]["token"] == cursor
        topic = Topic("acc_1", frozenset(made.subjects))
        async with second.follow(cursor, topic) as stream:
            await take(stream, 1)
            await home.persons.delete(ACTOR, Locator("id", made.id))
            last = await take(stream, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        assert last[0]["type"] == "personDeleted"


async def test_a_cursor_from_before_the_process_is_caught_up(home: House) -> None:
    """What happened while no process ran is told."""
    async with running(home.engine) as process, process.follow() as stream:
        cursor = (await take(stream, 1))[0]["token"]
    await home.person("a@example.com")
    async with running(home.engine) as process, process.follow(cursor) as stream:
        seen = await take(stream, 2)
        await home.person("b@example.com")
        seen += await take(stream, 1)
    assert [one["kind"] for one in seen] == ["READY", "EVENT", "EVENT"]


async def test_an_unknown_cursor_gets_a_resync(home: House) -> None:
    """Never silence: one RESYNC, then what happens."""
    async with running(home.engine) as process, process.follow("00") as stream:
        kinds = [(await take(stream, 1))[0]["kind"]]
        while kinds[-1] != "RESYNC":
            kinds += [(await take(stream, 1))[0]["kind"]]
        await home.person("a@example.com")
        assert (await take(stream, 1))[0]["kind"] == "EVENT"


async def test_a_group_is_rendered_once(home: House) -> None:
    """Fifty followers of the same cost one rendering of an event."""
    async with running(home.engine) as process, contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(process.follow()) for _ in range(50)]
        for stream in streams:
            await take(stream, 1)
        before = process.rendered
        await home.person("a@example.com")
        for stream in streams:
            assert (await take(stream, 1))[0]["type"] == "personCreated"
        assert process.rendered - before == 1


async def test_another_account_sees_nothing(home: House) -> None:
    """Topics are of one account."""
    async with (
        running(home.engine) as process,
        process.follow(topic=Topic("acc_2")) as stranger,
        process.follow() as own,
    ):
        await take(stranger, 1)
        await take(own, 1)
        await home.person("a@example.com")
        await take(own, 1)
        waiting = asyncio.ensure_future(anext(stranger))
        await process.hub.close()
        with pytest.raises(Closing):
            await waiting
