"""Variables by the short way: the same values as graphql-core gives, and its words for what is wrong."""

from typing import Any

import pytest
from graphql import build_schema
from graphql.execution.values import get_variable_values

from app.graph.document import prepare

SCHEMA = build_schema("""
enum Colour { RED GREEN }
input Inner { n: Int = 3, f: Float, when: [String!], deep: Inner }
input Which @oneOf { id: ID, name: String }
input Thing { id: ID!, colour: Colour! = RED, ok: Boolean, inner: Inner, list: [Inner!]!, which: Which }
type Query { a(thing: Thing, which: Which!, colours: [Colour!], n: Int, f: Float): String }
""")
QUERY = (
    "query($thing: Thing, $which: Which!, $colours: [Colour!], $n: Int = 5, $f: Float) {"
    " a(thing: $thing, which: $which, colours: $colours, n: $n, f: $f) }"
)
GOOD: list[dict[str, Any]] = [
    {"which": {"id": "1"}},
    {"which": {"name": "x"}, "n": None, "f": 1, "colours": []},
    {"which": {"id": 7}, "colours": "RED"},
    {"which": {"id": "1"}, "colours": ["RED", "GREEN"], "n": 2**31 - 1, "f": 1.5},
    {"which": {"id": "1"}, "thing": {"id": "t", "list": []}},
    {"which": {"id": "1"}, "thing": {"id": "t", "colour": "GREEN", "ok": None, "list": {"n": 1}}},
    {
        "which": {"id": "1"},
        "thing": {"id": 5, "list": [{"deep": {"deep": {"when": ["a"]}}}], "inner": {}, "which": {"name": "n"}},
    },
]
BAD: list[dict[str, Any]] = [
    {},
    {"which": None},
    {"which": {}},
    {"which": {"id": "1", "name": "x"}},
    {"which": {"id": None}},
    {"which": {"other": 1}},
    {"which": {"id": "1"}, "n": 2**31},
    {"which": {"id": "1"}, "n": "1"},
    {"which": {"id": "1"}, "n": True},
    {"which": {"id": "1"}, "f": "x"},
    {"which": {"id": "1"}, "colours": ["BLUE"]},
    {"which": {"id": "1"}, "colours": [None]},
    {"which": {"id": "1"}, "colours": [["RED"]]},
    {"which": {"id": "1"}, "thing": {"id": "t"}},
    {"which": {"id": "1"}, "thing": {"id": "t", "list": None}},
    {"which": {"id": "1"}, "thing": {"id": "t", "list": [], "colour": None}},
    {"which": {"id": "1"}, "thing": {"id": "t", "list": [], "more": 1}},
    {"which": {"id": "1"}, "thing": {"id": "t", "list": [], "ok": 1}},
    {"which": {"id": "1"}, "thing": {"id": [], "list": []}},
]


@pytest.mark.parametrize("values", [*GOOD, *BAD])
def test_values_and_words_are_graphql_cores(values: dict[str, Any]) -> None:
    """Equal values where they are good, equal messages where they are not."""
    operation = prepare(SCHEMA, QUERY).operation(None)
    mine = operation.coercer.coerce(values)
    theirs = get_variable_values(SCHEMA, operation.node.variable_definitions or (), values, hide_suggestions=True)
    assert isinstance(mine, list) == isinstance(theirs, list) == (values in BAD)
    if isinstance(mine, list) and isinstance(theirs, list):
        assert [one.message for one in mine] == [one.message for one in theirs]
    elif not isinstance(mine, list) and not isinstance(theirs, list):
        # Absent ones with a default stand in the sources.
        assert {**theirs.coerced, **mine.coerced} == theirs.coerced
        assert set(mine.sources) == set(theirs.sources)


def test_a_tower_of_objects_is_refused_not_followed() -> None:
    """Neither way runs out of stack."""
    tower: dict[str, Any] = {}
    for _ in range(5000):
        tower = {"deep": tower}
    operation = prepare(SCHEMA, QUERY).operation(None)
    assert isinstance(
        operation.coercer.coerce({"which": {"id": "1"}, "thing": {"id": "t", "list": [], "inner": tower}}), list
    )
