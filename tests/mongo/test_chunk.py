"""Chunks: who waits shares a call, failures reach their callers, and nobody waits without bound."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from app.core.errors import Fault
from app.mongo import chunk
from app.mongo.chunk import Chunks

SECONDS = 10.0


class Store:
    """Answers with the double of each number, once `open` is set; notes what it is asked for, as it is asked."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.failure: Exception | None = None

    async def run(self, items: list[int]) -> Sequence[int | Exception]:
        """Double the items; a negative one is refused alone."""
        self.calls.append(items)
        self.asked.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return [2 * one if one >= 0 else ValueError(one) for one in items]


@pytest.fixture
def store() -> Store:
    """Give a store that answers nothing yet."""
    return Store()


@pytest.fixture
async def chunks(store: Store) -> AsyncIterator[Chunks[int, int]]:
    """Give chunks of at most three, one call at once, and bound the test."""
    made: Chunks[int, int] = Chunks(store.run, limit=3)
    async with asyncio.timeout(SECONDS):
        yield made


async def waiting(chunks: Chunks[int, int], store: Store, *items: int) -> "list[asyncio.Task[int]]":
    """Put the first item on its way, and have the rest come while it is under way."""
    tasks = [asyncio.create_task(chunks.put(items[0]))]
    await store.asked.wait()
    return tasks + [asyncio.create_task(chunks.put(one)) for one in items[1:]]


async def give_up(chunks: Chunks[int, int], *items: int) -> None:
    """Put items, and wait for their outcomes no longer than it takes to put them."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await chunks.put_all(items)


async def test_those_who_come_meanwhile_share_the_next_call(chunks: Chunks[int, int], store: Store) -> None:
    """The first leaves alone, the others together, up to the limit."""
    tasks = await waiting(chunks, store, 1, 2, 3, 4, 5)
    store.open.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert store.calls == [[1], [2, 3, 4], [5]]


async def test_a_list_given_at_once_travels_together(chunks: Chunks[int, int], store: Store) -> None:
    """`put_all` returns the outcomes in the order of its items, refusals among them."""
    store.open.set()
    first, second, third = await chunks.put_all([1, -1, 3])
    assert (first, repr(second), third) == (2, "ValueError(-1)", 6)
    assert store.calls == [[1, -1, 3]]


async def test_an_outcome_that_is_an_exception_is_its_own_callers_alone(chunks: Chunks[int, int], store: Store) -> None:
    """The others of the same call get their answers."""
    _, bad, good = await waiting(chunks, store, 0, -7, 7)
    store.open.set()
    with pytest.raises(ValueError, match="-7"):
        await bad
    assert (await good, store.calls) == (14, [[0], [-7, 7]])


async def test_a_call_that_fails_is_handed_to_every_caller(chunks: Chunks[int, int], store: Store) -> None:
    """All of the chunk hear of it, and the next call is made as if nothing had been."""
    tasks = await waiting(chunks, store, 1, 2, 3)
    store.failure = Fault("UNAVAILABLE", "Away.")
    store.open.set()
    assert await asyncio.gather(*tasks, return_exceptions=True) == [store.failure] * 3
    store.failure = None
    assert await chunks.put(4) == 8


async def test_callers_that_gave_up_are_passed_over(chunks: Chunks[int, int], store: Store) -> None:
    """Their items are not sent; those of the others fill the chunk."""
    (first,) = await waiting(chunks, store, 1)
    await give_up(chunks, 2, 3)
    later = asyncio.gather(*[chunks.put(one) for one in (4, 5, 6)])
    store.open.set()
    assert (await first, await later) == (2, [8, 10, 12])
    assert store.calls == [[1], [4, 5, 6]]


async def test_where_everybody_gave_up_no_call_is_made(chunks: Chunks[int, int], store: Store) -> None:
    """Nobody is left to ask for; who comes later is served."""
    (first,) = await waiting(chunks, store, 1)
    await give_up(chunks, 2, 3)
    store.open.set()
    assert (await first, await chunks.put(4)) == (2, 8)
    assert store.calls == [[1], [4]]


async def test_a_caller_that_gives_up_in_flight_costs_the_others_nothing(
    chunks: Chunks[int, int], store: Store
) -> None:
    """Its answer is dropped, theirs arrive."""
    (flying,) = await waiting(chunks, store, 1)
    flying.cancel()
    await asyncio.wait([flying])
    other = asyncio.create_task(chunks.put(2))
    store.open.set()
    assert await other == 4


async def test_too_many_waiting_are_refused(
    chunks: Chunks[int, int], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UNAVAILABLE at once for whoever is one too many, alone or in a list; those before are served."""
    assert chunk.WAITING_MAX == 50_000
    monkeypatch.setattr(chunk, "WAITING_MAX", 2)
    store.open.set()
    first, second, third = await asyncio.gather(*[chunks.put(one) for one in (1, 2, 3)], return_exceptions=True)
    assert (first, second, isinstance(third, Fault) and third.code) == (2, 4, "UNAVAILABLE")
    with pytest.raises(Fault, match="can't be reached"):
        await chunks.put_all([1, 2, 3])


async def test_several_calls_may_be_in_flight(store: Store) -> None:
    """`flights` many, and no more."""
    chunks: Chunks[int, int] = Chunks(store.run, limit=1, flights=2)
    outcomes = asyncio.gather(*[chunks.put(one) for one in range(4)])
    async with asyncio.timeout(SECONDS):
        await store.asked.wait()
        assert store.calls == [[0], [1]]
        store.open.set()
        assert await outcomes == [0, 2, 4, 6]
