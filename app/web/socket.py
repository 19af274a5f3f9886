"""GraphQL over websocket: the graphql-transport-ws protocol, with its close codes.

One task per operation; the socket itself only reads. Whatever ends it, everything that runs on it ends with it.
"""

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from app.access import keys
from app.core import chance
from app.core.actor import Actor
from app.core.errors import Fault
from app.graph.operation import Rejected, Request, Stream, rejected
from app.live.seat import AtOnce, Closing, SlowConsumer
from app.live.topic import Frame
from app.web.edge import Edge, Headers, by_name, key_of, request_id
from app.web.frames import EXTENSION, text_frame
from app.web.graphql import read_request

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
OPERATIONS_MAX = 20
MESSAGE_BYTES_MAX = 64 * 1024
# How long a reader who is far behind may take to read on and learn why.
FAREWELL_SECONDS = 60.0
AWAY_BATCH_SOCKETS = 200
AWAY_JITTER_SECONDS = 0.05

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, NO_PROTOCOL = 4400, 4401, 4403, 4406
NO_INIT, SAME_ID, SECOND_INIT = 4408, 4409, 4429
TOO_BIG, TRY_LATER, GOING_AWAY = 1009, 1013, 1001

Write = Callable[[bytes], bool]

log = structlog.get_logger("app.web")


class Closed(Exception):  # noqa: N818 - read as what it says
    """The socket is to be closed with a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """One websocket."""

    def __init__(self, edge: Edge, headers: Headers, receive: Receive, send: Send, write: Write | None = None) -> None:
        self._edge = edge
        self._headers = headers
        self._receive = receive
        self._send = send
        self._write = write
        self._actor: Actor | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._end: Closed | None = None
        self._reading: asyncio.Task[Any] | None = None
        self.request_id = request_id(headers)

    async def serve(self) -> None:
        """Read until either side ends it."""
        self._edge.sockets.add(self)
        self._edge.metrics.sockets.inc()
        leave = None
        code = 0
        try:
            self._actor, leave = await self._admitted()
            self._headers = {}  # an idle socket should hold next to nothing
            await self._text('{"type":"connection_ack"}')
            await self._read_on(self._actor)
        except Closed as closed:
            code = closed.code
            await self._close(closed)
        finally:
            self._edge.left(self)
            self._edge.metrics.sockets.dec()
            if leave is not None:
                leave()
            await self._drop_all()
            log.info("socket_closed", request_id=self.request_id, code=code or None, account=self._account)

    def end(self, code: int, reason: str) -> None:
        """Have the socket closed, from wherever."""
        if self._end is None:
            self._end = Closed(code, reason)
            if self._reading is not None:
                self._reading.cancel()

    @property
    def _account(self) -> str | None:
        return self._actor.account if self._actor else None

    def _revoked(self) -> None:
        self.end(FORBIDDEN, "Forbidden")

    # ------------------------------------------------------------ reading

    async def _admitted(self) -> tuple[Actor, Callable[[], None]]:
        """Wait for connection_init; return who asks, and what ends the watch over the key."""
        try:
            async with asyncio.timeout(INIT_SECONDS):
                while (message := await self._next())["type"] in ("ping", "pong"):
                    await self._pong(message)
        except TimeoutError:
            raise Closed(NO_INIT, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Closed(UNAUTHORIZED, "Unauthorized")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise Closed(BAD_MESSAGE, "The payload of connection_init is an object")
        try:
            actor = await self._edge.access.authenticate(_key(payload or {}) or key_of(self._headers))
            return actor, await self._edge.access.on_revoked(actor.key, self._revoked)
        except Fault as fault:
            if fault.code != "UNAUTHENTICATED":
                raise Closed(TRY_LATER, "Try again later") from fault
            raise Closed(FORBIDDEN, "Forbidden") from fault

    async def _read_on(self, actor: Actor) -> None:
        while True:
            # Not kept in a variable, where it would stay until the next one comes.
            await self._obey(actor, await self._next())

    async def _obey(self, actor: Actor, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "subscribe":
            await self._subscribe(actor, message)
        elif kind == "complete":
            task = self._tasks.pop(_id(message), None)
            if task is not None:
                task.cancel()
        elif kind in ("ping", "pong"):
            await self._pong(message)
        elif kind == "connection_init":
            raise Closed(SECOND_INIT, "Too many initialisation requests")
        else:
            raise Closed(BAD_MESSAGE, "Unknown message type")

    async def _next(self) -> dict[str, Any]:
        """Return the next message; raises Closed for what is none, and when the socket is to end."""
        event = await self._received()
        if event["type"] == "websocket.disconnect":
            raise Closed(0, "gone")
        text = event.get("text")
        if text is None:
            raise Closed(BAD_MESSAGE, "Messages are text")
        if len(text) > MESSAGE_BYTES_MAX or len(text.encode()) > MESSAGE_BYTES_MAX:
            raise Closed(TOO_BIG, "A message has at most 64 KiB")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Closed(BAD_MESSAGE, "Messages are JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(BAD_MESSAGE, "A message is an object with a type")
        return message

    async def _received(self) -> MutableMapping[str, Any]:
        """Return the next event. `end` interrupts the wait for it, which costs no task of its own for each socket."""
        if self._end is not None:
            raise self._end
        self._reading = task = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            # Whoever else cancels this task means it.
            if self._end is None or task is None or task.uncancel():
                raise
            raise self._end from None
        finally:
            self._reading = None

    async def _pong(self, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            answer = {"type": "pong", **({"payload": message["payload"]} if "payload" in message else {})}
            await self._tell(answer)

    # ------------------------------------------------------------ operations

    async def _subscribe(self, actor: Actor, message: dict[str, Any]) -> None:
        operation_id = _id(message)
        if operation_id in self._tasks:
            raise Closed(SAME_ID, f"Subscriber for {operation_id[:40]} already exists")
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise Closed(BAD_MESSAGE, "The payload of subscribe is an object")
        try:
            if len(self._tasks) >= OPERATIONS_MAX:
                message_ = f"A socket carries at most {OPERATIONS_MAX} operations at once."
                raise rejected(Fault("RATE_LIMITED", message_, status=429))
            request = read_request(payload)
        except Rejected as refusal:
            await self._tell({"id": operation_id, "type": "error", "payload": refusal.errors})
            return
        task = asyncio.create_task(self._operate(actor, operation_id, request))
        self._tasks[operation_id] = task
        task.add_done_callback(lambda done: self._done(operation_id, done))

    def _done(self, operation_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(operation_id) is task:
            del self._tasks[operation_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The client is gone in the middle of a message; the reader learns it as well.
            log.info("socket_operation_ended", request_id=self.request_id, error=type(error).__name__)

    async def _operate(self, actor: Actor, operation_id: str, request: Request) -> None:
        shown, tally = orjson.dumps(operation_id).decode(), self._edge.sight.begin(self._headers, self.request_id)
        tally.account, tally.query = actor.account, request.query
        try:
            ready = self._edge.operations.prepare(actor, request)
            # Another one's text of the same words is kept anyway.
            tally.query, tally.cost = ready.document.text, ready.cost
            tally.kind, tally.name = ready.operation.kind, ready.operation.name
            del request  # what was sent is known by now, and this may run for days
            if ready.operation.kind == "subscription":
                before = f'{{"id":{shown},"type":"next","payload":'
                at_once = None if self._write is None else _at_once(before, self._write)
                stream = await self._edge.operations.stream(actor, ready, self.request_id, self._slow, at_once)
                self._edge.sight.end(tally, 200, ())
                await self._stream(before, stream, ready.operation.name)
            else:
                answer = await self._edge.operations.run(actor, ready, self.request_id)
                self._edge.sight.end(tally, answer.status, answer.codes)
                payload = answer.body.decode()
                kind, body = ("next", payload) if answer.ran else ("error", _errors(payload))
                await self._text(f'{{"id":{shown},"type":"{kind}","payload":{body}}}')
                if not answer.ran:
                    return
        except Rejected as refusal:
            self._edge.sight.end(tally, refusal.status, refusal.codes)
            await self._tell({"id": operation_id, "type": "error", "payload": refusal.errors})
            return
        self._tasks.pop(operation_id, None)  # its id is free before the client can know
        await self._text(f'{{"id":{shown},"type":"complete"}}')

    async def _stream(self, before: str, stream: Stream, name: str | None) -> None:
        log.info("stream_started", request_id=self.request_id, account=self._account, operation=name)
        self._edge.metrics.streams.inc()
        try:
            async with aclosing(stream.payloads) as payloads:
                async for payload in payloads:
                    await self._text(before + payload + "}")
        except SlowConsumer as slow:
            self.end(TRY_LATER, "Too far behind")
            fault = Fault("SLOW_CONSUMER", "Too far behind: subscribe again.", cursor=stream.seal(slow.token))
            raise rejected(fault) from slow
        except Closing:
            self.end(GOING_AWAY, "Going away")
            raise asyncio.CancelledError from None
        except Fault as fault:
            raise rejected(fault) from fault
        finally:
            self._edge.metrics.streams.dec()

    def _slow(self, _: SlowConsumer) -> None:
        self.end(TRY_LATER, "Too far behind")

    # ------------------------------------------------------------ writing

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._text(orjson.dumps(message).decode())

    async def _text(self, text: str) -> None:
        await self._give({"type": "websocket.send", "text": text})

    async def _give(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except RuntimeError:
            # The server has closed it meanwhile, for a frame that is none.
            raise Closed(0, "gone") from None

    async def _close(self, closed: Closed) -> None:
        if not closed.code:
            return
        if closed.code == TRY_LATER:
            # Its operations have something to say first, if the client reads at all.
            await self._linger()
        await self._drop_all()
        with suppress(TimeoutError, OSError, Closed):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._give({"type": "websocket.close", "code": closed.code, "reason": closed.reason})

    async def _linger(self) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=1.0)

    async def _drop_all(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise Closed(BAD_MESSAGE, "A message of an operation has an id")
    return operation_id


def _at_once(before: str, write: Write) -> AtOnce:
    """Return what writes frames straight to the client; equal ones are encoded once for all sockets."""

    def take(frame: Frame) -> bool:
        data = frame.encoded.get(before)
        if data is None:
            whole = (text_frame(f"{before}{payload}}}".encode()) for payload in frame.payloads)
            data = frame.encoded[before] = b"".join(whole)
        return write(data) if data else True

    return take


def _errors(payload: str) -> str:
    return orjson.dumps(orjson.loads(payload)["errors"]).decode()


def _key(payload: dict[str, Any]) -> str | None:
    """Return the key of connection_init: at top level or under `headers`, where GraphiQL puts its header editor."""
    inner = payload.get("headers")
    for place in (payload, inner if isinstance(inner, dict) else {}):
        for name, value in place.items():
            if isinstance(value, str) and name.lower() in ("authorization", "apikey"):
                return keys.bare(value) or (value.strip() if name.lower() == "apikey" else None)
    return None


async def serve(edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
    """Open one websocket, where its origin may come in and it speaks our protocol."""
    headers = by_name(scope["headers"])
    await receive()  # websocket.connect
    if not edge.ready or not edge.welcomes(headers):
        await send({"type": "websocket.close", "code": 1008})
        return
    if PROTOCOL not in scope.get("subprotocols", ()):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": NO_PROTOCOL, "reason": "Subprotocol not acceptable"})
        return
    await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
    write = scope.get("extensions", {}).get(EXTENSION)
    await Socket(edge, headers, receive, send, write).serve()


async def send_away(sockets: Iterable[object]) -> None:
    """Close sockets with 1001, in batches, so that their clients don't all come back at once."""
    left = [one for one in sockets if isinstance(one, Socket)]
    chance.shuffle(left)
    for start in range(0, len(left), AWAY_BATCH_SOCKETS):
        for socket in left[start : start + AWAY_BATCH_SOCKETS]:
            socket.end(GOING_AWAY, "Going away")
        await asyncio.sleep(chance.part(AWAY_JITTER_SECONDS))
