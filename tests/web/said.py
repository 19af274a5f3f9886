"""An account with its definitions, and what somebody said to it as messages."""

from datetime import datetime
from typing import Any

from app.catalog.model import COMPANY, PERSON, AttributeDefinition, Catalog, EventDefinition, EventField, ItemField
from app.catalog.standard import STANDARD
from app.intake.visit import Message
from app.web import wire
from app.web.titles import Titles
from app.web.wire import Said, Setting

NOW = datetime(2026, 5, 4, 10)  # noqa: DTZ001 - naive UTC is the house's time
SENT = "2026-05-04T12:00:00.000Z"

EVENT = {"id": "productViewed", "title": "Product Viewed", "fields": [{"name": "sku", "type": "STRING"}]}
VIEW = {"type": "track", "anonymousId": "a", "event": "Product Viewed", "properties": {"sku": "A1"}}


def catalog() -> Catalog:
    """Return what an account has defined."""
    found = Catalog("acc_1")
    for standard in STANDARD.values():
        found.add(standard)
    found.add(EventDefinition("productViewed", "Product Viewed", NOW, fields=(EventField("sku", "STRING"),)))
    for name, type_ in {"plan": "STRING", "seats": "INTEGER", "since": "DATE", "Title": "STRING"}.items():
        found.add(AttributeDefinition(f"att_{name}", PERSON, name, type_, NOW))
    found.add(AttributeDefinition("att_w", PERSON, "wishlist", "LIST", NOW, item_fields=(ItemField("sku", "STRING"),)))
    found.add(AttributeDefinition("att_c", COMPANY, "size", "INTEGER", NOW))
    return found


KNOWN = catalog()
SETTING = Setting(NOW, wire.moment(SENT), KNOWN, Titles().of(KNOWN))


def read(*items: Any, kind: str | None = None, small: bool = False, setting: Setting = SETTING) -> Said:
    """Read items."""
    return wire.read(items, kind, setting, small=small)


def one(**item: Any) -> Message:
    """Return the message of one good item of a visitor."""
    said = read({"anonymousId": "a", **item})
    assert said.rejected == {}
    assert len(said.messages) == 1
    return said.messages[0]
