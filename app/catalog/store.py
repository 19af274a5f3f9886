"""How definitions are kept: one document each, few enough to be read whole per account."""

from dataclasses import asdict
from typing import Any

from app.catalog.model import AttributeDefinition, Catalog, EventDefinition, EventField, ItemField, Tag
from app.catalog.record import TAGS, mark_key
from app.claims.model import COLLECTION as CLAIMS
from app.mongo.bound import Bound
from app.mongo.engine import Document, Engine

ATTRIBUTES, EVENTS = "attributes", "eventTypes"
COLLECTIONS = (TAGS, ATTRIBUTES, EVENTS)


def attribute_document(account: str, one: AttributeDefinition) -> Document:
    """Return an attribute definition as it is kept."""
    return {
        "_id": one.id,
        "account": account,
        "target": one.target,
        "name": one.name,
        "type": one.type,
        "description": one.description,
        "items": [asdict(item) for item in one.item_fields],
        "createdAt": one.created_at,
    }


def event_document(account: str, one: EventDefinition) -> Document:
    """Return an event definition as it is kept; its `_id` is what makes it the only one of its name."""
    return {
        "_id": event_key(account, one.id),
        "account": account,
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "fields": [asdict(item) for item in one.fields],
        "createdAt": one.created_at,
    }


def event_key(account: str, event_id: str) -> str:
    """Return the `_id` of an event definition."""
    return f"{account}|{event_id}"


def read(collection: str, document: Document) -> Tag | AttributeDefinition | EventDefinition:
    """Return a definition from its document."""
    if collection == TAGS:
        return Tag(document["_id"], document["name"], document["createdAt"])
    if collection == ATTRIBUTES:
        return AttributeDefinition(
            document["_id"],
            document["target"],
            document["name"],
            document["type"],
            document["createdAt"],
            document.get("description"),
            tuple(ItemField(**item) for item in document["items"]),
        )
    return EventDefinition(
        document["id"],
        document["title"],
        document["createdAt"],
        document.get("description"),
        fields=tuple(_field(item) for item in document["fields"]),
    )


def _field(item: dict[str, Any]) -> EventField:
    return EventField(item["name"], item["type"], tuple(_field(one) for one in item.get("item_fields", ())))


async def load(engine: Engine, account: str, into: Catalog) -> None:
    """Read all definitions of an account (index `account,_id` of each collection)."""
    # The mark comes first: what is deleted meanwhile makes it old, never the other way about.
    for mark in await Bound(engine, CLAIMS, account).find({"_id": mark_key(account)}):
        into.mark = mark["owner"]
    for collection in COLLECTIONS:
        for document in await Bound(engine, collection, account).find({}):
            into.add(read(collection, document))
