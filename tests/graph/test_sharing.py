"""Queries in the same words at the same time: run once for all who came before it began, and for nobody else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.graph.sharing import Shared


class Store:
    """What is asked: counts the runs, each of which ends when it is told to."""

    def __init__(self) -> None:
        self.runs: list[asyncio.Future[str]] = []

    async def work(self) -> str:
        """Run."""
        self.runs.append(asyncio.get_running_loop().create_future())
        return await self.runs[-1]


@pytest.fixture
def store() -> Store:
    """Give a store."""
    return Store()


def asking(store: Store, count: int, words: str = "same") -> tuple[Shared[str], list["asyncio.Task[str]"]]:
    """Have some ask the same."""
    shared: Shared[str] = Shared(lambda answer: answer != "bad")
    return shared, [asyncio.create_task(shared.run(words, store.work)) for _ in range(count)]


async def turns(count: int = 5) -> None:
    """Let others get on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_comes_while_one_runs_shares_the_next(store: Store) -> None:
    """The first runs alone; those who came since get one answer, of a run that began after they came."""
    shared, tasks = asking(store, 4)
    await turns()
    assert len(store.runs) == 1
    store.runs[0].set_result("first")
    await turns()
    assert (tasks[0].result(), len(store.runs)) == ("first", 2)
    late = asyncio.create_task(shared.run("same", store.work))
    await turns()
    store.runs[1].set_result("second")
    await turns()
    assert [one.result() for one in tasks[1:]] == ["second"] * 3
    assert (len(store.runs), late.done()) == (3, False)
    store.runs[2].set_result("third")
    assert await late == "third"
    assert shared._lines == {}


async def test_other_words_are_nobody_elses(store: Store) -> None:
    """They run at the same time."""
    shared, tasks = asking(store, 1)
    tasks.append(asyncio.create_task(shared.run("other", store.work)))
    await turns()
    assert len(store.runs) == 2
    for number, run in enumerate(store.runs):
        run.set_result(str(number))
    assert await asyncio.gather(*tasks) == ["0", "1"]


@pytest.mark.parametrize("end", [lambda run: run.set_exception(OSError()), lambda run: run.set_result("bad")])
async def test_what_went_wrong_is_not_shared(store: Store, end: Callable[["asyncio.Future[str]"], None]) -> None:
    """Those who waited for it run for themselves, all at once."""
    shared, tasks = asking(store, 4)
    await turns()
    store.runs[0].set_result("first")
    await turns()
    end(store.runs[1])
    await turns()
    assert len(store.runs) == 4
    for run in store.runs[2:]:
        run.set_result("own")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2:]) == ("first", ["own", "own"])
    assert shared._lines == {}


async def cancel_in_line(tasks: list["asyncio.Task[str]"], store: Store) -> None:
    """Give up while another one runs."""
    tasks[1].cancel()
    await turns()
    store.runs[0].set_result("first")


async def cancel_at_its_turn(tasks: list["asyncio.Task[str]"], store: Store) -> None:
    """Give up in the moment in which the turn comes."""
    store.runs[0].set_result("first")
    await asyncio.sleep(0)
    tasks[1].cancel()


async def cancel_while_leading(tasks: list["asyncio.Task[str]"], store: Store) -> None:
    """Give up while running for others."""
    store.runs[0].set_result("first")
    await turns()
    tasks[1].cancel()


@pytest.mark.parametrize("give_up", [cancel_in_line, cancel_at_its_turn, cancel_while_leading])
async def test_who_gives_up_holds_up_nobody(
    store: Store, give_up: Callable[[list["asyncio.Task[str]"], Store], Awaitable[None]]
) -> None:
    """Whenever that is, the others get their answers."""
    shared, tasks = asking(store, 4)
    await turns()
    await give_up(tasks, store)
    while not all(one.done() for one in tasks):
        await turns()
        for run in store.runs:
            if not run.done():
                run.set_result("answer")
    assert tasks[1].cancelled()
    assert [one.result() for one in (tasks[0], *tasks[2:])] == ["first", "answer", "answer"]
    assert shared._lines == {}
