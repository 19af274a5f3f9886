"""A connection to a CRM, what is known of its records, and what somebody should look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core.ids import kind
from app.mongo.engine import Document
from app.sync import mapping
from app.sync.mapping import EntityMap

DISCONNECTED, IDLE, RUNNING, PAUSED, FAILING = "DISCONNECTED", "IDLE", "RUNNING", "PAUSED", "FAILING"
OPEN, RETRYING, RESOLVED = "OPEN", "RETRYING", "RESOLVED"
# Begins what stands for a record that is not there yet.
WANTED = "?"
CRM, PROFILE = "CRM", "PROFILE"
# What a record and a profile are to each other: in step; to be made in the CRM; not to be had so far; a lead that
# became a contact there.
LINKED, PENDING, FAILED, CONVERTED = "linked", "pending", "failed", "converted"
ERASED, DELETED = "erased", "deleted"  # here; in the CRM
DEAD = (DELETED, ERASED)
COUNTS = ("pulled", "pushed", "created", "updated", "unchanged", "failed")


@dataclass(frozen=True, slots=True)
class SyncCounts:
    """What a run did: records read and written, and what became of profiles by those that were read."""

    pulled: int = 0
    pushed: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """A CRM of an account as it stands; `secret` is sealed. `marks` say of each entity where the next pass begins.

    `due` is when somebody should work on it, or, while somebody does, when that one is taken for dead.
    """

    id: str
    account: str
    system: str
    name: str
    base_url: str
    token_url: str | None
    client_id: str
    secret: bytes = field(repr=False)
    state: str = IDLE
    maps: Sequence[EntityMap] = ()
    marks: Mapping[str, Any] = field(default_factory=dict)
    counts: SyncCounts = field(default_factory=SyncCounts)
    last_run_at: datetime | None = None
    last_error: str | None = None
    due: datetime | None = None
    lease: int = 0
    # Runs without anything to do, or failed, one behind the other.
    quiet: int = 0
    failures: int = 0
    # Somebody wants it to run as soon as it can, or to stop behind the page at hand.
    again: bool = False
    pause: bool = False

    @property
    def mappings(self) -> Sequence[EntityMap]:
        """The mapping as it is shown."""
        return self.maps


def read(kept: Document) -> Connection:
    """Return a connection as it is kept."""
    return Connection(
        kept["_id"],
        kept["account"],
        kept["system"],
        kept["name"],
        kept["base"],
        kept.get("tokenUrl"),
        kept["client"],
        bytes(kept["secret"]),
        kept["state"],
        tuple(mapping.read(one) for one in kept.get("maps", ())),
        kept.get("marks", {}),
        SyncCounts(**{name: kept.get("counts", {}).get(name, 0) for name in COUNTS}),
        kept.get("lastRunAt"),
        kept.get("lastError"),
        kept.get("due"),
        kept.get("lease", 0),
        kept.get("quiet", 0),
        kept.get("failures", 0),
        kept.get("again", False),
        kept.get("pause", False),
    )


@dataclass(frozen=True, slots=True)
class Link:
    """A record of a CRM and the profile that it stands for, None where there is none.

    `base` holds for each slot what both sides had when they were last looked at, as hashes: theirs, ours. `push` says
    from when on ours is to be written there, `again` from when on the record is to be read once more, `tries` how often
    that went wrong. `key` is what a new record is made with; `sent` how often the same value was written, by slot.
    """

    connection: str
    entity: str
    record: str
    account: str
    profile: str | None = None
    state: str = LINKED
    base: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    etag: str | None = None
    at: datetime | None = None
    push: datetime | None = None
    again: datetime | None = None
    tries: int = 0
    key: str | None = None
    sent: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    # The CRM's stamp of the record as it was looked at, and the issues that go when it is in order.
    stamp: datetime | None = None
    open: Sequence[str] = ()
    # The version of the profile when both sides were compared last: while it is that, nothing is to be written.
    version: int | None = None
    # What finds the record that was asked for, as it was sent, by the names of the CRM's fields.
    sought: Mapping[str, str] = field(default_factory=dict)
    # What tells the record that was asked for once its profile is gone, of which no value is left: a digest of all that
    # was sent, and the names of these fields.
    mark: Sequence[str] = ()
    # The record of a company that its person is to be a member of, and that is linked with none yet; WANTED where a
    # record is not made as long as another one might be its person's.
    waits: str | None = None
    # The profiles of which it might be, where that could not be told.
    whose: Sequence[str] = ()

    @property
    def wanted(self) -> bool:
        """Whether there is no record yet: this stands for the one that a profile is to get."""
        return self.record.startswith(WANTED)

    @property
    def id(self) -> str:
        """The id of the link."""
        return link_id(self.connection, self.entity, self.record)

    def document(self) -> Document:
        """Return it as it is kept; what is not there is left out."""
        kept: Document = {
            "_id": self.id,
            "account": self.account,
            "connection": self.connection,
            "entity": self.entity,
            "record": self.record,
            "state": self.state,
        }
        for name, value in (
            ("profile", self.profile),
            ("base", {slot: list(one) for slot, one in self.base.items()}),
            ("etag", self.etag),
            ("at", self.at),
            ("push", self.push),
            ("again", self.again),
            ("tries", self.tries),
            ("key", self.key),
            ("sent", {slot: list(one) for slot, one in self.sent.items()}),
            ("keep", dict(self.keep)),
            ("stamp", self.stamp),
            ("open", list(self.open)),
            ("version", self.version),
            ("sought", dict(self.sought)),
            ("mark", list(self.mark)),
            ("waits", self.waits),
            ("whose", list(self.whose)),
        ):
            if value:
                kept[name] = value
        return kept


def link_id(connection: str, entity: str, record: str) -> str:
    """Return the id of the link of a record."""
    return f"{connection}|{entity}|{record}"


def wanted_record(profile_id: str) -> str:
    """Return what stands for a record that a profile is to get."""
    return f"{WANTED}{profile_id}"


def link_of(kept: Document) -> Link:
    """Return a link as it is kept."""
    return Link(
        kept["connection"],
        kept["entity"],
        kept["record"],
        kept["account"],
        kept.get("profile"),
        kept["state"],
        kept.get("base", {}),
        kept.get("etag"),
        kept.get("at"),
        kept.get("push"),
        kept.get("again"),
        kept.get("tries", 0),
        kept.get("key"),
        kept.get("sent", {}),
        kept.get("keep", {}),
        kept.get("stamp"),
        tuple(kept.get("open", ())),
        kept.get("version"),
        kept.get("sought", {}),
        tuple(kept.get("mark", ())),
        kept.get("waits"),
        tuple(kept.get("whose", ())),
    )


@dataclass(frozen=True, slots=True)
class SyncIssue:
    """What somebody should look at: of a record, or of a profile that has none (`record_id` is empty then).

    Of a conflict `field` and both values.
    """

    id: str
    account: str
    connection: str
    object: str
    record_id: str
    message: str
    at: datetime
    profile: str | None = None
    field: str | None = None
    crm_value: Any = None
    profile_value: Any = None
    state: str = OPEN
    slot: str | None = None

    @property
    def person_id(self) -> str | None:
        """The person that it is about."""
        return self.profile if self.profile and kind(self.profile) == "per" else None

    @property
    def company_id(self) -> str | None:
        """The company that it is about."""
        return self.profile if self.profile and kind(self.profile) == "com" else None

    def document(self) -> Document:
        """Return it as it is kept."""
        return {
            "_id": self.id,
            "account": self.account,
            "connection": self.connection,
            "entity": self.object,
            "record": self.record_id,
            "message": self.message,
            "at": self.at,
            "profile": self.profile,
            "field": self.field,
            "crm": self.crm_value,
            "ours": self.profile_value,
            "state": self.state,
            "slot": self.slot,
        }


def issue_of(kept: Document) -> SyncIssue:
    """Return an issue as it is kept."""
    return SyncIssue(
        kept["_id"],
        kept["account"],
        kept["connection"],
        kept["entity"],
        kept["record"],
        kept["message"],
        kept["at"],
        kept.get("profile"),
        kept.get("field"),
        kept.get("crm"),
        kept.get("ours"),
        kept["state"],
        kept.get("slot"),
    )
