"""Spans by OpenTelemetry: one for each operation, and one for each part of it; no value and no key is in any.

Only `traces.py` imports this, where traces are asked for: its packages are an extra.
"""

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app import __version__
from app.core.errors import Fault
from app.core.tally import Tally

SERVICE = "customer-profiles"
LAST_SECONDS = 2.0
HIDDEN = "********"
GRAPHQL = ("query", "mutation", "subscription")
# Codes of what is our fault, or the store's; an answer with one of them in a field still has the status 200.
OURS = frozenset({"INTERNAL", "UNAVAILABLE", "TIMEOUT"})
# What W3C calls them; the caller's trace and what else goes with it.
HEADERS = ("traceparent", "tracestate")

_PROPAGATOR = TraceContextTextMapPropagator()

log = structlog.get_logger("app.web")


class Said(logging.Handler):
    """Brings what the library has to say, mostly that nobody takes spans, into the form of the other logs."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        headers = [one.strip() for name, value in environ.items() if "HEADERS" in name for one in value.split(",")]
        logins = [value.rpartition("@")[0].rpartition("/")[2] for value in environ.values() if "@" in value]
        self._secrets = [one for one in (*headers, *logins) if one]

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, without the traceback, and without what lets one in at the collector: the library repeats it."""
        reason = record.getMessage()
        for secret in self._secrets:
            reason = reason.replace(secret, HIDDEN)
        log.warning("traces_trouble", reason=reason)


class Operation:
    """One operation's span. Its parts are its children, also those that its tasks make."""

    def __init__(self, tracer: "OpenTelemetry", span: Span) -> None:
        self._tracer = tracer.tracer
        self._span = span
        self._within = set_span_in_context(span, Context())

    @contextmanager
    def part(self, name: str, attributes: dict[str, str]) -> Iterator[None]:
        """Make a span of what is done within. Of an error its code is told: its words may hold values."""
        kind = SpanKind.CLIENT if "db.system.name" in attributes else SpanKind.INTERNAL
        span = self._tracer.start_span(name, self._within, kind, attributes)
        try:
            yield
        except Fault as fault:
            span.set_status(StatusCode.ERROR, fault.code)
            raise
        finally:
            span.end()

    def end(self, tally: Tally, name: str, status: int, codes: Sequence[str]) -> None:
        """End the span."""
        self._span.update_name(f"{tally.kind or 'refused'} {name}".rstrip())
        if tally.kind in GRAPHQL:
            self._span.set_attributes({"graphql.operation.type": tally.kind, "graphql.operation.name": name})
        self._span.set_attributes(
            {
                "profiles.kind": tally.kind,
                "profiles.operation": name,
                "http.response.status_code": status,
                "profiles.codes": list(codes),
                "profiles.request_id": tally.request_id,
                "profiles.cost": tally.cost,
                "profiles.calls": tally.calls,
                "profiles.shared": tally.shared,
            }
        )
        if ours := OURS.intersection(codes):
            self._span.set_status(StatusCode.ERROR, min(ours))
        self._span.end()


class OpenTelemetry:
    """Makes spans, and hands them to a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self.tracer = provider.get_tracer(SERVICE, __version__)

    def begin(self, headers: Mapping[bytes, bytes]) -> Operation | None:
        """Return the span of an operation; None where the sampler doesn't want it."""
        carried = {name: headers[name.encode()].decode("latin-1") for name in HEADERS if name.encode() in headers}
        span = self.tracer.start_span("operation", _PROPAGATOR.extract(carried, Context()), SpanKind.SERVER)
        return Operation(self, span) if span.is_recording() else None

    async def close(self) -> None:
        """Send what is left, at most LAST_SECONDS: a collector that hangs keeps nobody from stopping."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop didn't wait
                loop.call_soon_threadsafe(done.set)

        # No thread of a pool: the process would wait for that one at its end.
        threading.Thread(target=shut, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await done.wait()


def exporting(environ: Mapping[str, str]) -> OpenTelemetry:
    """Return what sends spans to the endpoint of the environment, which the library reads itself, with its limits."""
    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [Said(environ)], False
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": SERVICE})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetry(provider)
