"""Whose an installation is, and whose it was, when merges of its users are undone, and when one of them is erased."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.api import DEFINE, Api
from tests.stories.mobile import Phone, email, primaries, registrations, seen
from tests.stories.test_app_retries import late
from tests.stories.test_merges import merged, reverted

START = datetime.now(UTC).replace(microsecond=0)
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Give a clock that stands still."""
    with time_machine.travel(START, tick=False) as one:
        yield one


@pytest.fixture
async def phone(api: Api) -> Phone:
    """Give a phone that was opened, and a type of events."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one = Phone(api)
    await one.opened()
    return one


async def test_who_logged_in_since_has_the_phone_of_another_who_comes_back(api: Api, phone: Phone) -> None:
    """G three who are one W one logs in on the phone of another, undone T it is theirs, and the rest has a primary."""
    other = Phone(api, "p2")
    await other.opened()
    for one in (phone, other):
        ann = await one.login("ann@x.example")
    dan, bob = [await api.made(emails=email(f"{name}@x.example")) for name in ("dan", "bob")]
    payload = await merged(api, dan, ann, bob, into=dan["id"])
    await phone.logout()
    await phone.login("bob@x.example")
    assert (await reverted(api, payload))["keptFields"] == ["pushRegistrations"]
    found = [await one.holder() for one in (phone, other)]
    assert [(one["id"], registrations(one), primaries(one)) for one in found] == [
        (bob["id"], {"p1"}, ["p1"]),
        (ann["id"], {"p2"}, ["p2"]),
    ]


async def test_what_comes_late_is_whose_it_was_though_the_phone_came_while_they_were_one(
    api: Api, clock: time_machine.Traveller, phone: Phone
) -> None:
    """G a user who is one with another logs in and out W undone, and the app sends what it kept T the user has it."""
    dan, ann = [await api.made(emails=email(f"{name}@x.example")) for name in ("dan", "ann")]
    payload = await merged(api, dan, ann, into=dan["id"])
    await phone.login("ann@x.example")
    clock.shift(600)
    await phone.logout()
    await reverted(api, payload)
    assert await late(phone, "E", START) == ("ACCEPTED", None)
    assert (await seen(api, dan["id"]), await seen(api, ann["id"])) == ([], ["E"])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_what_comes_late_is_whose_it_was_in_any_order_of_undoing(
    api: Api, clock: time_machine.Traveller, phone: Phone, order: tuple[int, ...]
) -> None:
    """G users one after another on one phone, each one with somebody else W all is undone T nobody changed anything."""
    people = {name: await api.made(emails=email(f"{name}@x.example")) for name in ("ann", "bob", "cat")}
    others = {name: await api.made(emails=email(f"other-{name}@x.example")) for name in people}
    payloads = []
    for name, person in people.items():
        payloads.append(await merged(api, others[name], person, into=others[name]["id"]))
        await phone.login(f"{name}@x.example", forceDepersonalize=True)
        clock.shift(600)
    for number in order:
        undone = await reverted(api, payloads[number])
        assert set(undone["keptFields"]) <= {"pushRegistrations"}
    for minutes, name in ((1, "ann"), (11, "bob")):
        assert await late(phone, name, START + timedelta(minutes=minutes)) == ("ACCEPTED", None)
    assert {name: await seen(api, one["id"]) for name, one in people.items()} == {
        "ann": ["ann"],
        "bob": ["bob"],
        "cat": [],
    }
    assert [await seen(api, one["id"]) for one in others.values()] == [[], [], []]
    assert (await phone.holder())["id"] == people["cat"]["id"]


@pytest.mark.parametrize("apart", [False, True])
async def test_an_erased_user_is_nowhere_on_the_phone_of_the_next_one(
    api: Api, clock: time_machine.Traveller, phone: Phone, *, apart: bool
) -> None:
    """W a user is erased who had the phone before T nothing names it, and what comes late is nobody's."""
    ann = await phone.login("ann@x.example")
    clock.shift(600)
    bob = await phone.login("bob@x.example", forceDepersonalize=True)
    payload = await merged(api, await api.made(externalId="dan"), bob)
    clock.shift(600)
    await phone.logout()
    if apart:
        await reverted(api, payload)
    await api(DELETE, by={"id": ann["id"]})
    engine = api.service.store.engine
    kept = [one for name in ("persons", "merges", "claims") for one in await engine.find(name, {})]
    # What is left of her is her tombstone, and that of the lead who became her.
    assert [one for one in kept if ann["id"] in str(one) and one.get("state") != "deleted"] == []
    (hers,) = [one["subjects"] for one in kept if one["_id"] == ann["id"]]
    assert [one for one in kept if any(line in str(one) for line in hers) and one["_id"] != ann["id"]] == []
    for minutes, errors in ((1, ["PERSON_NOT_FOUND"]), (11, []), (21, [])):
        at = (START + timedelta(minutes=minutes)).isoformat()
        (sent,) = await api.track({"person": phone.by, "type": "seen", "eventId": f"e{minutes}", "occurredAt": at})
        assert [one["code"] for one in sent["errors"]] == errors
    assert await seen(api, bob["id"]) == ["e11"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_who_comes_back_has_a_primary_installation_in_any_order(
    api: Api, phone: Phone, order: tuple[int, int]
) -> None:
    """G one who took in the user of a phone, and has another phone since W merged, undone T both are primary."""
    await phone.login("dan@x.example")
    bob, eve = [await api.made(emails=email(f"{name}@x.example")) for name in ("bob", "eve")]
    payloads = [await merged(api, bob, await phone.holder(), into=bob["id"])]
    other = Phone(api, "p2")
    await other.opened()
    await other.login("bob@x.example")
    payloads.append(await merged(api, eve, bob, into=eve["id"]))
    for number in order:
        await reverted(api, payloads[number])
    assert [primaries(await one.holder()) for one in (phone, other)] == [["p1"], ["p2"]]


async def test_who_came_back_to_a_phone_has_the_one_of_meanwhile_as_the_primary(api: Api, phone: Phone) -> None:
    """G one who left their phone, and took another, while they were two W that is undone T it is as it became."""
    ann, dan = await phone.login("ann@x.example"), await api.made(emails=email("dan@x.example"))
    payload = await merged(api, dan, ann, into=dan["id"])
    await phone.logout()
    other = Phone(api, "p2")
    await other.opened()
    for one in (other, phone):
        await one.login("ann@x.example")
    await reverted(api, payload)
    found = await phone.holder()
    assert (found["id"], registrations(found), primaries(found)) == (ann["id"], {"p1", "p2"}, ["p2"])
