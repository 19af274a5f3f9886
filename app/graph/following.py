"""What a subscription's resolver answers: which topic to follow, from where, and how to tell it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField

from app.graph.context import Context
from app.graph.executor import Info
from app.live.topic import Moment, Topic


@dataclass(frozen=True, slots=True)
class Told:
    """What a moment is told as: the root values to execute with; whether it is the last; what is followed behind it."""

    updates: Sequence[Any] = ()
    last: bool = False
    topic: Topic | None = None


Present = Callable[[Moment], Awaitable[Told]]


def _bare(token: str) -> str:
    return token


@dataclass(slots=True)
class Following:
    """`present` turns a moment into what it is told as.

    `seal` makes the client's cursor of a position. It is asynchronously iterable only in form, since graphql-core asks
    for that; the hub drives it.
    """

    topic: Topic
    after: str | None
    present: Present
    seal: Callable[[str], str] = _bare
    # Who is meant: the same words may mean another one to whoever came with a cursor.
    whom: str = ""

    def __aiter__(self) -> "Following":
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


@dataclass(slots=True)
class Progress:
    """A subscription of what one piece of work tells as it goes on: root values to execute with, until it is over."""

    steps: AsyncIterator[Any]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.steps


async def begun(
    field: GraphQLField, context: Context, arguments: dict[str, Any], present: Callable[[], Awaitable[str]]
) -> Following | Progress:
    """Return what a subscription's resolver answers; who has no cursor begins where the store stood before it looked.

    So whatever becomes of what is followed is told from there on, and nothing that was acknowledged before.
    """
    subscribe: Any = field.subscribe
    anew = "after" in field.args and arguments.get("after") is None
    position = await present() if anew else None
    following: Following | Progress = await subscribe(None, Info(context), **arguments)
    if isinstance(following, Following) and anew:
        following.after = position
    return following
