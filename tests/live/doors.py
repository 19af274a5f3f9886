"""A store that does what it is told, time that stands still, and a feed with its hub between them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, TypeVar

from app.live.feed import Feed
from app.live.hub import SWEEP_SECONDS, Hub
from app.live.seat import AtOnce, OnSlow, Seat
from app.live.topic import Frame, Moment, Topic
from app.mongo.engine import Batch, Change, Document
from app.mongo.twin import Twin
from app.timeline.model import Event
from app.timeline.record import COLLECTION, document

T = TypeVar("T")

EVERYTHING = Topic("acc_1")
OTHERS = "tags"
AT = datetime(2024, 2, 29, 12, tzinfo=UTC)


class Signal(Enum):
    """What a watch does beside giving a batch and raising: it ends, or says nothing until it is interrupted."""

    END = auto()
    SILENCE = auto()


Order = Exception | Batch | Signal


async def soon(thing: Awaitable[T]) -> T:
    """Wait, not for ever."""
    return await asyncio.wait_for(thing, 10)


def token(number: int) -> str:
    """Return the position behind the change of that number."""
    return f"{number:016d}"


def event(number: int, subject: str = "p1", **also: Any) -> Event:
    """Make an event."""
    given = {"account": "acc_1", "type": "visited", **also}
    return Event(f"{subject}:{number}", subject=subject, occurred_at=AT, received_at=AT, **given)


def moment(number: int, subject: str = "p1", **also: Any) -> Moment:
    """Make the moment of an event."""
    return Moment("EVENT", token(number), event(number, subject, **also))


def change(number: int, collection: str = COLLECTION) -> Change:
    """Make the change that recorded an event, or one of another collection."""
    kept: Document = document(event(number))
    return Change(token(number), collection, "insert", kept["_id"], kept)


class Door(Twin):
    """The twin, with orders for its watches, a history that can be forgotten and a list of who watched from where."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: asyncio.Queue[str | None] = asyncio.Queue()
        self._plans: deque[deque[Order]] = deque()
        self._running: dict[int, deque[Order]] = {}
        self._woken = asyncio.Event()

    def plan(self, *orders: Order) -> None:
        """Have the next watch that has no plan yet follow orders before it gives what there is."""
        self._plans.append(deque(orders))

    def interrupt(self, order: Order) -> None:
        """Have every watch that runs follow an order now."""
        for orders in self._running.values():
            orders.append(order)
        self._woken.set()
        self._woken = asyncio.Event()
        self.beat()

    def beat(self) -> None:
        """Have every watch give a batch, maybe without changes."""
        self._publish(())

    def forget(self, number: int) -> None:
        """Forget the oldest changes."""
        for _ in range(number):
            self._log.popleft()

    async def happen(self, *events: Event) -> None:
        """Record events, each in its own change."""
        await self.insert(COLLECTION, [document(one) for one in events])

    @asynccontextmanager
    async def watch(self, collections: Sequence[str], after: str | None) -> AsyncIterator[AsyncIterator[Batch]]:
        """Follow the log as told."""
        orders = self._plans.popleft() if self._plans else deque[Order]()
        self._running[id(orders)] = orders
        self.opened.put_nowait(after)
        try:
            async with contextlib.aclosing(self._obey(orders, self._batches(frozenset(collections), after))) as batches:
                yield batches
        finally:
            del self._running[id(orders)]

    async def _obey(self, orders: deque[Order], batches: AsyncIterator[Batch]) -> AsyncGenerator[Batch, None]:
        async for batch in batches:
            while orders:
                order = orders.popleft()
                if isinstance(order, Exception):
                    raise order
                if isinstance(order, Batch):
                    yield order
                elif order is Signal.END:
                    return
                else:
                    await self._woken.wait()
            yield batch


class Clock:
    """Time that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Pauses:
    """Pauses end at once and are noted; those of a length that is `held` end one by one as they are let go."""

    def __init__(self, *held: float) -> None:
        self.held = set(held)
        self.noted: list[float] = []
        self._free = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        """Pause."""
        self.noted.append(seconds)
        if seconds in self.held:
            await self._free.acquire()
        else:
            await asyncio.sleep(0)

    def let_go(self) -> None:
        """End one held pause."""
        self._free.release()


class Place:
    """One process: feed and hub on a door. Payloads are a kind and a number, as `EVENT 3`."""

    def __init__(self) -> None:
        self.door = Door()
        self.clock = Clock()
        self.pauses = Pauses(SWEEP_SECONDS)
        self.feed = Feed(self.door, (OTHERS,), monotonic=self.clock, pause=self.pauses)
        self.hub = Hub(self.feed, self.door, monotonic=self.clock, pause=self.pauses)
        self.heard: asyncio.Queue[list[str]] = asyncio.Queue()
        self.breaks: Exception | None = None  # what rendering an event comes to
        self.last = 0  # the event that ends a stream
        self.rendered = 0  # how many events were
        self._batch = asyncio.Event()
        self.feed.on_batch(self._hear)

    def _hear(self, moments: Sequence[Moment]) -> None:
        self._batch.set()
        if moments:
            self.heard.put_nowait([f"{one.kind} {int(one.token)}" for one in moments])

    async def begin(self, past: int = 0, *, followed: bool = True) -> None:
        """Start behind a past of some events, which are not in the ring; the feed is the first to watch.

        Somebody followed a moment ago, so that it hears of events, or nobody ever did.
        """
        await self.door.happen(*map(event, range(1, past + 1)))
        if followed:
            self.feed.join()
            self.feed.leave()
        await self.feed.start()
        await soon(self.door.opened.get())

    async def beat(self) -> None:
        """Wait until the feed has taken a batch."""
        self._batch.clear()
        self.door.beat()
        await soon(self._batch.wait())

    async def close(self) -> None:
        """End everything."""
        await self.hub.close()
        await self.feed.stop()

    async def render(self, one: Moment) -> Frame:
        """Write a moment down."""
        if one.kind == "EVENT" and self.breaks is not None:
            raise self.breaks
        self.rendered += one.kind == "EVENT"
        return Frame((f"{one.kind} {int(one.token)}",), last=one.kind == "EVENT" and int(one.token) == self.last)

    def seat(self, after: int, topic: Topic = EVERYTHING) -> Seat:
        """Make a seat of somebody who has everything up to a number."""
        return Seat(topic, self.render, token(after), None)

    def follow(
        self,
        after: int | None = None,
        topic: Topic = EVERYTHING,
        on_slow: OnSlow | None = None,
        at_once: AtOnce | None = None,
    ) -> Any:
        """Follow as one group from behind a number."""
        position = None if after is None else token(after)
        return contextlib.aclosing(
            self.hub.follow(topic, group="one", render=self.render, after=position, on_slow=on_slow, at_once=at_once)
        )


@asynccontextmanager
async def opened() -> AsyncIterator[Place]:
    """Give a process that has not begun yet."""
    place = Place()
    try:
        yield place
    finally:
        await place.close()


async def take(stream: Any, number: int = 1) -> list[str]:
    """Read some payloads."""
    return [await soon(anext(stream)) for _ in range(number)]


def queue_of(listen: Callable[[Callable[[], None]], None]) -> asyncio.Queue[None]:
    """Return a queue that gets something each time a callback is called."""
    calls: asyncio.Queue[None] = asyncio.Queue()
    listen(lambda: calls.put_nowait(None))
    return calls
