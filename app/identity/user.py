"""What a login says, checked: who the user is, and what is known of them. All pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog.checks import Checks, Listing
from app.catalog.model import Catalog
from app.changes.model import Path
from app.claims.model import Locator
from app.core import text
from app.core.errors import Refusals, Refused
from app.persons import wish as persons
from app.persons.wish import CONTACTS_MAX, Contact, Wish

# What apps send for an external id that they don't have.
ABSENT = frozenset({"null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Identity:
    """By what the user is known to the app, as it came in."""

    external_id: str | None = None
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """The same with what is known of the user."""

    identity: Identity
    attributes: persons.Given | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Checked: the identity has at least one identifier."""

    identity: Wish
    attributes: Wish

    def places(self) -> Sequence[tuple[Locator, Path]]:
        """Return the identifiers that it names, each with where it stands in the input."""
        given = [(one, ("attributes", *path)) for one, path in self.attributes.places()]
        return [*given, *((one, ("identity", *path)) for one, path in self.identity.places())]

    def named(self) -> Sequence[Locator]:
        """Return the identifiers alone."""
        return [one for one, _ in self.places()]

    def definitions(self) -> Collection[str] | None:
        """Return the ids of the attributes that it sets; None where it has neither attributes nor tags."""
        return self.attributes.definitions()


def identify(given: Identity) -> Wish:
    """Return the checked identity; refuses one that says nobody with USER_IDENTITY_INVALID."""
    checks = Checks()
    wish = Wish()
    name = given.external_id
    if name is not None and name.strip() and name not in ABSENT:
        found = checks.run(text.external_id, name, at=("identity", "externalId"))
        wish.scalars = {"external_id": found} if found else {}
    wish.emails = _contacts(checks, given.emails, "emails", text.email)
    wish.phones = _contacts(checks, given.phones, "phones", text.phone)
    checks.settle()
    if not wish.places():
        words = "A login needs an external id, an email or a phone number."
        raise Refused("USER_IDENTITY_INVALID", words, ("identity",))
    return wish


def _contacts(checks: Checks, given: Sequence[str], name: str, rule: Callable[[str], str]) -> Listing[Contact] | None:
    if len(given) > CONTACTS_MAX:
        refused = Refused("TOO_MANY", f"A person has at most {CONTACTS_MAX} {name}.", ("identity", name))
        checks.refused.append(refused)
        return None
    paths = [(name, str(index)) for index in range(len(given))]
    found = [checks.run(rule, one, at=("identity", *path)) for one, path in zip(given, paths, strict=True)]
    return Listing(None, [Contact(one, None, path) for one, path in zip(found, paths, strict=True) if one is not None])


def check(given: Given, catalog: Catalog) -> User:
    """Return the checked user, or raise Refusals with a code and a path for everything that is wrong."""
    checks = Checks()
    identity = _all(checks, lambda: identify(given.identity)) or Wish()
    attributes = given.attributes or persons.Given()
    if attributes.type is not None:
        checks.refused.append(untyped().under("attributes"))
    said = identity.scalars.get("external_id")
    if said and attributes.scalars.get("external_id") not in (None, said):
        words = "This is another external id than that of the identity."
        checks.refused.append(Refused("INVALID", words, ("attributes", "externalId")))
    wish = _all(checks, lambda: persons.check(attributes, catalog), "attributes") or Wish()
    checks.settle()
    return User(identity, wish)


def untyped() -> Refused:
    """Return the refusal of a type: an app never says it."""
    return Refused("TYPE_NOT_ALLOWED", "An app never says whether its user is a customer.", ("type",))


def _all(checks: Checks, check: Callable[[], Any], *at: str) -> Any:
    """Return what `check` returns, or note all that it refuses under `at` and return None."""
    try:
        return check()
    except Refused as refusal:
        checks.refused.append(refusal.under(*at))
    except Refusals as refusals:
        checks.refused += [one.under(*at) for one in refusals.refusals]
    return None
