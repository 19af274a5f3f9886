"""kill -9 of the services and of mongod in turn under load: nothing acknowledged is lost, nothing is half written."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import said
from tests.mongo.real import RealMongo
from tests.system.load import Load, lost, unfinished
from tests.system.pair import Pair, opened

# Rounds on one account; more of them begin anew, so that to look through everything stays cheap.
STRETCH = 20
# Requests that are done before the next kill, at most.
BURST = 40
TRANSACTION_SECONDS = 2
AGAIN_SECONDS = 30.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Divide the rounds that are wanted into stretches."""
    rounds = metafunc.config.getoption("--rounds")
    metafunc.parametrize("rounds", [min(STRETCH, rounds - start) for start in range(0, rounds, STRETCH)])


@pytest.fixture(scope="module")
async def both(real: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give two processes on it."""
    async with opened(real, tmp_path_factory.mktemp("dying")) as one:
        yield one


async def service_dies(load: Load, pair: Pair, at: int) -> None:
    """Have one process die in the middle of its work; the other goes on."""
    load.kill(at)
    assert await asyncio.to_thread(pair.served[at].process.wait) < 0
    await load.goes_on(AGAIN_SECONDS)


async def store_dies(real: RealMongo, pair: Pair) -> None:
    """Have the store die, and come back on what it left."""
    await real.kill()
    # What a dead process had begun holds up others until its time is over.
    await pair.limit_transactions(TRANSACTION_SECONDS)


@pytest.mark.timeout(900)
async def test_what_is_acknowledged_survives_each_kill(
    both: Pair, real: RealMongo, tmp_path: Path, seed: int, rounds: int
) -> None:
    """W kill -9 of a process or of mongod T it is all there, once; at no time is anything there in halves."""
    await both.cleared()
    await both.account()
    await both.limit_transactions(TRANSACTION_SECONDS)
    chance = random.Random(seed)
    async with Load(both, seed) as load:
        for number in range(0, rounds, 2):
            at = chance.randrange(2)
            await load.goes_on(AGAIN_SECONDS, chance.randrange(1, BURST))
            await service_dies(load, both, at)
            await load.goes_on(AGAIN_SECONDS, chance.randrange(1, BURST))
            # The burst ends with the store in the middle of what was begun; that is asked again until it is done.
            with load.held():
                if number + 1 < rounds:
                    await store_dies(real, both)
                assert await unfinished(both) == []
                await both.revive(at, tmp_path)
    assert await lost(both, load.book) == []
    assert await both.findings() == []
    said(
        f"kill -9: {rounds} rounds, seed {seed}: {len(load.book):,} acknowledged, {load.unanswered} left without an"
        f" answer, told {dict(load.codes())}; nothing lost, nothing in halves"
    )
