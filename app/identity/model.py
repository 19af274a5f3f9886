"""What a merge is: who became one, what was chosen of each field, and all that it takes to undo it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.catalog.model import Catalog
from app.persons.model import Person

# What the attributes of a person are called as fields of decisions: the id of the definition stands behind it.
ATTRIBUTE = "customAttributes."


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person's value of a field, as it is kept."""

    person_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class Decision:
    """What a field became: the value as it is kept, and whose it was; None: said by the call itself."""

    field: str
    chosen: Any
    source: str | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge. `merged` are in the order of their profiles' age.

    `before` are the persons as they were, the survivor first, `after` the survivor as it became; both are dropped when
    the merge is undone.
    """

    id: str
    account: str
    survivor_id: str
    merged: tuple[str, ...]
    decisions: tuple[Decision, ...]
    at: datetime
    cause: str
    before: tuple[Person, ...] = ()
    after: Person | None = None
    # The caller's key, by which a repeated call finds what it did.
    request: str | None = None
    reverted_at: datetime | None = None
    version: int = 1

    @property
    def persons(self) -> Sequence[str]:
        """All that it is about, the survivor first."""
        return (self.survivor_id, *self.merged)


def shown_field(field: str, catalog: Catalog) -> str | None:
    """Return the contract's name of a field, None for that of an attribute that is gone."""
    if not field.startswith(ATTRIBUTE):
        return field
    known = catalog.attributes.get(field.removeprefix(ATTRIBUTE))
    return ATTRIBUTE + known.name if known else None
