"""What one operation is and what it asks of the store: begun at the edge, found by context wherever work is done."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol


class Trace(Protocol):
    """The span of an operation that somebody collects; see `web/traces.py`."""

    def part(self, name: str, attributes: dict[str, str]) -> AbstractContextManager[None]:
        """Return what makes a span of a part of the operation."""
        ...

    def end(self, tally: "Tally", name: str, status: int, codes: Sequence[str]) -> None:
        """End the operation's span; `name` is the operation's where that is one of few."""
        ...


class Tally:
    """One operation.

    `calls` are those to the store that it waited for, `shared` how many of them it shared with other operations. What
    is not known of it stays as it is here: most of it is known late, or never.
    """

    calls = 0
    shared = 0
    request_id = ""
    account: str | None = None
    kind = ""
    name: str | None = None
    query: str | None = None
    cost = 0
    trace: Trace | None = None
    ended = False

    def __init__(self, began: float) -> None:
        self.began = began


# None: nobody's, or that of many.
TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)
