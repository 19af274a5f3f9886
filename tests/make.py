"""The one place where tests build things."""

from dataclasses import dataclass
from typing import Any

from app.catalog.checks import Listing
from app.catalog.service import CatalogService
from app.claims.model import Locator
from app.claims.service import Claims
from app.companies.model import Company
from app.core.actor import Actor, Scope
from app.mongo.engine import Engine
from app.persons.model import Person
from app.persons.plan import Link
from app.persons.service import Persons
from app.persons.wish import Given
from app.timeline.service import Timeline

ACTOR = Actor("acc_1", "key_1", frozenset({Scope.ADMIN}))


@dataclass(slots=True)
class House:
    """The services on one store."""

    engine: Engine
    claims: Claims
    catalog: CatalogService
    persons: Persons
    timeline: Timeline

    async def person(self, *emails: str, **also: Any) -> Person:
        """Make a person with emails."""
        return await self.persons.create(ACTOR, given(emails=emails, **also))

    async def link(self, company: Company, *persons: Person) -> None:
        """Make persons members of a company."""
        locators = [Locator("id", one.id) for one in persons]
        await self.persons.link(ACTOR, locators, Link(company.id, company.subject))


def house(engine: Engine) -> House:
    """Put the services on a store."""
    claims = Claims(engine)
    catalog = CatalogService(engine, claims)
    return House(engine, claims, catalog, Persons(engine, claims, catalog), Timeline(engine, catalog))


def given(
    *,
    emails: Any = None,
    phones: Any = None,
    tags: Any = None,
    attributes: Any = None,
    type_: str | None = None,
    **scalars: Any,
) -> Given:
    """Write a create input down: contacts by their texts."""
    return Given(
        type_,
        scalars,
        None if emails is None else Listing([(one, None) for one in emails]),
        None if phones is None else Listing([(one, None) for one in phones]),
        None if tags is None else Listing(list(tags)),
        attributes,
    )


def email(address: str) -> Locator:
    """Name a person by email."""
    return Locator("email", address)
