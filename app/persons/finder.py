"""Whether a filter finds one person as they are now: answered in memory from reads that everybody shares."""

from collections.abc import Mapping
from typing import Any

from app.catalog import filters as shared
from app.catalog.matching import matches
from app.catalog.model import PERSON
from app.catalog.service import CatalogService
from app.changes.model import ACTIVE
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine
from app.persons import filters, record
from app.persons.model import Person

COMPANIES = "companies"


class Finder:
    """Answers for one person what `Persons.query` asks of all."""

    def __init__(self, engine: Engine, catalog: CatalogService, persons: Reads) -> None:
        self._catalog = catalog
        self._persons = persons
        self._companies = Reads(engine, COMPANIES)

    async def find(self, account: str, person_id: str, wanted: Mapping[str, Any] | None) -> Person | None:
        """Return the person where the filter finds them, else None; also for who is merged, gone or foreign.

        One read that is shared, and one more where the filter names tags and the person belongs to companies.
        """
        kept = await self._persons.get(person_id)
        if kept is None or kept["account"] != account or kept["state"] != ACTIVE:
            return None
        companies = await self._companies_of(kept) if shared.tag_names(wanted) else []
        # It knows all tags that are held here, so one that it doesn't know is none of them.
        catalog = await self._catalog.fitting(account, [kept, *companies])
        if shared.lacks_attribute(catalog, PERSON, wanted):
            catalog = await self._catalog.fresh(account)
        query = filters.query(wanted, catalog, _carried(companies)) if wanted else {}
        return record.read(kept, catalog) if matches(query, kept) else None

    async def _companies_of(self, person: Document) -> list[Document]:
        ids = [one["id"] for one in person.get("companies", ())]
        found = await self._companies.get_all(ids) if ids else []
        return [one for one in found if one and one["account"] == person["account"]]


def _carried(companies: list[Document]) -> shared.Inherited:
    """Return which of a person's companies carry a tag: of all others nothing need be known."""
    carriers: dict[str, list[str]] = {}
    for one in companies:
        for tag_id in one.get("tags", ()):
            carriers.setdefault(tag_id, []).append(one["_id"])
    return shared.Inherited(carriers)
