"""Stories of imports that are taken back while others have gone on: an undo ends, and tells what it keeps."""

from typing import Any

from tests.api import COMPANY, UPDATE, Api
from tests.stories.importing import Import, imported, reverted

COMPANIES = {"name": "name", "domains": "domains"}
NAMED = """query($domain: String!) { company(by: {domain: $domain}) { name domains } }"""
PERSON = "query($by: PersonLocator!) { person(by: $by) { id type externalId emails { address } tags city } }"
MERGE = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { merge { id } errors { code } } }"


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


async def test_an_external_id_that_is_taken_since_stays_as_the_import_wrote_it(api: Api) -> None:
    """G a row that found a survivor by the id of whom it took in W another takes the old id T the undo ends."""
    survivor = await api.made(externalId="E1", emails=[{"address": "s@x.example"}])
    other = await api.made(externalId="E2")
    await merged(api, survivor, other)
    fields = {"ext": "externalId", "city": "city"}
    done = await imported(api, "ext,city\nE1,Graz\n", fields, tag=None, personType="CUSTOMER")
    await api.made(externalId="E2")
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 0, "restored": 1, "kept": 1})
    assert kept(back) == [(2, "kept: externalId of before taken by another since")]
    found = await person(api, id=survivor["id"])
    assert found is not None
    assert (found["externalId"], found["city"]) == ("E1", None)


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
