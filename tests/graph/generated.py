"""Documents of any schema, made by chance: aliases, arguments, fragments, directives by variables, all valid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

DEPTH = 5
FIELDS = 3
VARIABLES = ("yes", "no")
# Chooses a number below the given one.
Chance = Callable[[int], int]


@dataclass(slots=True)
class Author:
    """Writes documents; `arguments` are texts to choose from, by `Type.field`; never asks `shunned`."""

    schema: GraphQLSchema
    arguments: Mapping[str, Sequence[str]]
    shunned: frozenset[str] = frozenset()
    chance: Chance = lambda most: most - 1
    fragments: list[str] = field(default_factory=list)
    count: int = 0

    def query(self, roots: Sequence[str], chance: Chance) -> str:
        """Return a query of one to three of these root fields, given with their arguments."""
        self.chance, self.fragments, self.count = chance, [], 0
        kind = self.schema.query_type
        assert kind is not None
        parts = []
        for _ in range(1 + chance(3)):
            text = roots[chance(len(roots))]
            name = text.partition("(")[0]
            inner = get_named_type(kind.fields[name].type)
            parts.append(f"{self._alias()}: {text}{self._directive()} {self._selection(inner, DEPTH)}")
        head = "query(" + ", ".join(f"${name}: Boolean!" for name in VARIABLES) + ")"
        # Each is used, so that the document is valid whatever was chosen.
        used = "".join(f" v{name}: __typename @include(if: ${name})" for name in VARIABLES)
        return " ".join([head, "{", *parts, used, "}", *self.fragments])

    def _alias(self) -> str:
        self.count += 1
        return f"a{self.count}"

    def _directive(self) -> str:
        kind = self.chance(8)
        if kind > 1:
            return ""
        value = ("$yes", "$no", "true", "false")[self.chance(4)]
        return f" @{('include', 'skip')[kind]}(if: {value})"

    def _selection(self, kind: GraphQLNamedType, depth: int) -> str:
        if is_leaf_type(kind):
            return ""
        parts = [self._part(kind, depth) for _ in range(1 + self.chance(FIELDS))]
        return "{ __typename " + " ".join(parts) + " }"

    def _part(self, kind: GraphQLNamedType, depth: int) -> str:
        choice = self.chance(10)
        if choice == 0 and depth > 1:
            return self._inline(kind, depth)
        if choice == 1 and depth > 1:
            return self._spread(kind, depth)
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        names = [
            name
            for name, one in kind.fields.items()
            if name not in self.shunned
            and (depth > 1 or is_leaf_type(get_named_type(one.type)))
            and (not any(map(is_required_argument, one.args.values())) or self._known(kind, name))
        ]
        return self._field(kind, names[self.chance(len(names))], depth) if names else "__typename"

    def _known(self, kind: GraphQLNamedType, name: str) -> Sequence[str]:
        return self.arguments.get(f"{kind.name}.{name}", ())

    def _field(self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str, depth: int) -> str:
        known = self._known(kind, name)
        inner = self._selection(get_named_type(kind.fields[name].type), depth - 1)
        # Whatever has arguments or a selection gets a key of its own: two of one key would have to be equal.
        alias = f"{self._alias()}: " if known or inner or self.chance(4) == 0 else ""
        return f"{alias}{name}{known[self.chance(len(known))] if known else ''}{self._directive()} {inner}"

    def _inline(self, kind: GraphQLNamedType, depth: int) -> str:
        other = self._other(kind)
        condition = f" on {other.name}" if other is not kind or self.chance(2) else ""
        return f"...{condition}{self._directive()} {self._selection(other, depth - 1)}"

    def _spread(self, kind: GraphQLNamedType, depth: int) -> str:
        name, other = f"F{self._alias()}", self._other(kind)
        self.fragments.append(f"fragment {name} on {other.name} {self._selection(other, depth - 1)}")
        return f"...{name}{self._directive()}"

    def _other(self, kind: GraphQLNamedType) -> GraphQLNamedType:
        if is_abstract_type(kind):
            possible = self.schema.get_possible_types(kind)
            return possible[self.chance(len(possible))]
        return kind
