"""In which orders companies are listed, and which index serves which filter."""

from app.catalog.lists import Kind, Order
from app.catalog.model import COMPANY
from app.catalog.narrow import ATTRIBUTE, BY_ID, BY_VALUE
from app.companies import store
from app.core import clock
from app.core.text import fold

ORDERS = {
    "CREATED_AT": Order("createdAt", store.BY_CREATION, lambda one: clock.millis(one.created_at), clock.moment),
    "UPDATED_AT": Order("updatedAt", store.BY_UPDATE, lambda one: clock.millis(one.updated_at), clock.moment),
    "NAME": Order("sort", store.BY_NAME, lambda one: fold(one.name)),
}
NEWEST = ORDERS["CREATED_AT"]
BY_TAG = store.BY_TAG
INDEXES = {"_id": BY_ID, "tags": store.BY_TAG, "words": store.BY_WORD, ATTRIBUTE: BY_VALUE}
KIND = Kind(store.COLLECTION, COMPANY, ORDERS, INDEXES, {})
