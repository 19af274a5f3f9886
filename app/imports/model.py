"""An import: a file on its way to profiles, what was made of its rows, and which states follow each other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from app.core.errors import Refused
from app.mongo.engine import Document

UPLOADED, MAPPED, CHECKED, RUNNING = "UPLOADED", "MAPPED", "CHECKED", "RUNNING"
DONE, DONE_WITH_ERRORS, FAILED, CANCELLED = "DONE", "DONE_WITH_ERRORS", "FAILED", "CANCELLED"
REVERTING, REVERTED = "REVERTING", "REVERTED"
# Somebody works on it, or is going to.
ACTIVE = (RUNNING, REVERTING)
# A file that was written from, in which state ever.
ENDED = (DONE, DONE_WITH_ERRORS, CANCELLED, FAILED)

DRY_RUN, COMMIT = "DRY_RUN", "COMMIT"
PERSON, COMPANY = "PERSON", "COMPANY"
SKIP, REWRITE = "SKIP", "REWRITE"
# Where all that imports do comes from.
ORIGIN = "IMPORT"

CREATED, UPDATED, PROMOTED = "created", "updated", "promoted"
UNCHANGED, SKIPPED, ROW_FAILED = "unchanged", "skipped", "failed"


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows: created + updated + unchanged + skipped + failed = processed; promoted are updated."""

    rows: int = 0
    processed: int = 0
    created: int = 0
    updated: int = 0
    promoted: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """What an undo did: profiles taken away and put back, and what it kept because somebody changed it since."""

    deleted: int = 0
    restored: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: its name, what stands in it, and which field it seems to be."""

    name: str
    samples: tuple[str, ...] = ()
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that failed for the same reason: how many, and some of them."""

    message: str
    column: str | None
    rows: int
    samples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row failed, or what an undo kept of it: `row` is the line of the file; `values` by the names of columns."""

    key: str
    row: int
    column: str | None
    message: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Import:
    """One import as it stands. `next` is the row that comes next, `mapping` as it is kept, None before there is one.

    `keeps` says whether anything was written, `cancel` that somebody wants it to stop, `prepared` that it has begun;
    `undone` is the line of the row that an undo has dealt with last; it goes up.
    """

    id: str
    account: str
    file_name: str
    upload: str
    target: str
    person_type: str | None
    state: str
    created_at: datetime
    detected: Mapping[str, Any]
    columns: Sequence[Column] = ()
    mode: str | None = None
    mapping: Document | None = None
    duplicates: str = REWRITE
    tag: str | None = None
    counts: Counts = field(default_factory=Counts)
    groups: Sequence[Group] = ()
    undo: Undo | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next: int = 0
    keeps: bool = False
    cancel: bool = False
    prepared: bool = False
    undone: int | None = None

    @property
    def under_way(self) -> bool:
        """Whether somebody works on it, or is going to."""
        return self.state in ACTIVE

    @property
    def waiting(self) -> bool:
        """Whether nobody has asked for a run yet, since it was mapped last."""
        return self.state in (UPLOADED, MAPPED) and self.mode is None

    @property
    def troubles(self) -> int:
        """How many rows are told of: those that failed, why the file can't be read, and those that an undo kept."""
        return sum(group.rows for group in self.groups) + (self.undo.kept if self.undo else 0)


_PLAIN = {
    "account": "account",
    "file_name": "file",
    "upload": "upload",
    "target": "target",
    "person_type": "type",
    "state": "state",
    "created_at": "createdAt",
    "detected": "detected",
    "mode": "mode",
    "mapping": "mapping",
    "duplicates": "duplicates",
    "tag": "tag",
    "started_at": "startedAt",
    "finished_at": "finishedAt",
    "next": "next",
    "keeps": "keeps",
    "cancel": "cancel",
    "prepared": "prepared",
    "undone": "undone",
}


def document(one: Import) -> Document:
    """Return an import as it is kept."""
    kept: Document = {"_id": one.id} | {name: getattr(one, attribute) for attribute, name in _PLAIN.items()}
    kept["columns"] = [[column.name, column.suggestion] for column in one.columns]
    kept["counts"] = asdict(one.counts)
    return kept


def read(kept: Document, samples: Sequence[Sequence[str]] = ()) -> Import:
    """Return the import of a document; samples of its columns are kept apart, and gone after a while."""
    plain = {attribute: kept.get(name) for attribute, name in _PLAIN.items()}
    plain |= {"next": kept.get("next", 0)} | {name: bool(kept.get(name)) for name in ("keeps", "cancel", "prepared")}
    groups = [
        Group(one["message"], one.get("column"), one["rows"], tuple(one.get("samples", ())))
        for one in kept.get("groups", {}).values()
    ]
    undo = kept.get("undo")
    return Import(
        kept["_id"],
        columns=[
            Column(name, tuple(samples[place]) if samples else (), suggestion)
            for place, (name, *_, suggestion) in enumerate(kept["columns"])
        ],
        counts=Counts(**kept["counts"]),
        groups=sorted(groups, key=lambda one: (-one.rows, one.message)),
        undo=Undo(undo["deleted"], undo["restored"], undo["kept"]) if undo else None,
        **plain,  # type: ignore[arg-type]
    )


def refuse_unless(one: Import, wanted: str, *states: str) -> None:
    """Refuse with WRONG_STATE what can't be wished of an import in its state; `wanted` is said of it."""
    if one.state not in states:
        raise Refused("WRONG_STATE", f"An import that is {one.state} can't be {wanted}.", ("id",))


def position(one: RowError) -> tuple[str]:
    """Return where a failed row stands among the others."""
    return (one.key,)


def of_import(one: Import) -> tuple[str]:
    """Return where an import stands among those of its account."""
    return (one.id,)
