"""What happens while persons are one, and where it goes when they come apart again."""

import itertools
from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, DEFINE, ERRORS, LINK, Api
from tests.stories.mobile import Phone, events_of, seen
from tests.stories.test_deletions import swept
from tests.stories.test_merges import REVERT, merged, read, reverted

DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!, $key: String) {{
  updatePerson(by: $by, input: $input, idempotencyKey: $key) {{ person {{ id firstName emails {{ address primary }} }}
    {ERRORS} }} }}"""
SAVE = f"mutation($input: SaveFormInput!) {{ saveForm(input: $input) {{ form {{ id }} {ERRORS} }} }}"
SUBMIT = f"mutation($input: SubmitFormInput!) {{ submitForm(input: $input) {{ person {{ id }} {ERRORS} }} }}"
SUBMISSIONS = "{ formSubmissions { nodes { values person { id } } } }"
ITEMS = f"""mutation($by: PersonLocator!, $items: [JSON!]!) {{
  updateListItems(by: $by, attribute: "wish", items: $items) {{ person {{ id }} {ERRORS} }} }}"""
ROLES = """query($by: PersonLocator!) { person(by: $by) {
  companies { edges { role primary node { name } } } } }"""
Roles = list[tuple[str, str | None, bool]]


async def member(api: Api, person: dict[str, Any], *of: tuple[str, str | None]) -> None:
    """Link a person to companies, each with the role there: the last one is the primary one."""
    link = LINK.replace("$role: String", "$role: String, $main: Boolean").replace(
        "role: $role", "role: $role, primary: $main"
    )
    for name, role in of:
        await api(COMPANY, input={"name": name})
        payload = await api(link, company={"name": name}, persons=[{"id": person["id"]}], role=role, main=True)
        assert payload["errors"] == []


async def roles(api: Api, *people: dict[str, Any]) -> list[Roles]:
    """Return of what each is a member, as what, and whether that is the primary one."""
    found = [(await api(ROLES, by={"id": one["id"]}))["companies"]["edges"] for one in people]
    return [[(one["node"]["name"], one["role"], one["primary"]) for one in edges] for edges in found]


async def couple(api: Api, **second: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make two persons; the first is the older one."""
    one = await api.made(emails=[{"address": "a@x.com"}])
    emails = [{"address": "b@x.com"}, {"address": "c@x.com"}]
    return one, await api.made(**{"emails": emails, "firstName": "Bea", **second})


async def test_who_came_apart_is_erased_from_the_answers_of_keys(api: Api) -> None:
    """A call with a key while they were one was answered with what both had: the repetition no more."""
    one, two = await couple(api)
    payload = await merged(api, one, two)
    given: dict[str, Any] = {"by": {"id": one["id"]}, "input": {"city": "Wien"}, "key": "k"}
    assert len((await api(UPDATE, **given))["person"]["emails"]) == 3
    await reverted(api, payload)
    await api(DELETE, by={"id": two["id"]})
    again = await api(UPDATE, **given)
    assert (again["person"], [each["code"] for each in again["errors"]]) == (None, ["PERSON_NOT_FOUND"])
    assert "b@x.com" not in str(await api.service.store.engine.find("requests", {}))


async def test_submissions_go_with_whom_they_came_from(api: Api) -> None:
    """Also to a form that reaches nobody; what is deleted afterwards is only that person's."""
    one, two = await couple(api)
    fields = [{"name": "mail", "personField": "email"}]
    forms = [
        (await api(SAVE, input={"name": name, "enabled": name == "on", "fields": fields}))["form"]["id"]
        for name in ("on", "off")
    ]
    payload = await merged(api, one, two)
    for form in forms:
        for mail in ("a@x.com", "b@x.com"):
            assert (await api(SUBMIT, input={"formId": form, "values": {"mail": mail}}))["errors"] == []
    assert {each["person"]["id"] for each in (await api(SUBMISSIONS))["nodes"]} == {one["id"]}
    await reverted(api, payload)
    shown = {(each["values"]["mail"], each["person"]["id"]) for each in (await api(SUBMISSIONS))["nodes"]}
    assert shown == {("a@x.com", one["id"]), ("b@x.com", two["id"])}
    await api(DELETE, by={"id": two["id"]})
    assert {each["values"]["mail"] for each in (await api(SUBMISSIONS))["nodes"]} == {"a@x.com"}
    await api(DELETE, by={"id": one["id"]})
    assert (await api(SUBMISSIONS))["nodes"] == []


async def test_who_is_back_has_a_primary_one(api: Api) -> None:
    """Where the primary email was taken off meanwhile, the oldest of the others; the same with installations."""
    one, two = await couple(api, type="LEAD")
    phones = [Phone(api, name) for name in ("p1", "p2")]
    for phone in phones:
        await phone.opened()
        await phone.login("b@x.com", keepAsLead=True)
    payload = await merged(api, one, two)
    await api(UPDATE, by={"id": one["id"]}, input={"emails": {"remove": ["b@x.com"]}})
    await phones[0].logout()
    undone = await reverted(api, payload)
    assert undone["persons"][1]["emails"] == [{"address": "c@x.com", "primary": True}]
    holder = await phones[1].holder()
    assert (holder["id"], [each["primary"] for each in holder["pushRegistrations"]]) == (two["id"], [True])


async def test_what_was_done_to_parts_goes_with_them(api: Api) -> None:
    """An item that was edited, a role that was given, a tag that was taken off while they were one."""
    fields = '[{name: "sku", type: STRING}]'
    wish = f'{{name: "wish", type: LIST, itemFields: {fields}}}'
    await api(f"mutation {{ defineAttribute(input: {wish}) {{ errors {{ code }} }} }}")
    await api('mutation { createCompany(input: {name: "Acme"}) { errors { code } } }')
    one, two = await couple(api, tags=["t", "u"], customAttributes={"wish": [{"sku": "b1"}]})
    await api(LINK, company={"name": "Acme"}, persons=[{"id": two["id"]}], role="old")
    item = (await read(api, two))["customAttributes"]["wish"][0]["__id"]
    payload = await merged(api, one, two)
    whom = {"id": one["id"]}
    assert (await api(ITEMS, by=whom, items=[{"__id": item, "sku": "edited"}]))["errors"] == []
    await api(LINK, company={"name": "Acme"}, persons=[whom], role="new")
    await api(UPDATE, by=whom, input={"tags": {"remove": ["t"]}})
    undone = await reverted(api, payload)
    assert set(undone["keptFields"]) == {"companies", "customAttributes.wish", "tags"}
    back = await read(api, two)
    assert (back["customAttributes"]["wish"], back["tags"]) == ([{"__id": item, "sku": "edited"}], ["u"])
    roles = "query($by: PersonLocator!) { person(by: $by) { companies { edges { role primary } } } }"
    assert (await api(roles, by={"id": two["id"]}))["companies"]["edges"] == [{"role": "new", "primary": True}]
    assert (await read(api, one))["companies"]["nodes"] == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("second", "third"),
    [([("X", "buyer")], [("X", "boss")]), ([("X", None), ("Y", "buyer")], [("Z", None)])],
    ids=["roles", "primary"],
)
async def test_a_role_that_a_later_merge_hid_is_nobodys_change(
    api: Api, second: list[tuple[str, str]], third: list[tuple[str, str]], order: tuple[int, int]
) -> None:
    """G one who took in a member W another member takes in both T undone in any order each has the own roles."""
    people = [await api.made(externalId=name) for name in "abc"]
    a, b, c = people
    await member(api, b, *second)
    await member(api, c, *third)
    before = await roles(api, *people)
    payloads = [await merged(api, a, b, into=a["id"]), await merged(api, c, a, into=c["id"])]
    for number in order:
        assert (await reverted(api, payloads[number]))["keptFields"] == []
    assert await roles(api, *people) == before


async def test_what_is_done_to_one_company_leaves_the_others_as_they_were(api: Api) -> None:
    """G one who took in two members of one company W a company is added since, or made primary T it alone stays."""
    people = [await api.made(externalId=name) for name in "abc"]
    a, b, c = people
    await member(api, b, ("X", "buyer"), ("Y", None))
    await member(api, c, ("X", "boss"))
    before = await roles(api, b, c)
    payloads = [await merged(api, a, one, into=a["id"]) for one in (b, c)]
    await member(api, a, ("Z", None))
    assert (await reverted(api, payloads[0]))["keptFields"] == ["companies"]
    assert await roles(api, a, b) == [[("X", "boss", False), ("Z", None, True)], before[0]]
    await reverted(api, payloads[1])
    assert await roles(api, *people) == [[("Z", None, True)], *before]
    # What is chosen among the companies of who comes back goes with them.
    payload = await merged(api, a, b, into=a["id"])
    await member(api, a, ("X", "buyer"))
    await reverted(api, payload)
    assert await roles(api, b) == [[("X", "buyer", True), ("Y", None, False)]]


async def test_a_decision_of_the_call_forgets_who_came_apart(api: Api) -> None:
    """A later merge that said a name itself names nobody any more who was part of the survivor by an undone one."""
    one, two = await couple(api)
    first = await merged(api, one, two)
    three = await api.made(externalId="3", firstName="Cid")
    await merged(api, one, three, overrides={"firstName": "Said"})
    await reverted(api, first)
    await api(DELETE, by={"id": two["id"]})
    assert "Bea" not in str(await api.service.store.engine.find("merges", {}))
    assert await api.codes(REVERT, id=first["merge"]["id"]) == ["NOT_FOUND"]


async def test_a_visit_goes_with_whose_identifier_it_came_by(api: Api) -> None:
    """Who says the email of one that was merged away, and goes on after they came apart, is that one."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    one, two = await couple(api, type="LEAD")
    payload = await merged(api, one, two)
    visit = 'mutation($id: String!) { trackVisitor(events: [{anonymousId: $id, type: "seen"}]) { accepted } }'
    says = 'mutation($id: String!) { identifyVisitor(input: {anonymousId: $id, email: "b@x.com"}) { accepted } }'
    for query in (visit, says):
        await api(query, id="v")
    await reverted(api, payload)
    await api(visit, id="v")
    kinds = [[each["type"] for each in await api.events({"id": person["id"]})] for person in (one, two)]
    assert [kind.count("seen") for kind in kinds] == [0, 2]
    await api(DELETE, by={"id": two["id"]})
    assert await api.service.store.engine.find("visitors", {}) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_what_came_by_an_identifier_goes_with_it_in_any_order(api: Api, order: tuple[int, ...]) -> None:
    """G one who took in one who took in one W a visit and an app name the last T it has both in whatever order."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    people = [await api.made(emails=[{"address": f"{name}@x.com"}]) for name in "abcd"]
    payloads = [
        await merged(api, into, gone, into=into["id"]) for into, gone in reversed(list(itertools.pairwise(people)))
    ]
    visit = 'mutation { trackVisitor(events: [{anonymousId: "v", type: "seen"}]) { accepted } }'
    says = 'mutation { identifyVisitor(input: {anonymousId: "v", email: "d@x.com"}) { accepted } }'
    for query in (says, visit):
        await api(query)
    phone = Phone(api)
    await phone.opened()
    await phone.login("d@x.com")
    await events_of(api, phone.by, id_="e1")
    for number in order:
        await reverted(api, payloads[number])
    await api(visit)
    found = [[one["type"] for one in await api.events({"id": each["id"]})].count("seen") for each in people]
    assert found == [0, 0, 0, 3]
    assert (await phone.holder())["id"] == people[3]["id"]


@pytest.mark.parametrize("type_", ["LEAD", "CUSTOMER"])
@pytest.mark.parametrize("into", [0, 1])
async def test_who_speaks_on_the_browser_of_another_has_that_visit(api: Api, type_: str, into: int) -> None:
    """G a browser on which one spoke W the other does while they are one, undone T each has the own visits."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    people = await couple(api, type=type_)
    visit = 'mutation { trackVisitor(events: [{anonymousId: "v", type: "seen"}]) { accepted } }'
    says = 'mutation($mail: String!) { identifyVisitor(input: {anonymousId: "v", email: $mail}) { accepted } }'
    forget = 'mutation { forgetVisitor(anonymousId: "v") { accepted } }'
    await api(says, mail="a@x.com")
    await api(visit)
    await api(forget)
    payload = await merged(api, *people, into=people[into]["id"])
    for _ in range(2):
        await api(says, mail="b@x.com")
        await api(visit)
        await api(forget)
    # Who comes back goes on with the own line all the same.
    kept = await api.service.store.engine.find("persons", {"state": "active"})
    assert [len(one["subjects"]) for one in kept] == [4]
    await reverted(api, payload)
    found = [[one["type"] for one in await api.events({"id": each["id"]})].count("seen") for each in people]
    assert found == [1, 2]


async def test_what_went_to_whom_an_installation_met_comes_back_to_nobody(api: Api) -> None:
    """G two installations whose leads became one W a user logs in on the second, undone T it is theirs alone."""
    phones = Phone(api), Phone(api, "p2")
    leads = [await phone.opened() for phone in phones]
    await events_of(api, *(phone.by for phone in phones), id_="e1")
    payload = await merged(api, *leads)
    ann = await phones[1].login("ann@x.example")
    await reverted(api, payload)
    assert [await seen(api, one["id"]) for one in (*leads, ann)] == [["e1"], [], ["e1"]]


@pytest.mark.parametrize("swept", [False, True])
async def test_what_was_deleted_meanwhile_is_not_named_as_kept(api: Api, *, swept: bool) -> None:
    """Nobody changed it there; what is named of attributes is their names, in the event as well."""
    for name in ("gone", "size"):
        await api(ATTRIBUTE, input={"name": name, "type": "INTEGER"})
    one, two = await couple(api, customAttributes={"gone": 1, "size": 1})
    payload = await merged(api, one, two)
    await api(UPDATE, by={"id": one["id"]}, input={"customAttributes": {"gone": 2, "size": 2}})
    assert await api.codes('mutation { deleteAttribute(name: "gone") { errors { code } } }') == []
    if swept:
        await api.service.services.catalog.sweeps.sweep()
    assert (await reverted(api, payload))["keptFields"] == ["customAttributes.size"]
    told = [event for event in await api.events({"id": one["id"]}) if event["type"] == "mergeReverted"]
    assert told[0]["properties"]["keptFields"] == [{"name": "customAttributes.size"}]


async def test_a_tag_that_is_deleted_meanwhile_is_nobodys_change(api: Api) -> None:
    """It is gone from both, and nothing is named as kept; the other tags are where they were."""
    one, two = await couple(api, tags=["theirs"])
    await api(UPDATE, by={"id": one["id"]}, input={"tags": {"add": ["own", "gone"]}})
    payload = await merged(api, one, two)
    await api('mutation { deleteTag(name: "gone") { errors { code } } }')
    await swept(api)
    assert (await reverted(api, payload))["keptFields"] == []
    assert [(await read(api, each))["tags"] for each in (one, two)] == [["own"], ["theirs"]]


async def test_who_came_apart_is_named_for_what_came_meanwhile(api: Api) -> None:
    """W merges are undone T `activity` names whose timeline an event is on, also when whoever they were is gone."""
    one, two = await couple(api)
    three, phone = await api.made(emails=[{"address": "d@x.com"}]), Phone(api)
    await phone.opened()
    await phone.login("b@x.com")
    first = await merged(api, one, two)
    await events_of(api, phone.by, id_="e1")
    second = await merged(api, three, one)
    await events_of(api, phone.by, id_="e2")
    for undone, gone in ((first, []), (second, [three, one])):
        await reverted(api, undone)
        for each in gone:
            await api(DELETE, by={"id": each["id"]})
        await swept(api)
        nodes = (await api('{ activity(filter: {types: ["seen"]}) { nodes { person { id } } } }'))["nodes"]
        assert [each["person"] for each in nodes] == [{"id": two["id"]}] * 2
    assert await seen(api, two["id"]) == ["e2", "e1"]
