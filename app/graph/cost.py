"""What an operation may cost at most, in nodes to load: pages multiply what is inside them, attributes are free.

The cost is worked out once per document; only page sizes that come by variables are left for the request.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

from app.core.errors import Fault
from app.core.pages import PAGE_DEFAULT
from app.identity.groups import GROUP_PERSONS_MAX

COST_MAX = 5_000
# Fields that cost more than what they show: a year of events is counted, thousands of persons are compared.
WEIGHTS = {"activityByDay": 10, "duplicatePersons": 500}
# Lists that come with their owner, and how many are in one at most: what is inside them is loaded for each.
HELD = {("DuplicateGroup", "persons"): GROUP_PERSONS_MAX}

Variables = Mapping[str, Any]
Cost = int | Callable[[Variables], int]


def too_expensive(cost: int) -> Fault:
    """Return the refusal of an operation that would load too much."""
    message = f"This operation costs {cost:,}, more than {COST_MAX:,}: ask for smaller pages."
    return Fault("COST_EXCEEDED", message, status=400, cost=cost, limit=COST_MAX)


def within(cost: Cost, variables: Variables) -> int:
    """Return the cost with these variables, or refuse with COST_EXCEEDED."""
    amount = cost if isinstance(cost, int) else cost(variables)
    if amount > COST_MAX:
        raise too_expensive(amount)
    return amount


class Meter:
    """Works out the costs of one validated document's operations."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._known: dict[tuple[str, str], Cost] = {}

    def operation(self, node: OperationDefinitionNode) -> Cost:
        """Return what `node` costs: a number, or a function of its coerced variables."""
        root = self._schema.get_root_type(node.operation)
        return 0 if root is None else self._selection(node.selection_set, root)

    def _selection(self, node: SelectionSetNode, parent: GraphQLNamedType) -> Cost:
        total: Cost = 0
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total = _add(total, self._field(selection, parent))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                total = _add(total, self._selection(selection.selection_set, inner or parent))
            elif isinstance(selection, FragmentSpreadNode):
                total = _add(total, self._fragment(selection.name.value, parent))
        return total

    def _fragment(self, name: str, parent: GraphQLNamedType) -> Cost:
        key = (name, parent.name)
        if key not in self._known:
            definition = self._fragments[name]
            inner = self._schema.get_type(definition.type_condition.name.value)
            self._known[key] = self._selection(definition.selection_set, inner or parent)
        return self._known[key]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> Cost:
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return 0
        field = parent.fields.get(node.name.value)
        if field is None:
            return 0
        named = get_named_type(field.type)
        paged = "first" in field.args
        if is_leaf_type(named) or not node.selection_set:
            return 0
        inner = self._selection(node.selection_set, named)
        if paged:
            return _add(WEIGHTS.get(node.name.value, 0), _multiply(_page(node, field), _add(1, inner)))
        # An embedded object comes with its owner; only what resolves is loaded.
        if getattr(field.resolve, "_is_default", False):
            held = HELD.get((parent.name, node.name.value))
            return _multiply(held, inner) if held else inner
        return _add(WEIGHTS.get(node.name.value, 1), inner)


def _page(node: FieldNode, field: GraphQLField) -> Cost:
    given = [
        _size(argument.value, _default(field, argument.name.value))
        for argument in node.arguments or ()
        if argument.name.value in ("first", "last")
    ]
    if not given:
        return _default(field, "first")
    # Only one of the two counts in a page that is served, so the larger is the bound.
    return given[0] if len(given) == 1 else lambda variables: max(_at(size, variables) for size in given)


def _default(field: GraphQLField, name: str) -> int:
    default = field.args[name].default_value
    return default if type(default) is int else PAGE_DEFAULT


def _size(value: ValueNode, default: int) -> Cost:
    if isinstance(value, IntValueNode):
        return max(0, int(value.value))
    if not isinstance(value, VariableNode):
        return default
    name = value.name.value

    def size(variables: Variables) -> int:
        given = variables.get(name)
        return max(0, given) if isinstance(given, int) else default

    return size


def _add(left: Cost, right: Cost) -> Cost:
    if isinstance(left, int):
        if isinstance(right, int):
            return left + right
        if left == 0:
            return right
    elif right == 0:
        return left
    return lambda variables: _at(left, variables) + _at(right, variables)


def _multiply(left: Cost, right: Cost) -> Cost:
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    return lambda variables: _at(left, variables) * _at(right, variables)


def _at(cost: Cost, variables: Variables) -> int:
    return cost if isinstance(cost, int) else cost(variables)
