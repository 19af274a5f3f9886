"""Websockets as uvicorn serves them, and one thing more: whole frames can be written at once, without a task or a copy.

An application finds `EXTENSION` in its scope where it is served so; everywhere else it sends as ASGI says.
"""

import asyncio
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from app.web.answers import rendered

EXTENSION = "profiles.frame"
_FINAL_TEXT = 0x81
_BAD_REQUEST = 400
_SHORT_BYTES, _MIDDLE_BYTES = 125, 0xFFFF


def text_frame(payload: bytes) -> bytes:
    """Return a server's frame of a whole text message (RFC 6455, 5.2)."""
    size = len(payload)
    if size <= _SHORT_BYTES:
        return struct.pack("!BB", _FINAL_TEXT, size) + payload
    if size <= _MIDDLE_BYTES:
        return struct.pack("!BBH", _FINAL_TEXT, 126, size) + payload
    return struct.pack("!BBQ", _FINAL_TEXT, 127, size) + payload


class Frames(WebSocketsSansIOProtocol):
    """One websocket of uvicorn. `full` tells that its client has yet to read what was written before."""

    full = False

    def data_received(self, data: bytes) -> None:
        """Take bytes; a handshake that can't be read, such as one with a body, is refused: nobody else answers it."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse()

    def _refuse(self) -> None:
        """Say why, where the parser does, as of headers that are too long; and close."""
        nothing = b"content-length: 0\r\nconnection: close\r\n\r\n"
        told = b"".join(self.conn.data_to_send())
        self.transport.write(told or STATUS_LINE[_BAD_REQUEST] + rendered(self.default_headers) + nothing)
        self.transport.close()

    def shutdown(self) -> None:
        """Say that this end goes. Nothing can be said once a connection closes: to try would end the whole stop."""
        if self.transport.is_closing():
            self.stop_keepalive()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Take no more frames at once."""
        self.full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Take frames again. A ping that waits to be read among them isn't answered in time: another one is sent."""
        self.full = False
        if self.pong_timer is not None:
            self.pong_timer.cancel()
            self.pong_timer = None
            self.schedule_ping()
        super().resume_writing()

    def handle_connect(self, event: Request) -> None:
        """Tell the application, which begins in the next turn of the loop, what it can do here."""
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self.write_frames

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Break off with a client that still doesn't read when the application is done waiting for it."""
        super().on_task_complete(task)
        if self.full:
            self.transport.abort()

    def write_frames(self, data: bytes) -> bool:
        """Write whole frames now; False, and nothing written, where it can't take them."""
        if self.full or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def start_keepalive(self) -> None:
        """Let go of the handshake: it is over, and an idle socket should hold next to nothing."""
        del self.request, self.response
        super().start_keepalive()

    def keepalive_timeout(self) -> None:
        """Close a connection that doesn't answer, but leave one that is full to those who fill it.

        Who reads nothing sees no ping. How long somebody may stay behind is the hub's to say, with a cursor to come
        back with.
        """
        if not self.full:
            super().keepalive_timeout()
        else:
            self.pong_timer = None
            self.schedule_ping()
