"""Stories I and U: a mobile app is installed, its user logs in and out."""

import asyncio
from typing import Any

import pytest

from app.persons.audit import audit
from tests.api import ATTRIBUTE, COMPANY, DEFINE, FIND, LINK, TRACK, UPDATE, Api
from tests.stories.mobile import LOGIN, OPEN, Phone, good, primaries, push, registrations

NOBODY = {"id": "per_00000000000000000000000000"}


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


async def lead(api: Api, **input_: Any) -> dict[str, Any]:
    """Make a lead."""
    return await api.made(type="LEAD", **input_)


def email(address: str) -> list[dict[str, str]]:
    """Write an email as an input."""
    return [{"address": address}]


async def types(api: Api, by: dict[str, Any]) -> list[str]:
    """Return the types of a timeline, newest first."""
    return [one["type"] for one in await api.events(by)]


async def events_of(api: Api, *who: dict[str, Any], id_: str) -> None:
    """Send an event of a known type to each."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    for by in who:
        (sent,) = await api.track({"person": by, "type": "seen", "eventId": id_})
        assert sent["status"] == "ACCEPTED", sent


# ---------------------------------------------------------------- the installation


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


# ---------------------------------------------------------------- login


async def test_I2_a_login_of_nobody_known_makes_a_customer(api: Api, phone: Phone) -> None:
    """W personalize new email T CUSTOMER with push and contacts, L0 null, deletedPersonIds=[L0]."""
    empty = await phone.opened()
    payload = good(
        await phone.try_login(
            identity={"emails": ["New@x.example"], "phones": ["+43 660 123 4567"], "externalId": "u-1"},
            attributes={"firstName": "Ann", "tags": {"add": ["app"]}},
        )
    )
    person = payload["person"]
    assert payload["deletedPersonIds"] == [empty["id"]]
    assert (person["type"], person["externalId"], person["firstName"]) == ("CUSTOMER", "u-1", "Ann")
    assert (person["emails"], person["tags"]) == ([{"address": "new@x.example", "primary": True}], ["app"])
    assert (person["createdFrom"], primaries(person), person["mergedIds"]) == ("MOBILE_SDK", ["p1"], [])
    assert await api(FIND, by={"id": empty["id"]}) is None
    assert (await api(FIND, by={"phone": "436601234567"}))["id"] == person["id"]
    assert await types(api, {"id": person["id"]}) == ["pushAttached", "personCreated"] * 2


async def known_lead(api: Api) -> dict[str, Any]:
    """Make a lead with all that a person may have, and an event."""
    await api(ATTRIBUTE, input={"name": "size", "type": "INTEGER"})
    await api(COMPANY, input={"name": "Acme", "tags": ["VIP"]})
    given = {"emails": email("lea@x.example"), "phones": [{"number": "436601234567"}], "tags": ["fair"]}
    made = await lead(api, firstName="Lea", city="Graz", customAttributes={"size": 4}, **given)
    await api(LINK, company={"name": "Acme"}, persons=[{"id": made["id"]}], role="buyer")
    await events_of(api, {"id": made["id"]}, id_="of-lead")
    return made


@pytest.mark.parametrize("identity", [{"emails": ["LEA@x.example"]}, {"phones": ["+43 660 1234567"]}])
async def test_I3_I4_a_login_of_a_lead_makes_a_customer_of_both(
    api: Api, phone: Phone, identity: dict[str, Any]
) -> None:
    """W personalize by email or phone of a lead T lead gone, customer with other id, push, given data, its events."""
    known, empty = await known_lead(api), await phone.opened()
    await events_of(api, phone.by, id_="of-app")
    payload = good(await phone.try_login(identity=identity, attributes={"firstName": "Ann"}))
    person = payload["person"]
    assert payload["deletedPersonIds"] == [empty["id"], known["id"]]
    assert person["id"] not in payload["deletedPersonIds"]
    assert (person["type"], person["firstName"], person["tags"]) == ("CUSTOMER", "Ann", ["fair"])
    assert (person["customAttributes"], primaries(person)) == ({"size": 4}, ["p1"])
    assert (person["emails"], person["phones"]) == (
        [{"address": "lea@x.example", "primary": True}],
        [{"number": "436601234567"}],
    )
    shown = await api(
        "query($id: ID!) { person(by: {id: $id}) { city companies { nodes { name } edges { role primary } } } }",
        id=person["id"],
    )
    assert shown["city"] == "Graz"
    assert shown["companies"] == {"nodes": [{"name": "Acme"}], "edges": [{"role": "buyer", "primary": True}]}
    seen = [one["id"] for one in await api.events({"id": person["id"]}, first=50) if one["type"] == "seen"]
    assert sorted(one.partition(":")[2] for one in seen) == ["of-app", "of-lead"]
    for gone in payload["deletedPersonIds"]:
        assert await api(FIND, by={"id": gone}) is None
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_a_lead_with_devices_brings_them(api: Api, phone: Phone) -> None:
    """A lead that was kept as one has a phone: the customer has both, its first stays the primary one."""
    other = Phone(api, "p0")
    await other.opened()
    await other.login("lea@x.example", keepAsLead=True)
    await phone.opened()
    person = await phone.login("lea@x.example", gone=2)
    assert (person["type"], registrations(person), primaries(person)) == ("CUSTOMER", {"p0", "p1"}, ["p0"])
    await events_of(api, other.by, phone.by, id_="of-both")
    seen = [one["id"] for one in await api.events({"id": person["id"]}, first=50) if one["type"] == "seen"]
    assert len(seen) == 2
    assert all(one.startswith("app_") for one in seen)


async def test_I5_a_login_of_a_customer_brings_the_device(api: Api, phone: Phone) -> None:
    """T push on customer, L0 gone, customer id unchanged, its other devices kept."""
    first = Phone(api, "p0")
    await first.opened()
    customer = await first.login("ann@x.example", attributes={"firstName": "Ann"})
    empty = await phone.opened()
    await events_of(api, phone.by, id_="before")
    payload = good(
        await phone.try_login(
            identity={"emails": ["ann@x.example"]}, attributes={"customAttributes": {}, "city": "Linz"}
        )
    )
    person = payload["person"]
    assert (person["id"], payload["deletedPersonIds"]) == (customer["id"], [empty["id"]])
    assert (person["firstName"], registrations(person), primaries(person)) == ("Ann", {"p0", "p1"}, ["p0"])
    told = await types(api, {"id": person["id"]})
    assert told[:3] == ["pushAttached", "personUpdated", "seen"]
    assert await api(FIND, by={"id": empty["id"]}) is None


async def test_a_second_login_of_the_same_user_changes_nothing(api: Api, phone: Phone) -> None:
    """The identity is that of who has the installation: an idempotent update."""
    await phone.opened()
    first = await phone.login("ann@x.example")
    assert await phone.login("Ann@x.example", gone=0) == first
    more = await phone.login("ann@x.example", "ann2@x.example", gone=0)
    assert (more["id"], more["version"], len(more["emails"])) == (first["id"], first["version"] + 1, 2)


async def test_I6_an_identity_of_two_persons_is_ambiguous(api: Api, phone: Phone) -> None:
    """W email of A + phone of B T AMBIGUOUS…, nothing changed."""
    await phone.opened()
    await api.made(emails=email("a@x.example"))
    await lead(api, phones=[{"number": "436601234567"}])
    before = await api("{ persons { nodes { id version } } }")
    both = {"phones": ["436601234567"]}
    for more in ({}, {"forceDepersonalize": True}, {"keepAsLead": True}):
        found = await phone.refused("a@x.example", identity=both, **more)
        assert found == [("AMBIGUOUS_PERSONALIZE_CANDIDATES", ["identity"])]
    assert await api("{ persons { nodes { id version } } }") == before


async def test_I7_another_user_needs_force(api: Api, phone: Phone) -> None:
    """W other person without force T PERSONALIZATION_IMPOSSIBLE; with force T moved, and nothing of the first is."""
    await phone.opened()
    ann = await phone.login("ann@x.example")
    await events_of(api, phone.by, id_="of-ann")
    bob = await api.made(emails=email("bob@x.example"))
    for address in ("bob@x.example", "new@x.example"):
        assert await phone.refused(address) == [("PERSONALIZATION_IMPOSSIBLE", ["push"])]
    assert (await phone.holder())["id"] == ann["id"]
    person = await phone.login("bob@x.example", gone=0, forceDepersonalize=True)
    assert (person["id"], primaries(person)) == (bob["id"], ["p1"])
    left = await api(FIND, by={"email": "ann@x.example"})
    assert left["id"] == ann["id"]
    assert "seen" not in await types(api, {"id": bob["id"]})
    assert (await types(api, {"id": ann["id"]}))[:2] == ["pushDetached", "seen"]
    await events_of(api, phone.by, id_="of-ann")
    assert "seen" in await types(api, {"id": bob["id"]})


async def test_a_forced_login_of_nobody_known_makes_a_customer(api: Api, phone: Phone) -> None:
    """The one who had the installation stays, and their identifiers are still theirs."""
    await phone.opened()
    ann = await phone.login("ann@x.example")
    person = await phone.login("new@x.example", gone=0, forceDepersonalize=True)
    assert person["id"] != ann["id"]
    assert (await api(FIND, by={"email": "ann@x.example"}))["id"] == ann["id"]
    taken = {"emails": {"add": email("new@x.example")}}
    found = await phone.refused("third@x.example", attributes=taken, forceDepersonalize=True)
    assert found == [("USER_MERGE_INTERRUPTED", ["attributes", "emails", "add", "0", "address"])]
    assert (await phone.holder())["id"] == person["id"]


async def test_I8_a_lead_may_be_kept_as_one(api: Api, phone: Phone) -> None:
    """W keepAsLead T LEAD: L0 itself where nobody is known, a known lead that takes L0 in; a customer stays one."""
    empty = await phone.opened()
    kept = await phone.login("lea@x.example", gone=0, keepAsLead=True)
    assert (kept["id"], kept["type"]) == (empty["id"], "LEAD")
    other = Phone(api, "p2")
    await other.opened()
    joined = await other.login("lea@x.example", gone=1, keepAsLead=True)
    assert (joined["id"], joined["type"], registrations(joined)) == (kept["id"], "LEAD", {"p1", "p2"})
    promoted = await other.login("lea@x.example", gone=0)
    assert (promoted["id"], promoted["type"]) == (kept["id"], "CUSTOMER")
    assert (await other.login("lea@x.example", keepAsLead=True))["type"] == "CUSTOMER"


async def test_I10_an_empty_identity_is_none(phone: Phone) -> None:
    """W empty identity T USER_IDENTITY_INVALID; null, Null and NULL are no external id."""
    await phone.opened()
    empty: list[dict[str, Any]] = [{}, {"emails": [], "phones": None}, {"externalId": ""}]
    for identity in [*empty, *({"externalId": name} for name in ("null", "Null", "NULL"))]:
        assert await phone.refused(identity=identity) == [("USER_IDENTITY_INVALID", ["identity"])]
    person = await phone.login("ann@x.example", identity={"externalId": "null"})
    assert person["externalId"] is None


async def test_a_malformed_identity_says_where(phone: Phone) -> None:
    """Emails, phones, junk ids and attributes: all that is wrong at once."""
    await phone.opened()
    found = await phone.refused(
        "a@x.example",
        "nonsense",
        identity={"phones": ["1"], "externalId": "undefined"},
        attributes={"firstName": "a<b", "customAttributes": {"none": 1}},
    )
    assert found == [
        ("INVALID", ["identity", "externalId"]),
        ("INVALID", ["identity", "emails", "1"]),
        ("INVALID", ["identity", "phones", "0"]),
        ("FORBIDDEN_CHARACTER", ["attributes", "firstName"]),
        ("UNKNOWN_ATTRIBUTE", ["attributes", "customAttributes", "none"]),
    ]
    for type_ in ("CUSTOMER", None):
        found = await phone.refused("a@x.example", attributes={"type": type_})
        assert found == [("TYPE_NOT_ALLOWED", ["attributes", "type"])]
    found = await phone.refused(identity={"externalId": "u-1"}, attributes={"externalId": "u-2"})
    assert found == [("INVALID", ["attributes", "externalId"])]


async def test_an_email_of_somebody_with_another_external_id_interrupts(api: Api, phone: Phone) -> None:
    """Two external ids are two users: the login changes nothing."""
    await phone.opened()
    await api.made(externalId="u-1", emails=email("ann@x.example"))
    found = await phone.refused("ann@x.example", identity={"externalId": "u-2"})
    assert found == [("USER_MERGE_INTERRUPTED", ["identity", "externalId"])]


async def test_I11_one_device_is_the_primary_one(api: Api, phone: Phone) -> None:
    """W setDeviceAsPrimary T exactly one primary, however it is asked for."""
    second = Phone(api, "p2")
    for one in (phone, second):
        await one.opened()
    await phone.login("ann@x.example")
    person = await second.login("ann@x.example", setDeviceAsPrimary=True)
    assert primaries(person) == ["p2"]
    assert primaries(good(await phone.adjust(primary=True))["person"]) == ["p1"]
    assert primaries(good(await phone.adjust(primary=False))["person"]) == ["p2"]
    assert primaries(await second.opened(primary=False)) == ["p1"]
    assert primaries(await second.opened(primary=False)) == ["p1"]
    assert primaries(await second.login("ann@x.example", setDeviceAsPrimary=True)) == ["p2"]
    alone = Phone(api, "p3")
    assert primaries(await alone.opened(primary=False)) == ["p3"]


# ---------------------------------------------------------------- logout


async def test_I12_a_logout_leaves_the_customer_as_it_is(api: Api, phone: Phone) -> None:
    """W depersonalize T push on a new empty LEAD, customer keeps contacts and other devices."""
    other = Phone(api, "p2")
    for one in (phone, other):
        await one.opened()
        customer = await one.login("ann@x.example")
    made = await phone.logout()
    assert made["id"] != customer["id"]
    assert (made["type"], made["emails"], primaries(made), made["createdFrom"]) == ("LEAD", [], ["p1"], "MOBILE_SDK")
    left = await other.holder()
    assert (left["id"], left["emails"]) == (customer["id"], [{"address": "ann@x.example"}])
    assert (registrations(left), primaries(left)) == ({"p2"}, ["p2"])
    assert (await types(api, {"id": customer["id"]}))[0] == "pushDetached"


async def test_I13_a_second_logout_makes_no_second_lead(api: Api, phone: Phone) -> None:
    """W again T no second lead; nor is one made on an installation that was never logged in."""
    empty = await phone.opened()
    assert (await phone.logout())["id"] == empty["id"]
    await phone.login("ann@x.example")
    made = await phone.logout()
    assert await phone.logout() == made
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 2


async def test_I14_the_next_user_gets_nothing_of_the_last(api: Api, phone: Phone) -> None:
    """W login A, logout, login B T push on B, none of A's data or events on B."""
    await phone.opened()
    ann = await phone.login("ann@x.example", attributes={"firstName": "Ann", "tags": {"add": ["gold"]}})
    await events_of(api, phone.by, id_="e1")
    await phone.logout()
    await events_of(api, phone.by, id_="e2")
    bob = await phone.login("bob@x.example", attributes={"lastName": "B"}, gone=1)
    await events_of(api, phone.by, id_="e3")
    assert (bob["firstName"], bob["tags"], [one["address"] for one in bob["emails"]]) == (None, [], ["bob@x.example"])
    seen = {}
    for name in ("ann", "bob"):
        events = await api.events({"email": f"{name}@x.example"}, first=50)
        seen[name] = [one["id"].partition(":")[2] for one in events if one["type"] == "seen"]
    assert seen == {"ann": ["e1"], "bob": ["e3", "e2"]}
    assert (await phone.holder())["id"] == bob["id"]
    assert (await api(FIND, by={"id": ann["id"]}))["firstName"] == "Ann"


# ---------------------------------------------------------------- all at once


async def test_U3_an_installation_is_never_on_two_persons(api: Api, phone: Phone) -> None:
    """W 50 parallel personalize calls of different users T it is on one of them, who all others lost it to."""
    await phone.opened()
    logins = [{"push": phone.push, "identity": {"emails": [f"u{n}@x.example"]}} for n in range(50)]
    forced = [{**one, "forceDepersonalize": n % 2 == 0} for n, one in enumerate(logins)]
    payloads = await asyncio.gather(*[api(LOGIN, input=one) for one in forced])
    assert {code["code"] for one in payloads for code in one["errors"]} <= {"PERSONALIZATION_IMPOSSIBLE"}
    everybody = (await api("{ persons(first: 100) { nodes { id pushRegistrations { registrationId } } } }"))["nodes"]
    (holder,) = [one["id"] for one in everybody if one["pushRegistrations"]]
    assert (await phone.holder())["id"] == holder
    assert len(everybody) == sum(one["person"] is not None for one in payloads)
    assert [one async for one in audit(api.service.store.engine)] == []


async def test_fifty_phones_of_one_new_user_make_one_customer(api: Api) -> None:
    """W 50 installations log the same user in, in parallel T one customer has all, one of them primary."""
    phones = [Phone(api, f"p{n}") for n in range(50)]
    await asyncio.gather(*[one.opened() for one in phones])
    await lead(api, emails=email("ann@x.example"))
    found = await asyncio.gather(*[one.login("ann@x.example") for one in phones])
    assert len({one["id"] for one in found}) == 1
    person = await phones[0].holder()
    assert (person["type"], len(registrations(person)), len(primaries(person))) == ("CUSTOMER", 50, 1)
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 1
    assert [one async for one in audit(api.service.store.engine)] == []


# ---------------------------------------------------------------- what a key of an app may do


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


async def test_followers_of_a_lead_are_told_and_those_of_the_customer_go_on(api: Api, phone: Phone) -> None:
    """Who follows L0 is told DELETED and the stream ends; a follower of the customer gets what the app sends now."""
    empty = await phone.opened()
    customer = await api.made(emails=email("ann@x.example"))
    follow = "subscription($id: ID!) { timelineEvents(person: {id: $id}) { kind event { type } } }"
    changes = "subscription { personChanges { kind personId changedFields } }"
    async with (
        api.live(follow, id=empty["id"]) as of_lead,
        api.live(follow, id=customer["id"]) as of_customer,
        api.live(changes) as of_all,
    ):
        for socket in (of_lead, of_customer, of_all):
            assert (await socket.data())["kind"] == "READY"
        await phone.login("ann@x.example")
        assert await of_lead.data() == {"kind": "DELETED", "event": {"type": "personDeleted"}}
        assert (await of_lead.next())["type"] == "complete"
        assert (await of_customer.data())["event"]["type"] == "pushAttached"
        await events_of(api, phone.by, id_="live")
        assert (await of_customer.data())["event"]["type"] == "seen"
        assert await of_all.data() == {"kind": "DELETED", "personId": empty["id"], "changedFields": []}
        told = await of_all.data()
        assert (told["kind"], told["personId"]) == ("UPDATED", customer["id"])
        assert told["changedFields"] == ["pushRegistrations", "timeline"]
