"""One serving process: it binds, opens, serves; at SIGTERM or ctrl-C it is gone within 10 seconds."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from app.core.errors import StartError
from app.main import Service
from app.settings import Settings
from app.web import shield
from app.web.connection import Connection, close_overdue
from app.web.log import ACCESS

BACKLOG_CONNECTIONS = 2048
GRACE_SECONDS = 4
KEEP_ALIVE_SECONDS = 75
# Objects made since the last look: answers are many small ones, and nearly none of them in a cycle. A batch holds tens
# of thousands of them until it is answered: looked at meanwhile, they cost a tenth of its time.
COLLECT_AFTER = (100_000, 20, 20)
SOCKET_MESSAGE_BYTES_MAX = 64 * 1024
# Uvicorn ticks ten times a second.
OVERDUE_TICKS = 50

# What comes before there is a request, or where a websocket was wanted elsewhere.
STRANGE = ("Invalid HTTP request received.", "Unsupported upgrade request.")

Beside = Callable[[Service, str], Coroutine[Any, Any, None]]


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
        await self._service.depart()
        await super().shutdown(sockets)


class NotOurs(logging.Filter):
    """Leaves out what strangers do wrong, which uvicorn tells each time: a log is not theirs to fill."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is worth a line."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, UnicodeDecodeError) and record.msg not in STRANGE


def bound(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises StartError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StartError(f"{host}:{port} can't be served: {error.strerror or error}. Choose another --port.") from error
    listening.listen(BACKLOG_CONNECTIONS)
    listening.setblocking(False)
    return listening


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
) -> None:
    """Serve until a signal; `greet` runs once it can serve, `beside` as long as it does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    service = await _opened(settings, stopping)
    if service is None:
        return
    try:
        await _run(service, listening, stopping, greet, beside)
    finally:
        stopping.cancel()
        await service.close()
        ACCESS.flush()


async def _opened(settings: Settings, stopping: "asyncio.Task[Any]") -> Service | None:
    """Open the service; None where the stop came first."""
    opening = asyncio.create_task(Service.open(settings))
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
    gc.set_threshold(*COLLECT_AFTER)
    logging.getLogger("uvicorn.error").addFilter(NotOurs())
    server = Server(_config(service), service)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    coming = asyncio.create_task(server.up.wait())
    await asyncio.wait({serving, coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    tasks = []
    if server.up.is_set() and not stopping.done():
        url = address(listening)
        await greet(service, url)
        tasks = [asyncio.create_task(work(service, url)) for work in beside]
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
        ws="websockets-sansio",
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
