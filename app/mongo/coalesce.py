"""Reads by key that share a query: callers who come while one is in flight wait for the next, one `$in` of all keys."""

from asyncio import Future
from collections.abc import Mapping, Sequence

from app.core.tally import Tally
from app.mongo.chunk import Chunks
from app.mongo.engine import Document, Engine

KEYS_PER_QUERY = 500
QUERIES_IN_FLIGHT = 2


class Reads:
    """Documents of a collection by `_id`, or of each what a projection shows.

    A read only joins a query that has not left yet, so it sees everything acknowledged before it began. Documents are
    shared between callers: nobody changes them.
    """

    def __init__(self, engine: Engine, collection: str, projection: Mapping[str, int] | None = None) -> None:
        self._engine = engine
        self._collection = collection
        self._projection = projection
        self._chunks: Chunks[str, Document | None] = Chunks(
            self._find, name="reads", limit=KEYS_PER_QUERY, flights=QUERIES_IN_FLIGHT
        )

    async def get(self, key: str) -> Document | None:
        """Return one document, if it is there."""
        return await self._chunks.put(key)

    def ask(self, key: str, tally: Tally | None) -> "Future[Document | Exception | None]":
        """Return what will hold one document, or why it could not be read; for an operation that has no task."""
        return self._chunks.ask(key, tally)

    async def get_all(self, keys: Sequence[str]) -> list[Document | None]:
        """Return the documents of `keys`, aligned; None for each that is not there."""
        found = await self._chunks.put_all(keys)
        for one in found:
            if isinstance(one, Exception):
                raise one
        return [one for one in found if not isinstance(one, Exception)]

    async def _find(self, keys: list[str]) -> list[Document | None]:
        wanted = list(dict.fromkeys(keys))
        where = {"_id": wanted[0]} if len(wanted) == 1 else {"_id": {"$in": wanted}}
        kept = await self._engine.find(self._collection, where, projection=self._projection)
        found = {document["_id"]: document for document in kept}
        return [found.get(key) for key in keys]
