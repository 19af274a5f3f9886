"""Catching up: followers whose position lies before the ring read on from the store, together wherever they can."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from app.core.errors import Fault, unavailable
from app.live.feed import BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MIN, SILENCE_SECONDS, Feed, moment_of
from app.live.group import Routes
from app.live.seat import Seat, repeated
from app.live.topic import Moment
from app.mongo.engine import Batch, Engine, HistoryLost
from app.timeline.record import COLLECTION

STRETCHES = 4
GATHER_SECONDS = 0.05
# A follower that has this many events waiting leaves the stretch, works them off, and comes again.
WAITING_EVENTS = 2_000
TRIES = 20

log = structlog.get_logger(__name__)


class Stretch:
    """One read through the past for all who joined. `token` is where it stands, None while it still gathers."""

    def __init__(self, engine: Engine, feed: Feed, pause: Callable[[float], Awaitable[None]]) -> None:
        self._engine = engine
        self._feed = feed
        self._pause = pause
        self._routes: Routes[Seat] = Routes()
        self.seats: set[Seat] = set()
        self.token: str | None = None
        self.task: asyncio.Task[None] | None = None

    def passes(self, token: str) -> bool:
        """Tell whether everything behind `token` is still ahead of this stretch."""
        return self.token is None or token >= self.token

    def join(self, seat: Seat) -> None:
        """Bring the seat what lies behind its position."""
        seat.catching_up = True
        self.seats.add(seat)
        self._routes.add(seat.topic, seat)

    def leave(self, seat: Seat) -> None:
        """Let the seat go on by itself."""
        self.seats.discard(seat)
        self._routes.remove(seat.topic, seat)
        seat.catching_up = False
        seat.ring()

    async def run(self, free: asyncio.Semaphore) -> None:
        """Read until the ring is met or nobody is left; ends its seats with a Fault after TRIES failures in a row."""
        await self._pause(GATHER_SECONDS)
        async with free:
            try:
                await self._run()
            except Fault as fault:
                self._fail(fault)
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                log.error("live_catch_up_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values
                self._fail(Fault("INTERNAL", "Something went wrong on our side."))

    async def _run(self) -> None:
        tries = 0
        while self.seats:
            start = min(seat.reached for seat in self.seats)
            try:
                await self._go_on(start)
            except Fault:
                tries = 1 if self.token != start else tries + 1
                if tries >= TRIES:
                    raise
                await self._pause(min(BACKOFF_SECONDS_MIN * 2**tries, BACKOFF_SECONDS_MAX))

    async def _go_on(self, start: str) -> None:
        try:
            await self._read(start)
        except HistoryLost:
            await self._part(self.token or start)

    async def _read(self, start: str) -> None:
        self.token = start
        async with self._engine.watch([COLLECTION], start) as batches:
            while self.seats:
                batch = await _next(batches)
                if batch is None:
                    raise unavailable()  # the store ended the watch by itself
                self._tell(batch)

    def _tell(self, batch: Batch) -> None:
        """Give a batch to those who wait for it; whoever reaches the ring reads on there."""
        for change in batch.changes:
            if (moment := moment_of(change)) is not None:
                self._spread(moment)
        self._advance(batch.token)
        if batch.token >= self._feed.ring.floor:
            for seat in list(self.seats):
                self.leave(seat)

    def _spread(self, moment: Moment) -> None:
        if moment.event is None:
            return
        for seat in self._routes.of(moment.event):
            if moment.token > seat.reached:
                seat.backlog.append(moment)
                seat.reached = moment.token
                seat.ring()
                if len(seat.backlog) >= WAITING_EVENTS:
                    self.leave(seat)

    def _advance(self, token: str) -> None:
        self.token = token
        for seat in self.seats:
            seat.reached = max(seat.reached, token)

    async def _part(self, lost: str) -> None:
        """Part with those whose position is known no more: `lost`, and by halving all others that are as old."""
        seats = list(self.seats)
        tokens = sorted({seat.reached for seat in seats if seat.reached > lost})
        low, high = 0, len(tokens)
        while low < high:
            middle = (low + high) // 2
            if await self._known(tokens[middle]):
                high = middle
            else:
                low = middle + 1
        known = set(tokens[low:])
        for seat in seats:
            if seat in self.seats and seat.reached not in known:
                seat.lost = True
                self.leave(seat)

    async def _known(self, token: str) -> bool:
        try:
            async with self._engine.watch([COLLECTION], token) as batches:
                await _next(batches)
        except HistoryLost:
            return False
        return True

    def _fail(self, fault: Fault) -> None:
        for seat in list(self.seats):
            self.leave(seat)
            seat.stop(repeated(fault))


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    """Return the next batch, None at the end; a watch that is silent for too long is UNAVAILABLE."""
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await anext(batches, None)
    except TimeoutError as error:
        raise unavailable() from error


class CatchUp:
    """All stretches: at most STRETCHES read at a time, and one more gathers those who come meanwhile."""

    def __init__(self, engine: Engine, feed: Feed, pause: Callable[[float], Awaitable[None]]) -> None:
        self._engine = engine
        self._feed = feed
        self._pause = pause
        self._free = asyncio.Semaphore(STRETCHES)
        self._stretches: dict[Stretch, None] = {}

    def join(self, seat: Seat) -> None:
        """Have the seat brought from its position to the ring; it is woken as things come."""
        for stretch in self._stretches:
            if stretch.passes(seat.reached):
                stretch.join(seat)
                return
        stretch = Stretch(self._engine, self._feed, self._pause)
        stretch.join(seat)
        stretch.task = asyncio.create_task(self._run(stretch), name="live-catch-up")
        self._stretches[stretch] = None

    def leave(self, seat: Seat) -> None:
        """Take the seat out, wherever it is; a stretch that nobody needs ends."""
        for stretch in list(self._stretches):
            if seat in stretch.seats:
                stretch.leave(seat)
                if not stretch.seats and stretch.task is not None:
                    self._stretches.pop(stretch)
                    stretch.task.cancel()

    async def _run(self, stretch: Stretch) -> None:
        try:
            await stretch.run(self._free)
        finally:
            # In the same step as its end, so that nobody can join a stretch that reads no more.
            self._stretches.pop(stretch, None)

    async def close(self) -> None:
        """End all stretches."""
        tasks = [stretch.task for stretch in self._stretches if stretch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._stretches)
