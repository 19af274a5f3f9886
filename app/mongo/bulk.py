"""Writes as the driver takes them, and its answers read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from app.mongo.engine import Delete, Document, Insert, Replace, Update, Write


def inserts(writes: Sequence[Write]) -> list[Document]:
    """Return the documents of writes that are inserts alone, as nearly all of them are; none where others are among."""
    documents = [one.document for one in writes if isinstance(one, Insert)]
    return documents if len(documents) == len(writes) else []


def must_match(one: Write) -> bool:
    """Tell whether a write is a Stale where it finds nothing."""
    return (isinstance(one, Replace) and not one.upsert) or (isinstance(one, Update) and one.must)


def counted(one: Write) -> tuple[type[Write], bool]:
    """Return what tells writes apart whose counts come together."""
    return (Update if isinstance(one, Update) else Insert), isinstance(one, Delete | Update) and one.must


def request(one: Write) -> Any:
    """Return a write in the driver's own form."""
    match one:
        case Insert():
            return InsertOne(one.document)
        case Replace():
            return ReplaceOne(one.filter, one.document, upsert=one.upsert)
        case Update():
            return (UpdateMany if one.many else UpdateOne)(one.filter, one.change, upsert=one.upsert)
        case Delete():
            return (DeleteMany if one.many else DeleteOne)(one.filter)


def taken(failed: Mapping[str, Any]) -> Any:
    """Return the id that a failed insert met."""
    return (failed.get("keyValue") or {}).get("_id") or failed.get("op", {}).get("_id")
