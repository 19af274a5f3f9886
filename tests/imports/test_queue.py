"""The queue of imports: in the process, over a real redis, and where redis is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from app.imports.queue import Queue
from tests.redis import RealRedis

SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """Give a running server."""
    one = RealRedis(tmp_path_factory.mktemp("queue"))
    if one.missing:
        pytest.skip(one.missing)
    one.start()
    yield one
    one.stop()


class Worker:
    """Notes what it is to work on."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def carry(self, account: str, import_id: str) -> None:
        """Take a message."""
        self.got.put_nowait((account, import_id))


@pytest.fixture
async def opened() -> AsyncIterator[list[Queue]]:
    """Give a list of queues that are closed in the end."""
    queues: list[Queue] = []
    yield queues
    for one in queues:
        await one.end()


async def test_a_process_of_its_own_works_itself(opened: list[Queue]) -> None:
    """Without redis what is sent is carried out here; nobody else could send anything."""
    worker, queue = Worker(), Queue(None, "db")
    opened.append(queue)
    await queue.begin(worker.carry)
    await queue.send("acc", "imp")
    async with asyncio.timeout(SECONDS):
        assert await worker.got.get() == ("acc", "imp")
        await queue.receive()


async def test_one_of_several_machines_works(opened: list[Queue], server: RealRedis) -> None:
    """What one machine sends is carried out once, by whoever receives; another database hears nothing of it."""
    workers = [Worker(), Worker(), Worker()]
    for worker, database in zip(workers, ("db", "db", "other"), strict=True):
        opened.append(Queue(server.url, database))
        await opened[-1].begin(worker.carry)
    receiving = [asyncio.create_task(one.receive()) for one in opened[1:]]
    try:
        for number in range(5):
            await opened[0].send("acc", f"imp{number}")
        async with asyncio.timeout(SECONDS):
            got = [await workers[1].got.get() for _ in range(5)]
        assert got == [("acc", f"imp{number}") for number in range(5)]
        assert all(one.got.empty() for one in workers)
    finally:
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)


async def test_where_redis_is_away_it_is_said(opened: list[Queue]) -> None:
    """The import is due all the same, and found by looking for it."""
    queue = Queue("redis://127.0.0.1:1", "db")
    opened.append(queue)
    await queue.begin(Worker().carry)
    with capture_logs() as logs:
        await queue.send("acc", "imp")
    assert [line["event"] for line in logs] == ["queue_away"]
