"""A stranger's way through the README, word by word: its commands are taken from the page, only the port is another."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mongo.real import RealMongo
from tests.system.process import ROOT, environment

README = (ROOT / "README.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
(CLIENT,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SECONDS = 90.0


def free_port() -> int:
    """Return a port that nobody uses at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Page:
    """The commands of the page in the copy that the tests run in, with data of their own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        settings = {"port": str(port), "data_dir": str(home / "data"), "log": "json"}
        # The page's commands set .venv up; here the tests' own Python stands for it.
        self.env = environment(**settings) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def written(self, text: str) -> str:
        """Return a command or program for this port."""
        return text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")

    def begin(self, command: list[str], name: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a command; what it says goes into a file of that name."""
        with (self.home / name).open("wb") as out:
            return subprocess.Popen(command, cwd=ROOT, env={**self.env, **more}, stdout=out, stderr=out)

    def said(self, name: str, pattern: str) -> str:
        """Wait until a command says something; return its first group."""
        until = time.monotonic() + SECONDS
        while not (found := re.search(pattern, (self.home / name).read_text())):
            assert time.monotonic() < until, (self.home / name).read_text()
            time.sleep(0.05)
        return found[1]


def test_the_readme_is_true_word_by_word(tmp_path: Path, mongo: RealMongo) -> None:
    """The first command serves; a mutation, a query and a live client work as written; data survive a restart."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    page = Page(tmp_path, free_port())
    first, second, steps = SHELL
    assert second == "scripts/test\n"
    served = page.begin(["bash", "-c", f"exec {first.strip()}"], "serve.log")
    clients = []
    try:
        key = page.said("serve.log", r"Admin key +(cp_\S+)\n.*shown this once")
        assert page.said("serve.log", r"GraphiQL +(\S+)") == f"http://127.0.0.1:{page.port}/graphql"
        clients.append(page.begin([sys.executable, "-c", page.written(CLIENT)], "live.log", KEY=key))
        page.said("live.log", r'("READY")')
        commands = page.written(steps).replace("cp_live_...", key)
        done = subprocess.run(["bash", "-ec", commands], env=page.env, capture_output=True, text=True, check=True)
        defined, made, found = [
            json.loads(part)["data"] for part in re.findall(r"\{\"data\".*?\}\}(?=\{\"data\"|$)", done.stdout)
        ]
        assert defined["defineAttribute"]["errors"] == []
        assert made["createPerson"]["errors"] == []
        assert found["person"]["id"] == made["createPerson"]["person"]["id"]
        assert found["person"]["customAttributes"] == {"shoeSize": 38}
        assert page.said("live.log", r'"title":"Person Created","person":\{"firstName":"(Ada)"\}') == "Ada"
        # The demo fills the store and goes on.
        page.said("serve.log", r"(The sample data are there)")
        page.said("live.log", r'"title":"(Order placed|Product viewed|Ticket opened)"')
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=20) == 0
        served = page.begin(["bash", "-c", f"exec {first.strip()}"], "again.log")
        page.said("again.log", r"(Data )")
        again = subprocess.run(["bash", "-ec", commands], env=page.env, capture_output=True, text=True, check=True)
        assert made["createPerson"]["person"]["id"] in again.stdout
        assert "DUPLICATE_EMAIL" not in done.stdout
        assert "DUPLICATE_EMAIL" in again.stdout
    finally:
        for one in (served, *clients):
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
            one.wait(timeout=20)
