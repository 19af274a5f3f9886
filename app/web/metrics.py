"""What operators watch: the metrics of one process, read where others keep them, in Prometheus' text form."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.core.spread import Spread
from app.core.tally import Tally
from app.web.siblings import Named

CALLS = (0, 1, 2, 3, 5, 8, 13, 21, 50)
# Names of operations come from clients: so many are counted apart, so many of one account, the rest as OTHER.
NAMES_MAX = 200
NAMES_PER_ACCOUNT_MAX = 50
NAME_CHARACTERS_MAX = 64
OTHER = "other"

Labels = tuple[str, ...]
Figures = Mapping[Labels, int]
Key = tuple[str, str, int, str]  # kind, name, status, first code


class Names:
    """The names of operations that are counted apart: those that came first."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._accounts: dict[str | None, int] = {}

    def of(self, name: str | None, account: str | None) -> str:
        """Return the name under which an operation is counted; empty where it has none."""
        if not name or name in self._known:
            return name or ""
        mine = self._accounts.get(account, 0)
        if len(name) > NAME_CHARACTERS_MAX or len(self._known) >= NAMES_MAX or mine >= NAMES_PER_ACCOUNT_MAX:
            return OTHER
        self._known.add(name)
        self._accounts[account] = mine + 1
        return name


class Series:
    """The operations that share a key; their times and calls are those of their kind."""

    __slots__ = ("calls", "count", "times")

    def __init__(self, times: Spread, calls: Spread) -> None:
        self.count = 0
        self.times = times
        self.calls = calls


class Requests(Collector):
    """Operations counted with plain numbers, since one thread counts; the library only sees them when it is asked."""

    def __init__(self) -> None:
        self._series: dict[Key, Series] = {}
        self._errors: dict[Labels, int] = {}
        self._times: dict[str, Spread] = {}
        self._calls: dict[str, Spread] = {}
        self._names = Names()

    def answered(self, tally: Tally, status: int, codes: Sequence[str], seconds: float) -> None:
        """Count one operation; its kind is query, mutation, subscription, wire, file, or empty for what never ran."""
        series = self._series.get((tally.kind, tally.name or "", status, codes[0] if codes else "OK"))
        if series is None:
            series = self._of((tally.kind, self.named(tally), status, codes[0] if codes else "OK"))
        series.count += 1
        series.times.add(seconds)
        series.calls.add(tally.calls)
        if codes:
            self.failed(codes)

    def _of(self, key: Key) -> "Series":
        kind = key[0]
        if kind not in self._times:
            self._times[kind], self._calls[kind] = Spread(), Spread(CALLS)
        return self._series.setdefault(key, Series(self._times[kind], self._calls[kind]))

    def failed(self, codes: Sequence[str]) -> None:
        """Count errors."""
        for code in codes:
            self._errors[(code,)] = self._errors.get((code,), 0) + 1

    def named(self, tally: Tally) -> str:
        """Return the name under which an operation is counted; those of the wire and of files are our own, and few."""
        return (tally.name or "") if tally.kind in ("wire", "file") else self._names.of(tally.name, tally.account)

    def collect(self) -> Iterable[Metric]:
        """Return the families as Prometheus knows them."""
        requests: dict[Labels, int] = {}
        operations: dict[Labels, int] = {}
        for (kind, name, status, code), series in self._series.items():
            by_status, by_name = (kind or "none", str(status)), (name, kind or "none", code)
            requests[by_status] = requests.get(by_status, 0) + series.count
            operations[by_name] = operations.get(by_name, 0) + series.count
        return [
            _counts(
                "profiles_requests",
                "GraphQL operations, and requests of the wire and of files.",
                ("kind", "status"),
                requests,
            ),
            _counts("profiles_operations", "The same, by name.", ("operation", "kind", "code"), operations),
            _counts("profiles_errors", "Top-level errors.", ("code",), self._errors),
            _spreads("profiles_request_seconds", "Time of all.", "kind", self._times),
            _spreads("profiles_request_calls", "Calls to the store that one waited for.", "kind", self._calls),
        ]


class Kept(Collector):
    """Figures that somebody else keeps, read when they are asked for."""

    def __init__(self, read: Callable[[], Metric]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Return the family as Prometheus knows it."""
        return [self._read()]


class Metrics:
    """The metrics of one process, on a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._shown: Collector = self._registry
        self._requests = Requests()
        self._registry.register(self._requests)
        self.answered = self._requests.answered
        self.failed = self._requests.failed
        self.named = self._requests.named
        self.sockets = Gauge("profiles_sockets", "Open websockets.", registry=self._registry)
        self.streams = Gauge("profiles_streams", "Running subscriptions.", registry=self._registry)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        Gauge(name, description, registry=self._registry).set_function(read)

    def watch_all(self, name: str, description: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Show figures by a label that are read when they are asked for."""
        self._registry.register(Kept(lambda: _gauges(name, description, label, read())))

    def watch_counts(self, name: str, description: str, labels: Labels, read: Callable[[], Figures]) -> None:
        """Show counts by `labels`, maybe none, that are read when they are asked for."""
        self._registry.register(Kept(lambda: _counts(name, description, labels, read())))

    def watch_spreads(self, name: str, description: str, label: str, read: Callable[[], Mapping[str, Spread]]) -> None:
        """Show how values spread, by a label, empty for none."""
        self._registry.register(Kept(lambda: _spreads(name, description, label, read())))

    def text(self) -> bytes:
        """Return all of them in Prometheus' text form."""
        return generate_latest(self._shown)

    def name(self, worker: int) -> None:
        """Have each series carry the number of this worker."""
        self._shown = Named(self._registry, worker)


def _counts(name: str, description: str, labels: Labels, counts: Figures) -> Metric:
    family = CounterMetricFamily(name, description, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _gauges(name: str, description: str, label: str, figures: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, description, labels=(label,))
    for value, figure in figures.items():
        family.add_metric((value,), figure)
    return family


def _spreads(name: str, description: str, label: str, spreads: Mapping[str, Spread]) -> Metric:
    family = HistogramMetricFamily(name, description, labels=(label,) if label else ())
    for value, spread in spreads.items():
        buckets, total = [], 0
        for limit, count in zip((*spread.limits, "+Inf"), spread.counts, strict=True):
            total += count
            buckets.append((str(limit), float(total)))
        family.add_metric((value or "none",) if label else (), buckets, spread.total)
    return family
