"""What a real MongoDB was asked, as its profiler noted it."""

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from app.catalog import lists
from app.catalog.lists import By
from app.companies.service import Companies
from app.core.pages import Slice
from app.mongo.indexes import INDEXES
from app.mongo.server import Server
from tests.make import House, house
from tests.mongo.real import RealMongo

OURS = "acc_ours"
LIMIT = 10
KEYS = re.compile(r"\{ \$_path: 1, a\.|\{ [^}]* \}")


@dataclass(frozen=True, slots=True)
class Read:
    """One operation that the server carried out."""

    collection: str
    plan: str
    keys: int
    documents: int
    sorts: bool

    @property
    def indexes(self) -> set[str]:
        """The indexes that were walked, by their keys."""
        return set(KEYS.findall(self.plan)) if "COLLSCAN" not in self.plan else {"none"}


class Profiled:
    """The services on a server that notes every operation."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.home: House = house(server)
        self.companies = Companies(server, self.home.claims, self.home.catalog, self.home.persons)
        self.company = ""
        self.emblem = ""
        self._db = server._driver.client[server._name]

    async def reads(self, *work: Awaitable[Any]) -> list[Read]:
        """Return what the server did for some work, one after the other."""
        await self._db.command("profile", 0)
        await self._db.system.profile.drop()
        await self._db.command("profile", 2)
        for one in work:
            await one
        await self._db.command("profile", 0)
        found = await self._db.system.profile.find({"planSummary": {"$exists": True}}).to_list(None)
        return [
            Read(
                one["ns"].partition(".")[2],
                one["planSummary"],
                one["keysExamined"],
                one["docsExamined"],
                one.get("hasSortStage", False),
            )
            for one in found
            if "system.profile" not in one["ns"]
        ]

    async def page(
        self, wanted: dict[str, Any] | None, search: str | None, by: str, *, pages: int = 1
    ) -> tuple[list[Read], Read]:
        """Return what was read for the last of some pages of persons: all of it, and the page itself."""
        persons, part = self.home.persons, Slice(LIMIT)
        order = await persons.order(OURS, By(by, attribute="age" if by == lists.CUSTOM_ATTRIBUTE else None))
        query = await persons.query(OURS, wanted, search)
        for _ in range(pages - 1):
            last = (await persons.page(OURS, query, part, order)).items[-1]
            part = Slice(LIMIT, order.position(last))
        found = await self.reads(persons.page(OURS, query, part, order))
        return found, found[-1]


@asynccontextmanager
async def watched(mongo: RealMongo, database: str) -> AsyncIterator[Profiled]:
    """Open the services on an empty database of a real MongoDB, which is gone afterwards."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    server = await Server.connect(await mongo.url(), database)
    await server.drop()
    await server.ensure(INDEXES)
    yield Profiled(server)
    await server.drop()
    await server.close()
