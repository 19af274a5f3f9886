"""What an account has defined: tags, custom attributes, events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core.text import caseless

PERSON, COMPANY = "PERSON", "COMPANY"


@dataclass(frozen=True, slots=True)
class Tag:
    """A label of persons and companies; they hold its id, so that a deleted and re-created name starts afresh."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ItemField:
    """One field of the items of a LIST attribute."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """A custom attribute; values are kept under its id, so any name works and old values never come back."""

    id: str
    target: str
    name: str
    type: str
    created_at: datetime
    description: str | None = None
    item_fields: tuple[ItemField, ...] = ()


@dataclass(frozen=True, slots=True)
class EventField:
    """One declared property of an event."""

    name: str
    type: str
    item_fields: tuple["EventField", ...] = ()


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """A kind of event; `standard` ones are ours and can't be sent by clients."""

    id: str
    title: str
    created_at: datetime
    description: str | None = None
    standard: bool = False
    fields: tuple[EventField, ...] = ()
    # The fields by name, made once: every event that comes in is held against them.
    declared: Mapping[str, EventField] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look the fields up by name from now on."""
        object.__setattr__(self, "declared", by_name(self.fields))


def by_name(fields: Iterable[EventField]) -> dict[str, EventField]:
    """Return fields by their names."""
    return {one.name: one for one in fields}


@dataclass(slots=True)
class Catalog:
    """All that one account has defined, in memory, with the look-ups that reads and writes need."""

    account: str
    tags: dict[str, Tag] = field(default_factory=dict)
    attributes: dict[str, AttributeDefinition] = field(default_factory=dict)
    events: dict[str, EventDefinition] = field(default_factory=dict)
    tags_by_name: dict[str, Tag] = field(default_factory=dict)
    attributes_by_name: dict[tuple[str, str], AttributeDefinition] = field(default_factory=dict)
    # Of the last deletion that it knows of.
    mark: str = ""
    # Ids still kept on documents whose definition is gone: seen once, never asked for again.
    gone: set[str] = field(default_factory=set)

    def add(self, one: Tag | AttributeDefinition | EventDefinition) -> None:
        """Take in a definition, or a newer state of it."""
        match one:
            case Tag():
                self.tags[one.id] = one
                self.tags_by_name[caseless(one.name)] = one
            case AttributeDefinition():
                self.attributes[one.id] = one
                self.attributes_by_name[one.target, caseless(one.name)] = one
            case EventDefinition():
                self.events[one.id] = one

    def drop(self, definition_id: str) -> None:
        """Forget a tag or an attribute."""
        self.gone.add(definition_id)
        tag = self.tags.pop(definition_id, None)
        if tag and self.tags_by_name.get(caseless(tag.name)) is tag:
            del self.tags_by_name[caseless(tag.name)]
        attribute = self.attributes.pop(definition_id, None)
        if attribute:
            name = attribute.target, caseless(attribute.name)
            if self.attributes_by_name.get(name) is attribute:
                del self.attributes_by_name[name]

    def tag(self, name: str) -> Tag | None:
        """Find a tag by name, in any case."""
        return self.tags_by_name.get(caseless(name))

    def attribute(self, target: str, name: str) -> AttributeDefinition | None:
        """Find an attribute by name, in any case."""
        return self.attributes_by_name.get((target, caseless(name)))

    def tag_names(self, ids: list[str]) -> list[str]:
        """Return the names of those tags that still exist."""
        tags = self.tags
        return [tags[tag_id].name for tag_id in ids if tag_id in tags]

    def knows(self, ids: Iterable[str]) -> bool:
        """Tell whether every id of tags or attributes is known, be it as gone."""
        for one in ids:  # noqa: SIM110 - a generator costs more than all the rest, and every read comes here
            if one not in self.tags and one not in self.attributes and one not in self.gone:
                return False
        return True

    def fits(self, documents: Iterable[Mapping[str, Any]]) -> bool:
        """Tell whether every tag and attribute that documents of profiles hold is known, be it as gone."""
        for kept in documents:
            for held in (kept.get("tags"), kept.get("a"), kept.get("l")):
                if held and not self.knows(held):
                    return False
        return True

    def note_gone(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Remember the ids that even a fresh catalog doesn't know, so that nobody asks for them again."""
        for kept in documents:
            ids: list[Any] = [*kept.get("tags", []), *kept.get("a", {}), *kept.get("l", {})]
            self.gone.update(one for one in ids if one not in self.tags and one not in self.attributes)
