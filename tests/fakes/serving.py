"""Serves a fake over real HTTP on loopback, in the running loop.

No `Date` is added to its answers: a fake has a clock of its own, and tells its time itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HOST = "127.0.0.1"
App = Any
Scope = Any
Receive = Callable[[], Any]


@asynccontextmanager
async def served(app: App, port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application, by default on a port that is free; gives the base URL."""
    state = ServerState()

    async def watched(scope: Scope, receive: Receive, send: Any) -> None:
        scope["hang_up"] = lambda: _abort(state, scope["client"])
        # Whoever is still being answered at the end has nobody to complain to.
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    config = uvicorn.Config(
        watched,
        interface="asgi3",
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}), HOST, port
    )
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _ended(state)
        await server.wait_closed()


async def _ended(state: ServerState) -> None:
    """Break the connections that clients left open, and end what still hangs."""
    for connection in list(state.connections):
        connection.transport.abort()
    while state.connections:  # noqa: ASYNC110 - each goes by itself in one of the next rounds of the loop
        await asyncio.sleep(0)
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _abort(state: ServerState, client: tuple[str, int]) -> None:
    connection: Any
    for connection in state.connections:
        if connection.client == client:
            connection.transport.abort()


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Break the connection of a request; nothing can be answered any more."""
    scope["hang_up"]()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Wait until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
