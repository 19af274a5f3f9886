"""Subscriptions as server-sent events: the distinct connections mode of the graphql-sse protocol.

Each payload is an event `next`, the end is `complete`; a comment every 15 seconds keeps the line alive.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

import orjson
from starlette.types import Receive, Send

from app.core.actor import Actor
from app.core.errors import Fault
from app.core.tally import Tally
from app.graph import faults
from app.graph.operation import Request, Stream
from app.live.seat import Closing, SlowConsumer
from app.web import shield
from app.web.edge import Edge

HEARTBEAT_SECONDS = 15.0
LAST_WORD_SECONDS = 5.0


class Live:
    """A stream and the task that carries it, once there is one. `leave` ends the watch over its key."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.task: asyncio.Task[None] | None = None
        self.leave: Callable[[], None] = _nothing
        self._ended = False

    def stop(self) -> None:
        """End it from outside: the key was revoked, or nobody reads."""
        self._ended = True
        if self.task is not None:
            self.task.cancel()

    def slow(self, _: SlowConsumer) -> None:
        """Give a reader who is too far behind a moment to hear so, then end it."""
        asyncio.get_running_loop().call_later(LAST_WORD_SECONDS, self.stop)

    def carry(self, send: Send) -> "asyncio.Task[None]":
        """Begin to send, unless it was ended already."""
        self.task = asyncio.create_task(_carry(self, send))
        if self._ended:
            self.task.cancel()
        return self.task


def _nothing() -> None:
    """Nobody watches yet."""


async def begin(edge: Edge, actor: Actor, request: Request, tally: Tally) -> Live | None:
    """Return the stream of a subscription, which is what was tallied, None for any other operation; raises Rejected."""
    ready = edge.operations.prepare(actor, request)
    if ready.operation.kind != "subscription":
        return None
    tally.kind, tally.name, tally.cost = ready.operation.kind, ready.operation.name, ready.cost
    live = Live()
    live.stream = await edge.operations.stream(actor, ready, tally.request_id, live.slow)
    # Last, for nobody ends the watch of a stream that never began.
    live.leave = await edge.access.on_revoked(actor.key, live.stop)
    edge.sight.end(tally, 200, ())
    return live


async def serve(edge: Edge, live: Live, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Send the stream until it or the client ends."""
    more = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), *headers]
    more += [(b"x-accel-buffering", b"no"), *shield.DATA]
    edge.metrics.streams.inc()
    tasks: list[asyncio.Task[None]] = []
    try:
        await send({"type": "http.response.start", "status": 200, "headers": more})
        tasks = [live.carry(send), asyncio.create_task(_disconnected(receive))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        edge.metrics.streams.dec()
        live.leave()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task
    with suppress(TimeoutError):  # a client that reads nothing is not waited for
        async with asyncio.timeout(LAST_WORD_SECONDS):
            await send({"type": "http.response.body", "body": b""})


async def _carry(live: Live, send: Send) -> None:
    assert live.stream is not None  # noqa: S101 - `begin` put it there
    async with aclosing(live.stream.payloads) as payloads:
        beat = asyncio.create_task(_beat(send))
        try:
            async for payload in payloads:
                await _event(send, "next", payload)
        except SlowConsumer as slow:
            fault = Fault("SLOW_CONSUMER", "Too far behind: subscribe again.", cursor=live.stream.seal(slow.token))
            await _event(send, "next", orjson.dumps({"errors": [faults.entry(fault)]}).decode())
        except Fault as fault:
            await _event(send, "next", orjson.dumps({"errors": [faults.entry(fault)]}).decode())
        except Closing:
            return  # without `complete`: the client comes again
        finally:
            beat.cancel()
        await _event(send, "complete", "")


async def _beat(send: Send) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})


async def _event(send: Send, name: str, data: str) -> None:
    body = f"event: {name}\ndata: {data}\n\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
