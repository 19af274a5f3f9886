"""What of a submission fits a profile, and what the rules of a form let through."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from app.catalog import values
from app.catalog.checks import Listing
from app.catalog.model import AttributeDefinition, Catalog
from app.changes.model import Guard, Scene
from app.claims.model import Locator
from app.core import clock
from app.core.errors import Refused
from app.intake.forms import Form, FormField, Submitted, by_rule, fitting, read
from app.persons.model import CUSTOMER, LEAD, EmailContact, Person, PhoneContact
from app.persons.wish import Contact, Wish

NOW = clock.now()
KEY = Locator("email", "a@b.example")
FILLED = ["email", "phone", "tags", "firstName", "birthDate", "gender", "city", "externalId", "profilePicture"]
TYPES = ["STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "LIST"]


def catalog() -> Catalog:
    """Give a catalog with an attribute of each type, which bears its name."""
    made = Catalog("acc_1")
    for one in TYPES:
        made.add(AttributeDefinition(f"att_{one}", "PERSON", one, one, NOW))
    return made


CATALOG = catalog()


def form(**more: Any) -> Form:
    """Make a form whose fields bear the names of what they fill."""
    named = [*FILLED, *(f"customAttributes.{one}" for one in TYPES), "customAttributes.gone"]
    fields = (*(FormField(one, one) for one in named), FormField("comment"))
    made = Form("frm_1", "acc_1", "News", "OPT_IN", True, "EMAIL", "OVERRIDE_ALL", "ADD_ONLY_NEW", fields)
    return replace(made, **more)


def person(type_: str = LEAD, **more: Any) -> Person:
    """Make one."""
    return Person("per_1", "acc_1", type_, CATALOG, NOW, NOW, "API", "API", ["sub_1"], **more)


def scene(**owners: Person) -> Scene:
    """Make a scene in which some values have owners."""
    return Scene("acc_1", "FORMS", NOW, CATALOG, str, str, lambda one: owners.get(one.value), lambda _: None)


def filled(name: str, value: Any) -> Any:
    """Return what a value becomes in a field, None where it doesn't fit."""
    wish = read(form(), {name: value}, CATALOG).wish
    if name.startswith("customAttributes."):
        return next(iter(wish.attributes.values()), None)
    if name == "tags":
        return wish.tags.add if wish.tags else None
    if name == "phone":
        return [one.value for one in wish.phones.add] if wish.phones else None
    return next(iter(wish.scalars.values()), None)


FITS: list[tuple[str, Any, Any]] = [
    ("firstName", "  Ann;  ", "Ann"),
    ("firstName", "<>", None),
    ("firstName", ["Ann"], None),
    ("firstName", 7, "7"),
    ("birthDate", "1990-02-28", "1990-02-28"),
    ("birthDate", "28.2.1990", None),
    ("gender", "Female", "FEMALE"),
    ("gender", "x", None),
    ("city", "x" * 50, "x" * 50),
    ("city", "x" * 51, None),
    ("externalId", "undefined", None),
    ("profilePicture", "javascript:x", None),
    ("phone", "+43 660 1234567", ["436601234567"]),
    ("phone", 436601234567, ["436601234567"]),
    ("phone", "call me", None),
    ("tags", "news", ["news"]),
    ("tags", ["b", "a", "b"], ["b", "a"]),
    ("tags", [{}], None),
    ("customAttributes.STRING", "x", "x"),
    ("customAttributes.STRING", 1.5, "1.5"),
    ("customAttributes.STRING", True, None),
    ("customAttributes.STRING", "x" * 4097, None),
    ("customAttributes.INTEGER", "42", 42),
    ("customAttributes.INTEGER", 42, 42),
    ("customAttributes.INTEGER", "4.2", None),
    ("customAttributes.INTEGER", str(2**63), None),
    ("customAttributes.DECIMAL", "4.5", 4.5),
    ("customAttributes.DECIMAL", "inf", None),
    ("customAttributes.BOOLEAN", "False", False),
    ("customAttributes.BOOLEAN", "no", None),
    ("customAttributes.DATE", "2026-05-04", datetime(2026, 5, 4)),  # noqa: DTZ001
    ("customAttributes.DATE", "May", None),
    ("customAttributes.DATE_TIME", "2026-05-04T10:00:00Z", datetime(2026, 5, 4, 10)),  # noqa: DTZ001
    ("customAttributes.LIST", [{"a": 1}], None),
    ("customAttributes.gone", "x", None),
    ("comment", "x", None),
]


@pytest.mark.parametrize(("name", "given", "expected"), FITS)
def test_each_value_fits_or_is_left_out(name: str, given: Any, expected: Any) -> None:
    """By the type of what it fills; texts are read as that."""
    assert filled(name, given) == expected


@pytest.mark.parametrize("empty", [None, "", "   ", []])
def test_what_is_empty_fills_nothing(empty: Any) -> None:
    """Of any field."""
    given = {one.name: empty for one in form().fields}
    found = read(form(), given, CATALOG)
    assert (found.key, found.wish) == (None, Wish())


def test_the_key_is_no_contact_besides() -> None:
    """It finds the person; the other kind joins them."""
    given = {"email": " A@b.example ", "phone": "436601234567"}
    by_email, by_phone = read(form(), given, CATALOG), read(form(key="PHONE"), given, CATALOG)
    assert (by_email.key, by_email.wish.emails) == (KEY, None)
    assert by_email.wish.named() == [Locator("phone", "436601234567")]
    assert (by_phone.key, by_phone.wish.phones) == (Locator("phone", "436601234567"), None)
    assert read(form(), {"email": "none"}, CATALOG).key is None


WISH = Wish(
    scalars={"first_name": "Bea", "city": "Linz"},
    phones=Listing(None, [Contact("1", None, ())]),
    tags=Listing(None, ["new"]),
    attributes={"att_STRING": "new", "att_INTEGER": 2},
)


@pytest.mark.parametrize(
    ("rule", "scalars", "attributes", "joins"),
    [
        ("OVERRIDE_ALL", {"first_name": "Bea", "city": "Linz"}, {"att_STRING": "new", "att_INTEGER": 2}, True),
        ("ADD_ONLY_NEW", {"city": "Linz"}, {"att_INTEGER": 2}, True),
        ("DO_NOT_UPDATE", {}, {}, False),
    ],
)
def test_each_rule_lets_through_its_part(
    rule: str, scalars: dict[str, Any], attributes: dict[str, Any], *, joins: bool
) -> None:
    """The table of the rules: values, attributes, and whether contacts and tags join."""
    held = person(first_name="Ann", values={"att_STRING": "old"})
    found = by_rule(rule, WISH, held)
    assert (found.scalars, found.attributes) == (scalars, attributes)
    assert (found.phones == WISH.phones, found.tags == WISH.tags) == (joins, joins)


@pytest.mark.parametrize(("type_", "rule"), [(LEAD, "OVERRIDE_ALL"), (CUSTOMER, "ADD_ONLY_NEW")])
def test_the_rule_is_that_of_the_type(type_: str, rule: str) -> None:
    """Of leads the one, of customers the other."""
    assert form().rule(person(type_)) == rule


@pytest.mark.parametrize(("more", "reaches"), [({}, True), ({"enabled": False}, False), ({"kind": "OPT_OUT"}, False)])
def test_which_forms_reach_profiles(more: dict[str, Any], *, reaches: bool) -> None:
    """Enabled ones that are no opt-out."""
    assert form(**more).reaches is reaches


def test_what_belongs_to_others_is_left_out() -> None:
    """An external id and a phone; one's own are no hindrance."""
    other = replace(person(), id="per_2")
    wish = replace(WISH, scalars={"external_id": "x", "city": "Linz"})
    assert fitting(wish, None, scene(x=other, **{"1": other})).scalars == {"city": "Linz"}
    found = fitting(wish, person(), scene(x=person(), **{"1": other}))
    assert (found.scalars, found.phones) == ({"external_id": "x", "city": "Linz"}, Listing(None, []))


def test_what_there_is_no_room_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hundred-and-first number, and attributes that would be too large together."""
    held = person(phones=[PhoneContact(str(n)) for n in range(100)])

    def too_large(_: Any) -> None:
        raise Refused("TOO_LONG", "too large")

    monkeypatch.setattr(values, "bounded", too_large)
    found = fitting(WISH, held, scene())
    assert (found.phones, found.attributes, found.scalars) == (None, {}, WISH.scalars)


def test_the_submission_is_kept_in_the_unit_of_the_change_alone() -> None:
    """With the person's id; where nothing changes it is kept beside."""

    def guard(person_id: str, _: str | None) -> Guard:
        return Guard("formSubmissions", "s", Refused("WRONG_STATE", ""), 0, {"person": person_id})

    made = Submitted(form(), KEY, Wish(), guard).plan(None, scene())
    assert (made.after.type, made.after.emails) == (LEAD, [EmailContact("a@b.example", primary=True)])
    assert [one.change for one in made.guards] == [{"person": made.after.id}]
    again = Submitted(form(), KEY, Wish(), guard).plan(made.after, scene())
    assert (again.changed, again.guards, again.after) == ((), [], made.after)
