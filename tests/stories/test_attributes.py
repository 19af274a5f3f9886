"""Stories A: custom attributes, typed, stored as their kind, gone when they are deleted."""

from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, CREATE, DEFINE, FIND, LINK, UPDATE, Api

APPEND = """mutation($by: PersonLocator!, $name: String!, $items: [JSON!]!) {
  appendListItems(by: $by, attribute: $name, items: $items) { person { customAttributes } errors { code path } }
}"""
PATCH = """mutation($by: PersonLocator!, $name: String!, $items: [JSON!]!) {
  updateListItems(by: $by, attribute: $name, items: $items) { person { customAttributes } errors { code path } }
}"""
REMOVE = """mutation($by: PersonLocator!, $name: String!, $ids: [String!]) {
  removeListItems(by: $by, attribute: $name, itemIds: $ids) { person { customAttributes } errors { code path } }
}"""
UPSERT = """mutation($rows: [CreatePersonInput!]!) {
  upsertPersons(persons: $rows) { results { status person { customAttributes } } errors { code path } }
}"""
COMPANIES = """mutation($rows: [CreateCompanyInput!]!) {
  upsertCompanies(companies: $rows) { results { status company { customAttributes } } errors { code path } }
}"""
LIST = {
    "name": "orders",
    "type": "LIST",
    "itemFields": [{"name": "sku", "type": "STRING"}, {"name": "n", "type": "INTEGER"}],
}


async def define(api: Api, **input_: Any) -> None:
    """Define an attribute that is not refused."""
    payload = await api(ATTRIBUTE, input=input_)
    assert payload["errors"] == [], payload


KINDS = [
    ("STRING", "text", 5),
    ("INTEGER", 42, "42"),
    ("INTEGER", -(2**63), 1.5),
    ("DECIMAL", 1.5, "1.5"),
    ("BOOLEAN", True, "true"),
    ("DATE", "2026-02-28", "2026-02-30"),
    ("DATE_TIME", "2026-05-04T10:00:00.123Z", "yesterday"),
]


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS)
async def test_A1_each_type_keeps_its_kind_and_refuses_others(api: Api, kind: str, good: Any, bad: Any) -> None:
    """W each type stores and returns its native kind; wrong kind T WRONG_ATTRIBUTE_TYPE."""
    await define(api, name="thing", type=kind)
    person = await api.made(externalId="a1", customAttributes={"thing": good})
    assert (await api(FIND, by={"id": person["id"]}))["customAttributes"] == {"thing": good}
    payload = await api(CREATE, input={"externalId": "a2", "customAttributes": {"thing": bad}})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [
        ("WRONG_ATTRIBUTE_TYPE", ["customAttributes", "thing"])
    ]


@pytest.mark.parametrize(
    "written",
    [
        *("2026-05-04 10:00:00Z", "2026-05-04T10:00:00", "2026-W19-1T10:00:00Z", "20260504T100000Z"),
        *("2026-05-04T10:00Z", "2026-05-04T10Z", "2026-05-04T10:00:00+0200", "2026-05-04T10:00:00+02"),
        *("2026-05-04T10:00:00,5Z", "2026-05-04T10:00:00+02:00:30", "2026-05-04T24:00:00Z", "2026-05-04"),
        *(" 2026-05-04T10:00:00Z", "2026-05-04T10:00:00Z\n", "\uff12026-05-04T10:00:00Z", "2026-05-04T10:00:00.Z"),
    ],
)
async def test_a_moment_is_written_as_RFC_3339_has_it(api: Api, written: str) -> None:
    """With a day, a time to the second and an offset; anything else is refused, in values as in filters."""
    await define(api, name="seen", type="DATE_TIME")
    payload = await api(CREATE, input={"externalId": "x", "customAttributes": {"seen": written}})
    assert [one["code"] for one in payload["errors"]] == ["WRONG_ATTRIBUTE_TYPE"]
    asked = "query($at: DateTime) { persons(filter: {createdAt: {gt: $at}}) { nodes { id } } }"
    assert await api.refused(asked, at=written) == "BAD_VARIABLES"
    literal = asked.replace("($at: DateTime)", "").replace("$at", f'"{written}"')
    assert "\n" in written or await api.refused(literal) == "VALIDATION_FAILED"


@pytest.mark.parametrize("written", ["20260504", "2026-W19-1", "2026-5-4", "2026-05-04T00:00:00Z", "\uff12026-05-04"])
async def test_a_day_is_written_in_one_form(api: Api, written: str) -> None:
    """YYYY-MM-DD; anything else is refused."""
    await define(api, name="since", type="DATE")
    payload = await api(CREATE, input={"externalId": "x", "customAttributes": {"since": written}})
    assert [one["code"] for one in payload["errors"]] == ["WRONG_ATTRIBUTE_TYPE"]
    payload = await api.post(CREATE, {"input": {"externalId": "x", "birthDate": written}})
    assert payload.json()["errors"][0]["extensions"]["code"] == "BAD_VARIABLES"


async def test_A2_an_undefined_name_is_refused(api: Api) -> None:
    """W undefined name T UNKNOWN_ATTRIBUTE."""
    payload = await api(CREATE, input={"externalId": "a2", "customAttributes": {"nope": 1}})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [
        ("UNKNOWN_ATTRIBUTE", ["customAttributes", "nope"])
    ]


async def test_an_attribute_that_stands_there_twice_is_refused(api: Api) -> None:
    """Names are the same in any case, so nobody could tell which value is meant."""
    await define(api, name="size", type="INTEGER")
    payload = await api(CREATE, input={"externalId": "x", "customAttributes": {"size": 1, "Size": 2}})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("INVALID", ["customAttributes", "Size"])]


@pytest.mark.parametrize("char", "\t\n\x85\x9f\u2028\u2029")
async def test_a_text_of_one_line_is_one_line(api: Api, char: str) -> None:
    """Names, tags, titles, countries: with code and path; an address, a city and notes may have several lines."""
    said, bad = f"a{char}b", "FORBIDDEN_CHARACTER"
    for name in ("firstName", "middleName", "lastName", "nickname", "country", "externalId"):
        payload = await api(CREATE, input={"emails": [{"address": "a@b.co"}], name: said})
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [(bad, [name])]
    payload = await api(CREATE, input={"externalId": "x", "tags": ["a", said]})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [(bad, ["tags", "1"])]
    places = ("country", "region", "segment", "industry", "customerStage", "accountManager", "vatNumber", "externalId")
    for name in ("name", *places):
        payload = await api(COMPANY, input={"name": "Acme", name: said})
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [(bad, [name])]
    payload = await api(DEFINE, input={"id": "paid", "title": said})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [(bad, ["title"])]
    await api(COMPANY, input={"name": "Acme", "notes": "a\nb\tc"})
    person = await api.made(externalId="x", address="a\nb\tc", city="a\nb")
    payload = await api(LINK, company={"name": "Acme"}, persons=[{"id": person["id"]}], role=said)
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [(bad, ["role"])]


async def test_control_characters_are_refused_wherever_they_stand(api: Api) -> None:
    """In free texts, ids, values of attributes and names of definitions; nothing is written."""
    await define(api, name="note", type="STRING")
    texts: dict[str, Any] = {"address": "a\0", "tags": ["a\nb"], "customAttributes": {"note": "\x1b"}}
    for given in ({"externalId": "a\tb"}, *({name: value} for name, value in texts.items())):
        assert await api.codes(CREATE, input={"externalId": "x", **given}) == ["FORBIDDEN_CHARACTER"]
    assert await api.codes(ATTRIBUTE, input={"name": "a\0b", "type": "STRING"}) == ["FORBIDDEN_CHARACTER"]
    assert await api(FIND, by={"externalId": "x"}) is None


async def test_A3_limits_are_exact(api: Api) -> None:
    """W 4096 chars T ok, 4097 T refused; 2^63-1 T exact round trip."""
    await define(api, name="text", type="STRING")
    await define(api, name="big", type="INTEGER")
    person = await api.made(externalId="a3", customAttributes={"text": "x" * 4096, "big": 2**63 - 1})
    assert (await api(FIND, by={"id": person["id"]}))["customAttributes"]["big"] == 2**63 - 1
    assert await api.codes(CREATE, input={"externalId": "b", "customAttributes": {"text": "x" * 4097}}) == ["TOO_LONG"]
    assert await api.codes(CREATE, input={"externalId": "b", "customAttributes": {"big": 2**63}}) == ["INVALID"]
    literal = """mutation {
      updatePerson(by: {externalId: "a3"}, input: {customAttributes: {big: 9223372036854775806}}) {
        person { customAttribute(name: "BIG") } errors { code } } }"""
    assert await api(literal) == {"person": {"customAttribute": 2**63 - 2}, "errors": []}


@pytest.mark.parametrize("number", [2**63, 10**19, 2**64, 10**20, -(10**20), 10**300])
async def test_a_number_of_more_than_64_bits_is_a_decimal_and_no_whole_one(api: Api, number: int) -> None:
    """By variable as by literal, wherever the parser of JSON has its border."""
    await define(api, name="big", type="INTEGER")
    await define(api, name="wide", type="DECIMAL")
    literal = """mutation { createPerson(input: {externalId: "b", customAttributes: {%s: %d}}) {
        person { customAttributes } errors { code } } }"""

    async def both(name: str) -> list[Any]:
        given = {"externalId": "a", "customAttributes": {name: number}}
        return [await api(CREATE, input=given), await api(literal % (name, number))]

    for made in await both("big"):
        assert [one["code"] for one in made["errors"]] == ["INVALID"]
    assert [made["errors"] for made in await both("wide")] == [[], []]
    for name in "ab":
        assert (await api(FIND, by={"externalId": name}))["customAttributes"] == {"wide": float(number)}


@pytest.mark.parametrize("char", "{}[]")
async def test_A4_names_have_no_brackets(api: Api, char: str) -> None:
    """W name with [ T refused."""
    assert await api.codes(ATTRIBUTE, input={"name": f"a{char}b", "type": "STRING"}) == ["INVALID"]


async def test_A5_list_items_have_ids_and_keep_their_order(api: Api) -> None:
    """W list append T item has __id, order kept; patch null clears one field; 129 items T refused."""
    await define(api, **LIST)
    by = {"id": (await api.made(externalId="a5"))["id"]}
    more = await api(APPEND, by=by, name="orders", items=[{"sku": "a", "n": 1}, {"sku": "b"}])
    items = more["person"]["customAttributes"]["orders"]
    assert [one["sku"] for one in items] == ["a", "b"]
    assert len({one["__id"] for one in items}) == 2
    patched = await api(PATCH, by=by, name="orders", items=[{"__id": items[0]["__id"], "n": None}])
    assert patched["person"]["customAttributes"]["orders"][0] == {"__id": items[0]["__id"], "sku": "a"}
    assert await api.codes(APPEND, by=by, name="orders", items=[{"sku": "x"}] * 129) == ["TOO_MANY"]
    none = await api(APPEND, by=by, name="orders", items=[])
    assert none["errors"] == [{"code": "REQUIRED", "path": ["items"]}]
    assert await api.codes(APPEND, by=by, name="orders", items=[{"__id": "mine", "sku": "x"}]) == ["INVALID"]
    assert await api.codes(APPEND, by=by, name="orders", items=[{"__id": {}, "sku": "x"}]) == ["INVALID"]
    assert await api.codes(PATCH, by=by, name="orders", items=[{"__id": ["x"], "n": 1}]) == ["NOT_FOUND"]
    left = await api(REMOVE, by=by, name="orders", ids=[items[0]["__id"]])
    assert [one["sku"] for one in left["person"]["customAttributes"]["orders"]] == ["b"]


async def written(api: Api, target: str, items: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Write a list by an upsert; returns what became of the row, and the list."""
    row = {"customAttributes": {"orders": items}}
    if target == "PERSON":
        payload = await api(UPSERT, rows=[{"externalId": "a5", **row}])
    else:
        payload = await api(COMPANIES, rows=[{"name": "A5", **row}])
    (result,) = payload["results"]
    profile = result["person"] if target == "PERSON" else result["company"]
    return result["status"], profile["customAttributes"]["orders"]


@pytest.mark.parametrize("target", ["PERSON", "COMPANY"])
async def test_items_that_are_written_again_keep_their_ids(api: Api, target: str) -> None:
    """W a list is written as it is T nothing has changed; W a part of it is T equal items are those that were."""
    await define(api, target=target, **LIST)
    one, two, three = {"sku": "a", "n": 1}, {"sku": "b"}, {"sku": "a", "n": 1}
    status, first = await written(api, target, [one, two, three])
    assert (status, len({each["__id"] for each in first})) == ("CREATED", 3)
    assert await written(api, target, [one, two, three]) == ("NOT_MODIFIED", first)
    status, second = await written(api, target, [two, one, {"sku": "a", "n": 2}])
    assert (status, second[:2]) == ("UPDATED", [first[1], first[0]])
    assert second[2]["__id"] not in {each["__id"] for each in first}
    status, third = await written(api, target, [one] * 3)
    assert (status, third[0], len({each["__id"] for each in third})) == ("UPDATED", first[0], 3)
    assert await written(api, target, [one] * 3) == ("NOT_MODIFIED", third)


async def test_A6_a_name_that_is_used_again_never_shows_old_values(api: Api) -> None:
    """W delete definition then recreate with other type T no old values."""
    await define(api, name="size", type="STRING")
    person = await api.made(externalId="a6", customAttributes={"size": "large"})
    assert await api.codes('mutation { deleteAttribute(name: "SIZE") { errors { code } } }') == []
    await define(api, name="size", type="INTEGER")
    assert (await api(FIND, by={"id": person["id"]}))["customAttributes"] == {}
    assert await api.codes(UPDATE, by={"id": person["id"]}, input={"customAttributes": {"size": 42}}) == []
    assert (await api(FIND, by={"id": person["id"]}))["customAttributes"] == {"size": 42}


@pytest.mark.parametrize("name", ["$where", "a.b.c", "with space", "naïve", "__proto__"])
async def test_A7_any_name_works(api: Api, name: str) -> None:
    """W names with $ and . work."""
    await define(api, name=name, type="STRING")
    person = await api.made(externalId="a7", customAttributes={name: "v"})
    assert (await api(FIND, by={"id": person["id"]}))["customAttributes"] == {name: "v"}
    wanted = {"customAttribute": {"name": name, "string": {"eq": "V"}}}
    found = await api("query($f: PersonFilter) { persons(filter: $f) { nodes { id } } }", f=wanted)
    assert found["nodes"] == [{"id": person["id"]}]


async def test_null_clears_one_attribute_and_keeps_the_others(api: Api) -> None:
    """Merged name by name; a null value clears that attribute."""
    await define(api, name="a", type="STRING")
    await define(api, name="b", type="STRING")
    person = await api.made(externalId="x", customAttributes={"a": "1", "b": "2"})
    payload = await api(UPDATE, by={"id": person["id"]}, input={"customAttributes": {"a": None}})
    assert payload["person"]["customAttributes"] == {"b": "2"}


async def test_tags_are_made_on_the_fly_and_deleted_everywhere(api: Api) -> None:
    """G1, G3, G4: a tag is unique in any case, is made by being used, and goes from all profiles at once."""
    person = await api.made(externalId="t", tags=["VIP", "vip"])
    assert person["tags"] == ["VIP"]
    assert await api.codes('mutation { createTag(name: "vip") { errors { code } } }') == ["DUPLICATE_NAME"]
    tags = await api("{ tags { nodes { name persons companies } } }")
    assert tags["nodes"] == [{"name": "VIP", "persons": 1, "companies": 0}]
    assert await api.codes('mutation { deleteTag(name: "Vip") { errors { code } } }') == []
    assert (await api(FIND, by={"id": person["id"]}))["tags"] == []
    assert (await api('{ persons(filter: {tags: {has: "VIP"}}) { totalCount } }'))["totalCount"] == 0
    assert await api.codes('mutation { deleteTag(name: "Vip") { errors { code } } }') == ["TAG_NOT_FOUND"]


async def test_a_profile_has_a_size(api: Api) -> None:
    """Item by item it grows to four megabytes of attributes, and no further; what is there stays."""
    await api(ATTRIBUTE, input={"name": "log", "type": "LIST", "itemFields": [{"name": "text", "type": "STRING"}]})
    await api.made(externalId="a")
    append = """mutation($items: [JSON!]!) {
      appendListItems(by: {externalId: "a"}, attribute: "log", items: $items) { errors { code path } }
    }"""
    items = [{"text": "x" * 4096}] * 128
    answers = [await api(append, items=items) for _ in range(8)]
    assert [one["errors"] for one in answers[:7]] == [[]] * 7
    assert answers[7]["errors"] == [{"code": "TOO_LONG", "path": ["customAttributes"]}]
    assert (await api('{ person(by: {externalId: "a"}) { version } }'))["version"] == 8
