"""Checks that persons and companies share: changes of lists, tags and custom attributes of an input. All pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.catalog import definitions, values
from app.catalog.model import Catalog
from app.core.errors import Refusals, Refused

T = TypeVar("T")

TAGS_PER_CALL_MAX = 1000


@dataclass(slots=True)
class Listing(Generic[T]):
    """A wish for a list: `replace` stands alone; otherwise what to add and what to take off."""

    replace: list[T] | None = None
    add: list[T] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


def joining(given: Listing[T] | None) -> Listing[T] | None:
    """Return the wish by which what would replace the list joins it instead."""
    return None if given is None else Listing(None, [*(given.replace or ()), *given.add])


class Checks:
    """Collects refusals, so that a caller sees all of them at once."""

    def __init__(self) -> None:
        self.refused: list[Refused] = []

    def run(self, check: Callable[..., Any], *args: Any, at: Sequence[str]) -> Any:
        """Return what `check` returns, or note its refusal under `at` and return None."""
        try:
            return check(*args)
        except Refused as refusal:
            self.refused.append(refusal.under(*at))
            return None

    def settle(self) -> None:
        """Raise what was refused."""
        if self.refused:
            raise Refusals(self.refused)


def lone(checks: Checks, given: Listing[Any], name: str) -> None:
    """Refuse `set` together with `add` or `remove`."""
    if given.replace is not None and (given.add or given.remove):
        checks.refused.append(Refused("INVALID", "`set` replaces all and stands alone.", (name, "set")))


def tags(checks: Checks, given: Listing[str] | None, *, nested: bool) -> Listing[str] | None:
    """Return the checked wish for tags; `nested` where they stand under `set` and `add` in the input."""
    if given is None:
        return None
    lone(checks, given, "tags")

    def all_of(part: str, names: list[str]) -> list[str]:
        at = ("tags", part) if nested else ("tags",)
        if len(names) > TAGS_PER_CALL_MAX:
            checks.refused.append(Refused("TOO_MANY", f"A call names at most {TAGS_PER_CALL_MAX} tags.", at))
            return []
        return [checks.run(tag_name, name, at=(*at, str(i))) for i, name in enumerate(names)]

    replace = None if given.replace is None else all_of("set", given.replace)
    return Listing(replace, all_of("add", given.add), given.remove)


def tag_name(name: str) -> str:
    """Return the trimmed name of a tag; its path is the list's own."""
    try:
        return definitions.name(name, "a tag")
    except Refused as refusal:
        raise Refused(refusal.code, refusal.message) from refusal


def attributes(checks: Checks, given: Any, target: str, catalog: Catalog) -> dict[str, Any]:
    """Return custom attributes by id, as kept; null clears."""
    at = ("customAttributes",)
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        checks.refused.append(Refused("INVALID", "Custom attributes are an object of name and value.", at))
        return {}
    result: dict[str, Any] = {}
    for name, value in given.items():
        definition = catalog.attribute(target, name)
        if definition is None:
            checks.refused.append(
                Refused("UNKNOWN_ATTRIBUTE", f"There is no attribute {name}. Define it first.", (*at, name))
            )
            continue
        if definition.id in result:
            checks.refused.append(Refused("INVALID", f"{definition.name} stands there twice.", (*at, name)))
            continue
        result[definition.id] = (
            None if value is None else checks.run(values.attribute, definition, value, at=(*at, name))
        )
    return result


def has_unknown(refusals: Refusals) -> bool:
    """Tell whether an attribute was unknown: it may have been defined by another process a moment ago."""
    return any(refusal.code == "UNKNOWN_ATTRIBUTE" for refusal in refusals.refusals)
