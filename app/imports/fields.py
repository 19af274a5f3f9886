"""The fields that a column can become: those of the API's own inputs, with the kind of their cells. All pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.catalog.checks import tag_name
from app.catalog.model import COMPANY, PERSON
from app.companies import wish as company
from app.core import text
from app.persons import wish as person

_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "ß": "ss"})
# Before the name of a custom attribute.
CUSTOM = "customAttributes."
# Kinds of cells beside the types of custom attributes; all but the gender hold several values.
GENDER, EMAIL, PHONE, TAGS, DOMAINS = "GENDER", "EMAIL", "PHONE", "TAGS", "DOMAINS"
# At least one of these is mapped: without it no row could find or make anything.
IDENTIFIERS = {PERSON: ("email", "phone", "externalId"), COMPANY: ("name", "domains", "externalId")}


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name in the API: the kind of its cells, its place in what is given, the API's own check."""

    name: str
    kind: str
    place: str
    check: Callable[[Any], Any]
    several: bool = False


def _scalars(rules: dict[str, tuple[str, Callable[[str], str]]], kinds: dict[str, str]) -> dict[str, Field]:
    return {name: Field(name, kinds.get(name, "STRING"), place, rule) for place, (name, rule) in rules.items()}


_TAGS = Field("tags", TAGS, "tags", tag_name, several=True)
FIELDS: dict[str, dict[str, Field]] = {
    PERSON: {
        **_scalars(person.RULES, {"gender": GENDER, "birthDate": "DATE"}),
        "email": Field("email", EMAIL, "emails", text.email, several=True),
        "phone": Field("phone", PHONE, "phones", text.phone, several=True),
        "tags": _TAGS,
    },
    COMPANY: {
        **_scalars(company.RULES, {}),
        "domains": Field("domains", DOMAINS, "domains", company.domain, several=True),
        "tags": _TAGS,
    },
}


def letters(value: str) -> str:
    """Return a text without case and accents, in letters that have none of their own."""
    return text.fold(value).translate(_LETTERS)


def folded(header: str) -> str:
    """Return a header as it is compared: letters and digits alone, without case and accents."""
    return "".join(filter(str.isalnum, letters(header)))
