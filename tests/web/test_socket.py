"""The graphql-transport-ws protocol: introductions, close codes, operations side by side."""

import asyncio
from typing import Any

import orjson
import pytest

from app.web import socket as sockets
from app.web.frames import EXTENSION, text_frame
from tests.api import CREATE, Api
from tests.wire import Socket

VIEWER = "{ viewer { accountName } }"
FOLLOW = "subscription { timelineEvents { kind event { type } } }"


@pytest.mark.parametrize(
    "payload",
    [
        lambda key: {"Authorization": f"App {key}"},
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"apiKey": key},
        lambda key: {"headers": {"Authorization": f"App {key}"}},
        lambda key: {"headers": {"apiKey": key}},
    ],
)
async def test_a_key_is_found_wherever_clients_put_it(api: Api, payload: Any) -> None:
    """In connection_init at top level or under `headers`."""
    async with api.socket() as socket:
        assert await socket.init(**payload(api.key)) == {"type": "connection_ack"}
        assert socket.accepted == "graphql-transport-ws"
        await socket.subscribe(VIEWER)
        assert await socket.data() == {"accountName": "Test"}
        assert await socket.next() == {"id": "1", "type": "complete"}


async def test_a_key_in_the_http_header_is_enough(api: Api) -> None:
    """The header of the handshake."""
    async with api.socket(headers={"Authorization": f"App {api.key}"}) as socket:
        assert await socket.init() == {"type": "connection_ack"}


CLOSES: list[tuple[list[Any], int]] = [
    ([{"type": "connection_init", "payload": {"Authorization": "App wrong"}}], 4403),
    ([{"type": "connection_init"}], 4403),
    ([{"type": "connection_init", "payload": 7}], 4400),
    ([{"type": "subscribe", "id": "1", "payload": {"query": VIEWER}}], 4401),
    (["not json"], 4400),
    (["[]"], 4400),
    ([{"type": 7}], 4400),
    (["x" * (64 * 1024 + 1)], 1009),
]


@pytest.mark.parametrize(("messages", "code"), CLOSES)
async def test_a_bad_beginning_is_closed_with_its_code(api: Api, messages: list[Any], code: int) -> None:
    """What comes before the acknowledgement."""
    async with api.socket() as socket:
        for message in messages:
            await socket.send(message)
        assert await socket.next() == {"type": "close", "code": code}


LATER: list[tuple[list[Any], int]] = [
    ([{"type": "connection_init"}], 4429),
    ([{"type": "nonsense"}], 4400),
    ([{"type": "subscribe", "payload": {"query": VIEWER}}], 4400),
    ([{"type": "subscribe", "id": "", "payload": {"query": VIEWER}}], 4400),
    ([{"type": "subscribe", "id": "1", "payload": 7}], 4400),
    ([{"type": "complete"}], 4400),
]


@pytest.mark.parametrize(("messages", "code"), LATER)
async def test_a_broken_message_is_closed_with_its_code(api: Api, messages: list[Any], code: int) -> None:
    """What comes after the acknowledgement."""
    async with api.socket() as socket:
        await socket.init(apiKey=api.key)
        for message in messages:
            await socket.send(message)
        assert await socket.next() == {"type": "close", "code": code}


async def test_an_id_in_use_closes_the_socket(api: Api) -> None:
    """4409; a finished operation's id is free again."""
    async with api.live(FOLLOW) as socket:
        assert (await socket.data())["kind"] == "READY"
        await socket.subscribe(FOLLOW)
        assert await socket.next() == {"type": "close", "code": 4409}


async def test_who_does_not_introduce_itself_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """4408 after INIT_SECONDS; pings are answered meanwhile."""
    assert sockets.INIT_SECONDS == 10
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.2)
    async with api.socket() as socket:
        await socket.send({"type": "ping", "payload": {"n": 1}})
        assert await socket.next() == {"type": "pong", "payload": {"n": 1}}
        assert await socket.next() == {"type": "close", "code": 4408}


async def test_another_protocol_is_not_spoken(api: Api) -> None:
    """4406."""
    async with api.socket(protocols=("graphql-ws",)) as socket:
        assert await socket.next() == {"type": "close", "code": 4406}


async def test_a_foreign_origin_or_path_is_refused_before_it_opens(api: Api) -> None:
    """The handshake itself is refused."""
    async with api.socket(headers={"Origin": "https://evil.example", "Host": "profiles.test"}) as socket:
        assert await socket.next() == {"type": "close", "code": 1008}
        assert socket.accepted is None
    async with api.socket(path="/other") as socket:
        assert await socket.next() == {"type": "close", "code": 1008}


async def test_queries_mutations_and_refusals_share_a_socket(api: Api) -> None:
    """Each operation has its own messages; an error ends one operation alone."""
    async with api.live(FOLLOW) as socket:
        assert (await socket.data())["kind"] == "READY"
        await socket.subscribe("{ nope }", "2")
        refusal = await socket.next()
        assert (refusal["id"], refusal["type"]) == ("2", "error")
        assert refusal["payload"][0]["extensions"]["code"] == "VALIDATION_FAILED"
        await socket.subscribe(CREATE, "2", input={"externalId": "x"})
        got = sorted([await socket.next() for _ in range(3)], key=lambda one: (one["id"], one["type"]))
        assert [(one["id"], one["type"]) for one in got] == [("1", "next"), ("2", "complete"), ("2", "next")]
        await socket.send({"id": "3", "type": "subscribe", "payload": {"query": 7}})
        assert (await socket.next())["payload"][0]["extensions"]["code"] == "BAD_REQUEST"
        unknown = 'subscription { timelineEvents(person: {id: "per_x"}) { kind } }'
        await socket.subscribe(unknown, "4")
        refusal = await socket.next()
        assert (refusal["id"], refusal["payload"][0]["extensions"]["code"]) == ("4", "NOT_FOUND")


async def test_the_21st_operation_is_refused_and_the_socket_stays(api: Api) -> None:
    """R36: RATE_LIMITED as an error message."""
    async with api.live(FOLLOW) as socket:
        await socket.data()
        for number in range(2, 21):
            await socket.subscribe(FOLLOW, str(number))
            assert (await socket.data())["kind"] == "READY"
        await socket.subscribe(VIEWER, "21")
        refusal = await socket.next()
        assert (refusal["id"], refusal["type"]) == ("21", "error")
        assert refusal["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await socket.send({"id": "20", "type": "complete"})
        await socket.subscribe(VIEWER, "21")
        assert (await socket.data()) == {"accountName": "Test"}


async def test_a_completed_subscription_says_nothing_more(api: Api) -> None:
    """After complete of the client no message with that id comes."""
    async with api.live(FOLLOW) as socket:
        await socket.data()
        await socket.send({"id": "1", "type": "complete"})
        await socket.subscribe(VIEWER, "2")
        assert (await socket.next())["id"] == "2"
        await api.made(externalId="x")
        await socket.send({"type": "ping"})
        assert (await socket.next())["type"] in ("complete", "pong")


async def test_a_socket_that_goes_takes_its_followers_with_it(api: Api) -> None:
    """Nothing stays behind in the hub."""
    async with api.live(FOLLOW) as socket:
        await socket.data()
        assert len(api.service.hub) == 1
    assert len(api.service.hub) == 0
    assert api.service.edge.sockets == set()


async def test_departing_sends_everybody_away(api: Api) -> None:
    """1001 at the end of the service; a new socket is refused."""
    async with api.live(FOLLOW) as one, api.socket() as two:
        await one.data()
        await two.init(apiKey=api.key)
        departing = asyncio.create_task(api.service.depart())
        assert await one.next() == {"type": "close", "code": 1001}
        assert await two.next() == {"type": "close", "code": 1001}
        await departing
        async with api.socket() as late:
            assert await late.next() == {"type": "close", "code": 1008}


async def test_frames_go_straight_to_a_client_that_reads(api: Api) -> None:
    """Where the server can: encoded once for all, with the same messages; who is full gets them when it reads again."""
    written: list[list[bytes]] = [[], []]
    full = [False, True]

    def writer(number: int) -> dict[str, Any]:
        def write(data: bytes) -> bool:
            if not full[number]:
                written[number].append(data)
            return not full[number]

        return {EXTENSION: write}

    async def followed(socket: Socket) -> None:
        await socket.init(apiKey=api.key)
        await socket.subscribe(FOLLOW)
        assert (await socket.data())["kind"] == "READY"

    async with (
        api.socket(extensions=writer(0)) as free,
        api.socket(extensions=writer(1)) as busy,
        api.live(FOLLOW) as old,
    ):
        await followed(free)
        await followed(busy)
        assert (await old.data())["kind"] == "READY"
        for number in (1, 2):
            await api.made(externalId=str(number))
            told = await old.next()
            # Both ways come to the same bytes.
            assert await busy.next() == told
            assert written[0][-1] == text_frame(orjson.dumps(told))
        full[1] = False
        await api.made(externalId="3")
        last = await old.next()
        await free.send({"type": "ping"})
        assert (await free.next())["type"] == "pong"  # it was told nothing else meanwhile
        assert [len(one) for one in written] == [3, 1]
        assert written[1][0] is written[0][2]
        assert written[1][0] == text_frame(orjson.dumps(last))
