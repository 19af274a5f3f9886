"""Queries that one read by key answers: begun and ended by plain calls, for a task would cost more than their work.

Whatever is unusual goes the long way: a profile that isn't there, was merged away, or isn't as its type promises.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson

from app.changes.model import ACTIVE
from app.claims.asked import Read
from app.core.actor import Actor
from app.core.errors import Fault, unavailable
from app.core.sources import Kept, Sources
from app.core.tally import TALLY, Tally
from app.graph import compiled
from app.graph.operation import Answer, Operations, Ready, Request
from app.graph.services import Services

F = TypeVar("F", bound=Callable[..., Any])
Ask = Callable[[Services, str, Mapping[str, Any], Tally], Read]
Then = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class Keyed:
    """How a root field is answered by one document of its account: `sources` say what of it is shown.

    `ask` begins its read, given the account and the arguments.
    """

    sources: Sources
    ask: Ask


def keyed(sources: Sources, ask: Ask) -> Callable[[F], F]:
    """Mark a resolver of one profile that can also be answered so."""

    def mark(resolver: F) -> F:
        resolver.keyed = Keyed(sources, ask)  # type: ignore[attr-defined]
        return resolver

    return mark


@dataclass(slots=True, eq=False)
class _Flight:
    """A query whose read is under way; `number` is its place in the load."""

    actor: Actor
    ready: Ready
    request_id: str
    tally: Tally
    number: int
    then: Then


class Direct:
    """The queries of one process that have no task."""

    def __init__(self, operations: Operations, services: Services) -> None:
        self._operations = operations
        self._services = services
        self._flights: set[_Flight] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def knows(self, request: Request) -> bool:
        """Tell whether an operation may be of this kind: its document has been seen, and it was so."""
        operation = self._operations.documents.held(request.query, request.name)
        return operation is not None and operation.direct

    def begin(self, actor: Actor, request: Request, request_id: str, tally: Tally, then: Then) -> bool:
        """Begin a query, and give `then` its answer in a later turn of the loop.

        False, and nothing taken or begun, where it has to go the long way: it isn't of this kind, is refused, waits for
        its account's turn, or its document is new.
        """
        operations, account = self._operations, actor.account
        ready = operations.held(actor, request)
        if ready is None or not compiled.direct(ready.plan):
            return False
        (slot,) = ready.plan
        arguments = slot.fixed if slot.arguments is None else slot.arguments(ready.variables)
        number = operations.load.begin(account)
        if number is None:
            return False
        try:
            operations.take(actor.key, ready.cost)
            read = slot.keyed.ask(self._services, account, arguments or {}, tally)
        except BaseException as error:
            operations.load.leave(account, number)
            if isinstance(error, Fault):
                # Too much is asked, or too many wait: told by who goes the long way.
                return False
            raise
        flight = _Flight(actor, ready, request_id, tally, number, then)
        self._flights.add(flight)
        read.add_done_callback(partial(self._landed, flight))
        return True

    def break_off(self) -> None:
        """Answer all that wait for a store that doesn't: the process stops."""
        for flight in list(self._flights):
            self._end(flight, self._failed(flight, unavailable()))

    def _landed(self, flight: _Flight, read: Read) -> None:
        if read.cancelled() or flight not in self._flights:
            return
        found = read.result()
        if isinstance(found, Exception):
            self._end(flight, self._failed(flight, found))
        elif (answer := self._shown(flight, found)) is not None:
            self._end(flight, answer)
        else:
            task = asyncio.create_task(self._long(flight))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _shown(self, flight: _Flight, kept: Kept | None) -> Answer | None:
        """Return the answer that a document gives, None where it gives none at once."""
        account = flight.actor.account
        if kept is None or kept["account"] != account or kept.get("state", ACTIVE) != ACTIVE:
            return None
        catalog = self._services.catalog.known(account)
        if catalog is None or not catalog.fits((kept,)):
            return None
        (slot,) = flight.ready.plan
        assert slot.whole is not None  # noqa: S101 - or it had not begun
        try:
            data = {slot.key: slot.whole((kept,), catalog)[0]}
        except Exception:  # noqa: BLE001 - whatever it is, the long way meets it again and tells it
            return None
        return Answer(orjson.dumps({"data": data}))

    def _failed(self, flight: _Flight, error: Exception) -> Answer:
        return self._operations.failed(flight.actor, flight.ready, error, flight.request_id)

    async def _long(self, flight: _Flight) -> None:
        """Answer as any other operation is, in the same place of the load."""
        TALLY.set(flight.tally)
        try:
            answer = await self._operations.run_on(flight.actor, flight.ready, flight.request_id)
        except Exception as error:  # noqa: BLE001 - the last line: whoever asked gets an answer
            answer = self._failed(flight, error)
        self._end(flight, answer)

    def _end(self, flight: _Flight, answer: Answer) -> None:
        if flight not in self._flights:
            return
        self._flights.discard(flight)
        self._operations.load.leave(flight.actor.account, flight.number)
        operation = flight.ready.operation
        answer.kind, answer.name, answer.cost = operation.kind, operation.name, flight.ready.cost
        flight.then(answer)
