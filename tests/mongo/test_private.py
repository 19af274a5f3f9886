"""The private mongod on a real one: it keeps its data, has one owner, and outlives nobody."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from app.core.errors import StartError
from app.mongo.private import PrivateMongod, find

MONGOD = find(os.environ.get("PROFILES_MONGOD"))
WAIT_SECONDS = 30.0
OWNER = """
import asyncio, sys
from pathlib import Path
from app.mongo.private import PrivateMongod

async def own():
    mongod = await PrivateMongod.start(Path(sys.argv[1]), Path(sys.argv[2]))
    print(mongod.pid, mongod.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


class Starts:
    """Starts mongods in one data directory and ends those that a test leaves running."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.started: list[PrivateMongod] = []

    async def __call__(self) -> PrivateMongod:
        """Start one more."""
        assert MONGOD is not None
        self.started.append(await PrivateMongod.start(MONGOD, self.home))
        return self.started[-1]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starts]:
    """Give a way to start, and stop everything afterwards."""
    if MONGOD is None:
        pytest.skip("no mongod here: not in PROFILES_MONGOD, not on the PATH, not in the development package")
    starts = Starts(tmp_path / "data")
    yield starts
    for mongod in starts.started:
        await mongod.stop()


async def test_data_and_port_stay_over_a_restart(start: Starts) -> None:
    """What was written before a stop is found at the same address after the next start."""
    first = await start()
    await write(first.url, "kept")
    await first.stop()
    second = await start()
    assert await read(second.url) == ["kept"]
    assert second.url == first.url
    assert (start.home / "mongo.port").read_text() == f"{first.port}\n"


async def test_units_and_watches_work_at_once(start: Starts) -> None:
    """Ready means ready: a transaction and a change stream need no second try."""
    mongod = await start()
    async with client_of(mongod.url) as client, await client.x.y.watch() as stream, client.start_session() as session:
        async with await session.start_transaction():
            await client.x.y.insert_one({"_id": "seen"}, session=session)
        assert (await stream.next())["documentKey"] == {"_id": "seen"}


async def test_a_second_owner_is_refused_with_the_pid_of_the_first(start: Starts) -> None:
    """Two services on one data directory: the second says who has it, and harms nothing."""
    mongod = await start()
    with pytest.raises(StartError, match=rf"in use by process {os.getpid()}; .*PROFILES_DATA_DIR"):
        await start()
    await write(mongod.url, "still here")


async def test_stop_ends_the_process_and_may_be_called_again(start: Starts) -> None:
    """Nothing is left running, and a second stop is no error."""
    mongod = await start()
    pid = mongod.pid
    await mongod.stop()
    await mongod.stop()
    assert pid is not None
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_mongod_dies_with_its_parent(start: Starts, number: signal.Signals) -> None:
    """However the service ends, no database stays behind."""
    with owner(start.home) as (process, pid, _):
        process.send_signal(number)
        process.wait()
        await until(lambda: not alive(pid))


async def test_a_restart_right_after_a_kill_finds_the_data(start: Starts) -> None:
    """A service killed without warning comes back at once, with everything acknowledged."""
    with owner(start.home) as (process, pid, url):
        await write(url, "acknowledged")
        process.kill()
        process.wait()
        mongod = await start()
    assert await read(mongod.url) == ["acknowledged"]
    assert mongod.pid != pid
    assert mongod.url == url


async def test_a_mongod_left_behind_is_taken_over(start: Starts) -> None:
    """One that was started on another thread is not tied to its parent; the next start ends it and goes on."""
    # The main thread stays: an interpreter that is about to end takes no more work from its threads.
    thread = "import threading\none = threading.Thread(target=asyncio.run, args=(own(),))\none.start()\none.join()"
    threaded = OWNER.replace("asyncio.run(own())", thread)
    with owner(start.home, threaded) as (process, pid, url):
        await write(url, "left behind")
        process.kill()
        process.wait()
        assert alive(pid)
        mongod = await start()
    assert not alive(pid)
    assert await read(mongod.url) == ["left behind"]


async def test_a_port_held_by_a_stranger_is_changed(start: Starts) -> None:
    """The replica set remembers its address; with another port it is told the new one, and keeps its data."""
    first = await start()
    await write(first.url, "moved")
    await first.stop()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", first.port):
        second = await start()
    assert second.port != first.port
    assert await read(second.url) == ["moved"]
    assert (start.home / "mongo.port").read_text() == f"{second.port}\n"


async def test_what_mongod_said_last_is_in_the_error(start: Starts) -> None:
    """Damaged files: the operator reads the reason and where the log is, and the directory is free again."""
    (start.home / "mongo").mkdir(parents=True)
    (start.home / "mongo" / "storage.bson").write_bytes(b"damaged")
    for _ in range(2):
        with pytest.raises(StartError, match=r"ended with status \d+: .*storage.*mongo\.log\)") as caught:
            await start()
        assert "\n" not in str(caught.value)


async def test_a_program_that_is_no_mongod_is_named_by_its_own_words(tmp_path: Path) -> None:
    """A library that is missing is said on stderr, before there is a log."""
    program = script(tmp_path / "mongod", "echo libssl.so: no such file >&2; exit 127")
    with pytest.raises(StartError, match=r"ended with status 127: libssl\.so: no such file"):
        await PrivateMongod.start(program, tmp_path / "data")


async def test_a_program_that_can_not_run_is_one_line(tmp_path: Path) -> None:
    """The operating system's reason is handed on."""
    program = tmp_path / "mongod"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    with pytest.raises(StartError, match=r"mongod can't be started: Exec format error\."):
        await PrivateMongod.start(program, tmp_path / "data")


async def test_a_data_directory_that_can_not_be_made_is_one_line(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StartError, match=r"^PROFILES_DATA_DIR: .*/data can't be used: "):
        await PrivateMongod.start(Path("mongod"), tmp_path / "data")


def test_find_prefers_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the explicit one, then the PATH, then the package, then none."""
    named = script(tmp_path / "named" / "mongod", "exit 0")
    on_path = script(tmp_path / "bin" / "mongod", "exit 0")
    packaged = script(tmp_path / "site" / "fiftyone" / "db" / "bin" / "mongod", "exit 0")
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert (find(str(named)), find(None)) == (named, on_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find(None) == packaged
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert find(None) is None


def test_find_refuses_an_explicit_one_that_is_not_there() -> None:
    """An operator who names a program wants that one, and no other."""
    with pytest.raises(StartError, match=r"^PROFILES_MONGOD: there is no program /nowhere/mongod\.$"):
        find("/nowhere/mongod")


def client_of(url: str) -> "AsyncMongoClient[dict[str, Any]]":
    """Return a client that gives up before the test does."""
    return AsyncMongoClient(url, timeoutMS=int(WAIT_SECONDS * 1000))


async def write(url: str, value: str) -> None:
    """Write one document, acknowledged by the majority."""
    async with client_of(url) as client:
        await client.x.y.insert_one({"value": value})


async def read(url: str) -> list[str]:
    """Return what was written."""
    async with client_of(url) as client:
        return [document["value"] async for document in client.x.y.find()]


def script(path: Path, body: str) -> Path:
    """Make a small program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


class owner:  # noqa: N801 - reads as `with owner(home)`
    """Another process that owns a mongod: gives the process, the mongod's pid and its url."""

    def __init__(self, home: Path, code: str = OWNER) -> None:
        self.command = [sys.executable, "-c", code, str(MONGOD), str(home)]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "tuple[subprocess.Popen[str], int, str]":
        """Wait until its mongod is ready."""
        assert self.process.stdout is not None
        pid, url = self.process.stdout.readline().split()
        return self.process, int(pid), url

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.communicate()


def alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(true: Callable[[], bool]) -> None:
    """Wait for the thing itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
