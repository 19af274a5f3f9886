"""Persons that are one: merged by the rules, found by all their names, and told apart again exactly."""

import asyncio
import itertools
from typing import Any

import pytest

from app.persons.track import PART_EVENTS
from tests.api import CREATE, DEFINE, ERRORS, FIND, UPDATE, Api
from tests.stories.mobile import Phone

WHOLE = """id type externalId firstName middleName lastName nickname gender birthDate address city country
  preferredLanguage timeZone profilePicture emails { address primary } phones { number primary } tags customAttributes
  companies { nodes { id } } mergedIds createdFrom modifiedFrom createdAt"""
MERGE = f"""mutation($input: MergePersonsInput!, $key: String) {{ mergePersons(input: $input, idempotencyKey: $key) {{
  person {{ {WHOLE} version }} merge {{ id mergedIds survivor {{ id }} cause revertedAt
    decisions {{ field chosen from candidates {{ personId value }} }} }} deletedPersonIds {ERRORS} }} }}"""
PREVIEW = f"""query($input: MergePersonsInput!) {{ mergePreview(input: $input) {{ person {{ {WHOLE} }}
  decisions {{ field chosen from candidates {{ personId value }} }} {ERRORS} }} }}"""
REVERT = f"""mutation($id: ID!) {{ revertMerge(id: $id) {{ persons {{ {WHOLE} }} keptFields {ERRORS} }} }}"""
READ = f"query($by: PersonLocator!) {{ person(by: $by) {{ {WHOLE} }} }}"
MERGES = "query($of: ID) { merges(personId: $of) { nodes { id mergedIds revertedAt survivor { id } } } }"
FOLLOW = """subscription($by: PersonLocator, $after: Cursor) { timelineEvents(person: $by, after: $after) {
  cursor kind person { id } event { type properties } } }"""


def by_id(*persons: dict[str, Any]) -> list[dict[str, Any]]:
    """Name persons by their ids."""
    return [{"id": one["id"]} for one in persons]


async def merged(api: Api, *persons: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Merge persons, and return the payload of a merge that was not refused."""
    payload: dict[str, Any] = await api(MERGE, input={"persons": by_id(*persons), **more})
    assert payload["errors"] == [], payload
    return payload


async def read(api: Api, person: dict[str, Any]) -> dict[str, Any]:
    """Return a person as it is now, by its id."""
    found: dict[str, Any] = await api(READ, by={"id": person["id"]})
    return found


async def reverted(api: Api, payload: dict[str, Any]) -> dict[str, Any]:
    """Undo the merge of a payload."""
    undone: dict[str, Any] = await api(REVERT, id=payload["merge"]["id"])
    assert undone["errors"] == [], undone
    return undone


async def test_a_customers_name_wins_and_the_oldest_profile_stays(api: Api) -> None:
    """M1: an older lead and a newer customer, both with a name."""
    lead = await api.made(type="LEAD", firstName="Anna", emails=[{"address": "a@x.com"}])
    customer = await api.made(firstName="Ann", lastName="Lee", emails=[{"address": "b@x.com"}])
    before = await read(api, lead)
    payload = await merged(api, customer, lead)
    person = payload["person"]
    assert (person["id"], person["type"], person["firstName"]) == (lead["id"], "CUSTOMER", "Ann")
    assert (person["createdAt"], person["createdFrom"]) == (before["createdAt"], before["createdFrom"])
    assert (person["lastName"], person["mergedIds"]) == ("Lee", [customer["id"]])
    assert payload["deletedPersonIds"] == [customer["id"]]
    decision = next(one for one in payload["merge"]["decisions"] if one["field"] == "firstName")
    assert (decision["chosen"], decision["from"]) == ("Ann", customer["id"])
    assert {one["value"] for one in decision["candidates"]} == {"Ann", "Anna"}


async def test_of_two_leads_the_later_value_wins_and_what_is_empty_is_filled(api: Api) -> None:
    """M2."""
    old = await api.made(type="LEAD", firstName="Old", city="Wien", externalId="o")
    new = await api.made(type="LEAD", firstName="New", country="Austria", externalId="n")
    await api(UPDATE, by={"id": old["id"]}, input={"lastName": "Later"})
    person = (await merged(api, old, new))["person"]
    assert (person["id"], person["firstName"], person["lastName"]) == (old["id"], "Old", "Later")
    assert (person["city"], person["country"]) == ("Wien", "Austria")


async def test_contacts_tags_and_events_of_both_are_there_once(api: Api) -> None:
    """M3: and every name that one of them had finds the survivor."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one = await api.made(
        externalId="one", emails=[{"address": "a@x.com"}], phones=[{"number": "43660111111"}], tags=["t", "x"]
    )
    two = await api.made(
        externalId="two", emails=[{"address": "b@x.com"}], phones=[{"number": "43660222222"}], tags=["t", "y"]
    )
    for number, person in enumerate((one, two)):
        await api.track({"person": {"id": person["id"]}, "type": "seen", "eventId": f"e{number}"})
    person = (await merged(api, one, two))["person"]
    assert [each["address"] for each in person["emails"]] == ["a@x.com", "b@x.com"]
    assert [each["primary"] for each in person["emails"]] == [True, False]
    assert sorted(person["tags"]) == ["t", "x", "y"]
    names: list[dict[str, Any]] = [
        {"id": two["id"]},
        {"externalId": "two"},
        {"externalId": "one"},
        {"email": "B@x.com"},
        {"phone": "+43660222222"},
    ]
    for by in names:
        assert (await api(FIND, by=by))["id"] == one["id"]
    types = [each["type"] for each in await api.events({"id": one["id"]})]
    assert sorted(types) == ["personCreated", "personCreated", "personMerged", "seen", "seen"]
    assert {one["person"] and one["person"]["id"] for one in await whose(api, one)} == {one["id"]}


async def whose(api: Api, person: dict[str, Any]) -> list[dict[str, Any]]:
    """Return whose the events of a timeline are."""
    query = "query($by: PersonLocator!) { person(by: $by) { timeline { nodes { person { id } } } } }"
    nodes: list[dict[str, Any]] = (await api(query, by={"id": person["id"]}))["timeline"]["nodes"]
    return nodes


async def test_an_event_counts_once_under_all_names_of_a_merged_person(api: Api) -> None:
    """Also where it was sent to one of them before the merge, and comes again by another name behind it."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one, two = await api.made(emails=[{"address": "a@x.com"}]), await api.made(emails=[{"address": "b@x.com"}])
    sent = {"type": "seen", "eventId": "e1"}
    await api.track({"person": {"email": "b@x.com"}, **sent})
    await merged(api, one, two)
    names = ({"email": "b@x.com"}, {"email": "a@x.com"}, {"id": one["id"]}, {"id": two["id"]})
    results = [(await api.track({"person": by, **sent}))[0] for by in names]
    assert [each["status"] for each in results] == ["DUPLICATE"] * 4
    assert len({each["event"]["id"] for each in results}) == 1


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("between", [0, PART_EVENTS])
async def test_an_event_counts_once_in_one_call_under_all_names(api: Api, between: int, *, atomic: bool) -> None:
    """Emails and ids of a merged person side by side: the first one counts, also in a large call."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one, two = await api.made(emails=[{"address": "a@x.com"}]), await api.made(emails=[{"address": "b@x.com"}])
    other = await api.made(emails=[{"address": "c@x.com"}])
    await merged(api, one, two)
    names = ({"email": "b@x.com"}, {"email": "a@x.com"}, {"id": one["id"]}, {"id": two["id"]}, {"id": other["id"]})
    sent = [{"person": by, "type": "seen", "eventId": "e1"} for by in names]
    rest = [{"person": {"id": other["id"]}, "type": "seen"}] * between
    results = await api.track(sent[0], *rest, *sent[1:], atomic=atomic)
    found = [each["status"] for each in results]
    assert found == ["ACCEPTED"] * (between + 1) + ["DUPLICATE"] * 3 + ["ACCEPTED"]
    assert {each["event"]["id"] for each in results[between + 1 : -1]} == {results[0]["event"]["id"]}
    assert [each["type"] for each in await api.events({"id": one["id"]})].count("seen") == 1
    again = await api.track(*reversed(sent), atomic=atomic)
    assert [each["status"] for each in again] == ["DUPLICATE"] * 5
    assert {each["event"]["id"] for each in again[1:]} == {results[0]["event"]["id"]}


async def test_a_repetition_under_another_name_refuses_no_atomic_call(api: Api) -> None:
    """What is there already is a duplicate, and the rest is stored; where something is refused, nothing is."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one, two = await api.made(emails=[{"address": "a@x.com"}]), await api.made(emails=[{"address": "b@x.com"}])
    await merged(api, one, two)
    old, new = [{"type": "seen", "eventId": id_} for id_ in ("e1", "e2")]
    await api.track({"person": {"email": "b@x.com"}, **old})
    call = [{"person": {"email": "a@x.com"}, **old}, {"person": {"email": "a@x.com"}, **new}]
    unknown = {"person": {"email": "z@x.com"}, **new}
    assert [each["status"] for each in await api.track(*call, unknown, atomic=True)] == ["REJECTED"] * 3
    assert [each["status"] for each in await api.track(*call, atomic=True)] == ["DUPLICATE", "ACCEPTED"]


async def test_what_the_call_says_beats_all_of_them(api: Api) -> None:
    """M4: and who survives is said by `into`."""
    await api('mutation { defineAttribute(input: {name: "size", type: INTEGER}) { errors { code } } }')
    one = await api.made(firstName="One", externalId="1", customAttributes={"size": 1})
    two = await api.made(firstName="Two", externalId="2", customAttributes={"size": 2})
    overrides = {"firstName": "Said", "customAttributes": {"size": 3}, "tags": {"add": ["kept"]}}
    wanted = {"persons": by_id(one, two), "into": two["id"], "overrides": overrides}
    preview = await api(PREVIEW, input=wanted)
    assert preview["errors"] == []
    assert (await read(api, one))["firstName"] == "One"
    payload = await api(MERGE, input=wanted)
    person = payload["person"]
    assert (person["id"], person["firstName"], person["customAttributes"]) == (two["id"], "Said", {"size": 3})
    assert person["tags"] == ["kept"]
    assert {**person, "version": 0, "modifiedFrom": ""} == {**preview["person"], "version": 0, "modifiedFrom": ""}
    decided = {each["field"]: (each["chosen"], each["from"]) for each in payload["merge"]["decisions"]}
    assert (decided["firstName"], decided["customAttributes.size"]) == (("Said", None), (3, None))


async def test_identifiers_that_nobody_has_join_or_make_a_customer(api: Api) -> None:
    """M5: but an id, an installation or a channel that is not known is refused."""
    nobody = [{"email": "n@x.com"}, {"phone": "43660333333"}, {"externalId": "n"}]
    payload = await api(MERGE, input={"persons": nobody})
    person = payload["person"]
    assert (person["type"], person["externalId"], payload["merge"]) == ("CUSTOMER", "n", None)
    known = await api.made(externalId="k")
    payload = await api(MERGE, input={"persons": [{"id": known["id"]}, {"externalId": "alias"}, {"email": "k@x.com"}]})
    assert (payload["person"]["id"], payload["person"]["externalId"]) == (known["id"], "k")
    assert (await api(FIND, by={"externalId": "alias"}))["emails"] == [{"address": "k@x.com", "primary": True}]
    push = {"push": {"applicationId": "a", "registrationId": "r"}}
    for stranger in ({"id": "per_00000000000000000000000000"}, push):
        payload = await api(MERGE, input={"persons": [{"id": known["id"]}, stranger]})
        kind = next(iter(stranger))
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [
            ("PERSON_NOT_FOUND", ["persons", "1", kind])
        ]


async def test_parallel_merges_leave_one_and_lose_nothing(api: Api) -> None:
    """M6: A with B and B with C, and 64 more callers on overlapping persons."""
    people = [await api.made(emails=[{"address": f"p{n}@x.com"}], externalId=f"p{n}") for n in range(8)]
    pairs = list(itertools.islice(itertools.cycle(itertools.pairwise(people)), 64))
    payloads = await asyncio.gather(*[api(MERGE, input={"persons": by_id(*pair)}) for pair in pairs])
    assert {error["code"] for payload in payloads for error in payload["errors"]} == set()
    found = [await read(api, one) for one in people]
    assert {one["id"] for one in found} == {people[0]["id"]}
    assert sorted(each["address"] for each in found[0]["emails"]) == sorted(f"p{n}@x.com" for n in range(8))
    assert sorted(found[0]["mergedIds"]) == sorted(one["id"] for one in people[1:])
    assert len({each["merge"]["id"] for each in payloads if each["merge"]}) == 7


async def test_who_follows_a_person_that_is_merged_goes_on_with_the_survivor(api: Api) -> None:
    """M7: the notice names the survivor, whose followers hear of both from then on; cursors of either id go on."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one, two = await api.made(emails=[{"address": "a@x.com"}]), await api.made(emails=[{"address": "b@x.com"}])
    async with api.live(FOLLOW, by={"id": two["id"]}) as gone, api.live(FOLLOW, by={"id": one["id"]}) as stays:
        first = [(await each.data()) for each in (gone, stays)]
        assert [each["kind"] for each in first] == ["READY", "READY"]
        await merged(api, one, two)
        notice = await gone.data()
        assert (notice["kind"], notice["person"]["id"]) == ("MERGED", one["id"])
        assert notice["event"]["properties"]["into"] == one["id"]
        for follower in (gone, stays):
            assert (await follower.data())["event"]["type"] == "personMerged"
        for email in ("b@x.com", "a@x.com"):
            await api.track({"person": {"email": email}, "type": "seen"})
        for follower in (gone, stays):
            assert [(await follower.data())["event"]["type"] for _ in range(2)] == ["seen", "seen"]
    async with api.live(FOLLOW, by={"id": two["id"]}, after=first[0]["cursor"]) as again:
        kinds = [(await again.data())["kind"] for _ in range(5)]
        assert kinds[:2] == ["READY", "MERGED"]
    async with api.live(FOLLOW, by={"id": one["id"]}, after=notice["cursor"]) as again:
        types = [(await again.data())["event"] for _ in range(4)]
        assert [each and each["type"] for each in types] == [None, "personMerged", "seen", "seen"]


async def test_an_undone_merge_leaves_both_as_they_were(api: Api) -> None:
    """Whatever they had, but for version and date of the last change; events go with who they came for."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    await api('mutation { defineAttribute(input: {name: "size", type: INTEGER}) { errors { code } } }')
    company = await api('mutation { createCompany(input: {name: "Acme"}) { company { id } } }')
    one = await api.made(
        type="LEAD",
        firstName="One",
        externalId="1",
        emails=[{"address": "a@x.com"}],
        tags=["t"],
        customAttributes={"size": 1},
    )
    two = await api.made(
        firstName="Two", externalId="2", emails=[{"address": "b@x.com"}], tags=["t", "u"], birthDate="1990-01-01"
    )
    link = 'mutation($p: [PersonLocator!]!) { linkPersons(company: {name: "Acme"}, persons: $p) { errors { code } } }'
    await api(link, p=by_id(two))
    before = [await read(api, each) for each in (one, two)]
    payload = await merged(api, one, two)
    assert payload["person"]["companies"]["nodes"] == [{"id": company["company"]["id"]}]
    for name, by in (("late", {"email": "b@x.com"}), ("own", {"email": "a@x.com"})):
        await api.track({"person": by, "type": "seen", "eventId": name})
    undone = await reverted(api, payload)
    assert undone["keptFields"] == []
    assert [await read(api, each) for each in (one, two)] == before
    assert undone["persons"] == before
    ids = [
        {each["id"].split(":")[1] for each in await api.events({"id": each["id"]}) if each["type"] == "seen"}
        for each in (one, two)
    ]
    assert ids == [{"own"}, {"late"}]
    assert (await api(FIND, by={"externalId": "2"}))["id"] == two["id"]
    assert await api.codes(REVERT, id=payload["merge"]["id"]) == ["ALREADY_REVERTED"]
    assert [each["revertedAt"] is None for each in (await api(MERGES, of=two["id"]))["nodes"]] == [False]


async def test_what_somebody_changed_since_stays_and_is_named(api: Api) -> None:
    """A name given later, a contact added and one taken off, a tag."""
    one = await api.made(type="LEAD", firstName="One", emails=[{"address": "a@x.com"}])
    two = await api.made(firstName="Two", lastName="Lee", emails=[{"address": "b@x.com"}, {"address": "c@x.com"}])
    payload = await merged(api, one, two)
    changes = {"firstName": "Since", "emails": {"add": [{"address": "new@x.com"}], "remove": ["c@x.com"]}}
    await api(UPDATE, by={"id": one["id"]}, input=changes)
    undone = await reverted(api, payload)
    assert sorted(undone["keptFields"]) == ["emails", "firstName"]
    first, second = undone["persons"]
    assert (first["firstName"], first["lastName"], first["type"]) == ("Since", None, "LEAD")
    assert [each["address"] for each in first["emails"]] == ["a@x.com", "new@x.com"]
    assert (second["firstName"], [each["address"] for each in second["emails"]]) == ("Two", ["b@x.com"])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_chain_is_undone_in_any_order(api: Api, order: tuple[int, ...]) -> None:
    """A took in B which took in C, and then D: after all is undone all four are as they were."""
    people = [
        await api.made(
            type=kind, firstName=name, externalId=name, emails=[{"address": f"{name}@x.com"}], tags=[name], city=city
        )
        for name, kind, city in (
            ("a", "LEAD", None),
            ("b", "LEAD", "Bonn"),
            ("c", "CUSTOMER", "Cork"),
            ("d", "CUSTOMER", None),
        )
    ]
    before = [await read(api, each) for each in people]
    a, b, c, d = people
    merges = [await merged(api, b, c), await merged(api, a, b), await merged(api, a, d)]
    assert (await read(api, c))["id"] == a["id"]
    for number in order:
        undone = await reverted(api, merges[number])
        assert undone["keptFields"] == []
    assert [await read(api, each) for each in people] == before


async def test_a_merge_between_merges_is_undone_as_if_it_had_never_been(api: Api) -> None:
    """B leaves A while C, merged into B before, stays with A; then C leaves too."""
    a = await api.made(type="LEAD", firstName="a", externalId="a")
    b = await api.made(type="LEAD", firstName="b", externalId="b", city="Bonn")
    c = await api.made(firstName="c", externalId="c", country="Chile")
    with_c = await merged(api, b, c)
    with_b = await merged(api, a, b)
    assert (await read(api, a))["firstName"] == "c"
    await reverted(api, with_c)
    person = await read(api, a)
    assert (person["firstName"], person["country"], person["city"]) == ("b", None, "Bonn")
    assert (await read(api, c))["id"] == c["id"]
    decisions = (
        await api(
            "query($id: ID!) { node(id: $id) { ... on Merge { decisions { field chosen } } } }",
            id=with_b["merge"]["id"],
        )
    )["decisions"]
    assert {each["field"]: each["chosen"] for each in decisions}["firstName"] == "b"
    await reverted(api, with_b)
    assert [(await read(api, each))["firstName"] for each in (a, b, c)] == ["a", "b", "c"]


async def test_a_repeated_call_gets_the_merge_that_it_made(api: Api) -> None:
    """By its idempotency key; another input is refused."""
    one, two, three = [await api.made(externalId=name) for name in ("1", "2", "3")]
    wanted = {"persons": by_id(one, two)}
    first, again = [await api(MERGE, input=wanted, key="k") for _ in range(2)]
    assert again == first
    assert await api.codes(MERGE, input={"persons": by_id(one, three)}, key="k") == ["IDEMPOTENCY_MISMATCH"]


async def test_bad_merges_are_refused_and_change_nothing(api: Api) -> None:
    """Too few, too many, a survivor that is none of them, a customer made a lead, too many contacts."""
    many = [[{"address": f"{name}{n}@x.com"} for n in range(60)] for name in ("a", "b")]
    one, two = [await api.made(emails=emails) for emails in many]
    three = await api.made(externalId="3")
    taken = {"overrides": {"externalId": "3"}}
    for input_, expected in (
        ({"persons": by_id(one)}, ("REQUIRED", ["persons"])),
        ({"persons": by_id(*[one] * 51)}, ("TOO_MANY", ["persons"])),
        ({"persons": by_id(one, two)}, ("MERGE_BLOCKED", ["persons"])),
        ({"persons": by_id(one, three), "into": two["id"]}, ("PERSON_NOT_FOUND", ["into"])),
        ({"persons": by_id(one, three), "overrides": {"type": "LEAD"}}, ("TYPE_NOT_ALLOWED", ["overrides", "type"])),
        ({"persons": by_id(one, two), "overrides": {"emails": {"set": []}}}, ("MERGE_BLOCKED", ["persons"])),
        ({"persons": by_id(one, {"id": two["id"]}), **taken}, ("MERGE_BLOCKED", ["persons"])),
        ({"persons": [{"email": "no"}, {"id": one["id"]}]}, ("INVALID", ["persons", "0", "email"])),
    ):
        for payload in (await api(MERGE, input=input_), await api(PREVIEW, input=input_)):
            assert [(each["code"], each["path"]) for each in payload["errors"]] == [expected]
            assert payload["person"] is None
    assert [(await api(FIND, by={"id": each["id"]}))["version"] for each in (one, two, three)] == [1, 1, 1]
    assert await api.codes(REVERT, id="mrg_00000000000000000000000000") == ["NOT_FOUND"]


async def test_a_deleted_survivor_takes_its_merges_along(api: Api) -> None:
    """Nothing of those who were merged is kept; after an undoing nothing of either is."""
    one, two = await api.made(externalId="1"), await api.made(externalId="2")
    payload = await merged(api, one, two)
    await api("mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds } }", by={"id": two["id"]})
    assert await api.service.store.engine.find("merges", {}) == []
    assert [await read(api, each) for each in (one, two)] == [None, None]
    assert (await api(CREATE, input={"externalId": "2"}))["errors"] == []
    assert await api.codes(REVERT, id=payload["merge"]["id"]) == ["NOT_FOUND"]


async def test_a_survivor_that_a_login_made_another_one_of_keeps_what_it_has(api: Api) -> None:
    """MERGE_BLOCKED, and nothing has changed: there is nobody left who could give it back."""
    one = await api.made(type="LEAD", emails=[{"address": "a@x.com"}])
    two = await api.made(type="LEAD", emails=[{"address": "b@x.com"}])
    payload = await merged(api, one, two)
    phone = Phone(api)
    await phone.opened()
    customer = await phone.login("a@x.com")
    assert (await api(FIND, by={"id": two["id"]}))["id"] == customer["id"]
    before = await read(api, customer)
    assert await api.codes(REVERT, id=payload["merge"]["id"]) == ["MERGE_BLOCKED"]
    assert await read(api, customer) == before
    assert [one["id"] for one in (await api(MERGES, of=customer["id"]))["nodes"]] == [payload["merge"]["id"]]
