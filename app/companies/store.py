"""How companies are kept: one document each; names, domains and external ids also as claims."""

from app.catalog.filters import merged_word
from app.catalog.model import Catalog
from app.catalog.values import fields, tokens
from app.changes.model import ACTIVE, Kind
from app.companies.model import Company, claims_of
from app.companies.plan import TAKEN
from app.companies.spread import spread
from app.core import text
from app.mongo.engine import Document, Sort

COLLECTION = "companies"
BY_CREATION: Sort = (("account", 1), ("createdAt", 1), ("_id", 1))
BY_UPDATE: Sort = (("account", 1), ("updatedAt", 1), ("_id", 1))
BY_NAME: Sort = (("account", 1), ("sort", 1), ("_id", 1))
BY_TAG: Sort = (("account", 1), ("tags", 1), ("createdAt", 1), ("_id", 1))
BY_WORD: Sort = (("account", 1), ("words", 1), ("_id", 1))
FIELDS = {
    "external_id": "externalId",
    "country": "country",
    "region": "region",
    "segment": "segment",
    "industry": "industry",
    "customer_stage": "customerStage",
    "account_manager": "accountManager",
    "vat_number": "vatNumber",
    "notes": "notes",
}


def document(company: Company) -> Document | None:
    """Return a company as it is kept, None for one that is gone; what is empty is left out."""
    if company.state != ACTIVE:
        return None
    kept: Document = {
        "_id": company.id,
        "account": company.account,
        "name": company.name,
        "sort": text.fold(company.name),
        "words": _words(company),
        "subjects": company.subjects,
        "createdAt": company.created_at,
        "updatedAt": company.updated_at,
        "createdFrom": company.created_from,
        "modifiedFrom": company.modified_from,
        "version": company.version,
    }
    for attribute, name in FIELDS.items():
        value = getattr(company, attribute)
        if value is not None:
            kept[name] = value
    scalars, lists = fields(company.values)
    many = {"domains": company.domains, "tags": company.tag_ids, "a": scalars, "l": lists}
    many["mergedIds"] = company.merged_ids
    kept.update({name: value for name, value in many.items() if value})
    return kept


def _words(company: Company) -> list[str]:
    found = text.words(company.name, *company.domains)
    # Whole as well: a filter that a domain or a text attribute equals something rides the index of the words.
    merged = map(merged_word, company.merged_ids)
    return [*dict.fromkeys([*found, *company.domains, *tokens(company.values), *merged])]


def read(kept: Document, catalog: Catalog) -> Company:
    """Return the company of a document."""
    company = Company(
        kept["_id"],
        kept["account"],
        catalog,
        kept["name"],
        kept["subjects"],
        kept["createdAt"],
        kept["updatedAt"],
        kept["createdFrom"],
        kept["modifiedFrom"],
        kept["version"],
        domains=kept.get("domains", []),
        tag_ids=kept.get("tags", []),
        values={**kept.get("a", {}), **kept.get("l", {})},
        merged_ids=kept.get("mergedIds", []),
    )
    for attribute, name in FIELDS.items():
        if name in kept:
            setattr(company, attribute, kept[name])
    return company


KIND: Kind[Company] = Kind(
    COLLECTION, "company", "COMPANY_NOT_FOUND", read, document, claims_of, TAKEN, "companyDeleted", spread=spread
)
