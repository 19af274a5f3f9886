"""Which index can serve a query, and which words stand for a text: tables."""

import re
from datetime import datetime
from typing import Any

import pytest

from app.catalog.filters import NOTHING, search
from app.catalog.narrow import ATTRIBUTE, BY_ID, BY_VALUE, in_order, ways
from app.catalog.values import fields, token, tokens
from app.core import text

BY_TAG = (("account", 1), ("tags", 1), ("state", 1), ("createdAt", 1), ("_id", 1))
BY_COMPANY = (("account", 1), ("companies.id", 1), ("_id", 1))
BY_WORD = (("account", 1), ("words", 1), ("_id", 1))
INDEXES = {"_id": BY_ID, "tags": BY_TAG, "companies.id": BY_COMPANY, "words": BY_WORD, ATTRIBUTE: BY_VALUE}
T, C, V, W, I = BY_TAG, BY_COMPANY, BY_VALUE, BY_WORD, BY_ID  # noqa: E741 - columns of the table
NO_CASE = re.compile("^x$", re.IGNORECASE)

WAYS: list[tuple[dict[str, Any], list[list[Any]]]] = [
    ({}, []),
    ({"city": NO_CASE}, []),
    ({"tags": "t"}, [[T]]),
    ({"tags": {"$in": ["t", "u"]}}, [[T]]),
    ({"$and": [{"tags": "t"}, {"city": NO_CASE}, {"tags": "u"}]}, [[T], [T]]),
    ({"$nor": [{"tags": "t"}]}, []),
    ({"$or": [{"tags": "t"}, {"companies.id": {"$in": ["c"]}}]}, [[T, C]]),
    ({"$or": [{"tags": "t"}, {"city": NO_CASE}]}, []),
    ({"$or": [{"$and": [{"city": NO_CASE}, {"tags": "t"}]}, {"a.x": 1}]}, [[T, V]]),
    ({"words": "ann@example.com", "emails.v": "ann@example.com"}, [[W]]),
    (search("an"), [[W]]),
    (NOTHING, [[I]]),
    ({"a.x": True}, [[V]]),
    ({"a.x": {"$gte": 1, "$lt": 3}}, [[V]]),
    ({"a.x": datetime(2026, 5, 4)}, [[V]]),  # noqa: DTZ001 - naive UTC is the house's time
    ({"a.x": {"$exists": True}}, [[V]]),
    ({"a.x": {"$exists": False}}, []),
    ({"a.x": {"$ne": 1}}, []),
    ({"a.x": NO_CASE}, []),
    ({"l.x": {"$exists": True}}, []),
]


@pytest.mark.parametrize(("query", "expected"), WAYS)
def test_a_way_is_a_term_whose_matches_stand_side_by_side(query: dict[str, Any], expected: list[list[Any]]) -> None:
    """Terms that say what is not, and patterns without case, name none; an `or` needs one on each side."""
    assert [[part.index for part in way] for way in ways(query, INDEXES)] == expected


def test_only_one_value_of_an_index_is_kept_in_an_order() -> None:
    """Several stand one behind the other, and another order is another index's."""
    (one,), (several,) = ways({"tags": "t"}, INDEXES), ways({"tags": {"$in": ["t", "u"]}}, INDEXES)
    assert in_order(one, "createdAt")
    assert not in_order(one, "updatedAt")
    assert not in_order(several, "createdAt")
    (joined,) = ways({"$or": [{"tags": "t"}, {"tags": "u"}]}, INDEXES)
    assert not in_order(joined, "createdAt")


@pytest.mark.parametrize("same", ["Gold", "GOLD", " gold", "gold"])
def test_a_text_attribute_is_known_by_a_word_without_case(same: str) -> None:
    """Of its own definition; and no search finds it, for it begins with what no word begins with."""
    assert token("att_1", same) == token("att_1", "gold")
    assert token("att_2", "gold") != token("att_1", "gold")
    assert text.words(token("att_1", "gold"))[0] != token("att_1", "gold")
    assert tokens({"att_1": "Gold", "att_2": 5, "att_3": True}) == [token("att_1", "gold")]


def test_lists_are_kept_apart_from_other_values() -> None:
    """What is indexed by value is one value each."""
    assert fields({"a": 1, "b": [{"c": 2}]}) == ({"a": 1}, {"b": [{"c": 2}]})
    assert fields({"a": 1}) == ({"a": 1}, {})
