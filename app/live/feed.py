"""The feed: one watch per process over recorded events. It keeps the last RING_EVENTS and always knows its position.

It outlives a database that is away; where positions were lost it says so (`on_reset`) instead of keeping silent.
Events are left out of the watch while nobody follows; whoever joins has it opened anew from where it stands (0028).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from app.core.errors import unavailable
from app.live.topic import Moment, Topic
from app.mongo.chunk import WAITING_MAX, Chunks
from app.mongo.engine import Batch, Change, Engine, HistoryLost
from app.timeline.record import COLLECTION, read

RING_EVENTS = 10_000
UNHEALTHY_SECONDS = 3.0
START_SECONDS = 10.0
# The store promises a batch every second; a watch that is silent for this long is given up and opened anew.
SILENCE_SECONDS = 10.0
# Whoever begins to follow waits no longer for the store to say where it stands.
PRESENT_SECONDS = 2.0
# So long events are heard of when nobody follows any more: most who leave come back.
LINGER_SECONDS = 60.0
BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)

Listener = Callable[[Sequence[Moment]], None]


def moment_of(change: Change) -> Moment | None:
    """Return what a change has to tell followers: an EVENT where one was recorded, else None."""
    if change.collection != COLLECTION or change.kind != "insert" or change.document is None:
        return None
    try:
        return Moment("EVENT", change.token, read(change.document))
    except (KeyError, TypeError, AttributeError) as error:
        # Written by something else than this service: passing over it is better than nobody hearing anything any more.
        log.error("live_event_unreadable", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values
        return None


def _lines(moment: Moment) -> tuple[str, ...]:
    return () if moment.event is None else (moment.event.subject, *moment.event.told)


class Ring:
    """The last RING_EVENTS events, in order, also by subject. `end` is the index that the next one gets.

    It covers the positions from `floor` on: all that lies behind `floor` is in it.
    """

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque()
        self._subjects: dict[str, list[Moment]] = {}
        self.floor = ""
        self.end = 0

    def clear(self, floor: str) -> None:
        """Forget all and begin at `floor`; the index goes on."""
        self._moments.clear()
        self._subjects.clear()
        self.floor = floor

    def append(self, moment: Moment) -> None:
        """Take in the newest event and drop the oldest where there are too many."""
        self._moments.append(moment)
        for subject in _lines(moment):
            self._subjects.setdefault(subject, []).append(moment)
        self.end += 1
        if len(self._moments) > RING_EVENTS:
            self._drop()

    def since(self, token: str, topic: Topic) -> list[Moment]:
        """Return the events of `topic` behind `token`, oldest first."""
        if topic.subjects is None:
            return self._newer(self._moments, token, topic)
        # By token, for one may stand on several lines.
        found: dict[str, Moment] = {}
        for subject in topic.subjects:
            found |= {one.token: one for one in self._newer(self._subjects.get(subject, ()), token, topic)}
        return [found[key] for key in sorted(found)]

    def __len__(self) -> int:
        return len(self._moments)

    def _drop(self) -> None:
        oldest = self._moments.popleft()
        self.floor = oldest.token
        for subject in _lines(oldest):
            same = self._subjects[subject]
            del same[0]
            if not same:
                del self._subjects[subject]

    @staticmethod
    def _newer(moments: Sequence[Moment], token: str, topic: Topic) -> list[Moment]:
        newer = []
        for moment in reversed(moments):
            if moment.token <= token:
                break
            if moment.event is not None and topic.covers(moment.event):
                newer.append(moment)
        newer.reverse()
        return newer


class Feed:
    """Recorded events as they are committed, and the changes of `others` (small collections that are cached)."""

    def __init__(
        self,
        engine: Engine,
        others: Sequence[str] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._others = tuple(others)
        self._monotonic = monotonic
        self._pause = pause
        self.ring = Ring()
        self.position = ""
        self.resets = 0  # how often changes may have been missed
        self._told = ""  # the last position that the store told beside the watch
        self._present: Chunks[None, str] = Chunks(self._look, name="present", limit=WAITING_MAX)
        self._anew = True  # the next watch begins from now on
        self._followers = 0
        self._wanted_at = -LINGER_SECONDS  # when events were wanted last
        self._hears = False  # whether the watch that runs has events
        self._patience: asyncio.Timeout | None = None
        self._heard_at: float | None = None
        self._known = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._on_reset: list[Callable[[], None]] = []
        self._on_change: dict[str, list[Callable[[Change], None]]] = {name: [] for name in others}

    @property
    def age_seconds(self) -> float:
        """How long ago the last batch came; infinite before the first."""
        return float("inf") if self._heard_at is None else self._monotonic() - self._heard_at

    @property
    def healthy(self) -> bool:
        """Whether news come in: the last batch is at most UNHEALTHY_SECONDS old."""
        return self._task is not None and self.age_seconds <= UNHEALTHY_SECONDS

    def on_change(self, collection: str, callback: Callable[[Change], None]) -> None:
        """Have `callback` called for each change of one of `others`; any other collection is a ValueError."""
        if collection not in self._on_change:
            raise ValueError(f"The feed doesn't watch {collection!r}.")
        self._on_change[collection].append(callback)

    def on_reset(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when changes may have been missed: whatever was cached is to be dropped."""
        self._on_reset.append(callback)

    def on_batch(self, listener: Listener) -> None:
        """Have `listener` called behind each batch, with its events (maybe none), when ring and position hold them."""
        self._listeners.append(listener)

    def covers(self, token: str) -> bool:
        """Tell whether everything behind `token` that was heard of is in the ring; `token` may be ahead of that."""
        return self.ring.floor <= token <= max(self.position, self._told)

    def join(self) -> None:
        """Count somebody who follows: from `position` on events are heard of, until LINGER_SECONDS behind the last."""
        self._followers += 1
        self._want()

    def leave(self) -> None:
        """Count somebody who follows no more."""
        self._followers -= 1
        self._want()

    async def present(self) -> str:
        """Return where the store stands now, which may be ahead of the watch; all who ask meanwhile share one look.

        All that was acknowledged before lies before it. Where the store doesn't say it is the position of the watch.
        """
        self._want()  # somebody is about to follow
        return await self._present.put(None)

    async def _look(self, asked: Sequence[None]) -> list[str]:
        try:
            async with asyncio.timeout(PRESENT_SECONDS), self._engine.watch([COLLECTION], None) as batches:
                self._told = (await anext(batches)).token
        except Exception as error:  # noqa: BLE001 - whatever it was, to be told of something earlier does no harm
            log.warning("live_present_unknown", error=type(error).__name__)
            return [self.position] * len(asked)
        return [self._told] * len(asked)

    async def start(self) -> None:
        """Begin, and return when the position is known; raises UNAVAILABLE when that takes over START_SECONDS."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="live-feed")
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._known.wait()
        except TimeoutError as error:
            await self.stop()
            raise unavailable() from error

    async def stop(self) -> None:
        """Stop watching; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        backoff = BACKOFF_SECONDS_MIN
        while True:
            heard_at = self._heard_at
            try:
                if await self._watch(None if self._anew else self.position):
                    continue
            except HistoryLost:
                log.warning("live_history_lost")
                # The old position holds until a new one is known; that first batch is then told as a reset.
                self._anew = True
            except Exception as error:  # noqa: BLE001 - all live on this one task: it tries again whatever it was
                log.warning("live_feed_interrupted", error=type(error).__name__)
            backoff = BACKOFF_SECONDS_MIN if self._heard_at != heard_at else min(backoff * 2, BACKOFF_SECONDS_MAX)
            await self._pause(backoff)

    async def _watch(self, after: str | None) -> bool:
        """Take batches until there are no more (False), or until others are wanted (True)."""
        self._hears = self._wanted()
        watched = (COLLECTION, *self._others) if self._hears else self._others
        async with self._engine.watch(watched, after) as batches:
            while self._hears is self._wanted():
                try:
                    batch = await self._next(batches)
                except TimeoutError:
                    if self._hears is self._wanted():
                        raise
                    break
                if batch is None:
                    return False
                if self._wanted() and not self._hears:
                    # It goes beyond events that whoever has joined meanwhile counts on.
                    break
                self._take(batch)
        return True

    async def _next(self, batches: AsyncIterator[Batch]) -> Batch | None:
        """Wait for a batch, None at the end; TimeoutError after SILENCE_SECONDS, or at once where others are wanted."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS) as self._patience:
                return await anext(batches, None)
        finally:
            self._patience = None

    def _wanted(self) -> bool:
        return self._followers > 0 or self._monotonic() - self._wanted_at < LINGER_SECONDS

    def _want(self) -> None:
        """Want events; a watch without them waits no longer."""
        self._wanted_at = self._monotonic()
        patience, self._patience = self._patience, None
        if patience is not None and not self._hears:
            patience.reschedule(asyncio.get_running_loop().time())

    def _take(self, batch: Batch) -> None:
        self._heard_at = self._monotonic()
        if self._anew:
            self._begin(batch)
            return
        fresh = []
        for change in batch.changes:
            if change.collection in self._on_change:
                self._tell(change)
            elif change.token > self.position and (moment := moment_of(change)) is not None:
                self.ring.append(moment)
                fresh.append(moment)
        self.position = max(self.position, batch.token)
        if not self._hears:
            self.ring.clear(self.position)
        self._spread(fresh)

    def _begin(self, batch: Batch) -> None:
        # What the very first batch carries lies before the position: who needs it has an older cursor and catches up.
        self._anew = False
        self._told = ""
        self.position = batch.token
        self.ring.clear(batch.token)
        if self._known.is_set():
            self.resets += 1
            for callback in self._on_reset:
                self._safely(callback)
        for change in batch.changes:
            self._tell(change)
        self._spread(())
        self._known.set()

    def _tell(self, change: Change) -> None:
        for callback in self._on_change.get(change.collection, ()):
            self._safely(callback, change)

    def _spread(self, fresh: Sequence[Moment]) -> None:
        for listener in self._listeners:
            self._safely(listener, fresh)

    @staticmethod
    def _safely(callback: Callable[..., None], *values: object) -> None:
        try:
            callback(*values)
        except Exception as error:  # noqa: BLE001 - one room's mistake must not make all the others deaf
            log.error("live_callback_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values
