"""Answers of two reads: what doesn't fit is read again, what stands so is an answer, what goes on moving is none."""

from collections.abc import Sequence

import pytest

from app.claims.model import Locator
from app.core.errors import Fault
from app.persons.torn import TRIES, Torn, whole

NAMED = [Locator("email", name) for name in ("still", "moved", "odd")]


async def test_only_what_moved_is_read_again() -> None:
    """The others have their answers from the first time; what is seen twice as it was is one."""
    asked: list[Sequence[Locator]] = []

    async def read(named: Sequence[Locator]) -> list[str | Torn[str]]:
        asked.append(named)
        torn = {"moved": Torn("no", len(asked)), "odd": Torn("odd", "seen")}
        return [torn.get(one.value, one.value) if len(asked) == 1 or one.value == "odd" else "yes" for one in named]

    assert await whole(read, NAMED) == ["still", "yes", "odd"]
    assert asked == [NAMED, NAMED[1:]]


async def test_what_moves_each_time_is_given_up() -> None:
    """UNAVAILABLE, after a bounded number of tries."""
    tries = 0

    async def read(named: Sequence[Locator]) -> list[str | Torn[str]]:
        nonlocal tries
        tries += 1
        return [Torn("no", tries) for _ in named]

    with pytest.raises(Fault) as caught:
        await whole(read, NAMED)
    assert (caught.value.code, tries) == ("UNAVAILABLE", TRIES + 1)
