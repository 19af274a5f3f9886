"""Look claims up, many at once. They are written by whoever owns them, in the unit that changes the owner."""

from asyncio import Future
from collections.abc import Iterable, Mapping, Sequence

from app.claims.model import COLLECTION, Claim, read
from app.core.tally import Tally
from app.mongo.coalesce import Reads
from app.mongo.engine import Delete, Document, Engine, Insert, Write


class Claims:
    """The claims of all accounts; a key names its account."""

    def __init__(self, engine: Engine) -> None:
        self._reads = Reads(engine, COLLECTION)

    async def owners(self, keys: Sequence[str]) -> dict[str, Claim]:
        """Return the claims that are held, by key, in one read."""
        if not keys:
            return {}
        found = await self._reads.get_all(keys)
        return {document["_id"]: read(document) for document in found if document}

    def ask(self, key: str, tally: Tally | None) -> "Future[Document | Exception | None]":
        """Return what will hold the claim on `key` as it is kept; see `Reads.ask`."""
        return self._reads.ask(key, tally)

    async def one(self, key: str) -> Claim | None:
        """Return the claim on `key`, if anybody holds it."""
        document = await self._reads.get(key)
        return read(document) if document else None


def writes(taken: Iterable[Claim], freed: Mapping[str, str]) -> list[Write]:
    """Return what takes and frees claims; `freed` is key → the owner who lets go."""
    gone: list[Write] = [Delete({"_id": key, "owner": owner}) for key, owner in freed.items()]
    return [*gone, *(Insert(claim.document()) for claim in taken)]
