"""A real websocket client that follows timelines, on any process of the service."""

import asyncio
import json
from typing import Any

import websockets

from tests.system.process import Served

FOLLOW = """subscription($after: Cursor, $person: PersonLocator) {
  timelineEvents(after: $after, person: $person) { kind cursor event { id } person { externalId } }
}"""


class Follower:
    """A real websocket client."""

    def __init__(self, served: Served, key: str) -> None:
        self._url = served.url.replace("http", "ws") + "/graphql"
        self._key = key
        self.socket: Any = None

    async def begin(self, after: str | None = None, person: str | None = None) -> None:
        """Connect and follow everything, or one person's timeline by external id."""
        self.socket = await websockets.connect(self._url, subprotocols=[websockets.Subprotocol("graphql-transport-ws")])
        await self.socket.send(json.dumps({"type": "connection_init", "payload": {"apiKey": self._key}}))
        await self.socket.recv()
        by = {"externalId": person} if person else None
        payload = {"query": FOLLOW, "variables": {"after": after, "person": by}}
        await self.socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))

    async def next(self) -> dict[str, Any]:
        """Return the next update."""
        async with asyncio.timeout(20):
            message = json.loads(await self.socket.recv())
        assert message["type"] == "next", message
        update: dict[str, Any] = message["payload"]["data"]["timelineEvents"]
        return update
