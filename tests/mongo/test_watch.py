"""Watches that are interrupted: mended inside without a gap, given up after a while, honest about a lost position."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import Int64
from pymongo.errors import OperationFailure

from app.core.errors import Fault
from app.mongo import watch
from app.mongo.engine import Batch, HistoryLost, Insert
from app.mongo.server import Server
from tests.mongo.test_server import Failing, breakable, lasting, real

__all__ = ["breakable", "lasting", "real"]

SECONDS = 20.0
RESUMABLE = ["ResumableChangeStreamError"]
CURSOR_NOT_FOUND = 43
NOT_PRIMARY = 10107
HISTORY_LOST = 286
FORBIDDEN = 13


class Follower:
    """Follows `things`, and reads by ids."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self._batches = batches
        self.token = ""

    async def batch(self) -> Batch:
        """Return the next batch."""
        batch = await anext(self._batches)
        self.token = batch.token
        return batch

    async def ids(self, number: int) -> list[Any]:
        """Return the ids of the next changes."""
        seen: list[Any] = []
        while len(seen) < number:
            seen += [change.id for change in (await self.batch()).changes]
        return seen


@pytest.fixture(autouse=True)
async def _bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(SECONDS):
        yield


async def put(real: Server, *keys: str) -> None:
    """Insert things."""
    await real.write("things", [Insert({"_id": key}) for key in keys])


INTERRUPTIONS: list[dict[str, Any]] = [
    {"closeConnection": True},
    {"errorCode": CURSOR_NOT_FOUND},
    {"errorCode": NOT_PRIMARY},
    {"errorCode": 1, "errorLabels": RESUMABLE},
]


@pytest.mark.parametrize("how", INTERRUPTIONS)
async def test_an_interrupted_stream_is_mended_inside(real: Server, breakable: Failing, how: dict[str, Any]) -> None:
    """Whatever passes by itself: the follower sees each change once and in order, and no error."""
    async with real.watch(["things"], None) as batches:
        follower = Follower(batches)
        await follower.batch()
        await put(real, "a", "b")
        assert await follower.ids(2) == ["a", "b"]
        await breakable.fail("getMore", mode={"times": 1}, **how)
        await put(real, "c", "d")
        assert await follower.ids(2) == ["c", "d"]


async def test_a_stream_that_can_not_be_opened_again_at_once_is_tried_again(real: Server, breakable: Failing) -> None:
    """Each time a little later, from the position behind the last batch."""
    async with real.watch(["things"], None) as batches:
        follower = Follower(batches)
        await follower.batch()
        await breakable.fail("getMore", "aggregate", mode={"times": 3}, errorCode=NOT_PRIMARY)
        await put(real, "a")
        assert await follower.ids(1) == ["a"]


async def test_a_stream_that_stays_away_is_unavailable(
    real: Server, breakable: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After AWAY_SECONDS without a batch."""
    assert watch.AWAY_SECONDS == 30
    monkeypatch.setattr(watch, "AWAY_SECONDS", 0.0)
    async with real.watch(["things"], None) as batches:
        follower = Follower(batches)
        await follower.batch()
        await breakable.fail("getMore", "aggregate", errorCode=CURSOR_NOT_FOUND)
        with pytest.raises(Fault) as fault:
            await follower.ids(1)
        assert fault.value.code == "UNAVAILABLE"


async def test_a_position_that_the_server_lost_is_said_so(real: Server, breakable: Failing) -> None:
    """Also in the middle of a stream, whose history was cut off while it was away; no repetition would mend it."""
    async with real.watch(["things"], None) as batches:
        follower = Follower(batches)
        await follower.batch()
        await breakable.fail("getMore", mode={"times": 1}, errorCode=HISTORY_LOST)
        with pytest.raises(HistoryLost):
            await follower.ids(1)


async def test_a_stream_that_is_refused_from_the_beginning_says_why(real: Server, breakable: Failing) -> None:
    """Without a position nothing can be lost: it is the server's own error."""
    await breakable.fail("aggregate", mode={"times": 1}, errorCode=FORBIDDEN)
    async with real.watch(["things"], None) as batches:
        with pytest.raises(OperationFailure) as refused:
            await Follower(batches).batch()
    assert refused.value.code == FORBIDDEN


async def test_a_follower_that_leaves_takes_its_cursor_with_it(real: Server, breakable: Failing) -> None:
    """Nothing stays open on the server; where it can't be said, leaving is no error."""
    for failing in (False, True):
        async with real.watch(["things"], None) as batches:
            await Follower(batches).batch()
            assert await cursors(breakable) == 1
            if failing:
                await breakable.fail("killCursors", mode={"times": 1}, closeConnection=True)
        assert await cursors(breakable) == (1 if failing else 0)


async def cursors(breakable: Failing) -> int:
    """Count the change streams that are open on the test's database."""
    idle = {"$match": {"type": "idleCursor", "ns": "test_failing.$cmd.aggregate"}}
    found = await breakable.client.admin.aggregate([{"$currentOp": {"idleCursors": True, "allUsers": True}}, idle])
    return len(await found.to_list())


async def test_a_stream_that_the_server_ends_is_opened_again() -> None:
    """A cursor of zero is the end of that stream, not of the following; its last batch counts."""
    server = Scripted([answer("01", 7), answer("02", 0), answer("03", 8)])
    async with watch.follow(server, "x", ["things"], None) as batches:
        assert [(await anext(batches)).token for _ in range(3)] == ["01", "02", "03"]
    assert server.asked == ["aggregate from None", "getMore 7", "aggregate from 02", "killCursors 8"]
    assert server.sessions == 0


async def test_a_batch_without_a_position_stands_at_its_last_change() -> None:
    """As older servers answer."""
    change = {"_id": {"_data": "05"}, "ns": {"coll": "things"}, "operationType": "delete", "documentKey": {"_id": "a"}}
    server = Scripted([{"id": 0, "firstBatch": [change]}])
    async with watch.follow(server, "x", ["things"], "01") as batches:
        batch = await anext(batches)
    assert (batch.token, [(one.kind, one.id, one.document) for one in batch.changes]) == ("05", [("delete", "a", None)])


def answer(token: str, cursor_id: int) -> dict[str, Any]:
    """Make an empty batch as a server answers it."""
    return {"id": cursor_id, "firstBatch": [], "nextBatch": [], "postBatchResumeToken": {"_data": token}}


class Scripted:
    """A driver whose server gives its answers one after another, and notes what it was asked."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.client: Any = {"x": self}
        self.answers = answers
        self.asked: list[str] = []
        self.sessions = 0

    async def session(self) -> "Scripted":
        """Return a session."""
        self.sessions += 1
        return self

    async def end_session(self) -> None:
        """End it."""
        self.sessions -= 1

    async def begin(self, session: Any) -> None:
        """Begin nothing: a stream has no transaction."""

    async def close(self) -> None:
        """Close nothing."""

    async def command(self, command: dict[str, Any], *, session: object) -> Any:
        """Answer a command, in whose session it is asked."""
        assert session is self
        if "killCursors" in command:
            (cursor_id,) = command["cursors"]
            self.asked.append(f"killCursors {cursor_id}")
            return {}
        if "getMore" in command:
            assert isinstance(command["getMore"], Int64)
            self.asked.append(f"getMore {command['getMore']}")
        else:
            after = command["pipeline"][0]["$changeStream"].get("resumeAfter", {}).get("_data")
            self.asked.append(f"aggregate from {after}")
        return {"cursor": self.answers.pop(0)}
