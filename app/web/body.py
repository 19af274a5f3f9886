"""The body of a request: read whole, within its bounds of size and time, and beside all others that come in."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from starlette.types import Receive

from app.core.errors import Fault

BODY_SECONDS = 30.0
BODIES_BYTES_MAX = 268_435_456
# Of these for one key: whoever sends much and slowly, perhaps by a key that any page shows, turns nobody else away.
KEY_BODIES_BYTES_MAX = 67_108_864
RETRY_SECONDS = 5
LENGTH_DIGITS = 15
_MUCH = "sends too much at the moment. Try again."


class Bodies:
    """The bodies that come in to one process; `held` counts by key the bytes that came of those that aren't whole."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()

    async def whole(self, headers: Mapping[bytes, bytes], receive: Receive, most_bytes: int, key: str = "") -> bytes:
        """Return a body that a key sends, "" for one that is not known yet.

        Raises PAYLOAD_TOO_LARGE, TIMEOUT, BAD_REQUEST where it ends early, RATE_LIMITED and UNAVAILABLE.
        """
        length = headers.get(b"content-length", b"0")
        # Some more digits than any body has: a number of thousands of them is not even read.
        if length.isdigit() and (len(length) > LENGTH_DIGITS or int(length) > most_bytes):
            raise _too_large(most_bytes)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(receive, body, most_bytes, key)
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
        return body

    async def _rest(self, receive: Receive, body: bytes, most_bytes: int, key: str) -> bytes:
        parts = [body]
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await self._come(parts, receive, most_bytes, key)
        except TimeoutError:
            raise Fault("TIMEOUT", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.", status=408) from None
        finally:
            self.held[key] -= sum(map(len, parts))
            if not self.held[key]:
                del self.held[key]
        return b"".join(parts)

    async def _come(self, parts: list[bytes], receive: Receive, most_bytes: int, key: str) -> None:
        """Take the other parts of a body as they come."""
        size, more = len(parts[0]), True
        self.held[key] += size
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Fault("BAD_REQUEST", "The body ended early.", status=400)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            self.held[key] += len(parts[-1])
            if size > most_bytes:
                raise _too_large(most_bytes)
            if self.held[key] > KEY_BODIES_BYTES_MAX:
                raise Fault("RATE_LIMITED", f"This key {_MUCH}", status=429, retryAfter=RETRY_SECONDS)
            if self.held.total() > BODIES_BYTES_MAX:
                raise Fault("UNAVAILABLE", f"Everybody together {_MUCH}", status=503, retryAfter=RETRY_SECONDS)
            more = message.get("more_body", False)


def _too_large(most_bytes: int) -> Fault:
    return Fault("PAYLOAD_TOO_LARGE", f"A request has at most {most_bytes:,} bytes.", status=413)
