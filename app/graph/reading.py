"""Inputs to what the services take: names of the contract become ours, nothing is judged here but the form."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog.checks import Listing
from app.catalog.lists import By
from app.catalog.model import AttributeDefinition, EventDefinition, EventField, ItemField
from app.changes.requests import Once
from app.claims.model import Locator, compound
from app.companies import wish as company_wish
from app.core import clock, ids, text
from app.core.errors import Fault, Refused
from app.graph.declare import Input
from app.persons import wish as person_wish
from app.persons.track import Tracked
from app.timeline.admit import Sent
from app.timeline.model import TimelineFilter

_PERSON_SCALARS = {name: attribute for attribute, (name, _) in person_wish.RULES.items()}
_COMPANY_SCALARS = {name: attribute for attribute, (name, _) in company_wish.RULES.items()}
_NORMAL = {"email": text.email, "phone": text.phone}
_COMPOUND = {
    "push": ("applicationId", "registrationId"),
    "channel": ("channel", "sender", "userId"),
    "crm": ("system", "object", "recordId"),
}


def locator(by: Input, *at: str) -> Locator:
    """Return whom is meant; refuses what can't be an identifier, with its path under `at`."""
    ((kind, value),) = by.items()
    if kind in _COMPOUND:
        return Locator(kind, compound(*(value[name] for name in _COMPOUND[kind])))
    if kind not in _NORMAL:
        return Locator(kind, value)
    try:
        return Locator(kind, _NORMAL[kind](value))
    except Refused as refusal:
        raise refusal.under(*at, kind) from refusal


def identifier(by: Input) -> Locator:
    """Return what a visitor is said to be known by; refuses junk that would be the same for many persons."""
    ((kind, value),) = by.items()
    if kind != "externalId":
        return locator(by)
    try:
        return Locator(kind, text.external_id(value))
    except Refused as refusal:
        raise refusal.under(kind) from refusal


def known(by: Input) -> Locator | None:
    """Return whom is meant, None for an identifier that nobody can have."""
    try:
        return locator(by)
    except Refused:
        return None


def once(account: str, key: str | None, operation: str, **given: Any) -> Once | None:
    """Return what makes a call happen once, None where it has no key; refuses a key that is none."""
    return None if key is None else Once.of(account, key, operation, given)


def too_many(limit: int, noun: str) -> Fault:
    """Return the fault of a query that names too many."""
    return Fault("BAD_VARIABLES", f"A call names at most {limit:,} {noun}.", status=400)


def order(given: Input | None) -> By:
    """Return a PersonOrder or CompanyOrder."""
    given = given or {}
    return By(given.get("by", "CREATED_AT"), given.get("direction", "DESC") == "DESC", given.get("customAttribute"))


def company(by: Input) -> tuple[str, str]:
    """Return by what a company is meant, and the value."""
    ((kind, value),) = by.items()
    return kind, value


def locators(given: Sequence[Input], *at: str) -> list[Locator]:
    """Return all of them."""
    return [locator(by, *at, str(index)) for index, by in enumerate(given)]


def new_person(given: Input) -> person_wish.Given:
    """Return a CreatePersonInput: contacts and tags stand in their lists."""
    return person_wish.Given(
        given.get("type"),
        _scalars(given, _PERSON_SCALARS),
        _all(_contacts(given.get("emails"), "address")),
        _all(_contacts(given.get("phones"), "number")),
        _all(given.get("tags")),
        given.get("customAttributes"),
    )


def changed_person(given: Input) -> person_wish.Given:
    """Return an UpdatePersonInput: contacts and tags stand under `set`, `add` and `remove`; null takes all off."""
    if "type" in given and given["type"] is None:
        raise Refused("REQUIRED", "A person has a type.", ("type",))
    return person_wish.Given(
        given.get("type"),
        _scalars(given, _PERSON_SCALARS),
        _changes(given, "emails", "address"),
        _changes(given, "phones", "number"),
        _changes(given, "tags"),
        _attributes(given),
        nested=True,
    )


def new_company(given: Input) -> company_wish.Given:
    """Return a CreateCompanyInput."""
    scalars = _scalars(given, _COMPANY_SCALARS)
    return company_wish.Given(
        scalars, _all(given.get("domains")), _all(given.get("tags")), given.get("customAttributes")
    )


def changed_company(given: Input) -> company_wish.Given:
    """Return an UpdateCompanyInput."""
    scalars = _scalars(given, _COMPANY_SCALARS)
    domains, tags = _changes(given, "domains"), _changes(given, "tags")
    return company_wish.Given(scalars, domains, tags, _attributes(given), nested=True)


def _scalars(given: Input, names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in given.items() if name in names}


def _attributes(given: Input) -> Any:
    if "customAttributes" in given and given["customAttributes"] is None:
        raise Refused("INVALID", "Clear attributes one by one, by the value null.", ("customAttributes",))
    return given.get("customAttributes")


def _contacts(given: Sequence[Input] | None, leaf: str) -> list[tuple[str, bool | None]] | None:
    return None if given is None else [(one[leaf], one.get("primary")) for one in given]


def _all(given: list[Any] | None) -> Listing[Any] | None:
    return None if given is None else Listing(given)


def _changes(given: Input, name: str, leaf: str | None = None) -> Listing[Any] | None:
    if name not in given:
        return None
    changes = given[name]
    if changes is None:
        return Listing([])
    replaced, added = changes.get("set"), changes.get("add")
    if leaf:
        replaced, added = _contacts(replaced, leaf), _contacts(added, leaf)
    return Listing(replaced, added or [], changes.get("remove") or [])


def events(given: Input | None) -> TimelineFilter:
    """Return a TimelineFilter."""
    given = given or {}
    return TimelineFilter(
        _tuple(given.get("types")),
        _tuple(given.get("notTypes")),
        _tuple(given.get("sources")),
        given.get("from"),
        given.get("to"),
        given.get("sessionId"),
    )


def _tuple(given: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def sent(given: Input) -> Tracked:
    """Return an EventInput."""
    return Tracked(
        locator(given["person"], "person"),
        Sent(
            given["type"],
            given.get("eventId"),
            given.get("occurredAt"),
            given.get("sessionId"),
            given.get("properties"),
        ),
        given["createPerson"],
    )


def attribute(given: Input) -> AttributeDefinition:
    """Return a DefineAttributeInput."""
    fields = tuple(ItemField(one["name"], one["type"]) for one in given.get("itemFields") or ())
    now = clock.now()
    return AttributeDefinition(
        ids.new("att", now),
        given["target"],
        given["name"].strip(),
        given["type"],
        now,
        given.get("description"),
        fields,
    )


def event_definition(given: Input) -> EventDefinition:
    """Return a DefineEventInput."""
    fields = _fields(given["fields"])
    return EventDefinition(given["id"], given["title"], clock.now(), given.get("description"), fields=fields)


def _fields(given: Sequence[Input] | None) -> tuple[EventField, ...]:
    return tuple(EventField(one["name"], one["type"], _fields(one.get("itemFields"))) for one in given or ())
