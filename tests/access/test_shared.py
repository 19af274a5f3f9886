"""Buckets of several processes: one count for all, whoever dies or stands still in the middle of it."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.access import shared
from app.access.buckets import Local
from app.access.shared import KNOWN_KEYS, SETS, WAYS, Memory

ROOT = Path(__file__).parents[2]
TAKER = """
import os, signal, sys, time
from app.access.shared import Memory
buckets = Memory(int(sys.argv[1])).table(0)(1e-9, 1000.0)
if sys.argv[2] == "die":
    buckets._enter("k", 0.0)
    os.kill(os.getpid(), signal.SIGKILL)
print(sum(buckets.take("k", 1, time.monotonic()) >= 1 for _ in range(2000)))
"""


def taker(memory: Memory, what: str) -> "subprocess.Popen[str]":
    """Start a process that takes from the first table."""
    command = [sys.executable, "-c", TAKER, str(memory.fd), what]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, pass_fds=(memory.fd,), stdout=subprocess.PIPE, text=True)


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Give new memory."""
    made = Memory.make()
    yield made
    made.close()


STEPS = some.lists(
    some.tuples(
        some.sampled_from(["take", "look", "owed", "owe", "settle"]),
        some.sampled_from("abc"),
        some.floats(0, 40),
        some.floats(0, 5),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_two_who_share_count_as_one_alone(steps: list[tuple[str, str, float, float]]) -> None:
    """Whatever is asked of either, in any order, the answers are those of buckets in one process."""
    memory, alone, now = Memory.make(), Local(2.0, 20.0), 1000.0
    both = [memory.table(0)(2.0, 20.0) for _ in range(2)]
    try:
        for at, (step, key, units, seconds) in enumerate(steps):
            now += seconds
            answers = []
            for buckets in (both[at % 2], alone):
                # A bucket that was never asked for is made here and not there: what is settled for it is nobody's.
                buckets.look(key, now) if step == "look" else buckets.take(key, units, now)
                if step == "owed":
                    answers.append(buckets.owed(key))
                elif step == "owe":
                    buckets.owe(key, units)
                elif step == "settle":
                    buckets.settle(key, units, now)
                answers.append(buckets.look(key, now))
            assert answers[: len(answers) // 2] == pytest.approx(answers[len(answers) // 2 :])
    finally:
        memory.close()


def test_processes_take_no_more_than_there_is(memory: Memory) -> None:
    """Three at once, two thousand tries each, of a thousand units: a thousand are had, not one more or less."""
    takers = [taker(memory, "take") for _ in range(3)]
    had = [int(one.communicate(timeout=60)[0]) for one in takers]
    assert (sum(had), [one.returncode for one in takers]) == (1000, [0, 0, 0])


def test_a_killed_holder_holds_up_nobody(memory: Memory) -> None:
    """Who dies by kill -9 with the lock in hand leaves it to the next, and counting goes on."""
    died = taker(memory, "die")
    died.communicate(timeout=60)
    assert died.returncode == -9
    buckets = memory.table(0)(1e-9, 1000.0)
    began = time.monotonic()
    assert [buckets.take("k", 400, began) for _ in range(3)] == pytest.approx([1000, 600, 200])
    assert buckets._lock(memory.lock(0, 0)) == 0  # no other lock was touched


def test_a_holder_that_stands_still_lets_others_pass_uncounted(memory: Memory) -> None:
    """A moment later, and at once from then on, rather than have everybody wait for it."""
    one, other = (memory.table(0)(1.0, 10.0) for _ in range(2))
    _, lock = one._enter("k", 0.0)
    assert lock is not None
    assert other.take("k", 10, 0.0) == 10
    began = time.thread_time()
    assert [other.take("k", 10, 0.0), other.owed("k")] == [10, 0]
    assert time.thread_time() - began < shared.WAIT_SECONDS / 2
    assert other._lock(lock) == errno.EBUSY
    one._unlock(lock)
    assert [other.take("k", 10, 0.0), other.take("k", 1, 0.0)] == [10, 0]


def test_a_full_set_lets_go_of_who_asked_longest_ago(memory: Memory) -> None:
    """The others keep what they have; the table never grows."""
    buckets = memory.table(1)(1.0, 10.0)
    first = buckets._meet("0")[1]
    together = [key for key in map(str, range(WAYS * SETS * 3)) if buckets._meet(key)[1] == first][: WAYS + 1]
    assert len(together) == WAYS + 1
    for at, key in enumerate(together):
        buckets.take(key, 9, at / 1000)
    assert [buckets.look(key, 0.01) < 2 for key in together[1:]] == [True] * WAYS
    assert buckets.look(together[0], 0.01) == 10
    assert len(buckets._known) <= KNOWN_KEYS


def test_tables_are_apart(memory: Memory) -> None:
    """What a key asks and what is said of a visitor of that name are two counts."""
    one, other = (memory.table(number)(1.0, 10.0) for number in range(shared.TABLES))
    one.take("k", 10, 5.0)
    assert (one.look("k", 5.0), other.look("k", 5.0)) == (0, 10)
