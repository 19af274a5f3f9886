"""The service as a process: started by its command, asked over the network, ended by signals."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.system.nursery import nursery

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
POLL_SECONDS = 0.02


class Process(Protocol):
    """What a test does with a process."""

    @property
    def pid(self) -> int:
        """Return its id."""
        ...

    def poll(self) -> int | None:
        """Return its status, None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the status."""
        ...

    def kill(self) -> None:
        """Kill it."""
        ...

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""
        ...


def environment(**settings: str) -> dict[str, str]:
    """Return the environment without settings of whoever runs the tests, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROFILES_")}
    path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return {**kept, **path, **{f"PROFILES_{name.upper()}": value for name, value in settings.items()}}


def profiles(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    home = Path(tempfile.mkdtemp(prefix="profiles-command-"))
    env, said = environment(**settings), [home / "out", home / "err"]
    process = nursery().begin(list(arguments), cwd, env, *said)
    try:
        status = process.wait(SECONDS)
        out, err = [one.read_text(errors="replace") for one in said]
    finally:
        process.kill()
        shutil.rmtree(home)
    return subprocess.CompletedProcess(arguments, status, out, err)


class Served:
    """One serving process; `url` is there once it can serve."""

    def __init__(self, cwd: Path, *arguments: str, **settings: str) -> None:
        self.out = cwd / f"serve-{time.monotonic_ns()}.log"
        env = environment(**{"log": "json", **settings})
        self.out.touch()
        self.process: Process = self.begin(["--port", "0", *arguments], cwd, env)
        self.url = self.wait_for(r"GraphiQL +(http://\S+)/graphql\n(?s:.*)Data .*\n")
        found = re.search(r"Admin key +(\S+)", self.text()) or re.search(r"()", "")
        self.key = (found[1] if found else "") or settings.get("admin_key", "")

    def begin(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> Process:
        """Begin the command."""
        return nursery().begin(["serve", *arguments], cwd, env, self.out, self.out)

    def text(self) -> str:
        """Return all that it said."""
        return self.out.read_text(errors="replace")

    def wait_for(self, pattern: str) -> str:
        """Return the first group of what it says, once it does."""
        until = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.text())):
            if self.process.poll() is not None or time.monotonic() > until:
                self.end(signal.SIGKILL)
                raise AssertionError(f"did not say {pattern!r}:\n{self.text()}")
            time.sleep(POLL_SECONDS)
        return found[1]

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the one root field's value."""
        response = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=SECONDS,
        )
        answer = response.json()
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=SECONDS)
