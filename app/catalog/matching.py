"""The queries of `filters`, answered in memory as MongoDB answers them: does this document match? All pure.

Knows what `filters` builds and nothing else; positions in arrays (`a.0`) are no part of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

from app.mongo.patterns import as_read

Document = Mapping[str, Any]

# What stands where a document has nothing.
_MISSING: Any = object()


def matches(query: Mapping[str, Any], document: Document) -> bool:
    """Tell whether a query finds a document; a KeyError for an operator that `filters` never builds."""
    return all(_term(name, wanted, document) for name, wanted in query.items())


def _term(name: str, wanted: Any, document: Document) -> bool:
    if name == "$and":
        return all(matches(part, document) for part in wanted)
    if name == "$or":
        return any(matches(part, document) for part in wanted)
    if name == "$nor":
        return not any(matches(part, document) for part in wanted)
    held = list(_held(document, name.split(".")))
    if isinstance(wanted, dict):
        return all(_OPERATORS[operator](held, value) for operator, value in wanted.items())
    return _equals(held, wanted)


def _held(inside: Any, path: list[str]) -> Iterator[Any]:
    """Give what stands at the end of a path: of arrays on the way, what each of their documents has there."""
    if not path:
        yield inside
    elif isinstance(inside, list):
        for one in inside:
            if isinstance(one, dict):
                yield from _held(one, path)
    else:
        yield from _held(inside.get(path[0], _MISSING) if isinstance(inside, dict) else _MISSING, path[1:])


def _each(held: list[Any]) -> Iterator[Any]:
    """Give what is compared: the values, and of an array its items before itself."""
    for value in held:
        if isinstance(value, list):
            yield from value
        yield value


def _exists(held: list[Any], wanted: bool) -> bool:  # noqa: FBT001 - an operand
    return any(value is not _MISSING for value in held) is wanted


def _equals(held: list[Any], wanted: Any) -> bool:
    return any(_same(value, wanted) for value in _each(held))


def _one_of(held: list[Any], wanted: list[Any]) -> bool:
    return any(_equals(held, one) for one in wanted)


def _differs(held: list[Any], wanted: Any) -> bool:
    return not _equals(held, wanted)


def _none_of(held: list[Any], wanted: list[Any]) -> bool:
    return not _one_of(held, wanted)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and as_read(wanted).search(value) is not None
    value, wanted = _plain(value), _plain(wanted)
    # The second is for what is no number, which MongoDB finds equal to itself.
    return _kind(value) == _kind(wanted) and (value == wanted or (value != value and wanted != wanted))  # noqa: PLR0124


def _beyond(compare: Callable[[Any, Any], bool], *, equal: bool) -> Callable[[list[Any], Any], bool]:
    """Return a comparison: only values of one kind stand in an order."""

    def holds(held: list[Any], wanted: Any) -> bool:
        bound = _plain(wanted)
        kind = _kind(bound)
        for one in _each(held):
            value = _plain(one)
            if kind in _ORDERED and _kind(value) == kind and compare(value, bound):
                return True
        return equal and _equals(held, wanted)

    return holds


_ORDERED = frozenset({"number", "text", "truth", "moment"})
_OPERATORS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$eq": _equals,
    "$ne": _differs,
    "$in": _one_of,
    "$nin": _none_of,
    "$gt": _beyond(gt, equal=False),
    "$gte": _beyond(ge, equal=True),
    "$lt": _beyond(lt, equal=False),
    "$lte": _beyond(le, equal=True),
    "$exists": _exists,
    "$regex": lambda held, wanted: _equals(held, re.compile(wanted)),
}


def _kind(value: Any) -> str:
    """Return the kind of a value: of two kinds none is equal to or beyond the other. Truth is no number."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, datetime):
        return "moment"
    return "nothing" if value is None else type(value).__name__


def _plain(value: Any) -> Any:
    """Return a value as MongoDB keeps it: moments in milliseconds; what is missing is nothing."""
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return None if value is _MISSING else value
