"""Serving processes that begin in a fraction of the time: one imports the service once, and forks for each of them.

As a program it reads lines of JSON `{"arguments", "cwd", "env", "out"}`, and writes the process id of each child.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from app import cli
from tests.system.process import ROOT, Served, unwatched

GONE = -signal.SIGKILL


class Child:
    """A process that somebody else has begun, with as much of Popen as `Served` needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """Tell whether it has ended; by what is not known."""
        return None if self._process.is_running() else GONE

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        self._process.wait(timeout)
        return GONE

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)


class Nursery:
    """The process that forks; `born` takes the place of `Served`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._one_at_a_time = threading.Lock()
        nursery = self

        class Born(Served):
            def begin(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> Child:
                return nursery.fork({"arguments": arguments, "cwd": str(cwd), "env": env, "out": str(self.out)})

        self.born: type[Served] = Born

    def fork(self, wanted: dict[str, Any]) -> Child:
        """Have a child begun."""
        assert self._process.stdin
        assert self._process.stdout
        with self._one_at_a_time:
            print(json.dumps(wanted), file=self._process.stdin, flush=True)
            return Child(int(self._process.stdout.readline()))


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run a nursery."""
    command, pipe = [sys.executable, "-m", "tests.system.nursery"], subprocess.PIPE
    env = unwatched(os.environ)
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True) as process:
        yield Nursery(process)


def serve(wanted: dict[str, Any]) -> None:
    """Be the command, with its own environment and place."""
    out = os.open(wanted["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = ["profiles", "serve", *wanted["arguments"]]
    try:
        cli.main()
    finally:
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    """Fork for each line; nobody is waited for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(json.loads(line))
        print(child, flush=True)  # noqa: T201 - told to whoever asked


if __name__ == "__main__":
    main()
