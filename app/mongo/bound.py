"""A collection bound to an account: what is read through it can't be anybody else's."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from app.mongo.engine import Document, Engine, Reading, Sort


class Bound:
    """One account's part of a collection."""

    def __init__(self, engine: Engine, collection: str, account: str) -> None:
        self._engine = engine
        self._collection = collection
        self._account = account

    async def find(self, query: Mapping[str, Any], **options: Unpack[Reading]) -> list[Document]:
        """Return the account's documents that match; options as `Engine.find`."""
        return await self._engine.find(self._collection, {**query, "account": self._account}, **options)

    async def find_packed(self, query: Mapping[str, Any], **options: Unpack[Reading]) -> Sequence[Document]:
        """Return the same, each document made when it is looked at."""
        return await self._engine.find_packed(self._collection, {**query, "account": self._account}, **options)

    async def count(self, query: Mapping[str, Any], *, hint: Sort | None = None, limit: int = 0) -> int:
        """Return how many of the account's documents match; options as `Engine.count`."""
        where = {**query, "account": self._account}
        return await self._engine.count(self._collection, where, hint=hint, limit=limit)
