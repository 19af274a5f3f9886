"""A replica set of three that loses its primary under load: writes go on within seconds, and callers are told why."""

import itertools
import random
import signal
import time
from collections.abc import AsyncIterator

import pytest

from tests.conftest import said
from tests.system.load import Load, lost, unfinished
from tests.system.members import Members
from tests.system.pair import Pair, opened

RESUMED_SECONDS = 12.0
AGAIN_SECONDS = 60.0
WAYS = ("step-down", "restart", "kill -9")
# Each way once where little time is; of more rounds of kills one in this many is a primary's.
ROUNDS_EACH = 20
ELECTION_MILLISECONDS = 5000


@pytest.fixture(scope="module")
async def three() -> AsyncIterator[Members]:
    """Give a set that nobody else uses."""
    one = Members(ELECTION_MILLISECONDS)
    yield one
    await one.stop()


@pytest.fixture(scope="module")
async def pair(three: Members, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give a process on it."""
    async with opened(three, tmp_path_factory.mktemp("failover"), processes=1) as one:
        yield one


async def gone(three: Members, way: str) -> int | None:
    """Take the primary away; returns the port of one that has ended."""
    if way == "step-down":
        await three.step_down()
        return None
    return await three.end(signal.SIGKILL if way == "kill -9" else signal.SIGTERM)


@pytest.mark.timeout(600)
async def test_writes_resume_on_another_primary(
    pair: Pair, three: Members, seed: int, request: pytest.FixtureRequest
) -> None:
    """W the primary steps down, restarts, is killed T writes resume within 12 s, errors are typed, nothing is lost."""
    count = max(len(WAYS), request.config.getoption("--rounds") // ROUNDS_EACH)
    chance, seconds = random.Random(seed), dict[str, list[float]]()
    await pair.account()
    async with Load(pair, seed) as load:
        for way in itertools.islice(itertools.cycle(WAYS), count):
            await load.goes_on(AGAIN_SECONDS, chance.randrange(20, 100))
            began = time.monotonic()
            port = await gone(three, way)
            await load.goes_on(AGAIN_SECONDS)
            if port is not None:
                await three.again(port)
            await three.primary()
            await load.goes_on(AGAIN_SECONDS)
            seconds.setdefault(way, []).append(load.longest_pause(began))
            assert await unfinished(pair) == []
    assert await lost(pair, load.book) == []
    assert load.codes().keys() <= {"UNAVAILABLE"}
    slowest = {way: max(found) for way, found in seconds.items()}
    shown = ", ".join(f"{way} {most:.1f} s" for way, most in slowest.items())
    assert max(slowest.values()) <= RESUMED_SECONDS, shown
    said(
        f"failover: {count} rounds, seed {seed}: resumed within {shown}; {len(load.book):,} acknowledged,"
        f" told {dict(load.codes())}; nothing lost"
    )
