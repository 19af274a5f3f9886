"""Persons that are one and companies that are one: whoever is told apart again belongs where it would have belonged."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from app.core.actor import Actor
from app.identity.service import Merges
from app.persons.service import Persons
from tests.api import COMPANY, UPDATE, Api
from tests.stories.test_changes import CHANGES
from tests.stories.test_merges import merged, reverted
from tests.stories.test_sync_races import once

LINK = """mutation($to: CompanyLocator!, $who: [PersonLocator!]!, $role: String, $primary: Boolean! = false) {
  linkPersons(company: $to, persons: $who, role: $role, primary: $primary) { errors { code } } }"""
TAKE_IN = """mutation($into: CompanyLocator!, $from: [CompanyLocator!]!) {
  mergeCompanies(into: $into, companies: $from) { errors { code } } }"""
DELETE = "mutation($by: CompanyLocator!) { deleteCompany(by: $by) { errors { code } } }"
BELONGS = """query($by: PersonLocator!) { person(by: $by) {
  companies { edges { role primary node { name } } } } }"""
MEMBERS = "query($by: CompanyLocator!) { company(by: $by) { persons { edges { role node { externalId } } } } }"

Belonging = set[tuple[str, str | None, bool]]


async def belongs(api: Api, name: str) -> Belonging:
    """Return the companies of a person with its role there, and whether that is the primary one."""
    found = await api(BELONGS, by={"externalId": name})
    edges = found["companies"]["edges"]
    return {(one["node"]["name"], one["role"], one["primary"]) for one in edges}


async def link(api: Api, company: str, person: str, role: str | None = None, **more: Any) -> None:
    """Make a person a member of a company."""
    await api(LINK, to={"name": company}, who=[{"externalId": person}], role=role, **more)


async def made(api: Api, companies: str, persons: str) -> dict[str, dict[str, Any]]:
    """Make companies and persons of these letters; return the persons."""
    for name in companies:
        await api(COMPANY, input={"name": name})
    return {name: await api.made(externalId=name, firstName=name) for name in persons}


async def test_who_is_told_apart_belongs_to_what_the_company_became(api: Api) -> None:
    """The company of the one was taken in by another meanwhile: the other person never belonged to either."""
    one = await made(api, "YZ", "AB")
    await link(api, "Y", "B", "boss")
    payload = await merged(api, one["A"], one["B"])
    await api(TAKE_IN, into={"name": "Z"}, **{"from": [{"name": "Y"}]})
    undone = await reverted(api, payload)
    assert undone["keptFields"] == []
    assert await belongs(api, "A") == set()
    assert await belongs(api, "B") == {("Z", "boss", True)}
    members = await api(MEMBERS, by={"name": "Z"})
    assert members["persons"]["edges"] == [{"role": "boss", "node": {"externalId": "B"}}]


async def test_a_role_in_the_company_that_took_the_other_in_stays_whose_it_is(api: Api) -> None:
    """Both were members, of the one company and of the other: each has its own role again, and its own primary one."""
    one = await made(api, "XYZ", "AB")
    await link(api, "X", "A", primary=True)
    await link(api, "Z", "A", "clerk")
    await link(api, "Y", "B", "boss", primary=True)
    payload = await merged(api, one["A"], one["B"])
    await api(TAKE_IN, into={"name": "Z"}, **{"from": [{"name": "Y"}]})
    assert await belongs(api, "A") == {("X", None, True), ("Z", "clerk", False)}
    undone = await reverted(api, payload)
    assert undone["keptFields"] == []
    assert await belongs(api, "A") == {("X", None, True), ("Z", "clerk", False)}
    assert await belongs(api, "B") == {("Z", "boss", True)}


async def test_a_role_that_one_of_them_has_is_the_role_of_all(api: Api) -> None:
    """As with every other value: what is empty is filled."""
    one = await made(api, "Z", "AB")
    await link(api, "Z", "A")
    await link(api, "Z", "B", "boss")
    payload = await merged(api, one["A"], one["B"])
    assert await belongs(api, "A") == {("Z", "boss", True)}
    await reverted(api, payload)
    assert (await belongs(api, "A"), await belongs(api, "B")) == ({("Z", None, True)}, {("Z", "boss", True)})


@pytest.mark.parametrize("another", [False, True])
@pytest.mark.parametrize("step", ["moved", "read"])
async def test_who_is_told_apart_while_members_move_goes_along(
    api: Api, monkeypatch: pytest.MonkeyPatch, step: str, *, another: bool
) -> None:
    """G a survivor who was moved before the company is gone W undone T each belongs to what the company becomes."""
    one = await made(api, "XYZ", "ABC")
    await link(api, "Z", "C")
    await link(api, "Y", "B", "boss")
    await link(api, "X", "B", primary=True)
    payload = await merged(api, one["A"], one["B"])
    if another:
        await merged(api, one["C"], one["A"], into=one["C"]["id"])
    services = api.service.services
    found = [await services.companies.find(api.account, "name", name) for name in "YZ"]

    @asynccontextmanager
    async def behind(*_: Any) -> AsyncIterator[None]:
        yield
        if step == "read":
            await services.persons.move_all(Actor(api.account, "key", frozenset()), *filter(None, found))
        else:
            assert (await reverted(api, payload))["keptFields"] == []

    if step == "moved":
        once(monkeypatch, Persons, "move_all", behind)
    else:
        once(monkeypatch, Merges, "_companies_by_now", behind)
        assert (await reverted(api, payload))["keptFields"] == []
    await api(TAKE_IN, into={"name": "Z"}, **{"from": [{"name": "Y"}]})
    assert await belongs(api, "A") == ({("Z", None, True)} if another else set())
    assert await belongs(api, "B") == {("Z", "boss", False), ("X", None, True)}


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_becomes_of_a_company_makes_no_member_newer(api: Api, *, deleted: bool) -> None:
    """G an older person in a company W that is gone T a newer person's values win, as of all who are no members."""
    one = await made(api, "YZ", "AB")
    await link(api, "Y", "A", "boss")
    await api(UPDATE, by={"externalId": "B"}, input={"firstName": "newer"})
    if deleted:
        await api(DELETE, by={"name": "Y"})
    else:
        await api(TAKE_IN, into={"name": "Z"}, **{"from": [{"name": "Y"}]})
    assert (await merged(api, one["A"], one["B"]))["person"]["firstName"] == "newer"


@pytest.mark.parametrize("seed", range(12))
async def test_merges_of_persons_leave_no_trace_in_what_became_of_companies(api: Api, seed: int) -> None:
    """Whatever companies take in or are gone between merges: after undoing, in any order, all is as without merges."""
    chance = random.Random(seed)
    with_merges, without = "ABC", "abc"
    one = await made(api, "VWXYZ", with_merges + without)
    there = list("VWXYZ")
    for small, company in ((small, company) for small in without for company in there):
        if chance.random() < 0.4:
            # Only one of them has roles: two that differ in one company leave it open whose it is.
            role, primary = f"{small} of {company}" if small == "a" else None, chance.random() < 0.5
            for name in (small, small.upper()):
                await link(api, company, name, role, primary=primary)
    before = [await belongs(api, name) for name in without]
    assert [await belongs(api, name) for name in with_merges] == before

    async def meanwhile() -> None:
        if len(there) > 1:
            gone, into = chance.sample(there, 2)
            there.remove(gone)
            if chance.random() < 0.8:
                await api(TAKE_IN, into={"name": into}, **{"from": [{"name": gone}]})
            else:
                await api(DELETE, by={"name": gone})

    payloads = []
    for gone in ("B", "C"):
        payloads.append(await merged(api, one["A"], one[gone], into=one["A"]["id"]))
        await meanwhile()
    chance.shuffle(payloads)
    for payload in payloads:
        await reverted(api, payload)
        await meanwhile()
    assert [await belongs(api, name) for name in with_merges] == [await belongs(api, name) for name in without]


@pytest.mark.parametrize("negated", [False, True])
async def test_who_follows_by_a_company_that_is_merged_is_told_to_read_afresh(api: Api, *, negated: bool) -> None:
    """W it is merged, and what took it in as well T RESYNC each time, also for who comes back."""
    first, second, third = [(await api(COMPANY, input={"name": name}))["company"]["id"] for name in "abc"]
    member = await api.made(externalId="m")
    await link(api, "b", "m")
    of_first, of_second = [{"not": {"companyId": one}} if negated else {"companyId": one} for one in (first, second)]
    async with api.live(CHANGES, filter=of_first) as socket, api.live(CHANGES, filter=of_second) as survivors:
        cursors = [(await socket.data())["cursor"]]
        assert (await survivors.data())["kind"] == "READY"
        await api(TAKE_IN, into={"id": second}, **{"from": [{"id": first}]})
        told = await socket.data()
        assert (told["kind"], told["personId"], told["person"], told["changedFields"]) == ("RESYNC", None, None, [])
        cursors.append(told["cursor"])
        await api(TAKE_IN, into={"id": third}, **{"from": [{"id": second}]})
        for one in (socket, survivors):
            assert (await one.data())["personId"] == member["id"]
            assert (await one.data())["kind"] == "RESYNC"
    for cursor, rest in zip(cursors, (["RESYNC", member["id"], "RESYNC"], [member["id"], "RESYNC"]), strict=True):
        async with api.live(CHANGES, filter=of_first, after=cursor) as socket:
            assert (await socket.data())["kind"] == "READY"
            told = [await socket.data() for _ in rest]
            assert [one["personId"] or one["kind"] for one in told] == rest


async def test_what_a_company_takes_in_and_its_own_end_are_told_of_its_members_alone(api: Api) -> None:
    """Nobody need read afresh who is told of each of them."""
    ids = [(await api(COMPANY, input={"name": name}))["company"]["id"] for name in "abc"]
    member = await api.made(externalId="m")
    await link(api, "b", "m")
    last = {"externalId": {"eq": "last"}}
    wanted: list[dict[str, Any] | None] = [None, {"or": [{"companyId": ids[0]}, last]}]
    wanted += [{"or": [*({"companyId": one} for one in ids[::2]), last]}]
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(api.live(CHANGES, filter=each)) for each in wanted]
        for socket in sockets:
            assert (await socket.data())["kind"] == "READY"
        await api(TAKE_IN, into={"id": ids[0]}, **{"from": [{"id": ids[1]}]})
        for one in ids[::2]:
            await api(DELETE, by={"id": one})
        end = await api.made(externalId="last")
        for socket in sockets:
            told = [(await socket.data())["personId"] for _ in range(3)]
            assert told == [member["id"], member["id"], end["id"]]
