"""Pages that share a call: those of one level of an answer, and of whoever asks meanwhile, are read by one pipeline."""

from asyncio import gather
from collections.abc import Mapping
from typing import NamedTuple

from app.mongo.chunk import Chunks
from app.mongo.engine import Document, Engine, Filter, Sort

PAGES_PER_CALL = 50
CALLS_IN_FLIGHT = 4

Fields = Mapping[str, int] | None


class _Asked(NamedTuple):
    filter: Filter
    sort: Sort
    limit: int
    fields: Fields

    def kind(self) -> object:
        """Return what those of one call have in common."""
        return self.sort, self.limit, self.fields and tuple(self.fields)


class Pages:
    """Short pages of a collection: each filter leaves the choice of but one index, which finds them at once."""

    def __init__(self, engine: Engine, collection: str) -> None:
        self._engine = engine
        self._collection = collection
        self._chunks: Chunks[_Asked, list[Document]] = Chunks(
            self._read, name="pages", limit=PAGES_PER_CALL, flights=CALLS_IN_FLIGHT
        )

    async def get(self, filter: Filter, sort: Sort, limit: int, fields: Fields = None) -> list[Document]:
        """Return the first `limit` documents that match, of each all or only `fields`."""
        return await self._chunks.put(_Asked(filter, sort, limit, fields))

    async def _read(self, asked: list[_Asked]) -> list[list[Document] | Exception]:
        alike: dict[object, list[int]] = {}
        for place, one in enumerate(asked):
            alike.setdefault(one.kind(), []).append(place)
        found: list[list[Document] | Exception] = [[]] * len(asked)

        async def read(places: list[int]) -> None:
            _, sort, limit, fields = asked[places[0]]
            if len(places) == 1:
                found[places[0]] = await self._engine.find(
                    self._collection, asked[places[0]].filter, projection=fields, sort=sort, limit=limit
                )
                return
            filters = [asked[place].filter for place in places]
            pages = await self._engine.find_each(self._collection, filters, sort=sort, limit=limit, projection=fields)
            for place, page in zip(places, pages, strict=True):
                found[place] = page

        await gather(*map(read, alike.values()))
        return found
