"""Clients of the real ASGI application, in this process: HTTP by httpx, a websocket by the plain protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson

App = Any
SECONDS = 15.0


class Socket:
    """The client's end of one websocket. `code` is that of the close, once it came."""

    def __init__(
        self, app: App, headers: dict[str, str], protocols: tuple[str, ...], path: str, extensions: dict[str, Any]
    ) -> None:
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        # Cleared, the client reads no more.
        self.reading = asyncio.Event()
        self.reading.set()
        self.accepted: str | None = None
        self.code: int | None = None
        self.reason = ""
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": list(protocols),
            "extensions": extensions,
        }
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(app(scope, self._in.get, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        await self._out.put(message)

    async def send(self, message: Any) -> None:
        """Send a message, or text as it is."""
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self._in.put({"type": "websocket.receive", "text": text})

    async def next(self) -> dict[str, Any]:
        """Return the next message of the server; a close is `{"type": "close", "code": …}`."""
        async with asyncio.timeout(SECONDS):
            event = await self._out.get()
        if event["type"] == "websocket.close":
            self.code, self.reason = event.get("code", 1000), event.get("reason", "")
            return {"type": "close", "code": self.code}
        if event["type"] == "websocket.accept":
            self.accepted = event.get("subprotocol") or ""
            return await self.next()
        message: dict[str, Any] = orjson.loads(event["text"])
        return message

    async def init(self, **payload: Any) -> dict[str, Any]:
        """Introduce oneself; returns the answer."""
        await self.send({"type": "connection_init", "payload": payload})
        return await self.next()

    async def subscribe(self, query: str, id_: str = "1", **variables: Any) -> None:
        """Start an operation."""
        payload = {"query": query, "variables": variables}
        await self.send({"id": id_, "type": "subscribe", "payload": payload})

    async def data(self) -> Any:
        """Return the one root field's value of the next message, which must be good data."""
        message = await self.next()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def leave(self) -> None:
        """Go away."""
        self.reading.set()
        await self._in.put({"type": "websocket.disconnect", "code": 1005})
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._task


@asynccontextmanager
async def socket(
    app: App,
    headers: dict[str, str] | None = None,
    protocols: tuple[str, ...] = ("graphql-transport-ws",),
    path: str = "/graphql",
    extensions: dict[str, Any] | None = None,
) -> AsyncIterator[Socket]:
    """Open a websocket, and go away in the end."""
    one = Socket(app, headers or {}, protocols, path, extensions or {})
    try:
        yield one
    finally:
        await one.leave()


class Events:
    """A stream of server-sent events over plain ASGI, which httpx' transport would wait out."""

    def __init__(self, app: App, key: str, body: dict[str, Any]) -> None:
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._gone = asyncio.Event()
        # Cleared, the client reads no more.
        self.reading = asyncio.Event()
        self.reading.set()
        self.headers: dict[bytes, bytes] = {}
        self._sent = False
        self._body = orjson.dumps(body)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "accept": "text/event-stream"}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self._task = asyncio.create_task(app(scope, self._receive, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        await self._out.put(message)

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def start(self) -> int:
        """Return the status."""
        async with asyncio.timeout(SECONDS):
            message = await self._out.get()
        self.headers = dict(message["headers"])
        status: int = message["status"]
        return status

    async def next(self) -> tuple[str, Any]:
        """Return the next event's name and data."""
        async with asyncio.timeout(SECONDS):
            text = (await self._out.get())["body"].decode()
        if not text:
            return "end", None
        name, data = text.removesuffix("\n\n").split("\n")
        shown = data.removeprefix("data: ")
        return name.removeprefix("event: "), orjson.loads(shown) if shown else None

    async def finished(self) -> None:
        """Wait until the server has ended it."""
        async with asyncio.timeout(SECONDS):
            await self._task

    async def leave(self) -> None:
        """Go away."""
        self._gone.set()
        await self.finished()
