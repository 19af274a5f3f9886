"""Batches of rows: each makes or changes its person, for itself or all as one unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog.checks import TAGS_PER_CALL_MAX, Checks, Listing, tag_name
from app.changes.chunk import CHUNK_CHANGES
from app.changes.model import Ask
from app.changes.requests import Once, Requests
from app.changes.rows import UPDATED, Row, bounded, rows
from app.claims.model import Locator
from app.core.actor import Actor
from app.core.errors import Refused
from app.core.pages import Slice
from app.mongo.engine import Engine
from app.persons import lists
from app.persons.model import Person
from app.persons.plan import Update
from app.persons.service import Persons
from app.persons.wish import Given, Wish


@dataclass(frozen=True, slots=True)
class Tagged:
    """How many persons were changed, and who was refused."""

    changed: int
    refused: tuple[Refused, ...] = ()


class Batches:
    """Changes of many persons."""

    def __init__(self, engine: Engine, persons: Persons) -> None:
        self._persons = persons
        self._requests = Requests(engine)

    async def upsert(
        self,
        actor: Actor,
        given: Sequence[Given],
        *,
        overwrite: bool = False,
        atomic: bool = False,
        once: Once | None = None,
    ) -> list[Row[Person]]:
        """Return what became of each row, aligned; with `atomic` all of them happen, or none.

        More than ROWS_MAX are refused as a whole with TOO_MANY. Raises UNAVAILABLE; what was written by then is
        NOT_MODIFIED when the same rows come again, or, where they come with the same key, as it was answered.
        """
        bounded(len(given), "persons")
        if once is not None:
            await self._requests.begin(actor.account, once)
        done = await self._persons.upsert(actor, given, overwrite=overwrite, whole=atomic, once=once)
        return rows(done, whole=atomic)

    async def tag(self, actor: Actor, ids: Sequence[str], change: Listing[str]) -> Tagged:
        """Add and remove tags of persons by id, at most ROWS_MAX, each for itself; who is unknown is refused alone."""
        bounded(len(ids), "ids")
        return await self._tagged(actor, ids, _tags(change))

    async def tag_found(self, actor: Actor, query: Mapping[str, Any], change: Listing[str]) -> Tagged:
        """Add and remove tags of all persons that a query finds, oldest first, in chunks; safe to repeat.

        Whoever was made after it began may be passed over. Raises UNAVAILABLE.
        """
        wish, part, changed = _tags(change), Slice(CHUNK_CHANGES), 0
        while True:
            page = await self._persons.page(actor.account, query, part, lists.OLDEST)
            # Who was deleted meanwhile needs no tags any more.
            changed += (await self._tagged(actor, [one.id for one in page.items], wish)).changed
            if not page.has_next:
                return Tagged(changed)
            part = Slice(CHUNK_CHANGES, lists.OLDEST.position(page.items[-1]))

    async def _tagged(self, actor: Actor, ids: Sequence[str], wish: Wish) -> Tagged:
        asks = [Ask(actor.account, actor.origin, Update(wish), (Locator("id", one),)) for one in ids]
        done = rows(await self._persons.apply(asks))
        refused = [Refused(x.code, x.message, ("ids", str(at))) for at, row in enumerate(done) for x in row.refused]
        return Tagged(sum(row.status == UPDATED for row in done), tuple(refused))


def _tags(change: Listing[str]) -> Wish:
    """Return the wish for tags alone; refuses names that are none, and a change of nothing."""
    if not change.add and not change.remove:
        raise Refused("REQUIRED", "Name the tags to add or to remove.", ("add",))
    checks = Checks()
    for part, names in (("add", change.add), ("remove", change.remove)):
        if len(names) > TAGS_PER_CALL_MAX:
            raise Refused("TOO_MANY", f"A call names at most {TAGS_PER_CALL_MAX} tags.", (part,))
    added = [checks.run(tag_name, name, at=("add", str(at))) for at, name in enumerate(change.add)]
    checks.settle()
    return Wish(tags=Listing(None, added, change.remove))
