"""Documents are read once, checked in linear time, priced, and kept within bounds."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.errors import Fault
from app.graph import document as documents_
from app.graph import precheck
from app.graph.coercion import LIST_ITEMS_MAX
from app.graph.cost import within
from app.graph.document import Documents, prepare
from app.graph.precheck import read
from app.graph.schema import executable
from tests.graph.toy import schema

SCHEMA = schema._schema


def code(text: str) -> str:
    """Return what the pre-check refuses a document with."""
    with pytest.raises(Fault) as caught:
        read(text)
    return caught.value.code


def nested(levels: int) -> str:
    """Return fragments that double with each level when written out."""
    parts = [f"fragment f{i} on Query {{ ...f{i + 1} ...f{i + 1} }}" for i in range(levels)]
    return "{ ...f0 } " + " ".join(parts) + f" fragment f{levels} on Query {{ hello }}"


@pytest.mark.parametrize(
    "text",
    [
        "{ hello }" + " " * 20_000,
        "{ " + "hello " * 2_001 + "}",
        "{ a" * 16 + " }" * 16,
        "{ " + " ".join(f"a{i}: hello" for i in range(31)) + " }",
        "{ " + " ".join(f"a{i}" for i in range(21)) + " }",
        "{ " + "hello " * 6 + "}",
        "{ x { " + " ".join(f"a{i}" for i in range(601)) + " } }",
        nested(30),
        nested(60),
    ],
)
def test_what_is_too_large_is_refused_at_once(text: str) -> None:
    """Characters, tokens, depth, aliases, root fields, repetition, fields, and fragments that explode."""
    assert code(text) == "COST_EXCEEDED"


def operations(number: int) -> str:
    """Write so many operations."""
    return " ".join(f"query q{i} {{ hello }}" for i in range(number))


def fragments(number: int) -> str:
    """Write so many fragments, each spread by the one before it."""
    chain = [f"fragment f{i} on Query {{ ...f{i + 1} }}" for i in range(number - 1)]
    return " ".join(["{ ...f0 }", *chain, f"fragment f{number - 1} on Query {{ hello }}"])


def literals(number: int) -> str:
    """Write so many fields of objects, in each place where a literal may stand."""
    inner = " ".join(f"f{i}: {{}}" for i in range(number - 4))
    return (
        f"query($a: X = {{a: 1}}) @x(a: {{a: 1}}) {{ a: hello(b: [{{c: {{{inner}}}}}]) @y(a: {{b: $a}}) {{ c: d }} }}"
    )


def items(number: int) -> str:
    """Write so many values of lists, of each kind and in each place where one may stand."""
    inner = " ".join(("1", "1.5", '"x"', "X")[i % 4] for i in range(number - 4))
    return f"query($a: [X], $b: [X] = [1]) {{ hello(a: [{inner}] b: {{c: [$a]}}) @y(a: 1) {{ c }} }}"


BUILDERS = [
    (operations, precheck.OPERATIONS_MAX),
    (fragments, precheck.FRAGMENTS_MAX),
    (literals, precheck.LITERAL_FIELDS_MAX),
    (items, precheck.LITERAL_ITEMS_MAX),
]


@pytest.mark.parametrize(("build", "limit"), BUILDERS)
def test_what_validation_compares_with_each_other_is_bounded(build: Callable[[int], str], limit: int) -> None:
    """Operations, fragments, fields of literals: up to the limit, and no further."""
    read(build(limit))
    assert code(build(limit + 1)) == "COST_EXCEEDED"


def test_a_refused_document_holds_on_to_nothing_but_its_words() -> None:
    """A stranger's documents fill the cache with a few sentences, not with trees."""
    for text, wanted in (("{ nope }", "VALIDATION_FAILED"), ("{ hello", "PARSE_FAILED")):
        document = prepare(SCHEMA, text)
        (error,) = document.errors
        assert (document.ast, document.weight, document.code) == (None, 0, wanted)
        assert (error.nodes, error.source, error.__traceback__) == (None, None, None)
        assert error.formatted["locations"]
    assert prepare(SCHEMA, "{ hello }").weight == 5


def test_the_cache_is_bounded_by_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few large documents take the place of many small ones."""
    monkeypatch.setattr(documents_, "TOKENS_KEPT_MAX", 20)
    documents = Documents(SCHEMA)
    for number in range(5):
        documents.get(f"query q{number} {{ hello }}")
    assert (len(documents), documents.tokens) == (2, 14)


def test_a_cycle_of_fragments_ends() -> None:
    """It is measured once, and left to validation to name."""
    document = prepare(SCHEMA, "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")
    assert any("itself" in error.message for error in document.errors)


def test_a_document_is_prepared_once() -> None:
    """The second time it comes from the cache, errors too."""
    documents = Documents(SCHEMA)
    first = documents.get("{ hello }")
    assert documents.get("{ hello }") is first
    assert documents.get("{ nonsense }") is documents.get("{ nonsense }")
    assert (documents.hits, documents.misses, len(documents)) == (2, 2, 2)


def test_the_cache_is_bounded() -> None:
    """The oldest goes; texts that are refused by length never enter."""
    documents = Documents(SCHEMA, capacity=2)
    kept = [documents.get(f"query q{number} {{ hello }}") for number in range(3)]
    assert len(documents) == 2
    assert documents.get("query q2 { hello }") is kept[2]
    documents.get("{ hello }" + " " * 20_000)
    assert len(documents) == 2


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("query a { hello } query b { hello }", None, "VALIDATION_FAILED"),
        ("query a { hello }", "b", "VALIDATION_FAILED"),
    ],
)
def test_an_operation_must_be_named(text: str, name: str | None, expected: str) -> None:
    """Several without a name, and a name that there is not."""
    with pytest.raises(Fault) as caught:
        prepare(SCHEMA, text).operation(name)
    assert caught.value.code == expected


def test_a_document_without_an_operation_is_refused() -> None:
    """Fragments alone can't run, syntax errors are kept as errors."""
    assert prepare(SCHEMA, "{ hello").errors
    assert not prepare(SCHEMA, "{ hello }").errors
    assert prepare(SCHEMA, "{ __schema { queryType { name } } }").introspects


def cost(text: str, variables: dict[str, Any] | None = None) -> int:
    """Return the cost of a document's only operation."""
    return within(prepare(SCHEMA, text).operation(None).cost, variables or {})


def test_pages_multiply_what_is_inside_them() -> None:
    """Attributes are free, a page costs its size, variables count as they come."""
    assert cost("{ hello }") < cost("{ things(first: 10) { nodes { name } } }")
    inside = "{ things(first: 10) { nodes { friends(first: 10) { name } } } }"
    assert cost(inside) > cost("{ things(first: 10) { nodes { friends(first: 1) { name } } } }")
    by_variable = "query q($n: Int) { things(first: $n) { nodes { name } } }"
    assert cost(by_variable, {"n": 50}) > cost(by_variable, {"n": 5})


def test_an_operation_over_the_limit_is_refused() -> None:
    """A thousand times a thousand."""
    with pytest.raises(Fault) as caught:
        cost("{ things(first: 1000) { nodes { friends(first: 1000) { name } } } }")
    assert caught.value.code == "COST_EXCEEDED"


def test_variables_are_coerced_as_the_specification_says() -> None:
    """Good ones are taken, bad ones told."""
    operation = prepare(SCHEMA, "query q($id: ID!, $n: Int = 3) { thing(id: $id) { friends(first: $n) { name } } }")
    coercer = operation.operation(None).coercer
    good = coercer.coerce({"id": 7})
    assert not isinstance(good, list)
    assert good.coerced == {"id": "7", "n": 3}
    for bad in ({}, {"id": None}, {"id": "1", "n": "x"}, {"id": "1", "n": 2**40}):
        assert isinstance(coercer.coerce(bad), list)


def test_one_bad_row_of_many_is_told_by_its_place() -> None:
    """Its words are graphql-core's, the others are not looked at again; rare forms are taken row by row."""
    coercer = prepare(executable(), "query q($ids: [ID!]!) { nodes(ids: $ids) { id } }").operation(None).coercer
    rows: list[Any] = [str(number) for number in range(500)]
    bad = coercer.coerce({"ids": [*rows, {}, 7]})
    assert isinstance(bad, list)
    assert [error.message for error in bad] == [
        "Variable '$ids' has invalid value at [500]: ID cannot represent value: {}"
    ]
    good = coercer.coerce({"ids": [*rows, 7]})
    assert not isinstance(good, list)
    assert good.coerced["ids"] == [*rows, "7"]
    bad = coercer.coerce({"ids": [[]] * 500})
    assert len(bad) == documents_.ERRORS_MAX


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"a": [{"b": rows}]}])
def test_a_list_of_any_length_is_refused_by_its_length(wrap: Callable[[Any], Any]) -> None:
    """Also where none is wanted."""
    coercer = prepare(executable(), "query q($ids: [ID!]!) { nodes(ids: $ids) { id } }").operation(None).coercer
    told = coercer.coerce({"ids": wrap(["1"] * (LIST_ITEMS_MAX + 1))})
    assert isinstance(told, list)
    assert [error.message for error in told] == ["A list has at most 6,000 items."]
    assert not isinstance(coercer.coerce({"ids": ["1"] * LIST_ITEMS_MAX}), list)


def test_what_is_wrong_among_very_many_fields_is_not_looked_for() -> None:
    """To write it out would take longer than all the rest."""
    coercer = (
        prepare(executable(), "query q($f: PersonFilter) { persons(filter: $f) { totalCount } }")
        .operation(None)
        .coercer
    )
    told = coercer.coerce({"f": {str(number): 1 for number in range(5_000)}})
    assert isinstance(told, list)
    assert [error.message for error in told] == ["A value is wrong, and one of the objects has more than 1,000 fields."]
