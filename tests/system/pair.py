"""Serving processes, mostly two, on one real MongoDB, and its engine: asked in parallel, audited in between."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from app.access.service import Access
from app.claims.audit import Finding
from app.mongo.engine import Delete
from app.mongo.indexes import INDEXES
from app.mongo.server import Server
from app.persons.audit import audit
from tests.system.process import SECONDS, Served, profiles

CONNECTIONS = 500
DEADLINE_MILLISECONDS = 120_000
IDLE_SECONDS = 30.0
KEPT = ("apiKeys",)
# What a store does by default.
TRANSACTION_SECONDS = 60
_NUMBERS = itertools.count()


class Store(Protocol):
    """A MongoDB to be opened: of the whole run, of one file, of three members."""

    missing: str | None

    async def url(self) -> str:
        """Return its address; it runs from the first call on."""
        ...


class Pair:
    """The processes; `key` is the ADMIN key of the account that is asked."""

    def __init__(self, engine: Server, settings: dict[str, str]) -> None:
        self.served: list[Served] = []
        self.engine = engine
        self.settings = settings
        self.key = ""
        # More than any test needs, and let go before the service does it: none is closed under a request.
        limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=IDLE_SECONDS)
        self.http = httpx.AsyncClient(timeout=SECONDS, limits=limits)

    async def begin(self, home: Path, processes: int) -> None:
        """Start the processes, at once; where one of them doesn't, the others are known and will be ended."""
        starts = [asyncio.to_thread(self._start, home) for _ in range(processes)]
        begun = await asyncio.gather(*starts, return_exceptions=True)
        self.served = [one for one in begun if isinstance(one, Served)]
        for failed in begun:
            if isinstance(failed, BaseException):
                raise failed

    def _start(self, home: Path) -> Served:
        return Served(home, **self.settings, rate_limit="0")

    async def account(self) -> str:
        """Make an empty account to ask from now on; returns its id."""
        account, _, self.key = await Access(self.engine).create_account("Test")
        return account.id

    async def cleared(self) -> None:
        """Remove what all accounts hold; the accounts and their keys stay."""
        for collection in {*INDEXES, "claims", "sweeps"}.difference(KEPT):
            await self.engine.write(collection, [Delete({}, many=True)])

    async def answer(self, at: int, query: str, variables: dict[str, Any]) -> Any:
        """Return the whole answer of one of the processes."""
        url, headers = f"{self.served[at].url}/graphql", {"Authorization": f"Bearer {self.key}"}
        sent = {"query": query, "variables": variables}
        return (await self.http.post(url, json=sent, headers=headers)).json()

    async def ask(self, at: int, query: str, **variables: Any) -> Any:
        """Return the one root field's value of an answer without top-level errors."""
        answer = await self.answer(at, query, variables)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def race(self, query: str, *variables: dict[str, Any]) -> list[Any]:
        """Ask all of it at once, every other one of the other process; returns the values aligned."""
        return await self.together([(query, one) for one in variables])

    async def together(self, wanted: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Ask different things at once, every other one of the other process; returns the values aligned."""
        return await asyncio.gather(*[self.ask(at % 2, query, **one) for at, (query, one) in enumerate(wanted)])

    async def findings(self) -> list[Finding]:
        """Return what the audit of the store finds."""
        return [one async for one in audit(self.engine)]

    async def limit_transactions(self, seconds: int) -> None:
        """Say how long the store keeps what a process had begun that died."""
        admin = self.engine._driver.client.admin
        await admin.command("setParameter", 1, transactionLifetimeLimitSeconds=seconds)

    async def revive(self, at: int, home: Path) -> None:
        """Start one of the processes again."""
        await asyncio.to_thread(self.served[at].end)
        self.served[at] = await asyncio.to_thread(self._start, home)

    def check(self, cwd: Path) -> str:
        """Return what the command says that looks whether everything agrees."""
        return profiles("check", cwd=cwd, **self.settings).stdout

    async def close(self) -> None:
        """End the processes, and remove what they kept."""
        await self.http.aclose()
        await asyncio.gather(*[asyncio.to_thread(one.end) for one in self.served])
        await self.engine.drop()
        await self.engine.close()


@asynccontextmanager
async def opened(mongo: Store, home: Path, *, processes: int = 2, **more: str) -> AsyncIterator[Pair]:
    """Start processes on an empty database of a real MongoDB, with `more` settings; skips where there is none."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    database = f"pair_{os.getpid()}_{next(_NUMBERS)}"
    settings = {"mongo_url": await mongo.url(), "mongo_database": database, **more}
    # The test's own, which counts and removes what hundreds of thousands of rows have left.
    engine = await Server.connect(
        settings["mongo_url"], database, driver="motor", deadline_milliseconds=DEADLINE_MILLISECONDS
    )
    pair = Pair(engine, settings)
    try:
        await engine.ensure(INDEXES)
        await pair.begin(home, processes)
        yield pair
    finally:
        await pair.close()


@asynccontextmanager
async def forgetful(mongo: Store, home: Path, seconds: int, **more: str) -> AsyncIterator[Pair]:
    """Start them on a store that forgets after `seconds` what a dead process had begun.

    That holds up others until then, and a minute is too long for a test.
    """
    async with opened(mongo, home, processes=2, **more) as pair:
        await pair.limit_transactions(seconds)
        try:
            yield pair
        finally:
            await pair.limit_transactions(TRANSACTION_SECONDS)
