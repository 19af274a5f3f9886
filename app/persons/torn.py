"""What is read in two steps, a claim and then its owner: where somebody moved in between, it is read again."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.claims.model import Locator
from app.core.errors import unavailable

TRIES = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Torn(Generic[T]):
    """An answer whose steps don't fit together; `seen` names what they found."""

    answer: T
    seen: Hashable


async def whole(read: Callable[[Sequence[Locator]], Awaitable[list[T | Torn[T]]]], named: Sequence[Locator]) -> list[T]:
    """Return what is read of locators, aligned; raises UNAVAILABLE where it moves each time that it is read."""
    found = await read(named)
    for _ in range(TRIES):
        answers = [one for one in found if not isinstance(one, Torn)]
        if len(answers) == len(found):
            return answers
        torn = {at: one for at, one in enumerate(found) if isinstance(one, Torn)}
        again = await read([named[at] for at in torn])
        for (at, before), now in zip(torn.items(), again, strict=True):
            # The first step was read again behind the second: where that is still the same, so it stands.
            found[at] = now.answer if isinstance(now, Torn) and now.seen == before.seen else now
    raise unavailable()
