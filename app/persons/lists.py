"""In which orders persons are listed, and which index serves which filter."""

from app.catalog.lists import Kind, Order
from app.catalog.model import PERSON
from app.catalog.narrow import ATTRIBUTE, BY_ID, BY_VALUE
from app.changes.model import ACTIVE
from app.core import clock
from app.core.text import fold
from app.persons import record, store

ORDERS = {
    "CREATED_AT": Order("createdAt", store.BY_CREATION, lambda one: clock.millis(one.created_at), clock.moment),
    "UPDATED_AT": Order("updatedAt", store.BY_UPDATE, lambda one: clock.millis(one.updated_at), clock.moment),
    "FIRST_NAME": Order("first", store.BY_FIRST_NAME, lambda one: fold(one.first_name or "")),
    "LAST_NAME": Order("last", store.BY_LAST_NAME, lambda one: fold(one.last_name or "")),
}
NEWEST = ORDERS["CREATED_AT"]
OLDEST = NEWEST.turned(descending=False)
INDEXES = {
    "_id": BY_ID,
    "tags": store.BY_TAG,
    "companies.id": store.BY_COMPANY,
    "words": store.BY_WORD,
    ATTRIBUTE: BY_VALUE,
}
KIND = Kind(record.COLLECTION, PERSON, ORDERS, INDEXES, {"state": ACTIVE})
