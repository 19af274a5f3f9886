"""What the tests of the wire begin with."""

import pytest

from tests import api as apis
from tests.api import Api
from tests.web.said import EVENT


@pytest.fixture
async def web(api: Api) -> Api:
    """Give an account with an event, asked with a key of the Web SDK."""
    assert (await api(apis.DEFINE, input=EVENT))["errors"] == []
    for name, kind in {"plan": "STRING", "seats": "INTEGER"}.items():
        await api(apis.ATTRIBUTE, input={"name": name, "type": kind})
    return await api.key_with("WEB_SDK")
