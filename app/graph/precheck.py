"""One linear look at a document before anything expensive: size, depth, repetition, counted after fragments.

A fragment is counted once and remembered, so nested fragments cost what their text costs.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Token,
    TokenKind,
    parse,
)

from app.core.errors import Fault

CHARACTERS_MAX = 20_000
TOKENS_MAX = 2_000
DEPTH_MAX = 15
ALIASES_MAX = 30
ROOT_FIELDS_MAX = 20
SAME_KEY_MAX = 5
FIELDS_MAX = 600
# Validation compares each fragment with each other, and looks through all of them for each operation.
OPERATIONS_MAX = 50
FRAGMENTS_MAX = 50
# What is wrong in a literal is told with all of it written out, for each error anew.
LITERAL_FIELDS_MAX = 300
# Each value of a list is looked at by each rule, and once more by who reads it.
LITERAL_ITEMS_MAX = 1_000
_VALUES = (TokenKind.INT, TokenKind.FLOAT, TokenKind.STRING, TokenKind.BLOCK_STRING, TokenKind.NAME)


class Measure(NamedTuple):
    """What a selection set amounts to with its fragments written out."""

    depth: int
    fields: int
    keys: Counter[str]


NOTHING = Measure(0, 0, Counter())


def exceeded(what: str, limit: int) -> Fault:
    """Return the refusal of a document that is too large in one respect."""
    return Fault("COST_EXCEEDED", f"This document is too expensive: at most {limit:,} {what}.", status=400, limit=limit)


def read(text: str) -> DocumentNode:
    """Parse `text` and check its size; refuses with COST_EXCEEDED, or with the parser's own syntax error."""
    if len(text) > CHARACTERS_MAX:
        raise exceeded("characters", CHARACTERS_MAX)
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLSyntaxError as error:
        if f"more than {TOKENS_MAX} tokens" in error.message:
            raise exceeded("tokens", TOKENS_MAX) from None
        raise
    check(document)
    return document


def check(document: DocumentNode) -> None:
    """Refuse a parsed document with COST_EXCEEDED where it is too deep, too wide or repeats itself too often."""
    _number(document)
    ruler = _Ruler(document)
    try:
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                ruler.operation(definition)
        ruler.fragments()
    except RecursionError:
        raise exceeded("levels", DEPTH_MAX) from None


def tokens(document: DocumentNode) -> Iterator[Token]:
    """Give the tokens of a parsed document."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        yield token
        token = token.next


def _number(document: DocumentNode) -> None:
    definitions = document.definitions
    if sum(isinstance(node, OperationDefinitionNode) for node in definitions) > OPERATIONS_MAX:
        raise exceeded("operations", OPERATIONS_MAX)
    if sum(isinstance(node, FragmentDefinitionNode) for node in definitions) > FRAGMENTS_MAX:
        raise exceeded("fragments", FRAGMENTS_MAX)
    fields, items = _literals(document)
    if fields > LITERAL_FIELDS_MAX:
        raise exceeded("fields of objects that are written out: send them as variables", LITERAL_FIELDS_MAX)
    if items > LITERAL_ITEMS_MAX:
        raise exceeded("values of lists that are written out: send them as variables", LITERAL_ITEMS_MAX)


def _literals(document: DocumentNode) -> tuple[int, int]:
    """Count `name: value` in braces that stand in parentheses: those of a selection never do; and values in brackets.

    The names of types stand in brackets as well.
    """
    parentheses, braces, brackets, fields, items = 0, 0, 0, 0, 0
    for token in tokens(document):
        kind = token.kind
        if kind is TokenKind.COLON:
            fields += braces > 0
        elif kind is TokenKind.PAREN_L or kind is TokenKind.PAREN_R:
            parentheses += 1 if kind is TokenKind.PAREN_L else -1
        elif kind is TokenKind.BRACKET_L or kind is TokenKind.BRACKET_R:
            brackets += 1 if kind is TokenKind.BRACKET_L else -1
        elif kind is TokenKind.BRACE_L or kind is TokenKind.BRACE_R:
            if parentheses:
                braces += 1 if kind is TokenKind.BRACE_L else -1
        elif brackets and kind in _VALUES:
            items += 1
    return fields, items


class _Ruler:
    """Measures one document."""

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Measure] = {}
        self._aliases = 0

    def operation(self, node: OperationDefinitionNode) -> None:
        """Check one operation, with the fragments that it uses."""
        measure = self._selection(node.selection_set, 1)
        if measure.keys.total() > ROOT_FIELDS_MAX:
            raise exceeded("root fields", ROOT_FIELDS_MAX)

    def fragments(self) -> None:
        """Check the fragments that no operation uses; validation walks over them too."""
        for name in self._definitions:
            self._fragment(name)

    def _fragment(self, name: str) -> Measure:
        known = self._measured.get(name)
        if known is None:
            # Stands for itself inside a cycle; validation names the cycle afterwards.
            self._measured[name] = NOTHING
            definition = self._definitions.get(name)
            known = NOTHING if definition is None else self._selection(definition.selection_set, 1)
            self._measured[name] = known
        return known

    def _selection(self, node: SelectionSetNode, level: int) -> Measure:
        if level > DEPTH_MAX:
            raise exceeded("levels", DEPTH_MAX)
        depth, fields, keys = 0, 0, Counter[str]()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                part = self._field(selection, level)
            elif isinstance(selection, InlineFragmentNode):
                part = self._selection(selection.selection_set, level)
            elif isinstance(selection, FragmentSpreadNode):
                part = self._fragment(selection.name.value)
            else:
                part = NOTHING
            depth, fields = max(depth, part.depth), fields + part.fields
            keys.update(part.keys)
            _limit(depth, fields)
        if keys and max(keys.values()) > SAME_KEY_MAX:
            raise exceeded("fields of the same response key in one selection", SAME_KEY_MAX)
        return Measure(depth, fields, keys)

    def _field(self, node: FieldNode, level: int) -> Measure:
        if node.alias:
            self._aliases += 1
            if self._aliases > ALIASES_MAX:
                raise exceeded("aliases", ALIASES_MAX)
        inner = self._selection(node.selection_set, level + 1) if node.selection_set else NOTHING
        key = node.alias.value if node.alias else node.name.value
        return Measure(inner.depth + 1, inner.fields + 1, Counter((key,)))


def _limit(depth: int, fields: int) -> None:
    if depth > DEPTH_MAX:
        raise exceeded("levels", DEPTH_MAX)
    if fields > FIELDS_MAX:
        raise exceeded("fields", FIELDS_MAX)
