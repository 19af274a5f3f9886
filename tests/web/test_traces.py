"""Traces: a span for each operation and its parts, to whom the environment names, and nothing of anybody in them."""

import ast
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from app.core.tally import Tally
from app.web.otel import OpenTelemetry
from app.web.traces import EXTRA, tracer_of
from tests import api as apis
from tests.api import Api, opened
from tests.mongo.test_coalesce import Counting
from tests.test_house import TREES, imports

SECONDS = 10.0
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Place:
    """A service whose spans are kept; its persons can be away."""

    def __init__(self) -> None:
        self.twin = Counting()
        self.kept = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.tracer = OpenTelemetry(provider)

    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans since the last time, in the order of their end."""
        found = self.kept.get_finished_spans()
        self.kept.clear()
        return found


@pytest.fixture
def place() -> Place:
    """Give what keeps spans."""
    return Place()


@pytest.fixture
async def api(place: Place) -> AsyncIterator[Api]:
    """Give the whole service, traced."""
    async with opened(place.twin) as one:
        # The first request of all has more parts: those of its key.
        await one.post("{ viewer { accountId } }")
        one.service.edge.sight.tracer = place.tracer
        yield one


async def test_an_operation_is_a_span_of_its_callers_trace(api: Api, place: Place) -> None:
    """With what it was, and what it asked of the store as its parts."""
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine"}
    await api.post(apis.FIND.replace("query", "query Someone"), {"by": {"email": "ada@example.com"}}, **headers)
    claims, chunk, span = place.spans()
    assert span.name == "query Someone"
    assert span.kind == SpanKind.SERVER
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    attributes = dict(span.attributes or {})
    assert attributes.pop("profiles.cost")
    assert attributes == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Someone",
        "profiles.kind": "query",
        "profiles.operation": "Someone",
        "http.response.status_code": 200,
        "profiles.codes": (),
        "profiles.request_id": "mine",
        "profiles.calls": 1,
        "profiles.shared": 0,
    }
    assert [part.parent and part.parent.span_id for part in (claims, chunk)] == [span.context.span_id] * 2
    assert (chunk.name, dict(chunk.attributes or {})) == ("chunk", {"profiles.chunk": "reads"})
    assert (claims.name, (claims.attributes or {})["db.collection.name"]) == ("find", "claims")


async def test_spans_carry_no_values_and_no_keys(api: Api, place: Place) -> None:
    """Whatever is written, asked or refused."""
    await api.made(firstName="Grace", emails=[{"address": "grace@example.com"}])
    await api.post('{ person(by: {email: "grace@example.com"}) { firstName } }')
    await api.post('query Wrong { person(by: {email: 5, phone: "grace"}) { id } }')
    spans = place.spans()
    assert {span.name for span in spans} >= {"mutation", "query", "refused", "unit"}
    told = "".join(span.to_json() for span in spans).lower()
    assert all(secret.lower() not in told for secret in ("grace", api.key))


async def test_what_fails_is_an_error_by_its_code(api: Api, place: Place) -> None:
    """The words of an error may hold values."""
    place.twin.away = True
    await api.post(apis.FIND, {"by": {"id": "nobody"}})
    *parts, span = place.spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "UNAVAILABLE")
    assert (span.attributes or {})["profiles.codes"] == ("UNAVAILABLE",)
    assert [part.status.description for part in parts] == ["UNAVAILABLE"] * 2
    assert all(part.events == () for part in parts)


async def test_the_wire_and_the_websocket_are_traced(api: Api, place: Place) -> None:
    """A subscription until it has begun; the wire by its path."""
    key = await api.key_with("WEB_SDK")
    await api.http.post("/v1/track", json={}, headers={"Authorization": f"Bearer {key.key}"})
    async with api.live("subscription Follow { timelineEvents { kind } }") as socket:
        assert (await socket.data())["kind"] == "READY"
    names = [span.name for span in place.spans()]
    assert {"wire /v1/track", "subscription Follow"} <= set(names)


async def test_what_the_sampler_does_not_want_has_no_parts() -> None:
    """Nothing is made of it at all."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    assert OpenTelemetry(provider).begin({b"traceparent": f"00-{TRACE}-{PARENT}-00".encode()}) is None


@pytest.mark.parametrize("given", [b"", b"nonsense", b"00-0-0-01", b"\xff" * 99])
async def test_a_traceparent_that_is_none_begins_a_trace(place: Place, given: bytes) -> None:
    """As without one."""
    trace = place.tracer.begin({b"traceparent": given})
    assert trace is not None
    trace.end(Tally(0.0), "", 200, ())
    assert [span.parent for span in place.spans()] == [None]


# By the environment


class Collector(ThreadingHTTPServer):
    """A collector that takes spans by OTLP over HTTP, or says that it can't."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.status = status
        self.taken: Queue[tuple[str, ExportTraceServiceRequest]] = Queue()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Taking(BaseHTTPRequestHandler):
    """One request to the collector."""

    def do_POST(self) -> None:
        """Take it."""
        assert isinstance(self.server, Collector)
        given = ExportTraceServiceRequest()
        given.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.taken.put((self.path, given))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    """Give a collector that runs."""
    server = Collector(getattr(request, "param", 200))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> dict[str, str]:
    """Give the variables that send traces to the collector; the library reads them from the process itself."""
    given = {ENDPOINT: collector.url, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


async def test_spans_reach_the_endpoint_of_the_environment(collector: Collector, environ: dict[str, str]) -> None:
    """The last of them when the service stops; under our own name where none is given."""
    with capture_logs() as logs:
        tracer = tracer_of(environ)
    assert tracer is not None
    assert logs == [{"event": "traces_on", "log_level": "info", "endpoint": ENDPOINT}]
    async with opened(Counting()) as api:
        await api.post("{ viewer { accountId } }")
        api.service.edge.sight.tracer = tracer
        await api.post("query Whose { viewer { accountId } }")
    path, given = collector.taken.get(timeout=SECONDS)
    (resource,) = given.resource_spans
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (path, names) == ("/v1/traces", ["query Whose"])
    assert (told["service.name"], told["deployment.environment.name"]) == ("customer-profiles", "test")


@pytest.mark.parametrize("collector", [400], indirect=True)
async def test_a_collector_that_refuses_is_told_in_the_form_of_the_logs(
    collector: Collector, environ: dict[str, str]
) -> None:
    """And harms nobody."""
    tracer = tracer_of(environ)
    assert tracer is not None
    trace = tracer.begin({})
    assert trace is not None
    trace.end(Tally(0.0), "", 200, ())
    with capture_logs() as logs:
        await tracer.close()
    collector.taken.get(timeout=SECONDS)
    assert {line["event"] for line in logs} == {"traces_trouble"}


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"), (ENDPOINT, "s3cret:s3cret@collector")]
)
async def test_what_lets_one_in_at_the_collector_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], name: str, value: str
) -> None:
    """The library repeats what it does not understand."""
    monkeypatch.setenv(name, value)
    with capture_logs() as logs:
        tracer = tracer_of({**environ, name: value})
        assert isinstance(tracer, OpenTelemetry)
        trace = tracer.begin({})
        assert trace is not None
        trace.end(Tally(0.0), "", 200, ())
        await tracer.close()
    told = [line["reason"] for line in logs if line["event"] == "traces_trouble"]
    assert any("********" in reason for reason in told)
    assert "s3cret" not in str(logs)


async def test_numbers_that_do_not_go_together_are_told(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    """And the service starts without traces."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    with capture_logs() as logs:
        assert tracer_of(environ) is None
    assert [line["event"] for line in logs] == ["traces_off"]
    assert "max_queue_size" in logs[0]["reason"]


@pytest.mark.usefixtures("collector")
async def test_the_service_is_named_as_one_says(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By OpenTelemetry's own variable."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "people")
    tracer = tracer_of({**environ, "OTEL_SERVICE_NAME": "people"})
    assert isinstance(tracer, OpenTelemetry)
    assert tracer._provider.resource.attributes["service.name"] == "people"
    await tracer.close()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "people"},
        {ENDPOINT: " "},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_there_are_no_traces(environ: dict[str, str]) -> None:
    """Nor a word of it."""
    with capture_logs() as logs:
        assert tracer_of(environ) is None
    assert logs == []


def test_another_protocol_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    with capture_logs() as logs:
        assert tracer_of({ENDPOINT: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
    assert [line["reason"] for line in logs] == ["traces are sent by http/protobuf, not by grpc"]


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk.trace"])
def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Whether all of it is missing or the part that sends."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "app.web.otel")
    with capture_logs() as logs:
        assert tracer_of({ENDPOINT: "http://127.0.0.1:1"}) is None
    (line,) = logs
    assert line["reason"] == f"{ENDPOINT} is set, and what sends traces is not installed: {EXTRA}"


def test_nothing_of_it_is_imported_where_it_is_not_asked_for() -> None:
    """One module imports the library, and that one is only ever loaded by its name."""
    importing = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"))
        or (isinstance(node, ast.Import) and any(one.name.startswith("opentelemetry") for one in node.names))
    }
    assert importing == {"app/web/otel.py"}
    assert [name for name in TREES if "app/web/otel.py" in imports(name)] == []


async def test_a_collector_that_hangs_keeps_nobody_from_stopping(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service waits a moment for the last spans, and goes."""
    never = Queue[None]()
    monkeypatch.setattr("app.web.otel.LAST_SECONDS", 0.0)
    monkeypatch.setattr(place.tracer._provider, "shutdown", never.get)
    async with asyncio.timeout(SECONDS):
        await place.tracer.close()
    never.put(None)


def test_the_library_speaks_through_our_logs(collector: Collector, environ: dict[str, str]) -> None:
    """Without a traceback, which may show anything."""
    assert tracer_of(environ) is not None
    with capture_logs() as logs:
        logging.getLogger("opentelemetry.sdk").warning("Nobody takes %s.", "spans")
    assert logs == [{"event": "traces_trouble", "log_level": "warning", "reason": "Nobody takes spans."}]
