"""A caller on one connection that is kept: it knows of each request when it was sent, and what became of it."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.system.process import Served


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; `status` 0 where there came none, `last` where the answer ends the connection."""

    name: str
    sent: float
    status: int = 0
    last: bool = False
    body: Any = None


class Caller:
    """Asks on one connection until the other side closes it."""

    def __init__(self, served: Served, key: str) -> None:
        self._place = urlsplit(served.url)
        self._key = key
        self.exchanges: list[Exchange] = []

    async def connect(self) -> None:
        """Open the connection; raises ConnectionRefusedError where nobody listens any more."""
        self._reader, self._writer = await asyncio.open_connection(self._place.hostname, self._place.port)

    async def ask(self, name: str, query: str, variables: dict[str, Any]) -> bool:
        """Ask; tell whether the connection is still good. What came back is kept."""
        if self._reader.at_eof():
            return False
        sent = time.monotonic()
        try:
            self._writer.write(self._request({"query": query, "variables": variables}))
            exchange = await self._answer(name, sent)
        except (ConnectionError, asyncio.IncompleteReadError):
            exchange = Exchange(name, sent)
        self.exchanges.append(exchange)
        return exchange.status != 0 and not exchange.last

    def _request(self, given: Any) -> bytes:
        body = json.dumps(given).encode()
        lines = [
            "POST /graphql HTTP/1.1",
            f"Host: {self._place.netloc}",
            f"Authorization: Bearer {self._key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _answer(self, name: str, sent: float) -> Exchange:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = json.loads(await self._reader.readexactly(int(headers["content-length"])))
        return Exchange(name, sent, int(head[0].split()[1]), headers.get("connection") == "close", body)

    async def close(self) -> None:
        """Leave."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
