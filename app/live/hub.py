"""The hub: whoever follows a topic sees each of its events once, in order, from any cursor that is still known.

Followers of one group share the work; nobody waits for a slow one; where events were lost comes RESYNC, never silence.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress

import structlog

from app.core.errors import unavailable
from app.core.spread import Spread
from app.live.catchup import CatchUp
from app.live.feed import Feed
from app.live.group import Group, Routes
from app.live.seat import SLOW_EVENTS, AtOnce, Closing, OnSlow, Render, Seat, SlowConsumer, rendered, repeated
from app.live.topic import Frame, Moment, Topic
from app.mongo.engine import Engine

SWEEP_SECONDS = 1.0
# Between sweeps a group looks after its slowest each so many events, which bounds what it holds.
SWEEP_EVENTS = 1_000
# Processes stand at most about a second apart; a position that isn't reached by then was never one of this database.
AHEAD_SECONDS = 5.0

log = structlog.get_logger(__name__)

Key = tuple[Hashable, Topic]


class Hub:
    """All followers of this process. Made before the feed starts; `follow` needs a feed that has started."""

    def __init__(
        self,
        feed: Feed,
        engine: Engine,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._feed = feed
        self._monotonic = monotonic
        self._pause = pause
        self._catch_up = CatchUp(engine, feed, pause)
        self._groups: dict[Key, Group] = {}
        self._routes: Routes[Group] = Routes()
        self._seats: dict[Seat, Key] = {}
        self._live: dict[Seat, Group] = {}
        self._ahead: set[Seat] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False
        self.lag = Spread()  # seconds from hearing of an event to handing it to a follower who is live
        self.turned_out = 0  # followers ended because they were too far behind
        feed.on_batch(self._take)
        feed.on_reset(self._reset)

    @property
    def closing(self) -> bool:
        """Whether all followers are being ended."""
        return self._closing

    async def present(self) -> str:
        """Return the position to begin at for whoever has none, known before it is looked what they follow."""
        return await self._feed.present()

    async def follow(
        self,
        topic: Topic,
        *,
        group: Hashable,
        render: Render,
        after: str | None = None,
        on_slow: OnSlow | None = None,
        at_once: AtOnce | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield encoded payloads: those of READY, then of every event behind `after` (None: from now on), each once.

        READY carries `after`, or the present position; RESYNC comes where events behind the cursor are known no more.
        `render` serves everybody with an equal `group` and topic, so it may only depend on these. The follower is there
        from the first item on; close the generator (`contextlib.aclosing`) to leave. Raises SlowConsumer, of which
        `on_slow` is told at once, even while a payload is stuck; Closing; and the Fault that a render ended with.
        Where `at_once` takes a frame while the follower waits for the next item, the frame's payloads are not yielded.
        """
        if self._closing:
            raise Closing
        if not self._feed.position:
            raise unavailable()
        seat = Seat(topic, render, after, on_slow, at_once)
        self._admit(seat, (group, topic), after)
        try:
            while True:
                token, frame, heard_at = await self._next(seat)
                for payload in frame.payloads:
                    self._hand(seat, heard_at)
                    yield payload
                    seat.took()
                seat.taken = token
                if frame.last:
                    return
                if frame.topic is not None and frame.topic != seat.topic:
                    self._move(seat, frame.topic)
        finally:
            self._dismiss(seat)

    def _hand(self, seat: Seat, heard_at: float | None) -> None:
        now = self._monotonic()
        seat.hand(now)
        if heard_at is not None:
            self.lag.add(now - heard_at)

    def _move(self, seat: Seat, topic: Topic) -> None:
        """Let the seat follow another topic behind what it took last; what waited for it is read again."""
        group, _ = self._seats[seat]
        self._leave(seat)
        seat.move(topic)
        self._seats[seat] = group, topic

    def sweep(self, seats: Iterable[Seat] | None = None) -> None:
        """End those (of `seats`, or of all) who are too far behind; runs each SWEEP_SECONDS by itself."""
        now = self._monotonic()
        for seat in list(self._seats if seats is None else seats):
            group = self._live.get(seat)
            if seat.overdue(now) or (group is not None and seat.behind(group.last) >= SLOW_EVENTS):
                self._turn_out(seat)

    async def close(self) -> None:
        """End all followers with Closing; new ones are refused the same way. Idempotent."""
        self._closing = True
        for seat in self._seats:
            seat.stop(Closing())
        await self._catch_up.close()
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    def seats(self) -> dict[str, int]:
        """Return how many followers are live, read what they missed, or are in between."""
        live, catching_up = len(self._live), sum(seat.catching_up for seat in self._seats)
        return {"live": live, "catching_up": catching_up, "between": len(self._seats) - live - catching_up}

    def __len__(self) -> int:
        return len(self._seats)

    # One follower

    def _admit(self, seat: Seat, key: Key, after: str | None) -> None:
        self._seats[seat] = key
        self._feed.join()
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep_on(), name="live-sweep")
        if after is None or self._feed.covers(after):
            self._enter(seat, since=after)
        if after is None:
            seat.taken = seat.reached
        seat.backlog.appendleft(Moment("READY", seat.reached if after is None else after))

    async def _next(self, seat: Seat) -> tuple[str, Frame, float | None]:
        """Return the next frame, the position behind it, and when it was heard of where that was while live."""
        while True:
            seat.check()
            if seat.backlog:
                moment = seat.backlog.popleft()
                frame = await rendered(seat.render, moment)
                seat.check()
                return moment.token, frame, None
            if seat.slot is None:
                await self._approach(seat)
                continue
            slot = seat.slot.next
            if slot is not None and slot.frame is not None:
                seat.slot = slot
                if slot.token > seat.begun:
                    return slot.token, slot.frame, slot.heard_at
                continue
            if (fault := self._live[seat].fault) is not None:
                raise repeated(fault)
            await seat.wait()

    async def _approach(self, seat: Seat) -> None:
        """Bring the seat one step nearer to live."""
        if seat.catching_up:
            await seat.wait()
        elif seat.lost:
            seat.reached = self._feed.position
            self._enter(seat)
            seat.backlog.append(Moment("RESYNC", seat.reached))
        elif self._feed.covers(seat.reached):
            self._enter(seat, since=seat.reached)
        elif seat.reached < self._feed.ring.floor:
            self._catch_up.join(seat)
        else:
            await self._wait_ahead(seat)

    async def _wait_ahead(self, seat: Seat) -> None:
        """Wait a batch for the feed to get where another process stood already."""
        now = self._monotonic()
        if seat.ahead_since is None:
            seat.ahead_since = now
        elif self._feed.healthy and now - seat.ahead_since >= AHEAD_SECONDS:
            seat.lost = True
            return
        self._ahead.add(seat)
        try:
            await seat.wait()
        finally:
            self._ahead.discard(seat)

    def _enter(self, seat: Seat, since: str | None = None) -> None:
        """Make the seat live; what the ring has behind `since` waits for it. One step, so nothing falls between."""
        key = self._seats[seat]
        group = self._groups.get(key)
        if group is None or group.fault is not None:
            if group is not None:
                self._routes.remove(group.topic, group)
            group = self._groups[key] = Group(seat.topic, self._monotonic)
            self._routes.add(seat.topic, group)
        group.enter(seat)
        self._live[seat] = group
        if since is not None:
            seat.backlog.extend(self._feed.ring.since(since, seat.topic))
            seat.begun = since
        seat.reached = max(self._feed.position, since or "")

    def _leave(self, seat: Seat) -> None:
        """Take the seat out of its group or its stretch; a group that nobody needs is gone."""
        group = self._live.pop(seat, None)
        if group is not None:
            group.leave(seat)
            if not group.seats:
                self._routes.remove(group.topic, group)
                if self._groups.get(self._seats[seat]) is group:
                    del self._groups[self._seats[seat]]
        if seat.catching_up:
            self._catch_up.leave(seat)

    def _dismiss(self, seat: Seat) -> None:
        self._leave(seat)
        self._ahead.discard(seat)
        self._seats.pop(seat, None)
        self._feed.leave()
        if not self._seats and self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _turn_out(self, seat: Seat) -> None:
        if seat.end is not None:
            return
        self.turned_out += 1
        slow = SlowConsumer(seat.taken)
        self._leave(seat)
        seat.stop(slow)
        if seat.on_slow is not None:
            try:
                seat.on_slow(slow)
            except Exception as error:  # noqa: BLE001 - the others are still to be looked after
                log.error("live_callback_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values

    async def _sweep_on(self) -> None:
        while True:
            await self._pause(SWEEP_SECONDS)
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - nobody else would end those who fall behind
                log.error("live_sweep_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values

    # All followers

    def _take(self, moments: Sequence[Moment]) -> None:
        now = self._monotonic()
        # Mostly nobody follows, and events come by the thousand.
        for moment in moments if self._groups else ():
            if moment.event is not None:
                for group in self._routes.of(moment.event):
                    self._push(group, moment, now)
        for seat in self._ahead:
            seat.ring()

    def _push(self, group: Group, moment: Moment, heard_at: float) -> None:
        group.push(moment, heard_at)
        if group.last.number % SWEEP_EVENTS == 0:
            self.sweep(group.seats)

    def _reset(self) -> None:
        # Older slots come first, then this, then what is live again.
        for seat in self._live:
            seat.begun = ""  # no position of before means anything any more
        for group in list(set(self._live.values())):
            group.push(Moment("RESYNC", self._feed.position))
