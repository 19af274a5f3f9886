"""Erasure: what must not come back with a late repetition of an event, kept without a value of anybody.

A deleted person leaves, for 31 days, digests of its identifiers together with the ids of its events: neither can be
read from them. An event that comes again under the same id, for the same identifier, is refused by that.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

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


class Gone(NamedTuple):
    """A person who is being deleted: the lines of activity, and the claims that were held."""

    account: str
    subjects: Sequence[str]
    claims: Iterable[str]


async def note(unit: Unit, gone: Sequence[Gone]) -> None:
    """Note the sent events of persons who are being deleted, in one read; to be called before they are."""
    # Account and line → the identifiers by which an event comes to it; lines of visitors have none of these.
    reached = {(one.account, line): keys for one in gone for line, keys in _reached(one)}
    if not reached:
        return
    where = {"subject": {"$in": [line for _, line in reached]}, "account": {"$in": [one.account for one in gone]}}
    found = await unit.find(EVENTS, where, projection={"_id": 1, "account": 1})
    marks: dict[str, str] = {}
    for kept in found:
        line, _, event_id = kept["_id"].partition(":")
        # Our own events have ids that nobody sends.
        keys = reached.get((kept["account"], line), ()) if ids.kind(event_id) is None else ()
        marks.update({_mark(kept["account"], key, event_id): kept["account"] for key in keys})
    until = clock.now() + timedelta(days=KEPT_DAYS)
    kept_marks = [{"_id": one, "account": marks[one], "until": until} for one in sorted(marks)]
    # The same event may have been erased before, with another person of the same identifier.
    writes: list[Write] = [Replace({"_id": one["_id"]}, one, upsert=True) for one in kept_marks]
    if writes:
        await unit.write(COLLECTION, writes)
        for account in sorted(set(marks.values())):
            await _tell(unit, account)


def _reached(one: Gone) -> list[tuple[str, list[str]]]:
    """Return the lines of a person that identifiers reach, each with these; installations by registrations alone."""
    keys = [key for key in one.claims if key.split("|")[1] in KINDS]
    by_kind = {"sub": keys, "app": [key for key in keys if key.split("|")[1] == "push"]}
    found = [(line, by_kind.get(ids.kind(line) or "", [])) for line in one.subjects]
    return [(line, these) for line, these in found if these]


async def _tell(unit: Unit, account: str) -> None:
    """Say that the account has marks; at most once a day, so that deletions don't wait for each other."""
    now = clock.now()
    (held,) = await unit.find(CLAIMS, {"_id": key_of(account)}) or (None,)
    if held is None or held["at"] < now - timedelta(days=1):
        told = Claim(key_of(account), account, "", "", now)
        await unit.write(CLAIMS, [Replace({"_id": told.key}, told.document(), upsert=True)])
