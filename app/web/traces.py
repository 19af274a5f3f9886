"""Whether traces are sent, by OpenTelemetry's own environment variables; without them nothing of it is imported."""

import importlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec

import structlog

from app.web.sight import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
EXTRA = "pip install 'customer-profiles[otel]'"

log = structlog.get_logger("app.web")


def tracer_of(environ: Mapping[str, str]) -> Tracer | None:
    """Return who sends traces to the endpoint that is named; None, and one line of why, where it is not to be."""
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    if not given or given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    # Whoever sets any such variable expects something of it.
    reason = f"{min(given)} is set, and what sends traces is not installed: {EXTRA}"
    if find_spec("opentelemetry") is not None:
        if given.get("OTEL_TRACES_EXPORTER") == "none" or not any(name in given for name in ENDPOINTS):
            return None
        with suppress(ModuleNotFoundError):  # only a part of it is there
            try:
                return _exporting(given)
            except ValueError as error:
                # Values that don't go together; traces are no reason not to serve.
                reason = str(error)
    log.warning("traces_off", reason=reason)
    return None


def _exporting(given: Mapping[str, str]) -> Tracer:
    protocol = next((given[name] for name in PROTOCOLS if name in given), PROTOCOL)
    if protocol != PROTOCOL:
        raise ValueError(f"traces are sent by {PROTOCOL}, not by {protocol}")
    tracer: Tracer = importlib.import_module("app.web.otel").exporting(given)
    log.info("traces_on", endpoint=next(name for name in ENDPOINTS if name in given))
    return tracer
