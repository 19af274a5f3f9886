"""Events that come while a merge is made or undone: each stays with whom it was sent for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.claims.service import Claims
from app.core.pages import PAGE_MAX
from app.mongo.coalesce import Reads
from app.timeline.service import Timeline
from tests.api import DEFINE, UPDATE, Api
from tests.stories.telling import CHATBOT, chat, told, types
from tests.stories.test_merges import merged, read, reverted
from tests.stories.test_sync_races import once

NAMES = ("a", "b", "c")
ROUNDS = 10


async def three(api: Api) -> list[dict[str, Any]]:
    """Make three persons, the first of which is the oldest."""
    await api(DEFINE, input={"id": "seen", "title": "Seen", "fields": [{"name": "to", "type": "STRING"}]})
    return [await api.made(emails=[{"address": f"{name}@x.com"}]) for name in NAMES]


def seen(to: str, by: dict[str, str]) -> dict[str, Any]:
    """Write an event down that is for one of them."""
    return {"person": by, "type": "seen", "properties": {"to": to}}


async def shown(api: Api, people: list[dict[str, Any]]) -> list[list[str]]:
    """Return for whom the events were that stand on the timeline of each."""
    wanted: dict[str, Any] = {"filter": {"types": ["seen"]}, "first": PAGE_MAX}
    found = [await api.events({"id": one["id"]}, **wanted) for one in people]
    return [[event["properties"]["to"] for event in events] for events in found]


@pytest.mark.parametrize("step", ["claims", "persons", "merged", "event"])
async def test_who_comes_apart_while_an_event_arrives_has_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """G three that are one W two merges are undone behind a step of an event's way T each has what was sent to it."""
    people = await three(api)
    a, b, c = people
    merges = [await merged(api, a, one) for one in (b, c)]

    @asynccontextmanager
    async def behind(*_: Any) -> AsyncIterator[None]:
        yield
        for payload in merges:
            await reverted(api, payload)

    @asynccontextmanager
    async def before(*given: Any) -> AsyncIterator[None]:
        async with behind(*given):
            pass
        yield

    if step == "claims":
        once(monkeypatch, Claims, "owners", behind)
    elif step == "event":
        once(monkeypatch, Timeline, "record", before)
    else:
        # Of an id that was merged away: it is read, then who survived, with what is kept under the id.
        reads = b["id"] if step == "merged" else a["id"]
        once(monkeypatch, Reads, "get", behind, when=lambda _, key: key == reads)
    ways = [seen(name, {"email": f"{name}@x.com"}) for name in NAMES]
    ways += [seen(name, {"id": one["id"]}) for name, one in zip(NAMES, people, strict=True)]
    assert [one["status"] for one in await api.track(*ways)] == ["ACCEPTED"] * 6
    assert await shown(api, people) == [["a"] * 2, ["b"] * 2, ["c"] * 2]


async def test_a_chat_goes_to_whose_contact_it_names(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W a merge is undone while a chatbot tells of who was merged away T it is on the timeline of that one alone."""
    a, b, _ = await three(api)
    payload = await merged(api, a, b)

    @asynccontextmanager
    async def undone(*_: Any) -> AsyncIterator[None]:
        yield
        await reverted(api, payload)

    once(monkeypatch, Claims, "owners", undone)
    told_of = await told(api, CHATBOT, chat(contact={"email": "b@x.com"}))
    assert told_of["id"] == b["id"]
    found = [await types(api, {"id": one["id"]}) for one in (a, b)]
    assert [each.count("chatbotSessionStarted") for each in found] == [0, 1]


async def test_an_external_id_that_the_survivor_was_given_since_stays_with_it(api: Api) -> None:
    """Its claim names the line of who brought it: that is how it stands, and what comes by it is the survivor's."""
    people = await three(api)
    a, b, _ = people
    for one, name in ((b, "2"), (a, "1")):
        await api(UPDATE, by={"id": one["id"]}, input={"externalId": name})
    payload = await merged(api, a, b)
    await api(UPDATE, by={"id": a["id"]}, input={"externalId": "2"})
    await reverted(api, payload)
    assert [(await read(api, one))["externalId"] for one in (a, b)] == ["2", None]
    (sent,) = await api.track(seen("a", {"externalId": "2"}))
    assert sent["status"] == "ACCEPTED"
    await told(api, CHATBOT, chat(contact={"externalId": "2"}))
    assert await shown(api, people) == [["a"], [], []]


async def test_events_under_which_persons_come_and_go_are_each_with_whom_they_were_sent_for(api: Api) -> None:
    """W two are merged and told apart again and again T by email and by id alike, also by that of the survivor."""
    people = await three(api)
    a, b, c = people
    over, sent = asyncio.Event(), dict.fromkeys(NAMES, 0)

    async def rounds() -> None:
        try:
            for number in range(ROUNDS):
                payloads = [await merged(api, a, one, into=a["id"]) for one in (b, c)]
                for payload in payloads if number % 2 else reversed(payloads):
                    await reverted(api, payload)
        finally:
            over.set()

    # No more than one page shows.
    async def sends(to: str, by: dict[str, str]) -> None:
        while not over.is_set() and sent[to] < PAGE_MAX - 1:
            (one,) = await api.track(seen(to, by))
            assert one["status"] == "ACCEPTED", one
            sent[to] += 1

    ways = [(name, {"email": f"{name}@x.com"}) for name in NAMES]
    ways += [(name, {"id": one["id"]}) for name, one in zip(NAMES, people, strict=True)]
    await asyncio.gather(rounds(), *[sends(*way) for way in ways])
    for name, found in zip(NAMES, await shown(api, people), strict=True):
        assert found == [name] * sent[name]
