"""A collection bound to an account: what is read through it can't be anybody else's."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.mongo.engine import Document, Engine, Sort


class Bound:
    """One account's part of a collection."""

    def __init__(self, engine: Engine, collection: str, account: str) -> None:
        self._engine = engine
        self._collection = collection
        self._account = account

    async def find(
        self,
        query: Mapping[str, Any],
        *,
        projection: Mapping[str, int] | None = None,
        sort: Sort | None = None,
        limit: int = 0,
        hint: Sort | None = None,
    ) -> list[Document]:
        """Return the account's documents that match; options as `Engine.find`."""
        where = {**query, "account": self._account}
        return await self._engine.find(
            self._collection, where, projection=projection, sort=sort, limit=limit, hint=hint
        )

    async def find_packed(self, query: Mapping[str, Any], **options: Any) -> Sequence[Document]:
        """Return the same, each document made when it is looked at."""
        return await self._engine.find_packed(self._collection, {**query, "account": self._account}, **options)

    async def count(self, query: Mapping[str, Any], *, hint: Sort | None = None, limit: int = 0) -> int:
        """Return how many of the account's documents match; options as `Engine.count`."""
        where = {**query, "account": self._account}
        return await self._engine.count(self._collection, where, hint=hint, limit=limit)
