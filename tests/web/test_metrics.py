"""What /metrics shows: each operation once, by its name where that is one of few, and what it cost."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from app.core.errors import unavailable
from app.core.tally import Tally
from app.mongo.twin import Twin
from app.web.figures import LOOK_SECONDS, LoopLag
from app.web.metrics import NAME_CHARACTERS_MAX, NAMES_MAX, NAMES_PER_ACCOUNT_MAX, OTHER, Metrics, Names
from tests import wire
from tests.api import Api, opened

ONE = 'query One { person(by: {id: "nobody"}) { id } }'
FOLLOW = "subscription Follow { timelineEvents { kind } }"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Give the whole service; what is counted does not depend on the store."""
    async with opened(Twin()) as one:
        yield one


async def figure(api: Api, name: str) -> float:
    """Return a figure of /metrics, 0 where there is no such line."""
    text = (await api.http.get("/metrics")).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def operation(name: str, kind: str, code: str = "OK") -> str:
    """Return the name of a counter."""
    return f'profiles_operations_total{{code="{code}",kind="{kind}",operation="{name}"}}'


async def test_operations_are_counted_by_name_and_code(api: Api) -> None:
    """One that has no name under none, one that never ran as that."""
    for _ in range(2):
        await api.post(ONE)
    await api.post("{ viewer { accountId } }")
    await api.post("query Bad { nothing }")
    await api.as_("cp_live_wrong").post(ONE)
    assert await figure(api, operation("One", "query")) == 2
    assert await figure(api, operation("", "query")) == 1
    assert await figure(api, operation("", "none", "VALIDATION_FAILED")) == 1
    assert await figure(api, operation("", "none", "UNAUTHENTICATED")) == 1
    assert await figure(api, 'profiles_requests_total{kind="query",status="200"}') == 3
    assert await figure(api, 'profiles_errors_total{code="UNAUTHENTICATED"}') == 1


async def test_the_wire_is_counted_by_path(api: Api) -> None:
    """Any other path may have a key in it, and is no name."""
    key = await api.key_with("WEB_SDK")
    for path in ("/v1/track", "/v1/cp_live_secret"):
        await api.http.post(path, json={}, headers={"Authorization": f"Bearer {key.key}"})
    text = (await api.http.get("/metrics")).text
    assert 'kind="wire",operation="/v1/track"' in text
    assert await figure(api, operation("", "wire", "NOT_FOUND")) == 1
    assert "cp_live" not in text


async def test_a_request_knows_its_calls(api: Api) -> None:
    """A person by id is one call; what needs none has none."""
    calls = 'profiles_request_calls_bucket{kind="query",le="%s"}'
    await api.post("{ viewer { accountId } }")
    before = await figure(api, calls % 0)
    await api.post(ONE)
    assert (await figure(api, calls % 0), await figure(api, calls % 1)) == (before, before + 1)
    assert await figure(api, 'profiles_store_calls_total{collection="persons",kind="find"}') >= 1


async def test_operations_of_a_websocket_are_timed(api: Api) -> None:
    """A subscription when it has begun, however long it lasts, and once."""
    async with api.live(FOLLOW) as socket:
        assert (await socket.data())["kind"] == "READY"
        await socket.subscribe(ONE, id_="2")
        assert await socket.next() == {"id": "2", "type": "next", "payload": {"data": {"person": None}}}
        assert await figure(api, operation("Follow", "subscription")) == 1
        assert await figure(api, operation("One", "query")) == 1
        assert await figure(api, 'profiles_request_seconds_sum{kind="query"}') > 0
        assert await figure(api, 'profiles_live_seats{state="live"}') == 1


async def test_a_stream_that_breaks_off_is_no_second_operation(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is counted; its hours are no time of a request."""
    async with api.live(FOLLOW) as socket:
        assert (await socket.data())["kind"] == "READY"
        (seat,) = api.service.hub._seats
        seat.stop(unavailable())
        assert (await socket.next())["type"] == "error"
    assert await figure(api, 'profiles_errors_total{code="UNAVAILABLE"}') == 1
    assert await figure(api, 'profiles_request_seconds_count{kind="subscription"}') == 1


async def test_a_stream_of_events_is_counted_when_it_begins(api: Api) -> None:
    """By the name in its document, as on a websocket."""
    reader = wire.Events(api.service.app, api.key, {"query": FOLLOW})
    assert await reader.start() == 200
    assert await figure(api, operation("Follow", "subscription")) == 1
    await reader.leave()


def test_names_are_few() -> None:
    """Those that came first, of each account not all; long ones and the rest are one."""
    names = Names()
    assert [names.of(one, "a") for one in (None, "", "x" * NAME_CHARACTERS_MAX)] == ["", "", "x" * NAME_CHARACTERS_MAX]
    assert names.of("x" * (NAME_CHARACTERS_MAX + 1), "a") == OTHER
    greedy = [names.of(f"g{number}", "a") for number in range(NAMES_MAX)]
    assert len(set(greedy) - {OTHER}) == NAMES_PER_ACCOUNT_MAX - 1
    assert names.of("mine", "b") == "mine"
    for account in "cdef":
        for number in range(NAMES_MAX):
            names.of(f"{account}{number}", account)
    assert len(names._known) == NAMES_MAX
    assert (names.of("new", "z"), names.of("g0", "z")) == (OTHER, "g0")


def test_series_stay_few_whatever_clients_call_their_operations() -> None:
    """A name beyond the bound is counted, and makes no line of its own."""
    metrics = Metrics()
    for number in range(10 * NAMES_MAX):
        tally = Tally(0.0)
        tally.kind, tally.name, tally.account = "query", f"n{number}", f"a{number}"
        metrics.answered(tally, 200, (), 0.0)
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("profiles_operations_total")]
    assert len(lines) == NAMES_MAX + 1
    assert f'profiles_operations_total{{code="OK",kind="query",operation="other"}} {9.0 * NAMES_MAX}' in lines


async def test_the_lag_of_the_loop_is_how_much_later_than_due_it_comes() -> None:
    """Never less than nothing."""
    now, steps = [0.0], iter([LOOK_SECONDS, LOOK_SECONDS + 0.3, 0.0])

    async def pause(seconds: float) -> None:
        assert seconds == LOOK_SECONDS
        step = next(steps, None)
        if step is None:
            raise asyncio.CancelledError
        now[0] += step

    lag = LoopLag(pause, lambda: now[0])
    with pytest.raises(asyncio.CancelledError):
        await lag.run()
    assert sum(lag.seconds.counts) == 3
    assert lag.seconds.total == pytest.approx(0.3)
