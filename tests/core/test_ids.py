"""Ids: never given twice, in the order in which they were made, also by a process that was forked off."""

import multiprocessing
from datetime import datetime, timedelta

from app.core import ids


def test_ids_sort_by_birth_and_come_once() -> None:
    """Also within one millisecond, and where the clock goes back."""
    at = datetime(2026, 5, 4, 10)  # noqa: DTZ001 - naive UTC is the house's time
    made = [ids.new("per", at - timedelta(milliseconds=back % 3)) for back in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {ids.kind(one) for one in made} == {"per"}


def test_a_moment_later_sorts_later() -> None:
    """Whatever chance gives."""
    at = datetime(2050, 5, 4, 10)  # noqa: DTZ001
    made = [ids.new("per", at + timedelta(milliseconds=n)) for n in range(2_000)]
    assert made == sorted(made)


def test_a_forked_process_gives_others() -> None:
    """Chance is drawn many bytes at once; a child does not go on with its parent's."""
    context = multiprocessing.get_context("fork")
    ids.new("per")
    with context.Pool(1) as pool:
        theirs = pool.map(_bytes, range(4))
    ours = [_bytes(n) for n in range(4)]
    assert len({*theirs, *ours}) == 8


def _bytes(_: int) -> bytes:
    return ids._CHANCE.take(8)
