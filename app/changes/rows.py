"""Batches: what became of each row, in the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from app.changes.model import Effect, Outcome, P
from app.core.errors import Refusals, Refused

ROWS_MAX = 1000
CREATED, UPDATED, NOT_MODIFIED, FAILED = "CREATED", "UPDATED", "NOT_MODIFIED", "FAILED"


@dataclass(frozen=True, slots=True)
class Row(Generic[P]):
    """What became of a row: its profile as it is now, or, where it FAILED, why."""

    status: str
    profile: P | None = None
    refused: tuple[Refused, ...] = ()


def bounded(count: int, name: str) -> None:
    """Refuse more than ROWS_MAX rows as a whole with TOO_MANY."""
    if count > ROWS_MAX:
        raise Refused("TOO_MANY", f"A call takes at most {ROWS_MAX} {name}.", (name,))


def rows(outcomes: Sequence[Outcome[P] | Exception], *, whole: bool = False) -> list[Row[P]]:
    """Return the rows of outcomes; where they were one unit and one FAILED, nothing became of the others.

    Raises the first outcome that is a fault.
    """
    found = [_row(one) for one in outcomes]
    first = next((index for index, one in enumerate(found) if one.status == FAILED), None)
    if not whole or first is None:
        return found
    rest: Row[P] = Row(FAILED, None, (Refused("WRONG_STATE", f"Nothing was written: row {first} was refused."),))
    return [one if one.status == FAILED else rest for one in found]


def _row(outcome: Outcome[P] | Exception) -> Row[P]:
    if isinstance(outcome, Effect):
        status = CREATED if outcome.before is None else UPDATED if outcome.changed else NOT_MODIFIED
        return Row(status, outcome.after)
    if isinstance(outcome, Refused):
        return Row(FAILED, None, (outcome,))
    if isinstance(outcome, Refusals):
        return Row(FAILED, None, tuple(outcome.refusals))
    raise outcome
