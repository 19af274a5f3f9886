"""Who shares a block with whom: read by the index of the words, and never more than a bounded part of an account."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.changes.model import ACTIVE
from app.mongo.bound import Bound
from app.mongo.engine import Engine
from app.persons import record, store

# A word that more persons share than that says nothing about any two of them.
BLOCK_PERSONS_MAX = 50
# So many persons are read at once: more, and the words are asked for in halves, which finds those that all share.
READ_PERSONS_MAX = 5_000
READ_PERSONS_PER_WORD = 4 * BLOCK_PERSONS_MAX


class Sharing:
    """The blocks of all accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def find(self, account: str, words: Iterable[str]) -> dict[str, list[str]]:
        """Return the ids of who shares each word; a word that more than BLOCK_PERSONS_MAX share is left out."""
        found: dict[str, list[str]] = {}
        waiting = [sorted(words)]
        while waiting:
            part = waiting.pop()
            if not part:
                continue
            if await self._wide(account, part):
                half = len(part) // 2
                waiting += [part[:half], part[half:]] if half else []
                continue
            found |= await self._read(account, part)
        return found

    async def _wide(self, account: str, words: Sequence[str]) -> bool:
        """Tell whether too many share some of the words: the keys of the index alone are counted, up to a bound."""
        most = min(READ_PERSONS_MAX, READ_PERSONS_PER_WORD * len(words)) if len(words) > 1 else BLOCK_PERSONS_MAX
        where = {"words": {"$in": list(words)}}
        return await self._bound(account).count(where, hint=store.BY_WORD, limit=most + 1) > most

    async def _read(self, account: str, words: Sequence[str]) -> dict[str, list[str]]:
        where: dict[str, Any] = {"words": {"$in": list(words)}, "state": ACTIVE}
        found: dict[str, list[str]] = {word: [] for word in words}
        for kept in await self._bound(account).find(where, projection={"_id": 1, "words": 1}, hint=store.BY_WORD):
            for word in found.keys() & kept["words"]:
                found[word].append(kept["_id"])
        return {word: held for word, held in found.items() if len(held) <= BLOCK_PERSONS_MAX}

    def _bound(self, account: str) -> Bound:
        return Bound(self._engine, record.COLLECTION, account)
