"""The contract's own scalars: how their values come in, go out and are described."""

import math
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Any, NewType

import strawberry
from graphql import (
    GraphQLError,
    GraphQLFloat,
    GraphQLInputObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    IntValueNode,
    ValueNode,
    value_from_ast_untyped,
)
from strawberry.types.scalar import ScalarDefinition

from app.catalog.filters import EXACT_BELOW
from app.catalog.values import moment
from app.core import clock

DateTime = NewType("DateTime", datetime)
Date = NewType("Date", str)
JSON = NewType("JSON", object)
Cursor = NewType("Cursor", str)

CURSOR_CHARACTERS = 1024
JSON_DEPTH = 32
_DIGITS_READ = sys.int_info.default_max_str_digits
# As refused as any other number that is too large.
_BEYOND = 10**400
_BITS_64 = range(-(2**63), 2**64)
_NESTS = (dict, list)


def _read_moment(value: Any) -> datetime:
    try:
        return moment(value)
    except TypeError:
        raise GraphQLError("A DateTime is written like 2026-05-04T10:00:00.000Z.") from None


def _read_date(value: Any) -> str:
    if isinstance(value, str):
        with suppress(ValueError):
            if date.fromisoformat(value).isoformat() == value:
                return value
    raise GraphQLError("A Date is written like 2026-05-04.")


def _read_cursor(value: Any) -> str:
    if isinstance(value, str) and len(value) <= CURSOR_CHARACTERS:
        return value
    raise GraphQLError("A Cursor is text that came from this service.")


def _read_json(value: Any) -> Any:
    if _deeper(value, JSON_DEPTH):
        raise GraphQLError(f"JSON is nested at most {JSON_DEPTH} levels deep.")
    return value


def _read_json_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    value = _read_json(value_from_ast_untyped(node, variables))
    short = node.loc is not None and node.loc.end - node.loc.start <= _DIGITS_READ
    return value if short else _numbered(value)


def _numbered(value: Any) -> Any:
    """Return the same with a number for what graphql-core takes for none: it has more digits than Python reads."""
    if isinstance(value, dict):
        return {name: _numbered(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(_numbered, value))
    return _BEYOND if isinstance(value, float) and math.isnan(value) else value


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, _NESTS):
        return False
    if levels == 0:
        return True
    # A loop that leaves plain values alone: every set of properties and attributes comes here.
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, _NESTS) and _deeper(one, levels - 1):
            return True
    return False


def _read_number(value: Any) -> int | float:
    """Return a number of Float; a whole one that a double might miss stays what it is, up to 64 bits."""
    if type(value) is int and abs(value) >= EXACT_BELOW and value in _BITS_64:
        return value
    return float(GraphQLFloat.coerce_input_value(value))


def _read_number_literal(node: ValueNode) -> int | float:
    number = GraphQLFloat.coerce_input_literal(node)  # type: ignore[misc, arg-type]  # it has one
    if isinstance(node, IntValueNode) and EXACT_BELOW <= abs(number) <= _BITS_64.stop:
        whole = int(node.value)
        return whole if whole in _BITS_64 else number
    return _read_number(number)


def _same(value: Any) -> Any:
    return value


# Type → name, how it goes out, how it comes in, what it is.
SCALARS: dict[object, tuple[str, Callable[[Any], Any], Callable[[Any], Any], str]] = {
    DateTime: (
        "DateTime",
        clock.text,
        _read_moment,
        "A moment in RFC 3339, answered in UTC with milliseconds: `2026-05-04T10:00:00.000Z`.",
    ),
    Date: ("Date", _same, _read_date, "A day: `2026-05-04`."),
    JSON: ("JSON", _same, _read_json, "Any JSON value; 64-bit integers survive the round trip."),
    Cursor: (
        "Cursor",
        _same,
        _read_cursor,
        "A position in a list or a stream: opaque, signed, good only for the account and the query it came from.",
    ),
}


def definitions() -> dict[object, ScalarDefinition]:
    """Return what Strawberry needs to declare them."""
    return {
        type_: strawberry.scalar(name=name, description=words, serialize=out, parse_value=into)
        for type_, (name, out, into, words) in SCALARS.items()
    }


def bind(schema: GraphQLSchema) -> None:
    """Give the scalars of a schema that was built from text their two directions."""
    for name, out, into, _ in SCALARS.values():
        kind = schema.type_map[name]
        if not isinstance(kind, GraphQLScalarType):
            raise TypeError(f"{name} is no scalar.")
        kind.coerce_output_value = kind.serialize = out  # type: ignore[method-assign, assignment]
        kind.coerce_input_value = kind.parse_value = _plain(into)  # type: ignore[method-assign]
    schema.type_map["JSON"].parse_literal = _read_json_literal  # type: ignore[attr-defined]
    _bind_numbers(schema)


def _bind_numbers(schema: GraphQLSchema) -> None:
    """Let inputs have a Float of their own: that of graphql-core is every schema's, and makes neighbours of numbers."""
    number = GraphQLScalarType(
        "Number",
        description=GraphQLFloat.description,
        coerce_output_value=GraphQLFloat.coerce_output_value,
        coerce_input_value=_read_number,
        coerce_input_literal=_read_number_literal,
    )
    # No second type can be made by this name, though one can go by it.
    number.name = "Float"
    schema.type_map["Float"] = number
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            for field in kind.fields.values():
                field.type = number if field.type is GraphQLFloat else field.type


def _plain(into: Callable[[Any], Any]) -> Callable[..., Any]:
    def read(value: Any, _hide_suggestions: bool = False) -> Any:  # noqa: FBT001, FBT002 - graphql-core's signature
        return into(value)

    return read
