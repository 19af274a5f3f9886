"""How companies are kept: one document each; names, domains and external ids also as claims."""

from app.catalog.model import Catalog
from app.companies.model import Company
from app.core import text
from app.mongo.engine import Document, Sort

COLLECTION = "companies"
BY_CREATION: Sort = (("account", 1), ("createdAt", 1), ("_id", 1))
BY_UPDATE: Sort = (("account", 1), ("updatedAt", 1), ("_id", 1))
BY_NAME: Sort = (("account", 1), ("sort", 1), ("_id", 1))
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


def document(company: Company) -> Document:
    """Return a company as it is kept; what is empty is left out."""
    kept: Document = {
        "_id": company.id,
        "account": company.account,
        "name": company.name,
        "sort": text.fold(company.name),
        "words": text.words(company.name, *company.domains),
        "subject": company.subject,
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
    lists = {"domains": company.domains, "tags": company.tag_ids, "a": company.values}
    kept.update({name: value for name, value in lists.items() if value})
    return kept


def read(kept: Document, catalog: Catalog) -> Company:
    """Return the company of a document."""
    company = Company(
        kept["_id"],
        kept["account"],
        catalog,
        kept["name"],
        kept["subject"],
        kept["createdAt"],
        kept["updatedAt"],
        kept["createdFrom"],
        kept["modifiedFrom"],
        kept["version"],
        domains=kept.get("domains", []),
        tag_ids=kept.get("tags", []),
        values=kept.get("a", {}),
    )
    for attribute, name in FIELDS.items():
        if name in kept:
            setattr(company, attribute, kept[name])
    return company
