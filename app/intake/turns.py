"""Turns: of what concerns one key, much can go on together, or one thing alone, in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    together: int = 0
    users: int = 0


class Turns:
    """The turns of this process; a key that nobody uses costs nothing."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    async def begin(self, key: str) -> None:
        """Go on beside others that do so, behind whoever came before to be alone, until `end`."""
        turn = self._enter(key)
        if turn.gate.locked():
            try:
                async with turn.gate:
                    turn.together += 1
            except BaseException:
                self._leave(key, turn)
                raise
        else:
            turn.together += 1

    def end(self, key: str) -> None:
        """Let go of what `begin` began."""
        turn = self._turns[key]
        turn.together -= 1
        if not turn.together:
            turn.idle.set()
        self._leave(key, turn)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Go on alone: behind those who came before, with nobody beside."""
        turn = self._enter(key)
        try:
            async with turn.gate:
                turn.idle.clear()
                if turn.together:
                    await turn.idle.wait()
                yield
        finally:
            self._leave(key, turn)

    def _enter(self, key: str) -> _Turn:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = _Turn()
        turn.users += 1
        return turn

    def _leave(self, key: str, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users:
            del self._turns[key]

    def __len__(self) -> int:
        return len(self._turns)
