"""kill -9 at each command of a merge, its undoing, a login: readers see before or after, and a retry converges."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from tests.api import CREATE
from tests.mongo.real import RealMongo
from tests.stories.mobile import LOGIN, OPEN, push
from tests.stories.test_merges import MERGE, READ, REVERT
from tests.system.pair import Pair, forgetful
from tests.system.process import ROOT, environment
from tests.system.test_kills import again

TRANSACTION_SECONDS = 1

Order = Callable[..., Any]


@pytest.fixture(scope="module")
async def both(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give two processes on one database that soon forgets what a dead one had begun."""
    async with forgetful(mongo, tmp_path_factory.mktemp("faults"), TRANSACTION_SECONDS) as one:
        yield one


@pytest.fixture
async def dying(both: Pair) -> AsyncIterator[Order]:
    """Give what lets a process do something and die at a command; returns the commands begun, or "killed"."""
    env = environment()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.system.dying", cwd=ROOT, env=env, stdin=pipe, stdout=pipe
    )
    given, told = process.stdin, process.stdout
    assert given
    assert told

    async def order(**wanted: Any) -> Any:
        said = {"url": both.settings["mongo_url"], "database": both.settings["mongo_database"], **wanted}
        given.write(json.dumps(said).encode() + b"\n")
        async with asyncio.timeout(60):
            return json.loads(await told.readline())

    yield order
    given.close()
    await process.wait()


async def people(pair: Pair, number: int) -> list[str]:
    """Make two persons; returns their ids."""
    rows = [{"externalId": f"{name}{number}", "emails": [{"address": f"{name}{number}@x.com"}]} for name in "ab"]
    return [(await pair.ask(0, CREATE, input=row))["person"]["id"] for row in rows]


async def seen(pair: Pair, ids: list[str], number: int) -> list[Any]:
    """Return what a reader sees of both, by id and by every name."""
    names = [{"externalId": f"{name}{number}"} for name in "ab"] + [{"email": f"{name}{number}@x.com"} for name in "ab"]
    found = [await pair.ask(1, READ, by=by) for by in [*({"id": one} for one in ids), *names]]
    return [one and {name: value for name, value in one.items() if name != "updatedAt"} for one in found]


def points(commands: list[str]) -> list[tuple[int, bool]]:
    """Return when to die: before each command that isn't only a read, and behind the answer of the last.

    What is so behind the answer of one is so before the next; a read changes nothing.
    """
    reads = ("find", "aggregate", "getMore")
    return [*((at, False) for at, name in enumerate(commands, 1) if name not in reads), (len(commands), True)]


async def test_a_merge_dies_at_each_step(both: Pair, dying: Order) -> None:
    """The same call by its key then merges, or says what was merged."""
    account = await both.account()
    merge = partial(dying, account=account, work="merge")
    commands = await merge(ids=await people(both, 0), key="k0", at=0, answered=False)
    assert commands[-1] == "commitTransaction"
    for number, (at, answered) in enumerate(points(commands), 1):
        ids = await people(both, number)
        before = await seen(both, ids, number)
        assert await merge(ids=ids, key=f"k{number}", at=at, answered=answered) == "killed"
        now = await seen(both, ids, number)
        given = {"input": {"persons": [{"id": one} for one in ids]}, "key": f"k{number}"}
        payload = await again(both, MERGE, **given)
        after = await seen(both, ids, number)
        assert payload["errors"] == []
        assert payload["merge"]["mergedIds"] == [ids[1]]
        assert {one["id"] for one in after} == {ids[0]}
        assert now in (before, after)
    assert await both.findings() == []


async def test_an_undoing_dies_at_each_step(both: Pair, dying: Order) -> None:
    """The repetition undoes it, or finds it undone."""
    account = await both.account()
    revert = partial(dying, account=account, work="revert", key="")

    async def merged(number: int) -> tuple[list[str], list[Any], str]:
        ids = await people(both, number)
        apart = await seen(both, ids, number)
        return ids, apart, (await both.ask(0, MERGE, input={"persons": [{"id": one} for one in ids]}))["merge"]["id"]

    commands = await revert(ids=[(await merged(0))[2]], at=0, answered=False)
    assert commands[-1] == "commitTransaction"
    for number, (at, answered) in enumerate(points(commands), 1):
        ids, apart, merge = await merged(number)
        before = await seen(both, ids, number)
        assert await revert(ids=[merge], at=at, answered=answered) == "killed"
        now = await seen(both, ids, number)
        payload = await again(both, REVERT, id=merge)
        assert [one["code"] for one in payload["errors"]] in ([], ["ALREADY_REVERTED"])
        assert await seen(both, ids, number) == apart
        assert now in (before, apart)
    assert await both.findings() == []


async def test_a_login_dies_at_each_step(both: Pair, dying: Order) -> None:
    """The lead is there or the customer is, never both; the app that asks again is logged in."""
    account = await both.account()
    enter = partial(dying, account=account, work="login", key="")

    async def installed(number: int) -> tuple[str, str, list[str]]:
        device, address = f"p{number}", f"lea{number}@x.com"
        empty = (await both.ask(0, OPEN, input=push(device)))["person"]["id"]
        known = await both.ask(0, CREATE, input={"type": "LEAD", "emails": [{"address": address}]})
        return device, address, [empty, known["person"]["id"]]

    async def found(device: str, address: str, leads: list[str]) -> list[str | None]:
        named = [{"push": push(device)}, {"email": address}, *({"id": one} for one in leads)]
        return [one and one["id"] for one in [await both.ask(1, READ, by=by) for by in named]]

    device, address, _ = await installed(0)
    commands = await enter(ids=[device, address], at=0, answered=False)
    assert commands[-1] == "commitTransaction"
    for number, (at, answered) in enumerate(points(commands), 1):
        device, address, leads = await installed(number)
        assert await enter(ids=[device, address], at=at, answered=answered) == "killed"
        now = await found(device, address, leads)
        identity = {"emails": [address]}
        payload = await again(both, LOGIN, input={"push": push(device), "identity": identity})
        assert payload["errors"] == []
        person = payload["person"]["id"]
        after = [person, person, None, None]
        assert await found(device, address, leads) == after
        assert now in (leads * 2, after)
    assert await both.findings() == []
