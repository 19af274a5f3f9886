"""Which value fits which type, and how it is kept: pure checks of custom attributes and of event properties."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from app.catalog.model import AttributeDefinition, Catalog, EventField, by_name
from app.core import chance, clock, text
from app.core.errors import Refused

STRING_MAX = 4096
INTEGER_MAX = 2**63 - 1
LIST_ITEMS_MAX = 128
LIST_TOTAL_MAX = 4096
ITEM_ID = "__id"
TOKEN_BYTES = 8
# A document of MongoDB has at most 16 MB.
VALUES_BYTES_MAX = 4_000_000
VALUES_UNMEASURED = 100
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(rf"{_DATE.pattern}[Tt][0-9]{{2}}(:[0-9]{{2}}){{2}}(\.[0-9]+)?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})")
WORDS = {
    "STRING": "a string",
    "INTEGER": "a whole number",
    "DECIMAL": "a number",
    "NUMERIC": "a number",
    "BOOLEAN": "true or false",
    "DATE": "a date such as 2026-05-04",
    "DATE_TIME": "a moment such as 2026-05-04T10:00:00Z",
    "LIST": "a list of objects",
}


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    found = text.composed(value)
    if len(found) > STRING_MAX:
        raise Refused("TOO_LONG", f"A value has at most {STRING_MAX} characters.")
    return text.plain(found)


def fits(value: float) -> bool:
    """Tell whether a number lies within 64 bits, of which one is the sign."""
    return -INTEGER_MAX - 1 <= value <= INTEGER_MAX


def _integer(value: Any) -> int:
    # A whole number of JSON that has more than 64 bits comes in as a float: the least one that fits does not.
    if not fits(value) if type(value) is int else type(value) is float and abs(value) > INTEGER_MAX:
        raise Refused("INVALID", "A whole number lies between -2^63 and 2^63-1.")
    if type(value) is not int:
        raise TypeError
    return value


def _decimal(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Refused("INVALID", "A number must be finite.")
    return number


def _numeric(value: Any) -> int | float:
    """Return a whole number of 64 bits as it is, any other as a double."""
    return value if type(value) is int and fits(value) else _decimal(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def day(value: Any) -> datetime:
    """Return midnight of a YYYY-MM-DD day; raises TypeError for anything else."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise TypeError
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise TypeError from error


def moment(value: Any) -> datetime:
    """Return naive UTC in milliseconds of an RFC 3339 text; raises TypeError for anything else."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise TypeError
    return instant(value)


def instant(value: Any) -> datetime:
    """Return the same of whatever ISO 8601 writes with a T and an offset; raises TypeError for anything else."""
    written = value.upper() if isinstance(value, str) else ""
    if "T" not in written:
        raise TypeError
    try:
        parsed = datetime.fromisoformat(written)
        if parsed.tzinfo is None:
            raise TypeError
        utc = parsed if parsed.tzinfo is UTC else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise TypeError from error
    return utc.replace(tzinfo=None, microsecond=utc.microsecond // 1000 * 1000)


CHECKS: dict[str, Callable[[Any], Any]] = {
    "STRING": _string,
    "INTEGER": _integer,
    "DECIMAL": _decimal,
    "NUMERIC": _numeric,
    "BOOLEAN": _boolean,
    "DATE": day,
    "DATE_TIME": moment,
}


def kept(type_: str, value: Any, *, wrong: str = "WRONG_ATTRIBUTE_TYPE") -> Any:
    """Return a scalar as it is kept; refuses with `wrong`, TOO_LONG or INVALID."""
    try:
        return CHECKS[type_](value)
    except TypeError as error:
        raise Refused(wrong, f"This takes {WORDS[type_]}.") from error


def shown(type_: str, value: Any) -> Any:
    """Return a kept scalar as JSON shows it."""
    if type_ == "DATE":
        return value.strftime("%Y-%m-%d") if value.year > 999 else value.date().isoformat()  # noqa: PLR2004
    if type_ == "DATE_TIME":
        return clock.text(value)
    return value


def attribute(definition: AttributeDefinition, value: Any) -> Any:
    """Return the value of a custom attribute as it is kept; paths are relative to the value."""
    if definition.type == "LIST":
        return items(definition, value)
    return kept(definition.type, value)


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the items of a call; refuses what is no list, no object by its place in it, and too many."""
    if not isinstance(value, list):
        raise Refused("WRONG_ATTRIBUTE_TYPE", f"This takes {WORDS['LIST']}.")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise Refused("WRONG_ATTRIBUTE_TYPE", f"This takes {WORDS['LIST']}.", (str(index),))
    if len(value) > LIST_ITEMS_MAX:
        raise Refused("TOO_MANY", f"A call takes at most {LIST_ITEMS_MAX} items.")
    return value


def items(definition: AttributeDefinition, value: Any, known: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return new list items with ids of the server; ids of clients are refused unless `known`."""
    result = []
    for index, item in enumerate(objects(value)):
        given = dict(item)
        item_id = given.pop(ITEM_ID, None)
        if item_id is not None and not (isinstance(item_id, str) and item_id in known):
            raise Refused("INVALID", "The id of an item is made by the server.", (str(index), ITEM_ID))
        result.append({ITEM_ID: item_id or chance.uuid(), **item_fields(definition, given, str(index))})
    return result


def item_fields(definition: AttributeDefinition, given: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Check the fields of one item; null values are dropped."""
    types = {field.name: field.type for field in definition.item_fields}
    result = {}
    for name, value in given.items():
        if name not in types:
            raise Refused("UNKNOWN_PROPERTY", f"Items of {definition.name} have no field {name}.", (at, name))
        if value is None:
            continue
        try:
            result[name] = kept(types[name], value)
        except Refused as refusal:
            raise refusal.under(at, name) from refusal
    return result


def written(held: Mapping[str, Any], wished: Mapping[str, Any]) -> dict[str, Any]:
    """Return kept values after a wish, where None clears; items that are equal to one of before keep its id."""
    after = {**held, **wished}
    for name, value in wished.items():
        if isinstance(value, list) and name in held:
            after[name] = _again(held[name], value)
    return {name: value for name, value in after.items() if value is not None}


def _again(held: list[dict[str, Any]], wished: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the wished items; each that was there is the one that was, the first of equal ones first."""
    known: dict[frozenset[Any], list[dict[str, Any]]] = {}
    for item in reversed(held):
        known.setdefault(_content(item), []).append(item)
    return [same.pop() if (same := known.get(_content(item))) else item for item in wished]


def _content(item: Mapping[str, Any]) -> frozenset[Any]:
    return frozenset(pair for pair in item.items() if pair[0] != ITEM_ID)


def field_of(definition: AttributeDefinition) -> str:
    """Return where documents hold an attribute: lists apart, for an index on every item would outgrow its bounds."""
    return f"{'l' if definition.type == 'LIST' else 'a'}.{definition.id}"


def fields(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values as documents hold them: scalars, and lists."""
    lists = {name: value for name, value in values.items() if isinstance(value, list)}
    return ({name: value for name, value in values.items() if name not in lists} if lists else dict(values)), lists


def bounded(values: Mapping[str, Any]) -> None:
    """Refuse what would make a profile too large to be kept, with TOO_LONG; a few plain values never do."""
    if len(values) < VALUES_UNMEASURED and not any(isinstance(one, list) for one in values.values()):
        return
    if len(orjson.dumps(values, default=str)) > VALUES_BYTES_MAX:
        words = f"The custom attributes of a profile have at most {VALUES_BYTES_MAX:,} bytes together."
        raise Refused("TOO_LONG", words, ("customAttributes",))


def token(attribute_id: str, value: str) -> str:
    """Return the word by which an index knows a text attribute of that value, in any case; no search begins with it."""
    digest = hashlib.blake2b(text.caseless(value).encode(), digest_size=TOKEN_BYTES).hexdigest()
    return f"{token_prefix(attribute_id)}{digest}"


def token_prefix(attribute_id: str) -> str:
    """Return how all words of an attribute begin."""
    return f"={attribute_id}:"


def tokens(values: Mapping[str, Any]) -> list[str]:
    """Return the words of all text attributes."""
    return [token(name, value) for name, value in values.items() if isinstance(value, str)]


def present(definition: AttributeDefinition, value: Any) -> Any:
    """Return a kept value of an attribute as JSON shows it."""
    if definition.type != "LIST":
        return shown(definition.type, value)
    types = {field.name: field.type for field in definition.item_fields}
    return [{name: shown(types.get(name, "STRING"), one) for name, one in item.items()} for item in value]


def named(catalog: Catalog, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return kept values as JSON shows them, by the names of their attributes; those of deleted ones are left out."""
    known = catalog.attributes
    return {known[i].name: present(known[i], value) for i, value in values.items() if i in known}


def of_document(kept: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return the same of a profile's document."""
    return named(catalog, {**kept.get("a", {}), **kept.get("l", {})})


def tags_of(kept: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """Return the names of the tags of a profile's document that still exist."""
    return catalog.tag_names(kept.get("tags", []))


# Values of events are kept as JSON shows them.
_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    **CHECKS,
    "DATE": lambda value: shown("DATE", day(value)),
    "DATE_TIME": lambda value: shown("DATE_TIME", moment(value)),
}


def properties(declared: Mapping[str, EventField], given: Any, *, inside: bool = False) -> dict[str, Any]:
    """Check the properties of an event: a subset of what is declared, by name; values are kept as JSON shows them."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused("INVALID", "Properties are an object.")
    result = {}
    for name, value in given.items():
        field = declared.get(name)
        if field is None:
            raise Refused("UNKNOWN_PROPERTY", f"{name} is not declared for this event.", (name,))
        if value is None:
            continue
        check = _PROPERTIES.get(field.type)
        try:
            result[name] = check(value) if check else _listed(field, value, inside=inside)
        except TypeError as error:
            raise Refused("INVALID", f"This takes {WORDS[field.type]}.", (name,)) from error
        except Refused as refusal:
            raise refusal.under(name) from refusal
    return result


def _listed(field: EventField, value: Any, *, inside: bool) -> list[dict[str, Any]]:
    if inside or not isinstance(value, list):
        raise Refused("INVALID", f"This takes {WORDS['LIST']}.")
    declared = by_name(field.item_fields)
    result = []
    for index, item in enumerate(value):
        try:
            result.append(properties(declared, item, inside=True))
        except Refused as refusal:
            raise refusal.under(str(index)) from refusal
    return result
