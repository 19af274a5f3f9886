"""How following goes on and ends for whoever followed what was merged, also for who comes back with a cursor."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from app.live.topic import Moment, Topic
from app.persons.service import Persons
from tests.api import COMPANY, CREATE, TIMELINE, UPDATE, Api
from tests.stories.test_events import order, shop
from tests.stories.test_live import CHANGES, FOLLOW
from tests.stories.test_merged_companies import DELETE as DELETE_COMPANY
from tests.stories.test_merged_companies import TAKE_IN
from tests.stories.test_merges import merged, reverted
from tests.wire import Socket

__all__ = ["shop"]
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"
OF_COMPANY = """subscription($company: CompanyLocator, $types: [String!], $after: Cursor) {
  timelineEvents(company: $company, types: $types, after: $after) { kind cursor event { type } } }"""
INC = {"name": "one", "externalId": "o", "domains": ["one.example"]}
RENAME = {
    "person": UPDATE,
    "company": """mutation($by: CompanyLocator!, $input: UpdateCompanyInput!) {
      updateCompany(by: $by, input: $input) { errors { code } } }""",
}
TYPES = pytest.mark.parametrize("types", [None, ["orderPlaced"]])


async def words(socket: Socket) -> AsyncIterator[dict[str, Any]]:
    """Yield what is said beside events and orders, to the end of the stream."""
    while (message := await socket.next())["type"] == "next":
        (update,) = message["payload"]["data"].values()
        if update["kind"] != "EVENT" or update["event"]["type"] == "orderPlaced":
            yield update
    assert message == {"type": "complete", "id": "1"}


async def kinds(socket: Socket) -> list[str]:
    """Return the kinds of these."""
    return [one["kind"] async for one in words(socket)]


async def followed(api: Api, noun: str) -> tuple[str, dict[str, str]]:
    """Make a person or a company; return what follows it, and its id."""
    if noun == "person":
        return FOLLOW, {"id": (await api.made(externalId="one"))["id"]}
    return OF_COMPANY, {"id": (await api(COMPANY, input=INC))["company"]["id"]}


async def refusal(api: Api, document: str, **variables: Any) -> str:
    """Return the code that following is refused with."""
    async with api.live(document, **variables) as socket:
        message = await socket.next()
        assert message["type"] == "error", message
        code: str = message["payload"][0]["extensions"]["code"]
        return code


def heard(api: Api, type_: str) -> asyncio.Event:
    """Return what is set once the process hears of an event of a type."""
    arrived = asyncio.Event()

    def listen(moments: Sequence[Moment]) -> None:
        if any(one.event is not None and one.event.type == type_ for one in moments):
            arrived.set()

    api.service.feed.on_batch(listen)
    return arrived


@TYPES
async def test_who_followed_a_merged_person_hears_of_the_survivors_fate(shop: Api, types: list[str] | None) -> None:
    """W merged, the survivor is merged as well, that one is deleted T MERGED twice, DELETED; later as well."""
    first, second, third = [await shop.made(externalId=name) for name in "abc"]
    by = {"id": first["id"]}
    async with shop.live(FOLLOW, person=by, types=types) as socket:
        told = words(socket)
        cursor = (await anext(told))["cursor"]
        for gone, survivor in ((first, second), (second, third)):
            await merged(shop, gone, survivor, into=survivor["id"])
            assert (await anext(told))["kind"] == "MERGED"
            await shop.track({**order(), "person": {"id": survivor["id"]}})
            assert (await anext(told))["event"]["type"] == "orderPlaced"
        await shop(DELETE, by={"id": third["id"]})
        assert [one["kind"] async for one in told] == ["DELETED"]
    async with shop.live(FOLLOW, person=by, types=types, after=cursor) as socket:
        assert (await kinds(socket))[-1] == "DELETED"


async def test_a_survivor_who_is_gone_before_the_merge_is_told_is_told_as_well(
    shop: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G the survivor is deleted while a merge is on its way to followers T MERGED, DELETED."""
    first, second = [await shop.made(externalId=name) for name in "ab"]
    get = Persons.get

    async def late(persons: Persons, account: str, person_id: str) -> Any:
        """Look when the survivor is gone."""
        monkeypatch.setattr(Persons, "get", get)
        await shop(DELETE, by={"id": second["id"]})
        return await get(persons, account, person_id)

    async with shop.live(FOLLOW, person={"id": first["id"]}) as socket:
        told = words(socket)
        await anext(told)
        await merged(shop, first, second, into=second["id"])
        monkeypatch.setattr(Persons, "get", late)
        assert [one["kind"] async for one in told] == ["MERGED", "DELETED"]


@TYPES
async def test_who_followed_a_merged_company_goes_on_with_the_survivor_to_its_end(
    shop: Api, types: list[str] | None
) -> None:
    """W merged twice over, come back with each cursor, then deleted T MERGED, nothing missed, DELETED."""
    first, second, third = [{"id": (await shop(COMPANY, input={"name": name}))["company"]["id"]} for name in "abc"]
    async with shop.live(OF_COMPANY, company=first, types=types) as socket:
        told = words(socket)
        cursors = [(await anext(told))["cursor"]]
        assert (await shop(TAKE_IN, into=second, **{"from": [first]}))["errors"] == []
        merge = await anext(told)
        assert merge["kind"] == "MERGED"
        cursors.append(merge["cursor"])
        assert (await shop(TAKE_IN, into=third, **{"from": [second]}))["errors"] == []
        for number, cursor in enumerate(cursors):
            async with shop.live(OF_COMPANY, company=first, types=types, after=cursor) as again:
                back = words(again)
                expected = ["READY", "MERGED"][: 2 - number]
                assert [(await anext(back))["kind"] for _ in expected] == expected
        await shop(DELETE_COMPANY, by=third)
        assert [one["kind"] async for one in told] == ["DELETED"]


@TYPES
@pytest.mark.parametrize("merges", [0, 1, 2])
async def test_who_comes_back_to_a_company_that_is_gone_is_told_of_its_end(
    shop: Api, types: list[str] | None, merges: int
) -> None:
    """G followed, merged or not, left W it is deleted T DELETED alone with each cursor, be others gone as well."""
    chain = [{"id": (await shop(COMPANY, input={"name": name}))["company"]["id"]} for name in "abcd"]
    first, *rest = chain
    async with shop.live(OF_COMPANY, company=first, types=types) as socket:
        told = words(socket)
        cursors = [(await anext(told))["cursor"]]
        if merges:
            assert (await shop(TAKE_IN, into=rest[0], **{"from": [first]}))["errors"] == []
            cursors.append((await anext(told))["cursor"])
    for gone, into in pairwise(rest[:merges]):
        assert (await shop(TAKE_IN, into=into, **{"from": [gone]}))["errors"] == []
    await shop(DELETE_COMPANY, by=chain[3])
    await shop(DELETE_COMPANY, by=chain[merges])
    for cursor in cursors:
        async with shop.live(OF_COMPANY, company=first, types=types, after=cursor) as again:
            assert [(await again.data())["kind"] for _ in range(2)] == ["READY", "DELETED"]
            assert (await again.next())["type"] == "complete"


@pytest.mark.parametrize("noun", ["person", "company"])
async def test_who_comes_back_behind_the_end_is_told_that_there_is_nobody(shop: Api, noun: str) -> None:
    """G told DELETED W coming back with the cursor of that T NOT_FOUND, as for who never followed; not silence."""
    (document, by), delete = await followed(shop, noun), {"person": DELETE, "company": DELETE_COMPANY}[noun]
    async with shop.live(document, **{noun: by}) as socket:
        before = (await socket.data())["cursor"]
        await shop(delete, by=by)
        end = [one async for one in words(socket)][-1]
        assert end["kind"] == "DELETED"
    assert await refusal(shop, document, **{noun: by}, after=end["cursor"]) == "NOT_FOUND"
    async with shop.live(document, **{noun: by}, after=before) as socket:
        assert await kinds(socket) == ["READY", "DELETED"]


async def test_who_followed_changes_of_one_alone_is_told_so_as_well(shop: Api) -> None:
    """PersonChanges by one id: NOT_FOUND with the cursor of its DELETED."""
    one = await shop.made(externalId="one")
    wanted = {"ids": [one["id"]]}
    async with shop.live(CHANGES, filter=wanted) as socket:
        await socket.data()
        await shop(DELETE, by={"id": one["id"]})
        end = await socket.data()
        assert (end["kind"], (await socket.next())["type"]) == ("DELETED", "complete")
    assert await refusal(shop, CHANGES, filter=wanted, after=end["cursor"]) == "NOT_FOUND"


@pytest.mark.parametrize("noun", ["person", "company"])
async def test_who_lost_the_end_is_told_of_it_where_they_read_afresh(
    shop: Api, noun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G the end is among what was lost T RESYNC, then DELETED without an event, and the stream ends."""
    (document, by), delete = await followed(shop, noun), {"person": DELETE, "company": DELETE_COMPANY}[noun]
    monkeypatch.setattr(Topic, "covers", lambda *_: False)
    async with shop.live(document, **{noun: by}) as socket:
        await socket.data()
        await shop(delete, by=by)
        shop.service.hub._reset()
        lost, end = [one async for one in words(socket)]
        assert (lost["kind"], end["kind"], end["event"]) == ("RESYNC", "DELETED", None)
    assert await refusal(shop, document, **{noun: by}, after=end["cursor"]) == "NOT_FOUND"


async def test_who_lost_a_merge_goes_on_with_the_survivor(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """G a merge is among what was lost T RESYNC, and then what the survivor does."""
    first, second = [await shop.made(externalId=name) for name in "ab"]
    async with shop.live(FOLLOW, person={"id": first["id"]}, types=["orderPlaced"]) as socket:
        await socket.data()
        arrived = heard(shop, "personMerged")
        with monkeypatch.context() as lost:
            lost.setattr(Topic, "covers", lambda *_: False)
            await merged(shop, first, second, into=second["id"])
            async with asyncio.timeout(10):
                await arrived.wait()
        shop.service.hub._reset()
        assert (await socket.data())["kind"] == "RESYNC"
        await shop.track({**order(), "person": {"id": second["id"]}})
        assert (await socket.data())["event"]["type"] == "orderPlaced"


NAMES = [("person", {"externalId": "one"}), ("company", {"name": "one"}), ("company", {"externalId": "o"})]


@pytest.mark.parametrize(("noun", "by"), [*NAMES, ("company", {"domain": "one.example"})])
@pytest.mark.parametrize("taken", [False, True])
async def test_who_followed_by_a_name_comes_back_to_the_end(
    shop: Api, noun: str, by: dict[str, str], *, taken: bool
) -> None:
    """G followed by a name W deleted, and maybe another has the name by now T DELETED, as for who followed by id."""
    document, _ = await followed(shop, noun)
    async with shop.live(document, **{noun: by}) as socket:
        cursor = (await socket.data())["cursor"]
    await shop({"person": DELETE, "company": DELETE_COMPANY}[noun], by=by)
    if taken:
        await followed(shop, noun)
    async with shop.live(document, **{noun: by}, after=cursor) as socket:
        assert await kinds(socket) == ["READY", "DELETED"]


@pytest.mark.parametrize(("noun", "by"), NAMES[:2])
async def test_who_followed_by_a_name_goes_on_with_whom_it_meant(shop: Api, noun: str, by: dict[str, str]) -> None:
    """W it has another name by now T what happened meanwhile; the cursor of one is none of another's."""
    document, one = await followed(shop, noun)
    async with shop.live(document, **{noun: by}) as socket:
        cursor = (await socket.data())["cursor"]
    (key,) = by
    await shop(RENAME[noun], by=one, input={key: "two"})
    async with shop.live(document, **{noun: by}, after=cursor) as socket:
        assert [(await socket.data())["kind"] for _ in range(2)] == ["READY", "EVENT"]
    made = {"person": CREATE, "company": COMPANY}[noun]
    other = {"id": (await shop(made, input={key: "one"}))[noun]["id"]}
    for locator in (by, other):
        assert await refusal(shop, document, **{noun: locator}, after=cursor) == "BAD_CURSOR"
    assert await refusal(shop, document, **{noun: {key: "nobody"}}) == "NOT_FOUND"


async def taken_in(shop: Api) -> tuple[dict[str, Any], dict[str, Any], str, dict[str, Any]]:
    """Follow the orders of one by its name, and merge it into another; return both, the cursor and the merge."""
    first, second = [await shop.made(externalId=name) for name in "ab"]
    async with shop.live(FOLLOW, person={"externalId": "a"}, types=["orderPlaced"]) as socket:
        cursor: str = (await socket.data())["cursor"]
    return first, second, cursor, await merged(shop, first, second, into=second["id"])


async def test_who_followed_by_a_name_keeps_whom_it_meant_through_a_merge_and_its_undo(shop: Api) -> None:
    """G followed by a name W merged, come back, told apart, come back T goes on with who has the name."""
    first, _, cursor, merge = await taken_in(shop)
    by = {"externalId": "a"}
    async with shop.live(FOLLOW, person=by, types=["orderPlaced"], after=cursor) as socket:
        cursors = [cursor, *[(await socket.data())["cursor"] for _ in range(2)]]
    await reverted(shop, merge)
    await shop.track({**order(), "person": {"id": first["id"]}})
    for cursor in cursors:
        async with shop.live(FOLLOW, person=by, types=["orderPlaced"], after=cursor) as socket:
            told = words(socket)
            while (update := await anext(told))["kind"] != "EVENT":
                pass
            assert update["event"]["type"] == "orderPlaced"


async def test_who_meant_another_by_the_same_name_shares_nothing(shop: Api) -> None:
    """G one began by a name while it was merged, another before W told apart T each goes on with whom they meant."""
    first, second, cursor, merge = await taken_in(shop)
    follow = {"person": {"externalId": "a"}, "types": ["orderPlaced"]}
    async with shop.live(FOLLOW, **follow) as late, shop.live(FOLLOW, **follow, after=cursor) as early:
        assert (await late.data())["kind"] == "READY"
        assert [(await early.data())["kind"] for _ in range(2)] == ["READY", "MERGED"]
        await reverted(shop, merge)
        for number, person in enumerate((second, first)):
            event = {**order(eventId=f"e{number}"), "person": {"id": person["id"]}}
            await shop.track(event)
        assert [(await one.data())["person"]["externalId"] for one in (late, early)] == ["b", "a"]


async def test_who_comes_back_behind_an_undone_merge_is_told_what_lies_on_the_timeline(shop: Api) -> None:
    """G merged, events of each, told apart T with cursors of before: each what a page of the timeline has, once."""
    persons = [await shop.made(externalId=name) for name in "ab"]
    cursors = []
    for one in persons:
        async with shop.live(FOLLOW, person={"id": one["id"]}) as socket:
            cursors.append((await socket.data())["cursor"])
    merge = await merged(shop, *persons, into=persons[1]["id"])
    await shop.track(*[{**order(eventId=name), "person": {"externalId": name}} for name in "ab"])
    await reverted(shop, merge)
    for one, cursor in zip(persons, cursors, strict=True):
        last = (await shop.track({**order(), "person": {"id": one["id"]}}))[0]["event"]["id"]
        page = (await shop(TIMELINE, by={"id": one["id"]}))["timeline"]["nodes"]
        async with shop.live(FOLLOW, person={"id": one["id"]}, after=cursor) as socket:
            told: list[str] = []
            while not told or told[-1] != last:
                update = await socket.data()
                told += [update["event"]["id"]] if update["kind"] == "EVENT" else []
        assert sorted(told) == sorted(each["id"] for each in page if each["type"] != "personCreated")


async def test_who_follows_by_an_id_is_told_of_the_end_of_each_it_lived_in(shop: Api) -> None:
    """G merged into another W that one is merged too, the first is told apart T MERGED of it, also when coming back."""
    one, two, three = [await shop.made(externalId=name) for name in "123"]
    first = await merged(shop, two, three, into=two["id"])
    wanted = {"ids": [three["id"]]}
    async with shop.live(CHANGES, filter=wanted) as socket:
        cursor = (await socket.data())["cursor"]
    await merged(shop, one, two, into=one["id"])
    await reverted(shop, first)
    async with shop.live(CHANGES, filter=wanted, after=cursor) as socket:
        told: list[tuple[str, str]] = []
        while not told or told[-1][1] != three["id"]:
            update = await socket.data()
            told.append((update["kind"], update["personId"]))
    assert ("MERGED", two["id"]) in told
