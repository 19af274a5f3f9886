"""The HTTP edge: `/graphql`, the wire `/v1/*` and files straight from ASGI, everything else by Starlette's router."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import __version__
from app.core.errors import Fault
from app.graph.direct import Direct
from app.graph.schema import sdl
from app.web import graphiql, shield, socket
from app.web.answers import Header, Reply
from app.web.asker import Asker, asker
from app.web.edge import Edge, by_name
from app.web.files import Files
from app.web.graphql import GraphQL
from app.web.ingest import PREFIX

READY_SECONDS = 1.0
PATH = "/graphql"
ASSETS = "/graphiql"


class App:
    """The ASGI application of one process; `lifespan` is the router's own."""

    def __init__(
        self, edge: Edge, direct: Direct, ping: Callable[[], Awaitable[None]], ingest: ASGIApp, files: Files
    ) -> None:
        self._edge = edge
        self._ingest = ingest
        self._files = files
        self._graphql = GraphQL(edge, direct)
        self.break_off = direct.break_off
        self._rest: ASGIApp = Starlette(routes=_routes(edge, ping))

    def asker(self, headers: Iterable[Header]) -> Asker:
        """Return who asks, by the headers of a request."""
        return asker(self._edge, by_name(headers))

    def at_once(self, asked: Asker, body: bytes | bytearray, reply: Reply) -> bool | Coroutine[Any, Any, None]:
        """Begin to answer a POST to PATH that is here whole; see `GraphQL.at_once`."""
        return self._graphql.at_once(asked, body, reply)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or serve a websocket."""
        kind = scope["type"]
        if kind == "http" and scope["path"] == PATH:
            await self._graphql(scope, receive, send)
        elif kind == "http" and scope["path"].startswith(PREFIX):
            await self._ingest(scope, receive, send)
        elif kind == "http" and self._files.serves(scope["path"]):
            await self._files(scope, receive, send)
        elif kind == "websocket" and scope["path"] == PATH:
            await socket.serve(self._edge, scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._shielded(scope, receive, send)

    async def _shielded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the router: its answers are many people's, the headers ours."""
        more = shield.PAGE if scope["path"].startswith(ASSETS) else shield.DATA

        async def begun(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._rest(scope, receive, begun)


def _routes(edge: Edge, ping: Callable[[], Awaitable[None]]) -> list[BaseRoute]:
    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = None if edge.ready else "starting or stopping"
        try:
            async with asyncio.timeout(READY_SECONDS):
                await ping()
        except (Fault, TimeoutError):
            reason = reason or "the database is away"
        return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)

    async def metrics(_: Request) -> Response:
        text = await edge.siblings.all() if edge.siblings else edge.metrics.text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def version(_: Request) -> Response:
        return JSONResponse({"name": "customer-profiles", "version": __version__})

    async def schema(_: Request) -> Response:
        return Response(sdl(), media_type="text/plain; charset=utf-8")

    async def home(_: Request) -> Response:
        return RedirectResponse(PATH)

    routes: list[BaseRoute] = [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/version", version),
        Route("/schema.graphql", schema),
    ]
    if edge.graphiql:
        routes.append(Route("/", home))
        if graphiql.ASSETS.is_dir():
            routes.append(Mount(ASSETS, StaticFiles(directory=graphiql.ASSETS)))
    return routes
