"""Chance, through one door: where no secret hangs on it, and where ids are not the matter."""

import random
import uuid as uuids
from collections.abc import MutableSequence
from typing import Any

BACKOFF_SECONDS = 0.005
BACKOFF_SECONDS_MAX = 0.5


def uuid() -> str:
    """Return a random UUID, as items of LIST attributes carry it."""
    return str(uuids.uuid4())


def part(seconds: float) -> float:
    """Return a random part of a wait, so that those who wait don't come back together."""
    return random.uniform(0, seconds)  # noqa: S311 - only spreads


def pause(tried: int) -> float:
    """Return how many seconds to wait before trying again, by chance more each time."""
    return part(min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2**tried))


def shuffle(items: MutableSequence[Any]) -> None:
    """Put items in random order, in place."""
    random.shuffle(items)
