"""Keys that are remembered, and listeners that are told: bounded, and never good for longer than the key."""

import asyncio
from datetime import datetime, timedelta

import pytest

from app.access import cache, closing
from app.access.cache import UNTRUSTED_SECONDS, Cache
from app.access.closing import Closing
from app.access.model import ApiKey
from app.core import clock
from app.core.actor import Actor, Scope


class World:
    """What a cache asks: the time, and whether news come in."""

    def __init__(self) -> None:
        self.at = 0.0
        self.trusted = True
        self.cache = Cache(lambda: self.trusted, lambda: self.at)

    def put(self, key_id: str, digest: bytes = b"d", expires_at: datetime | None = None) -> Actor:
        """Take in a key that is read now."""
        generation = self.cache.generation
        return self.cache.put(digest, key(key_id, expires_at), generation=generation, at=self.cache.now())


def key(key_id: str, expires_at: datetime | None = None) -> ApiKey:
    """Make a key."""
    return ApiKey(key_id, "acc_1", "test", "cp_live_", (Scope.ADMIN,), clock.now(), expires_at=expires_at)


@pytest.fixture
def world() -> World:
    """Give an empty cache, to which news come in."""
    return World()


def test_a_key_that_was_read_is_remembered(world: World) -> None:
    """Its actor by the digest of its text."""
    actor = world.put("k")
    world.at += 1_000_000
    assert (world.cache.get(b"d"), world.cache.get(b"other")) == (actor, None)


def test_without_news_a_key_is_remembered_for_five_seconds(world: World) -> None:
    """A revocation elsewhere may have been missed."""
    actor = world.put("k")
    world.trusted, world.at = False, UNTRUSTED_SECONDS - 0.1
    assert world.cache.get(b"d") == actor
    world.at = UNTRUSTED_SECONDS
    assert (UNTRUSTED_SECONDS, world.cache.get(b"d")) == (5, None)


def test_a_key_is_remembered_no_longer_than_it_is_good(world: World) -> None:
    """Its expiry counts, whatever news come in."""
    world.put("over", b"d", clock.now() - timedelta(milliseconds=1))
    world.put("later", b"e", clock.now() + timedelta(hours=1))
    assert (world.cache.get(b"d"), world.cache.get(b"e") is not None) == (None, True)


def test_what_was_read_before_a_forgetting_serves_once(world: World) -> None:
    """It is answered with, and not kept: it may be older than the news."""
    generation = world.cache.generation
    world.cache.forget("another")
    actor = world.cache.put(b"d", key("k"), generation=generation, at=0)
    assert (actor.key, world.cache.get(b"d")) == ("k", None)


def test_forgetting_drops_one_or_all(world: World) -> None:
    """And one that was never there is no error."""
    for key_id in ("a", "b", "c"):
        world.put(key_id, key_id.encode())
    world.cache.forget("a")
    world.cache.forget("nobody")
    assert [world.cache.get(one) is not None for one in (b"a", b"b", b"c")] == [False, True, True]
    world.cache.forget_all()
    assert ([world.cache.get(one) for one in (b"b", b"c")], world.cache.generation) == ([None, None], 3)


def test_the_cache_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many takes the place of the oldest; the same key again takes its own."""
    assert cache.CACHE_KEYS == 10_000
    monkeypatch.setattr(cache, "CACHE_KEYS", 2)
    for key_id in ("a", "b", "b", "c"):
        world.put(key_id, key_id.encode())
    assert [world.cache.get(one) is not None for one in (b"a", b"b", b"c")] == [False, True, True]


def test_whoever_listens_for_a_key_is_told_once() -> None:
    """And nobody else; who took itself off hears nothing."""
    told: list[str] = []
    listeners = Closing()
    leave = listeners.add("k", lambda: told.append("left"))
    listeners.add("k", lambda: told.append("told"))
    listeners.add("other", lambda: told.append("other"))
    for _ in range(2):
        leave()
        listeners.tell("k")
    assert (told, list(listeners.keys())) == (["told"], ["other"])


async def test_an_expiry_tells_by_itself() -> None:
    """At its time; at once where it is over."""
    told, over = asyncio.Event(), asyncio.Event()
    listeners = Closing()
    listeners.add("k", told.set)
    listeners.add("over", over.set)
    listeners.expire("k", clock.now() + timedelta(milliseconds=20))
    listeners.expire("over", clock.now())
    assert (told.is_set(), over.is_set()) == (False, True)
    async with asyncio.timeout(10):
        await told.wait()


async def test_an_expiry_far_away_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer runs for a day at most; then it is set anew."""
    assert closing.WAIT_SECONDS_MAX == 86_400
    monkeypatch.setattr(closing, "WAIT_SECONDS_MAX", 0.001)
    told, expires_at = asyncio.Event(), clock.now() + timedelta(milliseconds=50)
    listeners = Closing()
    listeners.add("k", told.set)
    listeners.expire("k", expires_at)
    async with asyncio.timeout(10):
        await told.wait()
    assert clock.now() >= expires_at


async def test_clearing_lets_go_without_a_word() -> None:
    """Of listeners and of timers."""
    told: list[str] = []
    listeners = Closing()
    listeners.add("k", lambda: told.append("k"))
    listeners.expire("k", clock.now() + timedelta(hours=1))
    (timer,) = listeners._timers.values()
    listeners.clear()
    assert (list(listeners.keys()), told, timer.cancelled()) == ([], [], True)
