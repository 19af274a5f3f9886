"""A hundred at once on one thing, spread over two processes: one wins, nothing is lost, and the audit finds nothing."""

from collections import Counter
from typing import Any

import pytest

from tests.api import COMPANY, CREATE, DEFINE, ERRORS, FIND, TIMELINE, TRACK, UPDATE
from tests.system.pair import Pair

MANY = 100
LINK = f"""mutation($by: CompanyLocator!, $persons: [PersonLocator!]!, $main: Boolean! = false) {{
  linkPersons(company: $by, persons: $persons, primary: $main) {{ company {{ id }} {ERRORS} }} }}"""
UPSERT = f"""mutation($rows: [CreatePersonInput!]!, $atomic: Boolean! = false) {{
  upsertPersons(persons: $rows, atomic: $atomic) {{ results {{ status person {{ id }} {ERRORS} }} {ERRORS} }} }}"""
DELETE = f"mutation($by: PersonLocator!) {{ deletePerson(by: $by) {{ deletedIds {ERRORS} }} }}"
CREATE_TAG = f"mutation($name: String!) {{ createTag(name: $name) {{ tag {{ name }} {ERRORS} }} }}"
TAG = f"mutation($ids: [ID!], $add: [String!]!) {{ tagPersons(ids: $ids, add: $add) {{ changed {ERRORS} }} }}"
DISSOLVE = f"mutation($by: CompanyLocator!) {{ deleteCompany(by: $by) {{ deletedIds {ERRORS} }} }}"
MEMBERS = "query($by: CompanyLocator!) { company(by: $by) { id persons(first: 200) { totalCount nodes { id } } } }"
MATCH = "query($by: [PersonLocator!]!) { matchPersons(by: $by) }"
TAGS = "{ tags { nodes { name persons } } }"
COUNT = "{ persons { totalCount } }"


def refusals(payloads: list[Any]) -> list[tuple[str, str, str | None]]:
    """Return code, path and owner of all that was refused."""
    return [
        (one["code"], ".".join(one["path"]), one["existingId"]) for payload in payloads for one in payload["errors"]
    ]


async def made(pair: Pair, *rows: dict[str, Any]) -> list[str]:
    """Make persons; returns their ids."""
    payload = await pair.ask(0, UPSERT, rows=list(rows))
    assert {one["status"] for one in payload["results"]} == {"CREATED"}, payload
    return [one["person"]["id"] for one in payload["results"]]


async def everybody(pair: Pair) -> int:
    """Return how many persons there are."""
    count: int = (await pair.ask(1, COUNT))["totalCount"]
    return count


IDENTIFIERS = [
    ("DUPLICATE_EMAIL", "emails.0.address", {"emails": [{"address": "One@x.example"}]}, {"email": "one@x.example"}),
    ("DUPLICATE_PHONE", "phones.0.number", {"phones": [{"number": "+43 660 1111111"}]}, {"phone": "436601111111"}),
    ("DUPLICATE_EXTERNAL_ID", "externalId", {"externalId": "one"}, {"externalId": "one"}),
]


@pytest.mark.parametrize(("code", "path", "given", "by"), IDENTIFIERS)
async def test_P4_one_of_a_hundred_creates_has_the_identifier(
    pair: Pair, code: str, path: str, given: dict[str, Any], by: dict[str, str]
) -> None:
    """W 100 parallel creates with one identifier T one succeeds, and 99 are told who that is."""
    payloads = await pair.race(CREATE, *[{"input": {"firstName": f"N{n}", **given}} for n in range(MANY)])
    (winner,) = [one["person"]["id"] for one in payloads if one["person"]]
    assert refusals(payloads) == [(code, path, winner)] * (MANY - 1)
    assert (await pair.ask(1, FIND, by=by))["id"] == winner
    assert await everybody(pair) == 1


async def test_one_of_a_hundred_persons_gets_a_free_email(pair: Pair) -> None:
    """W 100 persons add one free email in parallel T one has it, and 99 are told who."""
    ids = await made(pair, *[{"externalId": f"x{n}"} for n in range(MANY)])
    add = {"emails": {"add": [{"address": "free@x.example"}]}}
    payloads = await pair.race(UPDATE, *[{"by": {"id": one}, "input": add} for one in ids])
    (winner,) = [one["person"]["id"] for one in payloads if one["person"]]
    assert refusals(payloads) == [("DUPLICATE_EMAIL", "emails.add.0.address", winner)] * (MANY - 1)
    assert (await pair.ask(0, FIND, by={"email": "free@x.example"}))["id"] == winner


async def test_a_hundred_phones_are_all_there(pair: Pair) -> None:
    """W 100 different phones are added to one person in parallel T none is lost, each is told, the 101st is refused."""
    (person,) = await made(pair, {"externalId": "x"})
    by = {"id": person}
    numbers = [f"43660{1000000 + n}" for n in range(MANY + 1)]
    adds: list[dict[str, Any]] = [{"by": by, "input": {"phones": {"add": [{"number": one}]}}} for one in numbers]
    payloads = await pair.race(UPDATE, *adds[:MANY])
    assert refusals(payloads) == []
    assert {one["person"]["version"] for one in payloads} == set(range(2, MANY + 2))
    found = await pair.ask(1, FIND, by=by)
    assert {one["number"] for one in found["phones"]} == set(numbers[:MANY])
    assert [one["primary"] for one in found["phones"]].count(True) == 1
    events = (await pair.ask(0, TIMELINE, by=by, first=1000))["timeline"]["nodes"]
    assert [one["type"] for one in events].count("contactAdded") == MANY
    assert refusals([await pair.ask(0, UPDATE, **adds[MANY])]) == [("TOO_MANY", "phones", None)]


async def test_one_of_a_hundred_changes_of_a_version_is_made(pair: Pair) -> None:
    """W 100 changes expect the same version T one is made, 99 are told that they stand on an old state."""
    (person,) = await made(pair, {"externalId": "x"})
    change = [{"by": {"id": person}, "input": {"firstName": f"N{n}"}, "version": 1} for n in range(MANY)]
    payloads = await pair.race(UPDATE, *change)
    (winner,) = [one["person"] for one in payloads if one["person"]]
    assert refusals(payloads) == [("VERSION_CONFLICT", "expectedVersion", None)] * (MANY - 1)
    found = await pair.ask(1, FIND, by={"id": person})
    assert (found["firstName"], found["version"]) == (winner["firstName"], 2)


@pytest.mark.parametrize("atomic", [False, True])
async def test_the_same_row_a_hundred_times_makes_one_person(pair: Pair, *, atomic: bool) -> None:
    """W 100 parallel upserts of one row T one CREATED, 99 NOT_MODIFIED, one person."""
    row = {"externalId": "x", "emails": [{"address": "x@x.example"}], "tags": ["new"], "firstName": "Ann"}
    payloads = await pair.race(UPSERT, *[{"rows": [row], "atomic": atomic}] * MANY)
    results = [one for payload in payloads for one in payload["results"]]
    assert Counter(one["status"] for one in results) == {"CREATED": 1, "NOT_MODIFIED": MANY - 1}
    assert len({one["person"]["id"] for one in results}) == 1
    assert (await everybody(pair), (await pair.ask(0, FIND, by={"externalId": "x"}))["version"]) == (1, 1)


async def test_batches_that_cross_each_other_are_whole(pair: Pair) -> None:
    """W 20 atomic batches write the same 25 persons, every other one backwards T each person is of one batch."""
    names = [chr(ord("A") + n) for n in range(20)]
    batches = [[{"externalId": f"x{n}", "firstName": name, "lastName": name} for n in range(25)] for name in names]
    given = [{"rows": rows[:: -1 if at % 4 in (1, 2) else 1], "atomic": True} for at, rows in enumerate(batches)]
    payloads = await pair.race(UPSERT, *given)
    statuses = Counter(one["status"] for payload in payloads for one in payload["results"])
    assert statuses == {"CREATED": 25, "UPDATED": 19 * 25}
    found = [await pair.ask(0, FIND, by={"externalId": f"x{n}"}) for n in range(25)]
    assert len({(one["firstName"], one["lastName"]) for one in found}) == 1
    assert {one["version"] for one in found} == {20}


async def test_an_email_that_is_let_go_is_taken_by_one_or_stays_free(pair: Pair) -> None:
    """W 50 times A sets email x while B releases it T B is free of it; A has it, or was told that B still had it."""
    pairs = range(50)
    takers = await made(pair, *[{"externalId": f"a{n}"} for n in pairs])
    givers = await made(pair, *[{"externalId": f"b{n}", "emails": [{"address": f"x{n}@x.example"}]} for n in pairs])
    sets = [{"by": {"id": takers[n]}, "input": {"emails": {"set": [{"address": f"x{n}@x.example"}]}}} for n in pairs]
    frees = [{"by": {"id": givers[n]}, "input": {"emails": {"remove": [f"x{n}@x.example"]}}} for n in pairs]
    # Of each pair one goes to either process.
    payloads = await pair.race(UPDATE, *[one for both in zip(sets, frees, strict=True) for one in both])
    taken, freed = payloads[::2], payloads[1::2]
    assert refusals(freed) == []
    assert [one["person"]["emails"] for one in freed] == [[]] * 50
    for n, one in enumerate(taken):
        refused = [("DUPLICATE_EMAIL", "emails.set.0.address", givers[n])]
        assert refusals([one]) == ([] if one["person"] else refused)
    wanted = [one["person"] and one["person"]["id"] for one in taken]
    assert await pair.ask(0, MATCH, by=[{"email": f"x{n}@x.example"} for n in pairs]) == wanted


async def test_a_new_tag_is_made_once(pair: Pair) -> None:
    """W a name in different cases by createTag, createPerson, tagPersons T one tag, and everybody has that one."""
    ids = await made(pair, *[{"externalId": f"old{n}"} for n in range(33)])
    names = ["Trade Fair", "trade fair", "TRADE FAIR"]
    wanted: list[tuple[str, dict[str, Any]]] = []
    for n in range(33):
        wanted.append((CREATE_TAG, {"name": names[n % 3]}))
        wanted.append((CREATE, {"input": {"externalId": f"new{n}", "tags": [names[(n + 1) % 3]]}}))
        wanted.append((TAG, {"ids": [ids[n]], "add": [names[(n + 2) % 3]]}))
    payloads = await pair.together(wanted)
    tags = [one["tag"] for one in payloads[::3] if one["tag"]]
    assert len(tags) <= 1
    assert refusals(payloads) == [("DUPLICATE_NAME", "name", None)] * (33 - len(tags))
    assert [one["changed"] for one in payloads[2::3]] == [1] * 33
    (tag,) = (await pair.ask(1, TAGS))["nodes"]
    assert (tag["name"].lower(), tag["persons"]) == ("trade fair", 66)
    assert {one["person"]["tags"][0] for one in payloads[1::3]} == {tag["name"]}


async def test_an_event_id_counts_once(pair: Pair) -> None:
    """W 100 parallel trackEvents with one eventId T 1 ACCEPTED, 99 DUPLICATE, and all show the one that counts."""
    await pair.ask(0, DEFINE, input={"id": "paid", "title": "Paid", "fields": [{"name": "n", "type": "NUMERIC"}]})
    await made(pair, {"externalId": "x"})
    event = {"person": {"externalId": "x"}, "type": "paid", "eventId": "e-1"}
    sent = [{"events": [event | {"properties": {"n": n}}], "atomic": n % 4 > 1} for n in range(MANY)]
    results = [payload["results"][0] for payload in await pair.race(TRACK, *sent)]
    assert Counter(one["status"] for one in results) == {"ACCEPTED": 1, "DUPLICATE": MANY - 1}
    (kept,) = [one["event"] for one in results if one["status"] == "ACCEPTED"]
    assert all(one["event"] == kept for one in results)
    events = (await pair.ask(1, TIMELINE, by={"externalId": "x"}))["timeline"]["nodes"]
    assert [one["type"] for one in events] == ["paid", "personCreated"]


async def test_a_person_unknown_to_a_hundred_events_is_made_once(pair: Pair) -> None:
    """W 100 events with createPerson for one new email T one CUSTOMER has all of them."""
    await pair.ask(0, DEFINE, input={"id": "paid", "title": "Paid"})
    event = {"person": {"email": "New@x.example"}, "type": "paid", "createPerson": True}
    payloads = await pair.race(TRACK, *[{"events": [event], "atomic": False}] * MANY)
    assert {one["status"] for payload in payloads for one in payload["results"]} == {"ACCEPTED"}
    assert await everybody(pair) == 1
    events = (await pair.ask(0, TIMELINE, by={"email": "new@x.example"}, first=200))["timeline"]["nodes"]
    assert Counter(one["type"] for one in events) == {"paid": MANY, "personCreated": 1}


async def test_a_person_is_deleted_once(pair: Pair) -> None:
    """W 100 parallel deletes of one person T one deletes, 99 find nobody, and it is told once."""
    (person,) = await made(pair, {"externalId": "x", "emails": [{"address": "x@x.example"}]})
    payloads = await pair.race(DELETE, *[{"by": {"id": person}}, {"by": {"email": "x@x.example"}}] * (MANY // 2))
    assert [one for payload in payloads for one in payload["deletedIds"]] == [person]
    assert refusals(payloads) == [("PERSON_NOT_FOUND", "by", None)] * (MANY - 1)
    left = (await pair.ask(0, "{ activity { nodes { type } } }"))["nodes"]
    assert [one["type"] for one in left] == ["personDeleted"]


async def test_a_name_is_one_company(pair: Pair) -> None:
    """W 100 parallel createCompany of one name in two cases T one is made, and 99 are told which."""
    payloads = await pair.race(COMPANY, *[{"input": {"name": "Acme"}}, {"input": {"name": "ACME"}}] * (MANY // 2))
    (winner,) = [one["company"]["id"] for one in payloads if one["company"]]
    assert refusals(payloads) == [("DUPLICATE_NAME", "name", winner)] * (MANY - 1)


async def test_a_person_of_many_companies_has_one_main_one(pair: Pair) -> None:
    """W 20 companies are linked to one person in parallel, each as the main one T one of them is."""
    await made(pair, {"externalId": "x"})
    await pair.race(COMPANY, *[{"input": {"name": f"C{n}"}} for n in range(20)])
    by = [{"externalId": "x"}]
    assert (
        refusals(await pair.race(LINK, *[{"by": {"name": f"C{n}"}, "persons": by, "main": True} for n in range(20)]))
        == []
    )
    query = '{ person(by: {externalId: "x"}) { companies(first: 30) { edges { primary } } } }'
    edges = (await pair.ask(0, query))["companies"]["edges"]
    assert (len(edges), sum(one["primary"] for one in edges)) == (20, 1)


async def test_who_is_deleted_takes_nothing_along(pair: Pair) -> None:
    """W 25 persons are deleted while each is linked, changed, upserted T nothing of them is left behind."""
    people = range(25)
    ids = await made(pair, *[{"emails": [{"address": f"p{n}@x.example"}]} for n in people])
    await pair.ask(0, COMPANY, input={"name": "Acme"})
    wanted: list[tuple[str, dict[str, Any]]] = []
    for n in people:
        by = {"email": f"p{n}@x.example"}
        wanted.append((UPDATE, {"by": by, "input": {"emails": {"add": [{"address": f"q{n}@x.example"}]}}}))
        wanted.append((DELETE, {"by": {"id": ids[n]}}))
        wanted.append((LINK, {"by": {"name": "acme"}, "persons": [by]}))
        wanted.append(
            (UPSERT, {"rows": [{"emails": [{"address": by["email"]}], "phones": [{"number": f"4366{100000 + n}"}]}]})
        )
        wanted.append((UPDATE, {"by": {"id": ids[n]}, "input": {"firstName": "Ann"}}))
    payloads = await pair.together(wanted)
    assert [one["deletedIds"] for one in payloads[1::5]] == [[one] for one in ids]
    assert {code for code, _, _ in refusals(payloads)} <= {"PERSON_NOT_FOUND"}
    upserted = [one["results"][0] for one in payloads[3::5]]
    assert {one["status"] for one in upserted} <= {"CREATED", "UPDATED"}
    made_again = [one["person"]["id"] for one in upserted if one["status"] == "CREATED"]
    assert await everybody(pair) == len(made_again)
    members = (await pair.ask(1, MEMBERS, by={"name": "Acme"}))["persons"]["nodes"]
    assert {one["id"] for one in members} <= set(made_again)
