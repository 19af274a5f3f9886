"""Variables by the short way: the same values as graphql-core gives, and its words for what is wrong."""

from typing import Any

import pytest
from graphql import build_schema
from graphql.execution.values import get_variable_values

from app.graph.coercion import LIST_ITEMS_MAX
from app.graph.document import LONG_ITEMS, prepare

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


@pytest.mark.parametrize("count", [LONG_ITEMS, LONG_ITEMS + 1, 1000])
@pytest.mark.parametrize("bad", [None, 0, LONG_ITEMS, -1])
@pytest.mark.parametrize("row", ["BLUE", None, ["RED"], 7])
async def test_what_is_read_step_by_step_is_the_same(count: int, bad: int | None, row: Any) -> None:
    """Values, and the words for what is wrong with a row at the beginning, in the middle and at the end."""
    coercer = prepare(SCHEMA, QUERY).operation(None).coercer
    colours: list[Any] = ["RED", "GREEN"] * (count // 2) + ["RED"] * (count % 2)
    if bad is not None:
        colours[min(bad, count - 1)] = row
    for given in ({"which": {"id": "1"}, "colours": colours}, {"colours": colours}, {"which": {}, "colours": colours}):
        assert coercer.long(given) is (count > LONG_ITEMS)
        told, expected = await coercer.coerce_in_steps(given), coercer.coerce(given)
        if isinstance(expected, list):
            assert isinstance(told, list)
            assert [str(one) for one in told] == [str(one) for one in expected]
        else:
            assert not isinstance(told, list)
            assert told.coerced == expected.coerced


async def test_a_list_beyond_all_bounds_is_refused_before_it_is_read() -> None:
    """In the same words."""
    coercer = prepare(SCHEMA, QUERY).operation(None).coercer
    given = {"which": {"id": "1"}, "colours": ["RED"] * (LIST_ITEMS_MAX + 1)}
    told, expected = await coercer.coerce_in_steps(given), coercer.coerce(given)
    assert isinstance(told, list)
    assert isinstance(expected, list)
    assert [str(one) for one in told] == [str(one) for one in expected]
