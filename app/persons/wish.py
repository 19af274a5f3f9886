"""What a caller wants of a person, checked: every rule that needs no other profile. All pure."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from app.catalog import values
from app.catalog.checks import Checks, Listing, attributes, lone, tags
from app.catalog.model import PERSON, Catalog
from app.claims.model import Locator
from app.core import clock, text
from app.core.errors import Refused

CONTACTS_MAX = 100
URL_MAX = 2083
BORN_SINCE = "1900-01-01"
TIME_ZONES = frozenset(available_timezones())
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z]{2})?", re.IGNORECASE)


@dataclass(slots=True)
class Contact:
    """An email or phone in normal form; `primary` None: as the rules say; `path` where it stands in the input."""

    value: str
    primary: bool | None
    path: tuple[str, ...]


@dataclass(slots=True)
class Wish:
    """Checked wishes. A scalar that is absent stays as it is; None clears it. Attributes are by id, as kept."""

    type: str | None = None
    scalars: dict[str, Any] = field(default_factory=dict)
    emails: Listing[Contact] | None = None
    phones: Listing[Contact] | None = None
    tags: Listing[str] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    _places: list[tuple[Locator, tuple[str, ...]]] | None = field(default=None, init=False, compare=False)

    def contacts(self) -> list[tuple[str, Contact]]:
        """Return the emails, then the phones that it names, each with the kind of its claim."""
        found: list[tuple[str, Contact]] = []
        for kind, listing in (("email", self.emails), ("phone", self.phones)):
            if listing:
                found += [(kind, one) for one in (*(listing.replace or ()), *listing.add)]
        return found

    def places(self) -> list[tuple[Locator, tuple[str, ...]]]:
        """Return what it names, see `_named`; worked out once, for a wish that is checked changes no more."""
        if self._places is None:
            self._places = self._named()
        return self._places

    def _named(self) -> list[tuple[Locator, tuple[str, ...]]]:
        """Return all identifiers that it names, each with where it stands: the external id, then the contacts."""
        external_id = self.scalars.get("external_id")
        found = [(Locator("externalId", external_id), ("externalId",))] if external_id else []
        return found + [(Locator(kind, one.value), one.path) for kind, one in self.contacts()]

    def definitions(self) -> Collection[str] | None:
        """Return the ids of the attributes that it sets; None where it has neither attributes nor tags."""
        return self.attributes if self.attributes or self.tags is not None else None

    def named(self) -> list[Locator]:
        """Return all identifiers that it names."""
        return [locator for locator, _ in self.places()]


@dataclass(slots=True)
class Given:
    """The same as it came in: scalars by attribute name, contacts as (text, primary), attributes by their names."""

    type: str | None = None
    scalars: dict[str, Any] = field(default_factory=dict)
    emails: Listing[tuple[str, bool | None]] | None = None
    phones: Listing[tuple[str, bool | None]] | None = None
    tags: Listing[str] | None = None
    attributes: Any = None
    # Whether contacts stand under `set`, `add` and `remove` in the input, or in the list itself.
    nested: bool = False


def _name(limit: int) -> Callable[[str], str]:
    short = text.short_line(limit)

    def check(value: str) -> str:
        found = text.composed(value)
        text.refuse_forbidden(found)
        return short(found)

    return check


def _birth_date(value: str) -> str:
    day = values.kept("DATE", value, wrong="INVALID")
    if value < BORN_SINCE or day > clock.now():
        raise Refused("INVALID", f"A birth date lies between {BORN_SINCE} and today.")
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise Refused("INVALID", "A language is written like en or en-GB.")
    language, _, region = value.replace("_", "-").partition("-")
    return f"{language.lower()}-{region.upper()}" if region else language.lower()


def _time_zone(value: str) -> str:
    if value not in TIME_ZONES:
        raise Refused("INVALID", "A time zone is written like Europe/Vienna.")
    return value


def _url(value: str) -> str:
    text.short(URL_MAX)(value)
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise Refused("INVALID", "This is not a URL.") from error
    if parts.scheme not in ("http", "https") or not parts.netloc or any(char.isspace() for char in value):
        raise Refused("INVALID", "A picture is given by its http or https URL.")
    return value


# Attribute → its name in inputs and its check.
RULES: dict[str, tuple[str, Callable[[str], str]]] = {
    "external_id": ("externalId", text.external_id),
    "first_name": ("firstName", _name(255)),
    "middle_name": ("middleName", _name(50)),
    "last_name": ("lastName", _name(255)),
    "nickname": ("nickname", _name(50)),
    "gender": ("gender", str),
    "birth_date": ("birthDate", _birth_date),
    "address": ("address", text.short(256)),
    # A cell of a file may have line breaks in it.
    "city": ("city", text.short(50)),
    "country": ("country", text.short_line(50)),
    "preferred_language": ("preferredLanguage", _language),
    "time_zone": ("timeZone", _time_zone),
    "profile_picture": ("profilePicture", _url),
}


# Names: their forbidden characters are an error of whoever typed them, and to a channel no reason to lose a lead.
NAMES = ("first_name", "middle_name", "last_name", "nickname")
# So are line breaks in these.
LINES = ("country",)


def as_told(attribute: str, value: str) -> str:
    """Return a text that a channel gives without what its field can't have."""
    if attribute in NAMES:
        return text.cleaned(value)
    return text.flat(value) if attribute in LINES else value


def cleaned(given: Given) -> Given:
    """Return the same with texts that fit their fields; of nothing but forbidden characters nothing is left."""
    scalars = {name: as_told(name, value) if value else value for name, value in given.scalars.items()}
    return replace(given, scalars={name: one for name, one in scalars.items() if one or not given.scalars[name]})


def check(given: Given, catalog: Catalog) -> Wish:
    """Return the checked wish, or raise Refusals with a code and a path for everything that is wrong."""
    checks = Checks()
    wish = Wish(type=given.type)
    for attribute, value in given.scalars.items():
        name, rule = RULES[attribute]
        blank = value is None or (attribute != "external_id" and not value)
        wish.scalars[attribute] = None if blank else checks.run(rule, value, at=(name,))
    wish.emails = _contacts(checks, given.emails, "emails", "address", text.email, nested=given.nested)
    wish.phones = _contacts(checks, given.phones, "phones", "number", text.phone, nested=given.nested)
    wish.tags = tags(checks, given.tags, nested=given.nested)
    wish.attributes = attributes(checks, given.attributes, PERSON, catalog)
    checks.settle()
    return wish


def _contacts(
    checks: Checks,
    given: Listing[tuple[str, bool | None]] | None,
    name: str,
    leaf: str,
    rule: Callable[[str], str],
    *,
    nested: bool,
) -> Listing[Contact] | None:
    if given is None:
        return None
    lone(checks, given, name)

    def all_of(part: str, items: list[tuple[str, bool | None]]) -> list[Contact]:
        if not items:
            return []
        at = (name, part) if nested else (name,)
        if len(items) > CONTACTS_MAX:
            checks.refused.append(Refused("TOO_MANY", f"A person has at most {CONTACTS_MAX} {name}.", at))
            return []
        if [primary for _, primary in items].count(True) > 1:
            checks.refused.append(Refused("INVALID", "Only one can be primary.", at))
        found = []
        for i, (value, primary) in enumerate(items):
            path = (*at, str(i), leaf)
            normal = checks.run(rule, value, at=path)
            if normal is not None:
                found.append(Contact(normal, primary, path))
        return found

    gone = [checks.run(rule, value, at=(name, "remove", str(i))) for i, value in enumerate(given.remove)]
    replace = None if given.replace is None else all_of("set", given.replace)
    return Listing(replace, all_of("add", given.add), gone)
