"""Stories N, F and P: default types, forbidden characters, and the profile from its creation to its end."""

import asyncio
from typing import Any

import pytest

from tests.api import CREATE, FIND, REPLACE, UPDATE, Api

FORBIDDEN = '&<>"/\\\n\r:(){}=;#'
NAMES = ("firstName", "lastName", "middleName", "nickname")


async def test_N1_a_person_without_a_type_is_a_customer_from_the_api(api: Api) -> None:
    """G no type W createPerson T type is CUSTOMER, origin API."""
    query = "mutation($input: CreatePersonInput!) { createPerson(input: $input) { person { type createdFrom } } }"
    payload = await api(query, input={"emails": [{"address": "a@b.example"}]})
    assert payload["person"] == {"type": "CUSTOMER", "createdFrom": "API"}


async def test_N2_a_lead_is_a_lead(api: Api) -> None:
    """G type LEAD W createPerson T LEAD."""
    assert (await api.made(type="LEAD", externalId="l1"))["type"] == "LEAD"


async def test_N4_an_unknown_type_is_an_error_of_the_schema_and_nothing_is_stored(api: Api) -> None:
    """W type VISITOR T schema error, nothing stored."""
    response = await api.post(CREATE, {"input": {"type": "VISITOR", "externalId": "v1"}})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_VARIABLES"
    literal = await api.post('mutation { createPerson(input: {type: VISITOR, externalId: "v1"}) { person { id } } }')
    assert literal.json()["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0


async def test_F1_each_forbidden_character_is_named_in_each_name(api: Api) -> None:
    """W createPerson with each of the 16 characters in each of 4 name fields T FORBIDDEN_CHARACTER."""
    shown = {"\n": "a line break", "\r": "a carriage return"}
    for field in NAMES:
        for char in FORBIDDEN:
            payload = await api(CREATE, input={"externalId": "f1", field: f"An{char}n"})
            (error,) = payload["errors"]
            assert (error["code"], error["path"]) == ("FORBIDDEN_CHARACTER", [field])
            assert shown.get(char, char) in error["message"]
            assert payload["person"] is None
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0


async def test_F2_a_refused_change_leaves_the_old_value(api: Api) -> None:
    """W the same on updatePerson and replacePerson T the old value stays."""
    person = await api.made(externalId="f2", firstName="Ann")
    by = {"id": person["id"]}
    assert await api.codes(UPDATE, by=by, input={"firstName": "A<n"}) == ["FORBIDDEN_CHARACTER"]
    assert await api.codes(REPLACE, by=by, input={"externalId": "f2", "lastName": "B;"}) == ["FORBIDDEN_CHARACTER"]
    found = await api(FIND, by=by)
    assert (found["firstName"], found["version"]) == ("Ann", 1)


@pytest.mark.parametrize("name", ["O'Brien", "Anne-Marie", "Łukasz", "李", "é", "St. James, Jr"])
async def test_F3_names_of_all_scripts_are_kept_as_they_are(api: Api, name: str) -> None:
    """W O'Brien, Anne-Marie, Łukasz, 李, é T accepted unchanged."""
    assert (await api.made(externalId="f3", firstName=name))["firstName"] == name


async def test_F4_other_texts_may_have_these_characters(api: Api) -> None:
    """W the same characters in address and custom text T accepted."""
    await api('mutation { defineAttribute(input: {name: "motto", type: STRING}) { errors { code } } }')
    query = (
        "mutation($input: CreatePersonInput!) { createPerson(input: $input) { person { address customAttributes } } }"
    )
    made = await api(query, input={"externalId": "f4", "address": FORBIDDEN, "customAttributes": {"motto": FORBIDDEN}})
    assert made["person"] == {"address": FORBIDDEN, "customAttributes": {"motto": FORBIDDEN}}
    notes = "mutation($input: CreateCompanyInput!) { createCompany(input: $input) { company { notes } } }"
    assert (await api(notes, input={"name": "C", "notes": FORBIDDEN}))["company"]["notes"] == FORBIDDEN


async def test_P1_an_email_finds_its_person_in_any_case(api: Api) -> None:
    """W create then person(by email in other case) T same id."""
    person = await api.made(emails=[{"address": "Ann@Example.com"}])
    assert (await api(FIND, by={"email": " ANN@example.COM "}))["id"] == person["id"]


async def test_P2_a_phone_finds_its_person_in_any_writing(api: Api) -> None:
    """G phone stored W query with +, spaces T found."""
    person = await api.made(phones=[{"number": "436601234567"}])
    assert person["phones"] == [{"number": "436601234567", "primary": True}]
    assert (await api(FIND, by={"phone": "+43 (660) 123-45 67"}))["id"] == person["id"]


async def test_P3_a_taken_email_names_its_owner_and_makes_nobody(api: Api) -> None:
    """G email of A W create B with it T DUPLICATE_EMAIL, no B."""
    person = await api.made(emails=[{"address": "a@b.example"}])
    payload = await api(CREATE, input={"firstName": "B", "emails": [{"address": "A@B.example"}]})
    (error,) = payload["errors"]
    assert (error["code"], error["path"], error["existingId"]) == (
        "DUPLICATE_EMAIL",
        ["emails", "0", "address"],
        person["id"],
    )
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_P4_a_hundred_creates_at_once_make_one_person(api: Api) -> None:
    """W 100 parallel creates with one email T exactly one succeeds."""
    input_ = {"emails": [{"address": "one@b.example"}]}
    payloads = await asyncio.gather(*[api(CREATE, input=input_) for _ in range(100)])
    made = [one["person"]["id"] for one in payloads if one["person"]]
    refused = [error["code"] for one in payloads for error in one["errors"]]
    assert len(made) == 1
    assert refused == ["DUPLICATE_EMAIL"] * 99
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_P5_replacing_empties_what_is_absent_and_never_the_last_identifier(api: Api) -> None:
    """W replacePerson with lastName and one phone T the rest is emptied; without any identifier T NO_IDENTIFIER."""
    person = await api.made(firstName="Ann", emails=[{"address": "a@b.example"}], tags=["VIP"], type="LEAD")
    by = {"id": person["id"]}
    replaced = await api(REPLACE, by=by, input={"lastName": "Lee", "phones": [{"number": "4366012345"}]})
    assert {**replaced["person"], "version": 0} == {
        "id": person["id"],
        "type": "LEAD",
        "externalId": None,
        "firstName": None,
        "lastName": "Lee",
        "emails": [],
        "phones": [{"number": "4366012345", "primary": True}],
        "tags": [],
        "version": 0,
    }
    assert await api.codes(REPLACE, by=by, input={"lastName": "Lee"}) == ["NO_IDENTIFIER"]
    assert (await api(FIND, by=by))["phones"] != []


async def test_P6_adding_keeps_what_was_there(api: Api) -> None:
    """W updatePerson adding tag x, phone q T old tags and phones still there plus new."""
    person = await api.made(phones=[{"number": "4366011111"}], tags=["old"])
    changes = {"phones": {"add": [{"number": "4366022222"}]}, "tags": {"add": ["x"]}}
    changed = (await api(UPDATE, by={"id": person["id"]}, input=changes))["person"]
    assert [one["number"] for one in changed["phones"]] == ["4366011111", "4366022222"]
    assert changed["tags"] == ["old", "x"]


async def test_P7_null_clears_and_absent_keeps(api: Api) -> None:
    """W explicit null in updatePerson T field cleared."""
    person = await api.made(externalId="p7", firstName="Ann", lastName="Lee", tags=["a"])
    changed = (await api(UPDATE, by={"id": person["id"]}, input={"firstName": None, "tags": None}))["person"]
    assert (changed["firstName"], changed["lastName"], changed["tags"]) == (None, "Lee", [])


async def test_P8_deleting_frees_identifiers_and_takes_the_timeline(api: Api) -> None:
    """W delete T person null, identifiers reusable, timeline gone."""
    person = await api.made(emails=[{"address": "a@b.example"}])
    payload = await api(
        "mutation($id: ID!) { deletePerson(by: {id: $id}) { deletedIds errors { code } } }", id=person["id"]
    )
    assert payload == {"deletedIds": [person["id"]], "errors": []}
    assert await api(FIND, by={"id": person["id"]}) is None
    assert await api(FIND, by={"email": "a@b.example"}) is None
    left = (await api("{ activity { nodes { type person { id } } } }"))["nodes"]
    assert left == [{"type": "personDeleted", "person": None}]
    assert (await api.made(emails=[{"address": "a@b.example"}]))["id"] != person["id"]


async def test_P9_the_101st_email_is_refused(api: Api) -> None:
    """W 101st email T refused."""
    emails = [{"address": f"e{number}@b.example"} for number in range(100)]
    person = await api.made(emails=emails)
    more = {"emails": {"add": [{"address": "e100@b.example"}]}}
    assert await api.codes(UPDATE, by={"id": person["id"]}, input=more) == ["TOO_MANY"]
    assert await api.codes(CREATE, input={"emails": [*emails, {"address": "x@b.example"}]}) == ["TOO_MANY"]


@pytest.mark.parametrize(("field", "limit"), [("firstName", 255), ("city", 50), ("externalId", 256)])
async def test_P10_a_character_too_many_is_refused(api: Api, field: str, limit: int) -> None:
    """W 256-char firstName, 51-char city, 257-char externalId T refused; one less T accepted."""
    base: dict[str, Any] = {"emails": [{"address": "a@b.example"}]}
    payload = await api(CREATE, input={**base, field: "x" * (limit + 1)})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("TOO_LONG", [field])]
    await api.made(**base, **{field: "x" * limit})


async def test_P11_nobody_is_made_of_nothing(api: Api) -> None:
    """W no contact, no externalId T NO_IDENTIFIER."""
    assert await api.codes(CREATE, input={"firstName": "Ann"}) == ["NO_IDENTIFIER"]


@pytest.mark.parametrize("field", ["createdAt", "crmLinks", "id", "createdFrom"])
async def test_P12_what_the_service_sets_can_not_be_written(api: Api, field: str) -> None:
    """W write of integrations/createdAt T refused."""
    assert await api.refused(CREATE, input={"externalId": "p12", field: "2026-01-01T00:00:00Z"}) == "BAD_VARIABLES"


async def test_P13_set_add_and_remove_do_what_they_say(api: Api) -> None:
    """W set replaces, add appends, remove takes off the listed; removing the last identifier T NO_IDENTIFIER."""
    person = await api.made(emails=[{"address": "a@b.example"}, {"address": "b@b.example"}])
    by = {"id": person["id"]}

    async def change(**changes: Any) -> list[str]:
        payload = await api(UPDATE, by=by, input={"emails": changes})
        assert payload["errors"] == []
        return [one["address"] for one in payload["person"]["emails"]]

    assert await change(set=[{"address": "c@b.example"}]) == ["c@b.example"]
    assert await change(add=[{"address": "d@b.example"}]) == ["c@b.example", "d@b.example"]
    assert await change(remove=["C@B.example"]) == ["d@b.example"]
    assert await api.codes(UPDATE, by=by, input={"emails": {"remove": ["d@b.example"]}}) == ["NO_IDENTIFIER"]
    both = {"set": [], "add": [{"address": "e@b.example"}]}
    assert await api.codes(UPDATE, by=by, input={"emails": both}) == ["INVALID"]


async def test_a_version_that_passed_is_refused(api: Api) -> None:
    """Two editors: the second one's expectedVersion is old, and nothing is overwritten."""
    person = await api.made(externalId="v")
    by = {"id": person["id"]}
    assert await api.codes(UPDATE, by=by, input={"firstName": "A"}, version=1) == []
    assert await api.codes(UPDATE, by=by, input={"firstName": "B"}, version=1) == ["VERSION_CONFLICT"]
    assert (await api(FIND, by=by))["firstName"] == "A"
