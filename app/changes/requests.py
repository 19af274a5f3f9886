"""Idempotency keys: what was written for a key is answered again for a day, and never written twice.

The record is written in the unit of the change itself, so a call that was cut off is completed by its repetition.
A refused change did nothing and leaves no record.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.core.errors import Refused, unavailable
from app.mongo.engine import Clash, Delete, Document, Engine, Insert, Write

COLLECTION = "requests"
KEY_HOURS = 24
KEY_LENGTH_MAX = 255
DIGEST_BYTES = 16
BEGIN_TRIES = 5


@dataclass(frozen=True, slots=True)
class Once:
    """A caller's key for one change: `id` is that of its record; `input` tells whether a repetition asks for the same.

    Neither the key nor the input can be read from them: the input's digest is keyed with the key, which is not kept.
    """

    id: str
    input: str

    @classmethod
    def of(cls, account: str, key: str, operation: str, given: Mapping[str, Any]) -> "Once":
        """Return it for a call; refuses a key that is empty or too long with INVALID or TOO_LONG."""
        if not key.strip():
            raise Refused("INVALID", "An idempotency key is not empty.", ("idempotencyKey",))
        if len(key) > KEY_LENGTH_MAX:
            words = f"An idempotency key has at most {KEY_LENGTH_MAX} characters."
            raise Refused("TOO_LONG", words, ("idempotencyKey",))
        secret = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=32).digest()
        # Not orjson, which refuses numbers beyond 64 bits: they are refused later, with their path.
        said = json.dumps([operation, given], default=str, sort_keys=True)
        digest = hashlib.blake2b(said.encode(), digest_size=DIGEST_BYTES, key=secret).hexdigest()
        mark = hashlib.blake2b(secret, digest_size=DIGEST_BYTES, person=b"request").hexdigest()
        return cls(f"{account}|{mark}", digest)

    def row(self, index: int) -> "Once":
        """Return that of one row of the call."""
        return Once(f"{self.id}|{index}", self.input)


def mismatch() -> Refused:
    """Return the refusal of a key that came with another input before."""
    words = "This idempotency key was used with another input: take a new key for a new call."
    return Refused("IDEMPOTENCY_MISMATCH", words, ("idempotencyKey",))


def stands(kept: Document | None, now: datetime) -> bool:
    """Tell whether a record still counts."""
    return kept is not None and bool(kept["until"] > now)


def written(  # noqa: PLR0913 - the fields of a record, by name
    once: Once,
    *,
    account: str,
    now: datetime,
    owners: Sequence[str] = (),
    profile: Document | None = None,
    made: bool = False,
    changed: Sequence[str] = (),
) -> Document:
    """Return the record of a change: the profile as it was answered, whether it was made, which fields changed."""
    until = now + timedelta(hours=KEY_HOURS)
    kept: Document = {"_id": once.id, "account": account, "input": once.input, "until": until}
    if profile is not None:
        kept |= {"owners": list(owners), "profile": profile, "made": made, "changed": list(changed)}
    return kept


def forgotten(account: str, owners: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the query and the change that take profiles out of the records; that they happened stays known."""
    return {"account": account, "owners": {"$in": list(owners)}}, {"$unset": {"profile": "", "owners": ""}}


class Requests:
    """Calls of several rows: the key belongs to the call, each row has a record of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def begin(self, account: str, once: Once) -> None:
        """Note the call, or find it noted; refuses IDEMPOTENCY_MISMATCH where it came with another input."""
        for _ in range(BEGIN_TRIES):
            now = clock.now()
            (held,) = await self._engine.find(COLLECTION, {"_id": once.id}) or (None,)
            if held and stands(held, now):
                if held["input"] != once.input:
                    raise mismatch()
                return
            over: list[Write] = [Delete({"_id": once.id, "until": held["until"]})] if held else []
            try:
                await self._engine.write(COLLECTION, [*over, Insert(written(once, account=account, now=now))])
            except Clash:
                continue
            return
        raise unavailable()
