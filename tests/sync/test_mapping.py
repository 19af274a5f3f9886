"""Which field of a CRM may be which of ours, as the table of checks says; and what is suggested."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.catalog.model import COMPANY, PERSON
from app.core.errors import Refusals
from app.sync import mapping
from app.sync.crm import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    DYNAMICS,
    EMAIL,
    INTEGER,
    OTHER,
    PHONE,
    PICKLIST,
    SALESFORCE,
    TEXT,
    URL,
    CrmField,
)
from app.sync.mapping import BOTH, ENTITIES, FIELDS_MAX, IN, OUT, FieldMap, Wanted, checked, suggested
from tests.sync.made import catalog, crm_field

KINDS = (TEXT, EMAIL, PHONE, URL, PICKLIST, INTEGER, DECIMAL, BOOLEAN, DATE, DATE_TIME, OTHER)
OFFERED = [*(crm_field(kind, kind) for kind in KINDS), crm_field("ReadOnly", updateable=False), crm_field("Id")]
EMAILED = FieldMap("Email", "email")
OWN = "customAttributes."


def offered(*fields: CrmField) -> dict[str, Sequence[CrmField]]:
    """Return what a CRM offers: the same fields of each of its entities."""
    given = [crm_field("Email", EMAIL), *OFFERED, *fields]
    return {entity: given for entities in ENTITIES.values() for entity in entities}


def refused(*wanted: Wanted, system: str = SALESFORCE) -> dict[str, str]:
    """Return why a mapping is refused, by the places of it."""
    with pytest.raises(Refusals) as error:
        checked(system, wanted, offered(), catalog())
    assert {one.code for one in error.value.refusals} == {"MAPPING_INVALID"}
    told = {".".join(one.path): one.message for one in error.value.refusals}
    assert len(told) == len(error.value.refusals)
    return told


def why(*fields: FieldMap, entity: str = "Contact", target: str = PERSON) -> dict[str, str]:
    """Return why fields are refused, by their places; nothing where they are taken."""
    try:
        (made,) = checked(SALESFORCE, [Wanted(entity, target, None, fields)], offered(), catalog())
    except Refusals as error:
        return {".".join(one.path).removeprefix("mappings.0."): one.message for one in error.refusals}
    assert made.fields == fields
    return {}


TARGETS: list[tuple[str, str, str, str | None, dict[str, str]]] = [
    *((SALESFORCE, "Lead", PERSON, type_, {}) for type_ in ("LEAD", None)),
    *((SALESFORCE, "Contact", PERSON, type_, {}) for type_ in ("CUSTOMER", None)),
    (SALESFORCE, "Account", COMPANY, None, {}),
    *((DYNAMICS, "lead", PERSON, type_, {}) for type_ in ("LEAD", None)),
    *((DYNAMICS, "contact", PERSON, type_, {}) for type_ in ("CUSTOMER", None)),
    (DYNAMICS, "account", COMPANY, None, {}),
    (SALESFORCE, "Lead", PERSON, "CUSTOMER", {"personType": "Lead records are LEADs."}),
    (SALESFORCE, "Contact", PERSON, "LEAD", {"personType": "Contact records are CUSTOMERs."}),
    (SALESFORCE, "Account", PERSON, None, {"target": "Account records are companies."}),
    (SALESFORCE, "Account", COMPANY, "LEAD", {"personType": "Account records are of no type."}),
    (
        SALESFORCE,
        "Account",
        PERSON,
        "CUSTOMER",
        {"target": "Account records are companies.", "personType": "Account records are of no type."},
    ),
    (DYNAMICS, "lead", COMPANY, None, {"target": "lead records are persons."}),
    (DYNAMICS, "contact", PERSON, "LEAD", {"personType": "contact records are CUSTOMERs."}),
    (SALESFORCE, "lead", PERSON, None, {"object": "lead can't be mapped; Account, Lead, Contact can."}),
    (DYNAMICS, "Lead", PERSON, None, {"object": "Lead can't be mapped; account, lead, contact can."}),
    (SALESFORCE, "Opportunity", PERSON, None, {"object": "Opportunity can't be mapped; Account, Lead, Contact can."}),
    (SALESFORCE, "", PERSON, None, {"object": " can't be mapped; Account, Lead, Contact can."}),
]


@pytest.mark.parametrize(("system", "entity", "target", "type_", "refusals"), TARGETS)
def test_leads_are_leads_and_customers_customers(
    system: str, entity: str, target: str, type_: str | None, refusals: Mapping[str, str]
) -> None:
    """A mapping may leave the type out."""
    fields = [FieldMap(TEXT, "name")] if entity.casefold() == "account" else [EMAILED]
    wanted = Wanted(entity, target, type_, fields)
    if refusals:
        assert refused(wanted, system=system) == {f"mappings.0.{leaf}": words for leaf, words in refusals.items()}
        return
    (made,) = checked(system, [wanted], offered(), catalog())
    assert (made.object, made.target, made.person_type) == (entity, *ENTITIES[system][entity])
    assert mapping.read(made.document()) == made


def test_an_entity_stands_there_once() -> None:
    """The second one is refused."""
    twice = [Wanted("Lead", PERSON, None, [EMAILED])] * 2
    assert refused(*twice) == {"mappings.1.object": "Lead stands there twice."}


# The table of types: what of ours a value of the CRM may become, and in which directions.
EVERY, READ, NONE = (IN, OUT, BOTH), (IN,), ()
OURS = (
    "lastName",
    f"{OWN}String",
    f"{OWN}Integer",
    f"{OWN}Decimal",
    f"{OWN}Boolean",
    "birthDate",
    f"{OWN}Date",
    f"{OWN}Date_Time",
)
TABLE: dict[str, Sequence[Sequence[str]]] = {
    **dict.fromkeys((TEXT, EMAIL, PHONE, URL, PICKLIST), (EVERY, EVERY, NONE, NONE, NONE, NONE, NONE, NONE)),
    INTEGER: (READ, READ, EVERY, EVERY, NONE, NONE, NONE, NONE),
    DECIMAL: (READ, READ, NONE, EVERY, NONE, NONE, NONE, NONE),
    BOOLEAN: (READ, READ, NONE, NONE, EVERY, NONE, NONE, NONE),
    DATE: (READ, READ, NONE, NONE, NONE, EVERY, EVERY, NONE),
    DATE_TIME: (READ, READ, NONE, NONE, NONE, NONE, NONE, EVERY),
    OTHER: (NONE,) * 8,
}
CELLS = [
    (kind, field, way, way in ways)
    for kind, row in TABLE.items()
    for field, ways in zip(OURS, row, strict=True)
    for way in (IN, OUT, BOTH)
]


@pytest.mark.parametrize(("kind", "field", "way", "fits"), CELLS)
def test_types_agree(kind: str, field: str, way: str, fits: bool) -> None:  # noqa: FBT001 - a parameter
    """Each cell of the table, in each direction."""
    told = why(EMAILED, FieldMap(kind, field, way))
    assert list(told) == ([] if fits else ["fields.1.field"])


@pytest.mark.parametrize("field", ["email", "phone", "gender", "externalId", "customAttributes.STRING"])
def test_other_fields_of_ours_are_texts(field: str) -> None:
    """A choice in the CRM may be a gender."""
    assert why(EMAILED, FieldMap(PICKLIST, field)) == {}
    assert why(EMAILED, FieldMap(DATE, field, OUT)) == {
        "fields.1.field": f"DATE (date) can only be read into {field}: make it IN."
    }


UNKNOWN = [
    *("", " ", "id", "type", "createdAt", "updatedAt", "crmLinks", "emails", "Email", "LASTNAME", "name", "tags"),
    *("customAttributes", "customAttributes.", "customAttributes.None", "customattributes.String", "String"),
    *("customAttributes.List", "pushRegistrations", "companies", "domains", "__class__"),
]


@pytest.mark.parametrize("field", UNKNOWN)
@pytest.mark.parametrize("way", EVERY)
def test_a_field_of_ours_is_there_and_may_be_written(field: str, way: str) -> None:
    """Lists and tags can't be, and what only the service writes."""
    assert why(EMAILED, FieldMap(TEXT, field, way)) == {
        "fields.1.field": f"There is no field {field} that a CRM could fill."
    }


@pytest.mark.parametrize("name", ["String", "string", "STRING", " String ", "\tstring"])
def test_an_attribute_has_its_name_in_any_case(name: str) -> None:
    """As everywhere."""
    assert why(EMAILED, FieldMap(TEXT, f"{OWN}{name}")) == {}


def test_a_field_of_the_crm_is_there_and_may_be_written() -> None:
    """A read-only one can be read."""
    assert why(EMAILED, FieldMap("ReadOnly", "lastName", IN)) == {}
    for way in (OUT, BOTH):
        told = why(EMAILED, FieldMap("ReadOnly", "lastName", way), FieldMap("email", "city", way))
        assert told == {
            "fields.1.direction": "ReadOnly is read-only in the CRM: make it IN.",
            "fields.2.crmField": "The CRM has no field email.",
        }


@pytest.mark.parametrize(
    ("again", "fields"),
    [
        ("lastName", ["lastName", "lastName"]),
        (f"{OWN}STRING", [f"{OWN}String", f"{OWN}STRING"]),
        (f"{OWN}String ", [f"{OWN}String", f"{OWN}String "]),
    ],
)
def test_a_field_of_one_value_stands_there_once(again: str, fields: list[str]) -> None:
    """However its name is written."""
    told = why(EMAILED, *(FieldMap(kind, field) for kind, field in zip((TEXT, URL), fields, strict=True)))
    assert told == {"fields.2.field": f"{again} takes one value, and stands there twice."}


def test_a_field_of_several_values_may_stand_there_often() -> None:
    """But not a field of the CRM."""
    assert why(EMAILED, FieldMap(TEXT, "email"), FieldMap(PHONE, "phone"), FieldMap(URL, "phone", IN)) == {}
    assert why(EMAILED, FieldMap("Email", "phone")) == {"fields.1.crmField": "Email stands there twice."}


NAMING = [
    *((PERSON, field, way, way != OUT) for field in ("email", "phone", "externalId") for way in EVERY),
    *((COMPANY, field, way, way != OUT) for field in ("name", "externalId") for way in EVERY),
    (COMPANY, "domains", IN, True),
    (PERSON, "lastName", BOTH, False),
    (COMPANY, "vatNumber", BOTH, False),
]


@pytest.mark.parametrize(("target", "field", "way", "named"), NAMING)
def test_something_says_who_a_record_is(target: str, field: str, way: str, named: bool) -> None:  # noqa: FBT001
    """What is only written says nothing of a record that comes."""
    entity = "Contact" if target == PERSON else "Account"
    told = why(FieldMap(TEXT, field, way), entity=entity, target=target)
    words = {PERSON: "email or phone or externalId", COMPANY: "name or domains or externalId"}[target]
    assert told == ({} if named else {"fields": f"Nothing says who a record is: map a field to {words}."})


@pytest.mark.parametrize("way", [OUT, BOTH])
def test_domains_are_only_read(way: str) -> None:
    """A website is more than its domain, and none of several is the first: nothing would ever go there."""
    told = why(FieldMap(TEXT, "name"), FieldMap(URL, "domains", way), entity="Account", target=COMPANY)
    assert told == {"fields.1.field": "URL (url) can only be read into domains: make it IN."}
    assert why(FieldMap(TEXT, "domains", IN), FieldMap(URL, "domains", IN), entity="Account", target=COMPANY) == {}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Each with its own place."""
    told = refused(
        Wanted("Contact", PERSON, "LEAD", [FieldMap("No", "none"), FieldMap(DATE, "lastName"), FieldMap(DATE, "id")]),
        Wanted("Event", PERSON, None, []),
        Wanted("Account", COMPANY, None, [FieldMap("ReadOnly", "name", OUT), FieldMap(TEXT, f"{OWN}Boolean")]),
        Wanted("Contact", PERSON, None, []),
    )
    assert list(told) == [
        "mappings.0.personType",
        "mappings.0.fields.0.crmField",
        "mappings.0.fields.0.field",
        "mappings.0.fields.1.field",
        "mappings.0.fields.2.crmField",
        "mappings.0.fields.2.field",
        "mappings.0.fields",
        "mappings.1.object",
        "mappings.2.fields.0.direction",
        "mappings.2.fields.1.field",
        "mappings.2.fields",
        "mappings.3.object",
    ]


def test_a_mapping_has_a_size() -> None:
    """Exactly two hundred fields are taken; more are refused with nothing else said."""
    fields = [crm_field(f"F{number}") for number in range(FIELDS_MAX + 1)]
    maps = [FieldMap(one.name, "email", IN) for one in fields]
    taken = checked(SALESFORCE, [Wanted("Lead", PERSON, None, maps[:-1])], offered(*fields), catalog())
    assert len(taken[0].fields) == FIELDS_MAX
    assert refused(Wanted("Lead", PERSON, None, maps)) == {"mappings.0.fields": "At most 200 fields can be mapped."}


@pytest.mark.parametrize("system", [SALESFORCE, DYNAMICS])
def test_what_others_stand_on_is_read_first(system: str) -> None:
    """Companies, then leads, then the contacts that they became; however they came in."""
    account, lead, contact = ENTITIES[system]
    wanted = [Wanted(one, PERSON, None, [EMAILED]) for one in (contact, lead)]
    made = checked(system, [*wanted, Wanted(account, COMPANY, None, [FieldMap(TEXT, "name")])], offered(), catalog())
    assert [one.object for one in made] == [account, lead, contact]
    assert checked(system, [], {}, catalog()) == []


# ------------------------------------------------------------ suggestions

USUAL: dict[str, list[tuple[str, str, str]]] = {
    "Lead": [
        *(("FirstName", "firstName", BOTH), ("LastName", "lastName", BOTH), ("Email", "email", BOTH)),
        *(("MobilePhone", "phone", BOTH), ("Phone", "phone", BOTH), ("Street", "address", BOTH)),
        *(("City", "city", BOTH), ("Country", "country", BOTH)),
    ],
    "Contact": [
        *(("FirstName", "firstName", BOTH), ("LastName", "lastName", BOTH), ("Email", "email", BOTH)),
        *(("MobilePhone", "phone", BOTH), ("MiddleName", "middleName", BOTH), ("Phone", "phone", BOTH)),
        *(("Birthdate", "birthDate", BOTH), ("MailingStreet", "address", BOTH), ("MailingCity", "city", BOTH)),
        ("MailingCountry", "country", BOTH),
    ],
    "Account": [("Name", "name", BOTH), ("Website", "domains", IN), ("Industry", "industry", IN)],
    "lead": [
        *(("firstname", "firstName", BOTH), ("middlename", "middleName", BOTH), ("lastname", "lastName", BOTH)),
        *(("emailaddress1", "email", BOTH), ("mobilephone", "phone", BOTH), ("telephone1", "phone", BOTH)),
        *(("address1_line1", "address", BOTH), ("address1_city", "city", BOTH), ("address1_country", "country", BOTH)),
    ],
    "account": [("name", "name", BOTH), ("websiteurl", "domains", IN), ("industrycode", "industry", IN)],
}
USUAL["contact"] = [*USUAL["lead"], ("birthdate", "birthDate", BOTH), ("gendercode", "gender", BOTH)]
SPECIAL = {"Birthdate": DATE, "birthdate": DATE, "gendercode": PICKLIST, "industrycode": PICKLIST, "Website": URL}


def usual(entity: str, **other: Any) -> list[CrmField]:
    """Return the fields of a CRM as they usually are."""
    return [crm_field(name, SPECIAL.get(name, TEXT), **other) for name, _, _ in USUAL[entity]]


@pytest.mark.parametrize("entity", USUAL)
def test_the_usual_mapping_is_used_where_none_is_given(entity: str) -> None:
    """And passes its own checks."""
    system = SALESFORCE if entity[0].isupper() else DYNAMICS
    fields = [crm_field("Other"), *usual(entity)]
    (made,) = checked(system, [Wanted(entity, ENTITIES[system][entity][0], None, [])], {entity: fields}, catalog())
    assert [(one.crm_field, one.field, one.direction) for one in made.fields] == USUAL[entity]
    assert {mapping.suggestion(entity, one) for one in fields} == {None, *(field for _, field, _ in USUAL[entity])}
    assert suggested(entity, []) == ()


@pytest.mark.parametrize("entity", USUAL)
def test_only_what_the_crm_offers_is_suggested(entity: str) -> None:
    """Each field may be missing; what is read-only there is read."""
    fields = usual(entity)
    for left in fields:
        found = suggested(entity, [one for one in fields if one is not left])
        assert [one.crm_field for one in found] == [name for name, _, _ in USUAL[entity] if name != left.name]
    assert {one.direction for one in suggested(entity, usual(entity, updateable=False))} == {IN}


@pytest.mark.parametrize(("kind", "ways"), [(DATE, [BOTH]), (DATE_TIME, []), (OTHER, []), (TEXT, [])])
def test_a_suggestion_fits(kind: str, ways: list[str]) -> None:
    """An old directory has birth dates with a time: it can do without, and nobody could mend what was not asked for."""
    found = suggested("contact", [crm_field("emailaddress1", EMAIL), crm_field("birthdate", kind)])
    assert [one.direction for one in found[1:]] == ways
    numbers = suggested("account", [crm_field("name", INTEGER)])
    assert [one.direction for one in numbers] == [IN]


def test_a_suggestion_without_identity_is_refused() -> None:
    """As any other mapping would be."""
    with pytest.raises(Refusals) as error:
        checked(SALESFORCE, [Wanted("Lead", PERSON, None, [])], {"Lead": [crm_field("FirstName")]}, catalog())
    assert [one.path for one in error.value.refusals] == [("mappings", "0", "fields")]


def test_a_mapping_is_shown_as_it_is_kept() -> None:
    """And read again."""
    made = checked(SALESFORCE, [Wanted("Lead", PERSON, None, [EMAILED])], offered(), catalog())
    (kept,) = mapping.shown(made)
    assert kept == {
        "object": "Lead",
        "target": "PERSON",
        "type": "LEAD",
        "fields": [{"crm": "Email", "field": "email", "direction": "BOTH"}],
    }
    assert mapping.read(kept) == made[0]
