"""What a subscription's resolver answers: which topic to follow, from where, and how to tell it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.live.topic import Moment, Topic

Present = Callable[[Moment], Awaitable[tuple[Sequence[Any], bool]]]


@dataclass(slots=True)
class Following:
    """`present` turns a moment into the root values to execute with, and says whether it is the last.

    It is asynchronously iterable only in form, since graphql-core asks for that; the hub drives it.
    """

    topic: Topic
    after: str | None
    present: Present

    def __aiter__(self) -> "Following":
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration
