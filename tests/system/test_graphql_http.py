"""GraphQL over HTTP, exactly: the audits that `graphql-http` publishes, against the service as it runs."""

import json
import subprocess
from typing import Any

from tests.system.conftest import Start
from tests.system.process import ROOT
from tests.system.test_segment import node

__all__ = ["node"]

SECONDS = 90
POST_ALONE = "Only POST carries GraphQL: what is asked stands in no address, no log and no cache."
NEWER_TYPE = (
    "`*/*` is answered with application/graphql-response+json, whose status tells what happened: the draft has left its"
    " server that choice since its watershed of 2025-01-01; who wants application/json says so."
)
# What is answered otherwise than the audit would like to have it, and why.
OTHERWISE = {
    "47DE": NEWER_TYPE,
    "80D8": NEWER_TYPE,
    "5A70": POST_ALONE,
    "D6D5": POST_ALONE,
    "6A70": POST_ALONE,
}
AUDITS = 61


def audited(node: str, url: str, key: str) -> list[dict[str, Any]]:
    """Return what came out of each audit."""
    command = [node, str(ROOT / "tests" / "clients" / "audit.mjs"), f"{url}/graphql", key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def test_every_audit_of_graphql_over_http_is_ok_but_those_with_a_reason(start: Start, node: str) -> None:
    """All of MUST, SHOULD and MAY; of what we do otherwise nothing is a MUST."""
    served = start(embedded="memory")
    results = audited(node, served.url, served.key)
    assert len(results) == AUDITS
    fallen = {one["id"]: one for one in results if one["status"] != "ok"}
    assert sorted(fallen) == sorted(OTHERWISE), [one for one in fallen.values() if one["id"] not in OTHERWISE]
    assert not [one for one in fallen.values() if one["name"].startswith("MUST") or one["status"] == "error"]
