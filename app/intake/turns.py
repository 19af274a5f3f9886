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

    @asynccontextmanager
    async def together(self, key: str) -> AsyncIterator[None]:
        """Go on beside others that do so, behind whoever came before to be alone."""
        async with self._used(key) as turn:
            async with turn.gate:
                turn.together += 1
                turn.idle.clear()
            try:
                yield
            finally:
                turn.together -= 1
                if not turn.together:
                    turn.idle.set()

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Go on alone: behind those who came before, with nobody beside."""
        async with self._used(key) as turn, turn.gate:
            if turn.together:
                await turn.idle.wait()
            yield

    @asynccontextmanager
    async def _used(self, key: str) -> AsyncIterator[_Turn]:
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            yield turn
        finally:
            turn.users -= 1
            if not turn.users:
                self._turns.pop(key, None)

    def __len__(self) -> int:
        return len(self._turns)
