"""What lists show of companies, and where it stands in their documents."""

from app.catalog.values import of_document, tags_of
from app.companies.store import FIELDS
from app.core.sources import Source, Sources

SOURCES: Sources = {
    "id": Source(("_id",)),
    "name": Source(("name",)),
    "domains": Source(("domains",), lambda kept, _: kept.get("domains", [])),
    "tags": Source(("tags",), tags_of),
    "custom_attributes": Source(("a", "l"), of_document),
    "created_at": Source(("createdAt",)),
    "updated_at": Source(("updatedAt",)),
    "created_from": Source(("createdFrom",)),
    "modified_from": Source(("modifiedFrom",)),
    "version": Source(("version",)),
    **{attribute: Source((name,)) for attribute, name in FIELDS.items()},
}
