"""Erasure: what must not come back with a late repetition of an event, kept without a value of anybody.

A deleted person leaves, for 31 days, digests of its identifiers together with the ids of its events: neither can be
read from them. An event that comes again under the same id, for the same identifier, is refused by that. They are noted
in the unit that deletes; of a long timeline before it, and stand once their person is gone (`changes/farewell.py`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import Claim, Locator, digest, key
from app.core import clock, ids
from app.mongo.engine import Delete, Document, Replace, Unit, Write
from app.timeline.record import COLLECTION as EVENTS

COLLECTION = "erased"
DIGEST_BYTES = 16
# Events older than 30 days are not taken anyway.
KEPT_DAYS = 31
# An event is stamped before it is kept: what is older than this when somebody looks is there.
LATE = timedelta(minutes=1)
SENT = {"_id": 1, "account": 1, "subject": 1}
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
    """A profile that is being deleted: its lines of activity, and the claims that were held."""

    account: str
    id: str
    subjects: Sequence[str]
    claims: Iterable[str]


def noted_key(gone: Gone) -> str:
    """Return the key of what was noted of somebody before, among the marks."""
    return f"{gone.account}|of {gone.id}"


def reach(reached: Mapping[str, Sequence[str]]) -> str:
    """Return what tells lines and identifiers from others, and says nothing of them."""
    return digest(*(each for line in sorted(reached) for each in (line, *sorted(reached[line]))))


async def note(unit: Unit, gone: Sequence[Gone], *, before: bool = False) -> set[str]:
    """Note the sent events of persons who are being deleted, in one read; to be called before they are.

    Returns the accounts that have marks by that. `before`: all of them were noted before the unit, but for those that
    have come since.
    """
    kept = await unit.find(COLLECTION, {"_id": {"$in": list(map(noted_key, gone))}}) if before else []
    # Account and line → the identifiers by which an event comes to it; lines of visitors have none of these.
    claims = {(one.account, line): keys for one in gone for line, keys in reached_by(one).items()}
    since = {"received": {"$gte": min(each["began"] for each in kept) - LATE}} if kept else {}
    marks = {each["_id"]: each for each in await _marks(unit, claims, since)}
    # The same event may have been erased before, with another person of the same identifier.
    writes: list[Write] = [Replace({"_id": one}, marks[one], upsert=True) for one in sorted(marks)]
    writes += [Delete({"_id": each["_id"]}) for each in kept]
    if writes:
        await unit.write(COLLECTION, writes)
    return {one["account"] for one in (*marks.values(), *kept)}


async def _marks(
    unit: Unit, claims: Mapping[tuple[str, str], Sequence[str]], since: Mapping[str, Any]
) -> list[Document]:
    if not claims:
        return []
    accounts, lines = {account for account, _ in claims}, [line for _, line in claims]
    where = {"subject": {"$in": lines}, "account": {"$in": list(accounts)}, **since}
    found = await unit.find(EVENTS, where, projection=SENT)
    return [one for each in found for one in marks_of(each, claims.get((each["account"], each["subject"]), ()))]


def stands(noted: Document, gone: Gone) -> bool:
    """Tell whether it was noted of the very lines and identifiers of somebody, a short while ago."""
    return bool(noted["of"] == reach(reached_by(gone)) and clock.now() < noted["until"])


def marks_of(event: Document, claims: Sequence[str], **more: Any) -> list[Document]:
    """Return the marks of an event, one for each of the identifiers that reach its line; our own events have none."""
    _, _, event_id = event["_id"].partition(":")
    # Our own have ids that nobody sends.
    if ids.kind(event_id) is not None:
        return []
    account, until = event["account"], clock.now() + timedelta(days=KEPT_DAYS)
    return [{"_id": _mark(account, key, event_id), "account": account, "until": until, **more} for key in claims]


def reached_by(one: Gone) -> dict[str, list[str]]:
    """Return the lines of a person that identifiers reach, each with these; installations by registrations alone."""
    keys = [key for key in one.claims if key.split("|")[1] in KINDS]
    by_kind = {"sub": keys, "app": [key for key in keys if key.split("|")[1] == "push"]}
    found = [(line, by_kind.get(ids.kind(line) or "", [])) for line in one.subjects]
    return {line: these for line, these in found if these}


async def tell(unit: Unit, account: str) -> None:
    """Say that the account has marks; at most once a day, so that deletions don't wait for each other."""
    now = clock.now()
    (held,) = await unit.find(CLAIMS, {"_id": key_of(account)}) or (None,)
    if held is None or held["at"] < now - timedelta(days=1):
        told = Claim(key_of(account), account, "", "", now)
        await unit.write(CLAIMS, [Replace({"_id": told.key}, told.document(), upsert=True)])
