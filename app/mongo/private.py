"""A MongoDB of one's own: a replica set of one on loopback, its data in the data directory, alive as long as its owner.

Durable and the same engine as in production; one owner per data directory.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from app.core.errors import StartError

REPLICA_SET = "profiles"
LOOPBACK = "127.0.0.1"
CACHE_GIGABYTES = 0.25
OPLOG_MEGABYTES = 1024
START_SECONDS = 60.0  # after a crash the journal is read first
STOP_SECONDS = 8.0  # the whole service has ten
QUIESCE_MILLISECONDS = 100  # mongod would wait 15 s for a secondary that does not exist
TRANSACTION_SECONDS = 10
# A new profile touches some ten places all over its indexes. What is dirty stays in the cache until a page has taken in
# several of them: where MongoDB begins to write at 5 % of the cache, an insert into a million profiles costs thrice.
EVICTION = "eviction_dirty_target=40,eviction_dirty_trigger=60"
CALL_MILLISECONDS = 2000
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 3
PORT_SECONDS = 2.0
LOG_LINES = 3
LOG_TAIL_BYTES = 65536

_PACKAGED = Path("fiftyone", "db", "bin", "mongod")
_NOT_INITIALISED = 94
_ALREADY_INITIALISED = 23
_SET_PARENT_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def find(explicit: str | None) -> Path | None:
    """Return the mongod to start: `explicit`, else the one on the PATH, else the one of the development package.

    Raises StartError where `explicit` is given and can't be run.
    """
    if explicit is not None:
        named = shutil.which(Path(explicit).expanduser())
        if named is None:
            raise StartError(f"PROFILES_MONGOD: there is no program {explicit}.")
        return Path(named).absolute()
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path).absolute()
    packaged = (Path(entry or ".") / _PACKAGED for entry in sys.path)
    return next((path.absolute() for path in packaged if os.access(path, os.X_OK)), None)


def running(data_dir: Path) -> str | None:
    """Return the address of the mongod that another process runs on this data directory, None where nobody does."""
    home = data_dir.resolve()
    try:
        lock = os.open(home / "owner.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        port = (home / "mongo.port").read_text().strip() if (home / "mongo.port").exists() else ""
        return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}" if port.isdigit() else None
    finally:
        os.close(lock)
    return None


class PrivateMongod:
    """One running mongod; made by `start`, ended by `stop`."""

    def __init__(self, binary: Path, data_dir: Path) -> None:
        self._binary = binary
        self._home = data_dir.resolve()
        self._data = self._home / "mongo"
        self._log = self._home / "mongo.log"
        self._port_file = self._home / "mongo.port"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address for any driver."""
        return f"mongodb://{LOOPBACK}:{self.port}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process else None

    @classmethod
    async def start(cls, binary: Path, data_dir: Path) -> Self:
        """Return once majority writes are accepted; raises StartError. Call it from the main thread.

        The kernel ends mongod together with the *thread* that started it; on another thread nothing is armed, and a
        mongod left behind by a kill is ended by the next start.
        """
        mongod = cls(binary, data_dir)
        mongod._own()
        try:
            await mongod._end_orphan()
            await mongod._launch()
            await mongod._lead()
        except BaseException:
            await mongod.stop()
            raise
        return mongod

    async def stop(self) -> None:
        """End mongod cleanly, by force after STOP_SECONDS, and let go of the data directory; idempotent."""
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                process.terminate()
                await _wait(lambda: process.poll() is not None, STOP_SECONDS)
        finally:
            if process is not None:
                process.kill()  # no effect on one that has ended
                process.wait()
            lock, self._lock = self._lock, None
            if lock is not None:
                os.ftruncate(lock, 0)
                os.close(lock)

    def _own(self) -> None:
        """Take the lock of the data directory. It is never inherited, so a killed owner leaves it free."""
        try:
            self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._home / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"PROFILES_DATA_DIR: {self._home} can't be used: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            os.close(lock)
            advice = "stop it, or give this one another PROFILES_DATA_DIR"
            raise StartError(f"The data in {self._home} are in use by process {holder}; {advice}.") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    async def _end_orphan(self) -> None:
        """End what a killed owner left behind: started anew, it dies with us, which can't be asked of a running one."""
        pid = self._orphan()
        if pid is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            except PermissionError:
                break
            if await _wait(lambda: self._orphan() is None, STOP_SECONDS):
                return
        raise StartError(f"The mongod of an earlier run (process {pid}) does not end; end it and start again.")

    def _orphan(self) -> int | None:
        """Return the process on our data, by mongod's own pid file; pids are reused, so look at it closely."""
        try:
            pid = int((self._data / "mongod.lock").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if state != "Z" and os.fsencode(self._data) in words else None

    async def _launch(self) -> None:
        """Start the process and wait until it listens; a port that somebody took in between is changed."""
        kept = self._kept_port()
        # A mongod that was killed a moment ago may hold its port still, while its last threads end.
        await _wait(lambda: not kept or not _taken(kept), PORT_SECONDS)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = _free(kept if attempt == 1 else 0)
            self._process = self._spawn()
            if await _wait(self._listens, START_SECONDS):
                self._port_file.write_text(f"{self.port}\n")
                return
            if self._process.poll() is None or attempt == PORT_ATTEMPTS or not _taken(self.port):
                raise StartError(self._failure())

    def _kept_port(self) -> int:
        try:
            return int(self._port_file.read_text())
        except (OSError, ValueError):
            return 0

    def _spawn(self) -> "subprocess.Popen[bytes]":
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        armed = threading.current_thread() is threading.main_thread()
        options = {
            "--replSet": REPLICA_SET,
            "--bind_ip": LOOPBACK,
            "--port": self.port,
            "--dbpath": self._data,
            "--logpath": self._log,
            "--wiredTigerCacheSizeGB": CACHE_GIGABYTES,
            "--wiredTigerEngineConfigString": EVICTION,
            "--oplogSize": OPLOG_MEGABYTES,
        }
        command = [str(self._binary), *(str(word) for pair in options.items() for word in pair)]
        command += ["--logappend", "--nounixsocket"]
        command += ["--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={QUIESCE_MILLISECONDS}"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        # What a killed process had begun holds up others until its time is over: a minute, where nothing is said.
        command += ["--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_SECONDS}"]
        try:
            # What it says before it has a log (a missing library) goes to the same file. In a session of its own it
            # does not get the terminal's ctrl-C, which is ours to answer.
            with self._log.open("ab") as log:
                return subprocess.Popen(  # noqa: S603 - the operator's own program
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with(os.getpid(), signal.SIGTERM) if armed else None,  # noqa: PLW1509 - no other way to arm it
                )
        except OSError as error:
            raise StartError(f"{self._binary} can't be started: {error.strerror}.") from None

    def _listens(self) -> bool | None:
        if self._process is None or self._process.poll() is not None:
            return None
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    async def _lead(self) -> None:
        """Make it the primary of a set of one, under today's address."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            LOOPBACK,
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=CALL_MILLISECONDS,
            timeoutMS=CALL_MILLISECONDS,
        )
        deadline = time.monotonic() + START_SECONDS
        try:
            while not await self._leads(client):
                if time.monotonic() > deadline or self._listens() is None:
                    raise StartError(self._failure())
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await client.close()

    async def _leads(self, client: "AsyncMongoClient[dict[str, Any]]") -> bool:
        """Do what is missing, and say whether it is a writable primary by now."""
        try:
            options = (await client.admin.command("getCmdLineOpts"))["parsed"]
            if options.get("storage", {}).get("dbPath") != str(self._data):
                return False  # a stranger was faster on this port; ours is about to end
            if (await client.admin.command("hello")).get("isWritablePrimary"):
                return await self._at_home(client)
            await self._at_home(client)
        except ConnectionFailure:
            return False
        except OperationFailure as error:
            if error.code != _NOT_INITIALISED:
                return False  # still reading its configuration, or electing; asked again until the deadline
            await self._initiate(client)
        return False

    async def _at_home(self, client: "AsyncMongoClient[dict[str, Any]]") -> bool:
        """Return whether the set's configuration has our port; else change it, by force: there is nobody to ask."""
        config = (await client.admin.command("replSetGetConfig"))["config"]
        if [member["host"] for member in config["members"]] == [self._address]:
            return True
        config |= {"version": config["version"] + 1, "members": [{"_id": 0, "host": self._address}]}
        await client.admin.command("replSetReconfig", config, force=True)
        return False

    async def _initiate(self, client: "AsyncMongoClient[dict[str, Any]]") -> None:
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": self._address}]}
        try:
            await client.admin.command("replSetInitiate", config)
        except ConnectionFailure:
            return  # it is still looking for itself in an old configuration; asked again until the deadline
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALISED:
                raise StartError(f"The private mongod refuses its replica set: {error.details or error}.") from None

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def _failure(self) -> str:
        """Return one line with mongod's own last words."""
        ended = self._process.poll() if self._process else None
        what = f"ended with status {ended}" if ended is not None else f"is not ready after {START_SECONDS:.0f} s"
        return f"The private mongod {what}: {_last_words(self._log)} (all of it: {self._log})"


def die_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    """Return what a child does before it becomes its program: ask the kernel for a signal when `parent` ends."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl  # looked up before the fork, after which as little as possible should happen

    def arm() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return arm


def _free(wanted: int) -> int:
    """Return `wanted` where nobody holds it, else a port that nobody holds."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As mongod does it: connections of the last run that linger are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError(f"No free port on {LOOPBACK}.")


def _taken(port: int) -> bool:
    return _free(port) != port


async def _wait(ready: Callable[[], bool | None], seconds: float) -> bool:
    """Return True as soon as `ready` says so, False where it says None or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while (answer := ready()) is not None and time.monotonic() < deadline:
        if answer:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return bool(answer)


def _last_words(log: Path) -> str:
    """Return the last errors of a mongod log, or its last lines where there is none, as one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    said = [_said(line) for line in lines if line.strip()]
    loud = [words for severity, words in said if severity in ("E", "F")] or [words for _, words in said]
    return " ".join(" | ".join(loud[-LOG_LINES:]).split()) or "it said nothing"


def _said(line: str) -> tuple[str, str]:
    """Return severity and words of one log line; what is not JSON comes from before the log and is an error."""
    try:
        entry = json.loads(line)
        detail = entry.get("attr", {}).get("error")
        return entry["s"], entry["msg"] + (f": {detail}" if detail else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "E", line.strip()
