"""A form that a visitor of a website fills in makes them somebody, with what they did before."""

import asyncio

import pytest

from tests.api import Api
from tests.stories.test_forms import ANN, FIELDS, SUBMIT, saved, sent
from tests.stories.visitors import Site, site

__all__ = ["site"]

PLAIN = FIELDS[:2]


async def did(api: Api) -> list[str]:
    """Return the types of events of whoever has the email, oldest first, in alphabetical order within a moment."""
    return sorted(one["type"] for one in await api.events(ANN))


async def test_a_visitor_who_sends_a_form_in_is_the_lead(site: Site) -> None:
    """All that they did is on the lead's timeline, and what they do next; sent again, everything is there once."""
    form = await saved(site.api, fields=PLAIN)
    await site.track()
    given = {"formId": form, "values": {"mail": ANN["email"]}, "anonymousId": "v", "submissionId": "s-1"}
    for _ in range(2):
        payload = await site.web(SUBMIT, input=given)
        assert (payload["errors"], payload["person"]) == ([], None)
    assert await site.visitor() is None
    await site.track()
    found = await did(site.api)
    assert found.count("pageView") == 2
    assert (found.count("formSubmitted"), found.count("personCreated"), found.count("sessionStarted")) == (1, 1, 1)


async def test_a_customer_gets_the_visit_alone(site: Site) -> None:
    """As by identifying; the customer stays what they are, and is changed by the form's rule."""
    await site.api.made(emails=[{"address": ANN["email"]}], firstName="Ann")
    form = await saved(site.api, fields=PLAIN)
    await site.track()
    person = await sent(site.api, form, {"mail": ANN["email"], "given": "Bea"}, anonymousId="v")
    assert person is not None
    assert (person["type"], person["firstName"]) == ("CUSTOMER", "Ann")
    assert (await did(site.api)).count("pageView") == 1


@pytest.mark.parametrize("values", [{}, {"mail": "none"}])
async def test_who_says_nothing_of_themselves_stays_a_visitor(site: Site, values: dict[str, str]) -> None:
    """Without a key nobody is known by it; neither by a form that reaches nobody."""
    form = await saved(site.api, fields=PLAIN)
    await site.track()
    assert await sent(site.api, form, values, anonymousId="v") is None
    off = await saved(site.api, fields=PLAIN, enabled=False)
    assert await sent(site.api, off, {"mail": ANN["email"]}, anonymousId="v") is None
    assert await site.visitor() is not None


async def test_of_parallel_submissions_of_a_visitor_comes_one_lead(site: Site) -> None:
    """Sixteen at once, while they go on looking at pages: nothing is lost, nothing twice."""
    form = await saved(site.api, fields=PLAIN)
    given = {"formId": form, "values": {"mail": ANN["email"]}, "anonymousId": "v"}
    work = [site.web(SUBMIT, input={**given, "submissionId": f"s-{number}"}) for number in range(16)]
    looks = [site.track(eventId=f"p-{number}") for number in range(16)]
    await asyncio.gather(*work, *looks)
    found = [one["type"] for one in await site.api.events(ANN, first=200)]
    assert (found.count("formSubmitted"), found.count("pageView"), found.count("personCreated")) == (16, 16, 1)
