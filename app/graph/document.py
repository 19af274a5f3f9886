"""Query text to everything that can be known from it: parsed, measured, validated, costed, with the plans of its lists.

Kept by text, the longest unused go first. What was refused is kept as well, so that it is cheap to refuse again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    GraphQLSyntaxError,
    Node,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    Visitor,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_variable_values,
)
from graphql.pyutils import print_path_list
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from app.core.errors import Fault
from app.core.steps import stepwise
from app.graph.coercion import FEW_ITEMS, LIST_ITEMS_MAX, Readers, TooLong, Unusual, bounded, one_by_one
from app.graph.cost import Cost, Meter
from app.graph.one_of import OneOfVariablesRule
from app.graph.precheck import CHARACTERS_MAX, read, tokens

DOCUMENTS_MAX = 2_000
TEXT_BYTES_MAX = 16 * 1024 * 1024
# A document in memory is a third of a kilobyte for each token.
TOKENS_KEPT_MAX = 400_000
ERRORS_MAX = 5
# Lists of more items than that are read step by step where somebody can wait.
LONG_ITEMS = 100
_NOTHING: Mapping[str, Any] = {}

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule, OneOfVariablesRule)


# Texts stand for themselves in these types, and truth values in that one.
_ITSELF: dict[Any, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


class Coercer:
    """Coerces the variables of one operation as graphql-core does, with its type look-ups done once."""

    def __init__(self, schema: GraphQLSchema, node: OperationDefinitionNode, readers: Readers) -> None:
        self._schema = schema
        self._nodes = node.variable_definitions or ()
        signatures = [get_variable_signature(schema, definition) for definition in self._nodes]
        # A validated operation has input types only and no broken default.
        self._signatures = [
            _Slot(signature, readers) for signature in signatures if not isinstance(signature, GraphQLError)
        ]
        self.names = [slot.signature.name for slot in self._signatures]
        self._none = VariableValues({}, {})

    def coerce(
        self, inputs: dict[str, Any] | None, taken: Mapping[str, Any] = _NOTHING
    ) -> VariableValues | list[GraphQLError]:
        """Return the values, or what graphql-core has to say against them; `taken` have been read before."""
        if not self._signatures:
            return self._none
        inputs = inputs or {}
        try:
            return self._shortly(inputs, taken)
        except Unusual:
            return self._slowly(inputs)
        except _Wrong as wrong:
            return wrong.errors
        except TooLong as error:
            return [GraphQLError(str(error))]

    def long(self, inputs: dict[str, Any] | None) -> bool:
        """Tell whether there is so much in a list that others should get their turn meanwhile."""
        return any(value.__class__ is list and len(value) > LONG_ITEMS for value in (inputs or {}).values())

    async def coerce_in_steps(self, inputs: dict[str, Any]) -> VariableValues | list[GraphQLError]:
        """Return the same as `coerce`; others get their turn in between, but for what is wrong."""
        taken: dict[str, Any] = {}
        for slot in self._signatures:
            value = inputs.get(slot.signature.name)
            if slot.item is None or value.__class__ is not list or not LONG_ITEMS < len(value) <= LIST_ITEMS_MAX:
                continue
            try:
                taken[slot.signature.name] = await stepwise(slot.item[1], value)
            except (Unusual, GraphQLError, RecursionError):
                break
        return self.coerce(inputs, taken)

    def _shortly(self, inputs: dict[str, Any], taken: Mapping[str, Any]) -> VariableValues:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for slot in self._signatures:
            name = slot.signature.name
            value = inputs.get(name, Undefined)
            if value is Undefined:
                if not slot.optional:
                    raise Unusual
                sources[name] = slot.absent
                if slot.default is not Undefined:
                    coerced[name] = slot.default
                continue
            if type(value) is not slot.itself:
                value = taken[name] if name in taken else slot.taken(value)
            sources[name] = VariableValueSource(slot.signature, inputs[name])
            coerced[name] = value
        return VariableValues(sources, coerced)

    def _slowly(self, inputs: dict[str, Any]) -> VariableValues | list[GraphQLError]:
        try:
            bounded(inputs)
        except TooLong as error:
            return [GraphQLError(str(error))]
        return get_variable_values(self._schema, self._nodes, inputs, max_errors=ERRORS_MAX, hide_suggestions=True)


class _Wrong(Exception):  # noqa: N818 - read as what it says
    """What is wrong with some of very many rows."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class _Slot:
    """One variable: its signature, and the type whose values need no look."""

    __slots__ = ("absent", "default", "item", "itself", "optional", "read", "signature")

    def __init__(self, signature: GraphQLVariableSignature, readers: Readers) -> None:
        kind = signature.type
        inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        self.signature = signature
        self.absent = VariableValueSource(signature)
        self.default = Undefined if signature.default is None else coerce_default_value(signature)
        self.optional = inner is kind or self.default is not Undefined
        self.itself = _ITSELF.get(inner)
        self.read = readers.of(kind)
        self.item = (inner.of_type, readers.of(inner.of_type)) if isinstance(inner, GraphQLList) else None

    def taken(self, value: Any) -> Any:
        """Return the value as it is used; raises Unusual where graphql-core has to look at it, _Wrong for a row."""
        try:
            return self.read(value)
        except (Unusual, GraphQLError, RecursionError):
            if self.item is None or value.__class__ is not list or len(value) <= FEW_ITEMS:
                raise Unusual from None
        items, wrong = one_by_one(*self.item, value, ERRORS_MAX)
        if wrong:
            about = f"Variable '${self.signature.name}' has invalid value"
            raise _Wrong([GraphQLError(f"{about}{print_path_list(path)}: {error.message}") for error, path in wrong])
        return items


@dataclass(slots=True, eq=False)
class Operation:
    """One operation of a valid document, ready to run; `plans` belongs to the executor."""

    node: OperationDefinitionNode
    kind: str
    name: str | None
    cost: Cost
    coercer: Coercer
    # The variables that decide which fields are there at all, by @skip and @include.
    switches: tuple[str, ...]
    # One of its plans needs no task; see `direct`.
    direct: bool = False
    plans: dict[tuple[Any, ...], Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Document:
    """One query text. `refusal` or `errors` say why it can't run; where neither does, `operations` are there.

    `code` is that of its errors; `weight` counts the tokens that it holds on to.
    """

    text: str
    ast: DocumentNode | None = None
    refusal: Fault | None = None
    errors: tuple[GraphQLError, ...] = ()
    code: str = "VALIDATION_FAILED"
    weight: int = 0
    introspects: bool = False
    operations: dict[str | None, Operation] = field(default_factory=dict)
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    details: dict[str, FragmentDetails] = field(default_factory=dict)

    def operation(self, name: str | None) -> Operation:
        """Return the operation to run, or refuse with VALIDATION_FAILED where `name` does not name one."""
        operations = self.operations
        if not name:
            if len(operations) == 1:
                return next(iter(operations.values()))
            message = "This document has several operations: say which by `operationName`."
            raise Fault("VALIDATION_FAILED", message, status=400)
        found = operations.get(name)
        if found is None:
            raise Fault("VALIDATION_FAILED", f"There is no operation named {name!r} in this document.", status=400)
        return found


class Documents:
    """The documents of one schema, at most `capacity` of them, TEXT_BYTES_MAX of text and TOKENS_KEPT_MAX."""

    def __init__(self, schema: GraphQLSchema, capacity: int = DOCUMENTS_MAX) -> None:
        self.schema = schema
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self.size_bytes = 0
        self.tokens = 0
        self._kept: dict[str, Document] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def held(self, text: str, name: str | None) -> Operation | None:
        """Return the operation of a document that is at hand and can run, else None; it doesn't count as used."""
        document = self._kept.get(text)
        if document is None or document.introspects or document.refusal or document.errors:
            return None
        if name:
            return document.operations.get(name)
        return next(iter(document.operations.values())) if len(document.operations) == 1 else None

    def get(self, text: str) -> Document:
        """Return the document of `text`; one that can't run says so itself."""
        kept = self._kept
        document = kept.pop(text, None)
        if document is not None:
            self.hits += 1
            kept[text] = document
            return document
        self.misses += 1
        document = prepare(self.schema, text)
        # A text beyond the limit of characters is refused by its length alone: nothing to gain by keeping it.
        if len(text) > CHARACTERS_MAX:
            return document
        kept[text] = document
        self.size_bytes += len(text)
        self.tokens += document.weight
        while len(kept) > self.capacity or self.size_bytes > TEXT_BYTES_MAX or self.tokens > TOKENS_KEPT_MAX:
            oldest = next(iter(kept))
            self.size_bytes -= len(oldest)
            self.tokens -= kept.pop(oldest).weight
        return document


def prepare(schema: GraphQLSchema, text: str) -> Document:
    """Read, check and validate `text`."""
    try:
        ast = read(text)
    except Fault as fault:
        return Document(text, refusal=fault)
    except GraphQLSyntaxError as error:
        return Document(text, errors=(_bare(error),), code="PARSE_FAILED")
    errors = validate(schema, ast, RULES, max_errors=ERRORS_MAX, hide_suggestions=True)
    if errors:
        return Document(text, errors=tuple(_bare(error) for error in errors))
    fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
    nodes = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    if not nodes:
        return Document(text, refusal=Fault("VALIDATION_FAILED", "This document has no operation.", status=400))
    survey = _survey(ast)
    document = Document(text, ast, introspects=survey.introspects, fragments=fragments)
    document.weight = sum(1 for _ in tokens(ast))
    document.details = {name: FragmentDetails(node) for name, node in fragments.items()}
    document.operations = _operations(schema, nodes, fragments, tuple(sorted(survey.switches)))
    return document


def _bare(error: GraphQLError) -> GraphQLError:
    """Return an error that says the same and holds on to nothing of the document."""
    bare = GraphQLError(error.message)
    bare.locations = error.locations
    return bare


def _operations(
    schema: GraphQLSchema,
    nodes: list[OperationDefinitionNode],
    fragments: Mapping[str, FragmentDefinitionNode],
    switches: tuple[str, ...],
) -> dict[str | None, Operation]:
    meter, readers = Meter(schema, fragments), Readers()
    operations: dict[str | None, Operation] = {}
    for node in nodes:
        name = node.name.value if node.name else None
        cost, coercer = meter.operation(node), Coercer(schema, node, readers)
        operations[name] = Operation(node, node.operation.value, name, cost, coercer, switches)
    return operations


def _survey(ast: DocumentNode) -> "_Survey":
    survey = _Survey()
    visit(ast, survey)
    return survey


class _Survey(Visitor):
    """Finds what a document asks about the schema, and which variables stand in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.introspects = False
        self.switches: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value in ("__schema", "__type"):
            self.introspects = True

    def enter_directive(self, node: Node, *_: Any) -> None:
        visit(node, _Names(self.switches))


class _Names(Visitor):
    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
