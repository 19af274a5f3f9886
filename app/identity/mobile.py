"""What an app may do with its own installation: open it, log its user in and out, save what it knows of them.

Each call is one unit: all of it happened, or nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from app.changes.model import DELETED, Ask, Change, Effect
from app.changes.requests import Once
from app.changes.service import change_of, settled
from app.claims.model import Locator
from app.core.actor import Actor
from app.core.errors import Refusals, Refused
from app.identity import installation, user
from app.identity.installation import Adjust, Open, Registration, Told
from app.identity.login import Login, Logout
from app.identity.tokens import Tokens
from app.identity.user import User
from app.persons.model import Person
from app.persons.service import Persons
from app.persons.wish import Given

# Whatever key is used: it is the app that says it.
ORIGIN = "MOBILE_SDK"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Personalize:
    """A login as it came in."""

    registration: Registration
    user: user.Given
    force: bool = False
    keep_as_lead: bool = False
    primary: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who has the installation now, and who lives on in them and is gone."""

    person: Person
    gone: tuple[str, ...]


class Installations:
    """The installations of apps, and who logs in on them."""

    def __init__(self, persons: Persons, proofs: Tokens) -> None:
        self._persons = persons
        self._proofs = proofs

    async def open(self, actor: Actor, registration: Registration, told: Told) -> Person:
        """Return who holds an installation; one that nobody has makes an empty lead. Safe to repeat."""
        installation.check(registration, told)
        return (await self._one(actor, Open(registration, told), registration)).after

    async def update(self, actor: Actor, registration: Registration, told: Told) -> Person:
        """Change what is kept of an installation; refuses INSTALLATION_NOT_FOUND."""
        installation.check_told(told)
        return (await self._one(actor, Adjust(registration, told), registration)).after

    async def personalize(self, actor: Actor, given: Personalize) -> LoggedIn:
        """Give the installation to whom the identity names, by the login table of `login`; raises Refused or Refusals.

        With a key that is strict, each person whom the identity reaches must be proven by the token.
        """
        proven = None
        if actor.strict:
            named = user.identify(given.user.identity).named()
            # The same installation may show its token again: the answer to the first call may have been lost.
            context = given.registration.locator.value
            proven = frozenset(await self._proofs.proven(actor, given.token, named, context=context))
        make = partial(
            Login,
            given.registration,
            force=given.force,
            keep_as_lead=given.keep_as_lead,
            primary=given.primary,
            proven=proven,
        )
        effect = await _uninterrupted(self._login(actor, given, make))
        return LoggedIn(effect.after, tuple(one.after.id for one in effect.also if one.after.state == DELETED))

    async def _login(self, actor: Actor, given: Personalize, make: Callable[[User], Login]) -> Effect[Person]:
        sought = (given.registration.locator,)

        def ask(_: int, wish: User | Refusals) -> Ask[Person]:
            others = () if isinstance(wish, Refusals) else wish.identity.named()
            return Ask(actor.account, ORIGIN, change_of(wish, make), sought, others)

        (outcome,) = await self._persons.changes.asked(actor.account, (given.user,), user.check, ask)
        return settled(outcome)

    async def depersonalize(self, actor: Actor, registration: Registration) -> Person:
        """Give the installation an empty lead of its own; on one it stays. Refuses INSTALLATION_NOT_FOUND."""
        return (await self._one(actor, Logout(registration), registration)).after

    async def save(
        self, actor: Actor, locator: Locator, given: Given, *, expected: int | None = None, once: Once | None = None
    ) -> Person:
        """Change the person who holds an installation, as its app may: without the type; raises Refused or Refusals."""
        if given.type is not None:
            raise user.untyped()
        app = Actor(actor.account, actor.key, actor.scopes, ORIGIN, actor.strict)
        return await _uninterrupted(self._persons.update(app, locator, given, expected=expected, once=once))

    async def _one(self, actor: Actor, change: Change[Person], registration: Registration) -> Effect[Person]:
        return await self._persons.changes.one(Ask(actor.account, ORIGIN, change, (registration.locator,)))


async def _uninterrupted(work: Awaitable[T]) -> T:
    """Return what comes of it; an identifier of somebody else interrupts with USER_MERGE_INTERRUPTED."""
    try:
        return await work
    except Refused as refusal:
        raise _interrupted(refusal) from refusal
    except Refusals as refusals:
        raise Refusals([_interrupted(one) for one in refusals.refusals]) from refusals


def _interrupted(one: Refused) -> Refused:
    if not one.code.startswith("DUPLICATE_"):
        return one
    return Refused("USER_MERGE_INTERRUPTED", one.message, one.path, owner=one.owner)
