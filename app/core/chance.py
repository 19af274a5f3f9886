"""Chance, through one door: where no secret hangs on it, and where ids are not the matter."""

import random
import uuid as uuids
from collections.abc import MutableSequence
from typing import Any


def uuid() -> str:
    """Return a random UUID, as items of LIST attributes carry it."""
    return str(uuids.uuid4())


def part(seconds: float) -> float:
    """Return a random part of a wait, so that those who wait don't come back together."""
    return random.uniform(0, seconds)  # noqa: S311 - only spreads


def shuffle(items: MutableSequence[Any]) -> None:
    """Put items in random order, in place."""
    random.shuffle(items)
