"""Which figures of the rooms are shown as metrics: those of documents, the store, chunks, live, and the loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.access.load import Load
from app.core.spread import Spread
from app.graph.document import Documents
from app.intake.visit_sweep import VisitSweep
from app.live.feed import Feed
from app.live.hub import Hub
from app.mongo.chunk import FIGURES
from app.mongo.counted import Calls
from app.web.metrics import Metrics

LOOK_SECONDS = 0.25


class LoopLag:
    """How late the event loop is: everything that is due waits at least as long."""

    def __init__(
        self,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = Spread()
        self._pause = pause
        self._monotonic = monotonic

    async def run(self) -> None:
        """Look each LOOK_SECONDS how much later than due this is called."""
        while True:
            due = self._monotonic() + LOOK_SECONDS
            await self._pause(LOOK_SECONDS)
            self.seconds.add(max(0.0, self._monotonic() - due))


def show_documents(metrics: Metrics, documents: Documents) -> None:
    """Show what became of queries before they ran."""
    metrics.watch("profiles_documents_hits", "Queries that were known already.", lambda: documents.hits)
    metrics.watch("profiles_documents_misses", "Queries that were parsed.", lambda: documents.misses)


def show_load(metrics: Metrics, load: Load) -> None:
    """Show how much goes on at once."""
    metrics.watch("profiles_running", "Operations under way.", lambda: load.running)
    metrics.watch("profiles_waiting", "Operations in line.", lambda: load.waiting)


def show_store(metrics: Metrics, calls: Calls) -> None:
    """Show calls to the store, and the chunks that share them."""
    made = ("collection", "kind")
    metrics.watch_counts("profiles_store_calls", "Calls to the store.", made, lambda: calls.made)
    failed = "Calls to the store that were not answered, or not in time."
    metrics.watch_counts("profiles_store_failures", failed, ("kind",), lambda: calls.failed)
    metrics.watch_spreads("profiles_store_seconds", "Time of these calls.", "kind", lambda: calls.seconds)
    sizes, waits = "Items of one shared call.", "How long the oldest item of a shared call had waited."
    metrics.watch_spreads("profiles_chunk_items", sizes, "chunk", lambda: _of_chunks("items"))
    metrics.watch_spreads("profiles_chunk_wait_seconds", waits, "chunk", lambda: _of_chunks("waits"))
    now, oldest = "Items that wait for a shared call.", "How long the oldest of these has waited."
    metrics.watch_all("profiles_chunk_waiting", now, "chunk", lambda: _of_chunks("waiting"))
    metrics.watch_all("profiles_chunk_oldest_seconds", oldest, "chunk", lambda: _of_chunks("oldest_seconds"))


def _of_chunks(what: str) -> Mapping[str, Any]:
    return {name: getattr(figures, what) for name, figures in FIGURES.items()}


def show_live(metrics: Metrics, feed: Feed, hub: Hub) -> None:
    """Show the feed of events and its followers."""
    metrics.watch("profiles_feed_age_seconds", "Since the last news of the store.", lambda: feed.age_seconds)
    resets = "Times that news may have been missed: followers were told RESYNC."
    metrics.watch_counts("profiles_feed_resets", resets, (), lambda: {(): feed.resets})
    metrics.watch("profiles_live_ring_events", "Events that are kept for who comes back.", lambda: len(feed.ring))
    metrics.watch("profiles_followers", "Followers of live topics.", lambda: len(hub))
    metrics.watch_all("profiles_live_seats", "The same, by where they are.", "state", hub.seats)
    lag = "From hearing of an event to handing it to a follower."
    metrics.watch_spreads("profiles_live_lag_seconds", lag, "", lambda: {"": hub.lag})
    slow = "Followers who were closed because they were too far behind."
    metrics.watch_counts("profiles_live_slow_closed", slow, (), lambda: {(): hub.turned_out})


def show_loop(metrics: Metrics, lag: LoopLag) -> None:
    """Show how late the event loop is."""
    metrics.watch_spreads("profiles_loop_lag_seconds", "How late the loop is.", "", lambda: {"": lag.seconds})


def show_visitors(metrics: Metrics, unjoined: Mapping[str, int], sweep: VisitSweep) -> None:
    """Show visitors who said who they are, and joined nobody, and those who can't be read."""
    words = "Identifications that joined nobody."
    metrics.watch_counts(
        "profiles_visitors_unjoined", words, ("reason",), lambda: {(one,): count for one, count in unjoined.items()}
    )
    words = "Visitors that were set aside because their documents can't be read."
    metrics.watch_counts("profiles_visitors_set_aside", words, (), lambda: {(): sweep.aside})
