"""A database that stands still, or a line to it that is slow, dead or cut: each request is answered in time."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial

import httpx
import psutil
import pytest

from tests.conftest import said
from tests.mongo.real import RealMongo
from tests.system.caller import Caller
from tests.system.load import Load, code_of, lost
from tests.system.pair import Pair, opened
from tests.system.proxy import Proxy, Weather
from tests.system.test_retries import CREATE

# Many enough that they wait for each other, and not only for the store.
WRITERS = 16
# Of an operation; one that has to look its key up first may wait for the driver once more.
ANSWER_SECONDS = 30.0 + 5.0
ALIVE_SECONDS = 5.0
RECOVERED_SECONDS = 2.0
BEFORE = 3
AGAIN_SECONDS = 60.0
DELAY_SECONDS = 0.1
CALLERS = 8
EXIT_SECONDS = 10.0
GROWN_BYTES = 100 * 1024 * 1024


@pytest.fixture(scope="module")
async def proxy(real: RealMongo) -> AsyncIterator[Proxy]:
    """Give the line to it."""
    one = Proxy(real, DELAY_SECONDS)
    yield one
    await one.stop()


@pytest.fixture(scope="module")
async def pair(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give a process at the other end of the line."""
    async with opened(proxy, tmp_path_factory.mktemp("stalls"), processes=1) as one:
        yield one


async def watched(pair: Pair, seconds: float, ready: int) -> None:
    """Ask again and again whether the process lives and is ready; it says so at once."""
    async with asyncio.timeout(ANSWER_SECONDS + seconds), httpx.AsyncClient(timeout=ALIVE_SECONDS) as http:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for served in pair.served:
                assert (await http.get(f"{served.url}/livez")).status_code == 200
                assert (await http.get(f"{served.url}/readyz")).status_code == ready


async def recovered(pair: Pair, load: Load) -> float:
    """Return the seconds until the process is ready, and a request that begins now is done."""
    began = time.monotonic()
    async with asyncio.timeout(AGAIN_SECONDS), httpx.AsyncClient(timeout=ALIVE_SECONDS) as http:
        coming = asyncio.create_task(load.goes_on(AGAIN_SECONDS))
        for served in pair.served:
            while (await http.get(f"{served.url}/readyz")).status_code != 200:
                pass
        await coming
    return time.monotonic() - began


def memory(pair: Pair) -> int:
    """Return how many bytes the processes hold."""
    return sum(psutil.Process(served.process.pid).memory_info().rss for served in pair.served)


async def endured(
    pair: Pair, load: Load, seconds: float, begin: Callable[[], object], end: Callable[[], object]
) -> float:
    """Go through a time without a store; returns the seconds that it took to recover, beyond what the same took before.

    That is the machine's share: on a crowded one everything takes its time.
    """
    usual = max([await recovered(pair, load) for _ in range(BEFORE)])
    held = memory(pair)
    begin()
    try:
        await watched(pair, seconds, 503)
        assert memory(pair) - held < GROWN_BYTES
    finally:
        end()
    return max(0.0, await recovered(pair, load) - usual)


@pytest.mark.timeout(300)
async def test_a_database_that_stands_still(
    pair: Pair, real: RealMongo, seed: int, request: pytest.FixtureRequest
) -> None:
    """W SIGSTOP of mongod under load T typed answers in time, /livez is 200, /readyz 503; then it recovers at once."""
    seconds = request.config.getoption("--stall-seconds")
    await pair.account()
    async with Load(pair, seed, WRITERS) as load:
        await load.goes_on(AGAIN_SECONDS, WRITERS)
        stop, go_on = partial(real.send, signal.SIGSTOP), partial(real.send, signal.SIGCONT)
        took = await endured(pair, load, seconds, stop, go_on)
    await kept(pair, load, f"SIGSTOP for {seconds:.0f} s, seed {seed}", took)


async def kept(pair: Pair, load: Load, what: str, took: float | None = None) -> None:
    """Look through what a load was told, and whether it is there."""
    assert await lost(pair, load.book) == []
    slowest = max(one.seconds for one in load.told)
    told = load.codes()
    said(
        f"{what}: {len(load.told):,} answers, the slowest after {slowest:.1f} s, told {dict(told)}"
        f"{'' if took is None else f', recovered {took:.1f} s later than usual'}; nothing lost"
    )
    assert slowest <= ANSWER_SECONDS
    assert took is None or took <= RECOVERED_SECONDS


@pytest.mark.parametrize(("weather", "seconds"), [("swallowed", 5.5), ("reset", 1.5)])
async def test_a_line_that_is_dead_or_cut(
    pair: Pair, proxy: Proxy, seed: int, weather: Weather, seconds: float
) -> None:
    """W the line swallows all or resets all T as a database that stands still."""
    await pair.cleared()
    await pair.account()
    async with Load(pair, seed, WRITERS) as load:
        await load.goes_on(AGAIN_SECONDS, WRITERS)
        took = await endured(pair, load, seconds, partial(proxy.turn, weather), partial(proxy.turn, "fair"))
    await kept(pair, load, f"line {weather}, seed {seed}", took)


async def test_a_line_that_is_slow(pair: Pair, proxy: Proxy, seed: int) -> None:
    """W each way takes a tenth of a second more T it is slower, and no one is told of anything."""
    await pair.cleared()
    await pair.account()
    async with Load(pair, seed, WRITERS) as load:
        await load.goes_on(AGAIN_SECONDS, WRITERS)
        proxy.turn("slow")
        await load.goes_on(AGAIN_SECONDS, WRITERS)
        await watched(pair, 0.5, 200)
        proxy.turn("fair")
    assert load.codes() == {}
    await kept(pair, load, f"line slow by {DELAY_SECONDS * 1000:.0f} ms, seed {seed}")


async def test_a_stop_while_the_database_stands_still(pair: Pair, real: RealMongo) -> None:
    """W SIGTERM while requests wait for a store that stands still T typed answers, and status 0 within 10 s."""
    await pair.cleared()
    await pair.account()
    served, callers = pair.served[0], [Caller(pair.served[0], pair.key) for _ in range(CALLERS)]
    for number, one in enumerate(callers):
        await one.connect()
        assert await one.ask(f"a{number}", CREATE, {"input": {"externalId": f"a{number}"}})
    real.send(signal.SIGSTOP)
    try:
        given = [{"input": {"externalId": f"b{number}"}} for number in range(CALLERS)]
        asking = [one.ask("b", CREATE, variables) for one, variables in zip(callers, given, strict=True)]
        waiting = asyncio.gather(*asking)
        # They have come a moment ago, so that each waits longer than the process does.
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{served.url}/livez")).is_success
        began = time.monotonic()
        assert await asyncio.to_thread(served.end, signal.SIGTERM) == 0
        seconds = time.monotonic() - began
        await waiting
    finally:
        real.send(signal.SIGCONT)
    for one in callers:
        await one.close()
    told = [(last.status, code_of(last.body)) for last in (one.exchanges[-1] for one in callers)]
    said(
        f"SIGTERM while the database stands still: {CALLERS} waited, told {dict(Counter(told))}; status 0 after"
        f" {seconds:.1f} s"
    )
    assert set(told) == {(503, "UNAVAILABLE")}
    assert seconds < EXIT_SECONDS
