"""A selection, made ready once: which attribute or resolver fills which key, and what shape its value has.

Follows GraphQL's CollectFields and merges selections of one response key; built per operation and per set of @skip and
@include values, so that a run neither looks at a document nor at the schema.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    is_abstract_type,
    is_required_input_field,
)
from graphql.execution.values import VariableValues
from graphql.language import visitor
from graphql.utilities.coerce_input_value import coerce_input_literal

from app.core.sources import Sources

Arguments = Callable[[VariableValues], dict[str, Any]]
Serialize = Callable[[Any], Any]
Values = Mapping[str, Any]
Make = Callable[[Values], Any]

# So many items of a list are completed at once; of longer ones the rest goes step by step.
AT_ONCE = 50
# A value of this class is its own serialization; anything else goes the long way.
_ITSELF: dict[str, type] = {"String": str, "ID": str, "Boolean": bool, "Float": float}


@dataclass(slots=True, eq=False)
class Shape:
    """What a value is completed to: exactly one of `serialize`, `plan`, `plans` and `item` is there."""

    nullable: bool
    itself: type[Any] | None = None
    serialize: Serialize | None = None
    plan: "Sequence[Slot] | None" = None
    # Of an abstract type: the plan of each possible type, and what tells them apart.
    plans: "Mapping[str, Sequence[Slot]] | None" = None
    kind_of: Callable[[Any, Any, Any], str] | None = None
    item: "Shape | None" = None
    # Of an object of plain attributes: shows one at once, or raises; see `compiled`.
    show: Callable[[Any], dict[str, Any]] | None = None


@dataclass(slots=True, eq=False)
class Slot:
    """One response key. `attribute` names what is read; otherwise `resolve` is called, or `constant` is the value."""

    key: str
    owner: str
    name: str
    nodes: Sequence[FieldNode]
    shape: Shape
    attribute: str | None
    resolve: Callable[..., Any] | None
    fixed: dict[str, Any] | None
    arguments: Arguments | None
    constant: str | None = None
    # Of a page: where its items' attributes stand in documents, and what shows them from there; see `compiled`.
    sources: Sources | None = None
    rows: Any = None
    # Of one profile: how its document is read by key, and what shows it; see `direct`.
    keyed: Any = None
    whole: Any = None


class Planner:
    """Makes the plans of one document with one set of switches."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        switches: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._switches = switches

    def plan(self, kind: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> Sequence[Slot]:
        """Return the slots of an object type for selection sets that count together."""
        grouped: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for one in selections:
            for node in self._fields(kind, one, seen):
                key = node.alias.value if node.alias else node.name.value
                grouped.setdefault(key, []).append(node)
        return tuple(self._slot(kind, key, nodes) for key, nodes in grouped.items())

    def _fields(self, kind: GraphQLObjectType, selection: SelectionSetNode, seen: set[str]) -> Iterator[FieldNode]:
        for node in selection.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                if self._applies(kind, node.type_condition.name.value if node.type_condition else None):
                    yield from self._fields(kind, node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments[node.name.value]
                if self._applies(kind, fragment.type_condition.name.value):
                    yield from self._fields(kind, fragment.selection_set, seen)

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                value = directive.arguments[0].value
                switch = value.value if isinstance(value, BooleanValueNode) else self._switches[value.name.value]
                if switch is (directive.name.value == "skip"):
                    return False
        return True

    def _applies(self, kind: GraphQLObjectType, condition: str | None) -> bool:
        if condition is None or condition == kind.name:
            return True
        other = self._schema.type_map[condition]
        return is_abstract_type(other) and self._schema.is_sub_type(other, kind)

    def _slot(self, kind: GraphQLObjectType, key: str, nodes: Sequence[FieldNode]) -> Slot:
        name = nodes[0].name.value
        if name == "__typename":
            return Slot(key, kind.name, name, nodes, Shape(nullable=False), None, None, None, None, kind.name)
        field = kind.fields[name]
        attribute = getattr(field.resolve, "attribute", None)
        fixed, arguments = (None, None) if attribute else arguments_of(field, nodes[0])
        selections = [node.selection_set for node in nodes if node.selection_set]
        shape = self._shape(field.type, selections)
        sources = getattr(field.resolve, "sources", None)
        slot = Slot(key, kind.name, name, nodes, shape, attribute, field.resolve, fixed, arguments, sources=sources)
        slot.keyed = getattr(field.resolve, "keyed", None)
        return slot

    def _shape(self, kind: Any, selections: Sequence[SelectionSetNode]) -> Shape:
        nullable = not isinstance(kind, GraphQLNonNull)
        inner = kind if nullable else kind.of_type
        if isinstance(inner, GraphQLList):
            return Shape(nullable, item=self._shape(inner.of_type, selections))
        if isinstance(inner, GraphQLScalarType | GraphQLEnumType):
            return Shape(nullable, _ITSELF.get(inner.name), serialize=_serializer(inner))
        if isinstance(inner, GraphQLObjectType):
            return Shape(nullable, plan=self.plan(inner, selections))
        return self._abstract(inner, selections, nullable=nullable)

    def _abstract(
        self, kind: GraphQLInterfaceType | GraphQLUnionType, selections: Sequence[SelectionSetNode], *, nullable: bool
    ) -> Shape:
        plans = {one.name: self.plan(one, selections) for one in self._schema.get_possible_types(kind)}
        kind_of: Any = kind.resolve_type
        return Shape(nullable, plans=plans, kind_of=kind_of)


def _serializer(kind: GraphQLNamedType) -> Serialize:
    if isinstance(kind, GraphQLEnumType) and all(name == value.value for name, value in kind.values.items()):
        names = {name: name for name in kind.values}
        return names.__getitem__
    assert isinstance(kind, GraphQLScalarType | GraphQLEnumType)  # noqa: S101 - its caller looked
    serialize: Serialize = kind.coerce_output_value
    return serialize


def arguments_of(field: GraphQLField, node: FieldNode) -> tuple[dict[str, Any] | None, Arguments | None]:
    """Return the arguments, where they are always the same, or how to get them from variables."""
    if not field.args:
        return {}, None
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    varying = {name for name, value in given.items() if _varies(value)}
    rest = {name: argument for name, argument in field.args.items() if name not in varying}
    fixed = get_argument_values(GraphQLField(field.type, rest), node)
    if not varying:
        return fixed, None
    makers = [(field.args[name].out_name or name, made(given[name], field.args[name].type)) for name in varying]

    def slowly(variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(field, node, variables, hide_suggestions=True)

    def arguments(variables: VariableValues) -> dict[str, Any]:
        values = variables.coerced
        try:
            return {**fixed, **{out: make(values) for out, make in makers}}
        except LookupError:  # a variable is absent, or null where there must be a value: the long way has the rules
            return slowly(variables)

    return None, arguments


def made(value: ValueNode, kind: Any) -> Make:
    """Return what builds an argument's value from the coerced variables; that raises LookupError for a rare case.

    A variable of a validated document has the type of its place, so its value is taken as it is.
    """
    needed = isinstance(kind, GraphQLNonNull)
    inner = kind.of_type if needed else kind
    if isinstance(value, VariableNode):
        name = value.name.value
        return _needed(name) if needed else lambda values: values[name]
    if not _varies(value):
        fixed = coerce_input_literal(value, kind)
        return lambda _: fixed
    if isinstance(value, ListValueNode) and isinstance(inner, GraphQLList):
        makers = [made(one, inner.of_type) for one in value.values]
        return lambda values: [make(values) for make in makers]
    if isinstance(value, ObjectValueNode) and isinstance(inner, GraphQLInputObjectType):
        return _object(value, inner)
    return _rare


def _object(value: ObjectValueNode, kind: GraphQLInputObjectType) -> Make:
    given = {field.name.value: field.value for field in value.fields}
    makers = {name: made(one, _place(kind, name)) for name, one in given.items()}
    defaults = coerce_input_literal(ObjectValueNode(fields=()), _optional(kind))

    def make(values: Values) -> dict[str, Any]:
        return {**defaults, **{name: one(values) for name, one in makers.items()}}

    return make


def _place(kind: GraphQLInputObjectType, name: str) -> Any:
    # Exactly one field of a OneOf object is there, and it is not null.
    field = kind.fields[name].type
    return GraphQLNonNull(field) if kind.is_one_of and not isinstance(field, GraphQLNonNull) else field


def _optional(kind: GraphQLInputObjectType) -> GraphQLInputObjectType:
    """Return the same object with its optional fields alone, for the defaults of those that are absent."""
    fields = {name: field for name, field in kind.fields.items() if not is_required_input_field(field)}
    return GraphQLInputObjectType(kind.name, fields)


def _needed(name: str) -> Make:
    def make(values: Values) -> Any:
        value = values[name]
        if value is None:
            raise LookupError(name)
        return value

    return make


def _rare(_: Values) -> Any:
    raise LookupError


class _Finder(visitor.Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, *_: Any) -> None:
        self.found = True


def _varies(value: ValueNode) -> bool:
    finder = _Finder()
    visitor.visit(value, finder)
    return finder.found
