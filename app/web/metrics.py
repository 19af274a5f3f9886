"""What operators watch: requests, sockets, streams, the cache of documents, the feed."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.web.siblings import Named

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Requests(Collector):
    """Operations counted with plain numbers, since one thread counts; the library only sees them when it is asked."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._errors: dict[str, int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def answered(self, kind: str, status: int, seconds: float, codes: Sequence[str] = ()) -> None:
        """Count one operation; `kind` is query, mutation, subscription, wire, or empty for what never ran."""
        key = (kind, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        times = self._times.get(kind)
        if times is None:
            times = self._times[kind] = [0] * (len(SECONDS) + 1)
        times[bisect_left(SECONDS, seconds)] += 1
        self._sums[kind] = self._sums.get(kind, 0.0) + seconds
        for code in codes:
            self._errors[code] = self._errors.get(code, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """Return the families as Prometheus knows them."""
        counts = CounterMetricFamily(
            "profiles_requests", "GraphQL operations, and requests of the wire.", labels=("kind", "status")
        )
        for (kind, status), count in self._counts.items():
            counts.add_metric((kind or "none", str(status)), count)
        errors = CounterMetricFamily("profiles_errors", "Top-level errors.", labels=("code",))
        for code, count in self._errors.items():
            errors.add_metric((code,), count)
        times = HistogramMetricFamily("profiles_request_seconds", "Time of both.", labels=("kind",))
        for kind, found in self._times.items():
            buckets, total = [], 0
            for limit, count in zip((*SECONDS, "+Inf"), found, strict=True):
                total += count
                buckets.append((str(limit), float(total)))
            times.add_metric((kind or "none",), buckets, self._sums[kind])
        return [counts, errors, times]


class Counts(Collector):
    """Counts that somebody else keeps, by one label."""

    def __init__(self, name: str, description: str, label: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._family = name, description, label
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Return the family as Prometheus knows it."""
        name, description, label = self._family
        family = CounterMetricFamily(name, description, labels=(label,))
        for value, count in self._read().items():
            family.add_metric((value,), count)
        return [family]


class Metrics:
    """The metrics of one process, on a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._shown: Collector = self._registry
        self._requests = Requests()
        self._registry.register(self._requests)
        self.answered = self._requests.answered
        self.sockets = Gauge("profiles_sockets", "Open websockets.", registry=self._registry)
        self.streams = Gauge("profiles_streams", "Running subscriptions.", registry=self._registry)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        Gauge(name, description, registry=self._registry).set_function(read)

    def watch_counts(self, name: str, description: str, label: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Show counts by `label` that are read when they are asked for."""
        self._registry.register(Counts(name, description, label, read))

    def text(self) -> bytes:
        """Return all of them in Prometheus' text form."""
        return generate_latest(self._shown)

    def name(self, worker: int) -> None:
        """Have each series carry the number of this worker."""
        self._shown = Named(self._registry, worker)
