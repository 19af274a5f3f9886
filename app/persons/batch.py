"""Batches of rows: each makes or changes its person, for itself or all as one unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog.checks import TAGS_PER_CALL_MAX, Checks, Listing, tag_name
from app.core.actor import Actor
from app.core.errors import Refusals, Refused
from app.core.pages import Slice
from app.persons.chunk import CHUNK_CHANGES, Ask
from app.persons.model import Locator, Person
from app.persons.plan import Effect, Update
from app.persons.service import Persons, position
from app.persons.upsert import Upsert
from app.persons.wish import Given, Wish

ROWS_MAX = 1000
CREATED, UPDATED, NOT_MODIFIED, FAILED = "CREATED", "UPDATED", "NOT_MODIFIED", "FAILED"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a row: its person as it is now, or, where it FAILED, why."""

    status: str
    person: Person | None = None
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Tagged:
    """How many persons were changed, and who was refused."""

    changed: int
    refused: tuple[Refused, ...] = ()


class Batches:
    """Changes of many persons."""

    def __init__(self, persons: Persons) -> None:
        self._persons = persons

    async def upsert(
        self, actor: Actor, rows: Sequence[Given], *, overwrite: bool = False, atomic: bool = False
    ) -> list[Row]:
        """Return what became of each row, aligned; with `atomic` all of them happen, or none.

        More than ROWS_MAX are refused as a whole with TOO_MANY. Raises UNAVAILABLE; what was written by then is
        NOT_MODIFIED when the same rows come again.
        """
        if len(rows) > ROWS_MAX:
            raise Refused("TOO_MANY", f"A call takes at most {ROWS_MAX} persons.", ("persons",))
        wishes = await self._persons.wishes(actor.account, rows)
        good = [one for one in wishes if isinstance(one, Wish)]
        asks = [Ask(actor.account, actor.origin, Upsert(one, overwrite), one.named()) for one in good]
        if atomic and len(asks) < len(wishes):
            return _none([_row(one) if isinstance(one, Refusals) else Row(NOT_MODIFIED) for one in wishes])
        done = iter(await self._persons.apply(asks, whole=atomic))
        found = [_row(next(done) if isinstance(one, Wish) else one) for one in wishes]
        return _none(found) if atomic else found

    async def tag(self, actor: Actor, ids: Sequence[str], change: Listing[str]) -> Tagged:
        """Add and remove tags of persons by id, at most ROWS_MAX, each for itself; who is unknown is refused alone."""
        if len(ids) > ROWS_MAX:
            raise Refused("TOO_MANY", f"A call takes at most {ROWS_MAX} ids.", ("ids",))
        return await self._tagged(actor, ids, _tags(change))

    async def tag_found(self, actor: Actor, query: Mapping[str, Any], change: Listing[str]) -> Tagged:
        """Add and remove tags of all persons that a query finds, oldest first, in chunks; safe to repeat.

        Whoever was made after it began may be passed over. Raises UNAVAILABLE.
        """
        wish, part, changed = _tags(change), Slice(CHUNK_CHANGES), 0
        while True:
            page = await self._persons.page(actor.account, query, part, descending=False)
            # Who was deleted meanwhile needs no tags any more.
            changed += (await self._tagged(actor, [one.id for one in page.items], wish)).changed
            if not page.has_next:
                return Tagged(changed)
            part = Slice(CHUNK_CHANGES, position(page.items[-1], "CREATED_AT"))

    async def _tagged(self, actor: Actor, ids: Sequence[str], wish: Wish) -> Tagged:
        asks = [Ask(actor.account, actor.origin, Update(wish), (Locator("id", one),)) for one in ids]
        rows = [_row(one) for one in await self._persons.apply(asks)]
        refused = [Refused(x.code, x.message, ("ids", str(at))) for at, row in enumerate(rows) for x in row.refused]
        return Tagged(sum(row.status == UPDATED for row in rows), tuple(refused))


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


def _row(outcome: Effect | Exception) -> Row:
    if isinstance(outcome, Effect):
        status = CREATED if outcome.before is None else UPDATED if outcome.changed else NOT_MODIFIED
        return Row(status, outcome.after)
    if isinstance(outcome, Refused):
        return Row(FAILED, None, (outcome,))
    if isinstance(outcome, Refusals):
        return Row(FAILED, None, tuple(outcome.refusals))
    raise outcome


def _none(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of one unit: where one FAILED, nothing became of the others."""
    first = next((index for index, one in enumerate(rows) if one.status == FAILED), None)
    if first is None:
        return list(rows)
    rest = Row(FAILED, None, (Refused("WRONG_STATE", f"Nothing was written: row {first} was refused."),))
    return [one if one.status == FAILED else rest for one in rows]
