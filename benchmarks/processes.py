"""The processes of a run: a private mongod and the servers, each pinned to a core and gone when the run ends."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.mongo.private import EVICTION
from benchmarks import npm

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = 0
STORE_CORE = 1
START_SECONDS = 45.0
STOP_SECONDS = 12.0
ADMIN_KEY = "benchmark-admin-key-0123456789abcdef"
# Rates are counted as in any service, and never used up: `0` would switch them off.
UNREACHED = 1_000_000_000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class NotStarted(Exception):  # noqa: N818
    """A process did not come up; the message carries its last words."""


@dataclass(slots=True)
class Child:
    """A running process, its port and its log."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def last_words(self) -> str:
        """Return the end of the log, on one line each."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-8:])

    def family(self) -> list[psutil.Process]:
        """Return the process and its children."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def cpu(self) -> float:
        """Return the seconds of user and system time that the process, its threads and children took so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.family())

    def rss(self) -> int:
        """Return the bytes of memory in use."""
        return sum(process.memory_info().rss for process in self.family())

    def peak(self) -> int:
        """Return the most bytes of memory that were ever in use, as the kernel kept count of it."""
        lines = [Path(f"/proc/{process.pid}/status").read_text() for process in self.family()]
        return sum(int(text.split("VmHWM:")[1].split()[0]) for text in lines) * 1024

    def stop(self) -> None:
        """End the process, by force where asking does not help."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_SECONDS)


def free_port() -> int:
    """Return a loopback port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(name: str, command: list[str], port: int, core: int, home: Path, env: dict[str, str]) -> Child:
    """Start a process on a core, its output in `home`; it dies with this one."""

    def settle() -> None:
        os.sched_setaffinity(0, {core})
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    log = home / f"{name}.log"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PROFILES_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**kept, **env},
            preexec_fn=settle,  # noqa: PLW1509  # no thread runs yet when processes start
        )
    return Child(name, process, port, log)


def mongod_binary() -> str:
    """Return the mongod to use: PROFILES_MONGOD, the PATH, or the one of the dev dependencies."""
    packaged = Path(sysconfig.get_path("purelib")) / "fiftyone" / "db" / "bin" / "mongod"
    return os.environ.get("PROFILES_MONGOD") or shutil.which("mongod") or str(packaged)


def start_mongod(home: Path, *, cache_gigabytes: int = 1) -> Child:
    """Start a private replica set of one and wait until it takes writes."""
    port = free_port()
    data = home / "data"
    data.mkdir()
    command = [mongod_binary(), "--dbpath", str(data), "--port", str(port), "--replSet", "bench"]
    command += ["--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
    command += ["--wiredTigerCacheSizeGB", str(cache_gigabytes), "--wiredTigerEngineConfigString", EVICTION]
    child = launch("mongod", command, port, STORE_CORE, home, {})
    try:
        with MongoClient(
            f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=20_000
        ) as client:
            client.admin.command(
                "replSetInitiate", {"_id": "bench", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
            )
            until = time.monotonic() + START_SECONDS
            while not client.admin.command("hello").get("isWritablePrimary"):
                if time.monotonic() > until:
                    raise NotStarted(child.last_words())
                time.sleep(0.05)
    except PyMongoError as error:
        child.stop()
        raise NotStarted(f"{error}\n{child.last_words()}") from error
    return child


def mongo_url(mongod: Child) -> str:
    """Return the address of the private replica set, every write acknowledged by the majority."""
    return f"mongodb://127.0.0.1:{mongod.port}/?replicaSet=bench&w=majority"


def server_command(name: str, port: int) -> list[str]:
    """Return how a server is started."""
    if name == "ours":
        return [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    if name in npm.SERVERS:
        return [npm.node(), str(npm.HOME / f"{name}.mjs")]
    quiet = ["--host", "127.0.0.1", "--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    return [sys.executable, "-m", "uvicorn", f"benchmarks.{name}:app", "--port", str(port), *quiet]


def start_server(
    name: str, mongod: Child, home: Path, database: str | None = None, *, rate_limit: int = UNREACHED
) -> Child:
    """Start one of the servers on its own database and wait until it is ready."""
    if name in npm.SERVERS:
        npm.install()
    port = free_port()
    prefix = "PROFILES" if name == "ours" else "BENCH"
    database = database or f"bench_{name}"
    env = {f"{prefix}_MONGO_URL": mongo_url(mongod), f"{prefix}_MONGO_DATABASE": database}
    if name == "ours":
        env |= {"PROFILES_ADMIN_KEY": ADMIN_KEY, "PROFILES_RATE_LIMIT": str(rate_limit), "PROFILES_LOG": "json"} | {
            "PROFILES_CRM_LOOPBACK": "1"
        }
    if name in npm.SERVERS:
        env |= {"BENCH_PORT": str(port), "NODE_ENV": "production"}
    child = launch(database, server_command(name, port), port, SERVER_CORE, home, env)
    until = time.monotonic() + START_SECONDS
    while not ready(name, port):
        if child.process.poll() is not None or time.monotonic() > until:
            child.stop()
            raise NotStarted(f"{name} did not start:\n{child.last_words()}")
        time.sleep(0.1)
    return child


def ready(name: str, port: int) -> bool:
    """Tell whether a server can serve: /readyz for ours, any answer at all for the others."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/{'readyz' if name == 'ours' else ''}", timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 or name != "ours"


@contextmanager
def stopped_at_exit(children: list[Child]) -> Iterator[None]:
    """Stop whatever is in the list in the end, the last started first."""
    try:
        yield
    finally:
        for child in reversed(children):
            child.stop()
