"""Stories I14: an app repeats what it sent, and somebody else has logged in since."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.identity.installation import FORMER_LINES_KEPT
from tests.api import DEFINE, Api
from tests.stories.mobile import Phone, events_of, seen, sent_again, types
from tests.stories.test_merges import merged, reverted


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


@asynccontextmanager
async def stopped(api: Api) -> AsyncIterator[tuple[datetime, time_machine.Traveller]]:
    """Define what is sent, and have time stand still; give when it does, and what moves it."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        yield start, clock


@pytest.mark.parametrize("logouts", [1, FORMER_LINES_KEPT])
async def test_I14_a_late_retry_stays_with_the_last_user(api: Api, phone: Phone, logouts: int) -> None:
    """W the app repeats what it sent for the last user T a duplicate of which the next one gets and sees nothing."""
    await phone.opened()
    ann = await phone.login("ann@x.example")
    await events_of(api, phone.by, id_="ORDER1")
    await phone.logout()
    assert await sent_again(phone, "ORDER1") == ("DUPLICATE", None)
    for n in range(1, logouts):
        await phone.login(f"u{n}@x.example")
        await phone.logout()
    bob = await phone.login("bob@x.example", attributes={"firstName": "Bob"})
    assert await sent_again(phone, "ORDER1") == ("DUPLICATE", None)
    assert await sent_again(phone, "ORDER1", atomic=True) == ("DUPLICATE", None)
    assert (await seen(api, ann["id"]), await seen(api, bob["id"])) == (["ORDER1"], [])
    assert await sent_again(phone, "ORDER2") == ("ACCEPTED", "ORDER2")
    assert await seen(api, bob["id"]) == ["ORDER2"]


async def test_I14_who_logs_in_again_has_each_event_once(api: Api, phone: Phone) -> None:
    """W logout, login of the same user, retry T the event that is there, once."""
    await phone.opened()
    ann = await phone.login("ann@x.example")
    await events_of(api, phone.by, id_="ORDER1")
    await phone.logout()
    assert (await phone.login("ann@x.example"))["id"] == ann["id"]
    assert await sent_again(phone, "ORDER1") == ("DUPLICATE", "ORDER1")
    assert await seen(api, ann["id"]) == ["ORDER1"]


async def test_I14_each_installation_of_a_call_knows_its_own_past(api: Api, phone: Phone) -> None:
    """Several phones and other names in one call: only what came by the phone itself is its repetition."""
    other = Phone(api, "p2")
    for one, name in ((phone, "ann"), (other, "cat")):
        await one.opened()
        await one.login(f"{name}@x.example")
    await events_of(api, phone.by, id_="e1")
    await phone.logout()
    bob = await phone.login("bob@x.example")
    cat = await other.holder()
    names = (phone.by, other.by, {"email": "dan@x.example"})
    results = await api.track(*[{"person": by, "type": "seen", "eventId": "e1", "createPerson": True} for by in names])
    assert [one["status"] for one in results] == ["DUPLICATE", "ACCEPTED", "ACCEPTED"]
    assert (await seen(api, bob["id"]), await seen(api, cat["id"])) == ([], ["e1"])


async def late(phone: Phone, id_: str, at: datetime) -> tuple[str, str | None]:
    """Send an event of a moment in the past; returns what became of it and what is shown."""
    event = {"person": phone.by, "type": "seen", "eventId": id_, "occurredAt": at.isoformat()}
    (sent,) = await phone.api.track(event)
    return sent["status"], sent["event"] and sent["event"]["id"].partition(":")[2]


async def test_I14_what_was_kept_while_offline_stays_with_whom_it_happened_to(api: Api, phone: Phone) -> None:
    """G two users after each other W the app sends what it kept of each T it is on the timeline of each, once."""
    async with stopped(api) as (start, clock):
        await phone.opened()
        ann = await phone.login("ann@x.example")
        clock.shift(600)
        await phone.logout()
        clock.shift(600)
        bob = await phone.login("bob@x.example")
        clock.shift(600)
        cat = await phone.login("cat@x.example", forceDepersonalize=True)
        clock.shift(600)
        for id_, seconds, shown in (("A", 539, None), ("between", 900, None), ("B", 1700, None), ("C", 1750, "C")):
            assert await late(phone, id_, start + timedelta(seconds=seconds)) == ("ACCEPTED", shown)
            # Sent again it is there, whether its time comes along or not.
            assert await late(phone, id_, start + timedelta(seconds=seconds)) == ("DUPLICATE", shown)
            assert await sent_again(phone, id_) == ("DUPLICATE", shown)
        assert await seen(api, ann["id"]) == ["A"]
        assert sorted(await seen(api, bob["id"])) == ["B", "between"]
        assert await seen(api, cat["id"]) == ["C"]


async def test_I14_what_came_without_its_time_is_there_already(api: Api, phone: Phone) -> None:
    """W it was the next user's, and comes again with its time T a duplicate, of which nothing moves."""
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        await phone.opened()
        ann = await phone.login("ann@x.example")
        clock.shift(600)
        await phone.logout()
        bob = await phone.login("bob@x.example")
        await events_of(api, phone.by, id_="E")
        assert await late(phone, "E", start) == ("DUPLICATE", None)
        assert (await seen(api, ann["id"]), await seen(api, bob["id"])) == ([], ["E"])


async def test_I14_who_had_it_may_be_somebody_else_or_nobody_by_now(api: Api, phone: Phone) -> None:
    """W the last user was merged T the survivor has it; W deleted T PERSON_NOT_FOUND; W has it again T it is shown."""
    async with stopped(api) as (start, clock):
        await phone.opened()
        ann = await phone.login("ann@x.example")
        clock.shift(600)
        await phone.logout()
        clock.shift(600)
        await phone.login("ann@x.example")
        assert await late(phone, "own", start) == ("ACCEPTED", "own")
        clock.shift(600)
        await phone.logout()
        dan = await api.made(externalId="dan")
        payload = await merged(api, dan, ann, into=dan["id"])
        assert await late(phone, "merged", start) == ("ACCEPTED", None)
        assert sorted(await seen(api, dan["id"])) == ["merged", "own"]
        await reverted(api, payload)
        assert (await seen(api, dan["id"]), sorted(await seen(api, ann["id"]))) == ([], ["merged", "own"])
        await api("mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }", by={"id": ann["id"]})
        event = {"person": phone.by, "type": "seen", "eventId": "late", "occurredAt": start.isoformat()}
        (gone,) = await api.track(event)
        assert (gone["status"], [one["code"] for one in gone["errors"]]) == ("REJECTED", ["PERSON_NOT_FOUND"])


async def test_I14_who_was_one_with_others_at_the_logout_has_what_comes_late(api: Api, phone: Phone) -> None:
    """G a logout while the user was merged into somebody W undone, and the app sends what it kept T the user's."""
    async with stopped(api) as (start, clock):
        await phone.opened()
        ann, dan = await phone.login("ann@x.example"), await api.made(externalId="dan")
        payload = await merged(api, dan, ann, into=dan["id"])
        clock.shift(600)
        await phone.logout()
        undone = await reverted(api, payload)
        # Who has the phone now was none of them.
        assert [one["id"] for one in undone["persons"]] == [dan["id"], ann["id"]]
        assert "mergeReverted" not in await types(api, phone.by)
        assert await late(phone, "E", start) == ("ACCEPTED", None)
        assert (await seen(api, dan["id"]), await seen(api, ann["id"])) == ([], ["E"])


@pytest.mark.parametrize("name", ["ann", "dan"])
async def test_I14_who_logged_in_since_keeps_the_installation(api: Api, phone: Phone, name: str) -> None:
    """G two users who are one, on phones of the one W either logs in there, undone T phones and events are theirs."""
    other = Phone(api, "p2")
    await phone.opened()
    people = {"ann": await phone.login("ann@x.example"), "dan": await api.made(emails=[{"address": "dan@x.example"}])}
    payload = await merged(api, people["dan"], people["ann"], into=people["dan"]["id"])
    await phone.logout()
    await other.opened()
    for one in (phone, other):
        await one.login(f"{name}@x.example")
    await events_of(api, phone.by, other.by, id_="e1")
    await reverted(api, payload)
    for one in (phone, other):
        assert await sent_again(one, "e1") == ("DUPLICATE", "e1")
        assert (await one.holder())["id"] == people[name]["id"]
    theirs = {who: await seen(api, person["id"]) for who, person in people.items()}
    assert theirs == {who: ["e1", "e1"] if who == name else [] for who in people}
