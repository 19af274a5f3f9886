"""The service on a thread of this process, asked over real sockets: what a request costs its loop is read exactly."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
import uvloop

from app import serving
from app.core.actor import Scope
from app.main import Service
from app.mongo.twin import Twin
from app.settings import Settings

SECONDS = 30.0
# Without these nobody would be known any more.
KEPT = ("accounts", "apiKeys", "secrets")
# How a socket's operation ends whose client went first.
GONE = ("ClientDisconnected", "ConnectionClosed", "RuntimeError")
# What this loop takes of a thread's processor time on a core of its own: how much slower the machine is just now.
PACE_LOOPS, PACE_SECONDS = 200_000, 0.0065


def pace() -> float:
    """Return how many times slower than on a core of its own this machine works just now; 1 at least."""
    began, total = time.thread_time(), 0
    for number in range(PACE_LOOPS):
        total += number
    return max(1.0, (time.thread_time() - began) / PACE_SECONDS)


class Complaints(logging.Handler):
    """What the server or the service logs as an error; all else that the service logs is dropped."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.found.append(logging.Formatter().format(record))

    def __call__(self, _logger: Any, level: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Keep an entry of the service that tells of a mistake of its own; a client that is gone is none."""
        ended = entry["event"] == "socket_operation_ended" and entry["error"] not in GONE
        if level in ("error", "critical") or ended:
            self.found.append(repr(entry))
        raise structlog.DropEvent


class Threaded:
    """One service in memory; `service` belongs to its thread."""

    def __init__(self) -> None:
        self.listening = serving.bound("127.0.0.1", 0)
        self.host, self.port = self.listening.getsockname()[:2]
        self.complaints = Complaints()
        self.key = ""
        self.web_key = ""
        self.service: Service
        self._loop = uvloop.new_event_loop()
        self._up = threading.Event()
        self._server: serving.Server
        self._thread = threading.Thread(target=self._run, name="served")
        self._thread.start()
        assert self._up.wait(SECONDS), "the service did not start"
        self._clock = time.pthread_getcpuclockid(self._thread.ident or 0)

    def cpu(self) -> float:
        """Return the processor seconds that the service's thread has used."""
        return time.clock_gettime(self._clock)

    def connected(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection((self.host, self.port), timeout=SECONDS)

    def call(self, work: Any) -> Any:
        """Run a coroutine on its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def emptied(self) -> None:
        """Have all that was recorded removed: here the store is in this process, and what it keeps is no leak."""
        self.call(self._emptied())

    async def _emptied(self) -> None:
        twin = self.service.store.engine
        assert isinstance(twin, Twin)
        for name in await twin._db.list_collection_names():
            # The mock tells names of parts that it has made for itself.
            collection = name.partition(".")[0]
            if collection not in KEPT:
                await twin._db[collection].delete_many({})
        twin._log.clear()

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(SECONDS)

    def _run(self) -> None:
        self._loop.set_exception_handler(lambda _, context: self.complaints.found.append(repr(context)))
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        settings = Settings.load({}, embedded="memory", rate_limit=0)
        self.service = await Service.open(settings)
        access = self.service.services.access
        account, _, self.key = await access.create_account("Test")
        _, self.web_key, _ = await access.create_key(account.id, "web", [Scope.WEB_SDK])
        self._server = serving.Server(serving._config(self.service), self.service)
        serve = asyncio.create_task(self._server.serve(sockets=[self.listening]))
        await self._server.up.wait()
        self._up.set()
        await serve
        await self.service.close()


@contextmanager
def threaded() -> Iterator[Threaded]:
    """Serve on a thread, and end it."""
    before = structlog.get_config()
    one = Threaded()
    structlog.configure(processors=[one.complaints])
    ours = serving.NotOurs()
    logging.getLogger("uvicorn.error").addFilter(ours)
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio", "websockets")]
    for logger in loggers:
        logger.addHandler(one.complaints)
    try:
        yield one
    finally:
        one.stop()
        structlog.configure(**before)
        logging.getLogger("uvicorn.error").removeFilter(ours)
        for logger in loggers:
            logger.removeHandler(one.complaints)
