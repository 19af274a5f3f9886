"""Documents made from the schema itself: one for each operation, so that a new one is covered by itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from app.graph.schema import executable

SCHEMA = executable()
PLAIN: dict[str, Any] = {
    "String": "x",
    "ID": "x",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "JSON": {},
    "Date": "2000-01-01",
}


@dataclass(slots=True)
class Names:
    """What stands for whom: of each type and of some arguments a value."""

    types: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    def value(self, type_: GraphQLInputType, name: str = "") -> Any:
        """Return a value of a type: the smallest that is one."""
        bare = get_nullable_type(type_)
        if is_list_type(bare):
            return [self.value(bare.of_type, name)]
        named = get_named_type(bare)
        if name in self.arguments and named.name == "String":
            return self.arguments[name]
        if named.name in self.types:
            return self.types[named.name]
        if isinstance(named, GraphQLEnumType):
            return next(iter(named.values))
        if isinstance(named, GraphQLInputObjectType):
            return self._object(named)
        return PLAIN[named.name]

    def _object(self, named: GraphQLInputObjectType) -> dict[str, Any]:
        given = dict(named.fields.items())
        wanted = [name for name, one in given.items() if is_required_input_field(one)]
        if named.is_one_of:
            wanted = [next(iter(given))]
        return {name: self.value(given[name].type, name) for name in wanted}


@dataclass(frozen=True, slots=True)
class Operation:
    """One field of a root type."""

    kind: str
    name: str
    field: GraphQLField

    def request(self, names: Names, *more: str, depth: int = 0, **given: Any) -> tuple[str, dict[str, Any]]:
        """Return a document with its variables: the arguments that must be, `more` of the others, and what is given."""
        wanted = [name for name, one in self.field.args.items() if is_required_argument(one) or name in {*more, *given}]
        made = {name: names.value(self.field.args[name].type, name) for name in wanted if name not in given}
        variables = {**made, **given}
        heads = ", ".join(f"${name}: {self.field.args[name].type}" for name in wanted)
        arguments = ", ".join(f"{name}: ${name}" for name in wanted)
        shown = selection(get_named_type(self.field.type), depth)
        call = f"{self.name}({arguments})" if wanted else self.name
        return f"{self.kind}{f'({heads})' if heads else ''} {{ {call} {shown} }}", variables

    def takes(self, *types: str) -> list[str]:
        """Return the arguments of these types."""
        return [name for name, one in self.field.args.items() if get_named_type(one.type).name in types]


def selection(named: GraphQLNamedType, depth: int) -> str:
    """Return what of a type can be asked without arguments, objects in it to a depth."""
    if is_leaf_type(named):
        return ""
    shown = ["__typename"]
    fields = named.fields if depth and isinstance(named, GraphQLObjectType | GraphQLInterfaceType) else {}
    for name, one in fields.items():
        inner = get_named_type(one.type)
        if not any(is_required_argument(argument) for argument in one.args.values()) and (
            is_leaf_type(inner) or depth > 1
        ):
            shown.append(f"{name} {selection(inner, depth - 1)}")
    return f"{{ {' '.join(shown)} }}"


def operations() -> Iterator[Operation]:
    """Give every operation of the schema."""
    for kind, root in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        for name, one in (root.fields if root else {}).items():
            yield Operation(kind, name, one)


OPERATIONS = list(operations())
