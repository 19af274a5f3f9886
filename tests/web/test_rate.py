"""What a key may ask is told with every answer, on every transport; who asks too much waits, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.access import patience
from app.access.broker import SETTLE_SECONDS
from app.mongo.engine import Engine
from tests import api as apis
from tests import wire
from tests.api import Api
from tests.redis import RealRedis

VIEWER = "{ viewer { accountName } }"
NAMES = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


@pytest.fixture
async def slow(engine: Engine) -> AsyncIterator[Api]:
    """Give a service where a key may ask ten units at once and one more each second; the clock of rates stands."""
    async with apis.opened(engine, rate_limit=1) as one:
        one.service.edge.rates._timer = lambda: 1000.0
        yield one


def told(response: httpx.Response) -> tuple[int, ...]:
    """Return limit, rest and the seconds until all is there again."""
    return tuple(int(response.headers[name]) for name in NAMES)


async def test_each_answer_says_how_much_is_left(slow: Api) -> None:
    """RateLimit-Limit, -Remaining, -Reset."""
    assert told(await slow.post(VIEWER)) == (10, 9, 1)
    assert told(await slow.post("{ persons(first: 3) { nodes { id } } }")) == (10, 6, 4)
    reader = await slow.key_with("PEOPLE_READ")
    assert told(await reader.post(VIEWER)) == (10, 9, 1)


async def test_a_document_that_is_refused_takes_more_than_most(engine: Engine) -> None:
    """To find out that it is wrong has cost something, known before or not: nobody gets that for nothing."""
    async with apis.opened(engine, rate_limit=10) as one:
        one.service.edge.rates._timer = lambda: 1000.0
        for query, left in (("{ nope }", 80), ("{ nope }", 60), ("{", 40), ("{" * 30_000, 20), ("{ other }", 0)):
            response = await one.post(query)
            assert (response.status_code, told(response)[1]) == (400, left)
        assert (await one.post("{ nope }")).status_code == 429


async def test_Y4_over_the_rate_one_is_told_when_to_come_again(slow: Api) -> None:
    """W over rate T 429 RATE_LIMITED with Retry-After; another key is not touched; after that time it goes."""
    for _ in range(10):
        assert (await slow.post(VIEWER)).status_code == 200
    refused = await slow.post("{ persons(first: 3) { nodes { id } } }")
    assert (refused.status_code, told(refused), refused.headers["retry-after"]) == (429, (10, 0, 10), "3")
    (error,) = refused.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("RATE_LIMITED", 3)
    assert (await (await slow.key_with("PEOPLE_READ")).post(VIEWER)).status_code == 200
    slow.service.edge.rates._timer = lambda: 1003.0
    again = await slow.post("{ persons(first: 3) { nodes { id } } }")
    assert (again.status_code, told(again)) == (200, (10, 0, 10))
    assert "retry-after" not in again.headers


async def test_who_asks_on_and_on_is_told_later(slow: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few refusals come at once; those behind them wait, on the wire as well, and another account's don't."""
    held: list[float] = []
    monkeypatch.setattr(slow.service.edge.patience, "_timer", lambda: 7.0)
    monkeypatch.setattr(patience, "HELD_SECONDS", 0.01)
    counted = slow.service.edge.patience.seconds

    def seconds(account: str) -> float:
        held.append(counted(account))
        return held[-1]

    monkeypatch.setattr(slow.service.edge.patience, "seconds", seconds)
    message = {"type": "page", "messageId": "m-1", "anonymousId": "a-1"}
    for _ in range(10 + patience.AT_ONCE):
        await slow.post(VIEWER)
    assert held == [0.0] * patience.AT_ONCE
    began = asyncio.get_running_loop().time()
    assert (await slow.post(VIEWER)).headers["retry-after"] == "1"
    refused = await slow.http.post("/v1/page", json=message, headers={"Authorization": f"Bearer {slow.key}"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert all(held[patience.AT_ONCE :])
    assert len(held) == patience.AT_ONCE + 2
    assert asyncio.get_running_loop().time() - began >= 2 * patience.HELD_SECONDS
    assert counted("acc_another") == 0.0


async def test_a_refused_mutation_has_written_nothing(slow: Api) -> None:
    """The whole call is refused before it begins."""
    for _ in range(10):
        await slow.post(VIEWER)
    assert (await slow.post(apis.CREATE, {"input": {"externalId": "late"}})).status_code == 429
    slow.service.edge.rates._timer = lambda: 2000.0
    assert (await slow("{ persons(first: 1) { totalCount } }"))["totalCount"] == 0


async def test_nothing_is_said_where_nobody_is_known_or_no_rate_is_set(api: Api, slow: Api) -> None:
    """Without a key, and with PROFILES_RATE_LIMIT=0."""
    for response in (await slow.post(VIEWER, Authorization="Bearer wrong"), await api.post(VIEWER)):
        assert not set(NAMES) & set(response.headers)


async def test_pages_of_other_origins_may_read_the_headers(slow: Api) -> None:
    """Access-Control-Expose-Headers names them."""
    response = await slow.post(VIEWER, Origin="http://profiles.test")
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {*NAMES, "retry-after", "x-request-id"} == set(exposed)


async def test_a_stream_of_server_sent_events_begins_with_them(slow: Api) -> None:
    """As any answer over HTTP."""
    events = wire.Events(slow.service.app, slow.key, {"query": "subscription { timelineEvents { kind } }"})
    message = await events._out.get()
    assert (message["status"], dict(message["headers"])[b"ratelimit-limit"]) == (200, b"10")
    await events.leave()


async def test_on_a_websocket_the_operation_is_refused_and_the_socket_stays(slow: Api) -> None:
    """An error message RATE_LIMITED with the seconds to wait; later the same socket serves again."""
    async with slow.socket() as socket:
        await socket.init(apiKey=slow.key)
        for number in range(10):
            await socket.subscribe(VIEWER, str(number))
            assert await socket.data() == {"accountName": "Test"}
            assert (await socket.next())["type"] == "complete"
        await socket.subscribe(VIEWER, "more")
        refusal = await socket.next()
        assert (refusal["type"], refusal["id"]) == ("error", "more")
        extensions = refusal["payload"][0]["extensions"]
        assert (extensions["code"], extensions["retryAfter"]) == ("RATE_LIMITED", 1)
        slow.service.edge.rates._timer = lambda: 1001.0
        await socket.subscribe(VIEWER, "more")
        assert await socket.data() == {"accountName": "Test"}


async def test_a_key_has_one_bucket_over_machines_with_one_redis(engine: Engine, tmp_path: Path) -> None:
    """W two services, one database, PROFILES_BROKER_URL T what one gave the other refuses a moment later."""
    redis = RealRedis(tmp_path)
    if redis.missing:
        pytest.skip(redis.missing)
    redis.start()
    together = {"rate_limit": 1, "broker_url": redis.url}
    try:
        async with apis.opened(engine, **together) as one, apis.opened(engine, **together) as other:
            assert (await one.post("{ persons(first: 10) { nodes { id } } }")).status_code == 200
            # Each learns of the others when it is asked itself. Alone it would let a third whole bucket through.
            answers = []
            for _ in range(9):
                answers.append((await other.as_(one.key).post(VIEWER)).status_code)
                await asyncio.sleep(2 * SETTLE_SECONDS)
            assert 429 in answers
    finally:
        redis.stop()
