"""What is in the fake Salesforce: records, what was deleted, and its clock; and what it refuses to take."""

import re
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.fakes.salesforce_objects import FIELDS, PREFIXES, Field
from tests.fakes.salesforce_soql import STAMPS, All, Compare, Query, comparable, stamp

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NUMBERS = {"int": int, "double": float, "currency": float}
PEOPLE = ("Lead", "Contact")


class Refused(Exception):  # noqa: N818 - read as what it says
    """Something that can't be done, as Salesforce says it; `whole`: nothing of the call is done."""

    def __init__(self, code: str, message: str, *fields: str, status: int = 400, whole: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status
        self.whole = whole


class Clock:
    """A clock that goes on by itself, from wherever it was set to."""

    def __init__(self) -> None:
        self._ahead = 0

    def millis(self) -> int:
        """Return its time, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + self._ahead

    def now(self) -> datetime:
        """Return its time, naive UTC."""
        return datetime.fromtimestamp(self.millis() / 1000, UTC).replace(tzinfo=None)

    def set(self, moment: datetime) -> None:
        """Set it to a naive UTC time."""
        self._ahead += round((moment - self.now()).total_seconds() * 1000)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._ahead += round(seconds * 1000)


@dataclass
class Record:
    """A record: `values` as its JSON has them, `stamp` in milliseconds, `deleted` when it was, by the same."""

    entity: str
    id: str
    values: dict[str, Any]
    stamp: int = 0
    deleted: int | None = None


@dataclass
class Table:
    """The records of an object. `order` has an entry for each state that one ever had; only the last one holds."""

    prefix: str
    records: dict[str, Record] = field(default_factory=dict)
    order: list[tuple[int, str]] = field(default_factory=list)

    def moved(self, record: Record) -> None:
        """Take in that a record has a new stamp."""
        entry = (record.stamp, record.id)
        if not self.order or self.order[-1] < entry:
            self.order.append(entry)
        else:
            insort(self.order, entry)

    def since(self, floor: int) -> Iterator[Record]:
        """Give records in the order of their stamps, from one on."""
        for at in range(bisect_left(self.order, (floor, "")), len(self.order)):
            moment, id_ = self.order[at]
            record = self.records[id_]
            if record.stamp == moment:
                yield record


class Store:
    """The records of all objects. What is done here is as a user would do it, without a check of what is allowed."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tables = {entity: Table(prefix) for entity, prefix in PREFIXES.items()}
        self._made = 0

    def get(self, entity: str, id_: str) -> Record | None:
        """Return a record by its id of 18 or 15 characters, be it deleted or not."""
        return self.tables[entity].records.get(id_ if len(id_) == 18 else whole_id(id_))

    def alive(self, entity: str) -> list[Record]:
        """Return the records that are not deleted."""
        return [one for one in self.tables[entity].records.values() if one.deleted is None]

    def made(self, entity: str, values: Mapping[str, Any], *, at: int | None = None) -> Record:
        """Make a record, with a stamp of now or of some other time."""
        unknown = values.keys() - FIELDS[entity].keys()
        assert not unknown, f"{entity} has no {unknown}"
        self._made += 1
        digits, number = "", self._made
        for _ in range(7):
            number, digit = divmod(number, 62)
            digits = _BASE62[digit] + digits
        record = Record(entity, whole_id(f"{PREFIXES[entity]}5g000{digits}"), {})
        for name, one in FIELDS[entity].items():
            record.values[name] = values.get(name, False if one.type == "boolean" else None)
        record.values["Id"] = record.id
        self.tables[entity].records[record.id] = record
        self.touched(record, at=at)
        record.values["CreatedDate"] = record.values["SystemModstamp"]
        return record

    def changed(self, record: Record, values: Mapping[str, Any], *, at: int | None = None) -> None:
        """Change a record."""
        unknown = values.keys() - FIELDS[record.entity].keys()
        assert not unknown, f"{record.entity} has no {unknown}"
        record.values |= values
        self.touched(record, at=at)

    def touched(self, record: Record, *, at: int | None = None) -> None:
        """Give a record a new stamp, which is never before the one that it had."""
        values = record.values
        if record.entity in PEOPLE:
            values["Name"] = " ".join(one for one in (values["FirstName"], values["LastName"]) if one)
        record.stamp = max(self.clock.millis() if at is None else at, record.stamp + (record.stamp > 0))
        values["SystemModstamp"] = values["LastModifiedDate"] = stamp(record.stamp)
        self.tables[record.entity].moved(record)

    def removed(self, record: Record, into: str | None = None) -> None:
        """Delete a record, or merge it into another."""
        record.deleted = self.clock.millis()
        record.values |= {"IsDeleted": True, "MasterRecordId": into}
        self.touched(record)

    def found(self, query: Query, *, gone: bool = False) -> list[Record]:
        """Return what a query finds, in its order; with `gone` deleted records as well."""
        table, where = self.tables[query.entity], query.where
        ids, floor = (None, None) if where is None else (where.ids(), where.floor())
        in_order = query.order in ([(name, False), *rest] for name in STAMPS for rest in ([], [("Id", False)]))
        some: Iterator[Record]
        if ids is not None:
            some = (one for id_ in ids if (one := self.get(query.entity, id_)) is not None)
        elif floor is not None or in_order:
            some = table.since(floor or 0)
        else:
            some = iter(table.records.values())
        found = [one for one in some if (gone or one.deleted is None) and _meets(where, one)]
        if ids is not None or not in_order:
            for name, falling in reversed(query.order):
                found.sort(key=partial(_sortable, FIELDS[query.entity][name]), reverse=falling)
        return found[: query.limit]


def _meets(where: Compare | All | None, record: Record) -> bool:
    return where is None or where.holds(record.values)


def _sortable(kind: Field, record: Record) -> tuple[bool, Any]:
    value = comparable(kind, record.values[kind.name])
    return value is not None, value


def whole_id(short: str) -> str:
    """Return the 18 characters of an id: three more tell which letters are capitals."""
    check = ""
    for first in (0, 5, 10):
        check += _CHECK[sum(1 << place for place, char in enumerate(short[first : first + 5]) if char.isupper())]
    return short[:15] + check


def checked(entity: str, values: Mapping[str, Any], *, new: bool, hidden: Collection[str] = ()) -> dict[str, Any]:
    """Return values as the API takes them, trimmed and checked; raises Refused."""
    fields, taken = {name: one for name, one in FIELDS[entity].items() if name not in hidden}, {}
    for name, value in values.items():
        kind = fields.get(name)
        if kind is None:
            raise Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity}", whole=True)
        taken[name] = _typed(kind, value)
    flag = "c" if new else "u"
    if closed := [name for name in taken if flag not in fields[name].flags]:
        words = f"Unable to create/update fields: {', '.join(closed)}. Please check the security settings of this field"
        raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", words, *closed)
    for name, value in taken.items():
        _valid(fields[name], value)
    wanted = [name for name, one in fields.items() if one.required and (new or name in taken)]
    if lacking := [name for name in wanted if taken.get(name) is None]:
        raise Refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(lacking)}]", *lacking)
    return taken


def _typed(kind: Field, value: Any) -> Any:
    """Return a value as its field has it; another type is not even read."""
    wanted: Any = {"boolean": bool, "int": int, "double": (int, float), "currency": (int, float)}.get(kind.type, str)
    if kind.type == "boolean" and value is None:
        return False
    if value is None or value == "":
        return None
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        words = f"Cannot deserialize instance of {kind.type} from VALUE_{type(value).__name__.upper()} value {value}"
        raise Refused("JSON_PARSER_ERROR", words, whole=True)
    if kind.type in ("date", "datetime"):
        return _time(kind, value)
    if kind.type in _NUMBERS:
        return _NUMBERS[kind.type](value)
    return (value.strip() or None) if isinstance(value, str) else value


def _time(kind: Field, value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(
            "JSON_PARSER_ERROR", f"Cannot deserialize instance of {kind.type} from {value}", whole=True
        ) from None
    if kind.type == "date":
        return value[:10]
    return stamp(round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000))


def _valid(kind: Field, value: Any) -> None:
    if isinstance(value, str) and kind.length and len(value) > kind.length:
        words = f"{kind.label}: data value too large: {value[:50]} (max length={kind.length})"
        raise Refused("STRING_TOO_LONG", words, kind.name)
    if kind.type == "email" and value is not None and not _EMAIL.fullmatch(value):
        raise Refused("INVALID_EMAIL_ADDRESS", f"{kind.label}: invalid email address: {value}", kind.name)


def reformatted(entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a Salesforce that has its own taste would write them: phones in groups, emails in capitals."""
    taste: Mapping[str, Callable[[str], str]] = {
        "email": str.upper,
        "phone": lambda text: " ".join(re.findall(r"\+?\w{1,3}", text)),
    }
    fields: Mapping[str, Field] = FIELDS[entity]
    return {
        name: taste[fields[name].type](value) if value and fields[name].type in taste else value
        for name, value in values.items()
    }


def rows(records: Sequence[Record], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return records as the REST API answers them."""
    return [
        {
            "attributes": {"type": one.entity, "url": f"/services/data/v62.0/sobjects/{one.entity}/{one.id}"},
            **{name: one.values[name] for name in columns},
        }
        for one in records
    ]
