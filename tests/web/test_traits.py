"""What is said of a person and of a page: tables of which traits are taken, and how."""

from typing import Any

import pytest

from app.catalog.checks import Listing
from app.catalog.standard import STANDARD
from app.claims.model import Locator, compound
from app.persons.wish import Given, check
from app.web.pageview import page_view
from tests.web.said import KNOWN, one

PAGES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"name": "Prices", "properties": {"url": "https://a/b", "path": "/b"}}, {"url": "https://a/b", "path": "/b"}),
    ({"properties": {"title": "T", "referrer": "", "colour": "red"}, "name": "N"}, {"title": "T"}),
    ({"context": {"page": {"url": "u", "path": "p", "title": "t", "referrer": "r"}}}, {"url": "u", "referrer": "r"}),
    ({"properties": {"url": "own"}, "context": {"page": {"url": "other", "title": "t"}}}, {"url": "own", "title": "t"}),
    ({"context": {"locale": "en-GB", "userAgent": "UA", "ip": "1.2.3.4"}}, {"language": "en-GB", "userAgent": "UA"}),
    (
        {"context": {"campaign": {"source": "mail", "name": "May & June", "x": 1}}},
        {"campaign": "source=mail&name=May+%26+June"},
    ),
    ({"context": {"campaign": "spring"}}, {"campaign": "spring"}),
    ({"properties": {"url": 7, "title": ["x"]}, "context": {"page": [], "locale": {}, "campaign": 5}}, {}),
    ({"properties": {"url": "x" * 5000}}, {"url": "x" * 4096}),
    ({"properties": {"title": "a\nb\0c"}}, {"title": "a b c"}),
    ({"properties": "text", "context": {"page": "text"}}, {}),
]


@pytest.mark.parametrize(("item", "wanted"), PAGES, ids=lambda value: str(value)[:60])
def test_a_page_is_a_page_view(item: dict[str, Any], wanted: dict[str, str]) -> None:
    """A screen is one too; what is of another kind is left out, what is too long is cut, no IP address is kept."""
    found = page_view(item, item.get("context", {}))
    assert {**found, **wanted} == found
    assert "1.2.3.4" not in str(found)
    assert set(found) <= {field.name for field in STANDARD["pageView"].fields} | {
        "path",
        "language",
        "userAgent",
        "campaign",
    }
    assert one(type="page", **item).kind == one(type="screen", **item).kind == "page"


def test_the_name_of_a_page_is_its_title_where_it_has_no_other() -> None:
    """As of a screen, which has nothing else."""
    assert one(type="screen", name="Basket").properties == {"title": "Basket"}


TRAITS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"firstName": "Ana", "lastName": "Lee"}, {"first_name": "Ana", "last_name": "Lee"}, {}),
    ({"first_name": "Ana", "last_name": "Lee"}, {"first_name": "Ana", "last_name": "Lee"}, {}),
    ({"first_name": "Other", "firstName": "Ana"}, {"first_name": "Ana"}, {}),
    ({"firstName": "A<b>n&a\n  Maria(1)"}, {"first_name": "A b n a Maria 1"}, {}),
    ({"firstName": "<>", "lastName": "x" * 256}, {}, {}),
    ({"firstName": None, "lastName": ""}, {"first_name": None}, {}),
    ({"firstName": 7, "city": ["x"]}, {}, {}),
    ({"birthday": "1990-02-03T00:00:00.000Z"}, {"birth_date": "1990-02-03"}, {}),
    ({"birthDate": "1990-02-03"}, {"birth_date": "1990-02-03"}, {}),
    ({"birthday": "soon"}, {}, {}),
    ({"gender": "female"}, {"gender": "FEMALE"}, {}),
    ({"gender": "robot"}, {}, {}),
    ({"address": "Main Street 1"}, {"address": "Main Street 1"}, {}),
    (
        {"address": {"street": "S", "city": "C", "country": "HR", "zip": 1}},
        {"address": "S", "city": "C", "country": "HR"},
        {},
    ),
    ({"address": {"city": "Other"}, "city": "Own"}, {"city": "Own"}, {}),
    ({"avatar": "https://a.example/x.png"}, {"profile_picture": "https://a.example/x.png"}, {}),
    ({"avatar": "javascript:alert(1)"}, {}, {}),
    (
        {"language": "EN_gb", "timeZone": "Europe/Vienna"},
        {"preferred_language": "en-GB", "time_zone": "Europe/Vienna"},
        {},
    ),
    ({"plan": "gold", "nope": 1, "PLAN": "silver"}, {}, {"plan": "gold"}),
    ({"customAttributes": {"seats": 3, "plan": "gold", "nope": 1}, "plan": "own"}, {}, {"seats": 3, "plan": "gold"}),
    ({"seats": "three", "since": "2026-02-30", "plan": "x" * 4097}, {}, {}),
    ({"seats": None, "since": "2026-02-28"}, {}, {"seats": None, "since": "2026-02-28"}),
    ({"size": 3, "title": "Dr"}, {}, {"Title": "Dr"}),
    ({"id": "per_1", "type": "CUSTOMER", "tags": ["x"], "crm": {}, "integrations": {}}, {}, {}),
    ({"customAttributes": [1], "contactInformation": "x"}, {}, {}),
]


@pytest.mark.parametrize(("traits", "scalars", "attributes"), TRAITS, ids=lambda value: str(value)[:60])
def test_traits_are_taken_as_far_as_they_can_be_kept(
    traits: dict[str, Any], scalars: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """Names are cleaned; what can't be kept is dropped in silence; type, tags, CRM ids and id are never taken."""
    found = one(type="identify", traits=traits)
    assert (found.kind, found.identity) == ("update", ())
    assert found.traits is not None
    assert (found.traits.scalars, found.traits.attributes or {}) == (scalars, attributes)
    assert (found.traits.type, found.traits.tags) == (None, None)
    check(found.traits, KNOWN)


def test_contacts_of_our_own_shape_are_added() -> None:
    """`contactInformation {email [{address}], phone [{number}]}` says what somebody has, not who it is."""
    contacts = {
        "email": [{"address": "A@b.co"}, "a@b.co", {"address": 1}, 7, "no"],
        "phone": [{"number": "+385 91 123456"}],
    }
    found = one(type="identify", traits={"contactInformation": contacts})
    assert found.kind == "update"
    assert found.traits == Given(
        emails=Listing(None, [("a@b.co", None)]), phones=Listing(None, [("38591123456", None)]), nested=True
    )
    both = one(type="identify", traits={"email": "x@y.co", "contactInformation": contacts})
    assert (both.kind, both.identity, both.traits) == ("identify", (Locator("email", "x@y.co"),), found.traits)


def test_who_it_is_comes_from_the_user_id_the_email_and_the_phone() -> None:
    """In normal form; one that is none is left out where another says who it is."""
    found = one(type="identify", userId="crm-17", traits={"email": " ANA@Example.com", "phone": "+385 91 123-456"})
    ana, phone = Locator("email", "ana@example.com"), Locator("phone", "38591123456")
    assert found.identity == (Locator("externalId", "crm-17"), ana, phone)
    assert found.traits is None
    assert one(type="identify", traits={"externalId": "crm-17"}).identity == (Locator("externalId", "crm-17"),)
    assert one(type="identify", userId=17).identity == (Locator("externalId", "17"),)
    assert one(type="identify", userId=None, traits={"email": "ana@example.com", "phone": "x"}).identity == (ana,)
    assert one(type="identify", context={"traits": {"email": "ana@example.com"}}).identity == (ana,)


def test_an_installation_of_an_app_says_who_it_is_too() -> None:
    """Both its ids are needed; half of them, or something else, says nothing."""
    push = {"applicationId": "app", "registrationId": "r-1"}
    found = one(type="identify", traits={"push": push})
    assert (found.kind, found.identity) == ("identify", (Locator("push", compound("app", "r-1")),))
    both = one(type="identify", userId="u", traits={"push": push})
    assert [locator.kind for locator in both.identity] == ["externalId", "push"]
    for bad in ("r-1", {"applicationId": "app"}, {**push, "registrationId": 7}, {**push, "registrationId": "a\0b"}):
        assert one(type="identify", traits={"push": bad}).kind == "update"
