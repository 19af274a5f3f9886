"""Slow operations are told in one line that finds them again, and that says nothing of anybody."""

import asyncio
import hashlib
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from app.graph import operation
from app.graph.precheck import CHARACTERS_MAX
from app.mongo.engine import Document
from app.mongo.twin import Twin
from app.web.sight import fingerprint
from tests.api import Api, opened

FIND = "query Someone($by: PersonLocator!) { person(by: $by) { id firstName } }"


class Slow(Twin):
    """A twin whose reads of persons never end, once it `hangs`."""

    hangs = False

    async def find(self, collection: str, filter: Any, **options: Any) -> list[Document]:  # noqa: A002 - the protocol's
        """Read, or hang."""
        if self.hangs and collection == "persons":
            await asyncio.Event().wait()
        return await super().find(collection, filter, **options)


async def lines(api: Api, query: str, variables: dict[str, Any]) -> list[Any]:
    """Return what is logged of slow operations while one is answered."""
    with capture_logs() as logs:
        await api.post(query, variables, **{"X-Request-ID": "mine"})
    return [line for line in logs if line["event"] == "slow_operation"]


async def test_a_slow_operation_is_told_without_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it takes to find it, and what it asked of the store."""
    twin = Slow()
    async with opened(twin, slow_ms=200) as api:
        person = await api.made(firstName="Ada", emails=[{"address": "ada@example.com"}])
        twin.hangs = True
        monkeypatch.setattr(operation, "OPERATION_SECONDS", 0.2)
        (line,) = await lines(api, FIND, {"by": {"email": "ada@example.com"}})
    assert line.pop("ms") >= 200
    assert line.pop("cost") >= 1
    assert line == {
        "event": "slow_operation",
        "log_level": "warning",
        "request_id": "mine",
        "account": api.account,
        "operation": "Someone",
        "kind": "query",
        "status": 504,
        "codes": ["TIMEOUT"],
        "calls": 2,
        "shared": 0,
        "document": hashlib.sha256(FIND.encode()).hexdigest()[:16],
    }
    told = orjson.dumps(line).decode()
    assert all(secret not in told for secret in ("ada@", "Ada", api.key, person["id"]))


@pytest.mark.parametrize("slow_ms", [0, 60_000])
async def test_what_is_quick_enough_is_not_told(slow_ms: int) -> None:
    """And nothing is where the threshold is 0."""
    async with opened(Twin(), slow_ms=slow_ms) as api:
        assert await lines(api, FIND, {"by": {"id": "nobody"}}) == []


def test_a_document_that_is_too_long_to_run_has_no_fingerprint() -> None:
    """It would take long to make, for something that is refused."""
    assert fingerprint("x" * (CHARACTERS_MAX + 1)) is None
    assert fingerprint(None) is None
    assert fingerprint("\ud800") != fingerprint("x")
