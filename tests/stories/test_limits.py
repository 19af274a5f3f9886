"""Limits as a client meets them: what is just within passes, one more is refused whole, with its code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from graphql import parse

from app.access.service import NAME_MAX
from app.catalog import definitions, filters, values
from app.catalog.checks import TAGS_PER_CALL_MAX
from app.changes.requests import KEY_LENGTH_MAX
from app.changes.rows import ROWS_MAX
from app.companies.wish import DOMAIN_MAX, DOMAINS_MAX
from app.core import pages, text
from app.graph import cost, precheck
from app.graph.companies import MERGED_MAX, ROLE_MAX
from app.graph.scalars import CURSOR_CHARACTERS, JSON_DEPTH
from app.persons.track import EVENTS_MAX
from app.persons.wish import CONTACTS_MAX, URL_MAX
from app.timeline.admit import EVENT_BYTES, SESSION_ID_MAX
from tests.api import ATTRIBUTE, COMPANY, CREATE, DEFINE, LINK, TRACK, Api

TABLES = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
LENGTHS = re.findall(r"^\| (person|company) `(\w+)` \| ([\d,]+) \|$", TABLES, re.MULTILINE)
STORED = """{
  persons(first: 1) { totalCount nodes { version } } companies(first: 1) { totalCount nodes { version } }
  tags(first: 1000) { nodes { name } } attributeDefinitions { name } eventDefinitions { id }
  activity(first: 1) { nodes { id } } apiKeys { id } }"""
NAMES = "id type externalId firstName middleName lastName nickname gender birthDate address city country"
MORE = "preferredLanguage timeZone profilePicture tags inheritedTags customAttributes createdFrom modifiedFrom"
# With the field that it stands in, 30 fields.
THIRTY = f"{NAMES} {MORE} createdAt updatedAt version mergedIds emails {{ address primary }} channels {{ sender }}"
SOMEBODY, FIELDS = 'person(by: {id: "x"})', 600
FILTER = "query($f: PersonFilter) { persons(filter: $f, first: 1) { totalCount } }"
SEARCH = "query($s: String) { persons(search: $s, first: 1) { totalCount } }"
MATCH = "query($by: [PersonLocator!]!) { matchPersons(by: $by) }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
UPSERT = "mutation($rows: [CreatePersonInput!]!) { upsertPersons(persons: $rows) { errors { code } } }"
TAG = 'mutation($ids: [ID!]!) { tagPersons(ids: $ids, add: ["a"]) { errors { code } } }'
DELETE = "mutation($by: [PersonLocator!]!) { deletePersons(by: $by) { errors { code } } }"
MERGE = """mutation($all: [CompanyLocator!]!) {
  mergeCompanies(into: {id: "no"}, companies: $all) { errors { code } } }"""
NEW_TAG = "mutation($name: String!) { createTag(name: $name) { errors { code } } }"
ONCE = 'mutation($k: String) { createPerson(input: {externalId: "k"}, idempotencyKey: $k) { errors { code } } }'
KEY = "mutation($n: String!) { createApiKey(input: {name: $n, scopes: [WEB_SDK]}) { errors { code } } }"
NOBODY = {"externalId": "nobody"}
ANN = {"externalId": "ann"}


def many(number: int, what: str) -> str:
    """Write something several times under names of its own."""
    return " ".join(f"a{index}: {what}" for index in range(number))


def fields(number: int) -> str:
    """Write a document of 20 root fields with 600 fields, or one more."""
    last = f"{SOMEBODY} {{ {THIRTY} {'__typename' if number > FIELDS else ''} }}"
    return f"{{ {many(19, SOMEBODY + ' { ...f }')} {last} }} fragment f on Person {{ {THIRTY} }}"


def tokens(number: int) -> str:
    """Write a document of so many tokens: by values of a list alone there can't be so many."""
    others = many(19, f"{SOMEBODY} @include(if: true) {{ {THIRTY} }}")

    def written(count: int) -> str:
        values = '"a" ' * count
        return f"{{ {others} activity(first: 1, filter: {{types: [{values}]}}) @skip(if: false) {{ nodes {{ id }} }} }}"

    # Begin and end are tokens there that count for nothing.
    return written(number - sum(1 for _ in precheck.tokens(parse(written(0)))) + 2)


def listed(number: int) -> str:
    """Write a document with so many values of a list."""
    return "{ activity(first: 1, filter: {types: [" + '"a" ' * number + "]}) { nodes { id } } }"


def depth(number: int) -> str:
    """Write a document of so many levels."""
    return '{ __type(name: "Person") ' + "{ ofType " * (number - 2) + "{ name }" + " }" * (number - 1)


def price(number: int) -> str:
    """Write a document of that cost."""
    return f"{{ {many(4, 'persons(first: 1000) { totalCount }')} persons(first: {number - 4000}) {{ totalCount }} }}"


# What is limited; the limit; a document of a size. Beyond it: COST_EXCEEDED.
DOCUMENTS: list[tuple[str, int, Callable[[int], str]]] = [
    ("characters", precheck.CHARACTERS_MAX, "{ viewer { accountId } }".ljust),
    ("tokens", precheck.TOKENS_MAX, tokens),
    ("values", precheck.LITERAL_ITEMS_MAX, listed),
    ("depth", precheck.DEPTH_MAX, depth),
    ("aliases", precheck.ALIASES_MAX, lambda n: f"{{ viewer {{ {many(n, 'accountId')} }} }}"),
    ("root fields", precheck.ROOT_FIELDS_MAX, lambda n: f"{{ {many(n, 'viewer { accountId }')} }}"),
    ("same key", precheck.SAME_KEY_MAX, lambda n: f"{{ viewer {{ {'accountId ' * n} }} }}"),
    ("fields", precheck.FIELDS_MAX, fields),
    ("cost", cost.COST_MAX, price),
]


async def test_documents_pass_up_to_their_limits_and_no_further(api: Api) -> None:
    """COST_EXCEEDED with 400, and the limit beside the code."""
    for name, limit, build in DOCUMENTS:
        within = await api.post(build(limit))
        assert (within.status_code, "errors" in within.json()) == (200, False), (name, within.text[:300])
        beyond = await api.post(build(limit + 1))
        (error,) = beyond.json()["errors"]
        assert (beyond.status_code, error["extensions"]["code"]) == (400, "COST_EXCEEDED"), (name, error)
        assert error["extensions"]["limit"] == limit, name


def nested(number: int) -> dict[str, Any]:
    """Write a filter of so many filters in each other."""
    wanted: dict[str, Any] = {"type": "LEAD"}
    for _ in range(number - 1):
        wanted = {"not": wanted}
    return {"f": wanted}


def tower(number: int) -> dict[str, Any]:
    """Write JSON of so many levels, as the value of no attribute."""
    value: Any = {}
    for _ in range(number - 2):
        value = [value]
    return {"input": {"externalId": "t", "customAttributes": {"nope": value}}}


Build = Callable[[int], dict[str, Any]]
# A document, the limit, variables of a size. Beyond it: BAD_VARIABLES.
VARIABLES: list[tuple[str, int, Build]] = [
    (FILTER, filters.TERMS_MAX, lambda n: {"f": {"or": [{"type": "LEAD"}] * (n - 1)}}),
    (FILTER, filters.DEPTH_MAX, nested),
    (FILTER, filters.VALUES_MAX, lambda n: {"f": {"ids": ["x"] * n}}),
    (FILTER, filters.VALUES_MAX, lambda n: {"f": {"city": {"in": ["x"] * n}}}),
    (FILTER, filters.TEXT_MAX, lambda n: {"f": {"city": {"contains": "\U0001f600" * n}}}),
    (SEARCH, filters.TEXT_MAX, lambda n: {"s": "ä" * n}),
    (MATCH, pages.PAGE_MAX, lambda n: {"by": [NOBODY] * n}),
    (NODES, pages.PAGE_MAX, lambda n: {"ids": ["x"] * n}),
    ("query($n: Int) { persons(first: $n) { totalCount } }", pages.PAGE_MAX, lambda n: {"n": n}),
    (CREATE, JSON_DEPTH, tower),
]


async def test_variables_pass_up_to_their_limits_and_no_further(api: Api) -> None:
    """BAD_VARIABLES with 400."""
    await api.made(**ANN)
    for query, limit, build in VARIABLES:
        within = await api.post(query, build(limit))
        assert (within.status_code, "errors" in within.json()) == (200, False), (query, within.text[:300])
        beyond = await api.post(query, build(limit + 1))
        code = beyond.json()["errors"][0]["extensions"]["code"]
        assert (beyond.status_code, code) == (400, "BAD_VARIABLES"), (query, code)
    cursor = "query($c: Cursor) { persons(after: $c) { totalCount } }"
    assert await api.refused(cursor, c="x" * CURSOR_CHARACTERS) == "BAD_CURSOR"
    assert await api.refused(cursor, c="x" * (CURSOR_CHARACTERS + 1)) == "BAD_VARIABLES"


def person(name: str, build: Callable[[int], Any]) -> tuple[str, Build]:
    """Make a person with one field of a size."""
    return CREATE, lambda n: {"input": {"externalId": f"{name}{n}", name: build(n)}}


def length(of: str, name: str) -> tuple[str, Build]:
    """Make a person or a company with a text of a length."""
    key = "externalId" if of == "person" else "name"
    return CREATE if of == "person" else COMPANY, lambda n: {"input": {key: f"{name}{n}", name: "x" * n}}


def event(name: str, build: Callable[[int], Any]) -> tuple[str, Build]:
    """Define an event with one field of a size."""
    return DEFINE, lambda n: {"input": {"id": "order", "title": "Order", name: build(n)}}


def domain(length: int) -> str:
    """Write a domain of so many characters."""
    return (f"{'a' * 60}." * 5)[: length - 4].rstrip(".").ljust(length - 4, "a") + ".com"


FIELD = {"name": "f", "type": "STRING"}
# A document with its variables of a size, the limit, the code of the payload beyond it.
INPUTS: list[tuple[tuple[str, Build], int, str]] = [
    (person("emails", lambda n: [{"address": f"a{n}.{i}@b.example"} for i in range(n)]), CONTACTS_MAX, "TOO_MANY"),
    (person("phones", lambda n: [{"number": str(10**9 + n * 1000 + i)} for i in range(n)]), CONTACTS_MAX, "TOO_MANY"),
    (person("emails", lambda n: [{"address": "a@" + domain(n - 2)}]), text.EMAIL_MAX, "TOO_LONG"),
    (person("phones", lambda n: [{"number": "4917012345".ljust(n)}]), text.PHONE_INPUT_MAX, "TOO_LONG"),
    (person("phones", lambda n: [{"number": "1" * n}]), text.PHONE_DIGITS_MAX, "INVALID"),
    (person("profilePicture", lambda n: "https://a.example/".ljust(n, "a")), URL_MAX, "TOO_LONG"),
    (person("tags", lambda n: [f"t{i}" for i in range(n)]), TAGS_PER_CALL_MAX, "TOO_MANY"),
    (person("customAttributes", lambda n: {"plan": "x" * n}), values.STRING_MAX, "TOO_LONG"),
    (person("customAttributes", lambda n: {"age": n}), values.INTEGER_MAX, "INVALID"),
    (person("customAttributes", lambda n: {"cars": [{"f": "x"}] * n}), values.LIST_ITEMS_MAX, "TOO_MANY"),
    ((CREATE, lambda n: {"input": {"externalId": "x" * n}}), text.EXTERNAL_ID_MAX, "TOO_LONG"),
    ((COMPANY, lambda n: {"input": {"name": "x" * n}}), 255, "TOO_LONG"),
    (
        (COMPANY, lambda n: {"input": {"name": f"d{n}", "domains": [f"d{i}.com" for i in range(n)]}}),
        DOMAINS_MAX,
        "TOO_MANY",
    ),
    ((COMPANY, lambda n: {"input": {"name": f"e{n}", "domains": [domain(n)]}}), DOMAIN_MAX, "INVALID"),
    ((LINK, lambda n: {"company": {"name": "acme"}, "persons": [ANN], "role": "x" * n}), ROLE_MAX, "TOO_LONG"),
    ((LINK, lambda n: {"company": {"name": "acme"}, "persons": [ANN] * n}), pages.PAGE_MAX, "TOO_MANY"),
    ((NEW_TAG, lambda n: {"name": "x" * n}), definitions.NAME_MAX, "TOO_LONG"),
    ((ATTRIBUTE, lambda n: {"input": {"name": "x" * n, "type": "STRING"}}), definitions.NAME_MAX, "TOO_LONG"),
    (
        (ATTRIBUTE, lambda n: {"input": {"name": "y", "type": "STRING", "description": "x" * n}}),
        definitions.DESCRIPTION_MAX,
        "TOO_LONG",
    ),
    (
        (
            ATTRIBUTE,
            lambda n: {
                "input": {"name": "l", "type": "LIST", "itemFields": [{**FIELD, "name": f"f{i}"} for i in range(n)]}
            },
        ),
        definitions.ITEM_FIELDS_MAX,
        "TOO_MANY",
    ),
    (event("id", lambda n: "x" * n), definitions.EVENT_ID_MAX, "INVALID"),
    (event("title", lambda n: "x" * n), definitions.TITLE_MAX, "TOO_LONG"),
    (event("fields", lambda n: [{**FIELD, "name": "x" * n}]), definitions.FIELD_NAME_MAX, "TOO_LONG"),
    ((KEY, lambda n: {"n": "x" * n}), NAME_MAX, "TOO_LONG"),
    ((ONCE, lambda n: {"k": "x" * n}), KEY_LENGTH_MAX, "TOO_LONG"),
    ((UPSERT, lambda n: {"rows": [ANN] * n}), ROWS_MAX, "TOO_MANY"),
    ((TAG, lambda n: {"ids": ["per_no"] * n}), ROWS_MAX, "TOO_MANY"),
    ((DELETE, lambda n: {"by": [NOBODY] * n}), pages.PAGE_MAX, "TOO_MANY"),
    ((MERGE, lambda n: {"all": [{"id": "no"}] * n}), MERGED_MAX, "TOO_MANY"),
    ((TRACK, lambda n: {"events": [{"person": NOBODY, "type": "no"}] * n, "atomic": False}), EVENTS_MAX, "TOO_MANY"),
    *[(length(of, name), int(limit.replace(",", "")), "TOO_LONG") for of, name, limit in LENGTHS],
]


@pytest.mark.often
async def test_inputs_pass_up_to_their_limits_and_no_further(api: Api) -> None:
    """Beyond it the code of the table stands in the payload, and nothing was stored."""
    await api.made(**ANN)
    await api(COMPANY, input={"name": "Acme"})
    for name, type_ in (("plan", "STRING"), ("age", "INTEGER"), ("cars", "LIST")):
        items = {"itemFields": [FIELD]} if type_ == "LIST" else {}
        assert (await api(ATTRIBUTE, input={"name": name, "type": type_, **items}))["errors"] == []
    for (query, build), limit, code in INPUTS:
        assert code not in await api.codes(query, **build(limit)), (query, limit)
        before = (await api.post(STORED)).json()
        assert await api.codes(query, **build(limit + 1)) == [code], (query, limit)
        assert (await api.post(STORED)).json() == before, query


def noted(*texts: str) -> dict[str, Any]:
    """Write properties of an event."""
    return {"properties": {"l": [{"f": one} for one in texts]}}


async def test_an_event_beyond_a_limit_is_rejected_alone(api: Api) -> None:
    """Session id, size of its properties, event id: its neighbours are stored."""
    await api.made(**ANN)
    await api(
        DEFINE, input={"id": "note", "title": "Note", "fields": [{"name": "l", "type": "LIST", "itemFields": [FIELD]}]}
    )
    full = ["x" * 4000] * 127
    rest = EVENT_BYTES - len(orjson.dumps(noted(*full, "")["properties"]))
    cases = [
        ({"sessionId": "x" * SESSION_ID_MAX}, {"sessionId": "x" * (SESSION_ID_MAX + 1)}, "INVALID"),
        ({"eventId": "x" * 64}, {"eventId": "x" * 65}, "INVALID"),
        (noted(*full, "x" * rest), noted(*full, "x" * (rest + 1)), "TOO_LONG"),
    ]
    for within, beyond, code in cases:
        results = await api.track(*[{"person": ANN, "type": "note", **more} for more in (within, beyond)])
        assert [one["status"] for one in results] == ["ACCEPTED", "REJECTED"], code
        assert [one["code"] for one in results[1]["errors"]] == [code]
