"""One HTTP connection: uvicorn's own, which waits for no request for ever and takes no headers without end.

A whole answer is written at once where an application takes `WHOLE` from its scope, else as ASGI says. A small request
is shown to the application once it is here whole: see `App.at_once`; one with the headers of the one before: `_again`.
"""

import asyncio
import re
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.web.answers import WHOLE, Header, rendered
from app.web.app import PATH
from app.web.asker import Asker
from app.web.files import UPLOADS

HEADER_BYTES_MAX = 65_536
# From the first byte of a request to its last; and from the opening of a connection to its first byte. Of an upload
# that is read it is the time from one byte to the next: a file of a phone takes minutes.
ARRIVAL_SECONDS = 45.0
# Larger requests have a task in any case.
AT_ONCE_BYTES_MAX = 16_384
# Longer headers are parsed each time.
SAME_HEAD_BYTES_MAX = 4096
_END = b"\r\n\r\n"
_SIZE = re.compile(rb"\r\ncontent-length:[ ]?([0-9]+)\r\n", re.IGNORECASE)
_SIZE_DIGITS = 5
_TOO_LARGE = 431
_CLOSE = (b"connection", b"close")
# What clients offer beside a request that they send anyway, as that of Java does; not where its line goes on.
_OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n[^ \t])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Head:
    """Headers of a request, as bytes before and behind the digits of its size, and what they say of who asks."""

    before: bytes
    behind: bytes
    asker: Asker


class Connection(HttpToolsProtocol):
    """`since` is when what is awaited was begun, 0 where nothing is; `heading` while its headers are not whole.

    `patient`: its body may take long.
    """

    since = 0.0
    heading = True
    patient = False
    # Of headers that are not whole: how many bytes were here, and the last of them.
    _header_bytes = 0
    _last_bytes = b""
    # A request of which more is hoped for in the bytes that are being read.
    _held: RequestResponseCycle | None = None
    # The one that is answered now: those behind it on the connection wait.
    _running: RequestResponseCycle | None = None
    _reading = False
    # How many requests have come in whole.
    _whole = 0
    # Who asks by the request that was shown to the application in this piece; and the headers that are known.
    _asked: Asker | None = None
    _head: _Head | None = None
    # A request that `_again` took is being answered, and what has come behind it; when one was answered last.
    _answering = False
    _behind = b""
    _answered_at = 0.0
    # The headers of every answer of this process, whether they end the connection, and the same as lines.
    _defaults: ClassVar[tuple[Any, bool, bytes]] = (None, False, b"")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what holds on to this; whoever is being answered is told, for nothing can be written any more."""
        if self.scope is not None:
            self.scope.pop("extensions", None)
        for cycle in (self._running, *(one for one, _ in self.pipeline)):
            if cycle is not None:
                cycle.disconnected = True
                cycle.on_response = _nothing
                cycle.message_event.set()
        self.pipeline.clear()
        self._running = self._held = self._asked = self._head = None
        self._behind = b""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Take bytes; headers that don't end within HEADER_BYTES_MAX are not even looked through."""
        if self._answering:
            # Its turn comes behind the one that is answered.
            self._behind += data
            self.flow.pause_reading()
            return
        # Whether a request begins with this piece.
        fresh = not self.since or self.scope is None
        if fresh and self._head is not None and self._again(self._head, data):
            return
        if fresh and (b"h2c" in data or b"H2C" in data):
            data = _without_offer(data)
        heading, whole, self._asked = self.heading, self._whole, None
        if heading and self._header_bytes + len(data) > HEADER_BYTES_MAX and self._endless(data):
            self._refuse()
            return
        self._reading = True
        super().data_received(data)
        self._reading = False
        if self._held is not None:
            self._let_go()
        if self.patient and self.since and not self.cycle.response_complete:
            self.since = self.loop.time()
        if fresh and self._asked is not None:
            self._head = self._same(data, self._asked)
        if self.timeout_keep_alive_task is None and not self.since and self._idle():
            # Empty lines between requests are none.
            self._keep(self.timeout_keep_alive)
        # Only what began in headers and ended in the same ones is nothing else.
        if heading and self.heading and whole == self._whole:
            self._header_bytes += len(data)
            self._last_bytes = (self._last_bytes + data[-3:])[-3:]

    def _idle(self) -> bool:
        """Tell whether a connection that is no websocket has nothing under way behind an answer."""
        return self.cycle is not None and self.cycle.response_complete and self in self.connections

    def _endless(self, data: bytes) -> bool:
        """Tell whether headers don't end within HEADER_BYTES_MAX; `data` is a piece of them, which goes beyond that."""
        return (self._last_bytes + data[: HEADER_BYTES_MAX - self._header_bytes]).find(_END) < 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Begin its body; the application, which begins in the next turn of the loop, is told what it can do here."""
        self.heading = False
        self._header_bytes, self._last_bytes = 0, b""
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._should_upgrade():
            # What comes behind is of a protocol that isn't spoken here: this answer is the last.
            self.cycle.keep_alive = False
        scope = self.scope
        self.patient = scope.get("path") == UPLOADS
        if scope["method"] != "HEAD":
            # Nothing here may name the request itself: what it holds would wait for the collector.
            extensions: dict[str, Any] = {WHOLE: self.write_whole}
            scope["extensions"] = extensions

    def handle_websocket_upgrade(self) -> None:
        """Begin a websocket; none where requests before it have no answer yet, which would be written into it."""
        if self.cycle is None or self.cycle.response_complete:
            super().handle_websocket_upgrade()
        else:
            self.transport.close()

    def on_message_complete(self) -> None:
        """End it: the next one begins with headers."""
        self.since, self.heading, self.patient = 0.0, True, False
        self._whole += 1
        super().on_message_complete()
        if self._held is not None:
            self._let_go()

    def _start_asgi_task(self, cycle: RequestResponseCycle, _app: Any) -> None:
        """Have the application begin, once the request is whole where it will be at once."""
        self._running = self._held = cycle
        if not (self._reading and cycle.more_body) or cycle.waiting_for_100_continue:
            self._let_go()

    def _let_go(self) -> None:
        """Have the application begin with the request as it is here."""
        cycle, self._held = self._held, None
        assert cycle is not None  # noqa: S101 - its callers looked
        small = not cycle.more_body and len(cycle.body) <= AT_ONCE_BYTES_MAX
        if not (small and cycle.scope["path"] == PATH and cycle.scope["method"] == "POST" and self._at_once(cycle)):
            super()._start_asgi_task(cycle, self.app)

    def _at_once(self, cycle: RequestResponseCycle) -> bool:
        begin: Any = getattr(self.app, "at_once", None)
        if begin is None:
            return False
        self._asked = self.app.asker(cycle.scope["headers"])
        return self._begun(begin(self._asked, cycle.body, self.reply))

    def _begun(self, begun: bool | Coroutine[Any, Any, None]) -> bool:  # noqa: FBT001 - what the application said
        """Have the task of an answer begin, where it needs one; tells whether the application answers at all."""
        if not isinstance(begun, bool):
            task = self.loop.create_task(begun)
            self.tasks.add(task)
            task.add_done_callback(self._ended)
        return begun is not False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Close the connection where an answer has not been written: nobody is to wait for it."""
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.logger.error("An answer was not written.", exc_info=error)
        if task.cancelled() or error is not None:
            self.transport.close()

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """Write the answer to the parsed request that is answered now, as soon as the connection takes it."""
        cycle = self._running
        if cycle is None or cycle.response_started:
            return
        if self.flow.write_paused:
            self._begun(self._drained(cycle, status, lines, body))
        else:
            self._write_whole(cycle, status, lines, body)

    async def _drained(self, cycle: RequestResponseCycle, status: int, lines: bytes, body: bytes) -> None:
        await self.flow.drain()
        self._write_whole(cycle, status, lines, body)

    # ------------------------------------------------------------ the same headers again

    def _same(self, data: bytes, asked: Asker) -> _Head | None:
        """Return the headers of a request that came in one piece, None where they have to be parsed each time."""
        end = data.find(_END) + len(_END)
        usual = end <= SAME_HEAD_BYTES_MAX and b"upgrade" not in asked.headers
        size = _SIZE.search(data, 0, end) if usual else None
        return _Head(data[: size.start(1)], data[size.end(1) : end], asked) if size is not None else None

    def _again(self, head: _Head, data: bytes) -> bool:
        """Take one whole request with headers that are known; False, and nothing done, where it isn't that."""
        at = len(head.before)
        end = data.find(b"\r", at, at + _SIZE_DIGITS + 1)
        if end < 0 or not (data.startswith(head.before) and data.startswith(head.behind, end)):
            return False
        size, body = data[at:end], data[end + len(head.behind) :]
        if not size.isdigit() or int(size) != len(body) or len(body) > AT_ONCE_BYTES_MAX:
            return False
        if not self.cycle.response_complete or self.flow.write_paused:
            return False
        self._answering = True
        if not self._begun(self.app.at_once(head.asker, body, self._answered)):
            self._answering = False
            return False
        return True

    def _answered(self, status: int, lines: bytes, body: bytes) -> None:
        """Write the answer to the request that `_again` took, and go on with what came behind it."""
        self._answering = False
        if self.transport.is_closing():
            return
        last = self._write(self.server_state.default_headers, status, lines, body)
        self._answered_at = self.loop.time()
        if self._behind and not last:
            data, self._behind = self._behind, b""
            self.flow.resume_reading()
            self.data_received(data)

    def shutdown(self) -> None:
        """Close the connection, behind what is answered now; that its answer is the last is said in it."""
        if not self._answering:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for so long; what `_again` took has set no timer."""
        idle = 0.0 if self._answering else self.loop.time() - self._answered_at
        if idle >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        else:
            self._keep(self.timeout_keep_alive - idle)

    def _keep(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    # ------------------------------------------------------------ writing

    @classmethod
    def _every_answer(cls, headers: list[Header]) -> tuple[bool, bytes]:
        """Tell whether the headers of every answer end the connection, and return their lines; they change rarely."""
        if cls._defaults[0] is not headers:
            cls._defaults = (headers, _CLOSE in headers, rendered(headers))
        return cls._defaults[1:]

    def write_whole(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Write a whole answer as one piece; False, and nothing written, where ASGI's own way has to be gone.

        The headers are ours: no value of them has ends of lines, and `content-length` is among them.
        """
        cycle = self._running
        if cycle is None or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        self._write_whole(cycle, status, rendered(headers), body)
        return True

    def _write_whole(self, cycle: RequestResponseCycle, status: int, lines: bytes, body: bytes) -> None:
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        # The headers are those of when it was asked for.
        self._write(cycle.default_headers, status, lines, body, kept=cycle.keep_alive)
        cycle.message_event.set()
        cycle.on_response()
        cycle.on_response = _nothing

    def _write(self, headers: list[Header], status: int, lines: bytes, body: bytes, *, kept: bool = True) -> bool:
        """Write an answer with the `headers` of every answer; tells whether it was the last, and closes behind that."""
        closes, defaults = self._every_answer(headers)
        if not (kept or closes):
            lines += b"connection: close\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], defaults, lines, b"\r\n", body)))
        if closes or not kept:
            self.transport.close()
        return closes or not kept

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._write(self.server_state.default_headers, _TOO_LARGE, b"content-length: 0\r\n", b"", kept=False)
        self.transport.close()


def _without_offer(data: bytes) -> bytes:
    """Return a request without its offer to speak HTTP/2 instead: with that the parser takes no body."""
    end = data.find(_END) + len(_END)
    return _OFFER.sub(b"", data[:end], count=1) + data[end:] if end >= len(_END) else data


def _nothing() -> None:
    """Stand for what has been done: it held on to the connection."""


def close_overdue(connections: Iterable[object], now: float) -> None:
    """Close those on which something is awaited for longer than ARRIVAL_SECONDS."""
    for one in list(connections):
        if isinstance(one, Connection) and one.since and now - one.since > ARRIVAL_SECONDS:
            one.transport.close()
