"""Pages shown from documents: the same as from models, field by field, whatever is asked beside."""

import asyncio
from typing import Any

import pytest

from app.graph import compiled
from app.graph.document import Documents
from app.graph.plan import Planner
from app.graph.schema import executable
from app.mongo.engine import Update
from tests.api import ATTRIBUTE, COMPANY, DEFINE, Api

PERSON = (
    "__typename id type externalId firstName middleName lastName nickname gender birthDate address city country"
    " preferredLanguage timeZone profilePicture emails { address primary } phones { primary n: number } tags"
    " customAttributes mergedIds createdFrom modifiedFrom createdAt updatedAt version"
)
EVENT = "id type title occurredAt receivedAt source sessionId properties"
TEXTS = ("name", "externalId", "country", "region", "segment", "industry", "customerStage", "accountManager", "notes")
INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
# A field that only a model can answer, so that the long way is taken.
LONG_PERSON, LONG_EVENT = "inheritedTags", "person { id }"
ORDERS = [
    {"by": "CREATED_AT", "direction": "DESC"},
    {"by": "UPDATED_AT", "direction": "ASC"},
    {"by": "FIRST_NAME", "direction": "ASC"},
    {"by": "LAST_NAME", "direction": "DESC"},
    {"by": "CUSTOM_ATTRIBUTE", "direction": "DESC", "customAttribute": "since"},
]


def rows_of(query: str) -> compiled.Rows | None:
    """Return how the page of a query's only root field is shown from documents."""
    document = Documents(executable()).get(query)
    assert not document.errors, document.errors
    operation = document.operation(None)
    root = executable().query_type
    assert root is not None
    plan = Planner(executable(), document.fragments, {}).plan(root, [operation.node.selection_set])
    compiled.ready(plan)
    found: compiled.Rows | None = plan[0].rows
    return found


def without(value: Any, *names: str) -> Any:
    """Return an answer without the fields that were only asked for to take the long way."""
    if isinstance(value, dict):
        return {key: without(one, *names) for key, one in value.items() if key not in names}
    return [without(one, *names) for one in value] if isinstance(value, list) else value


@pytest.fixture
async def crowded(api: Api) -> Api:
    """Give an account with persons of all kinds: with everything, with next to nothing, and in between."""
    for name, kind in (("shoeSize", "INTEGER"), ("since", "DATE"), ("seen", "DATE_TIME"), ("vip", "BOOLEAN")):
        await api(ATTRIBUTE, input={"name": name, "type": kind})
    await api(ATTRIBUTE, input={"name": "pets", "type": "LIST", "itemFields": [{"name": "name", "type": "STRING"}]})
    await api.made(externalId="bare")
    await api.made(
        externalId="full", type="LEAD", firstName="Ana", middleName="B", lastName="Čo", nickname="An", gender="FEMALE",
        birthDate="1990-02-03", address="1 Way", city="Zagreb", country="HR", preferredLanguage="en-GB",
        timeZone="Europe/Zagreb", profilePicture="https://a.example/p.png", tags=["a", "b"],
        emails=[{"address": "a@b.example"}, {"address": "c@b.example", "primary": True}],
        phones=[{"number": "+38591111111"}],
        customAttributes={"shoeSize": 38, "since": "2020-01-02", "seen": "2026-01-02T03:04:05.678Z", "vip": False,
                          "pets": [{"name": "Rex"}]},
    )  # fmt: skip
    await api.made(emails=[{"address": "z@b.example"}], tags=["b"], customAttributes={"since": "2021-01-01"})
    return api


@pytest.mark.parametrize("order", ORDERS, ids=lambda one: one["by"])
@pytest.mark.parametrize("shape", ["nodes { %s }", "edges { cursor node { %s } }"])
async def test_persons_from_documents_are_those_from_models(crowded: Api, order: dict[str, Any], shape: str) -> None:
    """Every field, in every order, with cursors that go on in the same place on either way."""
    query = "query($by: PersonOrder, $after: Cursor) { persons(first: 2, orderBy: $by, after: $after) { %s %s } }"
    short, long = (query % (shape % fields, INFO) for fields in (PERSON, f"{PERSON} {LONG_PERSON}"))
    assert rows_of(short) is not None
    assert rows_of(long) is None
    page = await crowded(short, by=order)
    assert page == without(await crowded(long, by=order), LONG_PERSON)
    after = page["pageInfo"]["endCursor"]
    rest = await crowded(short, by=order, after=after)
    assert rest == without(await crowded(long, by=order, after=after), LONG_PERSON)
    assert len(rest[shape.split(maxsplit=1)[0]]) == 1


async def test_events_from_documents_are_those_from_models(crowded: Api) -> None:
    """A person's timeline, and that of the account, with events of types that are defined, and with none."""
    await crowded(DEFINE, input={"id": "bought", "title": "Bought", "fields": [{"name": "what", "type": "STRING"}]})
    by = {"externalId": "full"}
    await crowded.track({"person": by, "type": "bought", "properties": {"what": "x"}, "sessionId": "s-1"})
    timeline = "query($by: PersonLocator!) { person(by: $by) { timeline(first: 3) { nodes { %s } %s } } }"
    activity = "{ activity(first: 3) { edges { cursor node { %s } } %s } }"
    for query, variables in ((timeline, {"by": by}), (activity, {})):
        short = await crowded(query % (EVENT, INFO), **variables)
        assert short == without(await crowded(query % (f"{EVENT} {LONG_EVENT}", INFO), **variables), "person")
    assert rows_of(activity % (EVENT, INFO)) is not None


async def test_companies_from_documents_are_those_from_models(crowded: Api) -> None:
    """Every field, of one with everything and one with a name alone."""
    await crowded(ATTRIBUTE, input={"name": "size", "type": "INTEGER", "target": "COMPANY"})
    await crowded(COMPANY, input={"name": "Bare"})
    full = {name: name for name in TEXTS if name != "country"} | {
        "name": "Full",
        "country": "HR",
        "domains": ["a.example"],
    }
    await crowded(COMPANY, input={**full, "tags": ["big"], "customAttributes": {"size": 3}})
    query = "{ companies(orderBy: {by: NAME, direction: ASC}) { edges { node { %s } cursor } %s } }"
    fields = f"id domains tags customAttributes createdAt updatedAt createdFrom modifiedFrom version {' '.join(TEXTS)}"
    assert rows_of(query % (fields, INFO)) is not None
    page = await crowded(query % (fields, INFO))
    assert page == without(
        await crowded(query % (f"{fields} timeline {{ pageInfo {{ hasNextPage }} }}", INFO)), "timeline"
    )
    assert [one["node"]["name"] for one in page["edges"]] == ["Bare", "Full"]


async def test_what_a_document_has_no_place_for_takes_the_long_way() -> None:
    """Relations, arguments, two selections of the same page."""
    for fields in ("companies { totalCount }", 'customAttribute(name: "x")', "pushRegistrations { platform }"):
        assert rows_of(f"{{ persons {{ nodes {{ id {fields} }} }} }}") is None
    assert rows_of("{ persons { nodes { id } edges { node { firstName } } } }") is None
    assert rows_of("{ persons { a: nodes { id } b: nodes { firstName } } }") is None
    assert rows_of("{ persons { totalCount } }") is None
    some = rows_of("{ persons { nodes { id tags } totalCount } }")
    assert some is not None
    assert some.fields == {"_id", "tags"}


async def test_what_is_unusual_takes_the_long_way(crowded: Api) -> None:
    """A document that lacks what it must have is told as the error that a model is told as."""
    await crowded.service.store.engine.write("persons", [broken()])
    answer = (await crowded.post("{ persons { nodes { id version } } }")).json()
    assert [error["path"] for error in answer["errors"]] == [["persons", "nodes", 2, "version"]]


def broken() -> Any:
    """Return the write that spoils somebody."""
    return Update({"externalId": "bare"}, {"$set": {"version": "seven"}})


async def test_timelines_of_all_persons_of_a_page_are_read_in_one_call(crowded: Api) -> None:
    """One read for a level, whoever is on it."""
    engine = crowded.service.store.engine
    calls: list[int] = []
    each = engine.find_each

    async def counted(collection: str, filters: Any, **options: Any) -> Any:
        calls.append(len(filters))
        return await each(collection, filters, **options)

    engine.find_each = counted  # type: ignore[method-assign]
    page = await crowded("{ persons { nodes { id timeline(first: 1) { nodes { type } } } } }")
    assert [len(one["timeline"]["nodes"]) for one in page["nodes"]] == [1, 1, 1]
    assert calls == [3]


async def test_long_lists_let_others_have_their_turn(crowded: Api) -> None:
    """While a page of many is completed the loop goes round."""
    await asyncio.gather(*[crowded.made(externalId=f"n-{number}") for number in range(120)])
    page = await crowded("{ persons(first: 200) { nodes { id inheritedTags } } }")
    assert len({one["id"] for one in page["nodes"]}) == 123
