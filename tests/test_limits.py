"""The table of limits and the code say the same, and none is left out."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from app.graph.enums import ErrorCode
from app.settings import Settings
from tests.test_house import TREES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "limits.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<value>[\d,]+) \| [^|]+ \| (?P<beyond>[^|]+) \| `(?P<name>[\w.]+)` \|$", re.MULTILINE
)
ROWS = [found.groupdict() for found in ROW.finditer(TEXT)]
# Bounds that no caller meets: of memory, of loops inside, of the service's own waiting.
INTERNAL = {
    "app.access.closing.WAIT_SECONDS_MAX",
    "app.catalog.lists.PROBES_MAX",
    "app.catalog.service.CATALOGS_MAX",
    "app.changes.desk.MERGES_MAX",
    "app.demo.WAIT_SECONDS_MAX",
    "app.graph.coercion.FIELDS_TOLD_MAX",
    "app.graph.coercion.INT_MAX",
    "app.graph.document.DOCUMENTS_MAX",
    "app.graph.document.TEXT_BYTES_MAX",
    "app.crew.DEATHS_MAX",
    "app.crew.PAUSE_SECONDS_MAX",
    "app.graph.document.TOKENS_KEPT_MAX",
    "app.main.AGAIN_SECONDS_MAX",
    "app.core.chance.BACKOFF_SECONDS_MAX",
    "app.web.connection.AT_ONCE_BYTES_MAX",
    "app.web.connection.SAME_HEAD_BYTES_MAX",
    "app.intake.visit_chunk.ALIASES_MAX",
    "app.live.feed.BACKOFF_SECONDS_MAX",
    "app.mongo.chunk.WAITING_MAX",
    "app.mongo.watch.BACKOFF_SECONDS_MAX",
    "app.persons.blocks.BLOCKS_MAX",
    "app.persons.sharing.READ_PERSONS_MAX",
    "app.serving.SOCKET_MESSAGE_BYTES_MAX",
    "app.settings.PORT_MAX",
    "app.settings.WORKERS_MAX",
    "app.sync.salesforce_bulk.POLL_SECONDS_MAX",
    "app.web.metrics.NAMES_MAX",
    "app.web.metrics.NAMES_PER_ACCOUNT_MAX",
    "app.web.metrics.NAME_CHARACTERS_MAX",
}


def constants() -> set[str]:
    """Return the constants of the service whose names say that they are a maximum."""
    found = set()
    for path, tree in TREES.items():
        module = path.removesuffix(".py").replace("/", ".")
        for node in tree.body:
            for target in node.targets if isinstance(node, ast.Assign) else []:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {f"{module}.{one.id}" for one in names if isinstance(one, ast.Name)}
    return {name for name in found if re.search(r"\.[A-Z][A-Z_]*_MAX$", name)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_each_limit_is_what_the_code_says(row: dict[str, str]) -> None:
    """The value is the constant's, and the codes are codes that errors.md explains."""
    module, _, name = row["name"].rpartition(".")
    assert f"{int(getattr(import_module(module), name)):,}" == row["value"]
    codes = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bINVALID\b|\bTIMEOUT\b", row["beyond"]))
    assert codes <= {one.name for one in ErrorCode} | set(re.findall(r"\b[A-Z_]{6,}\b", ERRORS))


def test_no_limit_is_left_out() -> None:
    """A constant that is a maximum stands in the table, or is none that a caller meets."""
    named = {row["name"] for row in ROWS}
    assert len(ROWS) == TEXT.count("| `app.")
    assert sorted(constants() - named - INTERNAL) == []
    assert sorted(INTERNAL - constants()) == []


def test_the_rate_is_that_of_the_settings() -> None:
    """Its default is told in words."""
    assert f"{Settings().rate_limit:,} where nothing is set" in TEXT
