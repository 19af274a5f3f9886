"""Stories G: tags are one name each, put on many persons at once, and gone everywhere when they are deleted."""

from typing import Any

import pytest

from app.changes.chunk import Chunk
from tests.api import ERRORS, Api

TAG = f"""mutation($ids: [ID!], $filter: PersonFilter, $add: [String!]! = [], $remove: [String!]! = []) {{
  tagPersons(ids: $ids, filter: $filter, add: $add, remove: $remove) {{ changed {ERRORS} }}
}}"""
ROWS = """mutation($rows: [CreatePersonInput!]!) {
  upsertPersons(persons: $rows) { results { person { id } } errors { code } }
}"""
CREATE_TAG = f"mutation($name: String!) {{ createTag(name: $name) {{ tag {{ name }} {ERRORS} }} }}"
DELETE_TAG = f"mutation($name: String!) {{ deleteTag(name: $name) {{ tag {{ name }} {ERRORS} }} }}"
TAGGED = "query($tag: String!) { persons(filter: {tags: {has: $tag}}) { totalCount } }"


async def people(api: Api, number: int, **more: Any) -> list[str]:
    """Make persons, and return their ids."""
    rows = [{"externalId": f"p{n}", **more} for n in range(number)]
    return [one["person"]["id"] for one in (await api(ROWS, rows=rows))["results"]]


async def count(api: Api, tag: str) -> int:
    """Return how many persons have a tag."""
    found: int = (await api(TAGGED, tag=tag))["totalCount"]
    return found


async def test_G1_a_tag_is_one_name_in_any_case(api: Api) -> None:
    """VIP, then vip T DUPLICATE_NAME."""
    assert (await api(CREATE_TAG, name="VIP"))["tag"] == {"name": "VIP"}
    assert await api.codes(CREATE_TAG, name="vip") == ["DUPLICATE_NAME"]


async def test_G2_an_unknown_person_of_a_thousand_takes_nobody_with_it(api: Api) -> None:
    """999 are tagged, one is refused by its place; a second call changes nobody."""
    ids = await people(api, 999)
    ids.insert(7, "per_nobody")
    done = await api(TAG, ids=ids, add=["VIP", "new"])
    assert done["changed"] == 999
    assert [(one["code"], one["path"]) for one in done["errors"]] == [("PERSON_NOT_FOUND", ["ids", "7"])]
    assert (await api(TAG, ids=ids, add=["vip"]))["changed"] == 0
    assert await count(api, "vip") == 999


async def test_G3_a_deleted_tag_leaves_everybody(api: Api) -> None:
    """At once, and its name is free."""
    await people(api, 3, tags=["VIP"])
    assert (await api(DELETE_TAG, name="vip"))["errors"] == []
    assert await count(api, "VIP") == 0
    assert (await api(CREATE_TAG, name="VIP"))["errors"] == []
    assert await count(api, "VIP") == 0


NOTHING: list[dict[str, Any]] = [
    {},
    {"firstName": None},
    {"and": []},
    {"and": [{}, {"tags": None}]},
    {"or": [{"type": "LEAD"}, {}]},
    {"tags": {"hasAll": []}},
    {"tags": {"hasNone": []}, "gender": None},
]


@pytest.mark.parametrize("wanted", NOTHING)
async def test_a_filter_that_asks_for_nothing_tags_nobody(api: Api, wanted: dict[str, Any]) -> None:
    """A list finds everybody by it; a variable that was forgotten is not to change the whole account."""
    await people(api, 2)
    done = await api(TAG, filter=wanted, add=["x"])
    assert (done["changed"], [(one["code"], one["path"]) for one in done["errors"]]) == (0, [("REQUIRED", ["filter"])])
    listed = await api("query($filter: PersonFilter) { persons(filter: $filter) { totalCount } }", filter=wanted)
    assert (listed["totalCount"], await count(api, "x")) == (2, 0)
    assert (await api(TAG, filter={"createdAt": {"exists": True}}, add=["x"]))["changed"] == 2


async def test_G4_a_filter_sees_the_change_at_once(api: Api) -> None:
    """Tagged and untagged by id and by filter, also where the filter asks for the very tag."""
    ids = await people(api, 600, tags=["old"])
    assert (await api(TAG, ids=ids[:2], add=["VIP"], remove=["old"]))["changed"] == 2
    assert (await count(api, "VIP"), await count(api, "old")) == (2, 598)
    done = await api(TAG, filter={"tags": {"has": "old"}}, add=["VIP"], remove=["OLD", "never there"])
    assert (done["changed"], done["errors"]) == (598, [])
    assert (await count(api, "VIP"), await count(api, "old")) == (600, 0)
    everybody = {"createdAt": {"exists": True}}
    assert (await api(TAG, filter=everybody, remove=["vip"]))["changed"] == 600
    events = await api.events({"id": ids[0]})
    assert [one["type"] for one in events][:1] == ["tagRemoved"]


async def test_a_call_that_can_not_be_meant_is_refused(api: Api) -> None:
    """Whom twice or not at all, no tags, names that are none, too many; nothing is written."""
    ids = await people(api, 1)
    assert await api.codes(TAG, add=["x"]) == ["INVALID"]
    assert await api.codes(TAG, ids=ids, filter={}, add=["x"]) == ["INVALID"]
    assert await api.codes(TAG, ids=ids) == ["REQUIRED"]
    done = await api(TAG, ids=ids, add=["ok", " ", "x" * 257])
    assert [(one["code"], one["path"]) for one in done["errors"]] == [
        ("REQUIRED", ["add", "1"]),
        ("TOO_LONG", ["add", "2"]),
    ]
    assert await api.codes(TAG, ids=ids * 1001, add=["x"]) == ["TOO_MANY"]
    assert await api.codes(TAG, ids=ids, add=["x"] * 1001) == ["TOO_MANY"]
    assert await api.refused(TAG, filter={"firstName": {}}, add=["x"]) == "BAD_VARIABLES"
    assert (await count(api, "ok"), await count(api, "x")) == (0, 0)


async def test_nobody_tags_persons_of_another_account(api: Api) -> None:
    """Their ids are unknown here, and a filter finds nobody."""
    ids = await people(api, 2)
    _, _, key = await api.service.services.access.create_account("Other")
    other = api.as_(key)
    assert [one["code"] for one in (await other(TAG, ids=ids, add=["x"]))["errors"]] == ["PERSON_NOT_FOUND"] * 2
    assert (await other(TAG, filter={}, add=["x"]))["changed"] == 0


async def test_a_new_tag_is_shown_though_others_read_the_catalog_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W the definitions are read anew while somebody gets a tag that is new T the answer names it."""
    written = Chunk._written

    async def meanwhile(chunk: Any, *given: Any, **more: Any) -> None:
        await api.service.services.catalog.fresh(api.account)
        await written(chunk, *given, **more)

    monkeypatch.setattr(Chunk, "_written", meanwhile)
    made = await api.made(firstName="Ada", emails=[{"address": "ada@example.com"}], tags=["new"])
    assert made["tags"] == ["new"]
    assert await count(api, "new") == 1
