"""A follower's seat: where it stands, what waits for it, and a bell; no frames of its own, only a place among them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from app.core.errors import Fault
from app.live.topic import Frame, Moment, Topic

SLOW_SECONDS = 60.0
SLOW_EVENTS = 10_000
# A last resort against a render that never ends: an operation has its own, shorter time.
RENDER_SECONDS = 30.0

log = structlog.get_logger(__name__)

Render = Callable[[Moment], Awaitable[Frame]]


class SlowConsumer(Exception):  # noqa: N818
    """A follower stayed too far behind; `token` is the position behind the last payload that it took."""

    def __init__(self, token: str) -> None:
        super().__init__("too far behind")
        self.token = token


class Closing(Exception):  # noqa: N818
    """The hub is closing; a follower goes on elsewhere from the last cursor it saw."""


OnSlow = Callable[[SlowConsumer], None]
# Takes a whole frame now, or tells that it can't: then the follower comes for it.
AtOnce = Callable[[Frame], bool]


def repeated(fault: Fault) -> Fault:
    """Return an equal fault, for an exception that is raised in many tasks would collect all their tracebacks."""
    return Fault(fault.code, fault.message, status=fault.status, **fault.extra)


async def rendered(render: Render, moment: Moment) -> Frame:
    """Return the moment's frame; whatever goes wrong is a Fault, and what was not expected is logged by its type."""
    try:
        async with asyncio.timeout(RENDER_SECONDS):
            return await render(moment)
    except Fault:
        raise
    except TimeoutError as error:
        raise Fault("TIMEOUT", "This event took too long to answer. Subscribe again.") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this task: something that the render waited for was cancelled.
        log.error("live_render_failed", error="CancelledError")  # noqa: TRY400 - a traceback could show values
        raise Fault("INTERNAL", "Something went wrong on our side.") from error
    except Exception as error:
        # Whoever renders is code of the edge: its mistakes end this stream, never the room.
        log.error("live_render_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback could show values
        raise Fault("INTERNAL", "Something went wrong on our side.") from error


class Slot:
    """One moment on its way to a group's seats; `frame` is None until rendered, `next` until something follows.

    Slots form a chain that seats hold on to, so what everybody has read is gone without bookkeeping.
    """

    __slots__ = ("frame", "heard_at", "moment", "next", "number", "since", "token")

    def __init__(self, number: int, moment: Moment | None) -> None:
        self.number = number
        self.moment = moment
        self.token = moment.token if moment is not None else ""
        self.frame: Frame | None = None
        self.since = 0.0  # when it was rendered, monotonic
        self.heard_at: float | None = None  # when this process heard of it, monotonic
        self.next: Slot | None = None


class Seat:
    """One follower.

    `taken` is the position behind the last payload that was taken; `reached` the one up to which everything was taken
    or waits in `backlog`. `slot` is the last slot that was read, None while the seat isn't live; what comes there up to
    `begun` is passed over, for the seat may have begun ahead of what this process has heard of.
    """

    __slots__ = (
        *("topic", "render", "on_slow", "at_once", "taken", "reached", "backlog", "slot", "lost", "catching_up"),
        *("begun", "ahead_since", "end", "_handed_at", "_busy_until", "_bell"),
    )

    def __init__(
        self, topic: Topic, render: Render, after: str | None, on_slow: OnSlow | None, at_once: AtOnce | None = None
    ) -> None:
        self.topic = topic
        self.render = render
        self.on_slow = on_slow
        self.at_once = at_once
        self.taken = after or ""
        self.reached = after or ""
        self.begun = ""
        self.backlog: deque[Moment] = deque()
        self.slot: Slot | None = None
        self.lost = False  # its position is known no more: to be told with RESYNC
        self.catching_up = False
        self.ahead_since: float | None = None
        self.end: Exception | None = None
        self._handed_at: float | None = None
        self._busy_until = 0.0  # when it was last handed a payload, monotonic
        self._bell: asyncio.Future[None] | None = None

    def move(self, topic: Topic) -> None:
        """Follow another topic from behind what was taken last; the seat is in no group and no stretch."""
        self.topic = topic
        self.reached = self.taken
        self.backlog.clear()

    def hand(self, now: float) -> None:
        """Note that a payload is being handed over."""
        self._handed_at = self._busy_until = now

    def took(self) -> None:
        """Note that the payload was taken; raises what ended the seat meanwhile."""
        self._handed_at = None
        self.check()

    def check(self) -> None:
        """Raise what ended the seat: SlowConsumer, Closing or a Fault."""
        if self.end is not None:
            raise self.end

    def stop(self, end: Exception) -> None:
        """End the stream with `end`, unless it has an end already, and let go of what waits."""
        if self.end is None:
            self.end = end
        self.backlog.clear()
        self.slot = None
        self.ring()

    def behind(self, last: Slot) -> int:
        """Return how many events of the group that ends with `last` were not taken yet."""
        return 0 if self.slot is None else last.number - self.slot.number

    def overdue(self, now: float) -> bool:
        """Tell whether the follower took nothing, or left the next frame waiting, for SLOW_SECONDS."""
        if self._handed_at is not None and now - self._handed_at >= SLOW_SECONDS:
            return True
        if self.slot is None or self.backlog:
            return False
        waiting = self.slot.next
        if waiting is None or waiting.frame is None:
            return False
        # While it worked off what was before, nothing waited for its own slowness.
        return now - max(waiting.since, self._busy_until) >= SLOW_SECONDS

    async def wait(self) -> None:
        """Wait for the bell. Nothing may be awaited between looking whether there is something and calling this."""
        self._bell = asyncio.get_running_loop().create_future()
        try:
            await self._bell
        finally:
            self._bell = None

    def pass_on(self, slot: Slot) -> None:
        """Have the follower take a slot that was just rendered: without waking it, where it waits for this very one."""
        bell = self._bell
        if bell is None or bell.done():
            return  # it is busy, and looks for itself
        if self._takes_at_once(slot):
            self.slot, self.taken = slot, slot.token
        else:
            bell.set_result(None)

    def _takes_at_once(self, slot: Slot) -> bool:
        frame = slot.frame
        if self.at_once is None or self.backlog or self.slot is None or self.slot.next is not slot or frame is None:
            return False
        if frame.last or frame.topic is not None or slot.token <= self.begun:
            return False
        try:
            return self.at_once(frame)
        except Exception as error:  # noqa: BLE001 - the others are still to be served
            log.error("live_callback_failed", error=type(error).__name__)  # noqa: TRY400 - a traceback shows values
            return False

    def ring(self) -> None:
        """Wake the follower if it waits."""
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
