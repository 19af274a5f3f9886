"""Values of a CRM in our normal form and back, and the hashes that tell changes from mere forms."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.catalog.model import COMPANY, PERSON
from app.core.errors import Refused
from app.sync.crm import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    EMAIL,
    INTEGER,
    PHONE,
    PICKLIST,
    TEXT,
    URL,
    CrmField,
    CrmRecord,
)
from app.sync.mapping import BOTH, IN, OUT, EntityMap, FieldMap
from app.sync.slots import Slot, fingerprint, of_map
from app.sync.weigh import inward
from tests.chances import few
from tests.sync.made import (
    JSON,
    JUNK,
    OPTIONS,
    OWN,
    PLACES,
    STAMP,
    catalog,
    company,
    crm_field,
    of,
    person,
    slot,
    slots,
)

INWARD: list[tuple[str, str, Any, Any]] = [
    *((TEXT, "lastName", raw, None) for raw in (None, "", " ", "\t\r\n")),
    *((TEXT, "lastName", raw, "O'Neil") for raw in ("O'Neil", " O'Neil ", "\tO'Neil\n")),
    *((INTEGER, "lastName", 5, "5"), (DECIMAL, "lastName", 5.25, "5.25"), (TEXT, "lastName", 0, "0")),
    *((BOOLEAN, "lastName", True, "true"), (BOOLEAN, "city", False, "false")),
    (DATE, "city", "2026-05-04", "2026-05-04"),
    *((EMAIL, "email", " Ann@X.Example ", "ann@x.example"), (TEXT, "email", "ANN@X.EXAMPLE", "ann@x.example")),
    *((PHONE, "phone", raw, "436601234567") for raw in ("+43 660 123-4567", "(43) 660.1234567", "436601234567")),
    *((INTEGER, "phone", 436601234567, "436601234567"), (TEXT, "externalId", "K-1", "K-1")),
    *((DATE, "birthDate", "1990-05-04", "1990-05-04"), (DATE, "birthDate", "", None)),
    *((PICKLIST, "city", raw, "Banking") for raw in ("1", 1, "Banking", "Banking ")),
    *((PICKLIST, "city", "2", "IT & Media"), (PICKLIST, "city", "10", "1"), (PICKLIST, "city", "unknown", "unknown")),
    *((TEXT, "preferredLanguage", "de-at", "de-AT"), (TEXT, "timeZone", "Europe/Vienna", "Europe/Vienna")),
    *((TEXT, f"{OWN}String", "a\tb\nc", "a\tb\nc"), (DECIMAL, f"{OWN}String", 5.5, "5.5")),
    *((INTEGER, f"{OWN}Integer", raw, 5) for raw in (5, 5.0, "5")),
    *((INTEGER, f"{OWN}Integer", -(2**63), -(2**63)), (INTEGER, f"{OWN}Integer", 2**62 + 1, 2**62 + 1)),
    *((DECIMAL, f"{OWN}Decimal", raw, 5.0) for raw in (5, 5.0, "5.0")),
    *((BOOLEAN, f"{OWN}Boolean", True, True), (BOOLEAN, f"{OWN}Boolean", False, False)),
    (DATE, f"{OWN}Date", "2026-05-04", STAMP.replace(hour=0)),
]


@pytest.mark.parametrize(("kind", "field", "raw", "value"), INWARD)
def test_a_value_of_the_crm_is_read(kind: str, field: str, raw: Any, value: Any) -> None:
    """As the API's own checks would leave it."""
    found = of(kind, field, options=OPTIONS).inward(raw)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "raw",
    [
        *("2026-05-04T10:00:00.000+0000", "2026-05-04T10:00:00.999Z", "2026-05-04T10:00:00Z", "2026-05-04t10:00:00z"),
        *("2026-05-04T12:00:00.000+0200", "2026-05-04T12:00:00+02:00", "2026-05-04T04:30:00.123-0530"),
    ],
)
def test_a_moment_is_read_in_every_form(raw: str) -> None:
    """Salesforce writes offsets without a colon; CRMs keep whole seconds."""
    assert of(DATE_TIME, f"{OWN}Date_Time").inward(raw) == STAMP


WEBSITES = [
    *("https://www.Acme.example/about?x=y#z", "http://acme.example", "acme.example", " WWW.acme.example. "),
    *(
        "acme.example/a",
        "acme.example?x=a@b.example",
        "acme.example#top",
        "//acme.example/",
        "https://a@b@acme.example",
    ),
    *("https://user:word@acme.example:8443/", "https://acme.example/mail@b.example", "https://acme.example\\b.example"),
]


@pytest.mark.parametrize("website", WEBSITES)
def test_a_website_has_a_domain(website: str) -> None:
    """However it is written."""
    assert slot(crm_field("Website", URL), "domains", IN, COMPANY).inward(website) == "acme.example"


@pytest.mark.parametrize("website", ["https://", "/", "acme", "http://acme", "n/a", "https://?", "a b.example"])
def test_what_has_no_domain_is_refused(website: str) -> None:
    """It doesn't clear what is there."""
    with pytest.raises(Refused):
        slot(crm_field("Website", URL), "domains", IN, COMPANY).inward(website)


REFUSED: list[tuple[str, str, Any]] = [
    *((TEXT, name, f"a{char}b") for name in ("firstName", "middleName", "lastName") for char in '&<>"/\\\n\r:(){}=;#'),
    *((TEXT, "lastName", "x" * 256), (TEXT, "middleName", "x" * 51), (TEXT, "city", "x" * 51)),
    *(
        (TEXT, f"{OWN}String", "x" * 4097),
        (TEXT, "city", "a\x00b"),
        *((EMAIL, "email", raw) for raw in ("ann", "a b@x.at")),
    ),
    *((PHONE, "phone", "123"), (PHONE, "phone", "call me"), (PHONE, "phone", "+43 660 1234567 ext 5")),
    *((DATE, "birthDate", "2999-01-01"), (DATE, "birthDate", "1799-01-01"), (DATE, "birthDate", "1990-02-30")),
    *((DATE, f"{OWN}Date", "1990-05-04T00:00:00Z"), (TEXT, "externalId", "null"), (TEXT, "externalId", "0")),
    *((BOOLEAN, f"{OWN}Boolean", raw) for raw in ("true", 1, 0.0)),
    *(
        (DATE_TIME, f"{OWN}Date_Time", raw)
        for raw in ("2026-05-04", "2026-05-04T10:00:00", 5, "T", "0001-01-01T00:00+10")
    ),
    *((INTEGER, f"{OWN}Integer", 2**63), (DECIMAL, f"{OWN}Decimal", "inf"), (DECIMAL, f"{OWN}Decimal", float("nan"))),
]


@pytest.mark.parametrize(("kind", "field", "raw"), REFUSED)
def test_a_value_that_breaks_our_rules_is_refused(kind: str, field: str, raw: Any) -> None:
    """With words for whoever looks at it."""
    with pytest.raises(Refused) as refused:
        of(kind, field).inward(raw)
    assert refused.value.message


@pytest.mark.parametrize(("name", "raw"), [("Integer", 5.5), ("Integer", True), ("Decimal", False), ("Integer", "5.0")])
def test_no_number_is_made_of_another_thing(name: str, raw: Any) -> None:
    """Nothing is cut."""
    with pytest.raises((TypeError, ValueError)):
        of(INTEGER, f"{OWN}{name}").inward(raw)


@pytest.mark.parametrize(("kind", "field"), PLACES)
def test_junk_is_broken(kind: str, field: str) -> None:
    """Whatever the CRM's JSON holds: one value is lost, and not its record."""
    one = of(kind, field, options=OPTIONS)
    for raw in JUNK:
        # A long number may be written as a text.
        if isinstance(raw, int) and raw == 10**400 and field in (f"{OWN}String", "gender"):
            continue
        with pytest.raises((Refused, ValueError, TypeError, OverflowError)):
            one.inward(raw)
        found = inward([one], CrmRecord("1", STAMP, {"f": raw}))
        assert (found.values, list(found.broken), list(found.hashes)) == ({}, ["f"], ["f"])
        assert (found.hashes["f"] or "").startswith("!")


@pytest.mark.parametrize(("kind", "field"), PLACES)
@few(60)
@given(raw=JSON)
def test_nothing_but_a_refusal_is_raised(kind: str, field: str, raw: Any) -> None:
    """What is taken can be written into any database, and comes out the same once more."""
    one = of(kind, field, options=OPTIONS)
    found = inward([one], CrmRecord("1", STAMP, {"f": raw}))
    if not found.broken:
        value = found.values["f"]
        assert isinstance(value, str | int | float | datetime | None)
        assert not isinstance(value, str) or value.encode()
        assert found.hashes == {"f": fingerprint(value)}


# ------------------------------------------------------------ outward

LABELLED = {"1": "Male", "2": "Female"}
OUTWARD: list[tuple[CrmField, str, Any, Any]] = [
    *((crm_field("f", kind), "lastName", None, None) for kind in (TEXT, PICKLIST, DATE)),
    *((crm_field("f", kind), "lastName", "Neil", "Neil") for kind in (TEXT, EMAIL, PHONE, URL)),
    *((crm_field("f", length=4), "lastName", value, value) for value in ("Neil", "")),
    *((crm_field("f", PICKLIST, options=OPTIONS), "city", value, "1") for value in ("Banking", "BANKING", " banking ")),
    (crm_field("f", PICKLIST, options=OPTIONS), "city", "IT & Media", "2"),
    *((crm_field("f", PICKLIST, options=OPTIONS), "city", value, found) for value, found in (("1", "10"), ("2", "x"))),
    *((crm_field("f", PICKLIST, options=OPTIONS), "city", value, "x") for value in ("x", "X")),
    (crm_field("f", PICKLIST, type="Picklist", options=OPTIONS), "city", "Banking", 1),
    *((crm_field("f", PICKLIST, type=type_, options={"-1": "a"}), "city", "A", -1) for type_ in ("State", "Status")),
    *((crm_field("f", PICKLIST, options={"007": "Bond"}), "city", value, "007") for value in ("Bond", "007")),
    (crm_field("f", DATE), "birthDate", "1990-05-04", "1990-05-04"),
    (crm_field("f", DATE), f"{OWN}Date", STAMP.replace(hour=0), "2026-05-04"),
    (crm_field("f", DATE), f"{OWN}Date", datetime(33, 4, 3), "0033-04-03"),  # noqa: DTZ001
    (crm_field("f", DATE_TIME), f"{OWN}Date_Time", STAMP, "2026-05-04T10:00:00.000Z"),
    *((crm_field("f", INTEGER), f"{OWN}{name}", value, 5) for name, value in (("Integer", 5), ("Decimal", 5.0))),
    (crm_field("f", INTEGER), f"{OWN}Integer", 2**62 + 1, 2**62 + 1),
    *((crm_field("f", DECIMAL), f"{OWN}Decimal", value, value) for value in (5.5, 0.0)),
    *((crm_field("f", BOOLEAN), f"{OWN}Boolean", value, value) for value in (True, False)),
]


@pytest.mark.parametrize(("crm", "field", "value", "written"), OUTWARD)
def test_a_value_of_ours_is_written_as_the_crm_takes_it(crm: CrmField, field: str, value: Any, written: Any) -> None:
    """A choice of Dynamics is a number; one of Salesforce is a text, be it made of digits."""
    found = slot(crm, field).outward(value)
    assert (found, type(found)) == (written, type(written))


@pytest.mark.parametrize(
    ("crm", "field", "value", "code"),
    [
        (crm_field("f", length=4), "lastName", "Neill", "TOO_LONG"),
        (crm_field("f", EMAIL, length=4), "email", "ann@x.example", "TOO_LONG"),
        (crm_field("f", PICKLIST, options=OPTIONS), "city", "Bank", "INVALID"),
        (crm_field("f", PICKLIST), "city", "Bank", "INVALID"),
        (crm_field("gendercode", PICKLIST, options=LABELLED), "gender", "UNKNOWN", "INVALID"),
        *((crm_field("f", INTEGER), f"{OWN}Decimal", value, "INVALID") for value in (5.5, 1e300, -1e300)),
    ],
)
def test_what_the_crm_cannot_take_is_refused_and_not_cut(crm: CrmField, field: str, value: Any, code: str) -> None:
    """With the name that it has there."""
    with pytest.raises(Refused) as refused:
        slot(crm, field).outward(value)
    assert refused.value.code == code
    assert crm.label in refused.value.message


GENDERS: list[tuple[Mapping[str, str], dict[str, str], dict[str, Any]]] = [
    (LABELLED, {"1": "MALE", "2": "FEMALE", "3": "UNKNOWN"}, {"MALE": 1, "FEMALE": 2}),
    ({"1": "Männlich", "2": "Weiblich", "3": "Divers"}, {"1": "MALE", "2": "FEMALE", "3": "UNKNOWN"}, {"UNKNOWN": 3}),
    ({"1": "男性", "2": "女性", "3": "?"}, {"1": "MALE", "2": "FEMALE", "3": "UNKNOWN"}, {"MALE": 1, "FEMALE": 2}),
    ({"1": "Female", "2": "Male"}, {"1": "FEMALE", "2": "MALE"}, {"MALE": 2, "FEMALE": 1}),
]


@pytest.mark.parametrize(("options", "come", "go"), GENDERS)
def test_a_gender_is_a_choice_in_any_language(
    options: Mapping[str, str], come: Mapping[str, str], go: Mapping[str, Any]
) -> None:
    """By its label, or else by the numbers that Dynamics gives it."""
    one = slot(crm_field("gendercode", PICKLIST, type="Picklist", options=options), "gender")
    assert {raw: one.inward(int(raw)) for raw in come} == come
    assert {value: one.outward(value) for value in go} == go
    assert one.outward(None) is None


def test_a_gender_may_be_a_text() -> None:
    """One of Salesforce, where it is no field of its own."""
    one = of(TEXT, "gender")
    told = {"M": "MALE", "female": "FEMALE", "Frau": "FEMALE", "x": "UNKNOWN", "?": "UNKNOWN", " ": None}
    assert {raw: one.inward(raw) for raw in told} == told
    for value in ("MALE", "FEMALE", "UNKNOWN", None):
        assert one.inward(one.outward(value)) == value


VALUES: dict[str, tuple[Slot, st.SearchStrategy[Any]]] = {
    "text": (of(TEXT, f"{OWN}String"), st.text(st.characters(codec="utf-8"), max_size=20)),
    "name": (of(TEXT, "lastName"), st.text("aZ é'-", max_size=20)),
    "email": (of(EMAIL, "email"), st.sampled_from(["ann@x.example", "b.c+d@y.example", "ä@z.example"])),
    "phone": (of(PHONE, "phone"), st.text("0123456789", min_size=7, max_size=15)),
    "integer": (of(INTEGER, f"{OWN}Integer"), st.integers(-(2**63) + 1, 2**63 - 1)),
    "decimal": (of(DECIMAL, f"{OWN}Decimal"), st.floats(allow_nan=False, allow_infinity=False)),
    "whole": (of(INTEGER, f"{OWN}Decimal"), st.integers(-(2**53), 2**53).map(float)),
    "boolean": (of(BOOLEAN, f"{OWN}Boolean"), st.booleans()),
    "day": (of(DATE, f"{OWN}Date"), st.dates().map(lambda day: datetime(day.year, day.month, day.day))),  # noqa: DTZ001
    "birth": (of(DATE, "birthDate"), st.dates(datetime(1900, 1, 1).date(), datetime(2020, 1, 1).date()).map(str)),  # noqa: DTZ001
    "moment": (of(DATE_TIME, f"{OWN}Date_Time"), st.datetimes().map(lambda one: one.replace(microsecond=0))),
    "choice": (of(PICKLIST, "city", options=OPTIONS), st.sampled_from([one.strip() for one in OPTIONS.values()])),
}


@pytest.mark.parametrize("name", VALUES)
@few(80)
@given(data=st.data())
def test_what_goes_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    """Our own echo is no change."""
    one, strategy = VALUES[name]
    value = data.draw(strategy)
    try:
        back = one.inward(one.outward(value))
    except Refused:
        # A text of ours that breaks its own rules: a control character.
        assume(False)
    assert fingerprint(back) == fingerprint(value)


# ------------------------------------------------------------ what we have


def test_ours_is_what_the_profile_has() -> None:
    """Of a custom attribute the value under its id, in whole seconds."""
    one = person(first_name="Ann", values={"PERSON_DATE_TIME": STAMP.replace(microsecond=5000), "PERSON_INTEGER": 5})
    assert [of(TEXT, name).ours(one) for name in ("firstName", "lastName")] == ["Ann", None]
    assert of(INTEGER, f"{OWN}Integer").ours(one) == 5
    assert [of(DATE_TIME, f"{OWN}Date_Time").ours(each) for each in (one, person())] == [STAMP, None]
    assert of(TEXT, "name", COMPANY).ours(company(name="Acme")) == "Acme"


def test_of_several_values_the_first_slot_is_the_primary_one() -> None:
    """Those behind it only bring values."""
    one = person(emails=("a@x.example", "b@x.example"), phones=("1234567", "7654321"))
    names = ("email", "email", "phone", "phone")
    four = slots([(crm_field(f"f{number}"), name, BOTH) for number, name in enumerate(names)])
    assert [each.ours(one) for each in four] == ["b@x.example", None, "7654321", None]
    assert [(each.comes, each.goes, each.both) for each in four] == [(True, True, True), (True, False, False)] * 2
    assert four[0].all_of(one) == ["b@x.example", "a@x.example"]
    assert [each.ours(person()) for each in four] == [None] * 4


@pytest.mark.parametrize(
    ("ways", "first"),
    [((BOTH, BOTH), 0), ((IN, IN), 0), ((IN, BOTH), 1), ((IN, OUT), 1), ((OUT, IN), 0), ((IN, OUT, BOTH), 1)],
)
def test_the_primary_one_is_the_first_that_goes(ways: tuple[str, ...], first: int) -> None:
    """Else a read-only field before it would keep every value of ours at home."""
    made = slots([(crm_field(f"f{number}"), "phone", way) for number, way in enumerate(ways)])
    assert [one.first for one in made] == [number == first for number in range(len(ways))]


def test_of_domains_none_is_the_primary_one() -> None:
    """They are only read."""
    one = slot(crm_field("Website", URL), "domains", IN, COMPANY)
    assert (one.first, one.goes, one.comes) == (False, False, True)
    assert one.ours(company(domains=["a.example", "b.example"])) is None
    assert one.all_of(company(domains=["a.example", "b.example"])) == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("field", "name", "told"),
    [
        ("Gone", "lastName", "The field Gone is gone from Contact."),
        ("Here", f"{OWN}None", "The attribute customAttributes.None was deleted."),
        # Deleted, and made again as a list.
        ("Here", f"{OWN}List", "The attribute customAttributes.List was deleted."),
    ],
)
def test_what_vanished_is_told_by_its_name(field: str, name: str, told: str) -> None:
    """On either side."""
    maps = (FieldMap("Here", "email"), FieldMap(field, name))
    with pytest.raises(Refused) as refused:
        of_map(EntityMap("Contact", PERSON, None, maps), [crm_field("Here")], catalog())
    assert (refused.value.code, refused.value.message) == ("MAPPING_INVALID", told)


# ------------------------------------------------------------ fingerprints


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (of(PHONE, "phone"), ["+43 660 123-4567", "436601234567", "(43) 6601234567 "]),
        (of(EMAIL, "email"), ["Ann@X.example", "ann@x.example", " ANN@X.EXAMPLE"]),
        (of(TEXT, "address"), ["Main St 1\nWien", " Main St 1\r\nWien ", "Main St 1\rWien"]),
        (of(DECIMAL, f"{OWN}Decimal"), [5, 5.0, "5", "5.00", 5.0000000000001]),
        (of(DATE_TIME, f"{OWN}Date_Time"), ["2026-05-04T10:00:00.123Z", "2026-05-04T12:00:00.000+0200"]),
        (of(TEXT, "lastName"), [None, "", "  "]),
        (of(PICKLIST, "city", options=OPTIONS), ["1", 1, "Banking"]),
        (of(URL, "domains", COMPANY), ["https://www.acme.example/", "ACME.example"]),
    ],
)
def test_what_a_crm_formats_anew_is_no_change(one: Slot, values: list[Any]) -> None:
    """It is the same in our normal form."""
    assert len({fingerprint(one.inward(value)) for value in values}) == 1


def test_spaces_around_a_text_of_ours_are_no_change() -> None:
    """The CRM trims them, and its own value is not ours to take for that."""
    assert fingerprint(" Main St\r\n1 ") == fingerprint("Main St\n1")
    assert fingerprint(" ") is None is fingerprint(None) is fingerprint("")


PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("ab0159.-T \n", max_size=5)


@few(200)
@given(PLAIN, PLAIN)
def test_other_values_have_other_fingerprints(one: Any, other: Any) -> None:
    """In one slot all values are of one type."""
    assume(type(one) is type(other))
    alike = one.strip() == other.strip() if isinstance(one, str) else one == other
    assert (fingerprint(one) == fingerprint(other)) == alike


def test_a_number_differs_by_what_a_field_shows() -> None:
    """Ten digits of it."""
    assert fingerprint(0.1 + 0.2) == fingerprint(0.3)
    assert fingerprint(5.00001) != fingerprint(5.0) == fingerprint(5)
    assert fingerprint(STAMP) != fingerprint(STAMP.replace(second=1))
