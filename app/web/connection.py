"""One HTTP connection: uvicorn's own, which waits for no request for ever and takes no headers without end.

And two things more. An answer that is whole is written at once: an application finds `WHOLE` in its scope where it is
served so; everywhere else it sends as ASGI says. And a small request is shown to the application once it is here whole,
for many can be answered without a task: see `App.at_once`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.web.answers import WHOLE, Header, send_whole, size
from app.web.app import PATH
from app.web.files import UPLOADS

HEADER_BYTES_MAX = 65_536
# From the first byte of a request to its last; and from the opening of a connection to its first byte. Of an upload
# that is read it is the time from one byte to the next: a file of a phone takes minutes.
ARRIVAL_SECONDS = 45.0
# Larger requests have a task in any case.
AT_ONCE_BYTES_MAX = 16_384
_END = b"\r\n\r\n"
_TOO_LARGE = 431
_CLOSE = (b"connection", b"close")


class Connection(HttpToolsProtocol):
    """`since` is when what is awaited was begun, 0 where nothing is; `heading` while its headers are not whole.

    `patient`: its body may take long.
    """

    since = 0.0
    heading = True
    patient = False
    _header_bytes = 0
    # A request of which more is hoped for in the bytes that are being read.
    _held: RequestResponseCycle | None = None
    # The one that is answered now: those behind it on the connection wait.
    _running: RequestResponseCycle | None = None
    _reading = False
    # How many requests have come in whole.
    _whole = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what holds on to this."""
        if self.scope is not None:
            self.scope.pop("extensions", None)
        self._running = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; headers that don't end within HEADER_BYTES_MAX are not even looked through."""
        heading, whole = self.heading, self._whole
        if heading and len(data) > HEADER_BYTES_MAX and data.find(_END, 0, HEADER_BYTES_MAX) < 0:
            self._refuse()
            return
        self._reading = True
        super().data_received(data)
        self._reading = False
        if self._held is not None:
            self._let_go()
        if self.patient and self.since and not self.cycle.response_complete:
            self.since = self.loop.time()
        # Only what began in headers and ended in the same ones is nothing else.
        if heading and self.heading and whole == self._whole:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX:
                self._refuse()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.since = self.loop.time()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Begin its body; the application, which begins in the next turn of the loop, is told what it can do here."""
        self.heading = False
        super().on_headers_complete()
        scope = self.scope
        self.patient = scope.get("path") == UPLOADS
        if scope["method"] != "HEAD":
            # Nothing here may name the request itself: what it holds would wait for the collector.
            extensions: dict[str, Any] = {WHOLE: self.write_whole}
            scope["extensions"] = extensions

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
        return begin is not None and begin(cycle.scope, cycle.body, self.reply)

    def reply(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Write the answer to the request that is answered now, as soon as the connection takes it."""
        sized, cycle = [*headers, size(body)], self._running
        if cycle is not None and not self.write_whole(status, sized, body):
            task = self.loop.create_task(send_whole({}, cycle.send, status, headers, body))  # type: ignore[arg-type]
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def write_whole(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Write a whole answer as one piece; False, and nothing written, where ASGI's own way has to be gone.

        The headers are ours: no value of them has ends of lines, and `content-length` is among them.
        """
        cycle = self._running
        if cycle is None or cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        defaults = cycle.default_headers
        last = not cycle.keep_alive or _CLOSE in defaults
        lines = [b"%b: %b\r\n" % header for header in (*defaults, *headers)]
        if last and _CLOSE not in defaults:
            lines.append(b"connection: close\r\n")
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        cycle.message_event.set()
        if last:
            self.transport.close()
        cycle.on_response()
        cycle.on_response = _nothing
        return True

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            named = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
            more = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"".join([STATUS_LINE[_TOO_LARGE], *named, more]))
        self.transport.close()


def _nothing() -> None:
    """Stand for what has been done: it held on to the connection."""


def close_overdue(connections: Iterable[object], now: float) -> None:
    """Close those on which something is awaited for longer than ARRIVAL_SECONDS."""
    for one in list(connections):
        if isinstance(one, Connection) and one.since and now - one.since > ARRIVAL_SECONDS:
            one.transport.close()
