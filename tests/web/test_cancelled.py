"""A request that the stopping process waits for no longer is answered, by a code, whatever it waits for."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest

from tests.api import Api


@pytest.mark.parametrize("path", ["/graphql", "/v1/batch"])
async def test_what_is_waited_for_no_longer_is_unavailable(api: Api, path: str) -> None:
    """W its task is cancelled T 503 with the code, as while the database is away."""
    sent: list[MutableMapping[str, Any]] = []
    reading = asyncio.Event()

    async def receive() -> dict[str, Any]:
        reading.set()
        await asyncio.Event().wait()
        return {}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api.key}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    request = asyncio.create_task(api.service.app(scope, receive, send))
    await reading.wait()
    request.cancel()
    await request
    told = orjson.loads(sent[1]["body"])
    code = told["errors"][0]["extensions"]["code"] if path == "/graphql" else told["code"]
    assert (sent[0]["status"], code) == (503, "UNAVAILABLE")
