"""Stories V, further: what a website learns, strict keys, other persons, races, erasure, and live followers."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from app.access.keys import identity_secret
from app.claims.model import Locator
from app.core import clock
from app.intake import visit_sweep
from app.intake.visit import ALIAS, APPEND, FORGET, GROUP, IDENTIFY, TRACK, UPDATE, Message
from app.mongo.engine import Update
from app.persons.wish import Given
from tests import api as apis
from tests.api import COMPANY, Api
from tests.make import email
from tests.stories import visitors as sites
from tests.stories.visitors import Site, later, site

__all__ = ["site"]

ANA, BEA = email("ana@b.example"), email("bea@b.example")
FOLLOW = """subscription($person: PersonLocator, $after: Cursor) {
  timelineEvents(person: $person, after: $after) { kind event { type } person { id } }
}"""


async def test_R17_a_website_learns_nothing_of_anybody(site: Site) -> None:
    """The same bytes for nobody, a lead, a customer, two persons, and traits that a customer doesn't take."""
    await site.api.made(type="LEAD", emails=[{"address": "lead@b.example"}])
    await site.api.made(emails=[{"address": "customer@b.example"}], externalId="crm")
    cases: list[dict[str, Any]] = [
        {"email": "nobody@b.example"},
        {"email": "lead@b.example"},
        {"email": "customer@b.example", "traits": {"firstName": "Ana"}},
        {"email": "lead@b.example", "externalId": "crm"},
        {"push": {"applicationId": "app", "registrationId": "none"}},
    ]
    answers = []
    for index, case in enumerate(cases):
        answer = await site.web.post(sites.IDENTIFY, {"input": {"anonymousId": f"v{index}", **case}})
        answers.append(answer.text.replace(f"v{index}", "v"))
    assert len(set(answers)) == 1
    assert (await site.api("{ persons { totalCount } }"))["totalCount"] == 3


async def test_bad_input_is_refused_with_its_place(site: Site) -> None:
    """Each for itself: the good events of a call are taken."""
    events: list[dict[str, Any]] = [
        {"anonymousId": "v", "type": "look"},
        {"anonymousId": "v", "type": "none"},
        {"anonymousId": "v", "type": "look", "properties": {"colour": "red"}},
        {"anonymousId": "v", "type": "sessionStarted"},
        {"anonymousId": "x" * 129, "type": "look"},
        {"anonymousId": "", "type": "look"},
    ]
    answer = await site.web(sites.TRACK, events=events)
    assert (answer["accepted"], answer["anonymousId"]) == (False, "v")
    assert [(one["code"], one["path"]) for one in answer["errors"]] == [
        ("UNKNOWN_EVENT_TYPE", ["events", "1", "type"]),
        ("UNKNOWN_PROPERTY", ["events", "2", "properties", "colour"]),
        ("STANDARD_EVENT", ["events", "3", "type"]),
        ("TOO_LONG", ["events", "4", "anonymousId"]),
        ("REQUIRED", ["events", "5", "anonymousId"]),
    ]
    assert await site.seen() == ["sessionStarted", "look"]
    assert await site.web.codes(sites.TRACK, events=[]) == ["REQUIRED"]
    assert await site.web.codes(sites.TRACK, events=[events[0]] * 501) == ["TOO_MANY"]
    named: list[tuple[dict[str, Any], str]] = [
        ({}, "REQUIRED"),
        ({"email": "none"}, "INVALID"),
        ({"externalId": "undefined"}, "INVALID"),
        ({"externalId": "x", "traits": {"firstName": "<b>"}}, "FORBIDDEN_CHARACTER"),
        ({"externalId": "x", "traits": {"customAttributes": {"none": 1}}}, "UNKNOWN_ATTRIBUTE"),
    ]
    for given, code in named:
        assert await site.web.codes(sites.IDENTIFY, input={"anonymousId": "v", **given}) == [code]
    assert await site.web.codes(sites.UPDATE, id="v", traits={"firstName": "<b>"}) == ["FORBIDDEN_CHARACTER"]


async def test_another_person_on_the_same_browser_gets_a_line_of_their_own(site: Site) -> None:
    """Rebound: what happens from then on is the other's, and nothing of the first moves."""
    await site.track()
    await site.identify(email="ana@b.example")
    await site.identify(email="bea@b.example")
    await site.track(type_="look")
    assert (await site.person(email="ana@b.example"))["did"] == ["sessionStarted", "pageView", "sessionEnded"]
    assert (await site.person(email="bea@b.example"))["did"] == ["sessionStarted", "look"]
    await site.identify(email="ana@b.example")
    did = (await site.person(email="ana@b.example"))["did"]
    assert did == ["sessionStarted", "pageView", "sessionEnded", "sessionStarted"]


async def test_a_deleted_person_leaves_no_visitor_behind(site: Site) -> None:
    """The next activity is a new visitor's; what comes late for the deleted one reaches nobody's line."""
    await site.take(Message(TRACK, "v", "m1", type="look"), Message(IDENTIFY, "v", identity=(ANA,)))
    await site.take(Message(FORGET, "v"), Message(TRACK, "v", "m2", type="look"))
    await site.take(Message(TRACK, "w", "m1", type="look"), Message(IDENTIFY, "w", identity=(ANA,)))
    gone = 'mutation { deletePerson(by: {email: "ana@b.example"}) { errors { code } } }'
    assert await site.api.codes(gone) == []
    kept = await site.api.service.store.engine.find("visitors", {})
    assert [(one["anonymousId"], one.get("former")) for one in kept] == [("v", [])]
    await site.take(Message(TRACK, "w", "m3", type="look"))
    assert await site.seen("w") == ["sessionStarted", "look"]


async def test_of_an_erased_lead_nothing_is_left_of_its_visits(site: Site) -> None:
    """No event, no visitor, and no mark of an event that nobody sends by its identifiers."""
    await site.track(eventId="m1")
    await site.identify(email="ana@b.example")
    await site.api('mutation { deletePerson(by: {email: "ana@b.example"}) { errors { code } } }')
    engine = site.api.service.store.engine
    assert [one["type"] for one in await engine.find("events", {})] == ["personDeleted"]
    assert (await engine.count("visitors", {}), await engine.count("erased", {})) == (0, 0)


async def test_a_visitor_of_a_merged_person_is_the_survivors(site: Site) -> None:
    """Its line moved with the person; what it says and does from then on reaches the survivor."""
    await site.track()
    await site.identify(email="ana@b.example")
    lead = await site.person(email="ana@b.example")
    survivor = await site.api.made(type="LEAD", externalId="crm-1")
    both = {"persons": [{"id": survivor["id"]}, {"id": lead["id"]}], "into": survivor["id"]}
    merge = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { errors { code } } }"
    assert await site.api.codes(merge, input=both) == []
    await site.good(sites.UPDATE, id="v", traits={"firstName": "Ana"})
    await site.track(type_="look")
    await site.identify(email="ana@b.example", traits={"city": "Wien"})
    person = await site.person(externalId="crm-1")
    assert (person["id"], person["firstName"]) == (survivor["id"], "Ana")
    assert [one for one in person["did"] if one != "personMerged"] == ["sessionStarted", "pageView", "look"]
    assert {one["person"]["id"] for one in person["nodes"]} == {survivor["id"]}


async def test_who_logs_in_by_the_app_keeps_what_the_website_saw(site: Site) -> None:
    """The lead of a website becomes the customer of an app: its visits, and the visitor, are that one's."""
    await site.track()
    await site.identify(email="ana@b.example")
    push = {"applicationId": "app", "registrationId": "r1"}
    opened = "mutation($input: InstallationInput!) { openInstallation(input: $input) { errors { code } } }"
    login = "mutation($input: PersonalizeInput!) { personalize(input: $input) { errors { code } } }"
    assert await site.api.codes(opened, input=push) == []
    assert await site.api.codes(login, input={"push": push, "identity": {"emails": ["ana@b.example"]}}) == []
    await site.track(type_="look")
    person = await site.person(email="ana@b.example")
    assert person["type"] == "CUSTOMER"
    did = [one for one in person["did"] if not one.startswith("p") or one == "pageView"]
    assert did == ["sessionStarted", "pageView", "look"]
    assert await site.web.codes(sites.UPDATE, id="v", traits={"firstName": "Bea"}) == ["WEB_SDK_RESTRICTED"]
    await site.track("w")
    await site.identify("w", push=push)
    assert (await site.person(email="ana@b.example"))["did"][-1] == "pageView"
    assert await site.visitor("w") is None


# ---------------------------------------------------------------- once


async def test_a_message_counts_once_for_ever(site: Site) -> None:
    """Whatever it is, and whoever the visitor is by now: the whole batch again changes nothing at all."""
    batch = [
        Message(TRACK, "v", "m1", sites.ago(minutes=9), type="look"),
        Message(UPDATE, "v", "m2", sites.ago(minutes=8), traits=Given(scalars={"first_name": "Ana"})),
        Message(IDENTIFY, "v", "m3", sites.ago(minutes=7), identity=(ANA,)),
        Message(APPEND, "v", "m4", sites.ago(minutes=6), attribute="wishes", item={"sku": "A"}),
        Message(FORGET, "v", "m5", sites.ago(minutes=5)),
        Message(TRACK, "v", "m6", sites.ago(minutes=4), type="look"),
    ]
    for _ in range(3):
        assert all(one.accepted for one in await site.take(*batch))
    person = await site.person(email="ana@b.example")
    assert person["did"] == ["sessionStarted", "look", "sessionEnded"]
    assert [one["sku"] for one in person["customAttributes"]["wishes"]] == ["A"]
    assert await site.seen() == ["sessionStarted", "look"]
    assert (await site.api("{ persons { totalCount } }"))["totalCount"] == 1
    await site.track(eventId="m6")
    assert await site.seen() == ["sessionStarted", "look"]


# ---------------------------------------------------------------- several at once


async def test_V6_sixty_four_at_once_are_one_lead(site: Site) -> None:
    """W setPerson in parallel, of one visitor by two processes, T one lead, events once, nothing lost."""
    await site.track()
    async with apis.opened(site.api.service.store.engine) as other:
        there = Site(site.api, Api(other.service, site.web.key, site.web.account))
        await asyncio.gather(
            *[one.identify(email="ana@b.example", externalId="crm-1") for one in [site, there] * 32],
            *[one.track(type_="look", eventId=f"e{index}") for index, one in enumerate([site, there] * 8)],
        )
    person = await site.person(email="ana@b.example")
    assert sorted(person["did"]) == ["look"] * 16 + ["pageView", "sessionStarted"]
    assert (await site.api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_V6_overlapping_persons_at_once_make_no_second_owner(site: Site) -> None:
    """64 visitors, each with two of eight identifiers: all are answered, every identifier has one owner."""
    names = [f"p{one}@b.example" for one in range(4)]
    await asyncio.gather(*[site.track(f"v{one}") for one in range(64)])
    await asyncio.gather(
        *[site.identify(f"v{one}", email=names[one % 4], externalId=f"crm-{one // 4 % 4}") for one in range(64)]
    )
    found = await site.api("{ persons(first: 100) { nodes { id type externalId emails { address } } } }")
    held = [one["address"] for person in found["nodes"] for one in person["emails"]]
    assert sorted(held) == sorted(set(held))
    assert {one["type"] for one in found["nodes"]} == {"LEAD"}
    assert 1 <= len(found["nodes"]) <= 8
    events = (await site.api("{ activity(first: 1000) { nodes { type } } }"))["nodes"]
    assert sum(one["type"] == "pageView" for one in events) == 64


async def test_many_visitors_at_once_share_what_is_written(site: Site) -> None:
    """Two processes and overlapping visitors: each event once, one visitor for each id."""
    async with apis.opened(site.api.service.store.engine) as other:
        there = Site(site.api, Api(other.service, site.web.key, site.web.account))
        sent = [(one, f"v{index % 10}", f"e{index}") for index in range(60) for one in (site, there)]
        await asyncio.gather(*[one.track(who, type_="look", eventId=event) for one, who, event in sent])
    for index in range(10):
        assert await site.seen(f"v{index}") == ["sessionStarted", *["look"] * 6]


# ---------------------------------------------------------------- strict keys


def token(site: Site, locator: Locator) -> str:
    """Return what the backend of the account signs for one who has the identifier."""
    secret = identity_secret("key", site.api.service.services.access.secret)
    now = clock.millis(clock.now()) // 1000
    claims = {
        "sub": f"{locator.kind}:{locator.value}",
        "aud": site.api.account,
        "iat": now,
        "exp": now + 60,
        "jti": "1",
    }
    return jwt.encode(claims, secret, "HS256")


async def test_a_strict_key_reaches_a_known_person_by_a_token_alone(site: Site) -> None:
    """Unproven: the same answer, a visitor still, and what was said is kept; with a good token it joins it all."""
    made = await site.api.made(type="LEAD", emails=[{"address": "ana@b.example"}])

    def said(shown: str | None, *identity: Locator) -> Message:
        traits = Given(scalars={"first_name": "Ana"})
        return Message(IDENTIFY, "v", identity=identity, traits=traits, identity_token=shown)

    await site.take(Message(TRACK, "v", type="look"), strict=True)
    (answer,) = await site.take(said(None, ANA, Locator("externalId", "crm-1")), strict=True)
    assert (answer.accepted, answer.refused) == (True, ())
    assert await site.seen() == ["sessionStarted", "look"]
    assert (await site.person(id=made["id"]))["firstName"] is None
    (answer,) = await site.take(said(token(site, ANA), ANA), strict=True)
    assert (answer.accepted, answer.refused) == (True, ())
    person = await site.person(id=made["id"])
    assert (person["firstName"], person["externalId"]) == ("Ana", "crm-1")
    assert person["did"] == ["sessionStarted", "look"]


async def test_a_strict_key_makes_a_lead_of_an_unknown_identifier(site: Site) -> None:
    """As always; and the same again needs no token."""
    for _ in range(2):
        await site.take(Message(IDENTIFY, "v", identity=(BEA,)), strict=True)
    assert (await site.person(email="bea@b.example"))["type"] == "LEAD"
    await site.take(Message(IDENTIFY, "w", identity=(BEA,)), strict=True)
    assert await site.seen("w") == ["sessionStarted"]


# ---------------------------------------------------------------- groups and aliases, as the wire sends them


async def test_a_group_links_a_lead_to_a_company_that_is_known(site: Site) -> None:
    """By external id, then by name; a browser creates no companies, and links no customer."""
    await site.api(COMPANY, input={"name": "Acme", "externalId": "acme-1"})
    await site.take(Message(IDENTIFY, "v", identity=(ANA,)))
    for one in (
        Message(GROUP, "v", group_id="none", group_name="None"),
        Message(GROUP, "v", group_id="none", group_name="ACME"),
        Message(GROUP, "v", group_id="acme-1"),
        Message(GROUP, "nobody", group_id="acme-1"),
    ):
        assert (await site.take(one))[0].accepted
    assert (await site.person(email="ana@b.example"))["companies"]["nodes"] == [{"name": "Acme"}]
    assert (await site.api("{ companies { totalCount } }"))["totalCount"] == 1


async def test_an_alias_makes_one_visitor_of_two(site: Site) -> None:
    """What both did is one timeline, under either id, and becomes one lead's."""
    await site.take(Message(TRACK, "a", "m1", sites.ago(minutes=90), type="look"))
    await site.take(Message(TRACK, "b", "m1", sites.ago(minutes=20), type="look"))
    await site.take(Message(ALIAS, "b", previous_id="a"))
    for id_ in "ab":
        assert await site.seen(id_) == ["sessionStarted", "look", "sessionEnded", "sessionStarted", "look"]
    await site.take(
        Message(TRACK, "a", "m1", sites.ago(minutes=90), type="look"), Message(TRACK, "a", "m2", type="look")
    )
    await site.take(Message(IDENTIFY, "a", identity=(ANA,)))
    person = await site.person(email="ana@b.example")
    assert person["did"] == ["sessionStarted", "look", "sessionEnded", "sessionStarted", "look", "look"]
    await site.take(Message(ALIAS, "crm-1", previous_id="c", identity=(Locator("externalId", "crm-1"),)))
    assert (await site.person(externalId="crm-1"))["did"] == ["sessionStarted"]


# ---------------------------------------------------------------- what ends by itself, and who follows live


async def test_a_sweep_ends_sessions_and_visitors(site: Site) -> None:
    """Once, whoever does it: the end stands at the last activity; after 45 days all is gone but what is a person's."""
    await site.track()
    await site.track("w")
    await site.identify("w", email="ana@b.example")
    sweep = site.api.service.services.visitors.sweep
    assert await sweep.sweep() == 0
    with later(minutes=31):
        assert sum(await asyncio.gather(sweep.sweep(), sweep.sweep())) >= 2
        assert await sweep.sweep() == 0
        assert await site.seen() == ["sessionStarted", "pageView", "sessionEnded"]
    with later(days=46):
        assert await sweep.sweep() == 2
        await site.api.service.services.catalog.sweeps.sweep()
        assert await site.api.service.store.engine.count("visitors", {}) == 0
        left = (await site.api("{ activity(first: 100) { nodes { id type } } }"))["nodes"]
        did = [one["type"] for one in left if one["id"].startswith("web_")]
        assert sorted(did) == ["pageView", "sessionEnded", "sessionStarted"]


async def test_a_visitor_that_cannot_be_read_holds_up_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set aside for a day, be the whole page like it; the log and a figure say so, and no value of it."""
    monkeypatch.setattr(visit_sweep, "SWEEP_VISITORS", 1)
    await site.track("broken")
    await site.track("fine")
    engine, sweep = site.api.service.store.engine, site.api.service.services.visitors.sweep
    (broken,) = await engine.find("visitors", {"anonymousId": "broken"})
    first = {"session": "secret", "due": broken["due"] - timedelta(minutes=1)}
    await engine.write("visitors", [Update({"_id": broken["_id"]}, {"$set": first})])
    with later(minutes=31), capture_logs() as logs:
        assert await sweep.sweep() == 1
        assert await sweep.sweep() == 0
    assert [one["during"] for one in logs if one["event"] == "unexpected_error"] == ["visit_sweep"]
    assert "secret" not in str(logs)
    assert sweep.aside == 1
    with later(days=2):
        await sweep.sweep()
    assert sweep.aside == 2


async def test_followers_of_a_person_see_what_their_visitor_does(site: Site) -> None:
    """From the identification on, on the line that joined."""
    await site.api.made(emails=[{"address": "ana@b.example"}])
    await site.track()
    async with site.api.live(FOLLOW, person={"email": "ana@b.example"}) as socket:
        assert (await socket.data())["kind"] == "READY"
        await site.identify(email="ana@b.example")
        assert (await socket.data())["event"]["type"] == "visitorIdentified"
        await site.track(type_="look")
        update = await socket.data()
        assert (update["event"]["type"], update["person"] is not None) == ("look", True)
