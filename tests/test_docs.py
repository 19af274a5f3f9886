"""The papers are true: every document in the guide runs, every setting and every error code is explained."""

import re
from pathlib import Path

import pytest
from graphql import parse

from app.graph.enums import ErrorCode
from app.settings import Settings, variable
from tests.api import Api

ROOT = Path(__file__).parents[1]
GUIDE = {page.stem: page.read_text() for page in sorted((ROOT / "docs" / "guide").glob("*.md"))}
BLOCK = re.compile(r"```graphql\n(.*?)```", re.DOTALL)
NEWEST = {
    "importId": "{ imports(first: 1) { nodes { id } } }",
    "merge": "{ merges(first: 1) { nodes { id } } }",
    "groupId": "{ duplicatePersons(first: 1) { nodes { id } } }",
}


async def named(api: Api, block: str) -> dict[str, str]:
    """Return what a reader would put into the variables of a document: the id of the newest of its kind."""
    return {name: (await api(query))["nodes"][0]["id"] for name, query in NEWEST.items() if f"${name}" in block}


@pytest.mark.parametrize("page", GUIDE)
async def test_every_document_of_the_guide_runs(api: Api, page: str) -> None:
    """One page after the other from an empty store; nothing is refused."""
    for block in BLOCK.findall(GUIDE[page]):
        operation = parse(block).definitions[0]
        if "subscription" in str(getattr(operation, "operation", "")).lower():
            async with api.live(block) as socket:
                assert (await socket.data())["kind"] == "READY"
            continue
        answer = (await api.post(block, await named(api, block))).json()
        assert "errors" not in answer, (page, answer)
        for payload in answer["data"].values():
            assert not (isinstance(payload, dict) and payload.get("errors")), (page, payload)


def test_every_setting_is_explained() -> None:
    """A setting that the guide doesn't name is one that nobody finds."""
    text = GUIDE["operate"]
    missing = [variable(name) for name in Settings.model_fields if f"`{variable(name)}`" not in text]
    assert missing == []


def test_every_error_code_is_explained() -> None:
    """Of payloads by the enum, of answers by what stands in the code."""
    text = (ROOT / "docs" / "errors.md").read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    raised = set(re.findall(r"(?:Fault|_refuse|Refused)\(\s*\"([A-Z_]+)\"", sources))
    codes = {value.name for value in ErrorCode} | raised
    assert sorted(code for code in codes if not re.search(rf"\b{code}\b", text)) == []
