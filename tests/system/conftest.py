"""Processes for the tests, none of which outlives its test."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.mongo.real import RealMongo
from tests.system.pair import Pair, opened
from tests.system.process import Served

Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path, mongo: RealMongo) -> Iterator[Start]:
    """Start serving processes in a directory of their own, by default on a private mongod there."""
    started: list[Served] = []

    def begin(*arguments: str, **settings: str) -> Served:
        if mongo.missing and settings.get("embedded") != "memory":
            pytest.skip(mongo.missing)
        started.append(Served(tmp_path, *arguments, **settings))
        return started[-1]

    yield begin
    for one in started:
        one.end(signal.SIGTERM)


@pytest.fixture(scope="module")
async def real() -> AsyncIterator[RealMongo]:
    """Give a mongod that nobody else uses."""
    one = RealMongo()
    yield one
    await one.stop()


@pytest.fixture(scope="module")
async def both(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give two processes on one database; in the end the command finds nothing wrong either."""
    home = tmp_path_factory.mktemp("races")
    async with opened(mongo, home) as one:
        yield one
        assert await asyncio.to_thread(one.check, home) == "Nothing is wrong.\n"


@pytest.fixture
async def pair(both: Pair) -> AsyncIterator[Pair]:
    """Give them with an empty account; whatever a test did, the audit finds nothing afterwards."""
    await both.cleared()
    await both.account()
    yield both
    assert await both.findings() == []
