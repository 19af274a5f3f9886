"""Stories V: visitors of a website, their sessions, and how they become leads and join customers."""

from tests.stories.visitors import Site, later, site

__all__ = ["site"]


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
