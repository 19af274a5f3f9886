"""Records of CRMs that nobody has met yet, and that name somebody who was erased since they were made.

Where an account has a CRM, a deleted person leaves digests of its identifiers for 31 days: nobody can make them without
the secret of the service, so none can be read, or guessed, from what is kept.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from app.changes.erasure import COLLECTION, DIGEST_BYTES, KEPT_DAYS, Gone, key_of
from app.claims.model import COLLECTION as CLAIMS
from app.core import clock
from app.mongo.engine import Document, Engine, Replace, Unit, Write

# A room above: each of its documents is a CRM of an account.
SYNCS = "syncs"
# Kinds of identifiers by which a record of a CRM finds somebody.
KINDS = ("email", "phone", "externalId")


class Unmet:
    """What was erased of all accounts. `secret` gives the service's own, which is known once it runs."""

    def __init__(self, engine: Engine, secret: Callable[[], bytes]) -> None:
        self._engine = engine
        self._secret = secret

    async def note(self, unit: Unit, gone: Sequence[Gone]) -> set[str]:
        """Note the identifiers of persons who are being deleted, in accounts that have a CRM; returns these."""
        claims = {key: one.account for one in gone for key in one.claims if key.split("|")[1] in KINDS}
        if not claims:
            return set()
        found = await unit.find(SYNCS, {"account": {"$in": sorted({*claims.values()})}}, projection={"account": 1})
        accounts, now = {one["account"] for one in found}, clock.now()
        marks = [self._mark(key, account, now) for key, account in sorted(claims.items()) if account in accounts]
        writes: list[Write] = [Replace({"_id": one["_id"]}, one, upsert=True) for one in marks]
        if writes:
            await unit.write(COLLECTION, writes)
        return accounts

    async def noted(self, accounts: Collection[str]) -> set[str]:
        """Return which of some accounts may have any: most have none."""
        asked = {"_id": {"$in": [key_of(one) for one in accounts]}}
        return {one["account"] for one in await self._engine.find(CLAIMS, asked, projection={"account": 1})}

    async def among(self, claims: Mapping[str, str]) -> dict[str, datetime]:
        """Return when those were erased who had some identifiers, by the keys of claims, given with their accounts."""
        if not claims:
            return {}
        noted = await self.noted({*claims.values()})
        keys = {self._key(account, claim): claim for claim, account in claims.items() if account in noted}
        found = await self._engine.find(COLLECTION, {"_id": {"$in": list(keys)}}) if keys else []
        return {keys[kept["_id"]]: kept["at"] for kept in found}

    def _mark(self, claim: str, account: str, now: datetime) -> Document:
        until = now + timedelta(days=KEPT_DAYS)
        return {"_id": self._key(account, claim), "account": account, "at": now, "until": until}

    def _key(self, account: str, claim: str) -> str:
        key, said = self._secret()[:64], claim.encode()
        return (
            f"{account}|{hashlib.blake2b(said, digest_size=DIGEST_BYTES, key=key, person=b'erased name').hexdigest()}"
        )
