"""Connections as strangers open them: broken HTTP, headers without end, requests that never arrive."""

import asyncio
import gc
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.serving import _config
from app.web.connection import ARRIVAL_SECONDS, AT_ONCE_BYTES_MAX, HEADER_BYTES_MAX, Connection, close_overdue
from tests.api import Api
from tests.system.process import Served
from tests.system.prompt import (
    SECONDS,
    Prompt,
    asking,
    listening,
    opened_at,
    patient,
    prompt,
    read_answer,
    until,
)

LINE = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
MANY = b"".join(b"x-%d: y\r\n" % number for number in range(HEADER_BYTES_MAX // 8))
CHUNKED = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAVY = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 512001\r\n\r\n"

# What is sent, and the status of the answer; none where the connection is closed without one.
RAW: list[tuple[bytes, int | None]] = [
    (LINE + b"\r\n", 200),
    (LINE + MANY + b"\r\n", 431),
    (LINE + b"a: " + b"b" * HEADER_BYTES_MAX + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * HEADER_BYTES_MAX + b" HTTP/1.1\r\n\r\n", 431),
    (LINE + b"bad header\r\n\r\n", 400),
    (LINE + b"a: \x00\r\n\r\n", 400),
    (LINE + b"Content-Length: -1\r\n\r\n", 400),
    (LINE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (LINE + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    (LINE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"\x00\x01\x02\xff" * 20, 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (HEAVY, 413),
    (CHUNKED + b"zz\r\n", 400),
    (CHUNKED + b"3\r\n{}\n\r\n0\r\n\r\n", 401),
]

SHAKE = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
SHAKE += b"dGhlIHNhbXBsZSBub25jZQ==\r\n"
GET, POST = b"GET /graphql HTTP/1.1\r\n" + SHAKE, b"POST /v1/batch HTTP/1.1\r\n" + SHAKE
# Handshakes that open no websocket.
SHAKEN: list[tuple[bytes, bytes]] = [
    (GET + b"Content-Length: 5\r\n\r\nhello", b"400"),
    (POST + b"Content-Length: 5\r\n\r\nhe", b"400"),
    (LINE + SHAKE[9:] + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"400"),
    (POST + b"\r\n", b"405"),
    (LINE + SHAKE[9:] + b"\r\n", b"403"),
    (GET.replace(b"13", b"12") + b"\r\n", b"400"),
    (GET + b"a: " + b"b" * 9000 + b"\r\n\r\n", b"431"),
    (GET + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    (GET.replace(b"/graphql", b"/graphql?" + b"x" * 9000) + b"\r\n", b"414"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give one serving process for all of them."""
    one = Served(tmp_path_factory.mktemp("connection"), embedded="memory")
    yield one
    one.end()


def opened(served: Served) -> socket.socket:
    """Open a connection."""
    place = urlsplit(served.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=SECONDS)


def answered(served: Served, *parts: bytes) -> bytes:
    """Send parts, and return all that comes until the connection is closed or an answer is whole."""
    with opened(served) as line:
        for part in parts:
            line.sendall(part)
        told = b""
        while b"\r\n\r\n" not in told and (more := line.recv(65_536)):
            told += more
    return told


@pytest.mark.parametrize(("sent", "status"), RAW, ids=lambda value: repr(value)[:40])
def test_what_is_no_request_has_a_status_of_its_own(served: Served, sent: bytes, status: int) -> None:
    """Never one of 5xx, and every answer says what browsers must not make of it."""
    told = answered(served, sent)
    assert int(told.split(b" ", 2)[1]) == status, told
    assert b"x-content-type-options: nosniff\r\n" in told
    assert b"referrer-policy: no-referrer\r\n" in told


@pytest.mark.parametrize(("sent", "status"), SHAKEN, ids=lambda value: repr(value[-20:]))
def test_a_handshake_that_opens_no_websocket_ends_the_connection(served: Served, sent: bytes, status: bytes) -> None:
    """With an answer: whoever sent a body, or more than the parser takes, would wait for ever."""
    with opened(served) as line:
        line.sendall(sent)
        told = b""
        with suppress(ConnectionResetError):  # what wasn't read of a body
            while more := line.recv(65_536):
                told += more
    assert told.startswith(b"HTTP/1.1 %b " % status)
    assert b"connection: close\r\n" in told.lower()


def test_large_bodies_in_one_piece_are_no_headers(served: Served) -> None:
    """One behind the other on a connection, the next one's headers in the same piece."""
    body = b"x" * (2 * HEADER_BYTES_MAX)
    one = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with opened(served) as line:
        line.sendall(one * 2 + one[:30])
        line.sendall(one[30:])
        told = b""
        while told.count(b"HTTP/1.1 400 ") < 3 and (more := line.recv(65_536)):
            told += more
    assert told.count(b"HTTP/1.1 400 ") == 3


def test_headers_that_trickle_without_end_are_cut_off(served: Served) -> None:
    """Many small pieces count together."""
    told = answered(served, LINE, *[b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(66)])
    assert told.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("cut", [1, 60_000, 65_000, -20, -3, -1])
def test_headers_in_pieces_have_the_same_bound(served: Served, cut: int) -> None:
    """Wherever they are cut, also in their end; a body behind them is none of theirs, nor is the next request."""
    body = b"x" * HEADER_BYTES_MAX
    rest = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\na: " % len(body)
    for size, statuses in ((HEADER_BYTES_MAX - len(rest) - 4, [b"400", b"200"]), (HEADER_BYTES_MAX, [b"431"])):
        head = rest + b"b" * size + b"\r\n\r\n"
        with opened(served) as line:
            told = b""
            with suppress(ConnectionError):  # refused before all was sent
                line.sendall(head[:cut])
                # So that it comes by itself.
                assert httpx.get(f"{served.url}/livez").status_code == 200
                line.sendall(head[cut:] + body)
                line.sendall(LINE + b"\r\n")
            while told.count(b"HTTP/1.1 ") < len(statuses) and (more := line.recv(65_536)):
                told += more
            assert re.findall(rb"HTTP/1.1 (\d+) ", told) == statuses


def test_a_body_that_is_cut_off_harms_nobody(served: Served) -> None:
    """Whoever goes in the middle is gone; the process says nothing of it and serves the next."""
    for sent in (HEAVY[:-8] + b"10\r\n\r\nhalf", CHUNKED + b"ff\r\nhalf", LINE):
        with opened(served) as line:
            line.sendall(sent)
    assert httpx.get(f"{served.url}/livez").status_code == 200
    assert "Traceback" not in served.text()
    assert "unexpected_error" not in served.text()


@pytest.mark.parametrize("sent", [b"", b"GET", LINE, HEAVY, CHUNKED + b"5\r\nab"], ids=lambda value: repr(value)[:20])
async def test_what_never_arrives_is_not_waited_for(sent: bytes) -> None:
    """A connection without a request, or with half of one, is closed after ARRIVAL_SECONDS; one between two stays."""
    async with listening() as (state, address), asyncio.timeout(SECONDS):
        idle, other = await opened_at(address, LINE + b"\r\n")
        assert b" 204 " in await idle.readuntil(b"\r\n\r\n")
        reader, writer = await opened_at(address, sent)
        close_overdue(state.connections, asyncio.get_running_loop().time() + ARRIVAL_SECONDS - SECONDS)
        other.write(LINE + b"\r\n")
        assert b" 204 " in await idle.readuntil(b"\r\n\r\n")
        assert len(state.connections) == 2
        close_overdue(state.connections, asyncio.get_running_loop().time() + ARRIVAL_SECONDS)
        assert (await reader.read()) in (b"", b"HTTP/1.1 204 No Content\r\n\r\n")
        other.write(LINE + b"\r\n")
        assert b" 204 " in await idle.readuntil(b"\r\n\r\n")
        for one in (writer, other):
            one.close()
            await one.wait_closed()


@pytest.mark.parametrize(("path", "stays"), [(b"/uploads", True), (b"/graphql", False)])
async def test_only_an_upload_may_take_long(path: bytes, stays: bool) -> None:  # noqa: FBT001 - a case
    """It stays as long as bytes come, one after the other; standing still it is closed as others are."""
    async with listening(patient) as (state, address), asyncio.timeout(SECONDS):
        begun = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
        reader, writer = await opened_at(address, begun)
        await asyncio.sleep(0.1)
        (connection,) = state.connections
        assert isinstance(connection, Connection)
        connection.since -= ARRIVAL_SECONDS + 1
        writer.write(b"c")
        await asyncio.sleep(0.1)
        close_overdue(state.connections, asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        assert bool(state.connections) is stays
        if stays:
            close_overdue(state.connections, asyncio.get_running_loop().time() + ARRIVAL_SECONDS + 1)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (asking(b"4"), False),
        (asking(b"4", b"Connection: close"), True),
        (asking(b"4", line=(b"POST", b"1.0")), True),
    ],
    ids=["kept", "closed", "old"],
)
async def test_a_small_request_is_answered_at_once(sent: bytes, closes: bool) -> None:  # noqa: FBT001 - a case
    """In one piece, with its size; the connection lives on unless one side wants it closed."""
    async with prompt(sent) as (app, reader, writer):
        head, body = await read_answer(reader)
        assert (app.seen, app.asked) == ([b"4"], 0)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\na: b\r\n" in head
        assert body == b"4444"
        assert (b"connection: close" in head) is closes
        if closes:
            assert await reader.read() == b""
        else:
            writer.write(asking(b"2"))
            assert (await read_answer(reader))[1] == b"22"


@pytest.mark.parametrize(
    "sent",
    [
        asking(b"4", path=b"/v1/track"),
        asking(b"4", line=(b"PUT", b"1.1")),
        asking(b"{}"),
        asking(b"0" * (AT_ONCE_BYTES_MAX + 1)),
    ],
    ids=["path", "method", "other", "large"],
)
async def test_everything_else_goes_by_asgi(sent: bytes) -> None:
    """As it always did."""
    async with prompt(sent) as (app, reader, _):
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 204 ")
        assert (app.seen, app.asked) == ([], 1)


@pytest.mark.parametrize(("cut", "size"), [(1, 44), (40, 44), (-1, 0)])
async def test_what_comes_in_pieces_is_whole_in_the_end(cut: int, size: int) -> None:
    """Cut in the first line, in the headers and in the body; a body that is late is waited for by ASGI."""
    whole = asking(b"44")
    async with prompt(whole[:cut]) as (app, reader, writer):
        await asyncio.sleep(0.05)
        writer.write(whole[cut:])
        _, body = await read_answer(reader)
        assert (len(body), app.asked) == (size, 0 if size else 1)


async def test_the_server_shows_requests_to_the_service_itself(api: Api) -> None:
    """Nothing is wrapped around it that would hide what it can do at once."""
    config = _config(api.service)
    config.load()
    assert config.loaded_app is api.service.app
    assert config.http_protocol_class is Connection


async def test_a_body_that_is_waited_for_is_asked_for() -> None:
    """Who wants to hear that it may go on hears it, also where the body comes with it."""
    async with prompt(asking(b"4", b"Expect: 100-continue")) as (app, reader, _):
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 100 ")
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 204 ")
        assert (app.seen, app.asked) == ([], 1)
    whole = asking(b"44", b"Expect: 100-continue")
    async with prompt(whole[:-2]) as (_, reader, writer):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(whole[-2:])
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 204 ")


async def test_several_in_one_piece_are_answered_in_order() -> None:
    """Whichever way each of them goes."""
    sent = [b"1", b"2", b"{}", b"3", b"{}", b"4"]
    async with prompt(b"".join(asking(one) for one in sent)) as (app, reader, _):
        told = [(await read_answer(reader))[1] for _ in sent]
    assert told == [b"1", b"22", b"", b"333", b"", b"4444"]
    assert app.asked == 2


@pytest.mark.parametrize("pieces", [1, 6])
async def test_who_reads_slowly_gets_all_of_it(pieces: int) -> None:
    """More than the connection takes at once waits until it does: little more than one answer is held for it."""
    app, size = Prompt(), 4_000_003 // 7 * 7
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address, asking(b"4"))
        await read_answer(reader)
        whole = [asking(b"4000003")] * 6
        for piece in whole if pieces > 1 else [b"".join(whole)]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        (connection,) = state.connections
        assert isinstance(connection, Connection)
        assert connection.transport.get_write_buffer_size() < 2 * size
        assert [len((await read_answer(reader))[1]) for _ in whole] == [size] * 6
        writer.close()
        await writer.wait_closed()


async def test_who_is_gone_is_answered_by_nothing() -> None:
    """A connection that is closed while it is answered harms nobody."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        _, writer = await opened_at(address, asking(b"4"))
        writer.transport.abort()
        reader, other = await opened_at(address, asking(b"2"))
        assert (await read_answer(reader))[1] == b"22"
        other.close()
        await other.wait_closed()
        assert not state.tasks


@pytest.mark.parametrize("body", [b"4", b"{}"], ids=["at once", "by ASGI"])
async def test_answers_leave_nothing_to_the_collector(body: bytes) -> None:
    """What a request was made of is gone with it: a collection of many such would hold everybody up."""

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> int:
        gc.collect()
        for _ in range(count):
            writer.write(asking(body))
            await read_answer(reader)
        return gc.collect()

    async with prompt(asking(body)) as (_, reader, writer):
        await read_answer(reader)
        await asked(reader, writer, 5)
        few, many = await asked(reader, writer, 10), await asked(reader, writer, 110)
    assert many - few < 50


async def test_connections_leave_nothing_to_the_collector() -> None:
    """Nor does one that is closed."""
    app = Prompt()

    async def ask(address: Any, count: int) -> int:
        gc.collect()
        for _ in range(count):
            reader, writer = await opened_at(address, asking(b"4"))
            await read_answer(reader)
            writer.close()
            await writer.wait_closed()
        await until(lambda: not state.connections)
        return there()

    def there() -> int:
        return sum(type(one) is Connection for one in gc.get_objects())

    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        gc.collect()
        gc.disable()
        before = there()
        try:
            assert await ask(address, 20) == before
        finally:
            gc.enable()
