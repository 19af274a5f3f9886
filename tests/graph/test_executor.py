"""The executor against graphql-core's own: equal data, equal errors with equal paths, on whatever is asked."""

import asyncio
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, execute, parse

from app.core.errors import Fault
from app.graph import compiled, faults
from app.graph.document import Documents
from app.graph.executor import Run
from app.graph.plan import Planner
from app.graph.schema import bind
from tests.graph import toy


def built() -> GraphQLSchema:
    """Return the toy's schema with our resolvers."""
    schema = build_schema(toy.schema.as_str())
    bind(schema, toy.schema)
    schema.type_map["Named"].resolve_type = lambda value, _info, _kind: type(value).__name__  # type: ignore[attr-defined]
    return schema


SCHEMA = built()
DOCUMENTS = Documents(SCHEMA)


def known(error: BaseException) -> Fault:
    """Name an error by what it is."""
    return error if isinstance(error, Fault) else faults.known(error, "req")


async def ours(query: str, variables: dict[str, Any], toys: toy.Toys) -> tuple[Any, list[Any]]:
    """Run with the house's executor."""
    document = DOCUMENTS.get(query)
    assert not document.errors, document.errors
    operation = document.operation(None)
    values = operation.coercer.coerce(variables)
    assert not isinstance(values, list), values
    switches = {name: values.coerced[name] for name in operation.switches}
    root = SCHEMA.get_root_type(operation.node.operation)
    assert root is not None
    plan = Planner(SCHEMA, document.fragments, switches).plan(root, [operation.node.selection_set])
    compiled.ready(plan)
    run = Run(toy.context(toys), values, known)
    data = await (run.mutation(plan) if operation.kind == "mutation" else run.query(plan, None))
    return data, run.errors


async def theirs(query: str, variables: dict[str, Any], toys: toy.Toys) -> tuple[Any, list[Any]]:
    """Run with graphql-core's."""
    result: Any = execute(SCHEMA, parse(query), variable_values=variables, context_value=toy.context(toys))
    if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
        result = await result
    return result.data, result.errors or []


async def agree(query: str, toys: toy.Toys, **variables: Any) -> tuple[Any, list[Any]]:
    """Run both; hold data and paths of errors against each other."""
    mine, my_errors = await ours(query, variables, toys)
    other, their_errors = await theirs(query, variables, toys)
    assert mine == other
    assert list(mine or {}) == list(other or {})
    paths = sorted(str(error["path"]) for error in my_errors)
    # Where something becomes null further out, graphql-core may leave out what failed inside of it.
    assert {str(error.path) for error in their_errors} <= set(paths)
    places = {
        str(error.path): [{"line": at.line, "column": at.column} for at in error.locations] for error in their_errors
    }
    for error in my_errors:
        assert places.get(str(error["path"]), error["locations"]) == error["locations"]
    return mine, my_errors


GOOD = [
    "{ hello }",
    '{ a: hello(name: "you") b: hello }',
    "{ things { total nodes { id name size good color madeAt tags part { label } parts { label weight } extra } } }",
    "{ everything { __typename id twin { label colors } loud friends(first: 2) { name friends { id } } } }",
    "{ named { __typename name ... on Thing { size } ... on Crate { things { id } } } }",
    "query($n: Int = 1, $y: Boolean = true) { things(first: $n) { nodes { id @include(if: $y) name @skip(if: $y) } } }",
    "fragment F on Thing { id name part { label } } { things { nodes { ...F part { weight } ... { size } } } }",
    '{ thing(id: "0") { id friends { ...G } } } fragment G on Named { name ... on Thing { id } }',
    (
        'mutation { a: rename(id: "0", name: "x") { name } b: rename(id: "0", name: "y") { name }'
        ' c: rename(id: "z", name: "q") { name } }'
    ),
    "{ things(first: null) { total } }",
]


@pytest.mark.parametrize("query", GOOD)
async def test_good_documents_answer_the_same(query: str) -> None:
    """Attributes, relations, abstract types, fragments, directives, aliases, serial mutations."""
    toys = toy.Toys([toy.thing(0, part=toy.Part(label="p", colors=[toy.Color.RED])), toy.thing(1), toy.thing(2)])
    _, errors = await agree(query, toys)
    assert errors == []


SPOILT: list[dict[str, Any]] = [
    {"name": None},
    {"name": 7},
    {"size": "many"},
    {"good": "yes"},
    {"color": "green"},
    {"made_at": None},
    {"tags": None},
    {"tags": ["a", None]},
    {"tags": "abc"},
    {"part": toy.Part(label=None)},  # type: ignore[arg-type]
    {"parts": [None, toy.Part(label=None), toy.Part(label="x")]},  # type: ignore[arg-type]
    {"parts": [toy.Part(label="x", colors=["blue", "none"])]},  # type: ignore[list-item]
    {"twin": None},
]
EVERYTHING = (
    "{ everything { id name size good color madeAt tags part { label } parts { label colors } twin { label } } }"
)
PAGE = EVERYTHING.replace("everything {", "things { total nodes {") + " }"
MIXED = "{ everything { id loud size tags parts { label colors } friends { name } twin { label } } hello }"


@pytest.mark.parametrize("changes", SPOILT)
@pytest.mark.parametrize("query", [EVERYTHING, PAGE, MIXED])
async def test_bad_values_fail_at_the_same_places(query: str, changes: dict[str, Any]) -> None:
    """Nulls where none may be, wrong kinds: the same nulls and the same paths."""
    await agree(query, toy.Toys([toy.thing(0), toy.thing(1, **changes), toy.thing(2)]))


async def test_failing_resolvers_fail_at_the_same_places() -> None:
    """Known and unknown errors of resolvers, nullable and not."""
    query = '{ a: fails(code: "FORBIDDEN") b: fails(code: "?") c: fails(code: "TIMEOUT") hello }'
    data, errors = await agree(query, toy.Toys())
    assert data == {"a": None, "b": None, "c": None, "hello": "hello world"}
    codes = {error["path"][0]: error["extensions"]["code"] for error in errors}
    assert codes == {"a": "FORBIDDEN", "b": "INTERNAL", "c": "TIMEOUT"}
    assert not any("secret" in error["message"] for error in errors)
    data, errors = await agree("{ hello down }", toy.Toys())
    assert data is None
    assert errors[0]["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 3}


async def test_one_wave_asks_for_everything_at_once() -> None:
    """Relations of all items of a list are awaited together, not one after the other."""
    query = "{ everything { friends(first: 2) { friends { id } } } }"
    data, _ = await agree(query, toy.Toys([toy.thing(0), toy.thing(1)]))
    assert [len(one["friends"]) for one in data["everything"]] == [2, 2]


def test_a_generated_function_is_there_for_plain_selections_alone() -> None:
    """Attributes all the way down get one; a resolver anywhere keeps the long way."""
    document = DOCUMENTS.get("{ things { nodes { id parts { label } } } everything { id loud } }")
    operation = document.operation(None)
    root = SCHEMA.query_type
    assert root is not None
    plan = Planner(SCHEMA, {}, {}).plan(root, [operation.node.selection_set])
    compiled.ready(plan)
    things, everything = plan
    assert things.shape.show is not None
    assert everything.shape.item is not None
    assert everything.shape.item.show is None
