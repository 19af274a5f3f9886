"""The page for whoever watches the service names what there is: metrics, labels, alerts, lines of the log."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.mongo.twin import Twin
from tests.api import Api, opened
from tests.web.test_metrics import FOLLOW, ONE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guide" / "operations.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z]\w+)` \| *([\w, ]*?) *\|", PAGE, re.MULTILINE))
RULES = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in RULES["groups"][0]["rules"]}
ADVICE = re.findall(r"^\| (Profiles\w+) \| .+ \|$", PAGE, re.MULTILINE)
# What PromQL has itself, and what Prometheus knows of each target without being told.
WORDS = {"sum", "max", "by", "increase", "rate", "histogram_quantile", "min_over_time", "max_over_time", "offset"}
TARGET = {"instance", "job", "le"}
SUFFIXES = ("_bucket", "_count", "_sum")


async def shown(api: Api) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return each family with its type, and the labels that its lines have."""
    text = (await api.http.get("/metrics")).text
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        family = name if name in types else name.rpartition("_")[0]
        labels.setdefault(family, set()).update(set(re.findall(r"(\w+)=\"", inside)) - {"le"})
    return types, labels


async def test_the_table_has_every_metric_with_its_labels() -> None:
    """Neither one that is not there, nor one too few."""
    async with opened(Twin()) as api:
        await api.post(ONE)
        await api.post("{ nothing }")
        async with api.live(FOLLOW):
            types, labels = await shown(api)
    assert sorted(ROWS) == sorted(types)
    described = {name: set(filter(None, by.split(", "))) for name, by in ROWS.items()}
    assert {name: described[name] for name in labels} == labels
    assert {name for name, by in described.items() if by} - labels.keys() == {"profiles_visitors_unjoined_total"}


@pytest.fixture(scope="module")
async def types() -> dict[str, str]:
    """Give the families of /metrics with their types."""
    async with opened(Twin()) as api:
        return (await shown(api))[0]


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_watches_what_there_is(types: dict[str, str], name: str) -> None:
    """Its metrics and labels are those of the table; what only grows is looked at by how fast it does."""
    expression: str = ALERTS[name]["expr"]
    for matcher in re.findall(r"(\w+)\{([^}]*)\}", expression):
        family = next((matcher[0].removesuffix(one) for one in SUFFIXES if matcher[0].endswith(one)), matcher[0])
        assert set(re.findall(r"(\w+)[=~!]", matcher[1])) <= TARGET | set(ROWS.get(family, "").split(", "))
    bare = re.sub(r"\{[^}]*\}|\[\w+\]|by \([^)]*\)|\b\d[\w.]*", "", expression)
    named = set(re.findall(r"[a-z]\w+", bare)) - WORDS - {"up"}
    assert named or "up" in bare
    for metric in named:
        family = metric if metric in types else metric.rpartition("_")[0]
        assert (metric in types) != metric.endswith("_bucket"), metric
        assert types[family] in ("gauge", "counter", "histogram")
        if types[family] != "gauge":
            assert re.search(rf"(rate|increase)\({metric}\W", expression), metric


def test_each_alert_is_whole() -> None:
    """A rule as Prometheus reads it, and what to do about it."""
    assert RULES["groups"][0]["name"] == "profiles"
    assert all({"alert", "expr"} <= rule.keys() <= {"alert", "expr", "for"} for rule in ALERTS.values())
    assert all(re.fullmatch(r"\d+[smhd]", rule.get("for", "1m")) for rule in ALERTS.values())
    assert all(rule["expr"].count("(") == rule["expr"].count(")") for rule in ALERTS.values())
    assert sorted(ADVICE) == sorted(ALERTS)


def test_each_line_of_the_log_is_one_that_is_written() -> None:
    """Those that the page names stand in the code."""
    sources = "\n".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    logs = PAGE[PAGE.index("## Logs") : PAGE.index("## Slow operations")]
    named = set(re.findall(r"`([a-z]+_[a-z_]+|request)`", logs)) - {"request_id"}
    assert {"request", "slow_operation"} <= named
    assert [name for name in named if f'"{name}"' not in sources] == []
