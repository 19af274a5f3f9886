"""Erasure: what must not come back with a late repetition of an event, kept without a value of anybody.

A deleted person leaves, for 31 days, digests of its identifiers together with the ids of its events: neither can be
read from them. An event that comes again under the same id, for the same identifier, is refused by that.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta

from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import Claim, Locator, key
from app.core import clock, ids
from app.mongo.engine import Replace, Unit, Write
from app.timeline.record import COLLECTION as EVENTS

COLLECTION = "erased"
DIGEST_BYTES = 16
# Events older than 30 days are not taken anyway.
KEPT_DAYS = 31
# Kinds of identifiers for which an event may make a person anew, or come to whoever has them by then.
KINDS = ("email", "phone", "externalId", "channel", "push")


def key_of(account: str) -> str:
    """Return the key, among the claims, that is there while an account may have marks: most have none."""
    return key(account, "erased", "")


def mark(account: str, locator: Locator, event_id: str) -> str:
    """Return the key under which an event of an identifier is known as erased."""
    return _mark(account, locator.claim(account), event_id)


def _mark(account: str, claim: str, event_id: str) -> str:
    said = f"{claim}|{event_id}".encode()
    return f"{account}|{hashlib.blake2b(said, digest_size=DIGEST_BYTES).hexdigest()}"


async def note(unit: Unit, account: str, subjects: Sequence[str], claims: Iterable[str]) -> None:
    """Note the sent events of a person that is being deleted; to be called before they are."""
    keys = [key for key in claims if key.split("|")[1] in KINDS]
    if not keys:
        return
    # Lines of visitors are not reached by these identifiers; those of installations by their registrations alone.
    reached = {"sub": keys, "app": [key for key in keys if key.split("|")[1] == "push"]}
    where = {"subject": {"$in": [one for one in subjects if ids.kind(one) in reached]}, "account": account}
    found = await unit.find(EVENTS, where, projection={"_id": 1})
    sent = {(ids.kind(line) or "", one) for line, _, one in (kept["_id"].partition(":") for kept in found)}
    until = clock.now() + timedelta(days=KEPT_DAYS)
    # Our own events have ids that nobody sends.
    marks = {_mark(account, key, one) for line, one in sent if ids.kind(one) is None for key in reached.get(line, ())}
    kept = [{"_id": one, "account": account, "until": until} for one in sorted(marks)]
    # The same event may have been erased before, with another person of the same identifier.
    writes: list[Write] = [Replace({"_id": one["_id"]}, one, upsert=True) for one in kept]
    if writes:
        await unit.write(COLLECTION, writes)
        await _tell(unit, account)


async def _tell(unit: Unit, account: str) -> None:
    """Say that the account has marks; at most once a day, so that deletions don't wait for each other."""
    now = clock.now()
    (held,) = await unit.find(CLAIMS, {"_id": key_of(account)}) or (None,)
    if held is None or held["at"] < now - timedelta(days=1):
        told = Claim(key_of(account), account, "", "", now)
        await unit.write(CLAIMS, [Replace({"_id": told.key}, told.document(), upsert=True)])
