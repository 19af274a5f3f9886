"""A query answered in memory finds what the store finds: a table of traps, and random filters on random persons."""

import math
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from app.catalog.filters import Inherited, Query
from app.catalog.matching import matches
from app.catalog.model import PERSON, AttributeDefinition, Catalog, Tag
from app.core.errors import Fault
from app.mongo.engine import Delete, Document, Engine, Insert
from app.persons import filters, record
from app.persons.model import EmailContact, Membership, Person, PhoneContact

NOW = datetime.fromisoformat("2026-05-04T10:00:00.123")
TYPES = ["STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME"]
CATALOG = Catalog("acc_1")
for _name in ("one", "two", "three"):
    CATALOG.add(Tag(f"tag_{_name}", _name, NOW))
for _name in TYPES:
    CATALOG.add(AttributeDefinition(f"att_{_name}", PERSON, _name, _name, NOW))
LONG_S, DOTTED, DOTLESS = "\u017f", "\u0130", "\u0131"
# To Python all four are the same without case, to MongoDB they are not.
TURKISH = f"iI{DOTTED}{DOTLESS}"

NAN = math.nan
ANN = re.compile("^ann$", re.IGNORECASE)
# A query, and which of the documents it finds, by number.
CASES: list[tuple[Query, list[Document], list[int]]] = [
    ({}, [{}, {"a": 1}], [0, 1]),
    ({"a": 1}, [{"a": 1}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"a": [2, 1]}, {}], [0, 1, 4]),
    ({"a": True}, [{"a": True}, {"a": 1}, {"a": [False, True]}], [0, 2]),
    ({"a": False}, [{"a": 0}, {"a": None}, {"a": False}, {}], [2]),
    ({"a": None}, [{}, {"a": None}, {"a": [None]}, {"a": []}, {"a": 0}], [0, 1, 2]),
    ({"a.b": None}, [{}, {"a": 1}, {"a": []}, {"a": [1]}, {"a": [{}]}, {"a": [{"b": 1}]}], [0, 1, 4]),
    ({"a": {"$ne": None}}, [{}, {"a": None}, {"a": 0}, {"a": []}], [2, 3]),
    ({"a": {"$gte": None}}, [{}, {"a": None}, {"a": 0}], [0, 1]),
    ({"a": {"$lt": None}}, [{}, {"a": None}], []),
    ({"a": {"$exists": True}}, [{"a": None}, {"a": []}, {}], [0, 1]),
    ({"a.b": {"$exists": True}}, [{"a": [{"c": 1}, {"b": None}]}, {"a": []}, {"a": {"b": 1}}, {"a": 1}], [0, 2]),
    ({"a.b": {"$exists": False}}, [{"a": [{"c": 1}, {"b": None}]}, {"a": []}, {}, {"a": [1]}], [1, 2, 3]),
    ({"a": {"$gt": 1}}, [{"a": 2}, {"a": True}, {"a": "2"}, {"a": 1.5}, {"a": NOW}, {"a": [0, 9]}, {}], [0, 3, 5]),
    ({"a": {"$lte": 5}}, [{"a": NAN}, {"a": 5}, {"a": None}, {"a": False}, {"a": -math.inf}], [1, 4]),
    ({"a": {"$gte": NAN}}, [{"a": NAN}, {"a": 5}], [0]),
    ({"a": {"$gt": NAN}}, [{"a": NAN}, {"a": 5}], []),
    ({"a": NAN}, [{"a": NAN}, {"a": 5}], [0]),
    ({"a": {"$lt": math.inf}}, [{"a": math.inf}, {"a": 2**63 - 1}, {"a": NAN}], [1]),
    ({"a": float(2**53)}, [{"a": 2**53}, {"a": 2**53 + 1}], [0]),
    ({"a": {"$gt": float(2**53)}}, [{"a": 2**53}, {"a": 2**53 + 1}], [1]),
    ({"a": {"$gt": 1, "$lt": 3}}, [{"a": 2}, {"a": [0, 9]}, {"a": [5]}, {"a": 3}], [0, 1]),
    ({"a": {"$gte": False}}, [{"a": True}, {"a": 0}, {"a": False}], [0, 2]),
    ({"a": {"$gt": "b"}}, [{"a": "ba"}, {"a": "b"}, {"a": "ä"}, {"a": "B"}, {"a": 5}, {"a": "\U0001f600"}], [0, 2, 5]),
    ({"a": {"$lt": "\uffff"}}, [{"a": "\U0001f600"}, {"a": "\ufffe"}], [1]),
    ({"a": NOW.replace(microsecond=123999)}, [{"a": NOW}, {"a": NOW.replace(microsecond=124000)}], [0]),
    ({"a": {"$gt": NOW.replace(microsecond=123999)}}, [{"a": NOW}, {"a": NOW.replace(microsecond=124000)}], [1]),
    ({"a": {"$in": []}}, [{}, {"a": []}], []),
    ({"a": {"$in": [ANN, 7]}}, [{"a": "ANN"}, {"a": "anna"}, {"a": 7}, {"a": ["x", "Ann"]}, {}], [0, 2, 3]),
    ({"a": {"$in": [None]}}, [{}, {"a": None}, {"a": 1}], [0, 1]),
    ({"a": {"$nin": [ANN]}}, [{"a": "ANN"}, {"a": "anna"}, {}, {"a": ["x", "Ann"]}, {"a": []}], [1, 2, 4]),
    ({"a": ANN}, [{"a": "Ann"}, {"a": "Ann\n"}, {"a": "Ann\n\n"}, {"a": " ann"}, {"a": [["ann"]]}, {"a": 1}], [0, 1]),
    ({"a.b": 1}, [{"a": [{"b": 1}]}, {"a": [[{"b": 1}]]}, {"a": {"b": [1]}}, {"a": [{"b": 2}, {"b": 1}]}], [0, 2, 3]),
    ({"a.b": {"$ne": 1}}, [{"a": [{"b": 2}, {"b": 1}]}, {"a": [{"b": 2}]}, {"a": []}, {}], [1, 2, 3]),
    ({"$or": [{"a": 1}, {}]}, [{}, {"a": 2}], [0, 1]),
    ({"$nor": [{}]}, [{}, {"a": 2}], []),
    ({"$nor": [{"a": 1}, {"b": 1}]}, [{"a": 1}, {"b": 1}, {"c": 1}], [2]),
    ({"$and": [{"a": {"$gt": 1}}, {"a": {"$lt": 3}}], "b": 1}, [{"a": 2, "b": 1}, {"a": 2}], [0]),
    (
        {"a": re.compile("straSSe", re.IGNORECASE)},
        [{"a": "Strasse"}, {"a": "Straße"}, {"a": f"{LONG_S}trasse"}],
        [0, 2],
    ),
    ({"a": re.compile("Ä", re.IGNORECASE)}, [{"a": "ä"}, {"a": "Ä"}, {"a": "a"}], [0, 1]),
    (
        {"a": re.compile("^Istanbul", re.IGNORECASE)},
        [{"a": "istanbul"}, {"a": f"{DOTTED}stanbul"}, {"a": f"{DOTLESS}stanbul"}],
        [0],
    ),
    ({"a": re.compile(DOTLESS, re.IGNORECASE)}, [{"a": "i"}, {"a": "I"}, {"a": DOTLESS}, {"a": DOTTED}], [2]),
    ({"a": {"$regex": "^an"}}, [{"a": "anna"}, {"a": "Anna"}, {"a": ["x", "ann"]}, {}], [0, 2]),
    ({"a": re.compile("^i")}, [{"a": "i"}, {"a": "I"}, {"a": DOTLESS}], [0]),
]


@pytest.mark.parametrize(("query", "documents", "found"), CASES)
def test_traps_are_known(query: Query, documents: list[Document], found: list[int]) -> None:
    """Kinds, gaps, arrays, moments and letters, as MongoDB has them."""
    assert [number for number, one in enumerate(documents) if matches(query, one)] == found


async def test_the_table_of_traps_is_that_of_mongodb(engine: Engine) -> None:
    """The real store is asked the same; the twin is no MongoDB in such corners, which no filter reaches."""
    if engine.kind == "memory":
        pytest.skip("the twin has its own view of these")
    for number, (query, documents, found) in enumerate(CASES):
        kept = [{**one, "_id": index} for index, one in enumerate(documents)]
        await engine.insert(f"case_{number}", kept)
        there = await engine.find(f"case_{number}", query)
        assert sorted(one["_id"] for one in there) == found, query


def test_an_operator_that_no_filter_has_is_no_silent_no() -> None:
    """Whoever adds one to the filters is told to add it here."""
    with pytest.raises(KeyError):
        matches({"a": {"$mod": [2, 0]}}, {"a": 2})


def words(letters: str) -> some.SearchStrategy[str]:
    """Give short texts of few letters, so that they meet."""
    return some.text(alphabet=letters, min_size=0, max_size=2)


NUMBERS = some.sampled_from([-1, 0, 1, 2, 9, 2**53, 2**53 + 1, 2**63 - 1])
FLOATS = some.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 9.0, float(2**53), 1e300])
DAYS = some.sampled_from(["1900-01-01", "1969-12-31", "2000-02-29", "2026-05-04"])
MOMENTS = some.sampled_from([NOW, NOW.replace(microsecond=124000), NOW.replace(year=1969)])
TAGS = ["one", "two", "three"]
COMPANIES = ["com_1", "com_2", "com_3"]


@some.composite
def optional(draw: some.DrawFn, /, **parts: some.SearchStrategy[Any]) -> dict[str, Any]:
    """Give objects that have one or two of the parts: what asks for more finds nobody."""
    names = draw(some.lists(some.sampled_from(sorted(parts)), min_size=1, max_size=2, unique=True))
    return {name: draw(parts[name]) for name in names}


def text_filters(text: some.SearchStrategy[str]) -> some.SearchStrategy[dict[str, Any]]:
    """Give what can be asked of a text."""
    several = some.lists(text, max_size=3)
    part = {"contains": text, "startsWith": text, "endsWith": text, "exists": some.booleans()}
    return optional(eq=text, ne=text, **{"in": several}, notIn=several, **part)


def orders(values: some.SearchStrategy[Any], **more: Any) -> some.SearchStrategy[dict[str, Any]]:
    """Give what can be asked of what stands in an order."""
    return optional(eq=values, gt=values, gte=values, lt=values, lte=values, exists=some.booleans(), **more)


def attribute_filters(text: some.SearchStrategy[str]) -> some.SearchStrategy[dict[str, Any]]:
    """Give what can be asked of custom attributes."""
    numbers = orders(NUMBERS.map(float) | FLOATS, ne=FLOATS)
    ways: dict[str, tuple[str, some.SearchStrategy[Any]]] = {
        "STRING": ("string", text_filters(text)),
        "INTEGER": ("number", numbers),
        "DECIMAL": ("number", numbers),
        "BOOLEAN": ("boolean", some.booleans()),
        "DATE": ("date", orders(DAYS)),
        "DATE_TIME": ("dateTime", orders(MOMENTS)),
    }
    return some.one_of(
        [optional(**{way: how}, exists=some.booleans()).map(_named(name)) for name, (way, how) in ways.items()]
    )


def _named(name: str) -> Any:
    return lambda how: {"name": name, **how}


def wishes(letters: str) -> some.SearchStrategy[dict[str, Any]]:
    """Give filters of persons, some in each other."""
    text, tag = words(letters), some.sampled_from([*TAGS, "unknown"])
    tags = some.lists(tag, max_size=3)
    flat = optional(
        ids=some.lists(some.sampled_from(["per_0", "per_1", "per_9"]), max_size=2),
        type=some.sampled_from(["LEAD", "CUSTOMER"]),
        gender=some.sampled_from(["MALE", "FEMALE"]),
        firstName=text_filters(text),
        externalId=text_filters(text),
        email=text_filters(text),
        phone=text_filters(some.text("12", min_size=1, max_size=3)),
        birthDate=orders(DAYS),
        tags=optional(has=tag, hasAny=tags, hasAll=tags, hasNone=tags),
        customAttribute=attribute_filters(text),
        companyId=some.sampled_from(COMPANIES),
        hasPush=some.booleans(),
        createdAt=orders(MOMENTS),
    )
    part = {"and": some.lists(flat, max_size=2), "or": some.lists(flat | some.just({}), max_size=3), "not": flat}
    return flat | flat | optional(**part)


@some.composite
def persons(draw: some.DrawFn, letters: str) -> Person:
    """Give persons, each with a little."""
    text = words(letters).filter(bool)
    one = Person("", "acc_1", draw(some.sampled_from(["LEAD", "CUSTOMER"])), CATALOG, NOW, NOW, "API", "API", ["sub"])
    one.created_at = draw(MOMENTS)
    one.external_id, one.first_name = draw(some.none() | text), draw(some.none() | text)
    one.gender = draw(some.sampled_from([None, "MALE", "FEMALE"]))
    one.birth_date = draw(some.none() | DAYS)
    one.emails = [EmailContact(value) for value in draw(some.lists(text.map(str.casefold), max_size=2))]
    one.phones = [
        PhoneContact(value) for value in draw(some.lists(some.text("12", min_size=1, max_size=3), max_size=2))
    ]
    one.tag_ids = [f"tag_{name}" for name in draw(some.lists(some.sampled_from(TAGS), max_size=2))]
    one.memberships = [Membership(id_) for id_ in draw(some.lists(some.sampled_from(COMPANIES), max_size=2))]
    values = {
        "STRING": text,
        "INTEGER": NUMBERS,
        "DECIMAL": FLOATS,
        "BOOLEAN": some.booleans(),
        "DATE": some.sampled_from(
            [NOW.replace(hour=0, minute=0, second=0, microsecond=0), NOW.replace(1969, 12, 31, 0, 0, 0, 0)]
        ),
        "DATE_TIME": MOMENTS,
    }
    held = draw(some.fixed_dictionaries({}, optional=values))
    one.values = {f"att_{name}": value for name, value in held.items()}
    return one


# Few at a time, so that they meet.
LETTERS = ["abAB", f"äÄßsS{LONG_S}", "a1 .$^*\\\n", "aAiI", TURKISH]


@given(data=some.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
async def test_memory_and_store_agree(engine: Engine, data: some.DataObject) -> None:
    """Random filters on random persons: the same ones are found; both may refuse alike."""
    letters = data.draw(some.sampled_from(LETTERS))
    carried = some.dictionaries(
        some.sampled_from([f"tag_{name}" for name in TAGS]), some.lists(some.sampled_from(COMPANIES), min_size=1)
    )
    inherited = Inherited(data.draw(carried))
    people = data.draw(some.lists(persons(letters), min_size=3, max_size=6))
    for number, one in enumerate(people):
        one.id = f"per_{number}"
    await engine.write("persons", [Delete({}, many=True), *(Insert(record.document(one)) for one in people)])
    kept = await engine.find("persons", {})
    for wanted in data.draw(some.lists(wishes(letters), min_size=8, max_size=8)):
        try:
            query = filters.query(wanted, CATALOG, inherited)
        except Fault:  # a filter that says nothing
            continue
        there = {one["_id"] for one in await engine.find("persons", {"$and": [query]})}
        assert {one["_id"] for one in kept if matches(query, one)} == there, query
