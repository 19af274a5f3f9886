"""How much goes on at once: so much for each account, so much for the process; who comes then waits, or is refused.

Whose turn it is goes round by account, so that one who asks for very much holds up nobody but itself. Where several
ask, each has few places for what has only begun: many at once would stand before whoever comes between them.
"""

import itertools
from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import exp
from time import monotonic
from typing import TypeVar

from app.core.errors import Fault, unavailable

RUNNING_MAX = 1024
ACCOUNT_RUNNING_MAX = 256
# The same while others ask; what has run for longer mostly waits for the store, and takes none of these.
ACCOUNT_SHARED_MAX = 8
SLOW_SECONDS = 0.1
# So long after an account has asked, another one doesn't ask alone.
SHARED_SECONDS = 1.0
WAITING_MAX = 8192
ACCOUNT_WAITING_MAX = 2048
RETRY_SECONDS = 1
# Of about the last second: so many are a service at work, one or two somebody who looks how far an import is.
BUSY_OPERATIONS = 20.0

T = TypeVar("T")


@dataclass(slots=True)
class _Account:
    # Those that run: when each began, the oldest first.
    begun: dict[int, float] = field(default_factory=dict)
    waiting: "deque[Future[int]]" = field(default_factory=deque)


class Load:
    """The operations of one process that are under way or in line; an account that asks for nothing costs nothing."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        # Accounts that have somebody in line and room to run it, in the order of their turns.
        self._turns: dict[str, None] = {}
        self.running = 0
        self.waiting = 0
        # When the last one began; and how many did of late, each for less as time goes by.
        self._last = monotonic()
        self._recent = 0.0
        self._numbers = itertools.count()
        # Who asked last, and until when others count as asking as well.
        self._asked = ""
        self._shared_until = 0.0
        self._looking: set[str] = set()

    async def enter(self, account: str) -> int:
        """Begin an operation, maybe after others; `leave` ends it by the number that this returns.

        Refuses with RATE_LIMITED and UNAVAILABLE.
        """
        number = self.begin(account)
        if number is not None:
            return number
        held, now = self._accounts.setdefault(account, _Account()), self._last
        self._refuse(account, held)
        place: Future[int] = get_running_loop().create_future()
        held.waiting.append(place)
        self.waiting += 1
        if self._room(held, now):
            self._turns[account] = None
        else:
            self._look_later(account)
        try:
            return await place
        except BaseException:
            if place.done() and not place.cancelled():
                # Its turn came while it was given up.
                self.leave(account, place.result())
            elif place in held.waiting:
                held.waiting.remove(place)
                self.waiting -= 1
                self._forget(account, held)
            raise

    def begin(self, account: str) -> int | None:
        """Begin an operation where there is room for it now, None where it has to be waited for; see `enter`."""
        now = monotonic()
        self._recent = self._recent * exp(self._last - now) + 1.0
        self._last = now
        if account != self._asked:
            self._shared_until, self._asked = now + SHARED_SECONDS if self._asked else 0.0, account
        held = self._accounts.get(account)
        if held is None:
            held = self._accounts[account] = _Account()
        if not held.waiting and self.running < RUNNING_MAX and self._room(held, now):
            return self._begun(held, now)
        self._forget(account, held)
        return None

    def busy(self) -> float:
        """Return how much is asked just now, from 0 (nothing) to 1: work in the background makes as much room."""
        return min(1.0, self._recent * exp(self._last - monotonic()) / BUSY_OPERATIONS)

    async def carry(self, account: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns, done as one operation."""
        number = await self.enter(account)
        try:
            return await work()
        finally:
            self.leave(account, number)

    def leave(self, account: str, number: int) -> None:
        """End an operation; who is next begins."""
        held = self._accounts[account]
        del held.begun[number]
        self.running -= 1
        if held.waiting:
            self._turns[account] = None
        else:
            self._forget(account, held)
        self._begin()

    def _room(self, held: _Account, now: float) -> bool:
        """Tell whether an account may have one more under way, by its own bound."""
        running = len(held.begun)
        if running < ACCOUNT_SHARED_MAX or running >= ACCOUNT_RUNNING_MAX or now >= self._shared_until:
            return running < ACCOUNT_RUNNING_MAX
        slow = itertools.takewhile(lambda began: now - began > SLOW_SECONDS, held.begun.values())
        return running - sum(1 for _ in slow) < ACCOUNT_SHARED_MAX

    def _begun(self, held: _Account, now: float) -> int:
        number = next(self._numbers)
        held.begun[number] = now
        self.running += 1
        return number

    def _look_later(self, account: str) -> None:
        if account not in self._looking:
            self._looking.add(account)
            get_running_loop().call_later(SLOW_SECONDS, self._look_again, account)

    def _look_again(self, account: str) -> None:
        """Begin what is in line where those under way turned out to be slow, or nobody else asks any more."""
        self._looking.discard(account)
        held = self._accounts.get(account)
        if held is not None and held.waiting:
            self._turns[account] = None
            self._begin()
            self._look_later(account)

    def _begin(self) -> None:
        now = monotonic()
        while self._turns and self.running < RUNNING_MAX:
            self._begin_next(now)

    def _begin_next(self, now: float) -> None:
        account = next(iter(self._turns))
        del self._turns[account]
        held = self._accounts[account]
        if held.waiting and self._room(held, now):
            place = held.waiting.popleft()
            self.waiting -= 1
            if not place.done():  # or it was given up in this very turn
                place.set_result(self._begun(held, now))
        if held.waiting and self._room(held, now):
            # Behind the others.
            self._turns[account] = None
        self._forget(account, held)

    def _refuse(self, account: str, held: _Account) -> None:
        refusal: Fault | None = None
        if len(held.waiting) >= ACCOUNT_WAITING_MAX:
            message = "This account has too much under way. Try again in a second."
            refusal = Fault("RATE_LIMITED", message, status=429, retryAfter=RETRY_SECONDS)
        elif self.waiting >= WAITING_MAX:
            refusal = unavailable(RETRY_SECONDS)
        if refusal is not None:
            self._forget(account, held)
            raise refusal

    def _forget(self, account: str, held: _Account) -> None:
        if not held.waiting:
            self._turns.pop(account, None)
            if not held.begun:
                self._accounts.pop(account, None)
