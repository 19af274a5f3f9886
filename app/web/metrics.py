"""What operators watch: requests, sockets, streams, the cache of documents, the feed."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one process, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "profiles_requests_total", "GraphQL operations.", ("kind", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "profiles_request_seconds",
            "Time of GraphQL operations.",
            ("kind",),
            registry=self.registry,
            buckets=SECONDS,
        )
        self._errors = Counter("profiles_errors_total", "Top-level errors.", ("code",), registry=self.registry)
        self.sockets = Gauge("profiles_sockets", "Open websockets.", registry=self.registry)
        self.streams = Gauge("profiles_streams", "Running subscriptions.", registry=self.registry)
        # Labels are looked up once: the library's own look-up costs as much as counting.
        self._counts: dict[tuple[str, int], Counter] = {}
        self._times: dict[str, Histogram] = {}

    def answered(self, kind: str, status: int, seconds: float, codes: "tuple[str, ...] | list[str]" = ()) -> None:
        """Count one operation; `kind` is query, mutation, subscription or empty for what never ran."""
        key = (kind, status)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = self._requests.labels(kind or "none", str(status))
        count.inc()
        time = self._times.get(kind)
        if time is None:
            time = self._times[kind] = self._seconds.labels(kind or "none")
        time.observe(seconds)
        for code in codes:
            self._errors.labels(code).inc()

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        Gauge(name, description, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text form."""
        return generate_latest(self.registry)
