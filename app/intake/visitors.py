"""Visitors of websites: what their browsers say counts once, and makes leads of those who say who they are.

Events of all visitors share chunks; what changes a person goes through the persons, in one unit with the visitor.
"""

from asyncio import gather
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import groupby

from app.catalog.model import Catalog
from app.catalog.service import CatalogService
from app.companies.service import Companies
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Refusals, Refused
from app.identity.tokens import Tokens
from app.intake import activity, sessions
from app.intake.activity import Redo, Step
from app.intake.identifying import Identifying
from app.intake.sessions import visitor_key
from app.intake.turns import Turns
from app.intake.visit import (
    ALIAS,
    ANONYMOUS_ID_MAX,
    APPEND,
    FORGET,
    GROUP,
    IDENTIFY,
    MESSAGES_MAX,
    PAGE,
    PAGE_VIEW,
    TRACK,
    TTL_SECONDS_MAX,
    UPDATE,
    Message,
    Verdict,
    Visitor,
)
from app.intake.visit_chunk import CHUNK_STRETCHES, Stretch, VisitChunk
from app.intake.visit_record import BY_VISITOR, COLLECTION, read
from app.intake.visit_sweep import VisitSweep
from app.mongo.bound import Bound
from app.mongo.chunk import Chunks
from app.mongo.engine import Engine
from app.persons.service import Persons
from app.timeline.admit import EVENT_ID, Sent, admit

_EVENTS = frozenset({PAGE, TRACK})
# The service's own events that a browser may send.
_ALSO = frozenset({PAGE_VIEW})


@dataclass(frozen=True, slots=True)
class _Item:
    """A message on its way: its place in the call, and the step of one that is an event."""

    index: int
    message: Message
    step: Step | None


class Visitors:
    """The visitors of all accounts."""

    def __init__(
        self, engine: Engine, catalog: CatalogService, persons: Persons, companies: Companies, tokens: Tokens
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._chunks: Chunks[Stretch, list[Verdict]] = Chunks(
            VisitChunk(engine).run, name="visits", limit=CHUNK_STRETCHES
        )
        self._identifying = Identifying(engine, catalog, persons, companies, tokens, put=self._chunks.put)
        self.unjoined = self._identifying.unjoined
        self._turns = Turns()
        self.sweep = VisitSweep(engine, catalog.sweeps.wake)
        self._rules = {
            IDENTIFY: self._identifying.identify,
            UPDATE: self._identifying.update,
            APPEND: self._identifying.append,
            GROUP: self._identifying.group,
            ALIAS: self._identifying.alias,
        }

    # ------------------------------------------------------------ reading

    async def find(self, account: str, anonymous_id: str) -> Visitor | None:
        """Return the visitor of an anonymous id; None where it means nobody, or somebody who is a person by now."""
        return _shown(await self._identifying.visitor(account, anonymous_id))

    async def get(self, account: str, visitor_id: str) -> Visitor | None:
        """Return the visitor of an id (index `visitor`), where they are not a person by now."""
        visitors = Bound(self._engine, COLLECTION, account)
        found = await visitors.find({"visitor": visitor_id}, limit=1, hint=BY_VISITOR)
        return _shown(read(found[0])) if found else None

    # ------------------------------------------------------------ taking in

    async def take(self, actor: Actor, messages: Sequence[Message]) -> list[Verdict]:
        """Take messages in, each for itself, aligned; those of one anonymous id take effect in their order.

        All of it is durable, acknowledged by a majority, before it returns. Refuses too many with TOO_MANY. Raises
        UNAVAILABLE: then some may have been taken, and the same messages with the same ids can be sent again.
        """
        if len(messages) > MESSAGES_MAX:
            raise Refused("TOO_MANY", f"A call takes at most {MESSAGES_MAX} messages.", ("events",))
        verdicts = [Verdict()] * len(messages)
        groups: dict[str, list[_Item]] = {}
        for item in await self._read(actor.account, messages, verdicts):
            groups.setdefault(item.message.anonymous_id, []).append(item)
        if len(groups) == 1:
            await self._group(actor, next(iter(groups.values())), verdicts)
            return verdicts
        # All of them end before any failure is told: nothing goes on behind the answer.
        done = await gather(*[self._group(actor, one, verdicts) for one in groups.values()], return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException):
                raise one
        return verdicts

    async def _read(self, account: str, messages: Sequence[Message], verdicts: list[Verdict]) -> list[_Item]:
        """Return the messages that can be taken in; the others have their verdict."""
        catalog = await self._catalog.of(account)
        found = [_checked(index, one, catalog) for index, one in enumerate(messages)]
        if any(isinstance(one, Refused) and one.code.startswith("UNKNOWN_") for one in found):
            # The event, or a field of it, may have been defined by another process a moment ago.
            catalog = await self._catalog.fresh(account)
            found = [_checked(index, one, catalog) for index, one in enumerate(messages)]
        for index, one in enumerate(found):
            if isinstance(one, Refused):
                verdicts[index] = Verdict(accepted=False, refused=(one,))
        return [one for one in found if isinstance(one, _Item)]

    async def _group(self, actor: Actor, items: Sequence[_Item], verdicts: list[Verdict]) -> None:
        """Take in the messages of one anonymous id, in their order."""
        for together, run in groupby(items, key=lambda item: item.step is not None):
            part = list(run)
            if together:
                await self._recorded(actor, part, verdicts)
                continue
            for item in part:
                verdicts[item.index] = await self._changed(actor, item.message)

    async def _recorded(self, actor: Actor, items: Sequence[_Item], verdicts: list[Verdict]) -> None:
        message = items[0].message
        steps = tuple(item.step for item in items if item.step)
        key = visitor_key(actor.account, message.anonymous_id)
        await self._turns.begin(key)
        try:
            outcome = await self._chunks.put(Stretch(actor.account, message.anonymous_id, steps))
        except Redo:
            outcome = None
        finally:
            self._turns.end(key)
        if outcome is None:
            async with self._turns.alone(key):
                outcome = [await self._identifying.begin(actor, step) for step in steps]
        for item, verdict in zip(items, outcome, strict=True):
            verdicts[item.index] = verdict

    async def _changed(self, actor: Actor, message: Message) -> Verdict:
        async with AsyncExitStack() as stack:
            for key in sorted({visitor_key(actor.account, one) for one in _about(message)}):
                await stack.enter_async_context(self._turns.alone(key))
            try:
                return await self._rules[message.kind](actor, message)
            except Refused as refusal:
                return Verdict(accepted=False, refused=(refusal,))
            except Refusals as refusals:
                return Verdict(accepted=False, refused=refusals.refusals)


def _about(message: Message) -> Sequence[str]:
    return (message.anonymous_id,) if message.previous_id is None else (message.anonymous_id, message.previous_id)


def _shown(visitor: Visitor) -> Visitor | None:
    return visitor if visitor.person is None and sessions.stands(visitor, clock.now()) else None


def _checked(index: int, message: Message, catalog: Catalog) -> _Item | Refused:
    try:
        return _Item(index, message, _step(message, catalog))
    except Refused as refusal:
        return refusal


def _step(message: Message, catalog: Catalog) -> Step | None:
    """Return the step of a message that changes no person, None for one that may; or refuse what can't be read."""
    for name, one in (("anonymousId", message.anonymous_id), ("previousId", message.previous_id)):
        if one is not None and not one:
            raise Refused("REQUIRED", "A visitor has an id.", (name,))
        if one is not None and len(one) > ANONYMOUS_ID_MAX:
            raise Refused("TOO_LONG", f"An anonymous id has at most {ANONYMOUS_ID_MAX} characters.", (name,))
    if message.kind in _EVENTS:
        type_ = PAGE_VIEW if message.kind == PAGE else message.type or ""
        sent = Sent(type_, message.message_id, message.occurred_at, None, message.properties)
        _, properties = admit(sent, catalog, clock.now(), also=_ALSO)
        return Step(activity.record, message, type_, properties)
    if message.message_id is not None and not EVENT_ID.fullmatch(message.message_id):
        raise Refused("INVALID", "A message id has 1 to 64 of A-Z, a-z, 0-9, _ and -.", ("messageId",))
    if message.ttl_seconds is not None and not 1 <= message.ttl_seconds <= TTL_SECONDS_MAX:
        raise Refused("INVALID", f"The time is 1 to {TTL_SECONDS_MAX} seconds.", ("ttlSeconds",))
    return Step(activity.forget, message) if message.kind == FORGET else None
