"""Server-sent events: how a stream begins, stays alive, and ends, whoever ends it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from app.core.errors import Fault
from app.graph.operation import Stream
from app.live import seat
from app.live.seat import SlowConsumer
from app.web import sse
from tests import wire
from tests.api import Api

FOLLOW = "subscription { timelineEvents { kind event { person { externalId } } } }"
END = {"type": "http.response.body", "body": b""}


class Reader(wire.Events):
    """A client that reads a stream of the whole account."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.service.app, api.key, {"query": FOLLOW})

    async def ready(self) -> "Reader":
        """Wait until it follows."""
        assert await self.start() == 200
        assert (await self.kind()) == "READY"
        return self

    async def kind(self) -> str:
        """Return the kind of the next update."""
        kind: str = (await self.next())[1]["data"]["timelineEvents"]["kind"]
        return kind

    async def message(self) -> dict[str, Any]:
        """Return the next message as it was sent."""
        async with asyncio.timeout(wire.SECONDS):
            return await self._out.get()


@pytest.fixture
async def reader(api: Api) -> AsyncIterator[Reader]:
    """Give a client that follows; in the end nothing of it is left."""
    one = await Reader(api).ready()
    yield one
    await one.leave()
    assert len(api.service.hub) == 0
    assert "profiles_streams 0.0" in api.service.edge.metrics.text().decode()


async def test_a_query_is_answered_as_ever(api: Api) -> None:
    """Only a subscription streams; its answer is JSON, whatever else is accepted."""
    response = await api.post("{ viewer { accountId } }", Accept="text/event-stream")
    assert response.json() == {"data": {"viewer": {"accountId": api.account}}}


async def test_a_stream_says_how_it_is_to_be_handled(api: Api) -> None:
    """Neither a cache nor a proxy may hold it back."""
    reader = Reader(api)
    headers = dict((await reader.message())["headers"])
    await reader.leave()
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert (headers[b"cache-control"], headers[b"x-accel-buffering"]) == (b"no-store", b"no")
    assert headers[b"x-request-id"].startswith(b"req_")


async def test_a_silent_stream_has_a_heartbeat(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, which clients pass over."""
    assert sse.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    reader = Reader(api)
    bodies = [(await reader.message()).get("body") for _ in range(4)]
    await reader.leave()
    assert b":\n\n" in bodies


async def test_a_client_that_goes_ends_its_stream(api: Api, reader: Reader) -> None:
    """Nothing is left in the hub."""
    assert len(api.service.hub) == 1
    await reader.leave()
    assert len(api.service.hub) == 0


async def test_a_revoked_key_ends_its_stream(api: Api, reader: Reader) -> None:
    """Without `complete`: it is cut off."""
    access = api.service.services.access
    (key,) = await access.keys(api.account)
    await access.revoke_key(api.account, key.id)
    assert await reader.message() == END


async def test_a_departing_service_ends_streams_without_a_word(api: Api, reader: Reader) -> None:
    """Without `complete`, so that the client comes again, to another process."""
    await api.service.depart()
    assert await reader.message() == END


async def test_a_failure_is_told_and_ends_the_stream(api: Api, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that takes too long to tell: an error as the last payload, then `complete`."""
    assert seat.RENDER_SECONDS == 30
    monkeypatch.setattr(seat, "RENDER_SECONDS", 0.0)
    await api.made(externalId="x")
    _, payload = await reader.next()
    assert [one["extensions"]["code"] for one in payload["errors"]] == ["TIMEOUT"]
    assert [await reader.next(), await reader.message()] == [("complete", None), END]


class Late(Reader):
    """A client whose body comes late."""

    def __init__(self, api: Api) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        super().__init__(api)

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self.asked.set()
            await self.go_on.wait()
        return await super()._receive()


async def test_a_key_that_is_revoked_while_the_body_comes_opens_no_stream(api: Api) -> None:
    """Between the look at the key and the first event nothing is missed."""
    weak = await api.key_with("PEOPLE_READ")
    late = Late(weak)
    await late.asked.wait()
    access = api.service.services.access
    (key,) = [one for one in await access.keys(api.account) if one.name == "test"]
    await access.revoke_key(api.account, key.id)
    late.go_on.set()
    assert await late.start() == 401


async def test_a_reader_who_is_too_far_behind_hears_so(api: Api, reader: Reader) -> None:
    """With the cursor to go on from, then `complete`."""
    (seated,) = api.service.hub._seats
    api.service.hub._turn_out(seated)
    _, payload = await reader.next()
    (error,) = payload["errors"]
    assert (error["extensions"]["code"], bool(error["extensions"]["cursor"])) == ("SLOW_CONSUMER", True)
    assert [await reader.next(), await reader.message()] == [("complete", None), END]


async def test_a_reader_who_takes_nothing_is_cut_off(api: Api, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """After LAST_WORD_SECONDS, whatever is stuck."""
    assert sse.LAST_WORD_SECONDS == 5
    monkeypatch.setattr(sse, "LAST_WORD_SECONDS", 0.01)
    reader.reading.clear()
    await api.made(externalId="x")
    (seated,) = api.service.hub._seats
    api.service.hub._turn_out(seated)
    await reader.finished()


class Client:
    """A client that says something, stays, and keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._said = False

    async def receive(self) -> dict[str, Any]:
        """Say more than the body, then nothing."""
        if self._said:
            await asyncio.get_running_loop().create_future()
        self._said = True
        return {"type": "http.request", "body": b""}

    async def send(self, message: Any) -> None:
        """Take a message."""
        self.sent.append(message)


ENDS: list[tuple[Exception, dict[str, Any]]] = [
    (SlowConsumer("t1"), {"code": "SLOW_CONSUMER", "cursor": "sealed t1"}),
    (Fault("UNAVAILABLE", "Away.", retryAfter=1), {"code": "UNAVAILABLE", "retryAfter": 1}),
]


@pytest.mark.parametrize(("end", "extensions"), ENDS)
async def test_the_end_of_a_stream_is_told_with_its_code(api: Api, end: Exception, extensions: dict[str, Any]) -> None:
    """Who was too slow is given the cursor to go on from."""

    async def payloads() -> AsyncIterator[str]:
        yield '{"data":1}'
        raise end

    client, live = Client(), sse.Live()
    live.stream = Stream(payloads(), lambda token: f"sealed {token}")  # type: ignore[arg-type]
    async with asyncio.timeout(wire.SECONDS):
        await sse.serve(api.service.edge, live, client.receive, client.send, [])
    _, first, last, complete, closed = [message.get("body") for message in client.sent]
    assert (first, complete, closed) == (b'event: next\ndata: {"data":1}\n\n', b"event: complete\ndata: \n\n", b"")
    (error,) = orjson.loads((last or b"").decode().splitlines()[1].removeprefix("data: "))["errors"]
    assert error["extensions"] == extensions


def test_a_stream_that_has_not_begun_is_stopped_without_harm() -> None:
    """There is no task yet."""
    sse.Live().stop()
