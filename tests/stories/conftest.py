"""What several stories begin with."""

from collections.abc import AsyncIterator

import pytest

from app.sync import run
from tests.api import Api
from tests.stories.syncing import Side, sided


@pytest.fixture(params=["SALESFORCE", "DYNAMICS"])
async def side(request: pytest.FixtureRequest, api: Api) -> AsyncIterator[Side]:
    """Give a CRM of each system beside an empty account."""
    async with sided(api, request.param) as one:
        yield one


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each change be looked at by one pass alone."""
    monkeypatch.setattr(run, "OVERLAP_SECONDS", 0.0)
