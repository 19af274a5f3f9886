"""The book of a run: what is written with the rows of a part, in the unit of their changes. All pure."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from app.changes.model import Ask, Effect, Outcome
from app.core import ids
from app.core.errors import Fault, Refusals, Refused
from app.imports import ledger
from app.imports.header import named
from app.imports.model import COMMIT, PROMOTED, ROW_FAILED, UPDATED, Counts, Import, RowError
from app.imports.reader import Asker
from app.imports.reading import string
from app.imports.rows import Told, outcome
from app.imports.store import CHUNKS, JOBS, Lease, failed_row, lapse
from app.mongo.engine import Document, Group, Insert, Update, Write

# A document of the store has at most 16 MB, and what it keeps takes up to three times as much as JSON does. An entry
# without values is short.
LEDGER_BYTES = 4_000_000
SHORT_BYTES = 150
# Reasons that are counted one by one; further ones are counted together.
GROUPS = 200
SAMPLES = 10
OTHER = "Other reasons; see the rows."
# Whom a reason names is a row's own: all that differ in nothing else are one.
_ID = f"[a-z]+_[{ids.ALPHABET}]{{{ids.LENGTH}}}"
_NAMES = re.compile(f"{_ID}(, {_ID})*")


class Book:
    """Of one run of an import: counts, failed rows, ledger and checkpoint."""

    def __init__(self, one: Import, lease: Lease, asker: Asker, columns: Sequence[str]) -> None:
        self._import = one
        self._lease = lease
        self._asker = asker
        self._columns = columns
        self._known = {_mark(group.message, group.column) for group in one.groups}

    def seal(self, asks: Sequence[Ask[Any]], outcomes: Sequence[Outcome[Any]]) -> list[Group]:
        """Return what is written with a part: nothing of it happens where the import is not where the part begins."""
        first: Told = asks[0].change.told  # type: ignore[attr-defined]  # all asks of an import have it
        entries: list[tuple[int, Document]] = []
        failed: list[RowError] = []
        counts: Counter[str] = Counter()
        for ask, done in zip(asks, outcomes, strict=True):
            told: Told = ask.change.told  # type: ignore[attr-defined]
            if isinstance(done, Effect):
                result = outcome(done, told.duplicates)
                counts[result] += 1
                # A dry run has written nothing that could be taken back.
                if self._import.mode == COMMIT and (entry := ledger.entry(told.line, done)):
                    entries.append((told.index, ledger.document(entry)))
            else:
                # Also by a mistake of ours: it is that row's alone, and tried again it would be the same.
                counts[ROW_FAILED] += 1
                failed.append(self.error(ask, done))
        change = self._change(len(asks), counts, failed, wrote=bool(entries))
        job = Update(self._lease.where(next=first.index), change, must=True)
        chunks: list[Write] = [failed_row(self._import, one) for one in failed]
        chunks += [self._ledger(rows) for rows in _parts(entries)]
        return [(JOBS, [job]), *([(CHUNKS, chunks)] if chunks else [])]

    def _ledger(self, rows: Sequence[tuple[int, Document]]) -> Insert:
        at = f"{self._import.id}:l:{rows[0][0]:010}"
        kept = {"account": self._import.account, "rows": [entry for _, entry in rows], "until": lapse()}
        return Insert({"_id": at, **kept})

    def _change(self, rows: int, counts: Counter[str], failed: Sequence[RowError], *, wrote: bool) -> Document:
        found: Counter[str] = counts.copy()
        found[UPDATED] += counts[PROMOTED]
        increments: Counter[str] = Counter({"next": rows, "counts.processed": rows})
        increments.update({f"counts.{name}": count for name, count in found.items() if count})
        change: Document = {"$set": {"keeps": True}} if wrote else {}
        for one in failed:
            at, message, column = self._group(one)
            increments[f"{at}.rows"] += 1
            change.setdefault("$set", {}).update({f"{at}.message": message, f"{at}.column": column})
            samples = change.setdefault("$push", {}).setdefault(f"{at}.samples", {"$each": [], "$slice": SAMPLES})
            samples["$each"].append(one.row)
        return {**change, "$inc": dict(increments)}

    def _group(self, one: RowError) -> tuple[str, str, str | None]:
        message = _NAMES.sub("…", one.message)
        mark = _mark(message, one.column)
        if mark in self._known or len(self._known) < GROUPS:
            self._known.add(mark)
            return f"groups.{mark}", message, one.column
        return "groups.other", OTHER, None

    def error(self, ask: Ask[Any], failed: Refused | Refusals | Fault) -> RowError:
        """Return why a row failed: all that is wrong with it, and the column of what is wrong first."""
        told: Told = ask.change.told  # type: ignore[attr-defined]
        refused = [failed] if isinstance(failed, Refused) else list(getattr(failed, "refusals", ()))
        columns = self._asker.columns(ask.change, refused)
        message = failed.message if isinstance(failed, Fault) else " ".join(dict.fromkeys(x.message for x in refused))
        return RowError(f"{told.index:010}", told.line, next(filter(None, columns), None), message, self.values(told))

    def values(self, told: Told) -> Mapping[str, Any]:
        """Return the cells of a row by the names of their columns; those that are beyond them have names as well."""
        columns, more = self._columns, len(told.cells) - len(self._columns)
        if more > 0:
            columns = named([*columns, *(told.beyond or [""] * more)])
        return dict(zip(columns, map(_shown, told.cells), strict=False))


def _parts(entries: Sequence[tuple[int, Document]]) -> list[list[tuple[int, Document]]]:
    """Return the entries of a unit in parts that a document can hold; each is smaller than LEDGER_BYTES."""
    parts: list[list[tuple[int, Document]]] = []
    left = 0
    for one in entries:
        # One of somebody who was made has no values.
        taken = SHORT_BYTES if one[1]["c"] else len(orjson.dumps(one[1], default=str))
        if taken > left:
            parts.append([])
            left = LEDGER_BYTES
        parts[-1].append(one)
        left -= taken
    return parts


def _shown(cell: Any) -> Any:
    """Return a cell as JSON shows it: moments of spreadsheets as the texts that they are read as."""
    return string(cell) if isinstance(cell, datetime) else cell


def _mark(message: str, column: str | None) -> str:
    return hashlib.blake2b(f"{column}\n{message}".encode(errors="surrogatepass"), digest_size=8).hexdigest()


def begun(rows: int) -> Document:
    """Return the change by which a run begins: nothing is counted yet."""
    counts = asdict(Counts(rows=rows))
    return {"counts": counts, "next": 0, "groups": {}, "prepared": True}
