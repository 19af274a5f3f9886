"""Which index can serve a query: a pure look at its terms. No measuring here; `lists` does that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.catalog.filters import MERGED, Query
from app.mongo.engine import Sort

# A field of the document → the index that begins with it (behind the account); ATTRIBUTE stands for each of them.
Indexes = Mapping[str, Sort]

ATTRIBUTE = "a."
BY_ID: Sort = (("_id", 1),)
# Attributes by id and value. The id of a definition belongs to one account, so nobody else's keys are near.
BY_VALUE: Sort = (("a.$**", 1),)
_SCALARS = (str, int, float, datetime)
_RANGES = ("$eq", "$in", "$gt", "$gte", "$lt", "$lte")
# What every list has: no index tells it apart.
_GIVEN = frozenset({"account", "state"})


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of one index: all that `where` finds; `few`: no more than the filter lists."""

    index: Sort
    where: Query
    few: bool = False

    @property
    def foreign(self) -> bool:
        """Whether the index knows no accounts; see BY_VALUE."""
        return self.index[0][0] != "account"


# Parts that together hold all that a query finds.
Way = tuple[Part, ...]


def ways(query: Mapping[str, Any], indexes: Indexes) -> list[Way]:
    """Return every way to what a query finds that doesn't pass the whole account; terms that name none are left out."""
    found: list[Way] = []
    for name, value in query.items():
        if name == "$and":
            found += [way for term in value for way in ways(term, indexes)]
        elif name == "$or":
            branches = [ways(term, indexes) for term in value]
            if all(branches):
                found.append(tuple(part for branch in branches for part in branch[0]))
        else:
            index = indexes.get(ATTRIBUTE if name.startswith(ATTRIBUTE) else name)
            if index and _bounded(value):
                # An id means one profile, be it merged into that one.
                found.append((Part(index, {name: value}, few=index == BY_ID or MERGED in query),))
    return found


def in_order(way: Way, field: str) -> bool:
    """Tell whether one value of an index is kept in the order of `field`, so that nothing is left to sort."""
    if len(way) > 1:
        return False
    ((name, value),) = way[0].where.items()
    rest = [one for one, _ in way[0].index if one not in _GIVEN and one != name]
    return isinstance(value, str) and rest == [field, "_id"]


def _bounded(value: Any) -> bool:
    """Tell whether an index has the matches side by side: patterns without case are anywhere."""
    if not isinstance(value, Mapping):
        return isinstance(value, _SCALARS)
    if value.get("$exists") or any(name in value for name in _RANGES):
        return True
    return "$regex" in value and "$options" not in value
