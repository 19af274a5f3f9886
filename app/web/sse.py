"""Subscriptions as server-sent events: the distinct connections mode of the graphql-sse protocol.

Each payload is an event `next`, the end is `complete`; a comment every 15 seconds keeps the line alive.
"""

import asyncio
from contextlib import aclosing, suppress

import orjson
from starlette.types import Receive, Send

from app.core.actor import Actor
from app.core.errors import Fault
from app.graph import faults
from app.graph.operation import Request, Stream
from app.live.seat import Closing, SlowConsumer
from app.web.edge import Edge

HEARTBEAT_SECONDS = 15.0


class Live:
    """A stream and the task that carries it, once there is one."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.stream: Stream | None = None
        self.task: asyncio.Task[None] | None = None

    def stop(self, _why: object = None) -> None:
        """End it from outside: the key was revoked, or nobody reads."""
        if self.task is not None:
            self.task.cancel()


async def begin(edge: Edge, actor: Actor, request: Request, request_id: str) -> Live | None:
    """Return the stream of a subscription, None for any other operation; raises Rejected."""
    ready = edge.operations.prepare(actor, request)
    if ready.operation.kind != "subscription":
        return None
    live = Live(actor)
    live.stream = await edge.operations.stream(actor, ready, request_id, live.stop)
    return live


async def serve(edge: Edge, live: Live, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Send the stream until it or the client ends."""
    more = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), *headers]
    more.append((b"x-accel-buffering", b"no"))
    await send({"type": "http.response.start", "status": 200, "headers": more})
    live.task = asyncio.create_task(_carry(live, send))
    leave = edge.access.on_revoked(live.actor.key, live.stop)
    gone = asyncio.create_task(_disconnected(receive))
    edge.metrics.streams.inc()
    try:
        await asyncio.wait([live.task, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        edge.metrics.streams.dec()
        leave()
        for task in (live.task, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task
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
