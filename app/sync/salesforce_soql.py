"""What is asked of a Salesforce, in its query language, and what its rows say. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from app.core import clock
from app.sync.crm import Away, CrmRecord, FieldGone
from app.sync.salesforce_line import DATA
from app.sync.wire import Reply

# The names of what changes a row carries, the better one first.
STAMPS = ("SystemModstamp", "LastModifiedDate")
# What is asked for beside the fields of a mapping.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "Lead": ("CreatedDate", "IsConverted", "ConvertedContactId"),
    "Contact": ("CreatedDate", "AccountId"),
}
VALUES_AT_ONCE = 200
# A condition may have 4,000 characters.
CONDITION_CHARACTERS = 3_500
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", re.ASCII)
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def named(entity: str, *names: str) -> None:
    """See that names can stand in a query, which they are written into as they are; raises FieldGone."""
    for one in (entity, *names):
        if not _NAME.fullmatch(one):
            raise FieldGone(f"{one!r:.100} is no name of Salesforce's.", entity)


def is_id(text: str) -> bool:
    """Tell whether a text can be the id of a record."""
    return _ID.fullmatch(text) is not None


def literal(value: str) -> str:
    """Return a text as it stands in a query."""
    return f"'{value.translate(_ESCAPES)}'"


def moment(text: str) -> datetime:
    """Return naive UTC of a time as Salesforce writes it: 2026-01-02T03:04:05.000+0000."""
    told = datetime.fromisoformat(text)
    bare = told.astimezone(UTC).replace(tzinfo=None) if told.tzinfo else told
    return bare.replace(microsecond=bare.microsecond // 1000 * 1000)


def path(soql: str, *, gone: bool = False) -> str:
    """Return where a query is asked; one for what is `gone` finds deleted records as well."""
    return f"{DATA}/{'queryAll' if gone else 'query'}?q={quote(soql, safe='')}"


def counted(entity: str) -> str:
    """Return the query for how many records there are."""
    return f"SELECT count() FROM {entity}"  # noqa: S608 - the name was seen to be one


def merged(entity: str, some: str) -> str:
    """Return the query for what deleted records were merged into."""
    return f"SELECT Id, MasterRecordId FROM {entity} WHERE IsDeleted = true AND Id IN {some}"  # noqa: S608


def lists(values: Iterable[str]) -> Iterator[str]:
    """Give values as lists of a condition: `('a', 'b')`, each short enough for one query."""
    some: list[str] = []
    size = 0
    for value in dict.fromkeys(values):
        one = literal(value)
        if some and (len(some) == VALUES_AT_ONCE or size + len(one) > CONDITION_CHARACTERS):
            yield f"({', '.join(some)})"
            some, size = [], 0
        some.append(one)
        size += len(one) + 2
    if some:
        yield f"({', '.join(some)})"


@contextmanager
def readable() -> Iterator[None]:
    """Turn what is wrong with the shape of an answer into Away."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Away("The CRM answers what can't be read.") from error


@dataclass(frozen=True, slots=True)
class Choice:
    """What is selected of an entity: the fields `asked` for, and what we ask for beside them unless it is `hidden`."""

    entity: str
    asked: tuple[str, ...]
    hidden: frozenset[str] = frozenset()

    @property
    def stamp(self) -> str:
        """The field that says when a record changed last."""
        return next((one for one in STAMPS if one not in self.hidden), STAMPS[-1])

    @property
    def ours(self) -> tuple[str, ...]:
        """What a user may be forbidden to see without harm: a mapping doesn't name it."""
        extras = (one for one in EXTRAS.get(self.entity, ()) if one not in self.hidden)
        wanted = (*extras, STAMPS[0]) if self.stamp == STAMPS[0] else tuple(extras)
        return tuple(one for one in wanted if one not in self.asked)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that is selected, each once."""
        return tuple(dict.fromkeys(("Id", self.stamp, *self.ours, *self.asked)))

    def soql(self, where: str = "", *, ordered: bool = False) -> str:
        """Return the query."""
        parts = [f"SELECT {', '.join(self.columns)} FROM {self.entity}"]  # noqa: S608 - names were seen to be some
        if where:
            parts.append(f"WHERE {where}")
        if ordered:
            parts.append(f"ORDER BY {self.stamp}, Id")
        return " ".join(parts)

    def since(self, at: datetime | None, beyond: str | None = None) -> str:
        """Return the condition of what changed from a time on, or behind the record `beyond` of that time."""
        if at is None:
            return ""
        time = clock.text(at)
        if beyond is None:
            return f"{self.stamp} >= {time}"
        return f"{self.stamp} > {time} OR ({self.stamp} = {time} AND Id > {literal(beyond)})"

    def records(self, reply: Reply) -> list[CrmRecord]:
        """Return the records of a page, each once; raises Away."""
        with readable():
            found = [self.record(row) for row in reply.body["records"]]
            return list({one.id: one for one in found}.values())

    def record(self, row: Mapping[str, Any]) -> CrmRecord:
        """Return the record of a row; raises KeyError, TypeError or ValueError where it is none."""
        return CrmRecord(
            id=row["Id"],
            stamp=moment(row[self.stamp]),
            fields={name: row[name] for name in self.asked if row.get(name) is not None},
            account=row.get("AccountId") if self.entity == "Contact" else None,
            converted=row.get("IsConverted") is True,
            became=row.get("ConvertedContactId"),
            made=moment(made) if (made := row.get("CreatedDate")) else None,
        )
