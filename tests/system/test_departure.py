"""SIGTERM under load: what was sent is answered, who keeps a connection is told to leave, and nobody new comes in."""

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from tests.conftest import said
from tests.mongo.real import RealMongo
from tests.system.caller import Caller, Exchange
from tests.system.follower import Follower
from tests.system.pair import Pair, opened
from tests.system.test_retries import CREATE, UPSERT

VIEWER = "{ viewer { accountId } }"
CALLERS = 16
FOLLOWERS = 8
BEFORE = 10
ROWS = 500
EXIT_SECONDS = 10.0
END_SECONDS = 30.0


@pytest.fixture(scope="module")
async def opened_pair(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give one process on a database of its own."""
    async with opened(mongo, tmp_path_factory.mktemp("departure"), processes=1) as one:
        yield one


@pytest.fixture
async def pair(opened_pair: Pair, tmp_path: Path) -> Pair:
    """Give it with an empty account; it is there again if it was ended."""
    if opened_pair.served[0].process.poll() is not None:
        await opened_pair.revive(0, tmp_path)
    await opened_pair.cleared()
    await opened_pair.account()
    return opened_pair


async def called(pair: Pair, number: int, ready: asyncio.Semaphore) -> Caller:
    """Ask on one connection, each other caller with a long list, until it is closed."""
    caller = Caller(pair.served[0], pair.key)
    await caller.connect()
    for turn in itertools.count():
        name = f"c{number}-{turn}"
        rows = [{"externalId": f"{name}-{n}"} for n in range(ROWS)]
        single = CREATE, {"input": {"externalId": name}}
        query, variables = (UPSERT, {"rows": rows}) if number % 8 == 0 else single
        if not await caller.ask(name, query, variables):
            await caller.close()
            return caller
        if turn == BEFORE or number % 8 == 0:
            ready.release()
    raise AssertionError


async def turned_away(follower: Follower) -> int:
    """Read until the socket is closed; returns the code."""
    while True:
        try:
            await follower.next()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0


def carried_out(exchange: Exchange) -> bool:
    """Tell whether an answer says that all of it was done."""
    (payload,) = exchange.body["data"].values()
    return bool(exchange.status == 200 and "errors" not in exchange.body and payload["errors"] == [])


async def test_no_request_fails_by_a_stop(pair: Pair) -> None:
    """W SIGTERM under load T each request is carried out and answered, or was never read; status 0 within 10 s."""
    served, ready = pair.served[0], asyncio.Semaphore(0)
    followers = [Follower(served, pair.key) for _ in range(FOLLOWERS)]
    for one in followers:
        await one.begin()
    watching = [asyncio.create_task(turned_away(one)) for one in followers]
    callers = [asyncio.create_task(called(pair, number, ready)) for number in range(CALLERS)]
    async with asyncio.timeout(END_SECONDS):
        for _ in range(CALLERS):
            await ready.acquire()
        stopped = time.monotonic()
        status = await asyncio.to_thread(served.end, signal.SIGTERM)
        seconds = time.monotonic() - stopped
        done = await asyncio.gather(*callers)
        assert set(await asyncio.gather(*watching)) == {1001}
    assert (status, seconds < EXIT_SECONDS) == (0, True)
    with pytest.raises(ConnectionRefusedError):
        await Caller(served, pair.key).connect()
    exchanges = [one for caller in done for one in caller.exchanges]
    answered = [one for one in exchanges if one.status]
    unread = [one for one in exchanges if not one.status]
    assert [one for one in answered if not carried_out(one)] == []
    assert [one.name for one in unread if one.sent < stopped] == []
    # What was never read has had no effect, and may be sent to another process.
    names = {one["externalId"] for one in await pair.engine.find("persons", {}, projection={"externalId": 1})}
    assert [one.name for one in unread if one.name in names or f"{one.name}-0" in names] == []
    assert [one.name for one in answered if one.name not in names and f"{one.name}-0" not in names] == []
    after = [one for one in answered if one.sent >= stopped]
    said(
        f"SIGTERM: {CALLERS} callers, {len(answered):,} answered ({len(after)} sent after it), {len(unread)} never"
        f" read, {sum(one.last for one in answered)} told to leave; status 0 after {seconds:.1f} s"
    )
    assert [one.name for caller in done for one in caller.exchanges[-1:] if one.status and not one.last] == []


async def test_who_keeps_a_connection_is_told_to_leave(pair: Pair) -> None:
    """W a request comes on an idle connection while the process stops T a proper answer, which is the last."""
    served, callers = pair.served[0], [Caller(pair.served[0], pair.key) for _ in range(CALLERS)]
    for one in callers:
        await one.connect()
        assert await one.ask("viewer", VIEWER, {})
    served.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(END_SECONDS):
        while await callers[0].ask("viewer", VIEWER, {}):
            pass
    rest = callers[1:]
    creating = [
        one.ask(f"b{number}", CREATE, {"input": {"externalId": f"b{number}"}}) for number, one in enumerate(rest)
    ]
    assert not any(await asyncio.gather(*creating))
    for one in callers:
        await one.close()
    assert callers[0].exchanges[-1].last
    last = [one.exchanges[-1] for one in rest]
    assert [(carried_out(one), one.last) for one in last] == [(True, True)] * len(rest)
    assert await asyncio.to_thread(served.process.wait) == 0
