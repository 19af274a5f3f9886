"""The smallest settings that the published browser clients of the protocol start with.

The same for any key, known or not: they are read before anything is sent, and prove nothing.
"""

import re
from typing import Any

PROJECT = re.compile(r"/v1/projects/([^/]{1,512})/settings")
SOURCES = ("/v1/sourceConfig", "/v1/sourceConfig/")
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?")


def segment(key: str, host: str) -> dict[str, Any]:
    """Return what Segment's analytics.js reads: where to send to, and that nothing else is to be loaded."""
    here = {"apiKey": key, "apiHost": f"{host}/v1"}
    if _LOOPBACK.fullmatch(host):
        here["protocol"] = "http"
    return {"integrations": {"Segment.io": here}, "metrics": {"sampleRate": 0}}


def rudder() -> dict[str, Any]:
    """Return what RudderStack's browser client reads: a source without destinations that reports nothing elsewhere."""
    quiet = {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}
    source = {
        "id": "profiles",
        "name": "Customer Profiles",
        "enabled": True,
        "workspaceId": "profiles",
        "config": quiet,
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return {"source": source}
