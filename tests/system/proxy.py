"""A line between the service and its database that can be slowed down, held, swallowed and reset."""

import asyncio
import contextlib
import socket
import struct
from typing import Literal

from tests.mongo.real import RealMongo

CHUNK_BYTES = 65_536
# Whoever closes like this sends a reset.
NO_LINGER = struct.pack("ii", 1, 0)

Weather = Literal["fair", "slow", "swallowed", "reset"]


class Proxy:
    """Carries bytes to a mongod as the weather is; a store for `opened`, by the line alone."""

    def __init__(self, real: RealMongo, delay_seconds: float) -> None:
        self.missing = real.missing
        self._real = real
        self._delay_seconds = delay_seconds
        self._weather: Weather = "fair"
        self._server: asyncio.Server | None = None
        self._lines: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._doomed: set[asyncio.StreamWriter] = set()
        self.carried = 0

    async def url(self) -> str:
        """Return the address of the line, behind which no other member is looked for."""
        if self._server is None:
            await self._real.url()
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"mongodb://127.0.0.1:{port}/?directConnection=true"

    def turn(self, weather: Weather) -> None:
        """Change the weather: what was swallowed before is reset, as by a machine that knows nothing of it any more."""
        for writer in self._doomed:
            _reset(writer)
        self._doomed.clear()
        self._weather = weather
        if weather == "reset":
            for writer in self._lines.values():
                _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines[task] = writer
        try:
            await self._carry(reader, writer)
        finally:
            del self._lines[task]
            self._doomed.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather == "reset":
            _reset(writer)
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._real.port)
        ways = [asyncio.create_task(self._copy(*way, writer)) for way in ((reader, back), (there, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        back.close()

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        """Carry one direction until either side ends."""
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if self._weather == "swallowed" or client in self._doomed:
                    self._doomed.add(client)
                    continue
                if self._weather == "slow":
                    await asyncio.sleep(self._delay_seconds)
                self.carried += len(data)
                target.write(data)
                await target.drain()

    async def stop(self) -> None:
        """Close all lines."""
        if self._server is not None:
            self._server.close()
            for writer in self._lines.values():
                writer.transport.abort()
            await asyncio.gather(*self._lines)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        writer.transport.abort()
