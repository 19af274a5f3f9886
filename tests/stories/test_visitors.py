"""Stories V: visitors of a website, their sessions, and how they become leads and join customers."""

from datetime import timedelta

from app.core import clock
from tests.stories.visitors import APPEND, FORGET, IDENTIFY, UPDATE, Site, later, site

__all__ = ["site"]


def _text(**ago: float) -> str:
    return clock.text(clock.now() + timedelta(**ago))


async def test_V1_a_first_page_makes_a_visitor_and_no_person(site: Site) -> None:
    """W first page T visitor id, Session Started, Page View, no person; an action by track is stored as well."""
    await site.track(properties={"url": "https://shop.example/a", "path": "/a", "title": "A", "language": "en"})
    await site.track(type_="look", properties={"sku": "A1"})
    found = await site.visitor()
    assert found is not None
    assert found["id"].startswith("vis_")
    assert [one["type"] for one in found["timeline"]["nodes"]][::-1] == ["sessionStarted", "pageView", "look"]
    assert len({one["sessionId"] for one in found["timeline"]["nodes"]}) == 1
    assert {one["source"] for one in found["timeline"]["nodes"]} == {"WEB_SDK"}
    assert (await site.api("{ persons { totalCount } }"))["totalCount"] == 0


async def test_V2_a_session_ends_after_thirty_minutes(site: Site) -> None:
    """W 29 min idle T same session, 31 min T Ended at the last activity, and a new Started."""
    await site.track()
    with later(minutes=29):
        await site.track()
    assert await site.seen() == ["sessionStarted", "pageView", "pageView"]
    with later(minutes=29 + 31):
        await site.track()
    assert await site.seen() == [
        "sessionStarted",
        "pageView",
        "pageView",
        "sessionEnded",
        "sessionStarted",
        "pageView",
    ]


async def test_V4_unknown_email_makes_a_lead_with_all_sessions(site: Site) -> None:
    """W setPerson unknown email T LEAD, all earlier sessions on its timeline, visitor record removed."""
    await site.track()
    with later(minutes=45):
        await site.track(type_="look")
        await site.identify(email="Ana@b.example", traits={"firstName": "Ana"})
        person = await site.person(email="ana@b.example")
        assert (person["type"], person["firstName"], person["createdFrom"]) == ("LEAD", "Ana", "WEB_SDK")
        assert person["did"] == ["sessionStarted", "pageView", "sessionEnded", "sessionStarted", "look"]
        assert await site.visitor() is None
        await site.track()
        assert (await site.person(email="ana@b.example"))["did"][-1] == "pageView"


async def test_V3_a_visitor_is_kept_for_45_days(site: Site) -> None:
    """W return on day 44 T same visitor, day 46 T new, and what the old one did is gone."""
    await site.track()
    first = await site.visitor()
    assert first is not None
    with later(days=44):
        await site.track()
        again = await site.visitor()
        assert again is not None
        assert (again["id"], again["firstSeenAt"]) == (first["id"], first["firstSeenAt"])
    with later(days=44 + 46):
        assert await site.visitor() is None
        await site.track()
        other = await site.visitor()
        assert other is not None
        assert other["id"] != first["id"]
        assert [one["type"] for one in other["timeline"]["nodes"]] == ["pageView", "sessionStarted"]
        await site.api.service.services.catalog.sweeps.sweep()
        left = (await site.api("{ activity(first: 100) { nodes { id } } }"))["nodes"]
        assert {one["id"] for one in left} == {one["id"] for one in other["timeline"]["nodes"]}
        assert await site.api("query($id: ID!) { node(id: $id) { id } }", id=first["id"]) is None


async def test_V5_a_known_lead_gets_all_sessions(site: Site) -> None:
    """W setPerson of a known lead T same id, all sessions appended, new identifiers and traits as well."""
    lead = await site.api.made(type="LEAD", emails=[{"address": "ana@b.example"}])
    await site.track()
    with later(minutes=45):
        await site.track(type_="look")
        await site.identify(email="ana@b.example", externalId="crm-1", traits={"firstName": "Ana"})
    person = await site.person(externalId="crm-1")
    assert (person["id"], person["type"], person["firstName"]) == (lead["id"], "LEAD", "Ana")
    assert person["did"] == ["sessionStarted", "pageView", "sessionEnded", "sessionStarted", "look"]
    assert {one["person"]["id"] for one in person["nodes"]} == {lead["id"]}
    assert await site.visitor() is None


async def test_V6_to_say_it_again_changes_nothing(site: Site) -> None:
    """W setPerson twice T one lead, events once, and the version stays."""
    await site.track()
    await site.identify(email="ana@b.example")
    before = await site.person(email="ana@b.example")
    for _ in range(3):
        await site.identify(email="Ana@b.example")
    assert await site.person(email="ana@b.example") == before
    assert (await site.api("{ persons { totalCount } }"))["totalCount"] == 1


async def test_V7_V8_a_customer_gets_the_present_session_alone(site: Site) -> None:
    """W setPerson matching a customer T the present session appended, type unchanged; older ones are gone."""
    made = await site.api.made(emails=[{"address": "ana@b.example"}], firstName="Ana")
    await site.track(eventId="old")
    with later(minutes=45):
        await site.track(type_="look")
        await site.identify(email="ana@b.example", externalId="x", traits={"firstName": "Bea", "city": "Wien"})
        person = await site.person(email="ana@b.example")
        assert (person["id"], person["type"], person["firstName"]) == (made["id"], "CUSTOMER", "Ana")
        assert (person["externalId"], person["modifiedFrom"]) == (None, "API")
        assert person["did"] == ["sessionStarted", "look"]
        await site.track(occurredAt=_text(minutes=-50))
        await site.track()
        assert (await site.person(email="ana@b.example"))["did"] == ["sessionStarted", "look", "pageView"]
        await site.api.service.services.catalog.sweeps.sweep()
        left = (await site.api("{ activity(first: 100) { nodes { id type } } }"))["nodes"]
        assert [one["type"] for one in left if one["id"].startswith("web_")] == ["pageView", "look", "sessionStarted"]
        assert await site.visitor() is None


async def test_V9_a_lead_is_updated(site: Site) -> None:
    """W updatePerson on a lead T stored, modifiedFrom WEB_SDK; an identifier of somebody else is passed over."""
    await site.api.made(emails=[{"address": "taken@b.example"}])
    await site.track()
    await site.identify(externalId="crm-1")
    emails = {"add": [{"address": "taken@b.example"}, {"address": "ana@b.example"}]}
    given = {"firstName": "Ana", "customAttributes": {"size": "M"}, "emails": emails, "tags": {"add": ["x"]}}
    await site.good(UPDATE, id="v", traits=given)
    person = await site.person(externalId="crm-1")
    assert (person["firstName"], person["customAttributes"]) == ("Ana", {"size": "M"})
    assert (person["emails"], person["modifiedFrom"]) == ([{"address": "ana@b.example"}], "WEB_SDK")
    assert (await site.api("{ tags { nodes { name } } }"))["nodes"] == []


async def test_V9_what_is_said_of_a_visitor_is_kept_for_its_lead(site: Site) -> None:
    """W updatePerson before setPerson T the lead has it."""
    await site.good(UPDATE, id="v", traits={"firstName": "Ana", "customAttributes": {"size": "M"}})
    await site.good(UPDATE, id="v", traits={"firstName": "Bea", "emails": {"add": [{"address": "b@b.example"}]}})
    assert await site.seen() == ["sessionStarted"]
    await site.identify(externalId="crm-1", traits={"city": "Wien"})
    person = await site.person(externalId="crm-1")
    assert (person["firstName"], person["customAttributes"]) == ("Bea", {"size": "M"})
    assert person["emails"] == [{"address": "b@b.example"}]


async def test_V10_a_customer_is_not_updated(site: Site) -> None:
    """W updatePerson on a customer T WEB_SDK_RESTRICTED, unchanged."""
    await site.api.made(externalId="crm-1", firstName="Ana")
    await site.identify(externalId="crm-1")
    before = await site.person(externalId="crm-1")
    answer = await site.web(UPDATE, id="v", traits={"firstName": "Bea"})
    assert (answer["accepted"], [one["code"] for one in answer["errors"]]) == (False, ["WEB_SDK_RESTRICTED"])
    codes = await site.web.codes(APPEND, id="v", attribute="wishes", item={"sku": "A"})
    assert codes == ["WEB_SDK_RESTRICTED"]
    assert await site.person(externalId="crm-1") == before


async def test_V11_a_website_does_no_more_than_that(site: Site) -> None:
    """W web:sdk key on deletePerson or persons T FORBIDDEN; type change T WEB_SDK_RESTRICTED."""
    await site.identify(externalId="crm-1")
    gone = 'mutation { deletePerson(by: {externalId: "crm-1"}) { deletedIds } }'
    for query in (gone, "{ persons { totalCount } }", '{ visitor(anonymousId: "v") { id } }'):
        assert await site.web.refused(query) == "FORBIDDEN"
    answer = await site.web(UPDATE, id="v", traits={"type": "CUSTOMER"})
    assert [(one["code"], one["path"]) for one in answer["errors"]] == [("WEB_SDK_RESTRICTED", ["traits", "type"])]
    assert await site.web.codes(
        IDENTIFY, input={"anonymousId": "v", "externalId": "crm-1", "traits": {"type": "LEAD"}}
    ) == ["WEB_SDK_RESTRICTED"]
    assert (await site.person(externalId="crm-1"))["type"] == "LEAD"
    reader = await site.api.key_with("PEOPLE_READ")
    assert await reader.refused(FORGET, id="v") == "FORBIDDEN"


async def test_V12_an_item_is_added_to_a_list_of_a_lead(site: Site) -> None:
    """W appendToList on a lead T item added; of a visitor who is nobody yet T refused."""
    assert await site.web.codes(APPEND, id="v", attribute="wishes", item={"sku": "A"}) == ["WEB_SDK_RESTRICTED"]
    await site.identify(externalId="crm-1")
    await site.good(APPEND, id="v", attribute="wishes", item={"sku": "A1"})
    await site.good(APPEND, id="v", attribute="wishes", item={"sku": "B1"})
    wishes = (await site.person(externalId="crm-1"))["customAttributes"]["wishes"]
    assert [one["sku"] for one in wishes] == ["A1", "B1"]
    answer = await site.web(APPEND, id="v", attribute="wishes", item={"colour": "red"})
    assert [(one["code"], one["path"]) for one in answer["errors"]] == [("UNKNOWN_PROPERTY", ["item", "colour"])]
    assert await site.web.codes(APPEND, id="v", attribute="none", item={}) == ["UNKNOWN_ATTRIBUTE"]


async def test_V13_after_forget_the_next_is_a_new_visitor(site: Site) -> None:
    """W forgetPerson T Session Ended, next track is a new visitor."""
    await site.track()
    await site.identify(externalId="crm-1")
    await site.good(FORGET, id="v")
    assert (await site.person(externalId="crm-1"))["did"] == ["sessionStarted", "pageView", "sessionEnded"]
    assert await site.visitor() is None
    await site.track()
    assert await site.seen() == ["sessionStarted", "pageView"]
    assert (await site.person(externalId="crm-1"))["did"] == ["sessionStarted", "pageView", "sessionEnded"]


async def test_V13_forget_of_somebody_unknown_ends_the_session_alone(site: Site) -> None:
    """The visitor stays the same; one that was never there does not come to be."""
    await site.good(FORGET, id="v")
    assert await site.visitor() is None
    await site.track()
    first = await site.visitor()
    await site.good(FORGET, id="v")
    with later(minutes=1):
        await site.track()
        again = await site.visitor()
        assert first is not None
        assert again is not None
        assert again["id"] == first["id"]
        assert await site.seen() == ["sessionStarted", "pageView", "sessionEnded", "sessionStarted", "pageView"]


async def test_V14_after_the_ttl_the_visitor_is_anonymous_again(site: Site) -> None:
    """W ttl 2 s idle T anonymous again; every activity before prolongs it."""
    await site.track()
    await site.identify(externalId="crm-1", ttlSeconds=60)
    with later(seconds=55):
        await site.track(type_="look")
    with later(seconds=55 + 58):
        await site.track(type_="look")
        assert await site.visitor() is None
    with later(seconds=55 + 58 + 62):
        assert await site.visitor() is None
        await site.track()
        assert await site.seen() == ["sessionStarted", "pageView"]
    did = (await site.person(externalId="crm-1"))["did"]
    assert did == ["sessionStarted", "pageView", "look", "look", "sessionEnded"]
    for seconds in (0, 86_401):
        assert await site.web.codes(
            IDENTIFY, input={"anonymousId": "v", "email": "a@b.example", "ttlSeconds": seconds}
        ) == ["INVALID"]


async def test_Q5_visitors_are_never_among_the_persons(site: Site) -> None:
    """However many there are, and whatever is said of them."""
    for name in "abc":
        await site.track(name)
        await site.good(UPDATE, id=name, traits={"firstName": "Ana"})
    found = await site.api('{ persons(search: "ana") { totalCount nodes { id } } }')
    assert found == {"totalCount": 0, "nodes": []}
