"""Fills a database straight, as the service would have: documents in bulk by two processes, the indexes afterwards.

Left out are companies and every event beyond the creation of each person.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from app.access.service import DEFAULT_ID
from app.catalog.model import Catalog
from app.catalog.store import load
from app.mongo.indexes import INDEXES
from app.mongo.server import Server
from benchmarks import crowd
from benchmarks.people import Sample
from benchmarks.processes import SERVER_CORE

BLOCK = 5_000
PROCESSES = 2
SAMPLES = 10_000
COLLECTIONS = ("claims", "persons", "events")
BUILD_MEGABYTES = 1000


@dataclass(slots=True)
class Crowd:
    """Who is in a database: how many, some of them with their ids, and the numbers that each question finds."""

    size: int
    people: list[Sample] = field(default_factory=list)
    found: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: "Crowd") -> None:
        """Take in the next block."""
        self.people += other.people
        for name, numbers in other.found.items():
            self.found.setdefault(name, []).extend(numbers)


async def known(url: str, database: str) -> Catalog:
    """Return what the service has defined in a database."""
    engine, found = await Server.connect(url, database), Catalog(DEFAULT_ID)
    try:
        await load(engine, DEFAULT_ID, found)
    finally:
        await engine.close()
    return found


def fill(url: str, database: str, catalog: Catalog, size: int) -> Iterator[tuple[str, float, Crowd]]:
    """Fill a database with a crowd; yields what was done, the seconds it took, and the crowd so far."""
    made, began = Crowd(size), time.monotonic()
    with MongoClient(url) as client:
        for name in COLLECTIONS:
            client[database][name].drop_indexes()
        blocks = [(database, catalog, start, min(start + BLOCK, size), size) for start in range(0, size, BLOCK)]
        with ProcessPoolExecutor(PROCESSES, get_context("spawn"), _begin, (url,)) as pool:
            for part in pool.map(_block, *zip(*blocks, strict=True)):
                made.add(part)
        yield "documents", time.monotonic() - began, made
        began = time.monotonic()
        client.admin.command("setParameter", 1, maxIndexBuildMemoryUsageMegabytes=BUILD_MEGABYTES)
        for name in INDEXES.keys() & {*COLLECTIONS}:
            client[database][name].create_indexes([IndexModel(list(keys)) for keys in INDEXES[name]])
        client.admin.command("fsync")  # what is still to be written would be counted to whoever is measured first
        warm(client[database])
        yield "indexes", time.monotonic() - began, made


def warm(database: "Database[dict[str, Any]]") -> None:
    """Read every index through: what is on disk alone would be counted to whoever comes there first."""
    for name in COLLECTIONS:
        for index in [one for one in database[name].list_indexes() if "a.$**" not in one["key"]]:
            database[name].count_documents({}, hint=index["name"])


_client: "list[MongoClient[dict[str, Any]]]" = []


def _begin(url: str) -> None:
    """Make a filling process ready: it works on the core that the servers do not use yet."""
    os.sched_setaffinity(0, {SERVER_CORE})
    _client.append(MongoClient(url, w=1))


def _block(database: str, catalog: Catalog, start: int, stop: int, size: int) -> Crowd:
    """Insert the persons of some numbers."""
    made, asked = Crowd(size), crowd.wanted(size)
    made.found = {name: [] for name in asked}
    rows: dict[str, list[Any]] = {name: [] for name in COLLECTIONS}
    every = max(1, size // SAMPLES)
    for number in range(start, stop):
        given = crowd.given(number)
        person = crowd.person(given, crowd.BORN + crowd.APART * number, catalog)
        for name, documents in crowd.documents(person).items():
            rows[name] += documents
        for name, one in asked.items():
            if one.right(given):
                made.found[name].append(number)
        if number % every == 0:
            made.people.append(Sample(person.id, given))
    for name, documents in rows.items():
        _client[0][database][name].insert_many(documents, ordered=False)
    return made
