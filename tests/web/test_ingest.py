"""The wire over HTTP: who may send what, what is answered, and that nobody learns anything by it."""

import base64
import gzip
import time
from collections.abc import Sequence
from typing import Any

import httpx
import jwt
import orjson
import pytest

from app.core import clock
from app.core.actor import Actor, Scope
from app.core.errors import unavailable
from app.identity.tokens import Tokens
from app.intake.visit import Message, Verdict
from app.intake.visitors import Visitors
from app.web import ingest
from tests import api as apis
from tests.api import Api
from tests.web.said import VIEW

TAKEN = {"success": True}
VISITOR = "query($a: String!) { visitor(anonymousId: $a) { timeline { nodes { id type properties } } } }"


async def sent(web: Api, path: str, body: Any, **headers: str) -> httpx.Response:
    """Send a body with the key in it, as a browser does."""
    content = body if isinstance(body, bytes) else orjson.dumps({"writeKey": web.key, **body})
    return await web.http.post(f"/v1/{path}", content=content, headers={"Content-Type": "text/plain", **headers})


async def seen(api: Api, anonymous_id: str = "a") -> list[str]:
    """Return the types of a visitor's events, the oldest first, without those of sessions."""
    nodes = (await api(VISITOR, a=anonymous_id))["timeline"]["nodes"]
    return [one["type"] for one in reversed(nodes) if not one["type"].startswith("session")]


# ---------------------------------------------------------------- what is taken


async def test_what_a_browser_does_is_on_the_visitors_timeline(api: Api, web: Api) -> None:
    """Single paths, short forms, batches; read right behind the answer."""
    for path in ("track", "t"):
        answer = await sent(web, path, VIEW)
        assert (answer.status_code, answer.json()) == (200, TAKEN)
    for path in ("page", "p", "screen", "s"):
        assert (await sent(web, path, {"anonymousId": "a", "name": "N"})).json() == TAKEN
    for path in ("batch", "b"):
        assert (await sent(web, path, {"batch": [VIEW, {"type": "page", "anonymousId": "a"}]})).json() == TAKEN
    assert await seen(api) == ["productViewed"] * 2 + ["pageView"] * 4 + ["productViewed", "pageView"] * 2
    assert (await sent(web, "batch", {"batch": []})).json() == TAKEN


async def test_a_message_counts_once_however_often_it_comes(api: Api, web: Api) -> None:
    """By any path, with a message id of any form, in one batch or many; two of one moment are two."""
    for message_id in ("m-1", "not an id, but a hundred characters at most"):
        for _ in range(2):
            await sent(web, "t", {**VIEW, "messageId": message_id})
            await sent(web, "batch", {"batch": [{**VIEW, "messageId": message_id}] * 2})
    assert await seen(api) == ["productViewed"] * 2
    moment = clock.text(clock.now())
    for number in range(3):
        await sent(
            web, "t", {**VIEW, "anonymousId": "b", "messageId": f"n{number}", "timestamp": moment, "sentAt": moment}
        )
    assert await seen(api, "b") == ["productViewed"] * 3


async def test_a_bad_message_is_told_and_its_neighbours_are_kept(api: Api, web: Api) -> None:
    """`rejected` says which one, and why."""
    batch = [
        VIEW,
        7,
        {**VIEW, "event": "Nope"},
        {**VIEW, "properties": {"colour": "red"}},
        {**VIEW, "event": "pageView"},
    ]
    answer = await sent(web, "batch", {"batch": [*batch, {"type": "track"}, {**VIEW, "properties": {"sku": 1}}, VIEW]})
    codes = ["INVALID", "UNKNOWN_EVENT_TYPE", "UNKNOWN_PROPERTY", "STANDARD_EVENT", "REQUIRED", "INVALID"]
    told = [{"index": index, "code": code} for index, code in enumerate(codes, 1)]
    assert (answer.status_code, answer.json()) == (200, {"success": True, "rejected": told})
    assert await seen(api) == ["productViewed"] * 2


async def test_who_says_who_it_is_becomes_a_lead_with_all_that_it_did(api: Api, web: Api) -> None:
    """V4, and what follows: traits, an item of a list, a group, an alias, forgetting."""
    await sent(web, "t", VIEW)
    traits = {"email": "Ana@Example.com", "first_name": "A<na>", "plan": "gold", "seats": "many", "type": "CUSTOMER"}
    assert (await sent(web, "identify", {"anonymousId": "a", "traits": traits})).json() == TAKEN
    person = await api(apis.FIND, by={"email": "ana@example.com"})
    assert (person["type"], person["firstName"], person["customAttributes"]) == ("LEAD", "A na", {"plan": "gold"})
    assert "productViewed" in {one["type"] for one in await api.events({"email": "ana@example.com"})}
    assert (await sent(web, "i", {"anonymousId": "a", "traits": {"lastName": "Lee"}})).json() == TAKEN
    assert (await api(apis.FIND, by={"email": "ana@example.com"}))["lastName"] == "Lee"
    assert (await sent(web, "forget", {"anonymousId": "a"})).json() == TAKEN
    await sent(web, "t", VIEW)
    assert await seen(api) == ["productViewed"]


async def test_a_server_library_names_the_user_alone(api: Api, web: Api) -> None:
    """An event with a userId and nothing else is that person's; the same one once more is none."""
    event = {"type": "track", "userId": "crm-17", "event": "productViewed", "messageId": "m"}
    for _ in range(2):
        assert (await sent(web, "batch", {"batch": [event, {**event, "messageId": "n"}]})).json() == TAKEN
    types = [one["type"] for one in await api.events({"externalId": "crm-17"})]
    assert types.count("productViewed") == 2


async def test_a_definition_made_by_another_process_is_found_by_its_title(api: Api, web: Api) -> None:
    """At its first use: this process may not have heard of it yet."""
    await sent(web, "t", VIEW)
    catalog = api.service.services.catalog.known(api.account)
    assert catalog is not None
    del catalog.events["productViewed"]
    assert (await sent(web, "t", VIEW)).json() == TAKEN


# ---------------------------------------------------------------- who may send


async def test_the_key_stands_in_one_of_three_places(web: Api) -> None:
    """Bearer or App, Basic with the key as user name, `writeKey`; the first found counts, also where it is wrong."""
    basic = base64.b64encode(f"{web.key}:".encode()).decode()
    for given in (f"Bearer {web.key}", f"App {web.key}", f"Basic {basic}", f"basic {basic}", "Basic Og==", "Digest x"):
        body = {**VIEW, "writeKey": web.key if given in ("Basic Og==", "Digest x") else "wrong"}
        assert (await sent(web, "t", body, Authorization=given)).status_code == 200, given
    for given in ("Bearer wrong", "Basic d3Jvbmc6", "Basic !!!", "Basic ////"):
        answer = await sent(web, "t", VIEW, Authorization=given)
        wanted = (200, TAKEN) if given == "Basic !!!" else (401, {"success": False, "code": "UNAUTHENTICATED"})
        assert (answer.status_code, answer.json()) == wanted, given
    keys: list[Any] = [None, 7, "", "wrong", {}]
    for key in keys:
        assert (await sent(web, "t", {**VIEW, "writeKey": key})).status_code == 401


async def test_the_key_needs_the_scope_of_the_web_sdk(api: Api, web: Api) -> None:
    """Or ADMIN; in the header it is looked at before the body is read."""
    assert (await sent(api, "t", VIEW)).status_code == 200
    other = await api.key_with("PEOPLE_READ", "PEOPLE_MANAGE", "EVENTS_WRITE", "MOBILE_SDK")
    answer = await sent(other, "t", VIEW)
    assert (answer.status_code, answer.json()) == (403, {"success": False, "code": "FORBIDDEN"})

    async def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    answer = await web.http.post("/v1/t", content=never(), headers={"Authorization": f"Bearer {other.key}"})
    assert answer.status_code == 403


async def test_pages_of_allowed_origins_may_send(web: Api) -> None:
    """204 to the question whether they may, 403 to others; a page may read also why it was refused."""
    async with apis.opened(web.service.store.engine, allowed_origins="https://shop.example") as other:
        shop, evil = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
        asked = await other.http.options("/v1/batch", headers=shop)
        assert (asked.status_code, asked.content) == (204, b"")
        names = ("origin", "methods", "headers")
        shown = [asked.headers[f"access-control-allow-{name}"] for name in names]
        assert shown[:2] == ["https://shop.example", "POST"]
        assert {"authorization", "content-type", "x-retry-count", "anonymousid"} <= set(shown[2].split(", "))
        assert asked.headers["access-control-max-age"] == "86400"
        assert "access-control-allow-credentials" not in asked.headers
        for key in (web.key, "wrong"):
            answer = await sent(other.as_(key), "t", VIEW, **shop)
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            assert answer.headers["vary"] == "origin"
        for answer in (
            await sent(other.as_(web.key), "t", VIEW, **evil),
            await other.http.options("/v1/t", headers=evil),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
            assert "access-control-allow-origin" not in answer.headers


# ---------------------------------------------------------------- what is no request

BAD: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", {}, 400, "BAD_REQUEST"),
    (b"{", {}, 400, "BAD_REQUEST"),
    (b"[]", {}, 400, "BAD_REQUEST"),
    (b"null", {}, 400, "BAD_REQUEST"),
    (b"\xff\xfe", {}, 400, "BAD_REQUEST"),
    (b"[" * 100_000, {}, 400, "BAD_REQUEST"),
    (b"{}", {}, 400, "BAD_REQUEST"),
    (b'{"batch": {}}', {}, 400, "BAD_REQUEST"),
    (b'{"batch": null}', {}, 400, "BAD_REQUEST"),
    (orjson.dumps({"batch": [VIEW] * 501}), {}, 413, "PAYLOAD_TOO_LARGE"),
    (b'{"batch": [], "x": "' + b"x" * 512_000 + b'"}', {}, 413, "PAYLOAD_TOO_LARGE"),
    (b"{}", {"Content-Encoding": "br"}, 400, "BAD_REQUEST"),
    (b"{}", {"Content-Encoding": "gzip"}, 400, "BAD_REQUEST"),
    (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400, "BAD_REQUEST"),
    (gzip.compress(b'{"batch": []}', mtime=0) * 2, {"Content-Encoding": "gzip"}, 400, "BAD_REQUEST"),
    (gzip.compress(b" " * 100_000_000, 1, mtime=0), {"Content-Encoding": "gzip"}, 413, "PAYLOAD_TOO_LARGE"),
    (b'{"batch": []}', {"Content-Type": "multipart/form-data"}, 400, "BAD_REQUEST"),
    (b'{"batch": []}', {"Content-Type": "text/plain; charset=latin-1"}, 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), BAD, ids=lambda value: str(value)[:30])
async def test_what_is_no_request_is_refused_whole(
    web: Api, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """With a code, before anything of it is kept."""
    given = {"Authorization": f"Bearer {web.key}", **headers}
    answer = await sent(web, "batch", body, **given)
    assert (answer.status_code, answer.json()) == (status, {"success": False, "code": code})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_packed_bodies_are_taken(api: Api, web: Api) -> None:
    """As some clients send them, in any type that is taken."""
    body = gzip.compress(orjson.dumps({"writeKey": web.key, "batch": [VIEW]}), mtime=0)
    for kind in ("application/json", "application/json; charset=UTF-8", "text/plain;charset=utf-8", "Text/Plain"):
        answer = await sent(web, "batch", body, **{"Content-Type": kind, "Content-Encoding": "gzip"})
        assert answer.json() == TAKEN
    assert await seen(api) == ["productViewed"] * 4


async def test_other_methods_and_paths(web: Api) -> None:
    """POST alone carries messages."""
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        assert (await web.http.request(method, "/v1/batch")).status_code == 405
    for path in ("/v1/", "/v1/nope", "/v1/merge", "/v1/projects//settings"):
        assert (await web.http.post(path, json={})).status_code == 404
    assert (await web.http.post("/v1/sourceConfig", json={})).status_code == 405


async def test_settings_of_published_browser_clients(web: Api) -> None:
    """The same for every key: where to send to, and nothing else to load."""
    answer = await web.http.get("/v1/projects/any%22thing/settings")
    here = {"apiKey": 'any"thing', "apiHost": "profiles.test/v1"}
    assert answer.json() == {"integrations": {"Segment.io": here}, "metrics": {"sampleRate": 0}}
    local = await web.http.get("/v1/projects/k/settings", headers={"Host": "127.0.0.1:8000"})
    assert local.json()["integrations"]["Segment.io"]["protocol"] == "http"
    for path in ("/v1/sourceConfig?writeKey=k", "/v1/sourceConfig/?writeKey=k"):
        source = (await web.http.get(path)).json()["source"]
        assert (source["destinations"], source["enabled"]) == ([], True)


# ---------------------------------------------------------------- too much, and too soon


async def test_a_key_that_sends_too_much_is_told_to_wait(web: Api) -> None:
    """429 with the seconds; each message costs one, and nothing of a refused request is kept."""
    async with apis.opened(web.service.store.engine, rate_limit=1) as other:
        other.service.edge.rates._timer = lambda: 1000.0
        mine = other.as_(web.key)
        assert (await sent(mine, "batch", {"batch": [VIEW] * 8})).status_code == 200
        refused = await sent(mine, "batch", {"batch": [{**VIEW, "anonymousId": "b"}] * 5})
        assert (refused.status_code, refused.json()) == (429, {"success": False, "code": "RATE_LIMITED"})
        assert refused.headers["retry-after"] == "3"
        assert (await sent(mine, "t", VIEW)).status_code == 200


async def test_an_anonymous_id_has_a_thousand_events_a_minute(web: Api) -> None:
    """More is a program, or a page that went wrong; others are not touched."""
    wire = web.service.app._ingest
    assert isinstance(wire, ingest.Ingest)
    wire._crowds._timer = lambda: 1000.0
    for _ in range(2):
        assert (await sent(web, "batch", {"batch": [VIEW] * 500})).status_code == 200
    refused = await sent(web, "t", VIEW)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await sent(web, "t", {**VIEW, "anonymousId": "b"})).status_code == 200
    wire._crowds._timer = lambda: 1001.0
    assert (await sent(web, "t", VIEW)).status_code == 200


async def test_a_database_that_is_away_is_said(web: Api) -> None:
    """503 with the seconds to wait: the same request can be sent again."""

    class Away(Visitors):
        """Visitors whose store can't be reached."""

        async def take(self, actor: Actor, messages: Sequence[Message]) -> list[Verdict]:
            """Say so."""
            del actor, messages
            raise unavailable()

    wire, services = web.service.app._ingest, web.service.services
    assert isinstance(wire, ingest.Ingest)
    engine = web.service.store.engine
    wire._visitors = Away(engine, services.catalog, services.persons, services.companies, Tokens(engine, bytes))
    answer = await sent(web, "t", VIEW)
    assert (answer.status_code, answer.json()) == (503, {"success": False, "code": "UNAVAILABLE"})
    assert answer.headers["retry-after"] == "1"


# ---------------------------------------------------------------- nobody learns anything


async def test_answers_are_the_same_whoever_is_meant(api: Api, web: Api) -> None:
    """Nobody, lead, customer, two persons, a trait that is taken, a missing token: same bytes, same headers."""
    await api.made(type="LEAD", emails=[{"address": "lead@example.com"}])
    await api.made(emails=[{"address": "customer@example.com"}], externalId="c")
    _, strict, _ = await web.service.services.access.create_key(
        api.account, "strict", [Scope.WEB_SDK], strict_identity=True
    )
    says: list[dict[str, Any]] = [{"traits": {"email": f"{who}@example.com"}} for who in ("nobody", "lead", "customer")]
    says += [
        {"traits": {"email": "lead@example.com"}, "userId": "c"},
        {"userId": "c", "traits": {"phone": "38591123456"}},
    ]
    says += [{"traits": {"email": "customer@example.com", "firstName": "<>", "seats": "x"}}]
    answers = []
    for key in (web.key, strict):
        for number, one in enumerate(says):
            who = {"anonymousId": f"{key[-3:]}{number}"}
            for kind, more in (
                ("identify", one),
                ("identify", {"traits": {"city": "Zagreb"}}),
                ("group", {"groupId": "g"}),
            ):
                answers.append(await sent(web.as_(key), kind, {**who, **more}))
    assert {(one.status_code, one.content) for one in answers} == {(200, ingest.TAKEN)}
    assert len({tuple(one.headers.items()) for one in answers}) == 1


async def test_an_existing_person_is_met_on_a_strict_key_with_a_token_alone(api: Api, web: Api) -> None:
    """Without, or with a bad one, the visitor stays one; a later good token joins it all."""
    await api.made(emails=[{"address": "ana@example.com"}])
    key, text, secret = await web.service.services.access.create_key(
        api.account, "strict", [Scope.WEB_SDK], strict_identity=True
    )
    assert (key.strict_identity, secret is not None) == (True, True)
    strict, by = web.as_(text), {"email": "ana@example.com"}
    now = clock.millis(clock.now()) // 1000
    claims = {"sub": "email:ana@example.com", "aud": api.account, "iat": now, "exp": now + 60, "jti": "1"}
    good, bad = jwt.encode(claims, secret or "", "HS256"), jwt.encode(claims, "x" * 64, "HS256")
    await sent(strict, "t", VIEW)
    for token in (None, bad, 7):
        said = {"anonymousId": "a", "traits": {"email": "ana@example.com"}, "context": {"identityToken": token}}
        assert (await sent(strict, "i", said)).json() == TAKEN
        assert await seen(api) == ["productViewed"]
    said = {"anonymousId": "a", "traits": {"email": "ana@example.com"}, "context": {"identityToken": good}}
    assert (await sent(strict, "i", {**said, "messageId": "m"})).json() == TAKEN
    assert "productViewed" in [one["type"] for one in await api.events(by)]
    await sent(strict, "t", {**VIEW, "anonymousId": "thief", "event": "productViewed", "messageId": "stolen"})
    assert (await sent(strict, "i", {**said, "anonymousId": "thief"})).json() == TAKEN
    assert await seen(api, "thief") == ["productViewed"]


TICKS = [0.0, 0.001, 0.003, 0.0249, 0.025, 0.026, 0.0499, 0.2]


@pytest.mark.parametrize("gone", TICKS)
def test_an_answer_leaves_on_the_next_tick_behind_its_work(gone: float) -> None:
    """Whatever the work took: a whole number of ticks since the request arrived, and never at once."""
    ticks = (gone + ingest.until_tick(gone)) / (ingest.IDENTIFY_TICK_MS / 1000)
    assert abs(ticks - round(ticks)) < 1e-6
    assert 0 < ingest.until_tick(gone) <= ingest.IDENTIFY_TICK_MS / 1000


async def test_an_answer_to_an_identify_takes_a_whole_tick_at_least(web: Api) -> None:
    """Of whatever can touch a profile; the pages of a visitor needn't wait."""
    for kind in ("identify", "group", "forget", "alias"):
        began = time.perf_counter()
        said = {"anonymousId": "a", "userId": "u", "groupId": "g", "previousId": "p"}
        assert (await sent(web, kind, said)).status_code == 200
        assert time.perf_counter() - began >= ingest.IDENTIFY_TICK_MS / 1000 - 0.001
