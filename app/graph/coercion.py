"""Values of variables, read by what was worked out from their type once.

It answers only for what is as it should be and raises `Unusual` otherwise: graphql-core then finds the words for what
is wrong, or coerces the rare forms (a single value for a list).
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    ObjectValueNode,
    Undefined,
    is_required_input_field,
)
from graphql.utilities.coerce_input_value import coerce_input_literal, coerce_input_value
from graphql.utilities.validate_input_value import validate_input_value

Read = Callable[[Any], Any]
INT_MAX = 2**31 - 1
LIST_ITEMS_MAX = 6_000
# More than any input has; JSON may have more, but what is wrong beside it is then not told in full.
FIELDS_TOLD_MAX = 1_000
# A shorter list is left to graphql-core as a whole.
FEW_ITEMS = 100

Told = tuple[GraphQLError, list[str | int]]


class Unusual(Exception):  # noqa: N818 - read as what it says
    """A value that the short way doesn't take."""


class TooLong(Exception):  # noqa: N818 - read as what it says
    """A list of more items than any call takes, or something wrong in a heap of fields: looked at no further."""

    def __init__(self, message: str = f"A list has at most {LIST_ITEMS_MAX:,} items.") -> None:
        super().__init__(message)


def bounded(given: Any) -> None:
    """Raise TooLong where JSON, in which something is wrong, is too large to be told what."""
    waiting = [given]
    while waiting:
        one = waiting.pop()
        if one.__class__ is dict:
            if len(one) > FIELDS_TOLD_MAX:
                raise TooLong(f"A value is wrong, and one of the objects has more than {FIELDS_TOLD_MAX:,} fields.")
            waiting += one.values()
        elif one.__class__ is list:
            if len(one) > LIST_ITEMS_MAX:
                raise TooLong
            waiting += one


def one_by_one(kind: GraphQLInputType, read: Read, given: list[Any], most: int) -> tuple[list[Any], list[Told]]:
    """Return the items of a list of this kind, and what is wrong with some of them, at most so much.

    Only those that the short way doesn't take cost the long way's time: one bad row is told as fast as none.
    """
    items: list[Any] = []
    wrong: list[Told] = []
    for index, one in enumerate(given):
        try:
            items.append(read(one))
        except (Unusual, GraphQLError, RecursionError):
            found = coerce_input_value(one, kind)
            if found is Undefined:
                _tell(wrong, index, one, kind)
            items.append(found)
        if len(wrong) >= most:
            break
    return items, wrong[:most]


def _tell(wrong: list[Told], index: int, one: Any, kind: GraphQLInputType) -> None:
    def on_error(error: GraphQLError, path: list[str | int]) -> None:
        wrong.append((error, [index, *path]))

    validate_input_value(one, kind, on_error, hide_suggestions=True)


class Readers:
    """Readers of one schema's input types, each made once."""

    def __init__(self) -> None:
        self._objects: dict[str, Read] = {}

    def of(self, kind: GraphQLInputType) -> Read:
        """Return what reads a value of this type; it raises Unusual, or whatever a scalar raises."""
        if isinstance(kind, GraphQLNonNull):
            return _needed(self.of(kind.of_type))
        if isinstance(kind, GraphQLList):
            return _list(self.of(kind.of_type))
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind)
        if isinstance(kind, GraphQLEnumType):
            return _enum(kind)
        return _scalar(kind)

    def _object(self, kind: GraphQLInputObjectType) -> Read:
        name = kind.name
        if name not in self._objects:
            # Types may contain themselves: what is found meanwhile looks the reader up when it is used.
            self._objects[name] = lambda value: self._objects[name](value)  # noqa: PLW0108 - it will be another
            self._objects[name] = _one_of(kind, self) if kind.is_one_of else _object(kind, self)
        return self._objects[name]


def _needed(read: Read) -> Read:
    def needed(value: Any) -> Any:
        if value is None:
            raise Unusual
        return read(value)

    return needed


def _list(read: Read) -> Read:
    def items(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not list:
            raise Unusual
        if len(value) > LIST_ITEMS_MAX:
            raise TooLong
        return [read(one) for one in value]

    return items


def _enum(kind: GraphQLEnumType) -> Read:
    values = {name: value.value for name, value in kind.values.items()}
    values_or_none: dict[Any, Any] = {**values, None: None}

    def enum(value: Any) -> Any:
        try:
            return values_or_none[value]
        except (KeyError, TypeError):
            raise Unusual from None

    return enum


def _scalar(kind: GraphQLScalarType) -> Read:
    plain = {"String": str, "ID": str, "Boolean": bool}.get(kind.name)
    coerce = kind.coerce_input_value

    def itself(value: Any) -> Any:
        if value.__class__ is plain or value is None:
            return value
        raise Unusual

    def number(value: Any) -> Any:
        if value is None or (value.__class__ is int and -INT_MAX <= value <= INT_MAX):
            return value
        raise Unusual

    def other(value: Any) -> Any:
        return None if value is None else coerce(value)

    if plain is not None:
        return itself
    return number if kind.name == "Int" else other


def _object(kind: GraphQLInputObjectType, readers: Readers) -> Read:
    fields = {name: (field.out_name or name, readers.of(field.type)) for name, field in kind.fields.items()}
    required = frozenset(name for name, field in kind.fields.items() if is_required_input_field(field))
    optional = {name: field for name, field in kind.fields.items() if name not in required}
    defaults: dict[str, Any] = coerce_input_literal(
        ObjectValueNode(fields=()), GraphQLInputObjectType(kind.name, optional)
    )

    def read(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not dict or not required <= value.keys():
            raise Unusual
        result = defaults.copy()
        try:
            for name, one in value.items():
                out, field = fields[name]
                result[out] = field(one)
        except KeyError:
            raise Unusual from None
        return result

    return read


def _one_of(kind: GraphQLInputObjectType, readers: Readers) -> Read:
    fields = {name: (field.out_name or name, readers.of(field.type)) for name, field in kind.fields.items()}

    def read(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not dict or len(value) != 1:
            raise Unusual
        ((name, one),) = value.items()
        if one is None or name not in fields:
            raise Unusual
        out, field = fields[name]
        return {out: field(one)}

    return read
