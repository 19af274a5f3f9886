"""Which claims kept companies hold, and how they are kept: for the check of everything that must agree."""

from collections.abc import Mapping

from app.catalog.model import Catalog
from app.claims.audit import Owners
from app.claims.model import Claim
from app.companies import store
from app.companies.model import claims_of
from app.mongo.engine import Document


def _of_company(kept: Document) -> list[Claim]:
    company = store.read(kept, Catalog(kept["account"]))
    at = company.updated_at
    return [Claim(key, company.account, company.id, company.subject, at) for key in claims_of(company)]


OWNERS: Mapping[str, Owners] = {"com": Owners(store.COLLECTION, _of_company)}
KIND = store.KIND
