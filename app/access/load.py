"""How much goes on at once: so much for each account, so much for the process; who comes then waits, or is refused.

Whose turn it is goes round by account, so that one who asks for very much holds up nobody but itself.
"""

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from app.core.errors import Fault, unavailable

RUNNING_MAX = 1024
ACCOUNT_RUNNING_MAX = 256
WAITING_MAX = 8192
ACCOUNT_WAITING_MAX = 2048
RETRY_SECONDS = 1
BUSY_SECONDS = 0.25

T = TypeVar("T")


@dataclass(slots=True)
class _Account:
    running: int = 0
    waiting: "deque[Future[None]]" = field(default_factory=deque)


class Load:
    """The operations of one process that are under way or in line; an account that asks for nothing costs nothing."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        # Accounts that have somebody in line and room to run it, in the order of their turns.
        self._turns: dict[str, None] = {}
        self.running = 0
        self.waiting = 0
        self._last = -BUSY_SECONDS

    async def enter(self, account: str) -> None:
        """Begin an operation, maybe after others; `leave` ends it. Refuses with RATE_LIMITED and UNAVAILABLE."""
        self._last = monotonic()
        held = self._accounts.get(account)
        if held is None:
            held = self._accounts[account] = _Account()
        if not held.waiting and held.running < ACCOUNT_RUNNING_MAX and self.running < RUNNING_MAX:
            held.running += 1
            self.running += 1
            return
        self._refuse(account, held)
        place: Future[None] = get_running_loop().create_future()
        held.waiting.append(place)
        self.waiting += 1
        if held.running < ACCOUNT_RUNNING_MAX:
            self._turns[account] = None
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                # Its turn came while it was given up.
                self.leave(account)
            elif place in held.waiting:
                held.waiting.remove(place)
                self.waiting -= 1
                self._forget(account, held)
            raise

    def busy(self) -> bool:
        """Tell whether somebody waits for an answer, or asked a moment ago: work in the background makes room then."""
        return self.running > 0 or monotonic() - self._last < BUSY_SECONDS

    async def carry(self, account: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns, done as one operation."""
        await self.enter(account)
        try:
            return await work()
        finally:
            self.leave(account)

    def leave(self, account: str) -> None:
        """End an operation; who is next begins."""
        held = self._accounts[account]
        held.running -= 1
        self.running -= 1
        if held.waiting:
            self._turns[account] = None
        else:
            self._forget(account, held)
        while self._turns and self.running < RUNNING_MAX:
            self._begin_next()

    def _begin_next(self) -> None:
        account = next(iter(self._turns))
        del self._turns[account]
        held = self._accounts[account]
        if held.waiting and held.running < ACCOUNT_RUNNING_MAX:
            place = held.waiting.popleft()
            self.waiting -= 1
            if not place.done():  # or it was given up in this very turn
                place.set_result(None)
                held.running += 1
                self.running += 1
        if held.waiting and held.running < ACCOUNT_RUNNING_MAX:
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
            if not held.running:
                self._accounts.pop(account, None)
