"""Documents are read once, checked in linear time, priced, and kept within bounds."""

from typing import Any

import pytest

from app.core.errors import Fault
from app.graph.cost import within
from app.graph.document import Documents, prepare
from app.graph.precheck import read
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
