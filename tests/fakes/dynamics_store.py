"""The records of the Dataverse fake: by id, by version for change tracking, by time, by value; nothing is scanned."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

# Columns by name, a lookup as (table, id); with `version`.
Row = dict[str, Any]


class Table:
    """The records of one entity; versions are counted over all of them, as the CRM's database does."""

    def __init__(self, entity: str, versions: Iterator[int]) -> None:
        self.entity = entity
        self.rows: dict[str, Row] = {}
        self.graves: list[tuple[int, str]] = []
        self._versions = versions
        # By version and by time; an entry counts while its record is still at it.
        self._log: list[tuple[int, str]] = []
        self._times: list[tuple[str, str]] = []
        self._values: dict[str, dict[str, set[str]]] = {}

    def put(self, key: str, values: Row, modified: str) -> Row:
        """Write a record."""
        old = self.rows.get(key)
        row = {"createdon": modified, **(old or {}), **values, "modifiedon": modified, "version": next(self._versions)}
        self._index(key, old, row)
        self.rows[key] = row
        self._log.append((row["version"], key))
        insort(self._times, (modified, key))
        return row

    def remove(self, key: str) -> bool:
        """Take a record away; tells whether it was there."""
        old = self.rows.pop(key, None)
        if old is None:
            return False
        self._index(key, old, {})
        self.graves.append((next(self._versions), key))
        return True

    def _index(self, key: str, old: Row | None, new: Row) -> None:
        for column, values in self._values.items():
            before, after = _folded((old or {}).get(column)), _folded(new.get(column))
            if before != after and before is not None:
                values[before].discard(key)
            if before != after and after is not None:
                values[after].add(key)

    def by_ids(self, keys: Iterable[str]) -> list[str]:
        """Return those that are there."""
        return [key for key in dict.fromkeys(keys) if key in self.rows]

    def by_values(self, column: str, values: Iterable[str]) -> list[str]:
        """Return the records with one of some values in a column, whatever their case."""
        if column not in self._values:
            index: dict[str, set[str]] = defaultdict(set)
            for key, row in self.rows.items():
                if (value := _folded(row.get(column))) is not None:
                    index[value].add(key)
            self._values[column] = index
        held = self._values[column]
        found: set[str] = set().union(*(held.get(value.casefold(), ()) for value in values))
        return sorted(found)

    def by_time(self, after: tuple[str, str], since: str) -> Iterator[str]:
        """Give records by their last change, not before one time, behind one that was given."""
        times = self._times
        for place in count(max(bisect_left(times, (since, "")), bisect_right(times, after))):
            if place >= len(times):
                return
            moment, key = times[place]
            if self.rows.get(key, {}).get("modifiedon") == moment and times[place - 1 : place] != [times[place]]:
                yield key

    def updated(self, after: int, upto: int) -> Iterator[tuple[int, str]]:
        """Give records by their version, behind one and up to another."""
        for place in range(bisect_right(self._log, (after, "~")), bisect_right(self._log, (upto, "~"))):
            version, key = self._log[place]
            if self.rows.get(key, {}).get("version") == version:
                yield version, key

    def removed(self, after: int, upto: int) -> Iterator[tuple[int, str]]:
        """Give records that are gone, likewise."""
        for place in range(bisect_right(self.graves, (after, "~")), bisect_right(self.graves, (upto, "~"))):
            version, key = self.graves[place]
            if key not in self.rows:
                yield version, key


def _folded(value: Any) -> str | None:
    return None if value is None else str(value).casefold()
