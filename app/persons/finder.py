"""Whether a filter finds one person as they are now: answered in memory from reads that everybody shares."""

from collections.abc import Collection, Mapping
from typing import Any

from app.catalog import filters as shared
from app.catalog.matching import matches
from app.catalog.model import PERSON
from app.catalog.service import CatalogService
from app.changes.model import ACTIVE
from app.claims.model import Locator
from app.claims.service import Claims
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine
from app.persons import filters, record
from app.persons.model import Person

COMPANIES = "companies"


class Finder:
    """Answers for one person what `Persons.query` asks of all."""

    def __init__(self, engine: Engine, claims: Claims, catalog: CatalogService, persons: Reads) -> None:
        self._claims = claims
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
        # Who belongs to the company itself needs no look at what became of it; who belongs to none neither.
        own = {one["id"] for one in kept.get("companies", ())}
        into = await merged(self._claims, account, filters.company_ids(wanted) - own if own else ())
        query = filters.query(wanted, catalog, shared.Inherited(_carriers(companies), into)) if wanted else {}
        return record.read(kept, catalog) if matches(query, kept) else None

    async def _companies_of(self, person: Document) -> list[Document]:
        ids = [one["id"] for one in person.get("companies", ())]
        found = await self._companies.get_all(ids) if ids else []
        return [one for one in found if one and one["account"] == person["account"]]


async def merged(claims: Claims, account: str, company_ids: Collection[str]) -> dict[str, str]:
    """Return into which company each of these was merged; those that weren't are left out."""
    keys = {Locator("company.id", one).claim(account): one for one in company_ids}
    return {keys[key]: claim.owner for key, claim in (await claims.owners(list(keys))).items()}


def _carriers(companies: list[Document]) -> dict[str, list[str]]:
    """Return which of a person's companies carry a tag: of all others nothing need be known."""
    carriers: dict[str, list[str]] = {}
    for one in companies:
        for tag_id in one.get("tags", ()):
            carriers.setdefault(tag_id, []).append(one["_id"])
    return carriers
