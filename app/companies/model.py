"""What a company is. The attributes bear the names of the contract in snake case."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.catalog.model import COMPANY, Catalog
from app.catalog.values import named, present
from app.changes.model import ACTIVE
from app.claims.model import Locator, key
from app.core.text import caseless


@dataclass(slots=True)
class Company:
    """One company; `subjects` are its lines of activity, its own one first. Lists are never changed in place."""

    id: str
    account: str
    catalog: Catalog
    name: str
    subjects: list[str]
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
    merged_ids: list[str] = field(default_factory=list)
    state: str = ACTIVE
    into: str | None = None
    as_of: datetime | None = None

    @property
    def subject(self) -> str:
        """The company's own line of activity."""
        return self.subjects[0]

    @property
    def tags(self) -> list[str]:
        """The names of the company's tags."""
        return self.catalog.tag_names(self.tag_ids)

    @property
    def custom_attributes(self) -> dict[str, Any]:
        """Values by attribute name."""
        return named(self.catalog, self.values)

    def attribute(self, name: str) -> Any:
        """Return the value of one attribute, None where it is unset or unknown."""
        definition = self.catalog.attribute(COMPANY, name)
        value = self.values.get(definition.id) if definition else None
        return present(definition, value) if definition and value is not None else None


def domain_key(value: str) -> str:
    """Return a domain as it is compared: trimmed, in lower case, without a dot at its end."""
    return caseless(value).rstrip(".")


def sought(kind: str, value: str) -> tuple[Locator, ...]:
    """Return what to look for where a company is meant by `kind`: id, externalId, name or domain."""
    if kind == "id":
        return Locator("id", value), Locator("company.id", value)
    normal = {"name": caseless, "domain": domain_key}.get(kind, str.strip)
    return (Locator(f"company.{kind}", normal(value)),)


def claims_of(company: Company) -> dict[str, tuple[str, ...]]:
    """Return the claims a company holds, each with where it stands in an input; none where it is gone.

    An id that was merged into it is claimed as well: so it finds the survivor.
    """
    account = company.account
    held: dict[str, tuple[str, ...]] = {}
    if company.state != ACTIVE:
        return held
    held[key(account, "company.name", caseless(company.name))] = ("name",)
    if company.external_id:
        held[key(account, "company.externalId", company.external_id)] = ("externalId",)
    for index, domain in enumerate(company.domains):
        held[key(account, "company.domain", domain)] = ("domains", str(index))
    for merged in company.merged_ids:
        held[key(account, "company.id", merged)] = ("companies",)
    return held
