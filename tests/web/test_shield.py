"""Browsers' rules: which pages may ask, what a form can't do, and what each answer tells a browser not to do."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from app.mongo.twin import Twin
from tests import api as apis
from tests import wire
from tests.api import Api

VIEWER = {"query": "{ viewer { accountName } }"}
HERE, SHOP, EVIL = "http://profiles.test", "https://shop.example", "https://evil.example"


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[Api]:
    """Give one service for all of them: nothing here depends on the store, and nothing is kept."""
    async with apis.opened(Twin()) as one:
        yield one


@pytest.fixture(scope="module")
async def shop(api: Api) -> AsyncIterator[Api]:
    """Give the service as it is where pages of the shop may ask it."""
    async with apis.opened(api.service.store.engine, allowed_origins=SHOP) as one:
        yield Api(one.service, api.key, api.account)


async def asked(api: Api, path: str = "/graphql", body: Any = VIEWER, **headers: str) -> httpx.Response:
    """Ask as a page does whose script sets the key."""
    given = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.post(path, content=orjson.dumps(body), headers=given | named)


# What a browser says of where a request comes from; whether it is taken.
PAGES: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"Origin": HERE, "Sec_Fetch_Site": "same-origin"}, True),
    ({"Origin": "https://profiles.test"}, True),
    ({"Origin": SHOP, "Sec_Fetch_Site": "cross-site"}, True),
    ({"Origin": SHOP.upper()}, True),
    ({"Sec_Fetch_Site": "same-origin"}, True),
    ({"Sec_Fetch_Site": "none"}, True),
    ({"Sec_Fetch_Site": "cross-site"}, False),
    ({"Sec_Fetch_Site": "same-site"}, False),
    ({"Origin": EVIL}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": f"{HERE}:81"}, False),
    ({"Origin": f"{HERE}.evil.example"}, False),
    ({"Origin": f"{SHOP}.evil.example"}, False),
    ({"Origin": "https://evil-shop.example"}, False),
    ({"Origin": "ftp://profiles.test"}, False),
    ({"Origin": "http://u@profiles.test"}, False),
    ({"Origin": "http://["}, False),
    ({"Origin": HERE, "Host": ""}, False),
]


@pytest.mark.parametrize(("said", "taken"), PAGES, ids=str)
@pytest.mark.parametrize("path", ["/graphql", "/v1/batch", "websocket"])
async def test_who_may_ask_by_where_a_page_is(shop: Api, path: str, said: dict[str, str], taken: bool) -> None:  # noqa: FBT001
    """This origin and those allowed, whatever the transport; `null` and others never, with a valid key as well."""
    if path == "websocket":
        named = {"Host": "profiles.test", **{name.replace("_", "-"): value for name, value in said.items()}}
        async with shop.socket(headers=named) as socket:
            if not taken:
                assert await socket.next() == {"type": "close", "code": 1008}
                assert socket.accepted is None
            else:
                assert await socket.init(apiKey=shop.key) == {"type": "connection_ack"}
        return
    answer = await asked(shop, path, {**VIEWER, "batch": []}, **said)
    assert answer.status_code == (200 if taken else 403)
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (said.get("Origin") if taken else None)


PREFLIGHTS: list[tuple[str, str, bool]] = [
    ("/graphql", SHOP, True),
    ("/v1/batch", SHOP, True),
    ("/graphql", HERE, True),
    ("/graphql", EVIL, False),
    ("/v1/batch", EVIL, False),
    ("/graphql", "null", False),
    ("/v1/batch", "null", False),
    ("/graphql", "http://[", False),
    ("/metrics", SHOP, False),
    ("/schema.graphql", SHOP, False),
]


@pytest.mark.parametrize(("path", "origin", "welcome"), PREFLIGHTS)
async def test_preflights(shop: Api, path: str, origin: str, welcome: bool) -> None:  # noqa: FBT001
    """Only for pages that may ask; never with credentials, for there are no cookies, nor for private networks."""
    said = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"}
    answer = await shop.http.options(path, headers=said)
    assert answer.headers.get("access-control-allow-origin") == (origin if welcome else None)
    assert answer.status_code == 204 or not welcome
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-private-network" not in answer.headers
    if welcome:
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert answer.headers["vary"] == "origin"


FORMS = [
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
]


@pytest.mark.parametrize("kind", [*FORMS, "", "application/graphql", "text/plain; application/json"])
async def test_what_a_form_can_send_is_no_request(api: Api, kind: str) -> None:
    """415, from this origin too: no request without a preflight ever runs."""
    answer = await asked(api, Content_Type=kind, Origin=HERE)
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("accept", ["text/html", "application/graphql-response+json"])
async def test_nothing_runs_but_by_post(api: Api, method: str, accept: str) -> None:
    """A mutation in an address makes nobody, whatever the method and the answer that is wanted."""
    query = 'mutation { createPerson(input: {externalId: "x"}) { errors { code } } }'
    said = {"Authorization": f"Bearer {api.key}", "Accept": accept, "Content-Type": "application/json"}
    answer = await api.http.request(method, "/graphql", params={"query": query}, headers=said)
    page = method in ("GET", "HEAD") and accept == "text/html"
    assert answer.status_code == (200 if page else 405)
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0


# Method, path, what is sent beside; who may embed the answer.
ANSWERS: list[tuple[str, str, dict[str, str], str]] = [
    ("POST", "/graphql", {}, "same-origin"),
    ("POST", "/graphql", {"Authorization": "Bearer wrong"}, "same-origin"),
    ("POST", "/graphql", {"Content-Type": "text/plain"}, "same-origin"),
    ("POST", "/graphql", {"Origin": EVIL}, "same-origin"),
    ("GET", "/graphql", {}, "same-origin"),
    ("OPTIONS", "/graphql", {"Origin": HERE}, "same-origin"),
    ("POST", "/v1/batch", {}, "cross-origin"),
    ("POST", "/v1/batch", {"Authorization": "Bearer wrong"}, "cross-origin"),
    ("OPTIONS", "/v1/batch", {"Origin": HERE}, "cross-origin"),
    ("GET", "/v1/projects/k/settings", {}, "cross-origin"),
    ("GET", "/v1/nope", {}, "cross-origin"),
    ("GET", "/livez", {}, "same-origin"),
    ("GET", "/readyz", {}, "same-origin"),
    ("GET", "/metrics", {}, "same-origin"),
    ("GET", "/version", {}, "same-origin"),
    ("GET", "/schema.graphql", {}, "same-origin"),
    ("GET", "/", {}, "same-origin"),
    ("GET", "/nope", {}, "same-origin"),
    ("POST", "/livez", {}, "same-origin"),
]


@pytest.mark.parametrize(("method", "path", "more", "whose"), ANSWERS, ids=str)
async def test_every_answer_is_inert(api: Api, method: str, path: str, more: dict[str, str], whose: str) -> None:
    """Opened as a page it does nothing; pages of other origins embed those of the wire alone."""
    said = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json", **more}
    body = orjson.dumps({**VIEWER, "batch": []})
    answer = await api.http.request(method, path, content=body, headers=said)
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
    assert answer.headers.get_list("cross-origin-resource-policy") == [whose]


async def test_a_stream_of_events_is_inert(api: Api) -> None:
    """Also what has no end."""
    one = wire.Events(api.service.app, api.key, {"query": "subscription { timelineEvents { kind } }"})
    assert await one.start() == 200
    assert one.headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    await one.leave()


async def test_the_page_runs_its_own_scripts_alone(api: Api) -> None:
    """GraphiQL: nothing from elsewhere, in nobody's frame; its files say the same, for workers go by their own."""
    page = await api.http.get("/graphql", headers={"Accept": "text/html"})
    script = await api.http.get("/graphiql/graphiql.js")
    for answer in (page, script):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
    assert (await api.http.get("/graphiql/..%2f..%2fapp.py")).status_code == 404
    assert (await api.http.get("/graphiql/%00")).status_code == 404


async def test_settings_say_that_they_depend_on_the_origin(shop: Api) -> None:
    """Else a cache gives a page of the shop what it kept of somebody who named none."""
    for headers in ({}, {"Origin": SHOP}):
        answer = await shop.http.get("/v1/projects/k/settings", headers=headers)
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("origin", "max-age=300")
