"""Stories I1, U1 and U2: an app is installed, opened again, and tells of itself."""

import asyncio

import pytest

from tests.api import Api
from tests.stories.mobile import OPEN, Phone, good, primaries, push, types


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


async def test_I1_an_installed_app_is_an_empty_lead(api: Api, phone: Phone) -> None:
    """W openInstallation T empty LEAD with push, origin MOBILE_SDK; repeat T same lead."""
    made = await phone.opened(platform="ios")
    assert (made["type"], made["createdFrom"], made["emails"], made["version"]) == ("LEAD", "MOBILE_SDK", [], 1)
    assert primaries(made) == ["p1"]
    again = await phone.opened(platform="ios")
    assert (again["id"], again["version"]) == (made["id"], 1)
    assert (await phone.holder())["id"] == made["id"]
    assert await types(api, {"id": made["id"]}) == ["pushAttached", "personCreated"]


async def test_an_app_that_opens_again_tells_what_is_new(phone: Phone) -> None:
    """System data, platform and flags are those told last; what is not told stays."""
    made = await phone.opened(systemData={"os": "17", "a.$b": [1]}, additionalData={"team": "red"})
    again = await phone.opened(platform="ios", systemData={"os": "18"}, enabled=False)
    assert (again["id"], again["version"]) == (made["id"], 2)
    (one,) = again["pushRegistrations"]
    assert (one["systemData"], one["additionalData"]) == ({"os": "18"}, {"team": "red"})
    assert (one["platform"], one["enabled"], one["primary"]) == ("ios", False, True)


async def test_fifty_openings_at_once_make_one_lead(api: Api) -> None:
    """W 50 parallel openInstallation T one lead."""
    payloads = await asyncio.gather(*[api(OPEN, input=push("p1")) for _ in range(50)])
    assert len({good(one)["person"]["id"] for one in payloads}) == 1
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_U1_an_installation_is_adjusted(phone: Phone) -> None:
    """W updateInstallation T primary, enabled, additionalData changed, systemData readable and as it was."""
    await phone.opened(platform="ios", systemData={"sdkVersion": "1.2"})
    after = good(await phone.adjust(enabled=False, data={"a": 1}))["person"]
    (one,) = after["pushRegistrations"]
    assert (one["enabled"], one["additionalData"], one["systemData"]) == (False, {"a": 1}, {"sdkVersion": "1.2"})
    assert after["version"] == 2
    same = good(await phone.adjust(enabled=False))["person"]
    assert (same["version"], same["pushRegistrations"]) == (2, after["pushRegistrations"])
    bare = good(await phone.adjust(data=None))["person"]
    assert bare["pushRegistrations"][0]["additionalData"] == {}


async def test_U2_an_unknown_installation_is_told(api: Api) -> None:
    """W unknown registration T INSTALLATION_NOT_FOUND, by each operation."""
    stranger = Phone(api, "nobody")
    found = await stranger.adjust(enabled=True)
    assert [(one["code"], one["path"]) for one in found["errors"]] == [("INSTALLATION_NOT_FOUND", ["push"])]
    assert await stranger.refused("a@b.example") == [("INSTALLATION_NOT_FOUND", ["push"])]
    logout = "mutation($push: PushLocator!) { depersonalize(push: $push) { person { id } errors { code } } }"
    assert await api.codes(logout, push=push("nobody")) == ["INSTALLATION_NOT_FOUND"]


async def test_a_bad_installation_is_refused(api: Api) -> None:
    """Empty, long and broken values, each with its path; nothing is written."""
    bad = {"applicationId": " ", "registrationId": "a\u0000b", "platform": "x" * 51, "systemData": [1]}
    payload = await api(OPEN, input={**bad, "additionalData": {"n": "x" * 16_384}})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [
        ("INVALID", ["applicationId"]),
        ("FORBIDDEN_CHARACTER", ["registrationId"]),
        ("TOO_LONG", ["platform"]),
        ("INVALID", ["systemData"]),
        ("TOO_LONG", ["additionalData"]),
    ]
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0
