"""What a caller wants of a company, checked: every rule that needs no other profile. All pure."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from app.catalog.checks import Checks, Listing, attributes, lone, tags
from app.catalog.model import COMPANY, Catalog
from app.claims.model import Locator
from app.companies.model import domain_key
from app.core import text
from app.core.errors import Refused

NAME_MAX = 255
DOMAINS_MAX = 100
DOMAIN_MAX = 253
_DOMAIN = re.compile(r"[\w](?:[\w-]*[\w])?(?:\.[\w](?:[\w-]*[\w])?)+")


@dataclass(slots=True)
class Given:
    """A company as it came in: scalars by attribute name; `nested` where lists stand under `set` and `add`."""

    scalars: dict[str, Any] = field(default_factory=dict)
    domains: Listing[str] | None = None
    tags: Listing[str] | None = None
    attributes: Any = None
    nested: bool = False


@dataclass(slots=True)
class Wish:
    """Checked wishes; an absent scalar stays, None clears; attributes by id, as kept."""

    scalars: dict[str, Any]
    domains: Listing[str] | None
    tags: Listing[str] | None
    attributes: dict[str, Any]
    nested: bool = False
    _places: list[tuple[Locator, tuple[str, ...]]] | None = field(default=None, init=False, compare=False)

    def places(self) -> list[tuple[Locator, tuple[str, ...]]]:
        """Return what it names, see `_named`; worked out once, for a wish that is checked changes no more."""
        if self._places is None:
            self._places = self._named()
        return self._places

    def _named(self) -> list[tuple[Locator, tuple[str, ...]]]:
        """Return all identifiers that it names, each with where it stands: external id, name, domains."""
        external_id, name = self.scalars.get("external_id"), self.scalars.get("name")
        found: list[tuple[Locator, tuple[str, ...]]] = []
        found += [(Locator("company.externalId", external_id), ("externalId",))] if external_id else []
        found += [(Locator("company.name", text.caseless(name)), ("name",))] if name else []
        parts = (("set", self.domains.replace or []), ("add", self.domains.add)) if self.domains else ()
        for part, given in parts:
            at = ("domains", part) if self.nested else ("domains",)
            found += [(Locator("company.domain", one), (*at, str(index))) for index, one in enumerate(given)]
        return found

    def definitions(self) -> Collection[str] | None:
        """Return the ids of the attributes that it sets; None where it has neither attributes nor tags."""
        return self.attributes if self.attributes or self.tags is not None else None

    def named(self) -> list[Locator]:
        """Return all identifiers that it names."""
        return [locator for locator, _ in self.places()]


def _name(value: str) -> str:
    return text.short_line(NAME_MAX)(value.strip())


# Attribute → its name in inputs and its check.
RULES: dict[str, tuple[str, Callable[[str], str]]] = {
    "name": ("name", _name),
    "external_id": ("externalId", text.external_id),
    "country": ("country", text.short_line(50)),
    "region": ("region", text.short_line(255)),
    "segment": ("segment", text.short_line(255)),
    "industry": ("industry", text.short_line(255)),
    "customer_stage": ("customerStage", text.short_line(255)),
    "account_manager": ("accountManager", text.short_line(255)),
    "vat_number": ("vatNumber", text.short_line(50)),
    "notes": ("notes", text.short(1023)),
}


def domain(value: str) -> str:
    """Return the domain trimmed, in lower case, without a dot at its end; refuses what is none."""
    normal = domain_key(value)
    if len(normal) > DOMAIN_MAX or not _DOMAIN.fullmatch(normal):
        raise Refused("INVALID", "A domain is written like example.com.")
    return normal


def check(given: Given, catalog: Catalog) -> Wish:
    """Return the checked wish, or raise Refusals for everything that is wrong."""
    checks = Checks()
    scalars: dict[str, Any] = {}
    for attribute, value in given.scalars.items():
        name, rule = RULES[attribute]
        if attribute == "name" and not (value or "").strip():
            checks.refused.append(Refused("REQUIRED", "A company has a name.", ("name",)))
        blank = value is None or (attribute != "external_id" and not value)
        scalars[attribute] = None if blank else checks.run(rule, value, at=(name,))
    wish = Wish(
        scalars,
        _domains(checks, given),
        tags(checks, given.tags, nested=given.nested),
        attributes(checks, given.attributes, COMPANY, catalog),
        given.nested,
    )
    checks.settle()
    return wish


def _domains(checks: Checks, given: Given) -> Listing[str] | None:
    if given.domains is None:
        return None
    lone(checks, given.domains, "domains")

    def all_of(part: str, values: list[str]) -> list[str]:
        at = ("domains", part) if given.nested else ("domains",)
        if len(values) > DOMAINS_MAX:
            checks.refused.append(Refused("TOO_MANY", f"A company has at most {DOMAINS_MAX} domains.", at))
            return []
        return [checks.run(domain, value, at=(*at, str(index))) for index, value in enumerate(values)]

    replace = None if given.domains.replace is None else all_of("set", given.domains.replace)
    gone = [domain_key(value) for value in given.domains.remove]
    return Listing(replace, all_of("add", given.domains.add), gone)
