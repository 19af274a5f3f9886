"""Any document, any data: what the house's executor answers is what graphql-core answers.

Over a thousand documents in each run; PROFILES_TEST_DOCUMENTS=20000 makes twenty times as many, by fresh chance.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from random import Random
from typing import Any

import orjson
import pytest
from graphql import GraphQLSchema, execute, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from app.graph import compiled, faults
from app.graph.context import Context
from app.graph.document import Documents
from app.graph.executor import Run
from app.graph.plan import Planner
from app.graph.schema import executable
from app.mongo.engine import Update
from app.mongo.twin import Twin
from tests.api import ATTRIBUTE, COMPANY, DEFINE, LINK, Api, opened
from tests.chances import few
from tests.graph import toy
from tests.graph.generated import Author
from tests.graph.test_executor import SCHEMA as TOY

WANTED = int(os.environ.get("PROFILES_TEST_DOCUMENTS", "0"))
CASES = 1100


def chances(share: float) -> settings:
    """Return the settings of a test that makes this share of all documents."""
    return few(round(CASES * share), more=round(WANTED * share))


SEEDS = st.integers(0, 2**32)
# Where something becomes null, graphql-core drops what waited beside it; among twenty thousand documents that is seen.
# What our own executor leaves unawaited is an error in every other test of it.
DROPPED = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


class Both:
    """One schema, run by both executors."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.documents = Documents(schema)

    async def ours(self, query: str, variables: dict[str, Any], context: Context) -> tuple[Any, list[Any]]:
        """Run with the house's executor."""
        document = self.documents.get(query)
        operation = document.operation(None)
        values = operation.coercer.coerce(variables)
        assert not isinstance(values, list), values
        switches = {name: values.coerced[name] for name in operation.switches}
        root = self.schema.query_type
        assert root is not None
        plan = Planner(self.schema, document.fragments, switches).plan(root, [operation.node.selection_set])
        compiled.ready(plan)
        run = Run(context, values, partial(faults.known, request_id="req"))
        data = await run.query(plan, None)
        return unwritten(data), run.errors

    async def agree(self, query: str, variables: dict[str, Any], context: Context) -> list[Any]:
        """Run both; data, null where null, and paths of errors are the same. Returns the errors."""
        document = self.documents.get(query)
        assert not document.errors, (query, document.errors)
        if document.refusal is not None:
            return []  # too deep or too much: nobody runs it
        mine, my_errors = await self.ours(query, variables, context)
        result: Any = execute(self.schema, parse(query), variable_values=variables, context_value=context)
        if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
            result = await result
        assert mine == result.data, query
        assert str(mine) == str(result.data), query  # the order of keys as well
        paths = sorted(str(error["path"]) for error in my_errors)
        # Where something becomes null further out, graphql-core may leave out what failed inside of it.
        assert {str(error.path) for error in result.errors or []} <= set(paths), query
        return my_errors


def unwritten(shown: Any) -> Any:
    """Return data whose pages that are JSON already are objects again."""
    if isinstance(shown, orjson.Fragment):
        return orjson.loads(orjson.dumps(shown))
    if isinstance(shown, list):
        return [unwritten(one) for one in shown]
    return {key: unwritten(one) for key, one in shown.items()} if isinstance(shown, dict) else shown


def switched(seed: int) -> dict[str, bool]:
    """Return the variables of a document."""
    return {"yes": seed % 2 == 0, "no": seed % 3 == 0}


# ---------------------------------------------------------------- the toy: data with nulls and wrong kinds everywhere

NAMES = st.one_of(st.none(), st.text(max_size=3), st.integers())
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "size": st.one_of(st.none(), st.integers(-(2**40), 2**40), st.text(max_size=2), st.floats(allow_nan=True)),
        "good": st.one_of(st.booleans(), st.none(), st.integers(0, 2)),
        "tags": st.one_of(st.none(), st.lists(NAMES, max_size=3)),
        "extra": st.one_of(st.none(), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)),
    },
)
TOYS = Author(
    TOY,
    {"Thing.friends": ["(first: 2)", "(first: 0)"], "Crate.things": [""]},
    frozenset({"waits"}),
)
TOY_BOTH = Both(TOY)
TOY_ROOTS = ["things(first: 3)", "everything", "named", 'thing(id: "0")', 'thing(id: "9")', "hello", 'fails(code: "?")']


@DROPPED
@given(seed=SEEDS, values=st.lists(VALUES, max_size=3))
@chances(0.7)
def test_any_document_on_any_data_of_the_toy(seed: int, values: list[dict[str, Any]]) -> None:
    """Relations, abstract types, lists in lists, with values that are not what their types promise."""
    query = TOYS.query(TOY_ROOTS, Random(seed).randrange)
    context = toy.context(toy.Toys([toy.thing(number, **changes) for number, changes in enumerate(values)]))
    asyncio.run(TOY_BOTH.agree(query, switched(seed), context))


# ---------------------------------------------------------------- the service: its own schema on data with a fault

OWN = Author(
    executable(),
    {
        "Person.customAttribute": ['(name: "shoeSize")', '(name: "none")'],
        "Person.timeline": ["", "(first: 2)", "(last: 1)", '(filter: {types: ["personCreated"]})'],
        "Person.companies": ["(first: 1)"],
        "Person.activityByDay": ["(days: 2)"],
        "Company.customAttribute": ['(name: "none")'],
        "Company.persons": ["(first: 2)", "(first: 0)"],
    },
)
OWN_ROOTS = [
    "persons(first: 3)",
    "persons(first: 2, orderBy: {by: FIRST_NAME})",
    'persons(filter: {tags: {has: "a"}})',
    'person(by: {externalId: "full"})',
    'person(by: {externalId: "nobody"})',
    "companies(first: 2)",
    "activity(first: 4)",
    "viewer",
    "tags",
]
Work = Callable[[Coroutine[Any, Any, Any]], Any]


async def fill(api: Api) -> None:
    """Put persons, companies, events and one spoilt document into an account."""
    await api(ATTRIBUTE, input={"name": "shoeSize", "type": "INTEGER"})
    await api(DEFINE, input={"id": "bought", "title": "Bought", "fields": [{"name": "what", "type": "STRING"}]})
    full = await api.made(
        externalId="full", firstName="Ana", tags=["a", "b"], emails=[{"address": "a@b.example"}],
        phones=[{"number": "+38591111111"}], birthDate="1990-02-03", customAttributes={"shoeSize": 38},
    )  # fmt: skip
    await api.made(externalId="spoilt", tags=["a"])
    await api.made(emails=[{"address": "z@b.example"}])
    await api.track({"person": {"id": full["id"]}, "type": "bought", "properties": {"what": "x"}})
    made = await api(COMPANY, input={"name": "Acme", "tags": ["big"]})
    await api(LINK, company={"id": made["company"]["id"]}, persons=[{"id": full["id"]}], role="buyer")
    await api.service.store.engine.write("persons", [Update({"externalId": "spoilt"}, {"$set": {"version": "x"}})])


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Work, Context]]:
    """Give a filled account on the twin, what runs work on its loop, and the context of somebody who may all."""
    with asyncio.Runner() as runner:
        manager = opened(Twin())
        api = runner.run(manager.__aenter__())
        runner.run(fill(api))
        actor = runner.run(api.service.services.access.authenticate(api.key))
        yield runner.run, Context(actor, api.service.services, "req")
        runner.run(manager.__aexit__(None, None, None))


OWN_BOTH = Both(executable())


@DROPPED
@given(seed=SEEDS)
@chances(0.3)
def test_any_document_of_the_service(account: tuple[Work, Context], seed: int) -> None:
    """Pages from documents and from models, relations of relations, a document that is not as it should be."""
    run, context = account
    run(OWN_BOTH.agree(OWN.query(OWN_ROOTS, Random(seed).randrange), switched(seed), context))


def test_what_is_spoilt_is_met(account: tuple[Work, Context]) -> None:
    """The data of that test has a fault, and both executors tell it at the same place."""
    run, context = account
    query = "query($yes: Boolean!) { persons { nodes { id version @include(if: $yes) } } }"
    errors = run(OWN_BOTH.agree(query, {"yes": True}, context))
    assert [error["path"] for error in errors] == [["persons", "nodes", 1, "version"]]
