"""Stories of imports that are taken back while others have gone on: an undo ends, and tells what it keeps."""

from typing import Any

from tests.api import COMPANY, UPDATE, Api
from tests.stories.importing import MAP, Import, created, imported, ran, reverted

COMPANIES = {"name": "name", "domains": "domains"}
NAMED = """query($domain: String!) { company(by: {domain: $domain}) { name domains } }"""
PERSON = "query($by: PersonLocator!) { person(by: $by) { id type externalId emails { address } tags city } }"
MERGE = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { merge { id } errors { code } } }"

REVERT_MERGE = "mutation($id: ID!) { revertMerge(id: $id) { errors { code } } }"
MERGE_COMPANIES = """mutation($into: CompanyLocator!, $companies: [CompanyLocator!]!) {
  mergeCompanies(into: $into, companies: $companies) { errors { code } } }"""


def kept(back: Import) -> list[tuple[int, str]]:
    """Return what an undo says that it kept, by rows."""
    return [(one["row"], one["message"]) for one in back["rowErrors"]["nodes"]]


async def person(api: Api, **by: Any) -> dict[str, Any] | None:
    """Return a person as it is now."""
    one: dict[str, Any] | None = await api(PERSON, by=by)
    return one


async def merged(api: Api, into: dict[str, Any], other: dict[str, Any]) -> str:
    """Merge a person into another one, and return the merge's id."""
    both = [{"id": into["id"]}, {"id": other["id"]}]
    payload = await api(MERGE, input={"persons": both, "into": into["id"]})
    assert payload["errors"] == [], payload
    merge_id: str = payload["merge"]["id"]
    return merge_id


async def test_a_name_that_is_taken_since_stays_as_the_import_wrote_it(api: Api) -> None:
    """G an import that renamed a company W another one takes its old name T the undo ends, and the rest is back."""
    for name in ("Old", "Bolt"):
        await api(COMPANY, input={"name": name, "domains": [f"{name.lower()}.example"]})
    rows = "name,domains\nNew,old.example;new.example\nNut,bolt.example\n"
    done = await imported(api, rows, COMPANIES, target="COMPANY", tag=None)
    assert (await api(COMPANY, input={"name": "Old"}))["errors"] == []
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 2, "kept": 1})
    assert kept(back) == [(2, "kept: name of before taken by another since")]
    assert await api(NAMED, domain="old.example") == {"name": "New", "domains": ["old.example"]}
    assert await api(NAMED, domain="bolt.example") == {"name": "Bolt", "domains": ["bolt.example"]}


async def test_an_external_id_that_changed_places_goes_back(api: Api) -> None:
    """G a row that found a survivor by the id of whom it took in W it is undone T the other id is shown again."""
    survivor = await api.made(externalId="E1", emails=[{"address": "s@x.example"}])
    other = await api.made(externalId="E2")
    await merged(api, survivor, other)
    fields = {"ext": "externalId", "city": "city"}
    done = await imported(api, "ext,city\nE1,Graz\n", fields, tag=None, personType="CUSTOMER")
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 1, "kept": 0})
    found = await person(api, id=survivor["id"])
    assert found is not None
    assert (found["externalId"], found["city"]) == ("E2", None)


async def test_identifiers_that_are_given_up_since_are_free_for_an_undo(api: Api) -> None:
    """G contacts that a row added W they were moved to another T they are that one's, and the undo ends."""
    await api.made(externalId="E1", emails=[{"address": "a@x.example"}])
    done = await imported(api, "ext,mail\nE1,b@x.example\n", {"ext": "externalId", "mail": "email"}, tag=None)
    await api(UPDATE, by={"externalId": "E1"}, input={"emails": {"remove": ["b@x.example"]}})
    await api.made(firstName="Bob", emails=[{"address": "b@x.example"}])
    assert (await reverted(api, done))["reverted"] == {"deleted": 0, "restored": 0, "kept": 0}
    found = await person(api, email="b@x.example")
    assert found is not None
    assert found["externalId"] is None


async def test_the_last_identifier_stays(api: Api) -> None:
    """G an external id that a row gave W all else that says who it is was taken off T it stays, and is listed."""
    made = await api.made(emails=[{"address": "a@x.example"}])
    fields = {"email": "email", "ext": "externalId", "city": "city"}
    done = await imported(api, "email,ext,city\na@x.example,X1,Graz\n", fields, tag=None, personType="CUSTOMER")
    assert await api.codes(UPDATE, by={"id": made["id"]}, input={"emails": {"remove": ["a@x.example"]}}) == []
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 1, "kept": 1})
    assert kept(back) == [(2, "kept: externalId as the last identifier")]
    found = await person(api, id=made["id"])
    assert found is not None
    assert (found["externalId"], found["emails"], found["city"]) == ("X1", [], None)


async def promoted(api: Api) -> tuple[dict[str, Any], dict[str, Any], Import]:
    """Make a lead and a customer of one tag; the lead got it by an import, which made it a customer as well."""
    lead = await api.made(type="LEAD", emails=[{"address": "l@x.example"}])
    done = await imported(api, "email\nl@x.example\n", {"email": "email"}, tag="T", personType="CUSTOMER")
    return lead, await api.made(type="CUSTOMER", emails=[{"address": "c@x.example"}], tags=["T"]), done


async def test_who_took_somebody_in_since_is_not_touched(api: Api) -> None:
    """G somebody whom an import changed W another is merged into them T they are kept as a whole, and listed."""
    lead, customer, done = await promoted(api)
    await merged(api, lead, customer)
    before = await person(api, id=lead["id"])
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 0, "kept": 1})
    assert kept(back) == [(2, "kept: it was merged with another since")]
    assert await person(api, id=lead["id"]) == before
    assert before is not None
    assert (before["type"], before["tags"]) == ("CUSTOMER", ["T"])


async def test_a_merge_that_was_undone_since_changes_nothing(api: Api) -> None:
    """G one who took somebody in before an import, and another one since W that is undone T all is taken back."""
    lead, first = [await api.made(type="LEAD", emails=[{"address": f"{one}@x.example"}]) for one in "lf"]
    await merged(api, lead, first)
    done = await imported(api, "email\nl@x.example\n", {"email": "email"}, tag="T", personType="CUSTOMER")
    other = await api.made(emails=[{"address": "o@x.example"}])
    assert await api.codes(REVERT_MERGE, id=await merged(api, lead, other)) == []
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 1, "kept": 0})
    found = await person(api, id=lead["id"])
    assert found is not None
    assert (found["type"], found["tags"]) == ("LEAD", [])


async def test_a_company_that_took_another_in_since_is_not_touched(api: Api) -> None:
    """G a company that an import changed, and one that it made W they are merged T it is kept as a whole."""
    await api(COMPANY, input={"name": "Old", "domains": ["old.example"]})
    rows = "name,domains\nNew,old.example\nNut,nut.example\n"
    done = await imported(api, rows, COMPANIES, target="COMPANY", tag=None)
    assert await api.codes(MERGE_COMPANIES, into={"name": "New"}, companies=[{"name": "Nut"}]) == []
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 0, "kept": 2})
    told = [message.split(" com_")[0] for _, message in kept(back)]
    assert told == ["kept: it was merged with another since", "kept: it was merged into"]
    assert (await api(NAMED, domain="nut.example"))["name"] == "New"


async def test_whoever_was_made_stays_as_a_whole(api: Api) -> None:
    """G somebody made by one row, and changed by others W they did something T all values stay, for that reason."""
    await api("""mutation { defineEvent(input: {id: "seen", title: "Seen"}) { errors { code } } }""")
    rows = "email,city\na@x.example,Graz\na@x.example;b@x.example,Linz\na@x.example,Wien\n"
    done = await imported(api, rows, {"email": "email", "city": "city"}, tag="T")
    await api.track({"person": {"email": "a@x.example"}, "type": "seen"})
    before = await person(api, email="a@x.example")
    back = await reverted(api, done)
    assert back["reverted"] == {"deleted": 0, "restored": 0, "kept": 3}
    assert sorted(kept(back)) == [(row, "kept: it has activity since") for row in (2, 3, 4)]
    assert await person(api, email="b@x.example") == before
    assert before is not None
    assert (before["city"], before["tags"], len(before["emails"])) == ("Wien", ["T"], 2)


async def test_attributes_that_an_import_made_stay_and_are_named(api: Api) -> None:
    """G a mapping that makes an attribute W the import is taken back T it stays, and is listed without a row."""
    one = await created(api, "Email,Size\na@x.example,42\n")
    size = {"column": "Size", "field": "customAttributes.size", "createAttribute": "INTEGER"}
    await api(MAP, id=one["id"], input={"mapping": [{"column": "Email", "field": "email"}, size], "tag": None})
    back = await reverted(api, await ran(api, one))
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 1, "restored": 0, "kept": 1})
    assert kept(back) == [(0, "kept: attributes that the import made, to be deleted by hand: size")]
    assert back["rowErrors"]["totalCount"] == 1
    assert await api("{ attributeDefinitions(target: PERSON) { name } }") == [{"name": "size"}]
