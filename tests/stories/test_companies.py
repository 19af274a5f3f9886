"""Stories C: companies, their members, and what they pass on."""

from typing import Any

import pytest

from tests.api import COMPANY, LINK, Api

FIND = "query($by: CompanyLocator!) { company(by: $by) { id name tags version persons { totalCount nodes { id } } } }"
UPDATE = """mutation($by: CompanyLocator!, $input: UpdateCompanyInput!) {
  updateCompany(by: $by, input: $input) { company { tags domains } errors { code path } }
}"""
INHERITED = (
    "query($id: ID!) { person(by: {id: $id}) { tags inheritedTags companies { nodes { name } edges { role } } } }"
)


async def made(api: Api, **input_: Any) -> dict[str, Any]:
    """Make a company that is not refused."""
    payload = await api(COMPANY, input=input_)
    assert payload["errors"] == [], payload
    company: dict[str, Any] = payload["company"]
    return company


async def test_C1_a_company_is_found_by_each_of_its_identifiers(api: Api) -> None:
    """W create and get by id, externalId, name, domain."""
    company = await made(api, name="Acme GmbH", externalId="c-1", domains=["Acme.Example"])
    for by in ({"id": company["id"]}, {"externalId": "c-1"}, {"name": "ACME gmbh"}, {"domain": "acme.EXAMPLE"}):
        assert (await api(FIND, by=by))["id"] == company["id"]
    assert await api(FIND, by={"name": "Nobody"}) is None


async def test_C2_two_selectors_at_once_are_refused(api: Api) -> None:
    """W two selectors at once T refused."""
    assert await api.refused(FIND, by={"name": "A", "domain": "a.example"}) == "BAD_VARIABLES"
    assert await api.refused('{ company(by: {name: "A", domain: "a.example"}) { id } }') == "VALIDATION_FAILED"
    assert await api.refused("{ company(by: {}) { id } }") == "VALIDATION_FAILED"


async def test_C3_members_inherit_the_tags_while_they_are_members(api: Api) -> None:
    """W add 3 persons, company tag VIP T each has inheritedTags VIP; unlink T gone."""
    company = await made(api, name="Acme", tags=["VIP"])
    persons = [await api.made(externalId=f"m{number}") for number in range(3)]
    by = [{"id": person["id"]} for person in persons]
    linked = await api(LINK, company={"id": company["id"]}, persons=by, role="buyer")
    assert linked["errors"] == []
    for person in persons:
        shown = await api(INHERITED, id=person["id"])
        assert (shown["tags"], shown["inheritedTags"]) == ([], ["VIP"])
        assert shown["companies"] == {"nodes": [{"name": "Acme"}], "edges": [{"role": "buyer"}]}
    tagged = await api('{ persons(filter: {tags: {has: "vip"}}) { totalCount } }')
    assert tagged["totalCount"] == 3
    unlink = """mutation($c: CompanyLocator!, $p: [PersonLocator!]!) {
      unlinkPersons(company: $c, persons: $p) { errors { code } } }"""
    assert await api.codes(unlink, c={"name": "acme"}, p=by) == []
    assert (await api(INHERITED, id=persons[0]["id"]))["inheritedTags"] == []
    assert (await api(FIND, by={"name": "Acme"}))["persons"]["totalCount"] == 0


async def test_C4_tags_are_added_or_replaced(api: Api) -> None:
    """W tags add T appended; tags set T replaced."""
    await made(api, name="Acme", tags=["a"])
    added = await api(UPDATE, by={"name": "Acme"}, input={"tags": {"add": ["b"]}})
    assert added["company"]["tags"] == ["a", "b"]
    replaced = await api(UPDATE, by={"name": "Acme"}, input={"tags": {"set": ["c"]}})
    assert replaced["company"]["tags"] == ["c"]


async def test_C5_an_external_id_never_changes(api: Api) -> None:
    """W change externalId T refused."""
    await made(api, name="Acme", externalId="c-1")
    assert await api.refused(UPDATE, by={"name": "Acme"}, input={"externalId": "c-2"}) == "BAD_VARIABLES"


async def test_C6_deleting_a_company_leaves_its_persons(api: Api) -> None:
    """W delete company T persons stay."""
    company = await made(api, name="Acme")
    person = await api.made(externalId="m")
    await api(LINK, company={"id": company["id"]}, persons=[{"id": person["id"]}])
    deleted = await api(
        "mutation($by: CompanyLocator!) { deleteCompany(by: $by) { deletedIds errors { code } } }", by={"name": "Acme"}
    )
    assert deleted == {"deletedIds": [company["id"]], "errors": []}
    assert (await api(INHERITED, id=person["id"]))["companies"]["nodes"] == []
    assert await api(FIND, by={"id": company["id"]}) is None
    await made(api, name="ACME")


async def test_an_unknown_member_refuses_the_whole_link(api: Api) -> None:
    """One unknown person: nobody joins, and the path says who it was."""
    await made(api, name="Acme")
    person = await api.made(externalId="m")
    payload = await api(LINK, company={"name": "Acme"}, persons=[{"id": person["id"]}, {"externalId": "nobody"}])
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("PERSON_NOT_FOUND", ["persons", "1"])]
    assert (await api(FIND, by={"name": "Acme"}))["persons"]["totalCount"] == 0


async def test_a_taken_name_or_domain_is_refused_in_any_case(api: Api) -> None:
    """W the same name in another case, or a domain of another company."""
    company = await made(api, name="Acme", domains=["acme.example"])
    payload = await api(COMPANY, input={"name": "ACME", "domains": ["x.example", "ACME.example"]})
    assert sorted((one["code"], tuple(one["path"]), one["existingId"]) for one in payload["errors"]) == [
        ("DUPLICATE_DOMAIN", ("domains", "1"), company["id"]),
        ("DUPLICATE_NAME", ("name",), company["id"]),
    ]


@pytest.mark.parametrize("order", ["CREATED_AT", "UPDATED_AT", "NAME"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_companies_are_paged_both_ways_in_each_order(api: Api, order: str, direction: str) -> None:
    """Forward and backward pages show each company once, in the same order."""
    names = ["Éa", "beta", "Ea", "alpha", "Gamma", "delta", "ea 2"]
    for name in names:
        await made(api, name=name, domains=[f"d{names.index(name)}.example"])
    query = """query($o: CompanyOrder, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
      companies(orderBy: $o, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    wanted = {"by": order, "direction": direction}
    forward: list[str] = []
    after = None
    while True:
        page = await api(query, o=wanted, first=3, after=after)
        forward += [one["name"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert sorted(forward) == sorted(names)
    assert page["totalCount"] == 7
    backward: list[str] = []
    before = None
    while True:
        page = await api(query, o=wanted, last=3, before=before)
        backward = [one["name"] for one in page["nodes"]] + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert backward == forward


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"name": {"contains": "CM"}}, {"Acme"}),
        ({"domain": {"eq": "BETA.example"}}, {"Beta"}),
        ({"country": {"in": ["Austria", "France"]}}, {"Acme", "Gamma"}),
        ({"tags": {"has": "vip"}}, {"Acme", "Beta"}),
        ({"tags": {"hasNone": ["vip"]}}, {"Gamma"}),
        ({"not": {"segment": {"eq": "smb"}}}, {"Beta", "Gamma"}),
        ({"or": [{"industry": {"startsWith": "tex"}}, {"name": {"endsWith": "ma"}}]}, {"Beta", "Gamma"}),
        ({"customAttribute": {"name": "size", "number": {"gte": 10}}}, {"Beta", "Gamma"}),
        ({"ids": []}, set()),
    ],
)
async def test_a_filter_finds_exactly_those_it_means(api: Api, wanted: dict[str, Any], found: set[str]) -> None:
    """The set of companies that a filter finds."""
    await api('mutation { defineAttribute(input: {target: COMPANY, name: "size", type: INTEGER}) { errors { code } } }')
    await made(api, name="Acme", country="Austria", segment="SMB", tags=["VIP"], customAttributes={"size": 5})
    await made(
        api, name="Beta", domains=["beta.example"], industry="Textiles", tags=["vip"], customAttributes={"size": 10}
    )
    await made(api, name="Gamma", country="France", customAttributes={"size": 70})
    page = await api("query($f: CompanyFilter) { companies(filter: $f) { totalCount nodes { name } } }", f=wanted)
    assert {one["name"] for one in page["nodes"]} == found
    assert page["totalCount"] == len(found)


async def test_a_search_finds_words_of_the_name_and_the_domain(api: Api) -> None:
    """Every word of the search begins a word of the company."""
    await made(api, name="Dûnes & Daughters", domains=["sand.example"])
    await made(api, name="Daughters of Rome")
    page = await api('{ companies(search: "daught dun") { nodes { name } } }')
    assert [one["name"] for one in page["nodes"]] == ["Dûnes & Daughters"]
    page = await api('{ companies(search: "SAND") { nodes { name } } }')
    assert [one["name"] for one in page["nodes"]] == ["Dûnes & Daughters"]


UPSERT = """mutation($rows: [CreateCompanyInput!]!, $atomic: Boolean! = false) {
  upsertCompanies(companies: $rows, atomic: $atomic) {
    results { index status company { id name externalId domains tags country version } errors { code path existingId } }
    errors { code path } }
}"""
MERGE = """mutation($into: CompanyLocator!, $companies: [CompanyLocator!]!) {
  mergeCompanies(into: $into, companies: $companies) {
    company { id name externalId domains tags country customAttributes version persons { totalCount } }
    errors { code path } }
}"""


async def upserted(api: Api, *rows: dict[str, Any], **how: bool) -> list[dict[str, Any]]:
    """Send rows, and return what became of them."""
    payload = await api(UPSERT, rows=list(rows), **how)
    assert payload["errors"] == [], payload
    results: list[dict[str, Any]] = payload["results"]
    return results


async def test_rows_make_companies_and_change_them(api: Api) -> None:
    """Found by external id, then name, then domain; domains and tags join; the same row again changes nothing."""
    row = {"externalId": "c1", "name": "Acme", "domains": ["acme.example"], "tags": ["a"], "country": "AT"}
    (first,) = await upserted(api, row)
    assert (first["status"], (await upserted(api, row))[0]["status"]) == ("CREATED", "NOT_MODIFIED")
    more: list[dict[str, Any]] = [
        {"name": "ACME", "domains": ["acme.test"]},
        {"name": "Acme Group", "externalId": "c1", "tags": ["b"]},
        {"name": "acme group", "country": "DE"},
        {"name": "Other", "domains": ["acme.test"], "tags": ["c"]},
    ]
    results = await upserted(api, *more)
    assert [one["status"] for one in results] == ["UPDATED"] * 4
    company = results[3]["company"]
    assert (company["id"], company["name"], company["country"]) == (first["company"]["id"], "Other", "DE")
    assert (company["domains"], company["tags"]) == (["acme.example", "acme.test"], ["a", "b", "c"])


async def test_rows_that_belong_to_two_companies_are_refused(api: Api) -> None:
    """With the code and the owner of the second identifier; the others are written."""
    one = await made(api, name="One", domains=["one.example"], externalId="1")
    two = await made(api, name="Two", domains=["two.example"])
    results = await upserted(
        api,
        {"name": "One", "domains": ["two.example"]},
        {"name": "One", "externalId": "other"},
        {"name": "Two", "externalId": "2"},
        {"name": " "},
        {"name": "Five", "domains": ["no domain"]},
    )
    assert [(row["status"], [(x["code"], x["path"], x["existingId"]) for x in row["errors"]]) for row in results] == [
        ("FAILED", [("DUPLICATE_DOMAIN", ["domains", "0"], two["id"])]),
        ("FAILED", [("DUPLICATE_NAME", ["name"], one["id"])]),
        ("UPDATED", []),
        ("FAILED", [("REQUIRED", ["name"], None)]),
        ("FAILED", [("INVALID", ["domains", "0"], None)]),
    ]


async def test_rows_in_one_piece_are_all_or_none(api: Api) -> None:
    """And more than a thousand are refused as a whole."""
    results = await upserted(api, {"name": "A"}, {"name": "B", "domains": ["x"]}, atomic=True)
    assert [one["errors"][0]["code"] for one in results] == ["WRONG_STATE", "INVALID"]
    assert await api(FIND, by={"name": "A"}) is None
    results = await upserted(api, *[{"name": f"c{n}"} for n in range(30)], atomic=True)
    assert {one["status"] for one in results} == {"CREATED"}
    payload = await api(UPSERT, rows=[{"name": f"d{n}"} for n in range(1001)])
    assert ([one["code"] for one in payload["errors"]], payload["results"]) == (["TOO_MANY"], [])


async def test_companies_are_taken_into_one(api: Api) -> None:
    """Members, timelines, domains and tags move; what it lacks is filled, its own values stay; old ids find it."""
    await api('mutation { defineAttribute(input: {target: COMPANY, name: "size", type: INTEGER}) { errors { code } } }')
    acme = await made(api, name="Acme", domains=["acme.example"], tags=["a"])
    old = await made(
        api, name="Old", domains=["old.example"], tags=["b"], country="AT", externalId="o", customAttributes={"size": 5}
    )
    both = await api.made(externalId="both")
    for company, person in ((acme, both), (old, both), (old, await api.made(externalId="alone"))):
        await api(LINK, company={"id": company["id"]}, persons=[{"id": person["id"]}], role=company["name"])
    payload = await api(MERGE, into={"name": "acme"}, companies=[{"domain": "old.example"}])
    assert payload["errors"] == []
    company = payload["company"]
    assert (company["id"], company["name"], company["externalId"], company["country"]) == (
        acme["id"],
        "Acme",
        "o",
        "AT",
    )
    assert (company["domains"], company["tags"]) == (["acme.example", "old.example"], ["a", "b"])
    assert (company["customAttributes"], company["persons"]["totalCount"]) == ({"size": 5}, 2)
    for by in ({"id": old["id"]}, {"externalId": "o"}, {"domain": "old.example"}):
        assert (await api(FIND, by=by))["id"] == acme["id"]
    assert await api(FIND, by={"name": "Old"}) is None
    seen = await api(INHERITED, id=both["id"])
    assert (seen["companies"]["edges"], seen["inheritedTags"]) == ([{"role": "Acme"}], ["a", "b"])
    assert (await api(MERGE, into={"name": "acme"}, companies=[{"id": old["id"]}]))["company"] == company


async def test_the_timeline_of_a_merged_company_is_on_the_survivors(api: Api) -> None:
    """With what happened to the other one before; whoever followed that is told, and goes on with the survivor."""
    acme, old = await made(api, name="Acme"), await made(api, name="Old")
    follow = "subscription($id: ID!) { timelineEvents(company: {id: $id}) { kind event { type } } }"
    async with api.live(follow, id=old["id"]) as follower:
        await api(MERGE, into={"id": acme["id"]}, companies=[{"id": old["id"]}])
        assert (await follower.data())["kind"] == "READY"
        assert (await follower.data()) == {"kind": "MERGED", "event": {"type": "companyDeleted"}}
        await api(UPDATE, by={"id": acme["id"]}, input={"country": "Austria"})
        assert (await follower.data()) == {"kind": "EVENT", "event": {"type": "companyUpdated"}}
    query = "query($id: ID!) { company(by: {id: $id}) { timeline { nodes { type company { id } } } } }"
    nodes = (await api(query, id=acme["id"]))["timeline"]["nodes"]
    assert sorted(one["type"] for one in nodes) == [
        *("companyCreated", "companyCreated", "companyDeleted", "companyMerged", "companyUpdated")
    ]
    assert {one["company"]["id"] for one in nodes} == {acme["id"]}


async def test_merges_that_can_not_be_are_refused(api: Api) -> None:
    """And change nothing."""
    await made(api, name="Acme", domains=[f"a{n}.example" for n in range(60)])
    await made(api, name="Old", domains=[f"b{n}.example" for n in range(60)])
    acme, old = {"name": "Acme"}, {"name": "Old"}
    member = await api.made(externalId="member")
    await api(LINK, company=old, persons=[{"id": member["id"]}])
    for into, others, expected in (
        ({"name": "No"}, [old], ("COMPANY_NOT_FOUND", ["into"])),
        (acme, [old, {"name": "No"}], ("COMPANY_NOT_FOUND", ["companies", "1"])),
        (acme, [], ("REQUIRED", ["companies"])),
        (acme, [old] * 51, ("TOO_MANY", ["companies"])),
        (acme, [old], ("MERGE_BLOCKED", ["companies"])),
    ):
        payload = await api(MERGE, into=into, companies=others)
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [expected]
    assert (await api(FIND, by=old))["version"] == 1
    seen = await api("query($by: CompanyLocator!) { company(by: $by) { persons { nodes { id } } } }", by=old)
    assert seen["persons"]["nodes"] == [{"id": member["id"]}]


async def test_a_company_takes_in_many_members(api: Api) -> None:
    """More than one chunk of them."""
    await made(api, name="Acme")
    await made(api, name="Old")
    rows = "mutation($rows: [CreatePersonInput!]!) { upsertPersons(persons: $rows) { results { person { id } } } }"
    found = (await api(rows, rows=[{"externalId": f"m{n}"} for n in range(620)]))["results"]
    await api(LINK, company={"name": "Old"}, persons=[{"id": one["person"]["id"]} for one in found])
    payload = await api(MERGE, into={"name": "Acme"}, companies=[{"name": "Old"}])
    assert payload["company"]["persons"]["totalCount"] == 620


async def test_the_id_of_a_merged_company_finds_the_survivor_in_filters(api: Api) -> None:
    """Of companies and of their members; live followers of its members go on with those of the survivor."""
    acme, other, third = [await made(api, name=name) for name in ("Acme", "Other", "Third")]
    one, two = [await api.made(externalId=name) for name in ("1", "2")]
    await api(LINK, company={"id": other["id"]}, persons=[{"id": one["id"]}])
    await api(MERGE, into={"id": acme["id"]}, companies=[{"id": other["id"]}])
    await api(MERGE, into={"id": third["id"]}, companies=[{"id": acme["id"]}])
    for wanted, names in (
        ({"ids": [other["id"]]}, ["Third"]),
        ({"not": {"ids": [other["id"]]}}, []),
        ({"or": [{"ids": [acme["id"]]}]}, ["Third"]),
    ):
        page = await api("query($f: CompanyFilter) { companies(filter: $f) { nodes { name } } }", f=wanted)
        assert [each["name"] for each in page["nodes"]] == names, wanted
    members = "query($f: PersonFilter) { persons(filter: $f) { nodes { externalId } } }"
    for wanted, names in (
        ({"companyId": other["id"]}, ["1"]),
        ({"and": [{"companyId": acme["id"]}]}, ["1"]),
        ({"not": {"companyId": other["id"]}}, ["2"]),
    ):
        assert [each["externalId"] for each in (await api(members, f=wanted))["nodes"]] == names, wanted
    changes = "subscription($f: PersonFilter) { personChanges(filter: $f) { kind personId } }"
    async with api.live(changes, f={"companyId": other["id"]}) as socket:
        assert (await socket.data())["kind"] == "READY"
        await api(LINK, company={"id": third["id"]}, persons=[{"id": two["id"]}])
        assert await socket.data() == {"kind": "UPDATED", "personId": two["id"]}
