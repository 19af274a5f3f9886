"""Idempotency keys over two processes, and across a process that dies in the middle of a call."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mongo.real import RealMongo
from tests.system.pair import Pair, forgetful

CREATE = """mutation($input: CreatePersonInput!, $key: String) {
  createPerson(input: $input, idempotencyKey: $key) { person { id version } errors { code } }
}"""
UPSERT = """mutation($rows: [CreatePersonInput!]!, $key: String) {
  upsertPersons(persons: $rows, idempotencyKey: $key) { results { status person { id } } errors { code } }
}"""
TRANSACTION_SECONDS = 2
COUNT = "{ persons { totalCount } }"


@pytest.fixture
async def pair(mongo: RealMongo, tmp_path: Path) -> AsyncIterator[Pair]:
    """Give two processes on one database, with an empty account."""
    async with forgetful(mongo, tmp_path, TRANSACTION_SECONDS) as one:
        await one.account()
        yield one


async def test_sixty_four_over_two_processes_are_one(pair: Pair) -> None:
    """The same key and input: one person, one answer; another input among them is a mismatch or the one that won."""
    given = {"input": {"externalId": "a", "firstName": "Ann"}, "key": "k"}
    answers = await pair.race(CREATE, *[given] * 64)
    assert all(one == answers[0] for one in answers)
    assert (answers[0]["errors"], (await pair.ask(1, COUNT))["totalCount"]) == ([], 1)
    mixed = [{"input": {"externalId": f"m{n % 2}"}, "key": "mixed"} for n in range(64)]
    answers = await pair.race(CREATE, *mixed)
    made = {one["person"]["id"] for one in answers if one["person"]}
    codes = [one["errors"][0]["code"] for one in answers if one["errors"]]
    assert (len(made), codes) == (1, ["IDEMPOTENCY_MISMATCH"] * 32)
    assert await pair.findings() == []


async def test_a_call_that_died_is_completed_by_its_repetition(pair: Pair, tmp_path: Path) -> None:
    """W kill -9 while a thousand rows are written T the same call at the other process makes the rest, each once."""
    for turn, portion in enumerate((0.1, 0.5, 0.9)):
        rows: list[dict[str, Any]] = [{"externalId": f"{turn}-{n}", "tags": ["t"]} for n in range(1000)]
        call = asyncio.create_task(_tried(pair, rows, f"key-{turn}"))
        wanted = turn * 1000 + round(portion * 1000)
        async with asyncio.timeout(60):
            while not call.done() and await pair.engine.count("persons", {}) < wanted:
                pass
        pair.served[0].process.kill()
        first = await call
        again = await pair.ask(1, UPSERT, rows=rows, key=f"key-{turn}")
        assert {one["status"] for one in again["results"]} == {"CREATED"}
        assert len({one["person"]["id"] for one in again["results"]}) == 1000
        assert first in (None, again)
        assert (await pair.ask(1, COUNT))["totalCount"] == (turn + 1) * 1000
        await pair.revive(0, tmp_path)
    assert await pair.findings() == []


async def _tried(pair: Pair, rows: list[dict[str, Any]], key: str) -> Any:
    """Return the answer of a process that may die meanwhile, None where none came."""
    try:
        return await pair.ask(0, UPSERT, rows=rows, key=key)
    except httpx.TransportError:
        return None
