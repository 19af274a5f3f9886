"""Changes of persons, told by what a filter finds: who comes, who changes, who no longer belongs."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests import api as apis
from tests.api import ATTRIBUTE, COMPANY, LINK, UPDATE, Api
from tests.stories.test_filters import attribute
from tests.stories.test_merges import merged, reverted

CHANGES = """subscription($filter: PersonFilter, $after: Cursor) {
  personChanges(filter: $filter, after: $after) {
    kind cursor personId changedFields person { id firstName tags inheritedTags } }
}"""
UNLINK = """mutation($company: CompanyLocator!, $persons: [PersonLocator!]!) {
  unlinkPersons(company: $company, persons: $persons) { errors { code } }
}"""
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"
Input = dict[str, Any]
BIRTH = "birthDate"
# A filter, what makes a new person match it, and a change after which the person doesn't.
CASES: list[tuple[Input, Input, Input]] = [
    ({"type": "LEAD"}, {"type": "LEAD"}, {"type": "CUSTOMER"}),
    ({"gender": "FEMALE"}, {"gender": "FEMALE"}, {"gender": None}),
    ({"lastName": {"eq": "LOVE"}}, {"lastName": "Love"}, {"lastName": "Lovelace"}),
    ({"lastName": {"startsWith": "lo", "endsWith": "CE"}}, {"lastName": "Lovelace"}, {"lastName": "Love"}),
    ({"city": {"in": ["Paris", "Rome"]}}, {"city": "rome"}, {"city": "Romeo"}),
    ({"city": {"notIn": ["Paris"]}}, {"city": "Rome"}, {"city": "PARIS"}),
    ({"nickname": {"exists": True}}, {"nickname": "Ada"}, {"nickname": None}),
    ({"email": {"endsWith": "@b.example"}}, {"emails": [{"address": "a@b.example"}]}, {"emails": None}),
    ({"phone": {"eq": "+49 170 12"}}, {"phones": [{"number": "4917012"}]}, {"phones": {"remove": ["4917012"]}}),
    ({BIRTH: {"gte": "2000-01-01"}}, {BIRTH: "2000-01-01"}, {BIRTH: "1999-12-31"}),
    ({"tags": {"has": "VIP"}}, {"tags": ["vip"]}, {"tags": {"remove": ["VIP"]}}),
    ({"tags": {"hasNone": ["VIP", "x"]}}, {"tags": ["y"]}, {"tags": {"add": ["x"]}}),
    (attribute("plan", string={"eq": "gold"}), {"customAttributes": {"plan": "Gold"}}, {"plan": "Silver"}),
    (attribute("age", number={"gt": 17, "lt": 66}), {"customAttributes": {"age": 18}}, {"age": 66}),
    (attribute("member", boolean=True), {"customAttributes": {"member": True}}, {"member": False}),
    (attribute("since", date={"lte": "2020-02-29"}), {"customAttributes": {"since": "2020-02-29"}}, {"since": None}),
    (
        attribute("seen", dateTime={"lt": "2026-01-01T00:00:00.001Z"}),
        {"customAttributes": {"seen": "2026-01-01T00:00:00Z"}},
        {"seen": "2026-01-01T00:00:00.001Z"},
    ),
    (attribute("plan", exists=True), {"customAttributes": {"plan": "x"}}, {"plan": None}),
    (
        {"or": [{"tags": {"has": "a"}}, {"and": [{"type": "LEAD"}, {"not": {"city": {"exists": True}}}]}]},
        {"type": "LEAD"},
        {"city": "Rome"},
    ),
]


@pytest.fixture
async def shop(api: Api) -> Api:
    """Give an account with an attribute of each type."""
    types = {"age": "INTEGER", "member": "BOOLEAN", "since": "DATE", "seen": "DATE_TIME", "plan": "STRING"}
    for name, type_ in types.items():
        assert (await api(ATTRIBUTE, input={"name": name, "type": type_}))["errors"] == []
    return api


async def changed(api: Api, by: Input, input_: Input) -> None:
    """Change a person; what is no field of the contract is an attribute."""
    custom = {name: value for name, value in input_.items() if name in {"plan", "age", "member", "since", "seen"}}
    rest = {name: value for name, value in input_.items() if name not in custom}
    given = {**rest, **({"customAttributes": custom} if custom else {})}
    assert (await api(UPDATE, by=by, input=given))["errors"] == []


async def test_each_kind_of_filter_tells_who_comes_changes_and_leaves(shop: Api) -> None:
    """CREATED, UPDATED with the person, LEFT without, UPDATED again; of others nothing."""
    for number, (wanted, matching, leaving) in enumerate(CASES):
        async with shop.live(CHANGES, filter=wanted) as socket:
            assert (await socket.data())["kind"] == "READY"
            person = await shop.made(externalId=f"p{number}", **matching)
            told = await socket.data()
            assert (told["kind"], told["person"]["id"]) == ("CREATED", person["id"]), wanted
            by = {"id": person["id"]}
            await changed(shop, by, {"firstName": "Bea"})
            told = await socket.data()
            assert (told["kind"], told["person"]["firstName"]) == ("UPDATED", "Bea"), wanted
            await changed(shop, by, leaving)
            told = await socket.data()
            assert (told["kind"], told["personId"], told["person"]) == ("LEFT", person["id"], None), wanted
            # Who is out is told no more, until deleted.
            await changed(shop, by, {"firstName": "Cat"})
            await shop(DELETE, by=by)
            assert (await socket.data())["kind"] == "DELETED", wanted


async def test_who_never_matched_never_leaves(shop: Api) -> None:
    """A new person that the filter doesn't find is nobody's news, though it has all the fields that the filter asks."""
    async with shop.live(CHANGES, filter={"type": "LEAD", "city": {"eq": "Rome"}}) as socket:
        assert (await socket.data())["kind"] == "READY"
        await shop.made(externalId="other", type="CUSTOMER", city="Paris")
        await shop.made(externalId="one", type="LEAD", city="rome")
        assert (await socket.data())["kind"] == "CREATED"


async def test_tags_of_companies_count_from_joining_to_leaving(shop: Api) -> None:
    """By the company's tag: joining is UPDATED, leaving LEFT; a tag that the company gets later counts as well."""
    for name, tags in (("Acme", ["VIP"]), ("Plain", [])):
        assert (await shop(COMPANY, input={"name": name, "tags": tags}))["errors"] == []
    person = await shop.made(externalId="member")
    by, acme, plain = [{"id": person["id"]}], {"name": "Acme"}, {"name": "Plain"}
    async with shop.live(CHANGES, filter={"tags": {"has": "vip"}}) as socket:
        assert (await socket.data())["kind"] == "READY"
        await shop(LINK, company=plain, persons=by)
        assert (await socket.data())["kind"] == "LEFT"
        await shop(LINK, company=acme, persons=by)
        told = await socket.data()
        assert (told["kind"], told["changedFields"]) == ("UPDATED", ["companies"])
        assert (told["person"]["tags"], told["person"]["inheritedTags"]) == ([], ["VIP"])
        await shop(UNLINK, company=acme, persons=by)
        assert (await socket.data())["kind"] == "LEFT"
        update = 'mutation { updateCompany(by: {name: "Plain"}, input: {tags: {add: ["VIP"]}}) { errors { code } } }'
        assert (await shop(update))["errors"] == []
        await changed(shop, by[0], {"firstName": "Bea"})
        assert (await socket.data())["kind"] == "UPDATED"


async def test_members_of_a_company_are_told_by_its_id(shop: Api) -> None:
    """companyId: UPDATED on joining, LEFT on leaving, as on the company's deletion."""
    acme = (await shop(COMPANY, input={"name": "Acme"}))["company"]["id"]
    person = await shop.made(externalId="member")
    by = [{"id": person["id"]}]
    async with shop.live(CHANGES, filter={"companyId": acme}) as socket:
        assert (await socket.data())["kind"] == "READY"
        for leave in (
            UNLINK,
            "mutation($company: CompanyLocator!) { deleteCompany(by: $company) { errors { code } } }",
        ):
            await shop(LINK, company={"id": acme}, persons=by)
            assert (await socket.data())["kind"] == "UPDATED"
            variables = {"company": {"id": acme}, **({"persons": by} if leave is UNLINK else {})}
            assert (await shop(leave, **variables))["errors"] == []
            assert (await socket.data())["kind"] == "LEFT"


async def test_ids_and_time_of_change_are_filters_too(shop: Api) -> None:
    """The filter ids tells of these alone, and ends when the only one is gone; one by time is left by any change."""
    person = await shop.made(externalId="one")
    at = await shop("query($id: ID!) { node(id: $id) { ... on Person { updatedAt } } }", id=person["id"])
    wanted = {"updatedAt": {"lte": at["updatedAt"]}}
    async with (
        shop.live(CHANGES, filter={"ids": [person["id"]]}) as by_id,
        shop.live(CHANGES, filter=wanted) as by_time,
    ):
        for socket in (by_id, by_time):
            assert (await socket.data())["kind"] == "READY"
        await shop.made(externalId="two")
        await changed(shop, {"id": person["id"]}, {"firstName": "Bea"})
        assert (await by_id.data())["kind"] == "UPDATED"
        assert (await by_time.data())["kind"] == "LEFT"
        await shop(DELETE, by={"id": person["id"]})
        assert (await by_id.data())["kind"] == "DELETED"
        assert (await by_id.next())["type"] == "complete"


async def test_who_was_merged_shows_the_survivor_only_where_the_filter_finds_it(shop: Api) -> None:
    """MERGED comes without the person where the survivor doesn't match; an id that was merged away means them."""
    one, two = await shop.made(externalId="1", city="Rome"), await shop.made(externalId="2")
    wanted: list[Input | None] = [{"city": {"eq": "rome"}}, {"hasPush": True}, None]
    wanted += [{"ids": [two["id"]]}, {"ids": [two["id"]], "hasPush": True}]
    seen = []
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(shop.live(CHANGES, filter=each)) for each in wanted]
        for socket in sockets:
            assert (await socket.data())["kind"] == "READY"
        await merged(shop, one, two)
        for socket in sockets:
            told = await socket.data()
            assert (told["kind"], told["personId"]) == ("MERGED", two["id"])
            seen.append(told["person"] and told["person"]["id"])
    assert seen == [one["id"], None, one["id"], one["id"], None]


async def test_who_comes_back_hears_what_became_of_whom_an_id_was_merged_into(shop: Api) -> None:
    """G a merged id is followed W the merge is undone T LEFT; W the survivor is deleted T DELETED, the end."""
    one, two = await shop.made(externalId="1"), await shop.made(externalId="2")
    wanted = {"ids": [two["id"]]}
    payload = await merged(shop, one, two)
    async with shop.live(CHANGES, filter=wanted) as socket:
        cursor = (await socket.data())["cursor"]
    await reverted(shop, payload)
    async with shop.live(CHANGES, filter=wanted, after=cursor) as socket:
        assert (await socket.data())["kind"] == "READY"
        told = [await socket.data() for _ in range(2)]
        assert {each["personId"]: each["kind"] for each in told} == {one["id"]: "LEFT", two["id"]: "UPDATED"}
        await merged(shop, one, two)
        told = [await socket.data() for _ in range(2)]
        assert {each["personId"]: each["kind"] for each in told} == {one["id"]: "UPDATED", two["id"]: "MERGED"}
    three = await shop.made(externalId="3")
    await merged(shop, one, three, into=three["id"])
    await shop(DELETE, by={"id": three["id"]})
    async with shop.live(CHANGES, filter=wanted, after=told[-1]["cursor"]) as socket:
        assert (await socket.data())["kind"] == "READY"
        told = [await socket.data() for _ in range(3)]
        assert [each["kind"] for each in told] == ["MERGED", "LEFT", "DELETED"]
        assert [each["personId"] for each in told] == [one["id"], three["id"], three["id"]]
        assert (await socket.next())["type"] == "complete"


async def test_an_id_that_is_merged_is_followed_in_the_survivor(shop: Api) -> None:
    """Whether it was merged before or meanwhile; no longer where the merge is undone, and up to the survivor's end."""
    one, two = await shop.made(externalId="1"), await shop.made(externalId="2")
    payload = await merged(shop, one, two)
    wanted = {"ids": [two["id"]]}
    async with shop.live(CHANGES, filter=wanted) as socket:
        assert (await socket.data())["kind"] == "READY"
        await changed(shop, {"id": one["id"]}, {"firstName": "Ann"})
        told = await socket.data()
        assert (told["kind"], told["personId"]) == ("UPDATED", one["id"])
        await reverted(shop, payload)
        told = [await socket.data() for _ in range(2)]
        assert sorted((each["kind"], each["personId"]) for each in told) == [
            ("LEFT", one["id"]),
            ("UPDATED", two["id"]),
        ]
        await changed(shop, {"id": one["id"]}, {"firstName": "Bea"})
        await merged(shop, one, two)
        told = [await socket.data() for _ in range(2)]
        assert [(each["kind"], each["personId"]) for each in told] == [("MERGED", two["id"]), ("UPDATED", one["id"])]
        await shop(DELETE, by={"id": one["id"]})
        assert (await socket.data())["kind"] == "DELETED"
        assert (await socket.next())["type"] == "complete"


async def test_what_another_process_did_a_moment_ago_is_known(shop: Api) -> None:
    """A tag made there while one follows it here by name: on a profile, and on a company that the profile joins."""
    async with (
        apis.opened(shop.service.store.engine) as other,
        shop.live(CHANGES, filter={"tags": {"hasAny": ["fresh", "newer"]}}) as socket,
    ):
        assert (await socket.data())["kind"] == "READY"
        there = Api(other.service, shop.key, shop.account)
        await there.made(externalId="tagged", tags=["Fresh"])
        assert (await socket.data())["kind"] == "CREATED"
        await there(COMPANY, input={"name": "Acme", "tags": ["Newer"]})
        await there.made(externalId="member")
        await there(LINK, company={"name": "Acme"}, persons=[{"externalId": "member"}])
        # Who is told here of the creation after the link has it with the tag already.
        kinds = [(await socket.data())["kind"]]
        kinds += [(await socket.data())["kind"]] if kinds == ["CREATED"] else []
        assert kinds[-1] == "UPDATED"
