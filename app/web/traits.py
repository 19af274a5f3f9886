"""What a browser says of a person, read: traits of the protocol in, identifiers and a wish out. All pure.

A trait that can't be kept is dropped and nothing is said: pages send whatever their forms hold, and an answer that told
which trait was refused would tell of the person. Forbidden characters are taken out of names.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from app.catalog import values
from app.catalog.checks import Listing
from app.catalog.model import PERSON, Catalog
from app.claims.model import Locator
from app.core import text
from app.core.errors import Refused
from app.identity.installation import Registration
from app.persons.wish import CONTACTS_MAX, LINES, NAMES, RULES, Given

_UNFIT = re.compile(f"[{re.escape(text.FORBIDDEN_IN_NAMES)}{text.CONTROL_OR_BREAK}]")
_DAY_CHARACTERS = 10
# Trait → attribute; of two that mean the same the earlier one here counts.
SCALARS = {
    "firstName": "first_name",
    "first_name": "first_name",
    "middleName": "middle_name",
    "middle_name": "middle_name",
    "lastName": "last_name",
    "last_name": "last_name",
    "nickname": "nickname",
    "gender": "gender",
    "birthDate": "birth_date",
    "birthday": "birth_date",
    "address": "address",
    "city": "city",
    "country": "country",
    "preferredLanguage": "preferred_language",
    "language": "preferred_language",
    "timeZone": "time_zone",
    "profilePicture": "profile_picture",
    "avatar": "profile_picture",
}
# Parts of an `address` that is an object.
ADDRESS = {"street": "address", "city": "city", "country": "country"}
# Never taken from a browser, or read elsewhere; everything else may name a custom attribute.
_APART = frozenset(
    {*SCALARS, "id", "type", "tags", "crm", "crmLinks", "integrations", "externalId", "email", "phone"}
    | {"emails", "phones", "push", "contactInformation", "customAttributes"}
)


def identity(traits: Mapping[str, Any], user_id: str | None) -> tuple[tuple[Locator, ...], bool]:
    """Return the identifiers of a message, and whether any was named, be it one that is none.

    They are the `userId` (or the trait `externalId`), the traits `email` and `phone`, and the installation in `push`.
    """
    found: list[Locator] = []
    named = False
    for kind, given in (("externalId", user_id or traits.get("externalId")), *((k, traits.get(k)) for k in _CONTACTS)):
        value = plain(given)
        if value is None:
            continue
        named = True
        found += locator(kind, value)
    installation = _installation(traits.get("push"))
    return (*found, *installation), named or bool(installation)


def _installation(given: Any) -> tuple[Locator, ...]:
    """Return the installation of an app that the same person holds, where both its ids are told."""
    if not isinstance(given, Mapping):
        return ()
    ids = given.get("applicationId"), given.get("registrationId")
    told = [one for one in ids if isinstance(one, str) and one and "\0" not in one]
    return (Registration(*told).locator,) if len(told) == len(ids) else ()


def locator(kind: str, value: str) -> Iterator[Locator]:
    """Give the identifier in its normal form; nothing where it is none."""
    try:
        yield Locator(kind, _IDENTIFIERS[kind](value))
    except Refused:
        return


def wish(traits: Mapping[str, Any], catalog: Catalog) -> Given:
    """Return what is said of a person; every part of it passes the checks of persons.

    Null clears a field, an empty text says nothing. Contacts under `contactInformation` are added.
    """
    given = Given(nested=True)
    for trait, attribute in SCALARS.items():
        if trait in traits and not isinstance(traits[trait], Mapping):
            _scalar(given, attribute, traits[trait])
    if isinstance(address := traits.get("address"), Mapping):
        for part, attribute in ADDRESS.items():
            if part in address:
                _scalar(given, attribute, address[part])
    contacts = traits.get("contactInformation")
    if isinstance(contacts, Mapping):
        given.emails = _contacts(contacts.get("email"), "address", text.email)
        given.phones = _contacts(contacts.get("phone"), "number", text.phone)
    given.attributes = _attributes(traits, catalog) or None
    return given


def says(given: Given) -> bool:
    """Tell whether there is anything in it."""
    return bool(given.scalars or given.attributes or given.emails or given.phones)


def plain(value: Any) -> str | None:
    """Return an id as text, where it is a text that isn't empty or a whole number: server libraries send both."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def _scalar(given: Given, attribute: str, value: Any) -> None:
    if attribute in given.scalars:
        return
    if value is None:
        given.scalars[attribute] = None
    elif isinstance(value, str) and (kept := _kept(attribute, value)):
        given.scalars[attribute] = kept


def _kept(attribute: str, value: str) -> str | None:
    """Return a text as the rule of its attribute has it, None where the rule refuses it."""
    if attribute in NAMES:
        value = " ".join(_UNFIT.sub(" ", text.composed(value)).split())
    elif attribute in LINES:
        value = text.flat(value)
    elif attribute == "birth_date":
        value = value[:_DAY_CHARACTERS] if value[_DAY_CHARACTERS : _DAY_CHARACTERS + 1] == "T" else value
    elif attribute == "gender":
        return value.upper() if value.upper() in ("MALE", "FEMALE") else None
    try:
        return RULES[attribute][1](value)
    except Refused:
        return None


def _contacts(items: Any, leaf: str, rule: Callable[[str], str]) -> Listing[tuple[str, bool | None]] | None:
    """Return those contacts of a list that are some, as texts or as objects; each once."""
    if not isinstance(items, list):
        return None
    named: Iterable[Any] = (one.get(leaf) if isinstance(one, Mapping) else one for one in items[:CONTACTS_MAX])
    found: dict[str, None] = {}
    for one in named:
        try:
            found |= {rule(one): None} if isinstance(one, str) else {}
        except Refused:
            continue
    return Listing(None, [(one, None) for one in found]) if found else None


def _attributes(traits: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return the custom attributes that are defined and fit, by the names of their definitions."""
    own = traits.get("customAttributes")
    pairs = list(own.items()) if isinstance(own, Mapping) else []
    pairs += [(name, value) for name, value in traits.items() if name not in _APART]
    found: dict[str, Any] = {}
    for name, value in pairs:
        definition = catalog.attribute(PERSON, name)
        if definition is None or definition.name in found:
            continue
        try:
            if value is not None:
                values.attribute(definition, value)
        except Refused:
            continue
        found[definition.name] = value
    return found


_CONTACTS = ("email", "phone")
_IDENTIFIERS: dict[str, Callable[[str], str]] = {
    "externalId": text.external_id,
    "email": text.email,
    "phone": text.phone,
}
