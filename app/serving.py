"""One serving process: it binds, opens, serves; at SIGTERM or ctrl-C it is gone within 10 seconds."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
import uvicorn

from app.access.service import Access
from app.core.errors import StartError
from app.main import Service, Team
from app.mongo.door import Store
from app.settings import Settings
from app.web import shield
from app.web.connection import Connection, close_overdue
from app.web.frames import Frames
from app.web.log import ACCESS

T = TypeVar("T")

BACKLOG_CONNECTIONS = 2048
GRACE_SECONDS = 4
LINGER_SECONDS = 0.3
# From the signal on; somebody may kill what is still there after ten.
EXIT_SECONDS = 7.5
KEEP_ALIVE_SECONDS = 75
SOCKET_MESSAGE_BYTES_MAX = 64 * 1024
# Uvicorn ticks ten times a second.
OVERDUE_TICKS = 50

# What comes before there is a request, or where a websocket was wanted elsewhere.
STRANGE = ("Invalid HTTP request received.", "Unsupported upgrade request.")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Front:
    """What can serve now, for whoever greets or works beside it."""

    url: str
    store: Store
    access: Access


Beside = Callable[[Front], Coroutine[Any, Any, None]]


class Server(uvicorn.Server):
    """Uvicorn that leaves signals to whoever runs it, and sends sockets away before it closes connections."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then be ready."""
        await super().startup(sockets)
        self._service.edge.ready = True
        self.up.set()

    async def on_tick(self, counter: int) -> bool:
        """Look every few seconds for connections whose requests never arrive."""
        if counter % OVERDUE_TICKS == 0:
            close_overdue(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Be ready no more, send websockets away with 1001, finish what is in flight."""
        self._take_leave()
        await asyncio.gather(self._service.depart(), self._linger())
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._service.app.break_off)
        await super().shutdown(sockets)

    def _take_leave(self) -> None:
        """Have each connection told by its next answer that it was the last; of those in flight it is this one."""
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        for connection in list(self.server_state.connections):
            if (cycle := getattr(connection, "cycle", None)) is not None and not cycle.response_complete:
                connection.shutdown()

    async def _linger(self) -> None:
        """Leave those who keep a connection a moment: closed at once, it could lose a request that is on its way."""
        if self.server_state.connections:
            await asyncio.sleep(LINGER_SECONDS)


class NotOurs(logging.Filter):
    """Leaves out what strangers do wrong, which uvicorn tells each time: a log is not theirs to fill."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is worth a line."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, UnicodeDecodeError) and record.msg not in STRANGE


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket, `shared` with others of that address; raises StartError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StartError(f"{host}:{port} can't be served: {error.strerror or error}. Choose another --port.") from error
    listening.listen(BACKLOG_CONNECTIONS)
    listening.setblocking(False)
    return listening


def allow_descriptors() -> None:
    """Take as many descriptors as the system lets this process have: each socket is one, and 1,024 are soon gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems promise more than they give
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def address(listening: socket.socket) -> str:
    """Return the URL of a listening socket, as somebody on this machine writes it."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


async def serve(
    settings: Settings,
    listening: socket.socket,
    greet: Beside,
    *beside: Beside,
    team: Team | None = None,
) -> None:
    """Serve until a signal; `greet` runs once it can serve, `beside` as long as it does."""
    allow_descriptors()
    stopping = asyncio.create_task(_stopped(told()))
    service = await unless(stopping, Service.open(settings, team))
    if service is None:
        return
    try:
        await _run(service, listening, stopping, greet, beside)
    finally:
        stopping.cancel()
        await _close(service, stopping.result() + EXIT_SECONDS if stopping.done() else None)


async def _stopped(stop: asyncio.Event) -> float:
    """Return the loop's time of the stop."""
    await stop.wait()
    return asyncio.get_running_loop().time()


async def _close(service: Service, until: float | None) -> None:
    """Close the service; at `until` whoever waits for a store that stands still is left behind."""
    closing = asyncio.create_task(service.close())
    await asyncio.wait({closing}, timeout=None if until is None else until - asyncio.get_running_loop().time())
    ACCESS.flush()
    if not closing.done():
        log.warning("left_without_the_store")
        sys.stdout.flush()
        # The driver's threads wait as well, and a process ends with its last thread. Nothing is written any more.
        os._exit(0)
    closing.result()


def told() -> asyncio.Event:
    """Return what is set once a signal says to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def unless(stopping: "asyncio.Task[Any]", work: Coroutine[Any, Any, T]) -> T | None:
    """Return what opens; None where the stop came first."""
    opening = asyncio.create_task(work)
    await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if opening.done():
        return opening.result()
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening
    return None


async def _run(
    service: Service, listening: socket.socket, stopping: "asyncio.Task[Any]", greet: Beside, beside: Sequence[Beside]
) -> None:
    # What is there now stays: the collector needn't look at it again and again.
    gc.collect()
    gc.freeze()
    logging.getLogger("uvicorn.error").addFilter(NotOurs())
    server = Server(_config(service), service)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    coming = asyncio.create_task(server.up.wait())
    await asyncio.wait({serving, coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    tasks = []
    if server.up.is_set() and not stopping.done():
        front = Front(address(listening), service.store, service.services.access)
        await greet(front)
        tasks = [asyncio.create_task(work(front)) for work in beside]
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await serving


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        service.app,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        headers=shield.EVERYWHERE,
        http=Connection,
        proxy_headers=False,  # nothing here asks where a request came from
        ws=Frames,
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
