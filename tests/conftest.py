"""Stores for the tests: the in-memory twin, and a real MongoDB by both drivers where a mongod is found."""

import asyncio
import gc
import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from functools import lru_cache
from typing import Any
from unittest import mock

import pytest
import stamina
from coverage import Coverage
from hypothesis import settings

from app.cli import COLLECT_AFTER
from app.graph import document
from app.mongo.engine import Engine
from app.mongo.indexes import INDEXES
from app.mongo.server import Server
from app.mongo.twin import Twin
from tests.api import Api
from tests.api import opened as opened_api
from tests.mongo.real import RealMongo

# How long an example takes is the machine's: it may be a crowded one.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# Documents that are kept for the next tests.
DOCUMENTS = 1_000
# To read and validate a document takes longer than most of what tests do with it; a service keeps its own beside this.
document.prepare = lru_cache(DOCUMENTS)(document.prepare)
USED: dict[str, int] = {}
# What tests have to tell beside their success: a seed, a figure.
SAID: list[str] = []
# Stores with all indexes that are empty again, by their driver.
IDLE: dict[str, list[Server]] = {}
# Tests of whole processes that are about the command line, and what it begins.
COMMANDS = ("test_commands", "test_import_command", "test_process", "test_workers")
# Collections of the service that have no index but that of ids.
PLAIN = ("accounts", "claims", "settings", "sweeps")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how long the tests of failures run: by default as long as the gate has time."""
    group = parser.getgroup("failures", "tests of failures; docs/reliability.md says more")
    group.addoption("--rounds", type=int, default=20, help="rounds of kill -9")
    group.addoption("--reconnects", type=int, default=100, help="reconnects of subscribers, in all")
    group.addoption("--stall-seconds", type=float, default=6.0, help="how long the database stands still")
    group.addoption("--import-rows", type=int, default=4_000, help="rows of imports under which processes die")
    group.addoption("--import-kills", type=int, default=5, help="kills -9 in the middle of imports")
    group.addoption("--sync-kills", type=int, default=3, help="kills -9 in the middle of synchronizations")
    group.addoption("--sync-changes", type=int, default=144, help="random changes on both sides of a synchronization")
    group.addoption("--seed", type=int, default=None, help="what chance decides; another one each time by default")


def pytest_collection_finish() -> None:
    """Have the collector look as seldom as in the service: at all tests and all they import it needn't look again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def measured(item: pytest.Item) -> bool:
    """Tell whether coverage is measured in a test: once for what runs on both stores, never for what chance repeats."""
    if item.get_closest_marker("often") or getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return False
    if item.path.parent.name == "system":
        return item.path.stem in COMMANDS
    stores = getattr(item, "callspec", None)
    return item.path.parent.name == "mongo" or stores is None or "motor" not in stores.params.values()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Leave off measuring, here and in processes that are begun, where it only doubles the time."""
    watching = Coverage.current()
    if watching is None or measured(item):
        return (yield)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    watching.stop()
    try:
        with mock.patch.dict(os.environ, kept, clear=True):
            return (yield)
    finally:
        watching.start()


def said(line: str) -> None:
    """Print a line behind the run."""
    SAID.append(line)


@pytest.fixture(autouse=True)
def _impatience() -> Iterator[None]:
    """Have calls of CRMs tried again at once."""
    with stamina.set_testing(True, attempts=8):
        yield


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Give the seed of a test, and print it where the test fails."""
    given: int | None = request.config.getoption("--seed")
    chosen = secrets.randbelow(1_000_000) if given is None else given
    print(f"--seed {chosen}")  # noqa: T201 - shown with a failure
    return chosen


@pytest.fixture(scope="session")
async def mongo() -> AsyncIterator[RealMongo]:
    """Give the run's private mongod."""
    real = RealMongo()
    yield real
    for server in [one for idle in IDLE.values() for one in idle]:
        await server.close()
    await real.stop()


async def opened(kind: str, mongo: RealMongo) -> AsyncIterator[Engine]:
    """Open an empty store of a kind, and remove it afterwards."""
    USED[kind] = USED.get(kind, 0) + 1
    if kind == "memory":
        yield Twin()
        return
    if mongo.missing:
        pytest.skip(mongo.missing)
    idle = IDLE.setdefault(kind, [])
    server = idle.pop() if idle else await _made(kind, await mongo.url())
    try:
        yield server
        await _cleared(server)
    except BaseException:
        await server.close()
        raise
    idle.append(server)


async def _made(kind: str, url: str) -> Server:
    server = await Server.connect(url, f"test_{secrets.token_hex(6)}", driver=kind)
    await server.ensure(INDEXES)
    return server


async def _cleared(server: Server) -> None:
    """Empty a database for the next test: to make the indexes anew takes longer than most tests do."""
    database = server._db
    ours = {*INDEXES, *PLAIN}
    await database.command("profile", 0)
    # One question to all of them: most are empty.
    first: list[dict[str, Any]] = [{"$limit": 1}]
    asked = [{"$unionWith": {"coll": one, "pipeline": [*first, {"$project": {"of": one}}]}} for one in sorted(ours)]
    pipeline = [{"$documents": [{"of": ""}]}, *asked]
    found = await database.command("aggregate", 1, pipeline=pipeline, cursor={"batchSize": len(ours) + 1})
    filled = [one["of"] for one in found["cursor"]["firstBatch"] if one["of"]]
    names = await database.list_collection_names()
    await asyncio.gather(
        *[database[one].delete_many({}) for one in filled],
        *[database[one].drop() for one in names if one not in ours],
    )


@pytest.fixture(params=["memory", "motor"])
async def engine(request: pytest.FixtureRequest, mongo: RealMongo) -> AsyncIterator[Engine]:
    """Give an empty store, once the twin and once the real MongoDB."""
    async for one in opened(request.param, mongo):
        yield one


@pytest.fixture(params=["memory", "motor", "pymongo"])
async def any_engine(request: pytest.FixtureRequest, mongo: RealMongo) -> AsyncIterator[Engine]:
    """Give an empty store of each kind and driver."""
    async for one in opened(request.param, mongo):
        yield one


@pytest.fixture
async def api(engine: Engine) -> AsyncIterator[Api]:
    """Give the whole service on an empty store, asked with an ADMIN key of a new account."""
    async with opened_api(engine) as one:
        yield one


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker counted to whoever prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used"] = USED
        session.config.workeroutput["said"] = SAID


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker counted."""
    told = getattr(node, "workeroutput", {})
    for kind, number in told.get("used", {}).items():
        USED[kind] = USED.get(kind, 0) + number
    SAID.extend(told.get("said", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which stores the run was on, and what tests have to tell."""
    for kind, number in sorted(USED.items()):
        terminalreporter.write_line(f"store {kind}: {number} tests")
    for line in SAID:
        terminalreporter.write_line(line)
