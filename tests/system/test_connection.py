"""Connections as strangers open them: broken HTTP, headers without end, requests that never arrive."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from app.web.connection import ARRIVAL_SECONDS, HEADER_BYTES_MAX, Connection, close_overdue
from tests.system.process import Served

SECONDS = 30.0
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


def test_a_body_that_is_cut_off_harms_nobody(served: Served) -> None:
    """Whoever goes in the middle is gone; the process says nothing of it and serves the next."""
    for sent in (HEAVY[:-8] + b"10\r\n\r\nhalf", CHUNKED + b"ff\r\nhalf", LINE):
        with opened(served) as line:
            line.sendall(sent)
    assert httpx.get(f"{served.url}/livez").status_code == 200
    assert "Traceback" not in served.text()
    assert "unexpected_error" not in served.text()


async def inert(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer nothing but that it is there."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def listening(app: Any = inert) -> AsyncIterator[tuple[ServerState, Any]]:
    """Serve it in this process; gives the connections, and the address."""
    config, state = uvicorn.Config(app, log_config=None, lifespan="off"), ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    try:
        yield state, server.sockets[0].getsockname()
    finally:
        server.close()


async def opened_at(address: Any, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and send something."""
    reader, writer = await asyncio.open_connection(*address)
    writer.writelines(parts)
    await writer.drain()
    return reader, writer


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


async def patient(scope: Any, receive: Any, send: Any) -> None:
    """Read a body to its end, and answer."""
    while (await receive()).get("more_body"):
        pass
    await inert(scope, receive, send)


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
