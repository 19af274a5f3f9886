"""Duplicates: who may be one person, found by name and identifiers, and told apart for good."""

import asyncio
from typing import Any

import pytest

from app.identity import duplicates
from app.identity.groups import group_id
from app.mongo.engine import Engine
from tests.api import UPDATE, Api

GROUPS = """query($of: PersonLocator, $first: Int, $after: Cursor) {
  duplicatePersons(of: $of, first: $first, after: $after) {
    nodes { id score reasons persons { id firstName } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
DISMISS = "mutation($id: ID!) { dismissDuplicates(groupId: $id) { groupId errors { code path } } }"
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
MERGE = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { merge { id } errors { code } } }"
REVERT = "mutation($id: ID!) { revertMerge(id: $id) { errors { code } } }"
UPSERT = """mutation($rows: [CreatePersonInput!]!) {
  upsertPersons(persons: $rows) { results { person { id } } errors { code } }
}"""
ANN: dict[str, Any] = {"firstName": "Ann", "lastName": "Novak"}


async def groups(api: Api, **variables: Any) -> list[dict[str, Any]]:
    """Return the groups of one page."""
    found: list[dict[str, Any]] = (await api(GROUPS, **variables))["nodes"]
    return found


async def all_groups(api: Api, first: int) -> tuple[list[dict[str, Any]], int]:
    """Return the groups of all pages, and how many pages there were."""
    found, after, pages = list[dict[str, Any]](), None, 0
    while True:
        page = await api(GROUPS, first=first, after=after)
        found, pages = found + page["nodes"], pages + 1
        assert len(page["nodes"]) <= first
        if not page["pageInfo"]["hasNextPage"]:
            return found, pages
        after = page["pageInfo"]["endCursor"]


def members(group: dict[str, Any]) -> list[str]:
    """Return the ids of a group."""
    return [one["id"] for one in group["persons"]]


def with_email(address: str, /, **more: Any) -> dict[str, Any]:
    """Write a person down."""
    return {**more, "emails": [{"address": address}]}


def with_phone(number: str, /, **more: Any) -> dict[str, Any]:
    """Write a person down."""
    return {**more, "phones": [{"number": number}]}


PAIRS: list[tuple[dict[str, Any], dict[str, Any], list[str], float]] = [
    (with_email("a@x.at", **ANN), with_email("b@y.at", firstName="ann", lastName="NOVÁK"), ["SAME_NAME"], 0.5),
    (with_email("a@x.at", **ANN), with_email("b@y.at", firstName="Novak", lastName="Ann"), ["SAME_NAME"], 0.5),
    (
        with_email("a@x.at", firstName="Jon", lastName="Smith", birthDate="1980-01-01"),
        with_phone("4366012345", firstName="John", lastName="Smyth", birthDate="1980-01-01"),
        ["SIMILAR_NAME", "SAME_BIRTH_DATE"],
        0.58,
    ),
    (with_email("ann.novak@x.at"), with_email("annnovak+shop@x.at"), ["SIMILAR_EMAIL"], 0.7),
    (with_email("ann.novak@x.at"), with_email("annnovak@mail.test"), ["SIMILAR_EMAIL"], 0.5),
    (with_phone("+43 660 1234567"), with_phone("0660 1234567"), ["SIMILAR_PHONE"], 0.6),
    (
        with_email("a@x.at", firstName="Jon", lastName="Smith", address="Main St 1", city="Wien"),
        with_email("b@x.at", firstName="John", lastName="Smith", address="MAIN ST 1", city="wien"),
        ["SIMILAR_NAME", "SAME_ADDRESS", "SAME_CITY"],
        0.62,
    ),
]


@pytest.mark.parametrize(("one", "other", "reasons", "score"), PAIRS)
async def test_duplicates_are_found_by_each_reason(
    api: Api, one: dict[str, Any], other: dict[str, Any], reasons: list[str], score: float
) -> None:
    """From either side, and in the account; the group has the same name everywhere."""
    old_id, new_id = [(await api.made(**given))["id"] for given in (one, other)]
    (group,) = await groups(api)
    assert (members(group), group["reasons"], group["score"]) == ([new_id, old_id], reasons, score)
    for by, wanted in ((old_id, [old_id, new_id]), (new_id, [new_id, old_id])):
        (of,) = await groups(api, of={"id": by})
        assert (members(of), of["id"], of["score"]) == (wanted, group["id"], score)


async def test_strangers_are_none(api: Api) -> None:
    """One family, one first name, one office, one name with two dates of birth."""
    for given in (
        with_phone("436601234567", firstName="Ann", lastName="Smith", address="Main St 1", city="Wien"),
        with_phone("06601234567", firstName="Robert", lastName="Smith", address="Main St 1", city="Wien"),
        with_email("office@a.at", firstName="Ann", lastName="Jones"),
        with_email("office@b.at", firstName="Ann", lastName="Baker"),
        with_email("m1@a.at", firstName="Max", lastName="Maier", birthDate="1980-01-01"),
        with_email("m2@a.at", firstName="Max", lastName="Maier", birthDate="1990-12-31"),
        {"externalId": "1"},
        {"externalId": "2"},
    ):
        person = await api.made(**given)
        assert await groups(api, of={"id": person["id"]}) == []
    page = await api(GROUPS)
    assert page["nodes"] == []
    assert page["pageInfo"]["hasNextPage"] is False


async def test_who_hangs_together_is_one_group(api: Api) -> None:
    """Also by a third one: given once, at the newest; of one person those alone who resemble that one."""
    by_phone = await api.made(**with_phone("06601234567"))
    both = await api.made(**with_phone("436601234567"), emails=[{"address": "ann.novak@x.at"}])
    by_email = await api.made(**with_email("annnovak@x.at"))
    (group,) = await groups(api)
    assert (members(group), group["score"]) == ([one["id"] for one in (by_email, both, by_phone)], 0.6)
    assert group["reasons"] == ["SIMILAR_EMAIL", "SIMILAR_PHONE"]
    (of,) = await groups(api, of={"email": "annnovak@x.at"})
    assert members(of) == [by_email["id"], both["id"]]
    (of,) = await groups(api, of={"id": both["id"]})
    assert members(of) == [one["id"] for one in (both, by_email, by_phone)]


async def test_of_nobody_there_are_none(api: Api) -> None:
    """Of an unknown person, and of an identifier that nobody can have."""
    await api.made(**with_email("ann.novak@x.at"))
    for of in ({"email": "nobody@x.at"}, {"email": "none"}, {"id": "per_1"}):
        assert await groups(api, of=of) == []


async def test_the_group_of_a_person_is_one_page(api: Api) -> None:
    """It has ten members at most, and nothing behind it."""
    rows = [with_email(f"{i}@x.at", **ANN, city="Wien") for i in range(14)]
    await api(UPSERT, rows=rows)
    person = await api.made(**with_email("me@x.at"), **ANN, city="Wien")
    page = await api(GROUPS, of={"id": person["id"]}, first=1)
    (group,) = page["nodes"]
    assert (members(group)[0], len(group["persons"])) == (person["id"], 10)
    assert page["pageInfo"]["hasNextPage"] is False
    rest = await api(GROUPS, of={"id": person["id"]}, after=page["pageInfo"]["endCursor"])
    assert (rest["nodes"], rest["pageInfo"]["hasPreviousPage"]) == ([], True)
    assert await api.refused(GROUPS, after=page["pageInfo"]["endCursor"]) == "BAD_CURSOR"
    none = await api(GROUPS, of={"id": person["id"]}, first=0)
    assert (none["nodes"], none["pageInfo"]["hasNextPage"]) == ([], True)


async def test_pages_give_each_group_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 persons, every third with a twin that is 150 persons away; a scan that stops on its way says where."""
    monkeypatch.setattr(duplicates, "SCAN_PERSONS", 40)
    monkeypatch.setattr(duplicates, "SCAN_PERSONS_MAX", 80)
    rows = [with_email(f"{'abcdefghij'[i // 10]}{'klmnopqrst'[i % 10]}xyz{i % 3}@one.at") for i in range(100)] + [
        {"externalId": f"e-{i}"} for i in range(100)
    ]
    rows += [with_email(f"{'abcdefghij'[i // 10]}{'klmnopqrst'[i % 10]}.xyz{i % 3}@two.at") for i in range(100)]
    made = [one["person"]["id"] for one in (await api(UPSERT, rows=rows))["results"]]
    wanted = {frozenset((made[i], made[200 + i])) for i in range(100)}
    for first in (7, 100, 1000):
        found, pages = await all_groups(api, first)
        assert [one["id"] for one in found] == list(dict.fromkeys(one["id"] for one in found))
        assert {frozenset(members(one)) for one in found} == wanted
        assert pages > 300 // 80
    page = await api(GROUPS, first=1000)
    assert (0 < len(page["nodes"]) < 100, page["pageInfo"]["hasNextPage"]) == (True, True)
    assert page["pageInfo"]["startCursor"] != page["pageInfo"]["endCursor"]


async def test_an_empty_page_says_where_to_go_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found by then is not the end."""
    monkeypatch.setattr(duplicates, "SCAN_PERSONS", 5)
    monkeypatch.setattr(duplicates, "SCAN_PERSONS_MAX", 5)
    for name in ("a", "b"):
        await api.made(**with_email(f"{name}@x.at", **ANN))
    await api(UPSERT, rows=[{"externalId": f"e-{i}"} for i in range(5)])
    page = await api(GROUPS)
    assert (page["nodes"], page["pageInfo"]["hasNextPage"], page["pageInfo"]["startCursor"]) == ([], True, None)
    assert len(await groups(api, after=page["pageInfo"]["endCursor"])) == 1


# ---------------------------------------------------------------- telling apart


async def twins(api: Api, count: int = 2) -> tuple[dict[str, Any], list[str]]:
    """Make persons of one name; return their group and their ids, oldest first."""
    made = [await api.made(**with_email(f"{i}@x.at", **ANN)) for i in range(count)]
    (group,) = await groups(api)
    return group, [one["id"] for one in made]


async def test_a_dismissed_group_is_not_offered_again(api: Api) -> None:
    """Neither in the account nor of one of them; dismissing it again changes nothing."""
    group, ids = await twins(api, 3)
    for _ in range(2):
        answer = await api(DISMISS, id=group["id"])
        assert answer == {"groupId": group["id"], "errors": []}
    assert await groups(api) == []
    for one in ids:
        assert await groups(api, of={"id": one}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"emails": {"add": [{"address": "new@x.at"}]}},
        {"emails": {"set": [{"address": "new@x.at"}]}},
        {"phones": {"add": [{"number": "436601234567"}]}},
        {"externalId": "e-1"},
        {"firstName": "ANN"},
        {"nickname": "Annie"},
    ],
)
async def test_it_is_offered_again_when_an_identifier_or_a_name_changes(api: Api, change: dict[str, Any]) -> None:
    """Between the one who changed and the others; those stay told apart among themselves."""
    group, ids = await twins(api, 3)
    await api(DISMISS, id=group["id"])
    assert await api.codes(UPDATE, by={"id": ids[0]}, input=change) == []
    (again,) = await groups(api)
    assert set(members(again)) == set(ids)
    (of,) = await groups(api, of={"id": ids[1]})
    assert members(of) == [ids[1], ids[0]]


async def test_other_changes_offer_nothing_again(api: Api) -> None:
    """Neither a tag nor a city says anything about who they are."""
    group, ids = await twins(api)
    await api(DISMISS, id=group["id"])
    change = {"city": "Wien", "tags": {"add": ["VIP"]}}
    assert await api.codes(UPDATE, by={"id": ids[0]}, input=change) == []
    assert await groups(api) == []


async def test_somebody_new_is_offered_with_those_who_were_told_apart(api: Api) -> None:
    """It was said of the others, not of that one."""
    group, ids = await twins(api)
    await api(DISMISS, id=group["id"])
    new = await api.made(**with_email("new@x.at", **ANN))
    (found,) = await groups(api)
    assert set(members(found)) == {*ids, new["id"]}
    (of,) = await groups(api, of={"id": ids[0]})
    assert members(of) == [ids[0], new["id"]]


async def test_a_group_of_what_is_no_group_is_not_found(api: Api) -> None:
    """Malformed, of unknown persons, of one who is gone, of another account: the same words."""
    group, ids = await twins(api)
    account, _, text = await api.service.services.access.create_account("Other")
    there = Api(api.service, text, account.id)
    theirs, their_ids = await twins(there)
    await api(DELETE, by={"id": ids[0]})
    mixed = group_id([ids[1], their_ids[0]])
    for name in ("", "x", ids[1], group["id"], theirs["id"], mixed, f"dup_{0:026}{1:026}"):
        answer = await api(DISMISS, id=name)
        assert answer == {"groupId": None, "errors": [{"code": "NOT_FOUND", "path": ["groupId"]}]}, name
    assert await groups(api) == []
    assert [one["id"] for one in await groups(there)] == [theirs["id"]]


async def test_nothing_of_a_dismissal_is_left_of_a_deleted_person(api: Api, engine: Engine) -> None:
    """Nor was there ever a value in it."""
    group, ids = await twins(api, 3)
    await api(DISMISS, id=group["id"])
    (kept,) = await engine.find("dismissals", {})
    assert set(kept) == {"_id", "account", "persons", "prints", "at"}
    assert "novak" not in str(kept).lower()
    await api(DELETE, by={"id": ids[1]})
    assert await engine.find("dismissals", {}) == []


async def test_who_is_deleted_meanwhile_leaves_no_dismissal(api: Api, engine: Engine) -> None:
    """Whichever comes first."""
    for turn in range(5):
        made = [(await api.made(**with_email(f"{turn}{i}@x.at", **ANN)))["id"] for i in range(2)]
        calls = [api(DISMISS, id=group_id(made)), api(DELETE, by={"id": made[0]})]
        dismissed, deleted = await asyncio.gather(*calls)
        assert (deleted["errors"], len(dismissed["errors"]) < 2) == ([], True)
        assert await engine.find("dismissals", {"persons": made[0]}) == []
        await api(DELETE, by={"id": made[1]})


async def test_dismissals_at_once_are_one(api: Api, engine: Engine) -> None:
    """Whoever presses the button, and while the persons change."""
    group, ids = await twins(api)
    changes = [api(UPDATE, by={"id": ids[0]}, input={"city": f"City {turn}"}) for turn in range(10)]
    done = await asyncio.gather(*[api(DISMISS, id=group["id"]) for _ in range(10)], *changes)
    assert [one["errors"] for one in done] == [[]] * 20
    assert len(await engine.find("dismissals", {})) == 1
    assert await groups(api) == []


async def test_what_is_inside_a_group_costs_as_much_as_it_may_hold(api: Api) -> None:
    """Ten persons with their timelines each, and a look at two thousand before it."""
    query = """query($n: Int!) { duplicatePersons(first: $n) {
      nodes { persons { timeline(first: 25) { nodes { id } } } } } }"""
    assert await api.refused(query, n=20) == "COST_EXCEEDED"
    assert await api(query, n=10) == {"nodes": []}


async def test_a_merged_group_is_gone_until_it_is_undone(api: Api, engine: Engine) -> None:
    """Who was merged away is nobody to be compared with, and shares no block."""
    group, ids = await twins(api, 3)
    merged = await api(MERGE, input={"persons": [{"id": one} for one in ids]})
    assert merged["errors"] == []
    assert await groups(api) == []
    assert await groups(api, of={"id": ids[2]}) == []
    assert (await api(DISMISS, id=group["id"]))["errors"][0]["code"] == "NOT_FOUND"
    assert [one["_id"] for one in await engine.find("persons", {"words": "~nfk an"})] == ids[:1]
    assert (await api(REVERT, id=merged["merge"]["id"]))["errors"] == []
    assert [one["id"] for one in await groups(api)] == [group["id"]]


async def test_reading_finds_and_managing_dismisses(api: Api) -> None:
    """Each with its scope alone."""
    group, _ = await twins(api)
    reader, manager = await api.key_with("PEOPLE_READ"), await api.key_with("PEOPLE_MANAGE")
    assert [one["id"] for one in await groups(reader)] == [group["id"]]
    assert await reader.refused(DISMISS, id=group["id"]) == "FORBIDDEN"
    assert await manager.refused(GROUPS) == "FORBIDDEN"
    assert (await manager(DISMISS, id=group["id"]))["groupId"] == group["id"]
