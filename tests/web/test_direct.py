"""One profile by key, answered without a task: the same bytes as the long way, the same rights, counts and errors."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app.core.errors import unavailable
from app.mongo.coalesce import Reads
from tests import api as apis
from tests.api import Api, Transport
from tests.graph.test_rows import PERSON, crowded

COMPANY = (
    "__typename id name domains tags externalId country region segment industry customAttributes createdFrom"
    " modifiedFrom createdAt updatedAt version"
)
PERSONS = f"query($by: PersonLocator!) {{ one: person(by: $by) {{ {PERSON} }} }}"
COMPANIES = f"query($by: CompanyLocator!) {{ company(by: $by) {{ {COMPANY} }} }}"
BRIEF = "query($id: ID!) { person(by: { id: $id }) { id version } }"
MERGE = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { errors { code message } } }"
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }"
NOBODY = {"id": "per_00000000000000000000000000"}

SECONDS = 30.0

__all__ = ["crowded"]


def taken(api: Api) -> int:
    """Return how many answers had no task."""
    transport = api.http._transport
    assert isinstance(transport, Transport)
    return transport.at_once


async def both(api: Api, query: str, **variables: Any) -> tuple[Any, Any, int]:
    """Return an answer by the long way and one by the short one, and how many of them had no task."""
    body = orjson.dumps({"query": query, "variables": variables})
    headers = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
    # A stream is asked for, and none is it: that is looked into by the long way.
    long = await api.http.post("/graphql", content=body, headers=headers | {"Accept": "text/event-stream, */*"})
    before = taken(api)
    short = await api.http.post("/graphql", content=body, headers=headers)
    assert long.status_code == short.status_code
    for name in ("content-type", "cache-control", "vary", "content-security-policy"):
        assert long.headers.get(name) == short.headers.get(name)
    return long.json(), short.json(), taken(api) - before


@pytest.mark.parametrize(
    "by",
    [
        {"externalId": "full"}, {"externalId": "bare"}, {"email": "z@b.example"}, {"email": " C@B.example"},
        {"phone": "+385 91 111 11"}, {"phone": "+38591111111"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_person_is_the_same(crowded: Api, by: dict[str, str]) -> None:
    """Every plain field, by every identifier, and by the id that it leads to."""
    long, short, count = await both(crowded, PERSONS, by=by)
    assert long == short
    if long["data"]["one"] is None:
        return
    assert count == 1
    again = await both(crowded, PERSONS, by={"id": long["data"]["one"]["id"]})
    assert again == (long, long, 1)


async def test_a_company_is_the_same(api: Api) -> None:
    """By id, name and domain."""
    made = await api(apis.COMPANY, input={"name": "Acme", "domains": ["acme.example"], "tags": ["a"]})
    for by in ({"id": made["company"]["id"]}, {"name": "ACME"}, {"domain": "acme.example"}):
        long, short, count = await both(api, COMPANIES, by=by)
        assert (long, count) == (short, 1)
        assert long["data"]["company"]["id"] == made["company"]["id"]


async def test_who_is_not_simply_there_is_found_by_the_long_way(api: Api) -> None:
    """Merged, deleted, foreign, unknown, and what can't be an identifier: answered all the same."""
    one, other, gone = [await api.made(externalId=name) for name in ("one", "other", "gone")]
    merging = {"persons": [{"id": one["id"]}, {"id": other["id"]}], "into": one["id"]}
    assert not (await api(MERGE, input=merging))["errors"]
    await api(DELETE, by={"id": gone["id"]})
    found = [
        (await both(api, PERSONS, by=by))[:2]
        for by in ({"id": other["id"]}, {"externalId": "other"}, {"id": gone["id"]}, NOBODY, {"email": "nobody"})
    ]
    assert all(long == short for long, short in found)
    assert [short["data"]["one"] and short["data"]["one"]["id"] for _, short in found] == [one["id"]] * 2 + [None] * 3
    async with apis.opened(api.service.store.engine) as foreign:
        assert (await both(foreign, PERSONS, by={"id": one["id"]}))[1]["data"] == {"one": None}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (BRIEF, 1),
        ("query($id: ID!) { __typename person(by: { id: $id }) { id } }", 0),
        ("query($id: ID!) { person(by: { id: $id }) { id companies { nodes { node { id } } } } }", 0),
        ("query($id: ID!) { a: person(by: { id: $id }) { id } b: person(by: { id: $id }) { version } }", 0),
        ("query($id: ID!) { person(by: { id: $id }) { ...F } } fragment F on Person { id ... on Node { id } }", 1),
        ("query($id: ID!, $no: Boolean = false) { person(by: { id: $id }) { id tags @include(if: $no) } }", 1),
        ("query A($id: ID!) { person(by: { id: $id }) { id } } query B { viewer { accountId } }", 0),
        ("query($id: ID!) { node(id: $id) { id } }", 0),
    ],
)
async def test_what_one_read_answers_has_no_task(api: Api, query: str, count: int) -> None:
    """Everything else has one, and both agree."""
    made = await api.made(externalId="ana", tags=["a"])
    assert (await both(api, query, id=made["id"]))[2] == count
    long, short, _ = await both(api, query, id=made["id"])
    assert long == short


@pytest.mark.parametrize("foreign", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_foreign_page_is_refused_whatever_it_asks(api: Api, foreign: dict[str, str]) -> None:
    """Also what a read answers at once, and what a task does; its neighbours are answered."""
    made = await api.made(externalId="ana")
    for query, variables in ((BRIEF, {"id": made["id"]}), (apis.UPDATE, {"by": {"id": made["id"]}, "input": {}})):
        assert (await api.post(query, variables)).status_code == 200
        refused = await api.post(query, variables, **foreign)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
        assert "data" not in refused.json()
        assert (await api.post(query, variables)).status_code == 200


async def test_a_stream_and_what_is_no_json_go_the_long_way(api: Api) -> None:
    """As does what has no key: nothing is begun."""
    key, json = (b"authorization", f"Bearer {api.key}".encode()), (b"content-type", b"application/json")
    body = orjson.dumps({"query": "{ __typename }"})
    for headers in (
        [key],
        [json],
        [key, json, (b"accept", b"text/event-stream")],
        [key, (b"content-type", b"text/xml")],
    ):
        assert api.service.app.at_once(api.service.app.asker(headers), body, lambda *_: None) is False


async def test_rights_limits_and_values_are_those_of_the_long_way(api: Api) -> None:
    """A key that may not read, one that asks too much, and variables that are none: nothing is answered by the way."""
    made = await api.made(externalId="ana")
    await both(api, BRIEF, id=made["id"])
    events = await api.key_with("EVENTS_WRITE")
    assert (await both(events, BRIEF, id=made["id"]))[1:] == ((await events.post(BRIEF, {"id": made["id"]})).json(), 0)
    assert await events.refused(BRIEF, id=made["id"]) == "FORBIDDEN"
    assert (await api.as_("none").post(BRIEF, {"id": made["id"]})).status_code == 401
    assert await api.refused(BRIEF, id=["x"]) == "BAD_VARIABLES"
    async with apis.opened(api.service.store.engine, rate_limit=1) as slow:
        slow.service.edge.rates._timer = lambda: 1000.0
        answers = [await slow.post(BRIEF, NOBODY) for _ in range(12)]
    assert [one.status_code for one in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"]
    assert [one.headers["ratelimit-remaining"] for one in answers[:3]] == ["9", "8", "7"]
    async with apis.opened(api.service.store.engine, rate_limit=1) as slow:
        slow.service.edge.rates._timer = lambda: 1000.0
        junk = [await slow.post(PERSONS, {"by": {"email": "nobody"}}) for _ in range(3)]
    assert [one.headers["ratelimit-remaining"] for one in junk] == ["9", "8", "7"]


async def test_it_is_counted_and_told_like_any_other(api: Api) -> None:
    """One operation and the calls that it waited for; its place in the load is free again."""
    made = await api.made(externalId="ana")
    named = BRIEF.replace("query(", "query Brief(")
    for _ in range(3):
        await api.http.post(
            "/graphql",
            json={"query": named, "variables": {"id": made["id"]}},
            headers={"Authorization": f"Bearer {api.key}", "X-Request-ID": "mine"},
        )
    text = api.service.edge.metrics.text().decode()
    assert 'profiles_operations_total{code="OK",kind="query",operation="Brief"} 3.0' in text
    assert api.service.edge.operations.load.running == 0


def failing(monkeypatch: pytest.MonkeyPatch, outcome: Callable[[], Any]) -> None:
    """Have every read that has no task come to that."""

    def ask(_reads: Reads, _key: str, _tally: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        given = outcome()
        if given is not None:
            future.set_result(given)
        return future

    monkeypatch.setattr(Reads, "ask", ask)


@pytest.mark.parametrize(("error", "code"), [(unavailable(), "UNAVAILABLE"), (ValueError("x"), "INTERNAL")])
async def test_a_read_that_fails_is_the_fields_error(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    """With its path, and nobody is told what nobody expected."""
    made = await api.made(externalId="ana")
    await both(api, BRIEF, id=made["id"])
    failing(monkeypatch, lambda: error)
    answer = (await api.post(BRIEF, {"id": made["id"]})).json()
    (told,) = answer["errors"]
    assert (told["extensions"]["code"], told["path"]) == (code, ["person"])
    assert "x" not in told["message"].split()
    assert api.service.edge.operations.load.running == 0


async def test_who_waits_when_the_process_stops_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stands still holds nobody: each is answered once, and what comes later changes nothing."""
    made = await api.made(externalId="ana")
    await both(api, BRIEF, id=made["id"])
    failing(monkeypatch, lambda: None)
    asking = asyncio.create_task(api.post(BRIEF, {"id": made["id"]}))
    async with asyncio.timeout(SECONDS):
        while not api.service.edge.operations.load.running:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
    api.service.app.break_off()
    api.service.app.break_off()
    answer = await asking
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert api.service.edge.operations.load.running == 0


async def test_the_long_way_is_counted_too_and_ends_whatever_happens(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls are the operation's own; what nobody expected is masked, and its place is free again."""
    made = await api.made(externalId="ana")
    await both(api, BRIEF, id=made["id"])
    counted = api.service.edge.metrics._requests._calls["query"]
    before = counted.total
    await api.post(BRIEF, {"id": NOBODY["id"]})
    # The read that found nobody, and the long way's own.
    assert counted.total - before == 2

    async def broken(*_: Any) -> None:
        raise ValueError("x")

    monkeypatch.setattr(api.service.edge.operations, "run_on", broken)
    answer = (await api.post(BRIEF, {"id": NOBODY["id"]})).json()
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert api.service.edge.operations.load.running == 0


async def test_an_attribute_that_nobody_knows_yet_is_looked_for(api: Api) -> None:
    """What another process defined a moment ago is shown, not left out."""
    await api(apis.ATTRIBUTE, input={"name": "plan", "type": "STRING"})
    made = await api.made(externalId="ana", customAttributes={"plan": "gold"})
    query = "query($id: ID!) { person(by: { id: $id }) { customAttributes } }"
    await both(api, query, id=made["id"])
    api.service.services.catalog._catalogs.clear()
    _, short, _ = await both(api, query, id=made["id"])
    assert short["data"]["person"]["customAttributes"] == {"plan": "gold"}
