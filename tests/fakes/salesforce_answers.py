"""Answers of the fake Salesforce: JSON, and those that a client can't read to their end."""

from typing import Any

import orjson
from starlette.responses import Response

from tests.fakes.serving import gone, hang_up


class JSON(Response):
    """JSON as Salesforce sends it."""

    media_type = "application/json;charset=UTF-8"

    def render(self, content: Any) -> bytes:
        """Return the bytes of a body."""
        return b"" if content is None else orjson.dumps(content)


def refusal(status: int, code: str, message: str, *fields: str) -> Response:
    """Return an error."""
    return JSON([{"message": message, "errorCode": code, **({"fields": list(fields)} if fields else {})}], status)


class Broken(Response):
    """The connection breaks before a byte of the answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI
        """Break it."""
        await hang_up(scope, receive)


class HalfOpen(Response):
    """The connection hangs behind half of a body, until the client goes away."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI
        """Send the half, and hang."""
        headers = [*self.raw_headers]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await gone(receive)
