"""Changes of the items of a LIST attribute: append, patch by id, take off. All pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog import values
from app.catalog.model import PERSON, AttributeDefinition, Catalog
from app.changes.model import Change, Effect, Scene, successor
from app.core.errors import Refusals, Refused
from app.persons.model import Person
from app.persons.plan import checked, event

ItemsRule = Callable[[AttributeDefinition, list[dict[str, Any]]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Items(Change[Person]):
    """Change the items of a LIST attribute by a rule."""

    definition: AttributeDefinition
    rule: ItemsRule

    def definitions(self) -> Collection[str] | None:
        """Return the list's own."""
        return (self.definition.id,)

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person with the new list."""
        before = checked(person, None)
        old = before.values.get(self.definition.id, [])
        new = self.rule(self.definition, old)
        if len(new) > values.LIST_TOTAL_MAX:
            raise Refused("TOO_MANY", f"A list has at most {values.LIST_TOTAL_MAX} items.", ("items",))
        if new == old:
            return Effect(before, before, ())
        after = successor(before, scene)
        rest = {key: value for key, value in before.values.items() if key != self.definition.id}
        after.values = {**rest, self.definition.id: new} if new else rest
        values.bounded(after.values)
        effect = Effect(before, after, ("customAttributes",))
        fields = [{"name": "customAttributes"}]
        effect.events.append(event(after, scene, "personUpdated", {"changedFields": fields}))
        return effect.announced()


def list_of(name: str, catalog: Catalog) -> AttributeDefinition:
    """Return the LIST attribute of a name; refuses with UNKNOWN_ATTRIBUTE or WRONG_ATTRIBUTE_TYPE."""
    definition = catalog.attribute(PERSON, name)
    if definition is None:
        raise Refusals([Refused("UNKNOWN_ATTRIBUTE", f"There is no attribute {name}.", ("attribute",))])
    if definition.type != "LIST":
        raise Refusals([Refused("WRONG_ATTRIBUTE_TYPE", f"{definition.name} is no list.", ("attribute",))])
    return definition


def appended(given: Any) -> ItemsRule:
    """Return the rule that puts new items behind the old ones."""

    def new(definition: AttributeDefinition) -> list[dict[str, Any]]:
        if given == []:
            raise Refused("REQUIRED", "Send at least one item.")
        return values.items(definition, given)

    return lambda definition, old: [*old, *_under("items", lambda: new(definition))]


def patched(given: Any) -> ItemsRule:
    """Return the rule that changes fields of items named by their ids; null clears a field."""
    return lambda definition, old: _under("items", lambda: _patch(definition, old, given))


def without(item_ids: Sequence[str] | None) -> ItemsRule:
    """Return the rule that takes off the items named, or all."""
    gone = None if item_ids is None else set(item_ids)
    return lambda _, old: [] if gone is None else [item for item in old if item[values.ITEM_ID] not in gone]


def _under(name: str, work: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return work()
    except Refused as refusal:
        raise refusal.under(name) from refusal


def _patch(definition: AttributeDefinition, old: list[dict[str, Any]], given: Any) -> list[dict[str, Any]]:
    result = {item[values.ITEM_ID]: item for item in old}
    for index, patch in enumerate(values.objects(given)):
        item_id = patch.get(values.ITEM_ID)
        if not isinstance(item_id, str) or item_id not in result:
            raise Refused("NOT_FOUND", "The list has no item of this id.", (str(index), values.ITEM_ID))
        fields = {name: value for name, value in patch.items() if name != values.ITEM_ID}
        new = values.item_fields(definition, fields, str(index))
        kept = {name: value for name, value in result[item_id].items() if name not in fields}
        result[item_id] = {**kept, **new}
    return list(result.values())
