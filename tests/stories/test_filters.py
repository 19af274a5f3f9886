"""Filters of persons: each finds exactly those it means, also by custom attributes of every type."""

from operator import eq, ge, gt, le, lt
from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, LINK, Api

FILTER = "query($f: PersonFilter) { persons(filter: $f) { totalCount nodes { externalId } } }"
PEOPLE: list[dict[str, Any]] = [
    {
        "externalId": "ann",
        "firstName": "Ann",
        "birthDate": "1990-05-01",
        "tags": ["vip", "berlin"],
        "gender": "FEMALE",
        "customAttributes": {"age": 36, "paid": 1.5, "member": True, "since": "2020-02-29", "plan": "Gold"},
    },
    {
        "externalId": "bob",
        "firstName": "Bob",
        "tags": ["vip"],
        "type": "LEAD",
        "customAttributes": {"age": 9, "member": False, "seen": "2026-01-01T10:00:00Z"},
    },
    {"externalId": "cyd", "emails": [{"address": "cyd@example.com"}], "customAttributes": {"plan": "silver"}},
]


def attribute(name: str, **how: Any) -> dict[str, Any]:
    """Write a filter on an attribute."""
    return {"customAttribute": {"name": name, **how}}


CASES: list[tuple[dict[str, Any], str]] = [
    ({"tags": {"hasAll": ["VIP", "Berlin"]}}, "ann"),
    ({"tags": {"hasAny": ["berlin", "nope"]}}, "ann"),
    ({"tags": {"hasNone": ["vip"]}}, "cyd"),
    ({"tags": {"hasAll": []}}, "ann bob cyd"),
    (attribute("AGE", number={"gt": 9}), "ann"),
    (attribute("age", number={"gte": 9, "lt": 36}), "bob"),
    (attribute("paid", number={"eq": 1.5}), "ann"),
    (attribute("member", boolean=False), "bob"),
    (attribute("since", date={"lte": "2020-02-29"}), "ann"),
    (attribute("since", date={"gt": "2020-02-29"}), ""),
    (attribute("seen", dateTime={"gte": "2026-01-01T11:00:00+01:00"}), "bob"),
    (attribute("plan", string={"eq": "gold"}), "ann"),
    (attribute("plan", string={"contains": "IL"}), "cyd"),
    (attribute("plan", exists=False), "bob"),
    (attribute("plan", exists=True), "ann cyd"),
    ({"birthDate": {"exists": True}}, "ann"),
    ({"gender": "FEMALE"}, "ann"),
    ({"gender": None}, "ann bob cyd"),
    ({"createdFrom": "API", "type": "LEAD"}, "bob"),
    ({"externalId": {"in": ["ann", "ANN", "cyd"]}}, "ann cyd"),
    ({"not": {"or": [attribute("member", boolean=True), {"email": {"exists": True}}]}}, "bob"),
    ({"and": [{"tags": {"has": "vip"}}, {"not": {"type": "LEAD"}}]}, "ann"),
    ({"createdAt": {"gt": "2999-01-01T00:00:00Z"}}, ""),
    ({"hasPush": True}, ""),
]


@pytest.fixture
async def people(api: Api) -> Api:
    """Give an account with three persons."""
    types = {"age": "INTEGER", "paid": "DECIMAL", "member": "BOOLEAN", "since": "DATE", "seen": "DATE_TIME"}
    for name, type_ in {**types, "plan": "STRING"}.items():
        assert (await api(ATTRIBUTE, input={"name": name, "type": type_}))["errors"] == []
    for one in PEOPLE:
        await api.made(**one)
    return api


async def test_each_filter_finds_exactly_those_it_means(people: Api) -> None:
    """The set and its count, case by case."""
    for wanted, names in CASES:
        page = await people(FILTER, f=wanted)
        assert {one["externalId"] for one in page["nodes"]} == set(names.split()), wanted
        assert page["totalCount"] == len(names.split()), wanted


@pytest.mark.parametrize("list_", ["persons", "companies"])
@pytest.mark.parametrize(
    ("field", "how"),
    [("tags", {}), ("tags", {"has": None}), ("country", {}), ("country", {"eq": None}), ("createdAt", {})],
)
async def test_a_comparison_with_nothing_is_refused(api: Api, list_: str, field: str, how: dict[str, Any]) -> None:
    """Alike for each kind of comparison; a field that is null is as good as not there."""
    type_ = {"persons": "PersonFilter", "companies": "CompanyFilter"}[list_]
    query = f"query($f: {type_}) {{ {list_}(filter: $f) {{ totalCount }} }}"
    assert await api.refused(query, f={field: how}) == "BAD_VARIABLES"
    assert (await api(query, f={field: None}))["totalCount"] == 0


async def test_members_of_a_company_are_found(people: Api) -> None:
    """By the company's id; a company that nobody knows has none."""
    acme = (await people(COMPANY, input={"name": "Acme"}))["company"]["id"]
    await people(LINK, company={"id": acme}, persons=[{"externalId": "bob"}], role="buyer", primary=True)
    assert [one["externalId"] for one in (await people(FILTER, f={"companyId": acme}))["nodes"]] == ["bob"]
    assert (await people(FILTER, f={"companyId": "com_nope"}))["totalCount"] == 0


async def test_a_company_shows_its_attributes_one_by_one_and_as_a_whole(people: Api) -> None:
    """The definitions of companies are a world of their own."""
    await people(ATTRIBUTE, input={"name": "Size", "type": "INTEGER", "target": "COMPANY"})
    made = await people(COMPANY, input={"name": "Acme", "customAttributes": {"size": 7}})
    query = '{ node(id: "%s") { ... on Company { customAttributes customAttribute(name: "SIZE") } } }'
    assert await people(query % made["company"]["id"]) == {"customAttributes": {"Size": 7}, "customAttribute": 7}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"phone": {"contains": "abc"}}, ""),
        ({"phone": {"startsWith": "x"}}, ""),
        ({"phone": {"endsWith": "+"}}, ""),
        ({"email": {"contains": " "}}, ""),
        ({"not": {"phone": {"contains": "abc"}}}, "ann bob cyd dan"),
        ({"phone": {"contains": ""}}, "dan"),
        ({"phone": {"contains": "+49 (30)"}}, "dan"),
        ({"phone": {"eq": "abc"}}, ""),
        ({"phone": {"ne": "abc"}}, "ann bob cyd dan"),
    ],
)
async def test_what_no_identifier_can_contain_finds_nobody(people: Api, wanted: dict[str, Any], names: str) -> None:
    """Of letters a phone has none, of blanks an email; a text that is empty is in everything, as in other fields."""
    await people.made(externalId="dan", phones=[{"number": "+493012345"}], emails=[{"address": "dan@example.com"}])
    assert {one["externalId"] for one in (await people(FILTER, f=wanted))["nodes"]} == set(names.split())


@pytest.mark.parametrize("how", [{"eq": "wien"}, {"in": ["Wien"]}, {"endsWith": "en"}])
async def test_a_line_break_at_the_end_is_a_part_of_a_text(people: Api, how: dict[str, Any]) -> None:
    """What ends in one is another text, in a field as in an attribute; how a text begins is the same."""
    for name, city in (("one", "Wien"), ("two", "Wien\n")):
        await people.made(externalId=name, city=city, customAttributes={"plan": city})
    for wanted in ({"city": how}, attribute("plan", string=how)):
        assert [one["externalId"] for one in (await people(FILTER, f=wanted))["nodes"]] == ["one"]
    both = (await people(FILTER, f={"city": {"startsWith": "wien"}}))["nodes"]
    assert {one["externalId"] for one in both} == {"one", "two"}


async def test_an_i_of_turkish_is_another_letter(api: Api) -> None:
    """With a dot and without one: on the store in memory as on MongoDB."""
    for name in ("istanbul", "\u0130stanbul", "\u0131stanbul"):
        await api.made(externalId=name, city=name)
        for how in ({"eq": name}, {"contains": name}, {"in": [name]}):
            page = await api(FILTER, f={"city": how})
            assert ([one["externalId"] for one in page["nodes"]], page["totalCount"]) == ([name], 1)
    assert [one["externalId"] for one in (await api(FILTER, f={"city": {"eq": "ISTANBUL"}}))["nodes"]] == ["istanbul"]


WIDE = [2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1, -(2**53) - 1, -(2**63)]


@pytest.mark.parametrize("number", WIDE)
async def test_a_whole_number_is_compared_to_the_last_digit(api: Api, number: int) -> None:
    """Also where a double would stand for its neighbours as well: as a variable, and written out."""
    assert (await api(ATTRIBUTE, input={"name": "serial", "type": "INTEGER"}))["errors"] == []
    near = [one for one in (number - 1, number, number + 1) if -(2**63) <= one < 2**63]
    for one in near:
        await api.made(externalId=str(one), customAttributes={"serial": one})
    asked = 'query($n: Float) { persons(filter: {customAttribute: {name: "serial", number: {HOW: $n}}}) { %s } }'
    asked %= "nodes { externalId }"
    for how, compare in (("eq", eq), ("gte", ge), ("gt", gt), ("lte", le), ("lt", lt)):
        wanted = {str(one) for one in near if compare(one, number)}
        variable = asked.replace("HOW", how)
        for page in (
            await api(FILTER, f=attribute("serial", number={how: number})),
            await api(variable, n=number),
            await api(variable.replace("($n: Float)", "").replace("$n", str(number))),
        ):
            assert {one["externalId"] for one in page["nodes"]} == wanted, how


@pytest.mark.parametrize(
    "number", ["9007199254740993.0", "1e16", "9223372036854775808", "-9223372036854775809", "1e20"]
)
async def test_what_stands_for_several_whole_numbers_or_for_none_is_refused(api: Api, number: str) -> None:
    """A number that came as a double says no more which one was meant; a decimal is compared as it is kept."""
    for name, type_ in (("serial", "INTEGER"), ("wide", "DECIMAL")):
        assert (await api(ATTRIBUTE, input={"name": name, "type": type_}))["errors"] == []
    await api.made(externalId="one", customAttributes={"wide": float(number)})
    literal = '{ persons(filter: {customAttribute: {name: "%s", number: {eq: %s}}}) { nodes { externalId } } }'
    body = '{"query": "query($n: Float) %s", "variables": {"n": %s}}'
    by_variable = literal.replace("%s}}}", "$n}}}").replace('"', '\\"')
    for name, found in (("serial", None), ("wide", [{"externalId": "one"}])):
        headers = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
        sent = (await api.http.post("/graphql", content=body % (by_variable % name, number), headers=headers)).json()
        for answer in (sent, (await api.post(literal % (name, number))).json()):
            if found is None:
                assert answer["errors"][0]["extensions"]["code"] == "BAD_VARIABLES"
            else:
                assert answer["data"]["persons"]["nodes"] == found
