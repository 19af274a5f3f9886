"""Stories I14: an app repeats what it sent, and somebody else has logged in since."""

import pytest

from app.identity.installation import FORMER_LINES_KEPT
from tests.api import Api
from tests.stories.mobile import Phone, events_of, seen, sent_again


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


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
