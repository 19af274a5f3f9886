"""What documents of profiles hold only so that lists and filters find them, against what the profile says.

An older version of the service may have written less of it; until it is mended such a profile is passed over.
"""

from collections.abc import AsyncIterator
from typing import Any

from app.catalog.model import Catalog
from app.changes.model import ACTIVE, Kind
from app.claims.audit import Finding, pages
from app.mongo.engine import Document, Engine, Unit, Update

DERIVED = ("first", "last", "sort", "words", "a", "l")


async def stale(engine: Engine, kind: Kind[Any], *, repair: bool = False) -> AsyncIterator[Finding]:
    """Give the profiles of a kind whose derived fields are not what they should be; each is looked at twice."""
    async for kept in pages(engine, kind.collection):
        for one in kept:
            if _changes(kind, one) and (finding := await _certain(engine, kind, one["_id"], repair=repair)):
                yield finding


async def _certain(engine: Engine, kind: Kind[Any], profile_id: str, *, repair: bool) -> Finding | None:
    async def work(unit: Unit) -> Finding | None:
        (kept,) = await unit.find(kind.collection, {"_id": profile_id}) or (None,)
        changes = _changes(kind, kept) if kept else None
        if kept is None or not changes:
            return None
        if repair:
            await unit.write(kind.collection, [Update({"_id": profile_id}, {**changes, "$inc": {"version": 1}})])
        return Finding("STALE_FIELDS", kept["account"], profile_id, "lists may pass it over", repair)

    return await engine.unit(work)


def _read(name: str, document: Document) -> Any:
    # A sweep leaves values and words that it emptied: as good as nothing. An order needs even an empty text.
    return document.get(name) or None if name in ("words", "a", "l") else document.get(name)


def _changes(kind: Kind[Any], kept: Document) -> Document:
    """Return the update that makes a document what the service would write, empty where it is so already."""
    if kept.get("state", ACTIVE) != ACTIVE:
        return {}
    fresh = kind.document(kind.read(kept, Catalog(kept["account"]))) or kept
    wrong = [name for name in DERIVED if _read(name, fresh) != _read(name, kept)]
    put = {name: fresh[name] for name in wrong if name in fresh}
    gone = {name: "" for name in wrong if name not in fresh}
    return {**({"$set": put} if put else {}), **({"$unset": gone} if gone else {})}
