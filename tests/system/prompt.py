"""A server of this process whose application answers small requests at once, and how it is asked by bytes."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from inspect import Parameter, Signature, signature
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from app.web.connection import Connection
from app.web.frames import Frames

SECONDS = 30.0


async def inert(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer nothing but that it is there."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on Python's own loop, and on the one that serves: they differ in what they do to who is gone."""

    def run(loop: Callable[[], asyncio.AbstractEventLoop], **given: Any) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(**given))

    named = [Parameter(name, Parameter.KEYWORD_ONLY) for name in ("loop", *signature(test).parameters)]
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    run.__signature__ = Signature(named)  # type: ignore[attr-defined]
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    pytest.mark.parametrize("loop", loops, ids=["own", "uv"])(run)
    return run


@asynccontextmanager
async def listening(app: Any = inert) -> AsyncIterator[tuple[ServerState, Any]]:
    """Serve it in this process; gives the connections, and the address. Nothing may go wrong unseen meanwhile."""
    config = uvicorn.Config(app, ws=Frames, log_config=None, lifespan="off", proxy_headers=False, timeout_keep_alive=75)
    loop, state, wrong = asyncio.get_running_loop(), ServerState(), list[Any]()
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    loop.set_exception_handler(lambda _, context: wrong.append(context))
    try:
        yield state, server.sockets[0].getsockname()
    finally:
        server.close()
        loop.set_exception_handler(None)
    assert wrong == []


async def opened_at(address: Any, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and send something."""
    reader, writer = await asyncio.open_connection(*address)
    writer.writelines(parts)
    await writer.drain()
    return reader, writer


async def patient(scope: Any, receive: Any, send: Any) -> None:
    """Read a body to its end, and answer."""
    while (await receive()).get("more_body"):
        pass
    await inert(scope, receive, send)


class Prompt:
    """Answers at once what names a size in its body, in that many bytes and in turns of the loop; the rest by ASGI."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.asked = self.askers = 0
        # What has a task waits for it.
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    def asker(self, headers: Any) -> Any:
        """Return who asks, and note that it was looked at."""
        self.askers += 1
        return SimpleNamespace(headers=dict(headers))

    def at_once(self, asked: Any, body: bytes, reply: Any) -> bool | Coroutine[Any, Any, None]:
        """Begin to answer, or don't; with a task where it is asked for."""
        if not body.isdigit() or int(body) == 0:
            return False
        self.seen.append(bytes(body))
        told = bytes(body) * (int(body) // len(body))
        answer = (200, b"a: b\r\ncontent-length: %d\r\n" % len(told), told)
        if asked.headers.get(b"with") == b"task":
            return self._later(reply, answer)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, reply, *answer)
        return True

    async def _later(self, reply: Any, answer: Any) -> None:
        await self.goes_on.wait()
        if answer[-1] == b"7777777":
            raise ValueError("seven")
        # The shorter an answer the later it comes: order has to be somebody's work.
        for _ in range(100 - len(answer[-1])):
            await asyncio.sleep(0)
        reply(*answer)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 204 to what isn't answered so, and take websockets in for a moment."""
        self.asked += 1
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        await self.goes_on.wait()
        await patient(scope, receive, send)


def asking(
    body: bytes, *headers: bytes, path: bytes = b"/graphql", line: tuple[bytes, bytes] = (b"POST", b"1.1")
) -> bytes:
    """Return a request; its `line` has a method and a version."""
    lines = [line[0] + b" " + path + b" HTTP/" + line[1], b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


async def until(done: Callable[[], bool]) -> None:
    """Let others run until something is so, of which nothing tells."""
    while not done():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the head and the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head)
    return head, await reader.readexactly(int(size[1]) if size else 0)


@asynccontextmanager
async def prompt(*parts: bytes) -> AsyncIterator[tuple[Prompt, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Serve one, and send something to it."""
    app = Prompt()
    async with listening(app) as (_, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address, *parts)
        try:
            yield app, reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bytes:
    """Send a request in one piece, and return the body of its answer."""
    writer.write(sent)
    return (await read_answer(reader))[1]


async def under_way(
    app: Prompt, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, *, known: bool
) -> None:
    """Have a request be answered that waits for `goes_on`; `known`: behind one with the same headers."""
    if known:
        assert await ask(reader, writer, asking(b"2", b"With: task")) == b"22"
    app.goes_on.clear()
    count = len(app.seen)
    writer.write(asking(body, b"With: task"))
    await until(lambda: len(app.seen) > count)
