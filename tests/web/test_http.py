"""GraphQL over HTTP: statuses, codes and headers of whatever comes in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from app.core.errors import Fault
from app.web import body
from app.web.graphql import BODY_BYTES_MAX, VALUES_MAX
from tests import api as apis
from tests.api import Api

VIEWER = {"query": "{ viewer { accountName } }"}
RESPONSE = "application/graphql-response+json; charset=utf-8"


async def post(api: Api, content: bytes, **headers: str) -> httpx.Response:
    """Send any body with the account's key."""
    given = {"Authorization": f"App {api.key}", "Content-Type": "application/json", **headers}
    return await api.http.post("/graphql", content=content, headers=given)


def code(response: httpx.Response) -> str:
    """Return the code of the first error."""
    found: str = response.json()["errors"][0]["extensions"]["code"]
    return found


BAD: list[tuple[bytes, int, str]] = [
    (b"{", 400, "BAD_REQUEST"),
    (b"", 400, "BAD_REQUEST"),
    (b"[]", 400, "BAD_REQUEST"),
    (b'"text"', 400, "BAD_REQUEST"),
    (b"{}", 400, "BAD_REQUEST"),
    (b'{"query": 1}', 400, "BAD_REQUEST"),
    (b'{"query": "{ viewer { accountId } }", "variables": []}', 400, "BAD_VARIABLES"),
    (b'{"query": "{ viewer { accountId } }", "operationName": 7}', 400, "BAD_REQUEST"),
    (b'{"query": "{ viewer { accountId } }", "operationName": "Other"}', 400, "VALIDATION_FAILED"),
    (b'{"query": "{ viewer {"}', 400, "PARSE_FAILED"),
    (b'{"query": ""}', 400, "PARSE_FAILED"),
    (b'{"query": "{ nope }"}', 400, "VALIDATION_FAILED"),
    (b'{"query": "query($a: ID!) { person(by: {id: $a}) { id } }"}', 400, "BAD_VARIABLES"),
    (b'{"query": "query($a: ID!) { person(by: {id: $a}) { id } }", "variables": {"a": {}}}', 400, "BAD_VARIABLES"),
    (b'{"query": "{ a: viewer { accountId } }' + b" " * 20_001 + b'"}', 400, "COST_EXCEEDED"),
    (b'{"query": "{ persons(first: 1000) { nodes { companies(first: 10) { totalCount } } } }"}', 400, "COST_EXCEEDED"),
    (b'{"query": "{ persons(first: 1001) { totalCount } }"}', 400, "BAD_VARIABLES"),
    (b'{"query": "{ persons(first: -1) { totalCount } }"}', 400, "BAD_VARIABLES"),
    (b'{"query": "{ persons(first: 1, last: 1) { totalCount } }"}', 400, "BAD_VARIABLES"),
    (b'{"query": "{ persons(after: \\"AAAA\\") { totalCount } }"}', 400, "BAD_CURSOR"),
    (b'{"query": "subscription { timelineEvents { kind } }"}', 406, "VALIDATION_FAILED"),
    (b'{"query": "\xff"}', 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize(("body", "status", "wanted"), BAD)
async def test_bad_input_has_a_code_and_a_status(api: Api, body: bytes, status: int, wanted: str) -> None:
    """What never ran is 4xx with a code, and has no data."""
    response = await post(api, body)
    assert (response.status_code, code(response)) == (status, wanted)
    assert "data" not in response.json()
    assert response.headers["content-type"] == RESPONSE


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"query": }', "unexpected character, expected a JSON value: line 1 column 11 (char 10)"),
        (b'{"variables": 1e400}', "number is infinity when parsed as double: line 1 column 15 (char 14)"),
    ],
)
async def test_a_body_that_is_no_json_is_told_why_and_where(api: Api, body: bytes, said: str) -> None:
    """Also where it is JSON to its sender, and a number of it no number here."""
    answer = (await post(api, body)).json()
    assert answer["errors"][0]["message"] == f"The body is not JSON: {said}."


NULLABLE = [
    "query($a: String) { person(by: {email: $a}) { id } }",
    'query($a: String = "x") { person(by: {email: $a}) { id } }',
    "query($a: PushLocator) { person(by: {push: $a}) { id } }",
    "query($a: ID) { matchPersons(by: [{id: $a}]) }",
    "query($a: ID) { duplicatePersons(of: {id: $a}) { nodes { id } } }",
    "query($a: ID) { ...F } fragment F on Query { company(by: {id: $a}) { id } }",
    "mutation($a: ID) { mergePersons(input: {persons: [{id: $a}]}) { errors { code } } }",
]


@pytest.mark.parametrize("text", NULLABLE)
async def test_the_one_of_several_is_never_null(api: Api, text: str) -> None:
    """A variable that may be null is refused as such an object's field, whatever it is this time."""
    response = await post(api, orjson.dumps({"query": text, "variables": {}}), Accept=RESPONSE)
    assert (response.status_code, code(response)) == (400, "VALIDATION_FAILED")
    assert len(response.json()["errors"]) == 1
    good = "query($a: ID!, $b: String!) { person(by: {id: $a}) { id } matchPersons(by: [{email: $b}]) }"
    response = await post(api, orjson.dumps({"query": good, "variables": {"a": "x", "b": "y"}}), Accept=RESPONSE)
    assert (response.status_code, response.json()) == (200, {"data": {"person": None, "matchPersons": [None]}})


FILTERS: list[dict[str, Any]] = [
    {"customAttribute": {"name": "nope", "exists": True}},
    {"firstName": {}},
    {"firstName": {"contains": "\0"}},
    {"ids": ["x"] * 1001},
    {"and": [{"email": {"in": ["a"] * 1001}}]},
    {"and": [{}] * 201},
    {"or": [{"type": None}] * 201},
]


@pytest.mark.parametrize("wanted", FILTERS)
async def test_a_filter_that_can_not_be_meant_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    """Q4: a clear error."""
    response = await api.post("query($f: PersonFilter) { persons(filter: $f) { totalCount } }", {"f": wanted})
    assert (response.status_code, code(response)) == (400, "BAD_VARIABLES")


async def test_a_filter_of_any_depth_is_bounded(api: Api) -> None:
    """Neither the parser nor the database sees a tower of filters."""
    wanted: dict[str, Any] = {"type": "LEAD"}
    for _ in range(3000):
        wanted = {"not": wanted}
    body = b'{"query": "query($f: PersonFilter) { persons(filter: $f) { totalCount } }", "variables": {"f": %s}}'
    text = b'{"not": ' * 500 + b'{"type": "LEAD"}' + b"}" * 500
    response = await post(api, body % text)
    assert (response.status_code, code(response)) == (400, "BAD_VARIABLES")


BOUNDS = [("BODIES_BYTES_MAX", 503, "UNAVAILABLE"), ("KEY_BODIES_BYTES_MAX", 429, "RATE_LIMITED")]


@pytest.mark.parametrize(("bound", "status", "said"), BOUNDS)
async def test_bodies_on_their_way_are_bounded(
    api: Api, monkeypatch: pytest.MonkeyPatch, bound: str, status: int, said: str
) -> None:
    """Who comes when too much is on its way, of all or of a key, is told when to come again; what is on it arrives."""
    monkeypatch.setattr(body, bound, 1500)
    other = await api.key_with("PEOPLE_READ")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * 1000
        begun.set()
        await go_on.wait()
        yield orjson.dumps(VIEWER)

    async def quick() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b" " * 300
        yield orjson.dumps(VIEWER)

    async def sent(content: AsyncIterator[bytes], path: str = "/graphql", key: str = api.key) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return await api.http.post(path, content=content, headers=headers)

    first = asyncio.create_task(sent(slow()))
    await begun.wait()
    refused = await sent(quick())
    assert (refused.status_code, code(refused)) == (status, said)
    assert int(refused.headers["retry-after"]) > 0
    wire = await sent(quick(), "/v1/batch")
    assert (wire.status_code, wire.json()["code"], int(wire.headers["retry-after"]) > 0) == (status, said, True)
    # The bound of a key is no other key's.
    assert (await sent(quick(), key=other.key)).status_code == (503 if bound == "BODIES_BYTES_MAX" else 200)
    go_on.set()
    assert (await first).status_code == 200
    assert (await sent(quick())).status_code == 200
    assert api.service.edge.bodies.held == {}


async def test_only_json_is_taken(api: Api) -> None:
    """W wrong content type T 415."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""):
        response = await post(api, orjson.dumps(VIEWER), **{"Content-Type": kind})
        assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    good = await post(api, orjson.dumps(VIEWER), **{"Content-Type": "Application/JSON; charset=UTF-8"})
    assert good.status_code == 200


async def test_the_key_is_looked_at_before_the_body(api: Api) -> None:
    """A stranger's body is never read, however large or broken."""

    async def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    response = await api.http.post("/graphql", content=never(), headers={"Content-Type": "application/json"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("beside", "status"),
    [
        (b'"' + b"[{," * VALUES_MAX + b'"', 200),
        (b'"' + b'\\\\\\",' * VALUES_MAX + b'\\\\"', 200),
        (b'["\\\\",' + b"1," * VALUES_MAX + b'"\\""]', 413),
        (b"[" + b'"",' * (VALUES_MAX // 2) + b'"' + b"," * VALUES_MAX + b'"]', 413),
    ],
    ids=["one text", "quotes in a text", "between texts", "behind very many texts"],
)
async def test_what_stands_in_a_text_is_no_value(api: Api, beside: bytes, status: int) -> None:
    """A file in a text has as many commas as it likes; of very many texts nobody looks at all."""
    response = await post(api, b'{"query": "{ viewer { accountName } }", "x": %s}' % beside)
    assert response.status_code == status, response.text[:200]


async def test_a_body_over_the_limit_is_refused_said_or_unsaid(api: Api) -> None:
    """R21: 15,728,640 bytes; also where no length is given before."""
    large = b'{"query": "{ viewer { accountName } }", "x": "' + b"x" * BODY_BYTES_MAX + b'"}'
    response = await post(api, large)
    assert (response.status_code, code(response)) == (413, "PAYLOAD_TOO_LARGE")

    async def pieces() -> Any:
        for start in range(0, len(large), 1 << 20):
            yield large[start : start + (1 << 20)]

    given = {"Authorization": f"App {api.key}", "Content-Type": "application/json"}
    response = await api.http.post("/graphql", content=pieces(), headers=given)
    assert (response.status_code, code(response)) == (413, "PAYLOAD_TOO_LARGE")
    many = b'{"query": "{ viewer { accountName } }", "x": [%s1]}' % (b"1," * VALUES_MAX)
    response = await post(api, many)
    assert (response.status_code, code(response)) == (413, "PAYLOAD_TOO_LARGE")
    fits = b'{"query": "{ viewer { accountName } }", "x": "' + b"x" * (2 << 20) + b'"}'
    assert (await post(api, fits)).json()["data"]["viewer"] == {"accountName": "Test"}


async def test_other_methods_are_refused(api: Api) -> None:
    """Only POST carries GraphQL; GET is GraphiQL for a browser."""
    for method in ("GET", "PUT", "DELETE"):
        response = await api.http.request(method, "/graphql?query={viewer{accountId}}")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
    page = await api.http.get("/graphql", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_an_old_client_reads_errors_from_a_200(api: Api) -> None:
    """`Accept: application/json` alone: errors of GraphQL come with 200, as such clients expect."""
    response = await post(api, b'{"query": "{ nope }"}', Accept="application/json")
    assert (response.status_code, code(response)) == (200, "VALIDATION_FAILED")
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert (await post(api, b"{", Accept="application/json")).status_code == 400


async def test_origins_of_browsers(api: Api) -> None:
    """Same origin by default; a foreign page is refused, also by preflight."""
    mine = await post(api, orjson.dumps(VIEWER), Origin="http://profiles.test")
    assert mine.status_code == 200
    assert mine.headers["access-control-allow-origin"] == "http://profiles.test"
    foreign = await post(api, orjson.dumps(VIEWER), Origin="https://evil.example")
    assert (foreign.status_code, code(foreign)) == (403, "FORBIDDEN")
    preflight = await api.http.options("/graphql", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in preflight.headers
    async with apis.opened(api.service.store.engine, allowed_origins="https://shop.example") as other:
        friend = Api(other.service, api.key, api.account)
        assert (await post(friend, orjson.dumps(VIEWER), Origin="https://shop.example")).status_code == 200


async def test_a_request_id_comes_back(api: Api) -> None:
    """The caller's own where it is a plain one, else a new one."""
    mine = await post(api, orjson.dumps(VIEWER), **{"X-Request-ID": "order-42"})
    assert mine.headers["x-request-id"] == "order-42"
    other = await post(api, orjson.dumps(VIEWER), **{"X-Request-ID": "a b\tc"})
    assert other.headers["x-request-id"].startswith("req_")


async def test_a_key_that_asks_too_much_is_told_to_wait(api: Api) -> None:
    """Y4: RATE_LIMITED with the seconds to wait."""
    async with apis.opened(api.service.store.engine) as other:
        other.service.edge.operations.take = lambda _key, _cost: _refuse()
        response = await other.post("{ viewer { accountId } }")
    assert (response.status_code, code(response), response.headers["retry-after"]) == (429, "RATE_LIMITED", "7")


def _refuse() -> None:
    raise Fault("RATE_LIMITED", "Too fast.", status=429, retryAfter=7)


async def test_introspection_needs_a_key_and_can_be_switched_off(api: Api) -> None:
    """`keys`: any valid key; `off`: nobody; and what was asked once is kept."""
    query = '{ __schema { types { name } } __type(name: "Person") { name } }'
    assert (await api.as_("none").post(query)).status_code == 401
    first, second = [(await api.post(query)).json() for _ in range(2)]
    assert first == second
    assert {"name": "Person"} in first["data"]["__schema"]["types"]
    both = await api.post("{ __schema { queryType { name } } persons { totalCount } }")
    assert both.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}, "persons": {"totalCount": 0}}}
    async with apis.opened(api.service.store.engine, introspection="off") as other:
        response = await other.post(query)
        assert (response.status_code, code(response)) == (403, "FORBIDDEN")
        assert (await other.post("{ __typename viewer { __typename } }")).status_code == 200


async def test_the_operators_pages(api: Api) -> None:
    """livez, readyz, version, metrics, schema.graphql, and GraphiQL's own files."""
    await api("{ viewer { accountId } }")
    assert (await api.http.get("/livez")).text == "ok\n"
    assert (await api.http.get("/readyz")).status_code == 200
    assert (await api.http.get("/version")).json()["version"] == "0.1.0"
    metrics = (await api.http.get("/metrics")).text
    assert 'profiles_requests_total{kind="query",status="200"} 1.0' in metrics
    assert 'profiles_request_seconds_bucket{kind="query",le="+Inf"} 1.0' in metrics
    assert "type Person implements Node" in (await api.http.get("/schema.graphql")).text
    assert (await api.http.get("/")).headers["location"] == "/graphql"
    assert (await api.http.get("/nope")).status_code == 404
    api.service.edge.ready = False
    stopping = await api.http.get("/readyz")
    assert (stopping.status_code, stopping.text) == (503, "starting or stopping\n")


async def test_known_documents_are_not_parsed_again(api: Api) -> None:
    """A test counts the hits of the cache of documents."""
    documents = api.service.edge.operations.documents
    for _ in range(3):
        await api("query Counted { viewer { accountId } }")
    assert (documents.misses, documents.hits) == (1, 2)
