"""A website and its visitors, as stories tell of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from app.core import clock
from app.core.actor import Actor, Scope
from app.intake.visit import Message, Verdict
from tests.api import DEFINE, Api

ANSWER = "anonymousId accepted errors { code message path existingId }"
TRACK = f"mutation($events: [VisitorEventInput!]!) {{ trackVisitor(events: $events) {{ {ANSWER} }} }}"
IDENTIFY = f"mutation($input: IdentifyVisitorInput!) {{ identifyVisitor(input: $input) {{ {ANSWER} }} }}"
UPDATE = f"""mutation($id: String!, $traits: UpdatePersonInput!) {{
  updateVisitor(anonymousId: $id, traits: $traits) {{ {ANSWER} }}
}}"""
APPEND = f"""mutation($id: String!, $attribute: String!, $item: JSON!) {{
  appendVisitorListItem(anonymousId: $id, attribute: $attribute, item: $item) {{ {ANSWER} }}
}}"""
FORGET = f"mutation($id: String!) {{ forgetVisitor(anonymousId: $id) {{ {ANSWER} }} }}"
VISITOR = """query($id: String!) { visitor(anonymousId: $id) {
  id anonymousId firstSeenAt lastSeenAt
  timeline(first: 1000) { nodes { id type occurredAt sessionId source properties } }
} }"""
PERSON = """query($by: PersonLocator!) { person(by: $by) {
  id type firstName externalId customAttributes createdFrom modifiedFrom version
  emails { address } phones { number } companies { nodes { name } }
  timeline(first: 1000) { nodes { id type occurredAt sessionId source person { id } } }
} }"""
# What the service tells of a profile by itself: not what a visitor did.
TOLD = {"personCreated", "personUpdated", "visitorIdentified", "contactAdded", "companyLinked"}


class Site:
    """A website of an account: `api` may look at everything, `web` is asked with the key of the browsers."""

    def __init__(self, api: Api, web: Api) -> None:
        self.api = api
        self.web = web

    async def track(self, id_: str = "v", type_: str = "pageView", **more: Any) -> None:
        """Let a visitor do something."""
        await self.good(TRACK, events=[{"anonymousId": id_, "type": type_, **more}])

    async def identify(self, id_: str = "v", **more: Any) -> None:
        """Let a visitor say who they are."""
        await self.good(IDENTIFY, input={"anonymousId": id_, **more})

    async def good(self, query: str, **variables: Any) -> None:
        """Send something that is taken."""
        answer = await self.web(query, **variables)
        assert (answer["accepted"], answer["errors"]) == (True, []), answer

    async def take(self, *messages: Message, strict: bool = False) -> list[Verdict]:
        """Send messages as the wire does, by the key of the browsers."""
        actor = Actor(self.api.account, "key", frozenset({Scope.WEB_SDK}), "WEB_SDK", strict)
        return await self.api.service.services.visitors.take(actor, messages)

    async def visitor(self, id_: str = "v") -> dict[str, Any] | None:
        """Return a visitor."""
        found: dict[str, Any] | None = await self.api(VISITOR, id=id_)
        return found

    async def seen(self, id_: str = "v") -> list[str]:
        """Return what a visitor did, oldest first."""
        found = await self.visitor(id_)
        return [one["type"] for one in reversed(found["timeline"]["nodes"])] if found else []

    async def person(self, **by: Any) -> dict[str, Any]:
        """Return a person, with what it did under `did`, oldest first."""
        found: dict[str, Any] = await self.api(PERSON, by=by)
        nodes = list(reversed(found["timeline"]["nodes"]))
        return {**found, "did": [one["type"] for one in nodes if one["type"] not in TOLD], "nodes": nodes}


@pytest.fixture
async def site(api: Api) -> Site:
    """Give a website; its account has an event `look`, an attribute `size` and a list `wishes`."""
    define = "mutation($input: DefineAttributeInput!) { defineAttribute(input: $input) { errors { code } } }"
    assert (
        await api.codes(DEFINE, input={"id": "look", "title": "Look", "fields": [{"name": "sku", "type": "STRING"}]})
        == []
    )
    assert await api.codes(define, input={"name": "size", "type": "STRING"}) == []
    listed = {"name": "wishes", "type": "LIST", "itemFields": [{"name": "sku", "type": "STRING"}]}
    assert await api.codes(define, input=listed) == []
    return Site(api, await api.key_with("WEB_SDK"))


def ago(**how: float) -> datetime:
    """Return the moment so long ago."""
    return clock.now() - timedelta(**how)


@contextmanager
def later(**how: float) -> Iterator[None]:
    """Let it be so much later."""
    with time_machine.travel(clock.now() + timedelta(**how), tick=True):
        yield
