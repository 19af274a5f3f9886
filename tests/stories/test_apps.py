"""What a key of an app may do, story I9 among it: for its own installation, and nobody else."""

import pytest

from tests.api import DEFINE, FIND, TRACK, UPDATE, Api
from tests.stories.mobile import Phone, email

NOBODY = {"id": "per_00000000000000000000000000"}


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


async def test_I9_saving_a_taken_phone_interrupts(api: Api, phone: Phone) -> None:
    """W saveUser with taken phone T USER_MERGE_INTERRUPTED, and who has it is not told."""
    owner = await api.made(phones=[{"number": "436601234567"}])
    app = Phone(await api.key_with("MOBILE_SDK"))
    await app.opened()
    await app.login("ann@x.example")
    taken = {"phones": {"add": [{"number": "+43 660 1234567"}]}}
    payload = await app.api(UPDATE, by=app.by, input=taken)
    code = {"code": "USER_MERGE_INTERRUPTED", "existingId": None}
    assert [{name: one[name] for name in code} for one in payload["errors"]] == [code]
    assert payload["errors"][0]["path"] == ["phones", "add", "0", "number"]
    payload = await app.try_login(identity={"emails": ["ann@x.example"]}, attributes=taken)
    assert [{name: one[name] for name in code} for one in payload["errors"]] == [code]
    duplicate = await api(UPDATE, by=phone.by, input=taken)
    assert (duplicate["errors"][0]["code"], duplicate["errors"][0]["existingId"]) == ("DUPLICATE_PHONE", owner["id"])


async def test_an_app_reaches_its_own_user_alone(api: Api) -> None:
    """R16, R17, R33: by its registration, FORBIDDEN by anything else; no queries; the type is not the app's."""
    app = Phone(await api.key_with("MOBILE_SDK"))
    await app.opened()
    person = await app.login("ann@x.example")
    saved = await app.api(UPDATE, by=app.by, input={"firstName": "Ann", "tags": {"add": ["app"]}})
    assert (saved["person"]["id"], saved["person"]["firstName"], saved["person"]["tags"]) == (
        person["id"],
        "Ann",
        ["app"],
    )
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    (sent,) = await app.api.track({"person": app.by, "type": "seen", "eventId": "e"})
    assert (sent["status"], sent["event"]["id"][:4]) == ("ACCEPTED", "app_")
    for by in ({"id": person["id"]}, {"email": "ann@x.example"}, NOBODY):
        assert await app.api.refused(UPDATE, by=by, input={"firstName": "Bea"}) == "FORBIDDEN"
        mixed = [{"person": app.by, "type": "seen"}, {"person": by, "type": "seen"}]
        assert await app.api.refused(TRACK, events=mixed, atomic=False) == "FORBIDDEN"
    assert await app.api.codes(UPDATE, by=app.by, input={"type": "LEAD"}) == ["TYPE_NOT_ALLOWED"]
    assert await app.api.refused(FIND, by=app.by) == "FORBIDDEN"
    companies = (
        "mutation($by: PersonLocator!) { updatePerson(by: $by, input: {}) { person { companies { nodes { id } } } } }"
    )
    assert await app.api.refused(companies, by=app.by) == "FORBIDDEN"
    assert await api(FIND, by={"id": person["id"]}) | {"version": 0} == saved["person"] | {
        "version": 0,
        "customAttributes": {},
    }
    shown = await api(
        "query($id: ID!) { person(by: {id: $id}) { modifiedFrom timeline { nodes { type source } } } }", id=person["id"]
    )
    assert shown["modifiedFrom"] == "MOBILE_SDK"
    assert {one["source"] for one in shown["timeline"]["nodes"]} == {"MOBILE_SDK"}


async def test_other_scopes_lift_what_an_app_may_not(api: Api) -> None:
    """A key of an app that may also write events or manage people names whomever it likes."""
    person = await api.made(emails=email("ann@x.example"))
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    writer, manager = (
        await api.key_with("MOBILE_SDK", "EVENTS_WRITE"),
        await api.key_with("MOBILE_SDK", "PEOPLE_MANAGE"),
    )
    (sent,) = await writer.track({"person": {"id": person["id"]}, "type": "seen"})
    assert sent["status"] == "ACCEPTED"
    assert await writer.refused(UPDATE, by={"id": person["id"]}, input={}) == "FORBIDDEN"
    assert await manager.codes(UPDATE, by={"id": person["id"]}, input={"firstName": "Ann"}) == []
