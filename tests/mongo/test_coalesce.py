"""Reads by key that share a query, on each store."""

import asyncio
from typing import Any

import pytest

from app.core.errors import Fault, unavailable
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine, Insert
from app.mongo.twin import Twin


class Counting(Twin):
    """A twin that notes the filters it is asked for, and is away where it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.away = False

    async def find(self, collection: str, filter: Any, **options: Any) -> list[Document]:  # noqa: A002 - the protocol's
        """Note the filter, and read."""
        self.asked.append(dict(filter))
        if self.away:
            raise unavailable()
        return await super().find(collection, filter, **options)


async def test_documents_come_in_the_order_of_their_keys(engine: Engine) -> None:
    """Also where a key is asked for twice, or is not there."""
    await engine.write("things", [Insert({"_id": one, "n": one * 2}) for one in ("a", "b")])
    reads = Reads(engine, "things")
    found = await reads.get_all(["b", "nobody", "a", "b"])
    assert [one and one["n"] for one in found] == ["bb", None, "aa", "bb"]
    assert await reads.get("a") == {"_id": "a", "n": "aa"}


async def test_readers_at_one_time_share_a_query() -> None:
    """One `$in` of each key once; a single key is asked for by itself."""
    twin = Counting()
    reads = Reads(twin, "things")
    assert await asyncio.gather(*[reads.get(key) for key in ("a", "b", "a")], reads.get_all([])) == [
        None,
        None,
        None,
        [],
    ]
    await reads.get("c")
    assert twin.asked == [{"_id": {"$in": ["a", "b"]}}, {"_id": "c"}]


async def test_a_store_that_is_away_is_told_to_each_reader() -> None:
    """One, and those of a list; afterwards they read again."""
    twin = Counting()
    reads, twin.away = Reads(twin, "things"), True
    with pytest.raises(Fault, match="can't be reached"):
        await reads.get("a")
    with pytest.raises(Fault, match="can't be reached"):
        await reads.get_all(["a", "b"])
    twin.away = False
    assert await reads.get_all(["a"]) == [None]
