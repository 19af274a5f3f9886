"""What journeys, chatbots and the inbox have in common: contacts, bad input, late and parallel deliveries."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.core.text import FORBIDDEN_IN_NAMES
from tests import api as apis
from tests.api import ATTRIBUTE, TRACK, UPDATE, Api
from tests.stories.telling import (
    CHATBOT,
    DELETE,
    MESSAGE,
    PHONE,
    PUSH,
    SHOWN,
    WHATSAPP,
    chat,
    count,
    entered,
    message,
    told,
    types,
)


@pytest.mark.parametrize("contact", [WHATSAPP, PUSH, {"email": "a@b.example"}, {"externalId": "x"}])
async def test_a_contact_of_any_kind_is_enough(api: Api, contact: dict[str, Any]) -> None:
    """A channel's user or an installation alone make a profile, and find it again."""
    first = await told(api, MESSAGE, message(contact=contact))
    again = await told(api, MESSAGE, message(contact=contact, messageId="m-2"))
    assert (first["id"], await count(api)) == (again["id"], 1)
    assert await types(api, contact) == ["journeyEntered", "journeyEntered", "personCreated"]
    by_id = await types(api, {"id": first["id"]})
    assert by_id == ["journeyEntered", "journeyEntered", "personCreated"]
    (late,) = await api.track({"person": contact, "type": "journeyEntered"})
    assert late["errors"][0]["code"] == "STANDARD_EVENT"


async def test_a_profile_of_a_channel_alone_can_be_changed_and_deleted(api: Api) -> None:
    """It needs no other identifier afterwards either."""
    await told(api, MESSAGE, message(contact=WHATSAPP))
    assert await api.codes(UPDATE, by=WHATSAPP, input={"firstName": "Ann"}) == []
    assert await api.codes(UPDATE, by=WHATSAPP, input=PHONE_ADDED) == []
    assert await api.codes(UPDATE, by=PHONE, input={"phones": None}) == ["NO_IDENTIFIER"]
    assert await api.codes(DELETE, by=WHATSAPP) == []
    assert await count(api) == 0


PHONE_ADDED = {"phones": {"add": [{"number": "436601234567"}]}}


@pytest.mark.parametrize("char", FORBIDDEN_IN_NAMES)
async def test_forbidden_characters_are_dropped_from_names(api: Api, char: str) -> None:
    """A lead is not lost by them; a name of nothing else is no name, and takes none away."""
    await told(api, MESSAGE, message(attributes={"firstName": f"An{char}n", "lastName": "Lee"}))
    person = await told(api, MESSAGE, message(messageId="m-2", attributes={"lastName": char * 3}))
    assert (person["firstName"], person["lastName"]) == ("Ann", "Lee")


BAD: list[tuple[dict[str, Any], list[tuple[str, list[str]]]]] = [
    ({"contact": {"email": "no"}}, [("INVALID", ["contact", "email"])]),
    ({"contact": {"phone": "12"}}, [("INVALID", ["contact", "phone"])]),
    ({"contact": {"externalId": "undefined"}}, [("INVALID", ["contact", "externalId"])]),
    (
        {"contact": {"channel": {"channel": "LINE", "sender": "", "userId": "u"}}},
        [("REQUIRED", ["contact", "channel", "sender"])],
    ),
    (
        {"contact": {"channel": {"channel": "LINE", "sender": "s\0x", "userId": "u"}}},
        [("FORBIDDEN_CHARACTER", ["contact", "channel"])],
    ),
    (
        {"contact": {"push": {"applicationId": "a" * 257, "registrationId": "r"}}},
        [("TOO_LONG", ["contact", "push", "applicationId"])],
    ),
    ({"messageId": "x" * 257}, [("TOO_LONG", ["messageId"])]),
    ({"messageId": "a\nb", "journeyId": " "}, [("REQUIRED", ["journeyId"]), ("FORBIDDEN_CHARACTER", ["messageId"])]),
    ({"text": "x" * 4097}, [("TOO_LONG", ["text"])]),
    ({"attributes": {"city": "x" * 51}}, [("TOO_LONG", ["attributes", "city"])]),
    ({"attributes": {"type": None}}, [("REQUIRED", ["attributes", "type"])]),
    (
        {"attributes": {"customAttributes": {"nope": 1}}},
        [("UNKNOWN_ATTRIBUTE", ["attributes", "customAttributes", "nope"])],
    ),
    (
        {"attributes": {"emails": {"add": [{"address": "taken@b.example"}]}}},
        [("DUPLICATE_EMAIL", ["attributes", "emails", "add", "0", "address"])],
    ),
    (
        {"contact": {"externalId": "a"}, "attributes": {"externalId": "b"}},
        [("INVALID", ["attributes", "externalId"])],
    ),
]


@pytest.mark.parametrize(("given", "errors"), BAD)
async def test_what_can_not_be_meant_is_refused_with_its_path(
    api: Api, given: dict[str, Any], errors: list[tuple[str, list[str]]]
) -> None:
    """And nothing is written: no person, no event."""
    await api.made(emails=[{"address": "taken@b.example"}])
    payload = await api(MESSAGE, input=message(**given))
    assert [(one["code"], one["path"]) for one in payload["errors"]] == errors
    assert (payload["person"], payload["deletedPersonIds"], await count(api)) == (None, [], 1)


async def test_times_are_those_of_events(api: Api) -> None:
    """Older than 30 days is refused, ahead is now."""
    now = clock.now()
    old = message(occurredAt=clock.text(now - timedelta(days=31)))
    payload = await api(MESSAGE, input=old)
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("TOO_OLD", ["occurredAt"])]
    await told(api, MESSAGE, message(occurredAt=clock.text(now + timedelta(days=1))))
    assert clock.text(now) <= (await api.events(PHONE))[0]["occurredAt"] <= clock.text(clock.now())


async def test_a_message_without_an_id_counts_each_time(api: Api) -> None:
    """One with an id once for each journey."""
    for given in ({"messageId": None}, {"messageId": None}, {}, {}, {"journeyId": "other"}):
        await told(api, MESSAGE, message(**given))
    assert (await types(api, PHONE)).count("journeyEntered") == 4


async def test_a_late_repetition_takes_nothing_back(api: Api) -> None:
    """What was learned by a message that counted already is not written again."""
    first = message(attributes={"firstName": "Ann"})
    await told(api, MESSAGE, first)
    await api(UPDATE, by=PHONE, input={"firstName": "Anna"})
    assert (await told(api, MESSAGE, first))["firstName"] == "Anna"


async def test_the_contact_itself_is_never_taken_off(api: Api) -> None:
    """Whatever is learned: the next message finds the person by it."""
    email = {"email": "a@b.example"}
    for number, change in enumerate(({"set": [{"address": "c@b.example"}]}, {"remove": ["a@b.example"]}, None)):
        given = message(contact=email, messageId=f"m-{number}", attributes={"emails": change})
        person = await told(api, MESSAGE, given)
        assert "a@b.example" in [one["address"] for one in person["emails"]], change
    assert await count(api) == 1


@pytest.mark.parametrize(("contact", "document", "given"), [(PHONE, MESSAGE, message()), (WHATSAPP, CHATBOT, chat())])
async def test_the_deleted_do_not_come_back_with_a_late_delivery(
    api: Api, contact: dict[str, Any], document: str, given: dict[str, Any]
) -> None:
    """The same message, or another phase of the same session: PERSON_NOT_FOUND; something new makes somebody new."""
    await told(api, document, {**given, "contact": contact})
    await api(DELETE, by=contact)
    late = {**given, "contact": contact, **({"phase": "ENDED"} if document == CHATBOT else {})}
    assert await api.codes(document, input=late) == ["PERSON_NOT_FOUND"]
    assert await count(api) == 0
    await told(api, document, {**late, "messageId": "new"} if document == MESSAGE else {**late, "sessionId": "new"})
    assert await count(api) == 1


async def test_of_64_parallel_messages_of_nobody_known_comes_one_lead(api: Api) -> None:
    """All distinct, and each of them delivered to two processes: one profile, 64 entries."""
    async with apis.opened(api.service.store.engine) as other:
        both = [api, Api(other.service, api.key, api.account)]
        work = [told(one, MESSAGE, message(messageId=f"m-{number}")) for number in range(64) for one in both]
        persons = await asyncio.gather(*work)
    assert len({one["id"] for one in persons}) == 1
    assert (await count(api), len(await api.events(PHONE, first=200))) == (1, 65)


async def test_parallel_participants_of_one_group_become_one(api: Api) -> None:
    """Thirty calls whose identifiers overlap: one person in the end, no contact lost."""
    chain = [{"identifiers": [{"externalId": "x"}, {"email": f"e{n}@b.example"}]} for n in range(30)]
    found = await asyncio.gather(*[entered(api, one) for one in chain])
    assert {result["status"] for results in found for result in results} <= {"CREATED", "UPDATED"}
    person = await api(f"query($by: PersonLocator!) {{ person(by: $by) {{ {SHOWN} }} }}", by={"externalId": "x"})
    assert (len(person["emails"]), await count(api)) == (30, 1)


async def test_followers_hear_of_it_live(api: Api) -> None:
    """The entry of whoever is followed, and what was learned."""
    await told(api, MESSAGE, message())
    follow = """subscription($by: PersonLocator) { timelineEvents(person: $by) { kind event { type } } }"""
    async with api.live(follow, by=PHONE) as follower:
        assert (await follower.data())["kind"] == "READY"
        await told(api, MESSAGE, message(messageId="m-2", attributes={"firstName": "Ann"}))
        assert [(await follower.data())["event"]["type"] for _ in range(2)] == ["personUpdated", "journeyEntered"]


async def test_installations_that_join_carry_their_own_line(api: Api) -> None:
    """A participant gets one that nobody had: it is told, and the follower goes on with its line."""
    await told(api, MESSAGE, message())
    follow = """subscription($by: PersonLocator) { timelineEvents(person: $by) { kind event { type } } }"""
    async with api.live(follow, by=PHONE) as follower:
        assert (await follower.data())["kind"] == "READY"
        await entered(api, {"identifiers": [PHONE, PUSH, WHATSAPP]})
        await told(api, MESSAGE, message(contact=PUSH, messageId="m-2"))
        heard = [(await follower.data())["event"]["type"] for _ in range(4)]
    assert heard == ["contactAdded", "pushAttached", "journeyEntered", "journeyEntered"]


async def test_attributes_defined_elsewhere_a_moment_ago_are_known(api: Api) -> None:
    """Custom attributes are written by their types."""
    await api(ATTRIBUTE, input={"name": "size", "type": "INTEGER"})
    person = await told(api, MESSAGE, message(attributes={"customAttributes": {"size": 42}}))
    found = await api("query($id: ID!) { person(by: {id: $id}) { customAttributes } }", id=person["id"])
    assert found["customAttributes"] == {"size": 42}
    wrong = message(messageId="m-2", attributes={"customAttributes": {"size": "big"}})
    assert await api.codes(MESSAGE, input=wrong) == ["WRONG_ATTRIBUTE_TYPE"]


async def test_nobody_can_send_an_event_that_would_hide_a_message(api: Api) -> None:
    """The ids of these events are none that a client may give."""
    await told(api, MESSAGE, message())
    event_id = (await api.events(PHONE))[0]["id"].partition(":")[2]
    payload = await api(TRACK, events=[{"person": PHONE, "type": "x", "eventId": event_id}], atomic=False)
    assert "." in event_id
    assert payload["results"][0]["status"] == "REJECTED"


async def test_a_user_who_logs_in_later_has_what_was_told_of_the_installation(api: Api) -> None:
    """The lead that a channel made for it lives on in the customer, and the same message again counts no more."""
    lead = await told(api, MESSAGE, message(contact=PUSH))
    login = """mutation($input: PersonalizeInput!) {
      personalize(input: $input) { person { id type } deletedPersonIds errors { code } } }"""
    identity = {"emails": ["ann@b.example"]}
    payload = await api(login, input={"push": PUSH["push"], "identity": identity})
    assert (payload["errors"], payload["deletedPersonIds"]) == ([], [lead["id"]])
    again = await told(api, MESSAGE, message(contact=PUSH))
    assert (again["id"], again["type"], await count(api)) == (payload["person"]["id"], "CUSTOMER", 1)
    assert (await types(api, {"email": "ann@b.example"})).count("journeyEntered") == 1


async def test_R17_a_key_that_only_tells_sees_the_id_alone(api: Api) -> None:
    """Of whom it told: any other field is FORBIDDEN; who may read or manage persons sees them whole."""
    known = await api.made(emails=[{"address": "a@x.com"}], firstName="Ann")
    told = {"contact": {"email": "a@x.com"}, "journeyId": "j", "messageId": "m"}
    key = await api.key_with("EVENTS_WRITE")
    bare = "mutation($input: InboundMessageInput!) { recordInboundMessage(input: $input) { person { id } } }"
    assert (await key(bare, input=told))["person"] == {"id": known["id"]}
    whole = bare.replace("{ id }", "{ id firstName }")
    answer = (await key.post(whole, {"input": told})).json()
    assert answer["data"]["recordInboundMessage"] == {"person": {"id": known["id"], "firstName": None}}
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["FORBIDDEN"]
    assert (await api(whole, input=told))["person"] == {"id": known["id"], "firstName": "Ann"}
