"""What is under way at once: bounded for each account and for the process, in turns, with nobody forgotten."""

import asyncio
from collections.abc import Iterator

import pytest

from app.access import load
from app.access.load import Load
from app.core.errors import Fault


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let three run at once, two of an account; three wait of an account, five altogether."""
    for name, most in (("RUNNING_MAX", 3), ("ACCOUNT_RUNNING_MAX", 2), ("ACCOUNT_WAITING_MAX", 3), ("WAITING_MAX", 5)):
        monkeypatch.setattr(load, name, most)
    return iter([None])


class Crowd:
    """Operations by name: the first letter is the account; `began` says in which order they began."""

    def __init__(self) -> None:
        self.load = Load()
        self.began: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.running: dict[str, list[int]] = {}

    async def come(self, *names: str) -> None:
        """Let operations come, one after the other."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._begin(name))
            await asyncio.sleep(0)

    async def end(self, *accounts: str) -> None:
        """Let an operation of each account end."""
        for account in accounts:
            self.leave(account)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def leave(self, account: str) -> None:
        """End the operation of an account that began first."""
        self.load.leave(account, self.running[account].pop(0))

    async def _begin(self, name: str) -> None:
        number = await self.load.enter(name[0])
        self.running.setdefault(name[0], []).append(number)
        self.began.append(name)


async def test_an_account_has_no_more_than_its_part_under_way() -> None:
    """The third of an account waits, another account does not."""
    crowd = Crowd()
    await crowd.come("a1", "a2", "a3", "b1")
    assert crowd.began == ["a1", "a2", "b1"]
    assert (crowd.load.running, crowd.load.waiting) == (3, 1)
    await crowd.end("a")
    assert crowd.began[3:] == ["a3"]


async def test_turns_go_round_by_account() -> None:
    """However many of one account wait, the other's first comes second."""
    crowd = Crowd()
    await crowd.come("a1", "a2", "c1", "b1", "b2", "d1")
    assert crowd.began == ["a1", "a2", "c1"]
    await crowd.end("c", "a", "a")
    assert crowd.began[3:] == ["b1", "d1", "b2"]


async def test_who_finds_the_line_full_is_refused_with_a_time() -> None:
    """Of an account with 429, of the process with 503."""
    crowd = Crowd()
    await crowd.come("a1", "a2", "a3", "a4", "a5")
    with pytest.raises(Fault) as refusal:
        await crowd.load.enter("a")
    assert (refusal.value.code, refusal.value.status, refusal.value.extra) == ("RATE_LIMITED", 429, {"retryAfter": 1})
    await crowd.come("b1", "b2", "b3")
    assert crowd.load.waiting == 5
    with pytest.raises(Fault) as refusal:
        await crowd.load.enter("c")
    assert "c" not in crowd.load._accounts
    assert (refusal.value.code, refusal.value.status, refusal.value.extra) == ("UNAVAILABLE", 503, {"retryAfter": 1})


async def test_who_gives_up_takes_nobodys_place() -> None:
    """In line, and in the moment in which the turn comes."""
    crowd = Crowd()
    await crowd.come("a1", "a2", "a3", "a4", "a5")
    crowd.tasks["a3"].cancel()
    await asyncio.sleep(0)
    crowd.leave("a")
    crowd.tasks["a4"].cancel()
    await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)
    assert crowd.began == ["a1", "a2", "a5"]
    await crowd.end("a", "a")
    assert (crowd.load.running, crowd.load.waiting) == (0, 0)
    assert crowd.load._accounts == {}
    assert crowd.load._turns == {}


async def test_a_turn_passes_over_who_gives_up_at_that_moment() -> None:
    """Nobody else is harmed by it, and the next in line begins."""
    crowd = Crowd()
    await crowd.come("a1", "a2", "a3", "a4")
    crowd.tasks["a3"].cancel()
    crowd.leave("a")
    await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)
    assert crowd.began == ["a1", "a2", "a4"]
    crowd.tasks |= {"b1": asyncio.create_task(crowd._begin("b1"))}
    await crowd.end("a", "a", "b")
    assert (crowd.load.running, crowd.load.waiting, crowd.load._accounts, crowd.load._turns) == (0, 0, {}, {})


async def test_where_others_ask_an_account_has_few_places_for_what_has_only_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alone it has all of them; what turns out to be slow takes none of the few, and nobody has to end for that."""
    now = [0.0]
    monkeypatch.setattr(load, "monotonic", lambda: now[0])
    for name, most in (
        ("RUNNING_MAX", 20),
        ("ACCOUNT_RUNNING_MAX", 4),
        ("ACCOUNT_SHARED_MAX", 2),
        ("SLOW_SECONDS", 0.1),
    ):
        monkeypatch.setattr(load, name, most)
    crowd = Crowd()
    await crowd.come("a1", "a2", "a3")
    assert crowd.began == ["a1", "a2", "a3"]
    await crowd.come("b1", "b2", "b3", "a4")
    assert crowd.began[3:] == ["b1", "b2"]
    assert crowd.load.waiting == 2
    now[0] = 0.15
    crowd.load._look_again("b")
    crowd.load._look_again("a")
    await asyncio.sleep(0)
    assert crowd.began[5:] == ["b3", "a4"]
    await crowd.come("b4", "b5")
    assert crowd.began[7:] == ["b4"]  # four are all that an account may have
    now[0] = 1.2
    await crowd.end("b")
    assert crowd.began[8:] == ["b5"]


async def test_an_account_that_asks_alone_again_has_all_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after the others."""
    now = [0.0]
    monkeypatch.setattr(load, "monotonic", lambda: now[0])
    for name, most in (("RUNNING_MAX", 20), ("ACCOUNT_RUNNING_MAX", 4), ("ACCOUNT_SHARED_MAX", 2)):
        monkeypatch.setattr(load, name, most)
    crowd = Crowd()
    await crowd.come("b1", "a1", "a2", "a3")
    assert (crowd.began, crowd.load.waiting) == (["b1", "a1", "a2"], 1)
    now[0] = 1.0
    await crowd.come("a4")
    crowd.load._look_again("a")
    await asyncio.sleep(0)
    assert crowd.began == ["b1", "a1", "a2", "a3", "a4"]


def test_how_busy_it_is_goes_by_how_many_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is no work at all, a look each second hardly any, twenty operations a second as much as there can be."""
    now = 1000.0
    monkeypatch.setattr(load, "monotonic", lambda: now)
    one = Load()
    assert one.busy() == 0
    for rate, low, high in ((1.0, 0.05, 0.09), (10.0, 0.45, 0.55), (20.0, 0.95, 1.0), (100.0, 1.0, 1.0)):
        for _ in range(int(10 * rate)):
            now += 1 / rate
            number = one.begin("a")
            assert number is not None
            one.leave("a", number)
        assert low <= one.busy() <= high, rate
    now += 10
    assert one.busy() < 0.01
