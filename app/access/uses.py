"""When keys were last used: noted at most once a minute per key and process, behind the requests' back."""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from datetime import datetime

import structlog

from app.access import store
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Fault
from app.mongo.engine import Clash, Engine

NOTE_SECONDS = 60.0
NOTED_KEYS = 10_000

log = structlog.get_logger(__name__)


class Uses:
    """Collects uses and writes them in the background, all that are waiting in one call."""

    def __init__(self, engine: Engine, timer: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._timer = timer
        self._noted: dict[str, float] = {}
        self._waiting: dict[str, tuple[str, datetime]] = {}
        self._writer: asyncio.Task[None] | None = None

    def note(self, actor: Actor) -> None:
        """Remember that a key was used now; needs a running loop, waits for nothing."""
        moment = self._timer()
        noted = self._noted.get(actor.key)
        if noted is not None and moment - noted < NOTE_SECONDS:
            return
        self._noted.pop(actor.key, None)
        while len(self._noted) >= NOTED_KEYS:
            self._noted.pop(next(iter(self._noted)))
        self._noted[actor.key] = moment
        if len(self._waiting) >= NOTED_KEYS:  # the database is away; what is lost is a time to look at
            return
        self._waiting[actor.key] = (actor.account, clock.now())
        if self._writer is None or self._writer.done():
            # In a context of its own: it is no work of the operation that happens to be the first.
            self._writer = asyncio.create_task(self._write(), context=Context())

    async def settle(self) -> None:
        """Return once everything noted is written, or its writing has failed."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])

    async def _write(self) -> None:
        while self._waiting:
            used, self._waiting = self._waiting, {}
            try:
                await store.note_uses(self._engine, used)
            except (Fault, Clash) as error:  # a later use notes it again
                log.warning("last uses of keys not noted", error=type(error).__name__, keys=len(used))
