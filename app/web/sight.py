"""What operators see of each operation: counted, told where it was slow, traced where traces are collected."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from app.core.tally import TALLY, Tally, Trace
from app.graph.precheck import CHARACTERS_MAX
from app.web.metrics import Metrics

HASH_CHARACTERS = 16

log = structlog.get_logger("app.web")


class Tracer(Protocol):
    """Who makes spans; see `traces.py`."""

    def begin(self, headers: Mapping[bytes, bytes]) -> Trace | None:
        """Return the span of an operation, a child of the one that its request names; None where it isn't kept."""
        ...

    async def close(self) -> None:
        """Send what is left, for a moment."""
        ...


class Sight:
    """The operations of one process; one of `slow_ms` or more is logged, 0 for none."""

    def __init__(self, metrics: Metrics, *, slow_ms: int = 0, tracer: Tracer | None = None) -> None:
        self._metrics = metrics
        self._slow_seconds = slow_ms / 1000 if slow_ms else float("inf")
        self.tracer = tracer

    def begin(self, headers: Mapping[bytes, bytes], request_id: str = "") -> Tally:
        """Begin to count for an operation: its own task is the one that calls this."""
        tally = self.plain(request_id)
        if self.tracer is not None:
            tally.trace = self.tracer.begin(headers)
        TALLY.set(tally)
        return tally

    @staticmethod
    def plain(request_id: str) -> Tally:
        """Begin to count for an operation that has neither a task nor a trace."""
        tally = Tally(time.perf_counter())
        tally.request_id = request_id
        return tally

    def end(self, tally: Tally, status: int, codes: Sequence[str]) -> float:
        """Take in how it ended; returns the seconds that it took.

        What has ended before is a stream that began well and broke off: of that its errors are counted.
        """
        seconds = time.perf_counter() - tally.began
        if tally.ended:
            self._metrics.failed(codes)
            return seconds
        tally.ended = True
        self._metrics.answered(tally, status, codes, seconds)
        if seconds >= self._slow_seconds:
            _tell_slow(tally, status, codes, seconds)
        if tally.trace is not None:
            # What it leaves running belongs to no trace any more.
            trace, tally.trace = tally.trace, None
            trace.end(tally, self._metrics.named(tally), status, codes)
        return seconds


def _tell_slow(tally: Tally, status: int, codes: Sequence[str], seconds: float) -> None:
    """Log one line: what it takes to find the operation again, and never a value or a key."""
    log.warning(
        "slow_operation",
        request_id=tally.request_id,
        account=tally.account,
        operation=tally.name,
        kind=tally.kind or None,
        status=status,
        codes=list(codes) or None,
        ms=round(seconds * 1000, 2),
        cost=tally.cost,
        calls=tally.calls,
        shared=tally.shared,
        document=fingerprint(tally.query),
    )


def fingerprint(query: str | None) -> str | None:
    """Return what tells documents apart and says nothing of them; None of one that is too long to run."""
    if query is None or len(query) > CHARACTERS_MAX:
        return None
    return hashlib.sha256(query.encode(errors="surrogatepass")).hexdigest()[:HASH_CHARACTERS]
