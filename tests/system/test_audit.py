"""The audit of what the locks pin: a known vulnerability fails the gate, advisories that are away don't."""

import gzip
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.system.process import ROOT

SECONDS = 60


@contextmanager
def advisories(*, python: str = "", npm: str = "") -> Iterator[str]:
    """Serve what is known of a package of each: the two questions that auditors ask, and no other."""

    class Advisories(BaseHTTPRequestHandler):
        """Answers as OSV, and as a registry of npm."""

        def do_POST(self) -> None:
            """Tell what is known of the packages asked for."""
            content = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            asked = json.loads(gzip.decompress(content) if packed else content)
            body = json.dumps(_npm(asked, npm) if self.path.endswith("/bulk") else _osv(asked, python)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def _osv(asked: Any, bad: str) -> Any:
    package = asked["package"]
    if package["name"] != bad:
        return {}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
    return {
        "vulns": [
            {
                "id": "GHSA-made-up",
                "summary": "Made up.",
                "published": "2026-01-01T00:00:00Z",
                "affected": [{"package": {"name": bad, "ecosystem": "PyPI"}, "ranges": ranges}],
            }
        ]
    }


def _npm(asked: Any, bad: str) -> Any:
    told = {"id": 1, "url": "https://advisories.example/1", "title": "Made up.", "severity": "low"}
    return {name: [{**told, "vulnerable_versions": ">=0"}] for name in asked if name == bad}


def audited(url: str) -> subprocess.CompletedProcess[str]:
    """Run the audit against advisories elsewhere."""
    if not (ROOT / ".venv" / "bin" / "pip-audit").exists():
        pytest.skip("pip-audit is not in .venv: scripts/setup")
    command = [str(ROOT / "scripts" / "audit"), "--osv", url, "--registry", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_a_known_vulnerability_fails_the_gate() -> None:
    """And is named with the package; a lock that is sound is told to be so."""
    with advisories(python="uvicorn", npm="react") as url:
        done = audited(url)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if "uvicorn " in line and "GHSA-made-up" in line]
    assert [line for line in lines if "react " in line and "https://advisories.example/1" in line]
    assert "tests/clients/package-lock.json: nothing is known against it" in lines


def test_advisories_that_are_away_fail_nothing_and_are_said() -> None:
    """One line for each lock."""
    done = audited("http://127.0.0.1:9/")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not audited, the advisories can't be asked for") == len(done.stderr.splitlines()) == 3


def test_the_gate_audits() -> None:
    """Beside its checks, by a script that can be run."""
    assert "\nscripts/audit &\n" in (ROOT / ".ci" / "run").read_text()
    assert shutil.which(ROOT / "scripts" / "audit")
