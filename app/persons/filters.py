"""Which persons are wanted: the filter of the contract, and the query that finds them. All pure."""

import re

from app.catalog.filters import Builder, Inherited, Normal, Query, Wanted, compared, exact
from app.catalog.model import PERSON, Catalog
from app.core.text import caseless

STRINGS = {
    "externalId": "externalId",
    "firstName": "firstName",
    "middleName": "middleName",
    "lastName": "lastName",
    "nickname": "nickname",
    "city": "city",
    "country": "country",
    "preferredLanguage": "preferredLanguage",
    "email": "emails.v",
    "phone": "phones.v",
}


def _digits(value: str) -> str:
    return re.sub(r"[^0-9]", "", value)


# Identifiers are compared in their normal form, not by a pattern: that rides on what is stored.
NORMAL: dict[str, Normal] = {"email": caseless, "phone": _digits, "externalId": exact}


def company_ids(wanted: Wanted | None) -> set[str]:
    """Return every company that a filter names, so that those who were merged can be looked up before."""
    if not wanted:
        return set()
    found = {wanted["companyId"]} if wanted.get("companyId") is not None else set()
    parts = (*(wanted.get("and") or []), *(wanted.get("or") or []), wanted.get("not"))
    return found.union(*map(company_ids, parts))


def query(wanted: Wanted, catalog: Catalog, inherited: Inherited) -> Query:
    """Return the query of a filter; refuses one too large or contradictory with BAD_VARIABLES."""
    special = {
        "type": lambda value: [{"type": value}],
        "gender": lambda value: [{"gender": value}],
        "createdFrom": lambda value: [{"createdFrom": value}],
        "companyId": lambda value: [{"companies.id": inherited.into.get(value, value)}],
        "hasPush": lambda value: [{"push": {"$exists": value}}],
        "birthDate": lambda value: [compared("birthDate", value)],
    }
    return Builder(catalog, PERSON, STRINGS, normal=NORMAL, special=special, inherited=inherited).all_of(wanted)
