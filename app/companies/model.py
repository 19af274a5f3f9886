"""What a company is. The attributes bear the names of the contract in snake case."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.catalog.model import COMPANY, Catalog
from app.catalog.values import present
from app.claims.model import key
from app.core.text import caseless


@dataclass(slots=True)
class Company:
    """One company; `subject` is its line of activity. Lists are never changed in place."""

    id: str
    account: str
    catalog: Catalog
    name: str
    subject: str
    created_at: datetime
    updated_at: datetime
    created_from: str
    modified_from: str
    version: int = 1
    external_id: str | None = None
    domains: list[str] = field(default_factory=list)
    country: str | None = None
    region: str | None = None
    segment: str | None = None
    industry: str | None = None
    customer_stage: str | None = None
    account_manager: str | None = None
    vat_number: str | None = None
    notes: str | None = None
    tag_ids: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        """The names of the company's tags."""
        return self.catalog.tag_names(self.tag_ids)

    @property
    def custom_attributes(self) -> dict[str, Any]:
        """Values by attribute name."""
        known = self.catalog.attributes
        return {known[i].name: present(known[i], value) for i, value in self.values.items() if i in known}

    def attribute(self, name: str) -> Any:
        """Return the value of one attribute, None where it is unset or unknown."""
        definition = self.catalog.attribute(COMPANY, name)
        value = self.values.get(definition.id) if definition else None
        return present(definition, value) if definition and value is not None else None


def claim_key(account: str, kind: str, value: str) -> str:
    """Return the key of a company's claim; `kind` is externalId, name or domain."""
    normal = value if kind == "externalId" else caseless(value)
    return key(account, f"company.{kind}", normal)


def claims_of(company: Company) -> dict[str, tuple[str, ...]]:
    """Return the claims a company holds, each with where it stands in an input."""
    held: dict[str, tuple[str, ...]] = {claim_key(company.account, "name", company.name): ("name",)}
    if company.external_id:
        held[claim_key(company.account, "externalId", company.external_id)] = ("externalId",)
    for index, domain in enumerate(company.domains):
        held[claim_key(company.account, "domain", domain)] = ("domains", str(index))
    return held
