"""The body of a request: read whole, within its bounds of size and time, and beside all others that come in."""

import asyncio
from collections.abc import Mapping

from starlette.types import Receive

from app.core.errors import Fault

BODY_SECONDS = 30.0
BODIES_BYTES_MAX = 268_435_456
RETRY_SECONDS = 5
LENGTH_DIGITS = 15


class Bodies:
    """The bodies that come in to one process; `held` counts the bytes that are here of those that aren't whole."""

    def __init__(self) -> None:
        self.held = 0

    async def whole(self, headers: Mapping[bytes, bytes], receive: Receive, most_bytes: int) -> bytes:
        """Return a body; raises PAYLOAD_TOO_LARGE, TIMEOUT, BAD_REQUEST where it ends early, and UNAVAILABLE."""
        length = headers.get(b"content-length", b"0")
        # Some more digits than any body has: a number of thousands of them is not even read.
        if length.isdigit() and (len(length) > LENGTH_DIGITS or int(length) > most_bytes):
            raise _too_large(most_bytes)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(receive, body, most_bytes)
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
        return body

    async def _rest(self, receive: Receive, body: bytes, most_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._joined(receive, body, most_bytes)
        except TimeoutError:
            raise Fault("TIMEOUT", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.", status=408) from None

    async def _joined(self, receive: Receive, body: bytes, most_bytes: int) -> bytes:
        parts, size, more = [body], len(body), True
        self.held += size
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Fault("BAD_REQUEST", "The body ended early.", status=400)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self.held += len(parts[-1])
                if size > most_bytes:
                    raise _too_large(most_bytes)
                if self.held > BODIES_BYTES_MAX:
                    words = "Too much is being sent at the moment. Try again."
                    raise Fault("UNAVAILABLE", words, status=503, retryAfter=RETRY_SECONDS)
                more = message.get("more_body", False)
            return b"".join(parts)
        finally:
            self.held -= size


def _too_large(most_bytes: int) -> Fault:
    return Fault("PAYLOAD_TOO_LARGE", f"A request has at most {most_bytes:,} bytes.", status=413)
