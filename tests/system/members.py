"""A replica set of three mongods on loopback, whose members are stepped down, stopped, killed and started again."""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.mongo.private import find

NAME = "three"
COUNT = 3
CACHE_GIGABYTES = 0.25
OPLOG_MEGABYTES = 990
SECONDS = 60.0
CALL_MILLISECONDS = 500
QUIESCE_MILLISECONDS = 500


def free_ports(count: int) -> list[int]:
    """Return ports that nobody holds."""
    probes = [socket.socket() for _ in range(count)]
    for one in probes:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in probes]
    for one in probes:
        one.close()
    return ports


class Members:
    """The set, in a directory of its own; `missing` says why there is none."""

    def __init__(self, election_milliseconds: int) -> None:
        self.binary = find(None)
        self.missing = None if self.binary else "no mongod was found on this machine"
        self._election_milliseconds = election_milliseconds
        self._home = Path(tempfile.mkdtemp(prefix="profiles-three-"))
        self._ports: list[int] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._clients: dict[int, MongoClient[dict[str, Any]]] = {}

    async def url(self) -> str:
        """Return the address of the set, which runs from the first call on."""
        if not self._ports:
            self._ports = free_ports(COUNT)
            for port in self._ports:
                self._spawn(port)
            await self._initiate()
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"mongodb://{hosts}/?replicaSet={NAME}"

    def _spawn(self, port: int) -> None:
        data = self._home / str(port)
        data.mkdir(exist_ok=True)
        options = {
            "--replSet": NAME,
            "--bind_ip": "127.0.0.1",
            "--port": port,
            "--dbpath": data,
            "--logpath": self._home / f"{port}.log",
            "--wiredTigerCacheSizeGB": CACHE_GIGABYTES,
            "--oplogSize": OPLOG_MEGABYTES,
        }
        command = [str(self.binary), *(str(word) for pair in options.items() for word in pair)]
        command += ["--logappend", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]
        command += ["--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={QUIESCE_MILLISECONDS}"]
        self._processes[port] = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    async def _initiate(self) -> None:
        members = [{"_id": at, "host": f"127.0.0.1:{port}"} for at, port in enumerate(self._ports)]
        settings = {"electionTimeoutMillis": self._election_milliseconds}
        config = {"_id": NAME, "members": members, "settings": settings}
        await self._until(self._ports[0], {"replSetInitiate": config})
        await self.primary()

    async def _until(self, port: int, command: dict[str, Any]) -> None:
        """Say a command until it is taken."""
        until = time.monotonic() + SECONDS
        while True:
            try:
                await self._command(port, command)
            except PyMongoError:
                assert time.monotonic() < until
            else:
                return

    async def _command(self, port: int, command: dict[str, Any]) -> dict[str, Any]:
        if port not in self._clients:
            self._clients[port] = MongoClient(
                "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=CALL_MILLISECONDS
            )
        return await asyncio.to_thread(self._clients[port].admin.command, command)

    async def primary(self) -> int:
        """Return the port of the one that takes writes, once there is one and the others follow it."""
        async with asyncio.timeout(SECONDS):
            while True:
                for port in self._ports:
                    if (await self._states(port))[:1] == [1]:
                        return port

    async def _states(self, port: int) -> list[int]:
        """Return the states of all by the word of one, its own first; none while it doesn't answer."""
        try:
            told = (await self._command(port, {"replSetGetStatus": 1}))["members"]
        except PyMongoError:
            return []
        states = [one["state"] for one in sorted(told, key=lambda one: not one.get("self"))]
        return states if set(states[1:]) == {2} else []

    async def step_down(self) -> None:
        """Have the primary hand over, as before a maintenance."""
        await self._command(await self.primary(), {"replSetStepDown": 30})

    async def end(self, number: signal.Signals) -> int:
        """Send the primary a signal that ends it; returns its port."""
        port = await self.primary()
        self._processes[port].send_signal(number)
        return port

    async def again(self, port: int) -> None:
        """Start one that ends again, on what it left."""
        await asyncio.to_thread(self._processes[port].wait)
        self._spawn(port)

    async def stop(self) -> None:
        """End all of them, and remove their data."""
        for client in self._clients.values():
            client.close()
        for process in self._processes.values():
            process.kill()
            await asyncio.to_thread(process.wait)
        shutil.rmtree(self._home, ignore_errors=True)
