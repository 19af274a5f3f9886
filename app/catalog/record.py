"""A tag as a document, for whoever makes one in the unit of the change that needs it."""

from app.catalog.model import Tag
from app.claims.model import key
from app.mongo.engine import Document

TAGS = "tags"


def mark_key(account: str) -> str:
    """Return the key, among the claims, of the mark that each deletion of a definition renews."""
    return key(account, "definitions", "")


def tag_document(account: str, tag: Tag) -> Document:
    """Return a tag as it is kept."""
    return {"_id": tag.id, "account": account, "name": tag.name, "createdAt": tag.created_at}
