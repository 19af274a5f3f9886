"""What the Dataverse fake takes as values of columns, with the vendor's words where it doesn't."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tests.fakes.dynamics_schema import TYPE, Attribute

_BIND = re.compile(r"(\w+?)(?:_(?:account|contact|lead))?@odata\.bind")
_REFERENCE = re.compile(r"/?(\w+)s\(([0-9a-f-]{36})\)")
_NUMBERS = ("Integer", "BigInt", "Decimal", "Double", "Money")


class Refused(Exception):  # noqa: N818 - read as what it says
    """An answer with an error in it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def taken(entity: str, columns: Mapping[str, Attribute], body: Any, *, creating: bool) -> dict[str, Any]:
    """Return the columns that a body writes; raises Refused."""
    if not isinstance(body, dict):
        raise Refused(400, "0x80048d19", "Error identified in Payload provided by the user for Entity :''.")
    values: dict[str, Any] = {}
    for name, value in body.items():
        bind = _BIND.fullmatch(name)
        column = bind[1] if bind else name
        one = columns.get(column)
        if one is None or (one.targets and not bind):
            raise Refused(
                400,
                "0x80048d19",
                f"Error identified in Payload provided by the user for Entity :'{entity}s', InnerException: The "
                f"property '{name}' does not exist on type '{TYPE}.{entity}'. Make sure to only use property names "
                "that are defined by the type.",
            )
        if not (one.create if creating else one.update):
            raise Refused(400, "0x80040203", f"The column '{column}' of '{entity}' can't be written.")
        values[column] = None if value is None else _bound(value) if bind else _valid(entity, column, one, value)
    return values


def _bound(value: Any) -> tuple[str, str]:
    found = _REFERENCE.fullmatch(str(value))
    if found is None:
        raise Refused(400, "0x80048d19", f"Invalid URI: {value}")
    return found[1], found[2]


def _valid(entity: str, column: str, one: Attribute, value: Any) -> Any:
    if one.type in ("String", "Memo") and isinstance(value, str):
        if len(value) > (one.length or 0):
            raise Refused(
                400,
                "0x80044331",
                f"A validation error occurred.  The length of the '{column}' attribute of the '{entity}' entity "
                f"exceeded the maximum allowed length of '{one.length}'.",
            )
        return value
    if one.type in ("Picklist", "State", "Status") and isinstance(value, int) and not isinstance(value, bool):
        if value not in (one.options or {}):
            accepted = ",".join(map(str, one.options or {}))
            raise Refused(
                400,
                "0x8004431a",
                f"A validation error occurred. The value {value} of '{column}' on record of type '{entity}' is outside "
                f"the valid range. Accepted Values: {accepted}",
            )
        return value
    number = isinstance(value, int if one.type in ("Integer", "BigInt") else (int, float)) and not isinstance(
        value, bool
    )
    if (one.type in _NUMBERS and number) or (one.type == "Boolean" and isinstance(value, bool)):
        return value
    if one.type == "Uniqueidentifier" and isinstance(value, str):
        return value
    if one.type == "DateTime" and isinstance(value, str):
        return _time(one, value)
    raise _unlike(one, value)


def _time(one: Attribute, value: str) -> str:
    try:
        if one.format == "DateOnly":
            return date.fromisoformat(value).isoformat()
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _unlike(one, value) from None
    return stamp(moment if moment.tzinfo is None else moment.astimezone(UTC))


def _unlike(one: Attribute, value: Any) -> Refused:
    return Refused(
        400,
        "0x80048d19",
        f"Error identified in Payload provided by the user for Entity :'', InnerException: Cannot convert the literal "
        f"'{value}' to the expected type of a column of type {one.type}.",
    )


def stamp(moment: datetime) -> str:
    """Return a time as the Web API writes it: whole seconds of UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def reformatted(columns: Mapping[str, Attribute], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a CRM with a mind of its own keeps them: phones in groups, emails in capitals."""
    changed = dict(values)
    for name, value in values.items():
        form = columns[name].format
        if form == "Email" and value:
            changed[name] = value.upper()
        elif form == "Phone" and value and not re.search(r"[^\d\s()+./-]", value):
            digits = re.sub(r"\D", "", value)
            grouped = "-".join(digits[place : place + 3] for place in range(0, len(digits), 3))
            changed[name] = f"{'+' if value.lstrip().startswith('+') else ''}{grouped}"[:50]
    return changed
