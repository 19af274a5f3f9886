"""Rates over several machines, each with its own buckets and all with one redis: a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.access import broker
from app.access.broker import Broker
from app.access.rate import Rates
from app.access.shared import Memory
from app.core.errors import Fault, StartError
from tests.redis import RealRedis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """Give a running server."""
    one = RealRedis(tmp_path_factory.mktemp("redis"))
    if one.missing:
        pytest.skip(one.missing)
    one.start()
    yield one
    one.stop()


Make = Callable[..., "Machine"]


class Machine:
    """A machine's buckets and its broker; its clock stands, so that nothing fills by itself here."""

    def __init__(self, url: str, space: str, per_second: float = 1.0, **more: Any) -> None:
        self.rates = Rates(per_second, lambda: 1000.0, **more)
        self.broker = Broker(url, space, self.rates)

    def take(self, cost: int) -> int:
        """Return the seconds that a key is told to wait, 0 where it is let in."""
        try:
            self.rates.take("k", cost)
        except Fault as fault:
            return int(fault.extra["retryAfter"])
        return 0

    def left(self) -> float:
        """Return what is in the bucket by the count of this machine."""
        return self.rates._buckets.look("k", 1000.0)


@pytest.fixture
async def make(server: RealRedis) -> AsyncIterator[Make]:
    """Make machines, all of which let go of the server."""
    made: list[Machine] = []

    def one(space: str, *, url: str = server.url, **rates: Any) -> Machine:
        made.append(Machine(url, space, **rates))
        return made[-1]

    yield one
    for machine in made:
        await machine.broker.close()


async def test_what_one_machine_gives_the_other_does_not(make: Make) -> None:
    """Once both have settled, which nobody waited for."""
    one, other = (make("given") for _ in range(2))
    assert [one.take(6), other.take(1)] == [0, 0]
    await one.broker.settle()
    await other.broker.settle()
    # The server's clock goes on: a little has come in again.
    assert 3 <= other.left() < 5
    assert other.take(6) > 0


async def test_what_was_given_twice_is_paid_back(make: Make) -> None:
    """Two machines that had not heard of each other let a whole burst through each: its time is waited for."""
    one, other = (make("twice") for _ in range(2))
    assert [one.take(10), other.take(10)] == [0, 0]
    await one.broker.settle()
    await other.broker.settle()
    assert 9 <= other.take(1) <= 11
    standing = other.rates.standing("k")
    assert standing is not None
    assert (standing[1], 18 <= standing[2] <= 20) == (0, True)


async def test_a_debt_ends(make: Make) -> None:
    """However many machines gave, nobody waits longer than ten bursts and one."""
    for _ in range(15):
        machine = make("debt")
        machine.take(10)
        await machine.broker.settle()
    assert -100 <= machine.left() < -95


async def test_a_bucket_that_nobody_asks_for_is_forgotten(make: Make) -> None:
    """After the time in which any debt is paid; and the calls of one are of one slot of a cluster."""
    machine = make("lapse", per_second=1000.0)
    machine.take(5)
    await machine.broker.settle()
    (key,) = [one async for one in machine.broker._redis.scan_iter("*lapse*")]
    assert key == b"{profiles:lapse}:rate:k"
    assert 100_000 < await machine.broker._redis.pttl(key) <= 111_000


async def test_workers_of_a_machine_tell_everything_once(make: Make) -> None:
    """Their buckets are one; whoever settles first tells it for all."""
    memory = Memory.make()
    workers = [make("workers", buckets=memory.table(0)) for _ in range(2)]
    for worker in workers:
        assert worker.take(3) == 0
    for worker in workers:
        await worker.broker.settle()
    apart = make("workers")
    apart.take(1)
    await apart.broker.settle()
    assert 3 <= apart.left() < 4.5
    memory.close()


async def test_while_redis_is_away_each_machine_counts_and_tells_it_later(make: Make, tmp_path: Path) -> None:
    """One line when it goes, one when it is back; no caller sees an error, and nothing is forgotten."""
    server = RealRedis(tmp_path)
    if server.missing:
        pytest.skip(server.missing)
    machine = make("away", url=server.url)
    with capture_logs() as logs:
        for _ in range(3):
            assert machine.take(2) == 0
            await machine.broker.settle()
        assert machine.take(5) == 1
        server.start()
        try:
            await machine.broker.settle()
            other = make("away", url=server.url)
            other.take(1)
            await other.broker.settle()
        finally:
            server.stop()
    assert [one["event"] for one in logs] == ["rates_by_machine", "rates_together"]
    assert 3 <= other.left() < 4.9


async def test_it_settles_by_itself(make: Make) -> None:
    """Within a tenth of a second of what was asked, until it is cancelled."""
    one, other = (make("itself") for _ in range(2))
    running = [asyncio.create_task(each.broker.run()) for each in (one, other)]
    one.take(8)
    until = asyncio.get_running_loop().time() + 20
    while other.take(1) == 0 or other.left() > 3:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(broker.SETTLE_SECONDS)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_an_address_that_is_none_is_said() -> None:
    """In the words of a setting."""
    with pytest.raises(StartError, match=r"^PROFILES_BROKER_URL: "):
        Broker("redis://host:port", "x", Rates(1.0))
