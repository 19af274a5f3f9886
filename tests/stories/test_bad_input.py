"""Bad input: each thing that can't be meant has a code and a path, and changes nothing."""

from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, CREATE, ERRORS, LINK, UPDATE, Api

DELETE = f"mutation($by: [PersonLocator!]!) {{ deletePersons(by: $by) {{ deletedIds {ERRORS} }} }}"
APPEND = f"""mutation($name: String!, $items: [JSON!]!) {{
  appendListItems(by: {{externalId: "ann"}}, attribute: $name, items: $items) {{ {ERRORS} }}
}}"""
REMOVE = f"""mutation($ids: [String!]) {{
  removeListItems(by: {{externalId: "ann"}}, attribute: "cars", itemIds: $ids) {{ person {{ version }} {ERRORS} }}
}}"""
EVERYTHING = "{ persons(first: 50) { nodes { id version customAttributes } } }"
ANN = {"externalId": "ann"}

PERSONS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"externalId": "  "}, "INVALID", ["externalId"]),
    ({"externalId": "null"}, "INVALID", ["externalId"]),
    ({"emails": [{"address": "ok@example.com"}, {"address": "no"}]}, "INVALID", ["emails", "1", "address"]),
    (
        {"emails": [{"address": "a@b.cd", "primary": True}, {"address": "c@b.cd", "primary": True}]},
        "INVALID",
        ["emails"],
    ),
    ({"phones": [{"number": "12345"}]}, "INVALID", ["phones", "0", "number"]),
    ({"birthDate": "1899-12-31"}, "INVALID", ["birthDate"]),
    ({"birthDate": "2999-01-01"}, "INVALID", ["birthDate"]),
    ({"preferredLanguage": "english"}, "INVALID", ["preferredLanguage"]),
    ({"timeZone": "Mars/Phobos"}, "INVALID", ["timeZone"]),
    ({"profilePicture": "javascript:alert(1)"}, "INVALID", ["profilePicture"]),
    ({"profilePicture": "https://[broken"}, "INVALID", ["profilePicture"]),
    ({"profilePicture": "https://example.com/" + "x" * 2083}, "TOO_LONG", ["profilePicture"]),
    ({"tags": ["ok", ""]}, "REQUIRED", ["tags", "1"]),
    ({"tags": ["x"] * 1001}, "TOO_MANY", ["tags"]),
    ({"customAttributes": [1]}, "INVALID", ["customAttributes"]),
    (
        {"customAttributes": {"cars": [{"color": "red"}]}},
        "UNKNOWN_PROPERTY",
        ["customAttributes", "cars", "0", "color"],
    ),
    ({"customAttributes": {"cars": [{"__id": "x"}]}}, "INVALID", ["customAttributes", "cars", "0", "__id"]),
    ({"customAttributes": {"cars": [{}] * 129}}, "TOO_MANY", ["customAttributes", "cars"]),
    ({"customAttributes": {"age": 2**63}}, "INVALID", ["customAttributes", "age"]),
    ({"customAttributes": {"age": -(2**63) - 1}}, "INVALID", ["customAttributes", "age"]),
    ({"customAttributes": {"age": True}}, "WRONG_ATTRIBUTE_TYPE", ["customAttributes", "age"]),
]


@pytest.fixture
async def shop(api: Api) -> Api:
    """Give an account with a person, a company and two attributes."""
    for given in (
        {"name": "age", "type": "INTEGER"},
        {"name": "cars", "type": "LIST", "itemFields": [{"name": "brand", "type": "STRING"}]},
    ):
        await api(ATTRIBUTE, input=given)
    await api.made(**ANN)
    await api(COMPANY, input={"name": "Acme"})
    return api


@pytest.mark.parametrize(("given", "code", "path"), PERSONS)
async def test_a_person_that_can_not_be_meant_is_refused(shop: Api, given: Any, code: str, path: list[str]) -> None:
    """On create and on update, with the place in the input; everything stays as it was."""
    before = await shop(EVERYTHING)
    made = await shop(CREATE, input={"externalId": "new", **given})
    assert [(one["code"], one["path"]) for one in made["errors"]] == [(code, path)]
    if not isinstance(next(iter(given.values())), list):
        changed = await shop(UPDATE, by=ANN, input=given)
        assert [(one["code"], one["path"]) for one in changed["errors"]] == [(code, path)]
    assert await shop(EVERYTHING) == before


VARIABLES: list[tuple[str, Any]] = [
    ("$v: DateTime) { persons(filter: {createdAt: {gt: $v}}) { totalCount", "yesterday"),
    ("$v: DateTime) { persons(filter: {createdAt: {gt: $v}}) { totalCount", "2026-05-04T10:00:00"),
    ("$v: Date) { persons(filter: {birthDate: {lt: $v}}) { totalCount", "2026-02-30"),
    ("$v: Date) { persons(filter: {birthDate: {lt: $v}}) { totalCount", 5),
    ("$v: Cursor) { persons(after: $v) { totalCount", "x" * 5000),
    ("$v: Int) { persons(first: $v) { totalCount", 2**31),
    ("$v: [ID!]!) { nodes(ids: $v) { id", ["x"] * 1001),
    ("$v: [PersonLocator!]!) { matchPersons(by: $v", [ANN] * 1001),
    ("$v: PersonLocator!) { person(by: $v) { id", {"email": "a@b.cd", "phone": "1234567"}),
    ("$v: PersonLocator!) { person(by: $v) { id", {}),
    ("$v: PersonFilter) { persons(filter: $v) { totalCount", {"nope": 1}),
    ("$v: PersonFilter) { persons(filter: $v) { totalCount", {"or": [{"type": "LEAD"}] * 201}),
    ("$v: PersonFilter) { persons(filter: $v) { totalCount", {"customAttribute": {"name": "age"}}),
    ("$v: PersonFilter) { persons(filter: $v) { totalCount", {"customAttribute": {"name": "age", "boolean": True}}),
]


@pytest.mark.parametrize(("start", "value"), VARIABLES)
async def test_a_query_that_can_not_be_meant_is_refused(shop: Api, start: str, value: Any) -> None:
    """BAD_VARIABLES with 400, whatever is wrong with the values."""
    closing = ")" if start.endswith("$v") else "}"
    response = await shop.post(f"query({start} {closing} }}", {"v": value})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_VARIABLES")


async def test_json_is_nested_only_so_deep(shop: Api) -> None:
    """Neither the store nor a reader meets a tower."""
    tower: Any = 1
    for _ in range(40):
        tower = {"a": tower}
    assert await shop.refused(CREATE, input={"externalId": "x", "customAttributes": tower}) == "BAD_VARIABLES"


async def test_an_empty_cursor_is_no_cursor(shop: Api) -> None:
    """It came from nobody."""
    assert await shop.refused('{ persons(after: "") { totalCount } }') == "BAD_CURSOR"


async def test_several_persons_are_deleted_each_for_itself(shop: Api) -> None:
    """Whoever is unknown is named by the place in the call; more than a thousand are refused as a whole."""
    ann = (await shop("{ persons { nodes { id } } }"))["nodes"][0]["id"]
    payload = await shop(DELETE, by=[{"email": "no@example.com"}, {"id": ann}, {"phone": "12"}])
    assert payload["deletedIds"] == [ann]
    found = [(one["code"], one["path"][:2]) for one in payload["errors"]]
    assert found == [("PERSON_NOT_FOUND", ["by", "0"]), ("INVALID", ["by", "2"])]
    payload = await shop(DELETE, by=[ANN] * 1001)
    assert (payload["deletedIds"], [one["code"] for one in payload["errors"]]) == ([], ["TOO_MANY"])


async def test_items_that_can_not_be_meant_are_refused(shop: Api) -> None:
    """Of a list attribute: another type, an unknown name, no objects, too many, ids of clients."""
    assert await shop.codes(APPEND, name="age", items=[{}]) == ["WRONG_ATTRIBUTE_TYPE"]
    assert await shop.codes(APPEND, name="nope", items=[{}]) == ["UNKNOWN_ATTRIBUTE"]
    assert await shop.codes(APPEND, name="cars", items=[1]) == ["WRONG_ATTRIBUTE_TYPE"]
    assert await shop.codes(APPEND, name="cars", items=[{"brand": "x"}] * 129) == ["TOO_MANY"]
    assert await shop.codes(APPEND, name="cars", items=[{"__id": "x"}]) == ["INVALID"]
    for asked in (APPEND, APPEND.replace("append", "update")):
        (error,) = (await shop(asked, name="cars", items=[{}, 5]))["errors"]
        assert (error["code"], error["path"]) == ("WRONG_ATTRIBUTE_TYPE", ["items", "1"])
    before = await shop(EVERYTHING)
    assert (await shop(REMOVE, ids=[]))["errors"] == []
    assert await shop(EVERYTHING) == before


@pytest.mark.parametrize("digits", [20, 4_301])
async def test_a_number_that_is_too_large_is_invalid_however_long_it_is(shop: Api, digits: int) -> None:
    """Written out in a document, of either sign."""
    for number in ("9" * digits, "-" + "9" * digits):
        given = f'{{externalId: "n", customAttributes: {{age: {number}}}}}'
        (error,) = (await shop(f"mutation {{ createPerson(input: {given}) {{ {ERRORS} }} }}"))["errors"]
        assert (error["code"], error["path"]) == ("INVALID", ["customAttributes", "age"])


async def test_links_that_can_not_be_meant_are_refused(shop: Api) -> None:
    """An unknown company, a role that is too long, too many persons."""
    acme = {"name": "acme"}
    assert await shop.codes(LINK, company={"name": "no"}, persons=[ANN]) == ["COMPANY_NOT_FOUND"]
    assert await shop.codes(LINK, company=acme, persons=[ANN], role="x" * 256) == ["TOO_LONG"]
    assert await shop.codes(LINK, company=acme, persons=[ANN] * 1001) == ["TOO_MANY"]
    domains = [f"d{number}.example" for number in range(101)]
    assert await shop.codes(COMPANY, input={"name": "Many", "domains": domains}) == ["TOO_MANY"]


async def test_null_where_something_must_be_is_refused(shop: Api) -> None:
    """A type, and all attributes at once."""
    assert await shop.codes(UPDATE, by=ANN, input={"type": None}) == ["REQUIRED"]
    assert await shop.codes(UPDATE, by=ANN, input={"customAttributes": None}) == ["INVALID"]
