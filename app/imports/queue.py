"""The queue of imports: TaskIQ, in this process or by a stream of redis, whose messages are acknowledged when done.

A message only says that there is something to do: what it is stands in the store, so that a lost one loses nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError
from taskiq import AsyncBroker, InMemoryBroker
from taskiq.api import run_receiver_task
from taskiq.exceptions import TaskiqError
from taskiq_redis import RedisStreamBroker

TASK = "imports:carry"
# Longer than the look for what is due: a message that nobody acknowledged is given to another worker.
IDLE_MS = 60_000

Carry = Callable[[str, str], Awaitable[None]]

log = structlog.get_logger(__name__)


class Queue:
    """Has imports carried out: with `url` by whoever receives them from redis, else by this process."""

    def __init__(self, url: str | None, database: str) -> None:
        self._shared = url is not None
        self._broker: AsyncBroker = (
            RedisStreamBroker(url, queue_name=f"{database}:imports", idle_timeout=IDLE_MS) if url else InMemoryBroker()
        )
        self._task: Any = None

    async def begin(self, carry: Carry) -> None:
        """Open the queue, `carry` being what is done here; where redis is away, what is due is found by looking."""

        # A function of its own: TaskIQ renames what it registers.
        async def carried(account: str, import_id: str) -> None:
            await carry(account, import_id)

        self._task = self._broker.register_task(carried, task_name=TASK)
        with suppress(TaskiqError, RedisError, OSError):
            await self._broker.startup()

    async def send(self, account: str, import_id: str) -> None:
        """Say that there is something to do."""
        try:
            await self._task.kiq(account, import_id)
        except (TaskiqError, RedisError, OSError) as error:
            log.warning("queue_away", reason=type(error).__name__)

    async def receive(self) -> None:
        """Work on what is sent by others, until cancelled; returns at once where nobody else could send."""
        if self._shared:
            await run_receiver_task(self._broker, max_async_tasks=1)

    async def end(self) -> None:
        """Close the queue."""
        with suppress(TaskiqError, RedisError, OSError):
            await self._broker.shutdown()
