"""Claims against their owners: held and not claimed, claimed and not held, claimed by another.

Each suspicion is looked at again inside one unit, so that what a running service changes meanwhile is no finding.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from app.claims.model import COLLECTION, Claim
from app.claims.model import read as read_claim
from app.claims.service import writes
from app.core import ids
from app.mongo.engine import Document, Engine, Unit

PAGE_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, told without a value of anybody: `mended` where a repair was asked for and possible."""

    problem: str
    account: str
    subject: str
    detail: str
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Owners:
    """A collection whose documents hold claims; `claims` gives those of one document, none where it is gone."""

    collection: str
    claims: Callable[[Document], Sequence[Claim]]


async def pages(engine: Engine, collection: str) -> AsyncIterator[list[Document]]:
    """Give all documents of a collection in pages, in the order of `_id`."""
    last = ""
    while found := await engine.find(collection, {"_id": {"$gt": last}}, sort=(("_id", 1),), limit=PAGE_DOCUMENTS):
        yield found
        last = found[-1]["_id"]


Look = Callable[[Claim, Unit], Awaitable[Finding | None]]


class ClaimAudit:
    """Compares claims with the documents of their owners, by the prefix of the owners' ids."""

    def __init__(self, engine: Engine, owners: Mapping[str, Owners], *, repair: bool = False) -> None:
        self._engine = engine
        self._owners = owners
        self._repair = repair

    async def findings(self) -> AsyncIterator[Finding]:
        """Give what is wrong; first what is not held, so that a repair frees it for whoever holds it."""
        async for kept in pages(self._engine, COLLECTION):
            for one in await self._certain(self._orphan, await self._unheld([read_claim(one) for one in kept])):
                yield one
        for owners in self._owners.values():
            async for kept in pages(self._engine, owners.collection):
                claims = [claim for one in kept for claim in owners.claims(one)]
                for one in await self._certain(self._missing, await self._unclaimed(claims)):
                    yield one

    async def _certain(self, look: Look, suspected: Sequence[Claim]) -> list[Finding]:
        """Look at each suspicion again, in a unit of its own."""
        found = [await self._engine.unit(partial(look, claim)) for claim in suspected]
        return [one for one in found if one is not None]

    async def _unheld(self, claims: Sequence[Claim]) -> list[Claim]:
        held: set[tuple[str, str]] = set()
        known = [one for one in claims if ids.kind(one.owner) in self._owners]
        for prefix, owners in self._owners.items():
            wanted = [one.owner for one in known if ids.kind(one.owner) == prefix]
            if wanted:
                for document in await self._engine.find(owners.collection, {"_id": {"$in": wanted}}):
                    held.update((one.key, one.owner) for one in owners.claims(document))
        return [one for one in known if (one.key, one.owner) not in held]

    async def _unclaimed(self, claims: Sequence[Claim]) -> list[Claim]:
        found = await self._engine.find(COLLECTION, {"_id": {"$in": [one.key for one in claims]}})
        owned = {one["_id"]: one["owner"] for one in found}
        return [one for one in claims if owned.get(one.key) != one.owner]

    async def _orphan(self, claim: Claim, unit: Unit) -> Finding | None:
        owner = await self._claimed_by(unit, claim)
        if owner != claim.owner or await self._holds(unit, claim):
            return None
        if self._repair:
            await unit.write(COLLECTION, writes([], {claim.key: claim.owner}))
        return Finding("ORPHANED_CLAIM", claim.account, claim.owner, f"{_kind(claim)} is not held", self._repair)

    async def _missing(self, claim: Claim, unit: Unit) -> Finding | None:
        owner = await self._claimed_by(unit, claim)
        if owner == claim.owner or not await self._holds(unit, claim):
            return None
        if owner is not None:
            return Finding("CONTESTED_CLAIM", claim.account, claim.owner, f"{_kind(claim)} is claimed by {owner}")
        if self._repair:
            await unit.write(COLLECTION, writes([claim], {}))
        return Finding("MISSING_CLAIM", claim.account, claim.owner, f"{_kind(claim)} is not claimed", self._repair)

    async def _claimed_by(self, unit: Unit, claim: Claim) -> str | None:
        found = await unit.find(COLLECTION, {"_id": claim.key})
        return str(found[0]["owner"]) if found else None

    async def _holds(self, unit: Unit, claim: Claim) -> bool:
        owners = self._owners[ids.kind(claim.owner) or ""]
        found = await unit.find(owners.collection, {"_id": claim.owner})
        return any(one.key == claim.key for document in found for one in owners.claims(document))


def _kind(claim: Claim) -> str:
    return claim.key.split("|")[1]
