"""Processes of the command line that begin in a fraction of the time: one imports the service once, and forks each.

As a program it reads lines of JSON (`Wanted`), writes the process id of each child, and puts the status of each that
has ended into the file that was named for it.
"""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from functools import cache
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
POLL_SECONDS = 0.02
STOP_SECONDS = 10.0


class Wanted(TypedDict):
    """A command, where it runs, and the files for what it says and how it ends."""

    arguments: list[str]
    cwd: str
    env: dict[str, str]
    out: str
    err: str
    status: str


class Child:
    """A process that the nursery has begun, with as much of Popen as the tests need."""

    def __init__(self, pid: int, status: Path) -> None:
        self.pid = pid
        self._status = status

    def poll(self) -> int | None:
        """Return its status, None while it runs."""
        return int(self._status.read_text()) if self._status.exists() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the status."""
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and timeout is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(POLL_SECONDS)
        return status

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """The process that forks; there is one for each process of the tests, see `nursery`."""

    def __init__(self) -> None:
        command, pipe = [sys.executable, "-m", "tests.system.nursery"], subprocess.PIPE
        # What it imports is measured where it is tested; each child measures itself.
        env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True)
        self._one_at_a_time = threading.Lock()
        self._count = 0

    def begin(self, arguments: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> Child:
        """Begin a command; both files may be the same, and are added to."""
        assert self._process.stdin
        assert self._process.stdout
        with self._one_at_a_time:
            self._count += 1
            status = out.with_name(f"{out.name}.{self._count}.status")
            wanted = Wanted(arguments=arguments, cwd=str(cwd), env=env, out=str(out), err=str(err), status=str(status))
            print(json.dumps(wanted), file=self._process.stdin, flush=True)
            return Child(int(self._process.stdout.readline()), status)

    def end(self) -> None:
        """End it; its children are none of its own any more."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS)
        self._process.stdout.close()


@cache
def nursery() -> Nursery:
    """Return the nursery, begun at the first use and ended with this process."""
    begun = Nursery()
    atexit.register(begun.end)
    return begun


# ------------------------------------------------------------ the program


def carry_out(wanted: Wanted) -> None:
    """Be the command, with its own environment and place, and end as it would."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    files = [os.open(wanted[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("out", "err")]
    for number, file in enumerate([nothing, *files]):
        os.dup2(file, number)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = ["profiles", *wanted["arguments"]]
    watching = coverage.process_startup(force=True)
    status = ended_by()
    sys.stdout.flush()
    sys.stderr.flush()
    if watching is not None:
        watching.stop()
        watching.save()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def ended_by() -> int:
    """Return the status of the command, as Python ends with it."""
    try:
        cli.main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001 - as Python does
        traceback.print_exc()
        return 1
    return 0


def reap(files: dict[int, str]) -> None:
    """Write down how children have ended, each whole or not at all."""
    while files:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        place = Path(files.pop(pid))
        if place.parent.is_dir():
            part = place.with_suffix(".part")
            part.write_text(str(os.waitstatus_to_exitcode(status)))
            part.rename(place)


def main() -> None:
    """Fork for each line until there are no more."""
    files: dict[int, str] = {}
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as ready:
        ready.register(0, selectors.EVENT_READ)
        ready.register(reading, selectors.EVENT_READ)
        while True:
            found = {key.fd for key, _ in ready.select()}
            if reading in found:
                os.read(reading, 4096)
                reap(files)
            if 0 in found:
                line = sys.stdin.readline()
                if not line:
                    return
                wanted = json.loads(line)
                if (child := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    ready.close()
                    os.close(reading)
                    os.close(writing)
                    carry_out(wanted)
                files[child] = wanted["status"]
                print(child, flush=True)  # noqa: T201 - told to whoever asked


if __name__ == "__main__":
    import coverage

    from app import aside, cli, crew, demo, importing, serving, worker  # noqa: F401 - what commands import when they are called
    from app.graph import schema
    from app.persons import audit  # noqa: F401

    schema.executable()
    main()
