"""One HTTP connection: uvicorn's own, which waits for no request for ever and takes no headers without end."""

import asyncio
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.web.files import UPLOADS

HEADER_BYTES_MAX = 65_536
# From the first byte of a request to its last; and from the opening of a connection to its first byte. Of an upload
# that is read it is the time from one byte to the next: a file of a phone takes minutes.
ARRIVAL_SECONDS = 45.0
_END = b"\r\n\r\n"
_TOO_LARGE = 431


class Connection(HttpToolsProtocol):
    """`since` is when what is awaited was begun, 0 where nothing is; `heading` while its headers are not whole.

    `patient`: its body may take long.
    """

    since = 0.0
    heading = True
    patient = False
    _header_bytes = 0
    # How many requests have come in whole.
    _whole = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take bytes; headers that don't end within HEADER_BYTES_MAX are not even looked through."""
        heading, whole = self.heading, self._whole
        if heading and len(data) > HEADER_BYTES_MAX and data.find(_END, 0, HEADER_BYTES_MAX) < 0:
            self._refuse()
            return
        super().data_received(data)
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
        """Begin its body."""
        self.heading = False
        super().on_headers_complete()
        self.patient = self.scope.get("path") == UPLOADS

    def on_message_complete(self) -> None:
        """End it: the next one begins with headers."""
        self.since, self.heading, self.patient = 0.0, True, False
        self._whole += 1
        super().on_message_complete()

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            named = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
            more = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"".join([STATUS_LINE[_TOO_LARGE], *named, more]))
        self.transport.close()


def close_overdue(connections: Iterable[object], now: float) -> None:
    """Close those on which something is awaited for longer than ARRIVAL_SECONDS."""
    for one in list(connections):
        if isinstance(one, Connection) and one.since and now - one.since > ARRIVAL_SECONDS:
            one.transport.close()
