"""A private mongod for one run of the tests, in a directory of its own."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

from app.mongo.private import PrivateMongod, find


class RealMongo:
    """Starts at the first use; `missing` says why it can't."""

    def __init__(self) -> None:
        self.binary = find(None)
        self.missing = None if self.binary else "no mongod was found on this machine"
        self._home = Path(tempfile.mkdtemp(prefix="profiles-test-"))
        self._mongod: PrivateMongod | None = None

    async def url(self) -> str:
        """Return the address of the running mongod."""
        if self._mongod is None:
            assert self.binary is not None
            self._mongod = await PrivateMongod.start(self.binary, self._home)
        return self._mongod.url

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._mongod is not None
        return self._mongod.port

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._mongod is not None
        assert self._mongod.pid is not None
        os.kill(self._mongod.pid, number)

    async def kill(self) -> None:
        """Kill it by SIGKILL, and start it on what it left, under the address that it had."""
        assert self._mongod is not None
        before = await self.url()
        self.send(signal.SIGKILL)
        await self._mongod.stop()
        self._mongod = None
        assert await self.url() == before

    async def stop(self) -> None:
        """End it and remove its data."""
        if self._mongod is not None:
            await self._mongod.stop()
        shutil.rmtree(self._home, ignore_errors=True)
