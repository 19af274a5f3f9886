"""Frames written at once, over real sockets: of every size, never more than a client reads, and what keeps it open."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import websockets

from app import serving
from app.web.frames import EXTENSION, Frames, text_frame

SECONDS = 20
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HELLO = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
Write = Callable[[bytes], bool]
CLOSED_BY_PING = (1011).to_bytes(2) + b"keepalive ping timeout"


class Unsignalled(uvicorn.Server):
    """A server that leaves signals to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def turn() -> None:
    """Let everybody else have a turn of the loop."""
    await asyncio.sleep(0)


@asynccontextmanager
async def served(work: Callable[[Write], Awaitable[None]], **settings: Any) -> AsyncIterator[int]:
    """Serve an application that does its work on a socket, and then waits for its end; give the port."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await work(scope["extensions"][EXTENSION])
        while (await receive())["type"] != "websocket.disconnect":
            pass

    config = uvicorn.Config(app, lifespan="off", log_config=None, ws=Frames, ws_per_message_deflate=False, **settings)
    server = Unsignalled(config)
    with serving.bound("127.0.0.1", 0) as listening:
        serving_ = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await serving_


@asynccontextmanager
async def silent(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give the two ends of a client that opened a websocket, and reads and answers nothing by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(HELLO)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_frames_of_every_size_are_what_a_client_reads() -> None:
    """Around both borders of the length's form, and several of them in one piece."""
    texts = ["x" * size for size in (0, 125, 126, 65_535, 65_536)] + ["žluťoučký"]

    async def work(write: Write) -> None:
        assert write(b"".join(text_frame(text.encode()) for text in texts))

    async with served(work) as port, websockets.connect(f"ws://127.0.0.1:{port}/", max_size=None) as client:
        assert [await asyncio.wait_for(client.recv(), SECONDS) for _ in texts] == texts


async def filled(write: Write, frame: bytes) -> int:
    """Write a frame again and again until it is not taken; returns how many were."""
    number = 0
    while write(frame):
        number += 1
        await turn()
    return number


async def test_a_client_that_does_not_read_is_given_no_more_until_it_does() -> None:
    """What was refused wasn't written, not even in part; a client that is gone is given nothing at all."""
    full: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    again: asyncio.Future[Write] = asyncio.get_running_loop().create_future()
    frame = text_frame(b"x" * 10_000)

    async def work(write: Write) -> None:
        full.set_result(await filled(write, frame))
        again.set_result(write)

    async with served(work) as port:
        async with silent(port) as (reader, _):
            number, write = await asyncio.wait_for(full, SECONDS), await again
            await reader.readuntil(b"\r\n\r\n")
            got = await asyncio.wait_for(reader.readexactly(number * len(frame)), SECONDS)
            assert got == frame * number
            async with asyncio.timeout(SECONDS):
                while not write(frame):
                    await turn()
            assert await asyncio.wait_for(reader.readexactly(len(frame)), SECONDS) == frame
        await asyncio.wait_for(filled(write, frame), SECONDS)


async def test_who_answers_no_ping_is_closed_unless_it_is_full() -> None:
    """1011 for one that has read everything; one that is behind stays open until it has read, long as that may take."""
    begun = asyncio.Event()
    # More than fits at once: full by one write, before any ping can be overdue, be the machine as busy as it may.
    frame, news = text_frame(b"x" * 30_000_000), text_frame(b"news")

    async def fill(write: Write) -> None:
        if begun.is_set():
            return  # the second client is told nothing
        assert write(frame)
        assert not write(news)
        begun.set()
        async with asyncio.timeout(SECONDS):
            while not write(news):
                await turn()

    async with served(fill, ws_ping_interval=0.05, ws_ping_timeout=0.05) as port, silent(port) as (behind, _):
        await asyncio.wait_for(begun.wait(), SECONDS)
        # The first has had as much time to answer as this one, when this one is closed.
        async with silent(port) as (idle, _):
            assert CLOSED_BY_PING in await asyncio.wait_for(idle.read(), SECONDS)
        said = await asyncio.wait_for(behind.read(), SECONDS)
        assert said.find(news) < said.find(CLOSED_BY_PING)
        assert news in said


async def test_a_client_that_never_reads_is_broken_off_with() -> None:
    """When the application is done: what still waits is dropped with the socket, instead of being kept for ever."""
    written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    frame = text_frame(b"x" * 10_000)

    async def fill(write: Write) -> None:
        written.set_result(await filled(write, frame))
        raise RuntimeError("done")

    async with served(fill) as port, silent(port) as (behind, _):
        number = await asyncio.wait_for(written, SECONDS)
        said = await asyncio.wait_for(behind.read(), SECONDS)
    assert said.count(b"x" * 10_000) < number


async def test_who_reads_again_has_a_new_ping_to_answer() -> None:
    """The last one lies behind all that waited, and the time for its answer is nearly over."""
    begun = asyncio.Event()
    overdue: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    frame = text_frame(b"x" * 10_000)

    async def fill(write: Write) -> None:
        protocol = write.__self__  # type: ignore[attr-defined]
        while write(frame) or protocol.pong_timer is None:
            await turn()
        begun.set()
        while not write(frame):
            await turn()
        overdue.set_result(protocol.pong_timer is not None)

    async with served(fill, ws_ping_interval=0.2, ws_ping_timeout=SECONDS) as port, silent(port) as (behind, _):
        await asyncio.wait_for(begun.wait(), SECONDS)
        reading = asyncio.create_task(behind.read())
        assert not await asyncio.wait_for(overdue, SECONDS)
        reading.cancel()


def test_descriptors_are_raised_to_what_the_system_allows() -> None:
    """A soft limit below the hard one is no limit to sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        serving.allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        serving.allow_descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_client_that_goes_without_reading_keeps_no_server_from_its_end() -> None:
    """It has said that it closes, but not all that was written has left: nothing more can be said to it at a stop."""
    full: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def work(write: Write) -> None:
        await filled(write, text_frame(b"x" * 10_000))
        full.set_result(write)
        await over.wait()

    async with served(work) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        writer.write(HELLO)
        frames = (await asyncio.wait_for(full, SECONDS)).__self__
        writer.write(b"\x88\x80\0\0\0\0")
        async with asyncio.timeout(SECONDS):
            while not frames.transport.is_closing():
                await turn()
    over.set()
    await asyncio.wait(frames.tasks, timeout=SECONDS)
    writer.close()
