"""Groups: followers who are to see the same thing. Each event is rendered and encoded once for all of them."""

import asyncio
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from app.core.errors import Fault
from app.live.seat import Seat, Slot, rendered
from app.live.topic import Moment, Topic
from app.timeline.model import Event

T = TypeVar("T", bound=Hashable)

# Seats that are served in one go; each costs some microseconds, most of them the kernel's.
SPREAD_SEATS = 250


class Routes(Generic[T]):
    """Who is concerned by an event: found by account and subject, so that an event touches nobody else."""

    def __init__(self) -> None:
        self._subjects: dict[tuple[str, str | None], dict[T, Topic]] = {}

    def add(self, topic: Topic, one: T) -> None:
        """Bring events of `topic` to `one`."""
        for subject in topic.subjects if topic.subjects is not None else (None,):
            self._subjects.setdefault((topic.account, subject), {})[one] = topic

    def remove(self, topic: Topic, one: T) -> None:
        """Bring nothing more to `one`; idempotent."""
        for subject in topic.subjects if topic.subjects is not None else (None,):
            found = self._subjects.get((topic.account, subject))
            if found is not None:
                found.pop(one, None)
                if not found:
                    del self._subjects[topic.account, subject]

    def of(self, event: Event) -> Iterator[T]:
        """Yield everyone whose topic covers `event`, each once."""
        # A copy, for whoever is told may leave meanwhile; each once, though it may follow several of the lines.
        found: dict[T, Topic] = {}
        for subject in (event.subject, None, *event.told):
            found |= self._subjects.get((event.account, subject), {})
        for one, topic in found.items():
            if topic.covers(event):
                yield one

    def __len__(self) -> int:
        return len(self._subjects)


class Group:
    """The seats of one topic, and the chain of slots that they read from.

    Rendering is one task, alive only while there is something to render, with the longest-seated follower's renderer.
    """

    __slots__ = ("_monotonic", "_rendered", "_task", "fault", "last", "seats", "topic")

    def __init__(self, topic: Topic, monotonic: Callable[[], float]) -> None:
        self.topic = topic
        self.seats: dict[Seat, None] = {}
        self.last = Slot(0, None)  # the newest slot, rendered or not
        self.fault: Fault | None = None
        self._rendered = self.last
        self._monotonic = monotonic
        self._task: asyncio.Task[None] | None = None

    def enter(self, seat: Seat) -> None:
        """Seat a follower at the end: it sees what is pushed from now on."""
        self.seats[seat] = None
        seat.slot = self.last

    def leave(self, seat: Seat) -> None:
        """Take a follower out; behind the last one the work ends. Idempotent."""
        self.seats.pop(seat, None)
        seat.slot = None
        if not self.seats and self._task is not None:
            self._task.cancel()
            self._task = None

    def push(self, moment: Moment, heard_at: float | None = None) -> None:
        """Add a moment to be rendered and read; `heard_at` is when this process heard of it."""
        slot = Slot(self.last.number + 1, moment)
        slot.heard_at = heard_at
        self.last.next = slot
        self.last = slot
        if self._task is None and self.fault is None:
            self._task = asyncio.create_task(self._work(), name="live-group")

    async def _work(self) -> None:
        while (slot := self._rendered.next) is not None and slot.moment is not None:
            try:
                frame = await rendered(next(iter(self.seats)).render, slot.moment)
            except Fault as fault:
                self.fault = fault
                self._wake()
                break
            slot.frame, slot.since, slot.moment = frame, self._monotonic(), None
            self._rendered = slot
            await self._spread(slot)
        self._task = None

    async def _spread(self, slot: Slot) -> None:
        """Give a rendered slot to everyone, some at a time: thousands of them would keep all others waiting."""
        for number, seat in enumerate(list(self.seats), 1):
            seat.pass_on(slot)
            if number % SPREAD_SEATS == 0:
                await asyncio.sleep(0)

    def _wake(self) -> None:
        for seat in self.seats:
            seat.ring()
