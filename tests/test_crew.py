"""A crew of workers, tried with programs that live as long as a test wants."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app import crew
from app.access.service import Access
from app.core.errors import StartError
from app.crew import Crew, doors
from app.mongo.door import Store
from app.mongo.twin import Twin
from app.serving import Front
from app.settings import Settings
from app.worker import Place

# Says that it can serve, and goes on as it is told.
READY = "import os, signal, sys, time, json; os.write(json.loads(sys.argv[1])['ready'], b'1');"
SECONDS = 20.0
LIVES = "time.sleep(60)"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    """Give what a greeting needs."""
    store = Store(Twin(), kept=False, description="of a test")
    yield Front("http://nowhere", store, Access(store.engine))
    await store.close()


def programs() -> list[psutil.Process]:
    """Return the programs that run; this process may have other children, for other tests."""
    found: list[psutil.Process] = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):  # gone since
            found += [one] if "-c" in one.cmdline() else []
    return found


class Running:
    """A crew of two on a program."""

    def __init__(self, front: Front, program: str) -> None:
        self.listening = doors("127.0.0.1", 0, 2)
        self.crew = Crew(self.listening, [sys.executable, "-c", program], {})
        self.greetings = 0
        self.stop = asyncio.Event()
        self.stopping = asyncio.create_task(self.stop.wait())
        self.task = asyncio.create_task(self.crew.run(self.stopping, front, self.greet))

    async def greet(self, _: Front) -> None:
        """Count."""
        self.greetings += 1

    async def both(self, without: psutil.Process | None = None) -> list[psutil.Process]:
        """Return the programs, once they were greeted and two run, none of them `without`."""
        until = time.monotonic() + SECONDS
        while True:
            found = programs()
            if self.greetings and len(found) == 2 and without not in found:
                return found
            assert time.monotonic() < until
            await asyncio.sleep(0.01)


def test_workers_run_the_program_that_their_parent_runs(tmp_path: Path) -> None:
    """Not one that is installed, nor one in the working directory; what else was to be found is found."""
    (tmp_path / "app.py").write_text("")
    for more in ({}, {"PYTHONPATH": str(tmp_path)}):
        environment = crew.same_program({**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **more})
        assert environment["PYTHONPATH"].split(os.pathsep)[1:] == list(more.values())
        program = [sys.executable, "-P", "-c", "import app.crew; print(app.crew.__file__)"]
        told = subprocess.run(program, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert told.stdout.strip() == crew.__file__


async def test_who_dies_at_once_again_and_again_ends_the_service(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """After pauses that grow, with one line that says which, how often and with what status."""
    assert (crew.DEATHS_MAX, crew.PAUSE_SECONDS, crew.PAUSE_SECONDS_MAX) == (8, 0.25, 8)
    monkeypatch.setattr(crew, "DEATHS_MAX", 3)
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.01)
    running = Running(front, f"{READY} sys.exit(3)")
    with pytest.raises(StartError, match=r"^Worker \d ended 3 times within 10 seconds .* status 3\. Giving up\.$"):
        await running.task
    assert running.greetings == 1


async def test_who_lives_for_a_while_is_always_replaced(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it dies, as long as it does not die at once."""
    monkeypatch.setattr(crew, "DEATHS_MAX", 2)
    monkeypatch.setattr(crew, "STEADY_SECONDS", 0.0)
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.01)
    running = Running(front, READY + LIVES)
    seen: set[int] = set()
    for _ in range(4):
        found = await running.both()
        seen |= {one.pid for one in found}
        found[0].kill()
        await running.both(without=found[0])
    running.stop.set()
    await running.task
    assert len(seen) >= 5
    assert programs() == []


async def test_who_does_not_start_is_said_and_not_tried_again(front: Front) -> None:
    """What is wrong then is wrong again; nobody is greeted."""
    running = Running(front, "import sys; sys.exit(4)")
    with pytest.raises(StartError, match=r"^Worker \d did not start \(status 4\)\.$"):
        await running.task
    assert (running.greetings, programs()) == (0, [])


async def test_who_does_not_stop_is_killed_in_time(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not hear SIGTERM has eight seconds; what is left of ten is the store's."""
    assert crew.STOP_SECONDS == 8
    monkeypatch.setattr(crew, "STOP_SECONDS", 0.5)
    running = Running(front, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY} {LIVES}")
    family = await running.both()
    began = time.monotonic()
    running.stop.set()
    await running.task
    assert 0.5 <= time.monotonic() - began < 5
    assert [one for one in family if one.is_running()] == []


async def test_memory_is_refused_where_there_is_no_mongod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Several processes would each have data of their own."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(StartError, match=r"^PROFILES_WORKERS: there is no mongod.*PROFILES_MONGO_URL"):
        await crew._opened(Settings.load({}, data_dir=tmp_path, workers=2))


def test_an_address_of_another_crew_is_not_shared_with_it() -> None:
    """It would get a part of its callers."""
    ours = doors("127.0.0.1", 0, 2)
    port = ours[0].getsockname()[1]
    assert {one.getsockname()[1] for one in ours} == {port}
    with pytest.raises(StartError, match="Choose another --port"):
        doors("127.0.0.1", port, 2)
    for one in ours:
        one.close()


def test_the_kernel_spreads_connections_over_workers() -> None:
    """Each gets some of a hundred."""
    ours = doors("127.0.0.1", 0, 2)
    callers = [socket.create_connection(ours[0].getsockname()) for _ in range(100)]
    counts = [accepted(one) for one in ours]
    assert (sum(counts), min(counts) > 10) == (100, True)
    for one in (*callers, *ours):
        one.close()


def accepted(listening: socket.socket) -> int:
    """Return how many connections wait at a socket."""
    number = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_a_place_is_told_in_one_argument() -> None:
    """Nothing of it is lost."""
    place = Place(1, 2, 3, 4, 5, 6, ["00ff"])
    assert Place.of(place.text()) == place
    assert place.descriptors() == (3, 4, 5, 6)
