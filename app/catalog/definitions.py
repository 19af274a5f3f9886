"""The rules of defining: names, types, fields, and what may be added to an event that exists. All pure."""

import re
from collections.abc import Sequence
from dataclasses import replace

from app.catalog.model import EventDefinition, EventField, ItemField
from app.core import text
from app.core.errors import Refused

NAME_MAX = 256
DESCRIPTION_MAX = 2000
TITLE_MAX = 100
EVENT_ID_MAX = 36
EVENT_FIELDS_MAX = 120
FIELD_NAME_MAX = 128
ITEM_FIELDS_MAX = 128
_BRACKETS = re.compile(r"[{}\[\]]")
_EVENT_ID = re.compile(r"[A-Za-z0-9]+")
_FIELD_NAME = re.compile(r"[a-z_][a-zA-Z0-9_]*")


def name(value: str, noun: str, *, brackets: bool = True) -> str:
    """Return the trimmed and composed name of a tag or an attribute; attributes take none of { } [ ]."""
    trimmed = text.composed(value).strip()
    if not trimmed:
        raise Refused("REQUIRED", f"The name of {noun} can't be empty.", ("name",))
    if len(trimmed) > NAME_MAX:
        raise Refused("TOO_LONG", f"The name of {noun} has at most {NAME_MAX} characters.", ("name",))
    text.line(trimmed, "name")
    if not brackets and _BRACKETS.search(trimmed):
        raise Refused("INVALID", f"The name of {noun} can't contain any of {{ }} [ ].", ("name",))
    return trimmed


def item_fields(type_: str, given: Sequence[ItemField]) -> tuple[ItemField, ...]:
    """Check the item fields of an attribute: a LIST has 1 to 128 of them, anything else none."""
    if type_ != "LIST":
        if given:
            raise Refused("INVALID", "Only a LIST has item fields.", ("itemFields",))
        return ()
    if not given:
        raise Refused("REQUIRED", "A LIST says which fields its items have.", ("itemFields",))
    if len(given) > ITEM_FIELDS_MAX:
        raise Refused("TOO_MANY", f"Items have at most {ITEM_FIELDS_MAX} fields.", ("itemFields",))
    seen: set[str] = set()
    for index, field in enumerate(given):
        at = ("itemFields", str(index))
        if field.type == "LIST":
            raise Refused("INVALID", "Lists can't be nested.", (*at, "type"))
        _field_name(field.name, at)
        if field.name.lower() in seen:
            raise Refused("INVALID", "A field stands there twice.", (*at, "name"))
        seen.add(field.name.lower())
    return tuple(given)


def _field_name(value: str, at: tuple[str, ...]) -> None:
    if len(value) > FIELD_NAME_MAX:
        raise Refused("TOO_LONG", f"A field name has at most {FIELD_NAME_MAX} characters.", (*at, "name"))
    if not _FIELD_NAME.fullmatch(value) or value.startswith("__"):
        raise Refused(
            "INVALID", "A field name starts with a small letter and has letters, digits and _.", (*at, "name")
        )


def event(definition: EventDefinition) -> EventDefinition:
    """Return a new event definition, its texts composed; refuses what can't be."""
    definition = replace(
        definition, title=text.composed(definition.title), description=described(definition.description)
    )
    if not definition.id or len(definition.id) > EVENT_ID_MAX or not _EVENT_ID.fullmatch(definition.id):
        raise Refused("INVALID", f"An event id has 1 to {EVENT_ID_MAX} letters and digits.", ("id",))
    if not definition.title.strip() or len(definition.title) > TITLE_MAX:
        code = "TOO_LONG" if len(definition.title) > TITLE_MAX else "REQUIRED"
        raise Refused(code, f"A title has 1 to {TITLE_MAX} characters.", ("title",))
    text.line(definition.title, "title")
    fields(definition.fields, ())
    return definition


def described(value: str | None) -> str | None:
    """Return a composed description; refuses one that is too long."""
    found = text.composed(value) if value else value
    if found and len(found) > DESCRIPTION_MAX:
        raise Refused("TOO_LONG", f"A description has at most {DESCRIPTION_MAX} characters.", ("description",))
    return found


def fields(given: Sequence[EventField], at: tuple[str, ...]) -> None:
    """Check declared fields: their number, names and types; at most one LIST, and none inside another."""
    limit = ITEM_FIELDS_MAX if at else EVENT_FIELDS_MAX
    where = (*at, "itemFields") if at else ("fields",)
    if len(given) > limit:
        raise Refused("TOO_MANY", f"There are at most {limit} fields.", where)
    seen: set[str] = set()
    lists = 0
    for index, field in enumerate(given):
        here = (*where, str(index))
        _field_name(field.name, here)
        if field.name.lower() in seen:
            raise Refused("INVALID", "A field stands there twice.", (*here, "name"))
        seen.add(field.name.lower())
        lists += field.type == "LIST"
        _nested(field, here, lists, inside=bool(at))


def _nested(field: EventField, here: tuple[str, ...], lists: int, *, inside: bool) -> None:
    if field.type != "LIST":
        if field.item_fields:
            raise Refused("INVALID", "Only a LIST has item fields.", (*here, "itemFields"))
        return
    if inside or lists > 1:
        raise Refused("INVALID", "An event has at most one LIST, and none inside it.", (*here, "type"))
    if not field.item_fields:
        raise Refused("REQUIRED", "A LIST says which fields its items have.", (*here, "itemFields"))
    fields(field.item_fields, here)


def grown(old: EventDefinition, new: EventDefinition) -> EventDefinition:
    """Return `old` with the additions of `new`: fields come, texts change, nothing is taken or retyped."""
    description = old.description if new.description is None else new.description
    joined = _joined(old.fields, new.fields, ("fields",))
    return replace(old, title=new.title, description=description, fields=joined)


def _joined(old: Sequence[EventField], new: Sequence[EventField], at: tuple[str, ...]) -> tuple[EventField, ...]:
    known = {field.name: field for field in old}
    folded = {field.name.lower(): field.name for field in old}
    result = dict(known)
    for index, field in enumerate(new):
        here = (*at, str(index))
        if folded.get(field.name.lower(), field.name) != field.name:
            raise Refused("INVALID", "A field of this name exists in another case.", (*here, "name"))
        before = known.get(field.name)
        if before and before.type != field.type:
            raise Refused("INVALID", f"{field.name} is {before.type} and stays it.", (*here, "type"))
        nested = _joined(before.item_fields, field.item_fields, (*here, "itemFields")) if before else field.item_fields
        result[field.name] = EventField(field.name, field.type, nested)
    return tuple(result.values())
