"""Too much at once: refused with a status, a code and a time to wait, at every door; others are served."""

import httpx
import pytest

from app.access import load
from app.graph import operation
from app.web import ingest
from tests.api import Api

QUERY = "{ viewer { accountId } }"
MESSAGE = {"type": "page", "messageId": "m-1", "anonymousId": "a-1"}


@pytest.fixture
async def busy(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give an account with as much under way as it may have, and nobody in line."""
    monkeypatch.setattr(load, "ACCOUNT_RUNNING_MAX", 1)
    monkeypatch.setattr(load, "ACCOUNT_WAITING_MAX", 0)
    assert await api.service.edge.operations.load.enter(api.account) == 0
    return api


def told(response: httpx.Response) -> tuple[int, str | None]:
    """Return the status and the seconds to wait."""
    return response.status_code, response.headers.get("retry-after")


async def sent(api: Api) -> httpx.Response:
    """Send a message on the wire."""
    return await api.http.post("/v1/page", json=MESSAGE, headers={"Authorization": f"Bearer {api.key}"})


async def test_an_account_that_has_too_much_under_way_is_refused_with_429(busy: Api) -> None:
    """By GraphQL and on the wire; when something has ended, it is served again."""
    answer = await busy.post(QUERY)
    assert told(answer) == (429, "1")
    assert answer.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}
    assert told(await sent(busy)) == (429, "1")
    assert (await busy.http.get("/livez")).status_code == 200
    busy.service.edge.operations.load.leave(busy.account, 0)
    assert (await busy(QUERY))["accountId"] == busy.account
    assert told(await sent(busy)) == (200, None)


async def test_a_process_that_has_too_much_in_line_answers_503(busy: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks."""
    monkeypatch.setattr(load, "ACCOUNT_WAITING_MAX", 10)
    monkeypatch.setattr(load, "WAITING_MAX", 0)
    answer = await busy.post(QUERY)
    assert told(answer) == (503, "1")
    assert answer.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 1}


async def test_who_waits_for_longer_than_an_operation_may_take_is_told(
    busy: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By GraphQL and on the wire; nobody is left in line."""
    monkeypatch.setattr(load, "ACCOUNT_WAITING_MAX", 10)
    for room in (operation, ingest):
        monkeypatch.setattr(room, "OPERATION_SECONDS", 0.05)
    answer = await busy.post(QUERY)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (504, "TIMEOUT")
    answer = await sent(busy)
    assert (answer.status_code, answer.json()) == (504, {"success": False, "code": "TIMEOUT"})
    assert busy.service.edge.operations.load.waiting == 0


async def test_another_account_is_served_beside_it(busy: Api) -> None:
    """One that asks for very much holds up nobody but itself."""
    account, _, key = await busy.service.services.access.create_account("Other")
    assert (await Api(busy.service, key, account.id)(QUERY))["accountId"] == account.id


async def test_a_websocket_operation_is_refused_alone(busy: Api) -> None:
    """Its socket stays, for what is followed on it."""
    async with busy.socket() as socket:
        await socket.init(Authorization=f"App {busy.key}")
        await socket.subscribe(QUERY)
        message = await socket.next()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        await socket.send({"type": "ping"})
        assert (await socket.next())["type"] == "pong"
