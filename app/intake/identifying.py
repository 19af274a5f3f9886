"""Messages that may change a person: each reads the visitor, decides, and writes both as one unit, or begins again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.catalog import sweeps
from app.catalog.checks import has_unknown
from app.catalog.model import AttributeDefinition, Catalog
from app.catalog.service import CatalogService
from app.changes.model import Ask, Change, Effect, Guard, Outcome
from app.changes.service import change_of
from app.claims.model import Locator
from app.companies.model import Company
from app.companies.service import Companies
from app.core import chance, clock
from app.core.actor import Actor
from app.core.errors import Refusals, Refused, unavailable
from app.identity.tokens import Tokens
from app.intake import activity, identify, sessions, traits
from app.intake.activity import Redo, Step
from app.intake.identify import Begin, Identify, Overtaken, Unjoined
from app.intake.leads import Amend, Collect, Enrol, restricted
from app.intake.sessions import visitor_key
from app.intake.visit import ORIGIN, Former, Message, Verdict, Visitor
from app.intake.visit_chunk import ALIASES_MAX, Stretch
from app.intake.visit_record import COLLECTION, read
from app.mongo.coalesce import Reads
from app.mongo.engine import Engine
from app.persons.finder import COMPANIES
from app.persons.items import appended, list_of
from app.persons.model import Person
from app.persons.plan import Link
from app.persons.service import Persons
from app.persons.wish import Given, Wish

TRIES = 12

Put = Callable[[Stretch], Awaitable[Sequence[Verdict]]]
ACCEPTED = Verdict()


class Identifying:
    """What an identified visitor's messages do. One message of a visitor at a time: see `turns`."""

    def __init__(
        self,
        engine: Engine,
        catalog: CatalogService,
        persons: Persons,
        companies: Companies,
        tokens: Tokens,
        *,
        put: Put,
    ) -> None:
        self._reads = Reads(engine, COLLECTION)
        self._catalog = catalog
        self._persons = persons
        self._companies = companies
        self._tokens = tokens
        self._put = put
        # How often nobody was joined, by reason: no lines of the log, for any website can make that happen at will.
        self.unjoined: Counter[str] = Counter()

    async def visitor(self, account: str, anonymous_id: str, at: datetime | None = None) -> Visitor:
        """Return whom an anonymous id means as it is kept, following those that lead to another one.

        With `at`: not further than to one that meant somebody else at that moment.
        """
        asked = anonymous_id
        for _ in range(ALIASES_MAX):
            kept = await self._reads.get(visitor_key(account, anonymous_id))
            if kept is None:
                break
            found = read(kept)
            if found.into is None or (at is not None and sessions.late(found, at)):
                return found
            asked, anonymous_id = anonymous_id, found.into
        if asked != anonymous_id:
            # It leads to one that is gone: whoever comes next by it is new.
            kept = await self._reads.get(visitor_key(account, asked))
            return read(kept) if kept else sessions.nobody(account, asked, clock.now())
        return sessions.nobody(account, anonymous_id, clock.now())

    # ------------------------------------------------------------ the messages

    async def identify(self, actor: Actor, message: Message) -> Verdict:
        """Let the visitor be whoever its identifiers name."""
        if not message.identity:
            raise Refused("REQUIRED", "Say who it is: an email, a phone number, an external id or an installation.")
        given = traits.plain(message.traits or Given(nested=True))
        # Whoever it is: what could not be kept of somebody unknown is refused for all.
        traits.bounded(traits.written(given))
        proven = frozenset(await self._proven(actor, message)) if actor.strict else None

        async def attempt(visitor: Visitor) -> Verdict:
            kept = [Locator(kind, value) for kind, value in visitor.identity]

            def ask(wish: Wish | Refusals) -> Ask[Person]:
                change = change_of(wish, lambda good: Identify(visitor, message, good, kept, proven))
                named = wish.named() if isinstance(wish, Wish) else ()
                return _ask(actor, visitor, change, message.identity, (*named, *kept))

            said = given, visitor.traits
            outcome = await self._persons.asked(actor.account, said, _whole, ask)
            if isinstance(outcome, Unjoined):
                return await self._unjoined(actor, visitor, message, given, outcome)
            return await self._followed(actor, visitor, message, outcome)

        return await self._again(actor, message, attempt)

    async def _proven(self, actor: Actor, message: Message) -> list[Locator]:
        context = f"{message.anonymous_id}|{message.message_id or ''}"
        return list(await self._tokens.proven(actor, message.identity_token, message.identity, context=context))

    async def begin(self, actor: Actor, step: Step) -> Verdict:
        """Record an event, be it one with which a customer's visit began earlier than all that is known of it."""
        message = step.message
        for tried in range(TRIES):
            try:
                return await self._step(actor, message, step)
            except Redo:
                visitor = await self.visitor(actor.account, message.anonymous_id, message.occurred_at)
                who = sessions.former(visitor, _at(message)) or visitor
                ask = _ask(actor, visitor, Begin(visitor, step), (_person(who),))
                (outcome,) = await self._persons.apply([ask])
            if isinstance(outcome, Effect | Unjoined):
                return ACCEPTED
            if not isinstance(outcome, Overtaken):
                raise outcome
            await asyncio.sleep(chance.pause(tried))
        raise unavailable()

    async def update(self, actor: Actor, message: Message) -> Verdict:
        """Write what is said of the visitor's lead, or keep it for the lead that it will be."""
        given = traits.plain(message.traits or Given(nested=True))

        async def attempt(visitor: Visitor) -> Verdict:
            if not identify.is_bound(visitor, _at(message)):
                wish = await self._checked(actor.account, given)
                said = replace(message, identity=await self._unowned(actor.account, wish.named()))
                return await self._step(actor, message, Step(activity.keep, said, traits=traits.written(given)))

            def ask(wish: Wish | Refusals) -> Ask[Person]:
                change = change_of(wish, lambda good: Amend(visitor, message, good))
                named = wish.named() if isinstance(wish, Wish) else ()
                return _ask(actor, visitor, change, (_person(visitor),), named)

            outcome = await self._persons.asked(actor.account, given, traits.checked, ask)
            return await self._followed(actor, visitor, message, outcome)

        return await self._again(actor, message, attempt)

    async def append(self, actor: Actor, message: Message) -> Verdict:
        """Add an item to a list of the visitor's lead."""
        name = message.attribute or ""

        async def attempt(visitor: Visitor) -> Verdict:
            if not identify.is_bound(visitor, _at(message)):
                raise restricted()

            def ask(definition: AttributeDefinition | Refusals) -> Ask[Person]:
                rule = appended([message.item])
                change = change_of(definition, lambda good: Collect(visitor, message, good, rule))
                return _ask(actor, visitor, change, (_person(visitor),))

            outcome = await self._persons.asked(actor.account, name, list_of, ask)
            return await self._followed(actor, visitor, message, outcome)

        try:
            return await self._again(actor, message, attempt)
        except Refused as refusal:
            raise _of_item(refusal) from refusal

    async def group(self, actor: Actor, message: Message) -> Verdict:
        """Make the visitor's lead a member of a company that is known; nothing where there is none."""

        async def attempt(visitor: Visitor) -> Verdict:
            company = await self._company(actor.account, message)
            if company is None or not identify.is_bound(visitor, _at(message)):
                return await self._step(actor, message, Step(activity.touch, message))
            gone = Guard(COMPANIES, company.id, Refused("COMPANY_NOT_FOUND", "There is no such company."))
            link = Enrol(visitor, message, Link(company.id, company.subject))
            ask = _ask(actor, visitor, link, (_person(visitor),))
            (outcome,) = await self._persons.apply([ask._replace(guards=(gone, *ask.guards))])
            if isinstance(outcome, Exception) and (
                isinstance(outcome, Overtaken) or not isinstance(outcome, Refused | Refusals)
            ):
                raise outcome
            if isinstance(outcome, Effect) and outcome.changed:
                return ACCEPTED
            # A member already, or the company or the person is gone, or takes no more: nobody is told.
            return await self._step(actor, message, Step(activity.touch, message))

        return await self._again(actor, message, attempt)

    async def alias(self, actor: Actor, message: Message) -> Verdict:
        """Make one visitor of two; where the one that should go on is no visitor, it says who the other one is."""
        previous = message.previous_id
        if previous is None:
            raise Refused("REQUIRED", "Name the previous id.", ("previousId",))
        stretch = Stretch(actor.account, message.anonymous_id, (Step(activity.touch, message),), previous)
        try:
            return _verdict(await self._put(stretch))
        except Redo:
            return await self.identify(actor, replace(message, anonymous_id=previous)) if message.identity else ACCEPTED

    # ------------------------------------------------------------ what they have in common

    async def _again(self, actor: Actor, message: Message, attempt: Callable[[Visitor], Awaitable[Verdict]]) -> Verdict:
        """Try until nobody was faster; a message that was taken in before, or comes too late, does nothing."""
        for tried in range(TRIES):
            visitor = await self.visitor(actor.account, message.anonymous_id, message.occurred_at)
            if not activity.is_new(activity.Page(visitor, clock.now(), set()), message):
                return ACCEPTED
            try:
                return await attempt(visitor)
            except (Overtaken, Redo):
                await asyncio.sleep(chance.pause(tried))
        raise unavailable()

    async def _followed(
        self, actor: Actor, visitor: Visitor, message: Message, outcome: Outcome[Person] | Exception
    ) -> Verdict:
        """Return the verdict of a change; what changed nothing is an activity of the visitor all the same."""
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Effect) and outcome.changed:
            if any(collection == sweeps.COLLECTION for collection, _ in outcome.besides):
                self._catalog.sweeps.wake()
            return ACCEPTED
        return await self._step(actor, message, Step(activity.touch, message, person=visitor.person))

    async def _unjoined(self, actor: Actor, visitor: Visitor, message: Message, given: Given, why: Unjoined) -> Verdict:
        self.unjoined[why.reason] += 1
        step = Step(activity.touch, message)
        if why.reason == identify.UNPROVEN and not identify.is_bound(visitor, _at(message)):
            # Identifiers of others are not kept: nobody could be given them.
            said = replace(message, identity=why.unowned)
            kept = await self._step(actor, message, Step(activity.keep, said, traits=traits.written(given)))
            if kept.accepted:
                return kept
            # There is no room for it beside what was kept before; who is joined is not told of that either.
        return await self._step(actor, message, step)

    async def _step(self, actor: Actor, message: Message, step: Step) -> Verdict:
        outcome = await self._put(Stretch(actor.account, message.anonymous_id, (step,)))
        return _verdict(outcome)

    async def _unowned(self, account: str, named: Sequence[Locator]) -> tuple[Locator, ...]:
        """Return the identifiers that nobody has: those of others are not kept, for nobody could be given them."""
        if not named:
            return ()
        owners = await self._persons.find_all(account, named)
        return tuple(one for one, owner in zip(named, owners, strict=True) if owner is None)

    async def _checked(self, account: str, given: Given) -> Wish:
        """Refuse what can't be kept; an attribute may have been defined by another process a moment ago."""
        try:
            return traits.checked(given, await self._catalog.of(account))
        except Refusals as refusals:
            if not has_unknown(refusals):
                raise
            return traits.checked(given, await self._catalog.fresh(account))

    async def _company(self, account: str, message: Message) -> Company | None:
        for kind, value in (("externalId", message.group_id), ("name", message.group_name)):
            found = await self._companies.find(account, kind, value) if value else None
            if found is not None:
                return found
        return None


def _whole(said: tuple[Given, str | None], catalog: Catalog) -> Wish:
    """Return the wish of a message together with what was kept of the visitor."""
    given, kept = said
    wish, known = traits.checked(given, catalog), traits.recalled(kept, catalog)
    return replace(wish, scalars=known.scalars | wish.scalars, attributes=known.attributes | wish.attributes)


def _ask(actor: Actor, visitor: Visitor, change: Change[Person], sought: Any, others: Any = ()) -> Ask[Person]:
    return Ask(actor.account, ORIGIN, change, tuple(sought), tuple(others), guards=(identify.guard(visitor),))


def _person(who: Visitor | Former) -> Locator:
    return Locator("id", who.person or "")


def _at(message: Message) -> Any:
    now = clock.now()
    return min(message.occurred_at or now, now)


def _verdict(outcome: Sequence[Verdict]) -> Verdict:
    (verdict,) = outcome
    return verdict


def _of_item(refusal: Refused) -> Refused:
    """Return a refusal seen from the one item that was given."""
    if refusal.path[:2] != ("items", "0"):
        return refusal
    return Refused(refusal.code, refusal.message, ("item", *refusal.path[2:]))
