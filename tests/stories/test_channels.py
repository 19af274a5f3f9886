"""Stories J and K: journeys, chatbots and the inbox tell of people, and profiles come of it."""

from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from tests.api import Api
from tests.stories.telling import (
    CHATBOT,
    INBOX,
    MESSAGE,
    PARTICIPANTS,
    PHONE,
    PUSH,
    REVERT,
    WHATSAPP,
    chat,
    count,
    entered,
    message,
    talk,
    told,
    types,
)

# ---------------------------------------------------------------- journeys


async def test_J1_a_message_of_nobody_known_makes_a_lead(api: Api) -> None:
    """G inbound SMS unknown number T LEAD + entry event, origin FLOW."""
    person = await told(api, MESSAGE, message(text="Hi", attributes={"firstName": "Ann"}))
    assert (person["type"], person["createdFrom"], person["firstName"]) == ("LEAD", "FLOW", "Ann")
    assert person["phones"] == [{"number": "436601234567"}]
    events = await api.events(PHONE)
    assert [(one["type"], one["source"]) for one in events] == [("journeyEntered", "FLOW"), ("personCreated", "FLOW")]
    assert events[0]["properties"] == {"journeyId": "welcome", "messageId": "m-1", "text": "Hi"}


@pytest.mark.parametrize("type_", ["LEAD", "CUSTOMER"])
async def test_J2_whoever_is_known_stays_who_they_are(api: Api, type_: str) -> None:
    """G known lead or customer T same id, no type change, whatever the message says of it."""
    made = await api.made(type=type_, phones=[{"number": "436601234567"}], firstName="Ann")
    for number, given in enumerate(({}, {"attributes": {"lastName": "Lee", "type": "CUSTOMER"}})):
        person = await told(api, MESSAGE, message(messageId=f"m-{number}", **given))
        assert (person["id"], person["type"], person["createdFrom"]) == (made["id"], type_, "API")
    assert (person["lastName"], person["version"], person["modifiedFrom"]) == ("Lee", 2, "FLOW")
    assert await types(api, PHONE) == ["journeyEntered", "personUpdated", "journeyEntered", "personCreated"]


async def test_J3_identifiers_of_two_profiles_make_one(api: Api) -> None:
    """W participant whose ids hit two profiles T merged; contacts that nobody had join; the merge can be undone."""
    old = await api.made(type="LEAD", emails=[{"address": "a@b.example"}], firstName="Ann")
    new = await api.made(phones=[{"number": "436601234567"}], firstName="Bea", tags=["vip"])
    identifiers = [{"email": "A@b.example"}, PHONE, {"externalId": "x-1"}, WHATSAPP, PUSH]
    (result,) = await entered(api, {"identifiers": identifiers, "attributes": {"lastName": "Lee"}})
    assert (result["status"], result["errors"]) == ("UPDATED", [])
    person = result["person"]
    assert (person["id"], person["type"], person["mergedIds"]) == (old["id"], "CUSTOMER", [new["id"]])
    assert (person["firstName"], person["lastName"], person["externalId"]) == ("Bea", "Lee", "x-1")
    assert (person["channels"], len(person["pushRegistrations"])) == ([WHATSAPP["channel"]], 1)
    for by in (*identifiers, {"id": new["id"]}):
        found = await api("query($by: PersonLocator!) { person(by: $by) { id } }", by=by)
        assert found["id"] == old["id"]
    assert (await types(api, {"id": old["id"]})).count("journeyEntered") == 1
    (merge,) = (await api("{ merges { nodes { id cause } } }"))["nodes"]
    assert merge["cause"] == "FLOW"
    undone = await api(REVERT, id=merge["id"])
    assert (undone["errors"], {one["firstName"] for one in undone["persons"]}) == ([], {"Ann", "Bea"})


async def test_J3_two_customers_never_become_one_by_themselves(api: Api) -> None:
    """MERGE_BLOCKED for that participant alone, and nothing changes for it."""
    for name in "ab":
        await api.made(emails=[{"address": f"{name}@b.example"}])
    both = {"identifiers": [{"email": "a@b.example"}, {"email": "b@b.example"}, WHATSAPP]}
    other = {"identifiers": [PHONE]}
    blocked, fine = await entered(api, {**both, "attributes": {"firstName": "X"}}, other)
    assert (blocked["status"], blocked["person"]) == ("FAILED", None)
    assert [(one["code"], one["path"]) for one in blocked["errors"]] == [("MERGE_BLOCKED", ["identifiers"])]
    assert (fine["status"], fine["person"]["type"], await count(api)) == ("CREATED", "LEAD", 3)
    assert await types(api, {"email": "a@b.example"}) == ["personCreated"]


async def test_J4_1001_participants_are_refused_as_a_whole(api: Api) -> None:
    """A thousand are taken."""
    rows = [{"identifiers": [{"externalId": f"p{number}"}]} for number in range(1001)]
    payload = await api(PARTICIPANTS, participants=rows, journey="welcome")
    assert ([one["code"] for one in payload["errors"]], payload["results"]) == (["TOO_MANY"], [])
    assert await count(api) == 0
    results = await entered(api, *rows[:1000])
    assert ({one["status"] for one in results}, await count(api)) == ({"CREATED"}, 1000)
    assert await types(api, {"externalId": "p999"}) == ["journeyEntered", "personCreated"]


async def test_J5_what_is_learned_in_a_journey_is_written(api: Api) -> None:
    """W name learned in a journey or broadcast reply T stored, modifiedFrom FLOW."""
    made = await api.made(phones=[{"number": "436601234567"}], firstName="Ann")
    person = await told(api, MESSAGE, message(attributes={"firstName": "Anna", "tags": {"add": ["replied"]}}))
    assert (person["id"], person["firstName"], person["modifiedFrom"]) == (made["id"], "Anna", "FLOW")
    (result,) = await entered(api, {"identifiers": [PHONE], "attributes": {"lastName": "Lee"}})
    assert (result["status"], result["person"]["lastName"]) == ("UPDATED", "Lee")


async def test_participants_are_each_answered_for_themselves(api: Api) -> None:
    """CREATED, UPDATED, NOT_MODIFIED and FAILED in the order of the input, with paths into the participant."""
    known = await api.made(externalId="k", firstName="Ann")
    cases: list[tuple[dict[str, Any], str, list[tuple[str, list[str]]]]] = [
        ({"identifiers": [{"id": known["id"]}]}, "NOT_MODIFIED", []),
        ({"identifiers": [{"id": known["id"]}, PHONE]}, "UPDATED", []),
        ({"identifiers": [PUSH]}, "CREATED", []),
        ({"identifiers": [{"id": "per_x"}]}, "FAILED", [("PERSON_NOT_FOUND", ["identifiers", "0", "id"])]),
        ({"identifiers": []}, "FAILED", [("REQUIRED", ["identifiers"])]),
        ({"identifiers": [{"email": "no"}]}, "FAILED", [("INVALID", ["identifiers", "0", "email"])]),
        ({"identifiers": [{"externalId": "null"}]}, "FAILED", [("INVALID", ["identifiers", "0", "externalId"])]),
        (
            {"identifiers": [{"crm": {"system": "SALESFORCE", "object": "Lead", "recordId": "1"}}]},
            "FAILED",
            [("PERSON_NOT_FOUND", ["identifiers", "0", "crm"])],
        ),
        (
            {"identifiers": [{"externalId": "k"}, {"externalId": "other"}]},
            "FAILED",
            [("DUPLICATE_EXTERNAL_ID", ["identifiers", "1", "externalId"])],
        ),
        (
            {"identifiers": [{"externalId": "k"}], "attributes": {"country": "x" * 51}},
            "FAILED",
            [("TOO_LONG", ["attributes", "country"])],
        ),
        ({"identifiers": [{"externalId": f"n{n}"} for n in range(51)]}, "FAILED", [("TOO_MANY", ["identifiers"])]),
        ({"identifiers": [{"externalId": "k"}] * 2}, "NOT_MODIFIED", []),
    ]
    results = await entered(api, *[given for given, _, _ in cases])
    seen = [(one["status"], [(e["code"], e["path"]) for e in one["errors"]]) for one in results]
    assert seen == [(status, errors) for _, status, errors in cases]
    # Named three times in one call, and entered once.
    assert (await types(api, {"externalId": "k"})).count("journeyEntered") == 1
    assert await api.codes(PARTICIPANTS, participants=[], journey=" ") == ["REQUIRED"]


async def test_a_call_that_comes_again_with_its_key_lets_them_enter_once(api: Api) -> None:
    """Without a key each call is an entry of its own; with one it is answered as it was."""
    rows: list[dict[str, Any]] = [{"identifiers": [PHONE]}, {"identifiers": [WHATSAPP]}]
    first = await entered(api, *rows, key="k-1")
    assert await entered(api, *rows, key="k-1") == first
    assert (await types(api, PHONE)).count("journeyEntered") == 1
    await entered(api, *rows)
    await entered(api, *rows)
    assert (await types(api, WHATSAPP)).count("journeyEntered") == 3
    assert await api.codes(PARTICIPANTS, participants=rows[:1], journey="welcome", key="k-1") == [
        "IDEMPOTENCY_MISMATCH"
    ]


# ---------------------------------------------------------------- chatbots and the inbox


@pytest.mark.parametrize(
    ("document", "given", "origin", "type_"),
    [(CHATBOT, chat(), "ANSWERS", "chatbotSessionStarted"), (INBOX, talk(), "CONVERSATIONS", "conversationCreated")],
)
async def test_K1_a_session_of_nobody_known_makes_a_customer(
    api: Api, document: str, given: dict[str, Any], origin: str, type_: str
) -> None:
    """G session start, unknown user T CUSTOMER + Started event, origin ANSWERS / CONVERSATIONS."""
    person = await told(api, document, given)
    assert (person["type"], person["createdFrom"]) == ("CUSTOMER", origin)
    assert [(one["type"], one["source"]) for one in await api.events(PHONE)] == [
        (type_, origin),
        ("personCreated", origin),
    ]


@pytest.mark.parametrize(("document", "given"), [(CHATBOT, chat()), (INBOX, talk())])
async def test_K2_a_known_lead_stays_a_lead(api: Api, document: str, given: dict[str, Any]) -> None:
    """G known lead T event added, still LEAD."""
    made = await api.made(type="LEAD", phones=[{"number": "436601234567"}])
    person = await told(api, document, given)
    assert (person["id"], person["type"], person["version"]) == (made["id"], "LEAD", 1)
    assert len(await types(api, PHONE)) == 2


ENDS = {
    CHATBOT: (chat(), ["chatbotSessionEnded", "chatbotSessionStarted"]),
    INBOX: (talk(), ["conversationFinished", "conversationCreated"]),
}


@pytest.mark.parametrize("document", [CHATBOT, INBOX])
@pytest.mark.parametrize("order", ["SE", "ES", "SSEE", "ESES", "EESS"])
@pytest.mark.parametrize("timed", [True, False])
async def test_K3_each_phase_counts_once_in_the_right_order(api: Api, document: str, order: str, timed: bool) -> None:  # noqa: FBT001
    """W start+end delivered twice or out of order T each once, time order right, also where nobody says when."""
    given, expected = ENDS[document]
    now = clock.now()
    times = {"S": clock.text(now - timedelta(minutes=9)), "E": clock.text(now - timedelta(minutes=3))}
    for one in order:
        phase = {"phase": {"S": "STARTED", "E": "ENDED"}[one], **({"occurredAt": times[one]} if timed else {})}
        await told(api, document, {**given, **phase, "channel": "WHATSAPP"})
    events = [one for one in await api.events(PHONE) if one["type"] in expected]
    assert [one["type"] for one in events] == expected
    if timed:
        assert [one["occurredAt"] for one in events] == [times["E"], times["S"]]
    assert all(one["properties"]["channel"] == "WHATSAPP" for one in events)
    session = {"sessionId": given.get("sessionId") or given.get("conversationId")}
    assert len(await api.events(PHONE, filter=session)) == 2
    assert await count(api) == 1


async def test_an_end_that_is_told_before_its_beginning_is_put_right(api: Api) -> None:
    """Clocks of two machines: what comes second goes to the right side of what came first."""
    early, late = (clock.text(clock.now() - timedelta(minutes=minutes)) for minutes in (9, 3))
    for session, phases in (("a", ("STARTED", "ENDED")), ("b", ("ENDED", "STARTED"))):
        for phase in phases:
            at = late if phase == "STARTED" else early
            await told(api, CHATBOT, chat(sessionId=session, phase=phase, occurredAt=at))
        seen = [(one["type"], one["occurredAt"]) for one in await api.events(PHONE, filter={"sessionId": session})]
        moment = late if session == "a" else early
        assert seen == [("chatbotSessionEnded", moment), ("chatbotSessionStarted", moment)]


async def test_a_session_is_the_same_by_whichever_contact(api: Api) -> None:
    """Of one person, also where that was two: a phase that came by the one doesn't count again by the other."""
    await told(api, CHATBOT, chat())
    await told(api, MESSAGE, message(contact={"email": "a@b.example"}))
    await entered(api, {"identifiers": [PHONE, {"email": "a@b.example"}]})
    await told(api, CHATBOT, chat(contact={"email": "a@b.example"}))
    await told(api, MESSAGE, message())
    found = await types(api, PHONE)
    assert (found.count("chatbotSessionStarted"), found.count("journeyEntered"), await count(api)) == (1, 2, 1)
