"""Whether traces are sent, by OpenTelemetry's own environment variables; without them nothing of it is imported."""

import importlib
from collections.abc import Mapping
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
    if find_spec("opentelemetry") is None:
        _miss_extra(given)
        return None
    if given.get("OTEL_TRACES_EXPORTER") == "none" or not any(name in given for name in ENDPOINTS):
        return None
    protocol = next((given[name] for name in PROTOCOLS if name in given), PROTOCOL)
    if protocol != PROTOCOL:
        log.warning("traces_off", reason=f"traces are sent by {PROTOCOL}, not by {protocol}")
        return None
    try:
        tracer: Tracer = importlib.import_module("app.web.otel").exporting(given)
    except ModuleNotFoundError:
        _miss_extra(given)
        return None
    log.info("traces_on", endpoint=next(name for name in ENDPOINTS if name in given))
    return tracer


def _miss_extra(given: Mapping[str, str]) -> None:
    """Say it once: whoever sets such a variable expects something of it."""
    log.warning("traces_off", reason=f"{min(given)} is set, and what sends traces is not installed: {EXTRA}")
