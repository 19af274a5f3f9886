"""The part of SOQL that the fake Salesforce understands: one object, conditions, an order, a limit; strict as the real.

Text compares without regard to case, ids with it; AND and OR don't mix without parentheses.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.fakes.salesforce_objects import FIELDS, Field

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z][A-Za-z0-9_]*)
      | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<>": lambda one, other: one != other,
    "<": lambda one, other: one is not None and one < other,
    "<=": lambda one, other: one is not None and one <= other,
    ">": lambda one, other: one is not None and one > other,
    ">=": lambda one, other: one is not None and one >= other,
    "IN": lambda one, other: one in other,
}
STAMPS = ("SystemModstamp", "LastModifiedDate")


class BadQuery(Exception):  # noqa: N818 - read as what it says
    """A query that is refused, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def millis(text: str) -> int:
    """Return milliseconds since 1970 of a time with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def stamp(milliseconds: int) -> str:
    """Return a time as the REST API writes it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03}+0000"


def comparable(kind: Field, value: Any) -> Any:
    """Return a value as values of its field compare."""
    if value is None or kind.type in ("boolean", "id", "reference"):
        return value
    if kind.type == "datetime":
        return value if isinstance(value, int) else millis(value)
    return value.casefold() if isinstance(value, str) and kind.type != "date" else value


@dataclass(frozen=True)
class Compare:
    """A field and what it is compared with."""

    field: Field
    sign: str
    value: Any

    def holds(self, values: dict[str, Any]) -> bool:
        """Tell whether it holds for a record."""
        return _SIGNS[self.sign](comparable(self.field, values.get(self.field.name)), self.value)

    def floor(self) -> int | None:
        """Return the least stamp that a record can have."""
        return self.value if self.field.name in STAMPS and self.sign in ("=", ">", ">=") else None

    def ids(self) -> Sequence[str] | None:
        """Return the only ids that it can hold for."""
        return list(self.value) if self.field.name == "Id" and self.sign == "IN" else None


@dataclass(frozen=True)
class All:
    """Several conditions by AND; with `some` by OR."""

    parts: tuple["Compare | All", ...]
    some: bool = False

    def holds(self, values: dict[str, Any]) -> bool:
        """Tell whether it holds for a record."""
        each = (one.holds(values) for one in self.parts)
        return any(each) if self.some else all(each)

    def floor(self) -> int | None:
        """Return the least stamp that a record can have."""
        known = [one.floor() for one in self.parts]
        sure = [one for one in known if one is not None]
        if self.some:
            return min(sure) if len(sure) == len(known) else None
        return max(sure, default=None)

    def ids(self) -> Sequence[str] | None:
        """Return the only ids that it can hold for."""
        return None if self.some else next((found for one in self.parts if (found := one.ids()) is not None), None)


@dataclass
class Query:
    """What was asked."""

    entity: str
    columns: list[str]
    where: Compare | All | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    count: bool = False


def parsed(soql: str, hidden: Mapping[str, AbstractSet[str]]) -> Query:
    """Return what a query asks; the `hidden` fields of an object are as if they were not there. Raises BadQuery."""
    return _Parser(soql, hidden).query()


class _Parser:
    def __init__(self, soql: str, hidden: Mapping[str, AbstractSet[str]]) -> None:
        self._soql = soql
        self._hidden = hidden
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while soql[at:].strip():
            found = _TOKEN.match(soql, at)
            if found is None:
                raise BadQuery("MALFORMED_QUERY", f"line 1:{at} no viable alternative at character '{soql[at]}'")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)], found.start(str(found.lastgroup))))
            at = found.end()
        self._next = 0
        self._fields: dict[str, Field] = {}
        self._entity = ""

    def query(self) -> Query:
        self._word("SELECT")
        columns = [self._name()]
        count = columns == ["count"] and self._take("(")
        if count:
            self._sign(")")
        while not count and self._take(","):
            columns.append(self._name())
        places = [self._tokens[one][2] for one in range(1, self._next, 2)]
        self._word("FROM")
        self._entity = self._name()
        found = {name.lower(): name for name in FIELDS}.get(self._entity.lower())
        if found is None:
            raise BadQuery(
                "INVALID_TYPE",
                f"\n{self._soql}\nERROR at Row:1:Column:1\nsObject type '{self._entity}' is not supported.",
            )
        self._entity = found
        self._fields = {
            name.lower(): one for name, one in FIELDS[found].items() if name not in self._hidden.get(found, ())
        }
        query = Query(found, [], count=count)
        if not count:
            query.columns = [self._known(name, at).name for name, at in zip(columns, places, strict=True)]
            if len(set(query.columns)) < len(query.columns):
                raise BadQuery("INVALID_FIELD", "duplicate field selected")
        if self._take("WHERE"):
            query.where = self._condition()
        if self._take("ORDER"):
            query.order = self._order()
        if self._take("LIMIT"):
            query.limit = int(self._pop("number"))
        if self._next < len(self._tokens):
            raise self._unexpected()
        return query

    def _order(self) -> list[tuple[str, bool]]:
        self._word("BY")
        order = []
        while True:
            name = self._field().name
            falling = self._take("DESC")
            if not falling:
                self._take("ASC")
            order.append((name, falling))
            if not self._take(","):
                return order

    def _condition(self) -> Compare | All:
        parts = [self._comparison()]
        word = next((one for one in ("AND", "OR") if self._take(one)), None)
        if word is None:
            return parts[0]
        parts.append(self._comparison())
        while self._take(word):
            parts.append(self._comparison())
        return All(tuple(parts), some=word == "OR")

    def _comparison(self) -> Compare | All:
        if self._take("("):
            inside = self._condition()
            self._sign(")")
            return inside
        kind = self._field()
        if self._take("IN"):
            self._sign("(")
            values = [self._literal(kind)]
            while self._take(","):
                values.append(self._literal(kind))
            self._sign(")")
            return Compare(kind, "IN", frozenset(values))
        sign = self._pop("sign")
        if sign not in _SIGNS:
            raise self._unexpected(-1)
        return Compare(kind, sign, self._literal(kind))

    def _literal(self, kind: Field) -> Any:
        if self._next == len(self._tokens):
            raise self._unexpected()
        group, text, _ = self._tokens[self._next]
        self._next += 1
        if group == "name" and text.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text.lower()]
        fits = {
            "text": kind.type not in ("datetime", "date", "boolean", "int", "double", "currency"),
            "time": kind.type == "datetime",
            "date": kind.type == "date",
            "number": kind.type in ("int", "double", "currency"),
        }
        if not fits.get(group):
            message = f"value of filter criterion for field '{kind.name}' must be of type {kind.type}"
            raise BadQuery("INVALID_FIELD" if group in fits else "MALFORMED_QUERY", message)
        if group == "number":
            return float(text)
        if group == "date":
            return date.fromisoformat(text).isoformat()
        plain = (
            re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), text[1:-1], flags=re.DOTALL)
            if group == "text"
            else text
        )
        if kind.type == "id" and not re.fullmatch(r"[A-Za-z0-9]{15}|[A-Za-z0-9]{18}", plain):
            raise BadQuery("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {plain}")
        return comparable(kind, plain)

    def _field(self) -> Field:
        return self._known(self._name(), self._tokens[self._next - 1][2])

    def _known(self, name: str, at: int) -> Field:
        found = self._fields.get(name.lower())
        if found is not None:
            return found
        around = self._soql[max(0, at - 30) : at + 30].replace("\n", " ")
        hint = "Please reference your WSDL or the describe call for the appropriate names."
        raise BadQuery(
            "INVALID_FIELD",
            f"\n{around}\n{' ' * min(at, 30)}^\nERROR at Row:1:Column:{at + 1}\nNo such column '{name}' on entity "
            f"'{self._entity}'. If you are attempting to use a custom field, be sure to append the '__c' after the "
            f"custom field name. {hint}",
        )

    def _name(self) -> str:
        return self._pop("name")

    def _pop(self, group: str) -> str:
        if self._next == len(self._tokens) or self._tokens[self._next][0] != group:
            raise self._unexpected()
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _take(self, word: str) -> bool:
        """Pass a word or sign where it comes next."""
        found = self._next < len(self._tokens) and self._tokens[self._next][1].upper() == word
        self._next += found
        return found

    def _word(self, word: str) -> None:
        if not self._take(word):
            raise self._unexpected()

    _sign = _word

    def _unexpected(self, by: int = 0) -> BadQuery:
        place = self._next + by
        told = self._tokens[place][1] if place < len(self._tokens) else "<EOF>"
        return BadQuery("MALFORMED_QUERY", f"unexpected token: '{told}'")
