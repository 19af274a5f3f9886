"""Whose an installation is, and whose it was, when merges of its users are undone, and when one of them is erased."""

import pytest

from tests.api import DEFINE, Api
from tests.stories.mobile import Phone, email, primaries, registrations
from tests.stories.test_merges import merged, reverted


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
