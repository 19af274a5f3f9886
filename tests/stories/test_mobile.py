"""Stories I2 to I14 and U3: the user of an app logs in and out."""

import asyncio
from typing import Any

import pytest

from app.persons.audit import audit
from tests.api import ATTRIBUTE, COMPANY, FIND, LINK, Api
from tests.stories.mobile import (
    LOGIN,
    Phone,
    email,
    events_of,
    good,
    lead,
    primaries,
    registrations,
    seen,
    sent_again,
    types,
)
from tests.stories.test_merges import MERGE, REVERT


@pytest.fixture
def phone(api: Api) -> Phone:
    """Give a phone."""
    return Phone(api)


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
    assert (await sent_again(phone, "of-ann"), await seen(api, bob["id"])) == (("DUPLICATE", None), [])
    await events_of(api, phone.by, id_="of-bob")
    assert await seen(api, bob["id"]) == ["of-bob"]


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
    assert (await seen(api, ann["id"]), await seen(api, bob["id"])) == (["e1"], ["e3", "e2"])
    assert (await phone.holder())["id"] == bob["id"]
    assert (await api(FIND, by={"id": ann["id"]}))["firstName"] == "Ann"


# ---------------------------------------------------------------- what others see of it


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


async def test_who_was_merged_into_a_lead_goes_on_finding_its_heir(api: Api, phone: Phone) -> None:
    """The ids of a merge find the customer that the lead became; the merge is told of, and can't be undone any more."""
    first, second = [await lead(api, emails=email(f"{name}@x.example")) for name in "ab"]
    payload = await api(MERGE, input={"persons": [{"id": first["id"]}, {"id": second["id"]}]})
    await phone.opened()
    person = await phone.login("b@x.example", gone=2)
    assert (person["type"], person["mergedIds"], len(person["emails"])) == ("CUSTOMER", [second["id"]], 2)
    assert await api(FIND, by={"id": first["id"]}) is None
    assert (await api(FIND, by={"id": second["id"]}))["id"] == person["id"]
    undone = await api(REVERT, id=payload["merge"]["id"])
    assert [one["code"] for one in undone["errors"]] == ["MERGE_BLOCKED"]
    listed = await api("query($id: ID!) { merges(personId: $id) { nodes { id } } }", id=person["id"])
    assert listed["nodes"] == [{"id": payload["merge"]["id"]}]
    assert [one async for one in audit(api.service.store.engine)] == []


async def test_a_deleted_user_leaves_nothing_on_the_device(api: Api, phone: Phone) -> None:
    """The installation is free, opened again it is an empty lead, and no event of the user comes back."""
    await phone.opened()
    person = await phone.login("ann@x.example")
    await events_of(api, phone.by, id_="e1")
    deleted = await api(
        "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }", by=phone.by
    )
    assert deleted == {"deletedIds": [person["id"]], "errors": []}
    assert await phone.refused("ann@x.example") == [("INSTALLATION_NOT_FOUND", ["push"])]
    made = await phone.opened()
    assert (made["type"], await types(api, phone.by)) == ("LEAD", ["pushAttached", "personCreated"])
    assert await api.service.store.engine.find("events", {"type": "seen"}) == []


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
