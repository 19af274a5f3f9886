"""Which claims kept tags and attributes hold: for the check of claims against their owners."""

from collections.abc import Mapping

from app.catalog import store
from app.catalog.model import AttributeDefinition, Tag
from app.catalog.record import TAGS
from app.catalog.service import attribute_claim, tag_claim
from app.claims.audit import Owners
from app.claims.model import Claim
from app.mongo.engine import Document


def _of_tag(kept: Document) -> list[Claim]:
    tag = store.read(TAGS, kept)
    assert isinstance(tag, Tag)  # noqa: S101 - what that collection holds
    return [Claim(tag_claim(kept["account"], tag.name), kept["account"], tag.id, tag.id, tag.created_at)]


def _of_attribute(kept: Document) -> list[Claim]:
    one = store.read(store.ATTRIBUTES, kept)
    assert isinstance(one, AttributeDefinition)  # noqa: S101 - what that collection holds
    key = attribute_claim(kept["account"], one.target, one.name)
    return [Claim(key, kept["account"], one.id, one.id, one.created_at)]


OWNERS: Mapping[str, Owners] = {"tag": Owners(TAGS, _of_tag), "att": Owners(store.ATTRIBUTES, _of_attribute)}
