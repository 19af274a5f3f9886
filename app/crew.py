"""Several workers as one service: a parent that holds port and store, starts them, and starts anew whoever dies.

It answers no request itself. At SIGTERM or ctrl-C all of them are gone within 10 seconds; where it dies, at once.
"""

import asyncio
import os
import signal
import site
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog

from app import serving
from app.access.service import Access
from app.access.shared import Memory
from app.core.errors import StartError
from app.mongo.door import Store
from app.serving import Beside, Front
from app.settings import Settings
from app.stores import open_settings_store
from app.worker import Place

# Not from the working directory: there may be another `app`.
COMMAND = (sys.executable, "-P", "-m", "app.cli", "work")
# Where the program is that this process runs.
ROOT = str(Path(__file__).resolve().parents[1])
STOP_SECONDS = 8.0  # as long as one process needs at most; what is left of ten is mongod's
# A worker that lived so long has not died at once.
STEADY_SECONDS = 10.0
DEATHS_MAX = 8
PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 8.0

log = structlog.get_logger(__name__)


async def serve(settings: Settings, greet: Beside, *beside: Beside) -> None:
    """Serve by `settings.workers` processes until a signal; `greet` runs once all can, `beside` as long as they do.

    Raises StartError, also where a worker dies at once again and again.
    """
    stopping = asyncio.create_task(serving.told().wait())
    with ExitStack() as held:
        listening = [held.enter_context(one) for one in doors(settings.host, settings.port, settings.workers)]
        store = await serving.unless(stopping, _opened(settings))
        if store is None:
            return
        try:
            access = Access(store.engine, secret=settings.secret.get_secret_value() if settings.secret else None)
            await access.open()
            environment = same_program(os.environ)
            if store.mongod is not None:
                environment["PROFILES_MONGO_URL"] = store.mongod.url
            crew = Crew(listening, [*COMMAND], environment)
            await crew.run(stopping, Front(serving.address(listening[0]), store, access), greet, beside)
        finally:
            stopping.cancel()
            await store.close()


def same_program(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of workers: they run the program that this process runs, whatever is installed beside."""
    if ROOT in site.getsitepackages():
        return dict(given)
    more = given.get("PYTHONPATH")
    return {**given, "PYTHONPATH": os.pathsep.join([ROOT, more] if more else [ROOT])}


def doors(host: str, port: int, number: int) -> list[socket.socket]:
    """Return a listening socket for each worker, all of one address; raises StartError where that is taken.

    The kernel spreads connections over them. One queue for all would be emptied by whoever wakes first, and live
    connections stay where they are. The parent holds them all: what waits at one whose worker died is not refused, its
    successor takes it.
    """
    # First alone: whoever shares an address with another service gets a part of its callers.
    with serving.bound(host, port) as alone:
        port = alone.getsockname()[1]
    return [serving.bound(host, port, shared=True) for _ in range(number)]


async def _opened(settings: Settings) -> Store:
    store = await open_settings_store(settings)
    if store.kept:
        return store
    await store.close()
    raise StartError(
        "PROFILES_WORKERS: there is no mongod, and data in memory can't be shared by several processes; set"
        " PROFILES_MONGO_URL, or name a mongod by PROFILES_MONGOD."
    )


class Crew:
    """The workers of one command, one for each listening socket; `command` gets its place as last argument."""

    def __init__(self, listening: Sequence[socket.socket], command: Sequence[str], environment: dict[str, str]) -> None:
        self._listening = listening
        self._command = list(command)
        self._environment = environment
        self._memory = Memory.make()
        self._answering = [_nameless() for _ in listening]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ready = {number: asyncio.Event() for number in range(1, len(listening) + 1)}

    async def run(
        self, stopping: "asyncio.Task[bool]", front: Front, greet: Beside, beside: Sequence[Beside] = ()
    ) -> None:
        """Serve until `stopping` is done; raises StartError where a worker does not live."""
        posts = [asyncio.create_task(self._keep(number)) for number in self._ready]
        tasks: list[asyncio.Task[None]] = []
        try:
            ready = asyncio.gather(*[one.wait() for one in self._ready.values()])
            first: list[asyncio.Future[Any]] = [stopping, ready, *posts]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and not stopping.done():
                await greet(front)
                tasks = [asyncio.create_task(work(front)) for work in beside]
            ready.cancel()
            last: list[asyncio.Future[Any]] = [stopping, *posts]
            await asyncio.wait(last, return_when=asyncio.FIRST_COMPLETED)
            for post in [one for one in posts if one.done()]:
                post.result()
        finally:
            for task in (*posts, *tasks):
                task.cancel()
            await self._end()
            await asyncio.gather(*posts, *tasks, return_exceptions=True)

    async def _keep(self, number: int) -> None:
        """Have a worker, and another where it ends; raises StartError where that does not help."""
        deaths, clock = 0, asyncio.get_running_loop().time
        while True:
            began = clock()
            status = await self._live(number)
            deaths = 1 if clock() - began >= STEADY_SECONDS else deaths + 1
            if not self._ready[number].is_set():
                raise StartError(f"Worker {number} did not start (status {status}).")
            if deaths >= DEATHS_MAX:
                raise StartError(
                    f"Worker {number} ended {deaths} times within {STEADY_SECONDS:.0f} seconds of its start, the last"
                    f" time with status {status}. Giving up."
                )
            pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2 ** (deaths - 1))
            log.warning("worker_ended", worker=number, status=status, again_in_seconds=pause)
            await asyncio.sleep(pause)

    async def _live(self, number: int) -> int:
        """Start a worker, and return its status once it has ended."""
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        with mine:
            with theirs:
                process = self._processes[number] = self._start(number, theirs)
            if await asyncio.get_running_loop().sock_recv(mine, 1):
                self._ready[number].set()
        return await _ended(process)

    def _start(self, number: int, ready: socket.socket) -> "subprocess.Popen[bytes]":
        place = Place(
            number=number,
            parent=os.getpid(),
            listening=self._listening[number - 1].fileno(),
            answering=self._answering[number - 1].fileno(),
            memory=self._memory.fd,
            ready=ready.fileno(),
            siblings=[one.getsockname().hex() for one in self._answering],
        )
        # In a session of its own it does not get the terminal's ctrl-C, which is the parent's to answer.
        return subprocess.Popen(  # noqa: S603 - our own program
            [*self._command, place.text()],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=place.descriptors(),
            start_new_session=True,
        )

    async def _end(self) -> None:
        """Take no more connections, and end all workers, by force where they don't."""
        for listening in self._listening:
            listening.close()
        left = [one for one in self._processes.values() if one.poll() is None]
        for process in left:
            process.send_signal(signal.SIGTERM)
        ending = [asyncio.create_task(_ended(one)) for one in left]
        if ending:
            await asyncio.wait(ending, timeout=STOP_SECONDS)
        for process in left:
            if process.poll() is None:
                log.warning("worker_killed", pid=process.pid)
                process.kill()
        await asyncio.gather(*ending)
        for answering in self._answering:
            answering.close()
        self._memory.close()


def _nameless() -> socket.socket:
    """Return a listening unix socket under a name that the kernel gives; it needs no file."""
    answering = socket.socket(socket.AF_UNIX)
    answering.bind("")
    answering.listen()
    return answering


async def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Return a process' status once it has ended; a negative one is the signal that ended it."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return process.wait()
