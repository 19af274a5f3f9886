"""Requests with the very headers of one before them on their connection, which are not parsed once more."""

import asyncio
import gc
import socket
import struct
import weakref
from typing import Any

import pytest

from app.web.connection import AT_ONCE_BYTES_MAX, Connection
from tests.system.prompt import (
    SECONDS,
    Prompt,
    ask,
    asking,
    listening,
    on_both_loops,
    opened_at,
    prompt,
    read_answer,
    under_way,
    until,
)

UPGRADE = (b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body."""
    body, more = b"", True
    while more:
        piece = await receive()
        body, more = body + piece.get("body", b""), piece.get("more_body", False)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@on_both_loops
async def test_the_same_headers_are_looked_at_once() -> None:
    """Whatever the size of what they come with; other headers, also shorter and longer ones, are looked at anew."""
    async with prompt() as (app, reader, writer):
        for body in (b"4", b"2", b"14", b"100", b"1"):
            assert len(await ask(reader, writer, asking(body))) == int(body) // len(body) * len(body)
        assert app.askers == 1
        for more in (b"A: 1", b"A: 2", b"A: 22", b"A: 2"):
            assert await ask(reader, writer, asking(b"2", more)) == b"22"
        assert app.askers == 5
        assert await ask(reader, writer, asking(b"3")) == b"333"
        # What the application leaves to ASGI goes there, and the next one is known again.
        assert await ask(reader, writer, asking(b"{}")) == b""
        assert await ask(reader, writer, asking(b"3")) == b"333"
        assert (app.seen[-1], app.asked) == (b"3", 1)


@on_both_loops
@pytest.mark.parametrize(
    "sent",
    [
        asking(b"", line=(b"GET", b"1.1")),
        asking(b"4", path=b"/v1/track"),
        asking(b"4", path=b"/graphqx"),
        asking(b"4", line=(b"PUT", b"1.1")),
        asking(b"0" * (AT_ONCE_BYTES_MAX + 1)),
    ],
    ids=["get", "path", "like", "method", "large"],
)
async def test_what_goes_by_asgi_goes_there_each_time(sent: bytes) -> None:
    """Also behind a small request whose headers are known, and twice behind it."""
    async with prompt(asking(b"4")) as (app, reader, writer):
        await read_answer(reader)
        for count in (1, 3, 5):
            assert await ask(reader, writer, sent) == b""
            assert await ask(reader, writer, sent) == b""
            assert app.asked == count + 1
            assert await ask(reader, writer, asking(b"4")) == b"4444"
    assert app.seen == [b"4"] * 4


@on_both_loops
async def test_a_body_like_a_known_request_is_a_body() -> None:
    """Wherever it is cut from its headers."""
    known = asking(b"4")
    async with prompt(known) as (app, reader, writer):
        await read_answer(reader)
        for cut in (0, 1, len(known) - 1):
            whole = asking(known)
            writer.write(whole[: len(whole) - len(known) + cut])
            await writer.drain()
            await asyncio.sleep(0.02)
            assert await ask(reader, writer, known[cut:]) == b""
            assert await ask(reader, writer, known) == b"4444"
        # Nor is it one in the middle of headers.
        writer.write(b"POST /other HTTP/1.1\r\nX: ")
        await writer.drain()
        await asyncio.sleep(0.02)
        assert await ask(reader, writer, known) == b""
    assert app.seen == [b"4"] * 4


@on_both_loops
@pytest.mark.parametrize("more", [(), (b"With: task",)], ids=["without", "with a task"])
@pytest.mark.parametrize("known", [False, True])
async def test_requests_behind_one_that_is_answered_wait_for_it(
    more: tuple[bytes, ...],
    known: bool,  # noqa: FBT001 - a case
) -> None:
    """One by one, in one piece, cut anywhere, by ASGI or not: the answers come in the order of the requests."""
    async with prompt() as (app, reader, writer):
        if known:
            await ask(reader, writer, asking(b"4", *more))
        app.goes_on.clear()
        sizes = [b"2", b"{}", b"3", b"14", b"{}", b"1"]
        whole = b"".join(asking(one, *more) for one in sizes[1:])
        for piece in (asking(sizes[0], *more), asking(b"5", *more), whole[:30], whole[30:101], whole[101:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        app.goes_on.set()
        told = [(await read_answer(reader))[1] for _ in (*sizes, b"5")]
    assert told == [b"22", b"55555", b"", b"333", b"14" * 7, b"", b"1"]


@on_both_loops
async def test_unusual_requests_are_parsed_each_time() -> None:
    """Those who wait for a word of ours, or whose end is told otherwise, and such as want the connection closed."""
    chunked = b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n0\r\n\r\n"
    async with prompt() as (app, reader, writer):
        for _ in range(3):
            assert await ask(reader, writer, chunked) == b"4444"
        assert app.askers == 3
        for _ in range(2):
            writer.write(asking(b"4", b"Expect: 100-continue"))
            assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 100 ")
            assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 204 ")
        assert await ask(reader, writer, asking(b"4", b"X: " + b"y" * 5000)) == b"4444"
        assert await ask(reader, writer, asking(b"4", b"X: " + b"y" * 5000)) == b"4444"
        assert app.askers == 5


@on_both_loops
@pytest.mark.parametrize("size", [b"3", b"1", b"1 ", b"+2", b"02", b"0x2", b"99999999", b"2\r\nContent-Length: 2", b""])
async def test_a_size_that_is_not_quite_one_is_the_parsers(size: bytes) -> None:
    """Known headers with another size than that of the body: what the parser makes of it holds."""
    known = asking(b"22")
    strange = known.replace(b"Content-Length: 2", b"Content-Length: " + size)

    async def ended(*before: bytes) -> bytes:
        async with prompt() as (_, reader, writer):
            for one in before:
                assert await ask(reader, writer, one)
            writer.write(strange)
            await asyncio.sleep(0.05)
            writer.write_eof()
            return await reader.read()

    assert await ended() == await ended(known, known)


@on_both_loops
@pytest.mark.parametrize("with_task", [False, True])
async def test_a_server_that_leaves_answers_first(with_task: bool) -> None:  # noqa: FBT001 - a case
    """What is under way with known headers is told to be the last, and then the connection is closed."""
    app, more = Prompt(), (b"With: task",) if with_task else ()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address, asking(b"4", *more))
        await read_answer(reader)
        idle, other = await opened_at(address, asking(b"4", *more))
        await read_answer(idle)
        app.goes_on.clear()
        seen = len(app.seen)
        writer.write(asking(b"2", *more))
        await until(lambda: len(app.seen) > seen)
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        for connection in list(state.connections):
            connection.shutdown()
        app.goes_on.set()
        head, body = await read_answer(reader)
        assert (body, b"\r\nconnection: close\r\n" in head) == (b"22", True)
        assert (await reader.read(), await idle.read()) == (b"", b"")
        for one in (writer, other):
            one.close()
            await one.wait_closed()


@on_both_loops
async def test_a_connection_that_is_used_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By known headers too; idle for as long as connections are kept it is closed."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address, asking(b"4"))
        await read_answer(reader)
        (connection,) = state.connections
        assert isinstance(connection, Connection)
        assert await ask(reader, writer, asking(b"4")) == b"4444"
        connection.timeout_keep_alive_handler()
        assert await ask(reader, writer, asking(b"4", b"With: task")) == b"4444"
        app.goes_on.clear()
        writer.write(asking(b"4", b"With: task"))
        await until(lambda: len(app.seen) == 4)
        monkeypatch.setattr(connection, "timeout_keep_alive", 1e-9)
        connection.timeout_keep_alive_handler()
        app.goes_on.set()
        assert (await read_answer(reader))[1] == b"4444"
        connection.timeout_keep_alive_handler()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@on_both_loops
@pytest.mark.parametrize("behind", [False, True])
async def test_who_goes_while_known_headers_are_answered_is_let_go(behind: bool) -> None:  # noqa: FBT001 - a case
    """Also where something waited behind: nobody reads any more, so it is known once the answer is written."""
    app, sent = Prompt(), asking(b"2", b"With: task")
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address, sent)
        await read_answer(reader)
        app.goes_on.clear()
        writer.write(sent)
        await until(lambda: len(app.seen) > 1)
        if behind:
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.transport.abort()
        await until(lambda: behind or not state.connections)
        app.goes_on.set()
        await until(lambda: not (state.connections or state.tasks))
        assert len(app.seen) == 2 + behind


@on_both_loops
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("how", ["broken", "cancelled"])
async def test_nobody_waits_for_an_answer_that_is_not_written(
    how: str,
    known: bool,  # noqa: FBT001 - a case
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task that breaks, or is cancelled, takes the connection with it; what broke it is told."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        await under_way(app, reader, writer, b"7" if how == "broken" else b"2", known=known)
        for task in list(state.tasks):
            if how == "cancelled":
                task.cancel()
        app.goes_on.set()
        assert await reader.read() == b""
        await until(lambda: not (state.connections or state.tasks))
        writer.close()
        await writer.wait_closed()
    assert ("seven" in caplog.text) is (how == "broken")


@on_both_loops
@pytest.mark.parametrize("known", [False, True])
async def test_who_resets_is_forgotten_at_once(known: bool) -> None:  # noqa: FBT001 - a case
    """No timer holds the connection any more, nor what it knows; what was being answered ends without a word."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        await under_way(app, reader, writer, b"2", known=known)
        (left,) = map(weakref.ref, state.connections)
        # By a reset instead of an end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await until(lambda: not state.connections)
        app.goes_on.set()
        await until(lambda: not state.tasks)
        gc.collect()
        assert left() is None


@on_both_loops
@pytest.mark.parametrize("how", ["strange", "reset", "unread"])
async def test_what_waits_behind_others_goes_with_the_connection(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Several under way, and then what is no request, or nobody: no answer is written to who is gone."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        app.goes_on.clear()
        size = b"4000003" if how == "unread" else b"2"
        strange = b"\0\r\n\r\n" if how == "strange" else b""
        writer.write(b"".join([*(asking(size, b"With: task") for _ in range(3)), strange]))
        await until(lambda: bool(app.seen))
        if strange:
            assert b" 400 " in await reader.readuntil(b"\r\n\r\n")
        elif how == "unread":
            app.goes_on.set()
            await until(lambda: len(app.seen) > 1)
        writer.transport.abort()
        if how != "reset":
            await until(lambda: not state.connections)
        app.goes_on.set()
        await until(lambda: not (state.connections or state.tasks))
        await asyncio.sleep(0.02)
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


@on_both_loops
@pytest.mark.parametrize("known", [False, True])
async def test_no_websocket_begins_over_an_answer(known: bool) -> None:  # noqa: FBT001 - a case
    """Where one is still to be written it would stand in the middle of frames."""
    async with prompt() as (app, reader, writer):
        await under_way(app, reader, writer, b"2", known=known)
        writer.write(asking(b"", *UPGRADE, b"Upgrade: websocket", line=(b"GET", b"1.1")))
        await writer.drain()
        await asyncio.sleep(0.05)
        app.goes_on.set()
        if known:
            assert (await read_answer(reader))[1] == b"22"
            assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 101 ")
        else:
            assert await reader.read() == b""


@on_both_loops
@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_websocket_has_no_timer_of_requests(before: int) -> None:
    """It begins on a fresh connection, behind a parsed request, and behind known headers; nothing closes it later."""
    async with listening(Prompt()) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        for _ in range(before):
            assert await ask(reader, writer, asking(b"2")) == b"22"
        await until(lambda: bool(state.connections))
        (connection,) = state.connections
        assert isinstance(connection, Connection)
        writer.write(asking(b"", *UPGRADE, b"Upgrade: websocket", line=(b"GET", b"1.1")))
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 101 ")
        assert connection.timeout_keep_alive_task is None
        writer.close()
        await writer.wait_closed()


@on_both_loops
async def test_behind_a_protocol_that_is_not_spoken_nothing_is_a_request() -> None:
    """What asks for another one is answered, and then the connection is closed: what follows is not of ours."""
    for known in (False, True):
        async with prompt() as (app, reader, writer):
            if known:
                await ask(reader, writer, asking(b"4"))
            app.goes_on.clear()
            for sent in (asking(b"", b"Connection: Upgrade", b"Upgrade: irc"), asking(b"2")):
                writer.write(sent)
                await writer.drain()
                await asyncio.sleep(0.02)
            app.goes_on.set()
            head, _ = await read_answer(reader)
            assert b"connection: close" in head
            assert await reader.read() == b""
            assert app.seen == [b"4"] * known


@on_both_loops
async def test_an_offer_of_http_2_is_not_heard() -> None:
    """A client that makes one with each request is answered in HTTP/1.1, body and all, on the same connection."""
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")
    async with listening(echo) as (_, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        for upgrade in (b"Upgrade: h2c", b"upgrade:H2C", b"UPGRADE:\th2c "):
            for more in ((*offer, upgrade), (upgrade, *offer)):
                sent = asking(b"12", *more)
                for cut in (len(sent), -1, -2):
                    writer.write(sent[:cut])
                    await writer.drain()
                    await asyncio.sleep(0.01)
                    writer.write(sent[cut:])
                    head, body = await read_answer(reader)
                    assert (body, b"connection: close" in head) == (b"12", False)
        # In a body it is a part as any other.
        body = b"1\r\nUpgrade: h2c\r\n\r\n"
        assert await ask(reader, writer, asking(body)) == body
        writer.close()
        await writer.wait_closed()


@on_both_loops
async def test_empty_lines_keep_no_connection() -> None:
    """Behind an answer they are no request: the connection is closed when its time is over."""
    app = Prompt()
    async with listening(app) as (state, address), asyncio.timeout(SECONDS):
        reader, writer = await opened_at(address)
        await ask(reader, writer, asking(b"4"))
        writer.write(b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        (connection,) = state.connections
        assert isinstance(connection, Connection)
        assert connection.timeout_keep_alive_task is not None
        writer.close()
        await writer.wait_closed()
