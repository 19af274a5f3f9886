"""What a CRM must be able to do, and what it answers: the promise that both adapters keep.

Times are naive UTC in milliseconds, by the clock of the CRM. A mark is a small document that only its adapter reads.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

# What a field of a CRM holds, in words of our own.
TEXT, EMAIL, PHONE, URL, PICKLIST = "TEXT", "EMAIL", "PHONE", "URL", "PICKLIST"
INTEGER, DECIMAL, BOOLEAN, DATE, DATE_TIME, OTHER = "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "OTHER"

SALESFORCE, DYNAMICS = "SALESFORCE", "DYNAMICS"
Mark = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a CRM is, and as whom it is asked; the secret stays out of every repr.

    `token_url` is None for a system that has its own place for tokens.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_url: str | None = None


@dataclass(frozen=True, slots=True)
class CrmField:
    """A field of an object: `type` in the CRM's own words, `kind` in ours, `length` in characters where bounded.

    `options` of a PICKLIST: the label of each value, values as text. `external`: records can be written by its value.
    `required`: to make one. `kept`: one that is there can't be without it.
    """

    name: str
    label: str
    type: str
    kind: str
    length: int | None = None
    createable: bool = True
    updateable: bool = True
    required: bool = False
    external: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    @property
    def writable(self) -> bool:
        """Whether a record that is there can be given another value."""
        return self.updateable


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """A record: values as the CRM's JSON has them, by field; absent and null are the same.

    `account` is the record of its company; of a lead that was converted `converted` is set, and `became` is the contact
    where the CRM says which; of a contact `came_from` is the lead that it was. `made` is when it was, if that is told.
    """

    id: str
    stamp: datetime
    fields: Mapping[str, Any]
    etag: str | None = None
    account: str | None = None
    converted: bool = False
    became: str | None = None
    came_from: str | None = None
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class CrmDeleted:
    """A record that is gone; `into` is the one that it was merged into."""

    id: str
    into: str | None = None


@dataclass(frozen=True, slots=True)
class CrmPage:
    """A part of what changed, and the mark behind it: from there a later pass goes on.

    `untold`: deletions are not told by this pass, so that whoever has links asks for their records.
    """

    records: Sequence[CrmRecord]
    deleted: Sequence[CrmDeleted]
    mark: Mark
    untold: bool = False


@dataclass(frozen=True, slots=True)
class CrmChange:
    """A record to write: by its `id`, or a new one where that is None.

    Of a new one `key` is a UUID that is the same whenever it is tried again; a CRM that can makes it the record's id,
    so that it is made once. So it is with `by`, an `external` field among `fields`: a record that has its value is
    written instead. With an `etag` a record is written only while it is at that state.
    """

    id: str | None
    fields: Mapping[str, Any]
    key: str = ""
    by: str | None = None
    etag: str | None = None


Status = Literal["WRITTEN", "CONFLICT", "REFUSED", "GONE"]


class CrmOutcome(NamedTuple):
    """What became of a change; `message` in the CRM's own words where it was refused."""

    status: Status
    id: str | None = None
    message: str = ""
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class CrmInfo:
    """What a CRM told of itself: its version, and as whom it takes us."""

    version: str
    user: str = ""


class CrmError(Exception):
    """A CRM did not do what it was asked; the message is fit to be shown.

    `at_token`: where it gives tokens; `unsafe`: its address may not be called.
    """

    at_token = False
    unsafe = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Away(CrmError):  # noqa: N818 - read as what it says
    """It can't be reached, takes too long, or answers what can't be read; `maybe` a write has happened all the same."""

    def __init__(self, message: str, *, maybe: bool = False) -> None:
        super().__init__(message)
        self.maybe = maybe


class Limited(CrmError):  # noqa: N818
    """It wants to be left alone for so many seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Denied(CrmError):  # noqa: N818
    """It doesn't let us in, or not do this."""


class FieldGone(CrmError):  # noqa: N818
    """A field, or a whole entity, that was asked for is not there (any more)."""

    def __init__(self, message: str, entity: str) -> None:
        super().__init__(message)
        self.entity = entity


class Crm(Protocol):
    """A CRM over its own API. All calls raise Away, Limited, Denied or FieldGone."""

    async def check(self) -> CrmInfo:
        """Get a token, and see that the API is there and lets us in."""
        ...

    async def describe(self, entity: str) -> list[CrmField]:
        """Return the fields of an entity: Salesforce calls it an object, Dynamics a table."""
        ...

    def changed(self, entity: str, fields: Sequence[str], since: Mark | None) -> AsyncIterator[CrmPage]:
        """Yield what changed since a mark, in the order of changes, with those `fields`; of None: all that is there.

        The last page may be empty; its mark is where the next pass begins. A mark that the CRM knows no more is as
        None: all that is there, and `untold`.
        """
        ...

    async def read(self, entity: str, fields: Sequence[str], ids: Sequence[str]) -> list[CrmRecord]:
        """Return those of the records that are there, in any order."""
        ...

    async def find(self, entity: str, fields: Sequence[str], field: str, values: Sequence[str]) -> list[CrmRecord]:
        """Return the records that have one of some values in a field."""
        ...

    async def leads(self, contacts: Sequence[CrmRecord]) -> Mapping[str, Sequence[CrmRecord]]:
        """Return the leads that became some contacts, without fields, by the contacts; those that we may see."""
        ...

    async def lost(self, entity: str, ids: Sequence[str]) -> list[CrmDeleted]:
        """Return each of some records that are not there, with what it was merged into where the CRM says that."""
        ...

    async def write(self, entity: str, changes: Sequence[CrmChange]) -> list[CrmOutcome]:
        """Write changes; outcomes aligned, each for itself. Away with `maybe` where some may have happened."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
