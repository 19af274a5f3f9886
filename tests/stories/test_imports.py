"""Stories X: files become persons and companies, with the truth told beforehand, and a way back."""

import json
from typing import Any

import pytest

from app.catalog.values import STRING_MAX
from app.imports import book, reader
from app.imports.ledger import Undone
from app.imports.rows import PersonRow
from tests.api import ATTRIBUTE, COMPANY, CREATE, FIND, LINK, UPDATE, Api
from tests.stories import importing
from tests.stories.importing import created, followed, imported, mapped, ran, reverted

PEOPLE = """First name,Last name,Email,Phone,City
Ann,Berg,ann@b.example,+385911234567,Zagreb
Bob,Cole,bob@c.example,,Graz
"""
ANN, BOB = {"email": "ann@b.example"}, {"email": "bob@c.example"}
NOTHING = dict.fromkeys(("created", "updated", "promoted", "unchanged", "skipped", "failed"), 0)


def counts(rows: int, **more: int) -> dict[str, int]:
    """Return the counts of an import that is done."""
    return {"rows": rows, "processed": rows, **NOTHING, **more}


async def found(api: Api, by: dict[str, Any]) -> dict[str, Any]:
    """Return a person who is there."""
    person: dict[str, Any] = await api(FIND, by=by)
    assert person is not None
    return person


async def applied(api: Api, by: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what imports say that they did to a person, newest first."""
    return [event["properties"] for event in await api.events(by) if event["type"] == "importApplied"]


async def test_a_file_becomes_persons(api: Api) -> None:
    """G a file W it is made, mapped by what is suggested, run T its rows are persons, of the type LEAD, tagged."""
    one = await created(api, PEOPLE, fileName="people.csv")
    assert (one["state"], one["format"]) == ("UPLOADED", "CSV")
    suggested = [column["suggestion"] for column in one["columns"]]
    assert suggested == ["firstName", "lastName", "email", "phone", "city"]
    dry = await ran(api, await mapped(api, one), "DRY_RUN")
    assert dry["state"] == "CHECKED"
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0
    done = await ran(api, dry)
    assert done["state"] == "DONE"
    assert done["counts"] == dry["counts"] == counts(2, created=2)
    people = await api("{ persons { nodes { firstName type createdFrom tags } } }")
    assert [tuple(node.values()) for node in people["nodes"]] == [
        ("Bob", "LEAD", "IMPORT", [done["tag"]]),
        ("Ann", "LEAD", "IMPORT", [done["tag"]]),
    ]
    events = [(event["type"], event["source"]) for event in await api.events(ANN)]
    assert sorted(events) == [("importApplied", "IMPORT"), ("personCreated", "IMPORT")]
    assert await applied(api, BOB) == [{"importId": done["id"], "row": 3, "outcome": "CREATED"}]
    assert (await imported(api, PEOPLE, tag=None))["counts"] == counts(2, unchanged=2)


async def test_N3_rows_are_leads_unless_it_is_said(api: Api) -> None:
    """G no type T LEAD; with personType CUSTOMER T customers."""
    await imported(api, "Email\na@x.example\n")
    await imported(api, "Email\nb@x.example\n", personType="CUSTOMER")
    assert [(await found(api, {"email": f"{one}@x.example"}))["type"] for one in "ab"] == ["LEAD", "CUSTOMER"]


async def test_X3_no_column_that_identifies(api: Api) -> None:
    """W no column is mapped to email, phone or external id T the mapping is refused, and nothing has changed."""
    one = await created(api, "First name,Town\nAnn,Graz\n")
    mapping = [{"column": "First name", "field": "firstName"}, {"column": "Street", "field": "shoeSize"}]
    payload = await api(importing.MAP, id=one["id"], input={"mapping": mapping})
    assert {error["code"] for error in payload["errors"]} == {"MAPPING_INVALID"}
    paths = [tuple(error["path"]) for error in payload["errors"]]
    assert ("input", "mapping") in paths or ("mapping",) in paths, paths
    assert (await api(importing.ONE, id=one["id"]))["state"] == "UPLOADED"
    assert await api.codes(importing.RUN, id=one["id"], mode="COMMIT") == ["WRONG_STATE"]


async def test_X6_rows_of_leads_fill_what_is_empty_of_customers(api: Api) -> None:
    """G a customer W a row of leads, REWRITE T only empty fields are filled; contacts and tags are added."""
    await api.made(type="CUSTOMER", firstName="Anna", emails=[{"address": ANN["email"]}], tags=["vip"])
    done = await imported(api, PEOPLE, tag="file")
    assert done["counts"] == counts(2, created=1, updated=1)
    ann = await found(api, ANN)
    assert (ann["type"], ann["firstName"], ann["lastName"]) == ("CUSTOMER", "Anna", "Berg")
    assert (ann["phones"][0]["number"], ann["tags"]) == ("385911234567", ["vip", "file"])


async def test_X7_rows_of_customers_promote_leads(api: Api) -> None:
    """G a lead W a row of customers, REWRITE T the same person is a customer, updated."""
    lead = await api.made(type="LEAD", firstName="Anna", emails=[{"address": ANN["email"]}])
    done = await imported(api, PEOPLE, personType="CUSTOMER", tag=None)
    assert done["counts"] == counts(2, created=1, updated=1, promoted=1)
    ann = await found(api, ANN)
    assert (ann["id"], ann["type"], ann["firstName"]) == (lead["id"], "CUSTOMER", "Ann")
    assert await applied(api, ANN) == [{"importId": done["id"], "row": 2, "outcome": "PROMOTED"}]


async def test_X8_who_is_there_is_skipped(api: Api) -> None:
    """G somebody W duplicates SKIP T nothing of them changes, not even tags; the count says so."""
    before = await api.made(firstName="Anna", emails=[{"address": ANN["email"]}])
    done = await imported(api, PEOPLE, duplicates="SKIP")
    assert done["counts"] == counts(2, created=1, skipped=1)
    after = await found(api, ANN)
    assert (after["version"], after["tags"]) == (before["version"], [])


async def test_X9_history_tells_what_failed_and_where(api: Api) -> None:
    """W rows fail T line, column, message and values are told, grouped; the others are in."""
    bad = f'{PEOPLE}Cid,"D(e)v",cid@d.example,,\nEve,Fox,eve-at-f,,\nGil,Hay,gil@h.example,12,\n,,,,Linz\n'
    done = await imported(api, bad)
    assert (done["state"], done["counts"]) == ("DONE_WITH_ERRORS", counts(6, created=2, failed=4))
    errors = done["rowErrors"]
    assert errors["totalCount"] == 4
    told = [(one["row"], one["column"]) for one in errors["nodes"]]
    assert told == [(4, "Last name"), (5, "Email"), (6, "Phone"), (7, None)]
    assert errors["nodes"][1]["values"]["Email"] == "eve-at-f"
    assert all(one["message"] for one in errors["nodes"])
    assert sum(group["rows"] for group in done["errorGroups"]) == 4
    history = await api(importing.HISTORY)
    assert [one["id"] for one in history["nodes"]] == [done["id"]]


async def test_a_row_of_two_persons_fails(api: Api) -> None:
    """G two persons W a row has an identifier of each T it fails, and both are as they were."""
    for by in (ANN, BOB):
        await api.made(emails=[{"address": by["email"]}])
    done = await imported(api, "Email,Email 2\nann@b.example,bob@c.example\n", {"Email": "email", "Email 2": "email"})
    assert done["counts"] == counts(1, failed=1)
    assert "matches several persons" in done["rowErrors"]["nodes"][0]["message"]
    assert [(await found(api, by))["version"] for by in (ANN, BOB)] == [1, 1]


async def test_the_same_person_twice_in_a_file(api: Api) -> None:
    """W two rows share an identifier T the second sees the first; a third that joins two others fails."""
    rows = (
        "Email,Phone,City\na@x.example,111222333,Graz\na@x.example,,Linz\nb@x.example,,\nb@x.example,111222333,Wien\n"
    )
    one = await mapped(api, await created(api, rows), tag=None)
    dry = await ran(api, one, "DRY_RUN")
    done = await ran(api, one)
    assert done["counts"] == dry["counts"] == counts(4, created=2, updated=1, failed=1)
    skipping = await mapped(api, await created(api, rows.replace("x.example", "y.example").replace("111", "999")),
                            duplicates="SKIP", tag=None)  # fmt: skip
    assert (await ran(api, skipping))["counts"] == counts(4, created=2, skipped=1, failed=1)


async def test_X11_the_tag_of_an_import(api: Api) -> None:
    """T all rows that were touched have the default tag; one that is chosen; none where it is null."""
    done = await imported(api, PEOPLE)
    assert done["tag"].startswith("Import 20")
    assert (await found(api, ANN))["tags"] == [done["tag"]]
    assert (await imported(api, PEOPLE, tag="spring"))["counts"] == counts(2, updated=2)
    assert (await imported(api, PEOPLE, tag=None))["counts"] == counts(2, unchanged=2)
    assert (await found(api, ANN))["tags"] == [done["tag"], "spring"]


async def test_X12_companies_by_name_or_domain(api: Api) -> None:
    """G a company W a file of companies T it is updated by its name or domain, others are made; and taken back."""
    await api(COMPANY, input={"name": "Acme", "domains": ["acme.example"]})
    rows = "Company,Website,Industry\nACME,,Tools\nAcme,acme.org,\nBolt,bolt.example,Screws\n"
    fields = {"Company": "name", "Website": "domains", "Industry": "industry"}
    done = await imported(api, rows, fields, target="COMPANY", tag=None)
    assert done["counts"] == counts(3, created=1, updated=2)
    shown = "query($name: String!) { company(by: {name: $name}) { name domains industry } }"
    told = (
        """{ company(by: {name: "acme"}) { timeline(filter: {types: ["importApplied"]}) { nodes { properties } } } }"""
    )
    events = (await api(told))["timeline"]["nodes"]
    assert [(event["properties"]["row"], event["properties"]["outcome"]) for event in events] == [
        (3, "UPDATED"),
        (2, "UPDATED"),
    ]
    acme = await api(shown, name="acme")
    assert acme == {"name": "Acme", "domains": ["acme.example", "acme.org"], "industry": "Tools"}
    back = await reverted(api, done)
    assert back["reverted"] == {"deleted": 1, "restored": 2, "kept": 0}
    assert await api(shown, name="acme") == {"name": "Acme", "domains": ["acme.example"], "industry": None}
    assert await api(shown, name="Bolt") is None


async def test_an_attribute_is_made_while_mapping(api: Api) -> None:
    """W createAttribute T a dry run defines nothing and tells the truth, a commit defines it and writes values."""
    one = await created(api, "Email,Size\na@x.example,42\nb@x.example,many\n")
    mapping = [
        {"column": "Email", "field": "email"},
        {"column": "Size", "field": "customAttributes.size", "createAttribute": "INTEGER"},
    ]
    payload = await api(importing.MAP, id=one["id"], input={"mapping": mapping, "tag": None})
    assert payload["errors"] == []
    dry = await ran(api, one, "DRY_RUN")
    defined = "{ attributeDefinitions(target: PERSON) { name } }"
    assert await api(defined) == []
    done = await ran(api, one)
    assert done["counts"] == dry["counts"] == counts(2, created=1, failed=1)
    assert await api(defined) == [{"name": "size"}]
    assert (await found(api, {"email": "a@x.example"}))["customAttributes"] == {"size": 42}


async def test_a_list_that_is_imported_again_is_unchanged(api: Api) -> None:
    """G a file with lists of objects W it is imported again T nothing changes: no event, and items keep their ids."""
    sku = {"name": "sku", "type": "STRING"}
    await api(ATTRIBUTE, input={"target": "PERSON", "name": "orders", "type": "LIST", "itemFields": [sku]})
    fields = {"email": "email", "orders": "customAttributes.orders"}

    async def again(*skus: str) -> dict[str, int]:
        orders = [{"sku": sku} for sku in skus]
        done = await imported(api, json.dumps([{**ANN, "orders": orders}]), fields, tag=None)
        told: dict[str, int] = done["counts"]
        return told

    assert await again("a", "b") == counts(1, created=1)
    before, events = await found(api, ANN), await api.events(ANN)
    assert await again("a", "b") == counts(1, unchanged=1)
    assert (await found(api, ANN), await api.events(ANN)) == (before, events)
    assert await again("b", "a") == counts(1, updated=1)


# ---------------------------------------------------------------- undo


async def test_an_import_is_taken_back_exactly(api: Api) -> None:
    """G persons of before W an import changes and makes some, and is taken back T all is as it was."""
    await api.made(type="LEAD", firstName="Anna", emails=[{"address": ANN["email"]}], tags=["vip"])
    before = await found(api, ANN)
    done = await imported(api, PEOPLE, personType="CUSTOMER")
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 1, "restored": 1, "kept": 0})
    after = await found(api, ANN)
    assert {**after, "version": 0} == {**before, "version": 0}
    assert await api(FIND, by=BOB) is None
    assert await api.codes(importing.REVERT, id=done["id"]) == ["WRONG_STATE"]


async def test_rows_of_long_values_are_taken_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """G persons of long values W a file changes all of it T it is done in units, and a ledger, of the store's size."""
    monkeypatch.setattr(reader, "PART_CHARACTERS", 40_000)
    monkeypatch.setattr(book, "LEDGER_BYTES", 40_000)
    await api(ATTRIBUTE, input={"target": "PERSON", "name": "note", "type": "STRING"})
    fields = {"Email": "email", "Note": "customAttributes.note"}

    async def noted(letter: str) -> dict[str, Any]:
        rows = (f"p{row}@b.example,{letter * STRING_MAX}" for row in range(25))
        one = await mapped(api, await created(api, "\n".join([",".join(fields), *rows])), fields, tag=None)
        return await ran(api, one)

    await noted("x")
    done = await noted("y")
    assert (done["state"], done["counts"]) == ("DONE", counts(25, updated=25))
    parts = await api.service.store.engine.find("importChunks", {"rows": {"$exists": True}})
    assert [len(each["rows"]) for each in parts if each["_id"].startswith(done["id"])] == [4, 4, 2, 4, 4, 2, 4, 1]
    assert (await reverted(api, done))["reverted"] == {"deleted": 0, "restored": 25, "kept": 0}
    for row in range(25):
        assert (await found(api, {"email": f"p{row}@b.example"}))["customAttributes"] == {"note": "x" * STRING_MAX}


async def test_what_others_changed_since_stays(api: Api) -> None:
    """G an import W others changed some of it, and it is taken back T theirs stays and is listed, the rest is back."""
    await api.made(type="LEAD", firstName="Anna", city="Wien", emails=[{"address": ANN["email"]}])
    done = await imported(api, PEOPLE, tag=None)
    await api(UPDATE, by=ANN, input={"city": "Split"})
    await api(UPDATE, by=BOB, input={"nickname": "Bobby"})
    back = await reverted(api, done)
    assert back["reverted"] == {"deleted": 0, "restored": 1, "kept": 2}
    ann, bob = await found(api, ANN), await found(api, BOB)
    assert (ann["firstName"], ann["phones"], bob["firstName"]) == ("Anna", [], "Bob")
    assert (await api('{ person(by: {email: "ann@b.example"}) { city } }'))["city"] == "Split"
    kept = [(one["row"], one["message"]) for one in back["rowErrors"]["nodes"]]
    assert [row for row, _ in kept] == [2, 3]
    assert ("city" in kept[0][1], "changed since by API" in kept[1][1]) == (True, True)


async def test_who_has_activity_since_is_kept(api: Api) -> None:
    """G somebody whom an import made W they did something, and it is taken back T they are kept, and it is said."""
    await api("""mutation { defineEvent(input: {id: "seen", title: "Seen"}) { errors { code } } }""")
    done = await imported(api, PEOPLE, tag=None)
    await api.track({"person": ANN, "type": "seen"})
    back = await reverted(api, done)
    assert back["reverted"] == {"deleted": 1, "restored": 0, "kept": 1}
    assert "activity since" in back["rowErrors"]["nodes"][0]["message"]


async def test_who_was_made_and_touched_again_goes_as_a_whole(api: Api) -> None:
    """G a file with the same person in several rows W it is taken back T they are gone."""
    done = await imported(api, "Email,City\na@x.example,Graz\na@x.example,Linz\na@x.example,Wien\n")
    assert done["counts"] == counts(3, created=1, updated=2)
    assert (await reverted(api, done))["reverted"] == {"deleted": 1, "restored": 0, "kept": 0}
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0


async def test_who_is_deleted_is_in_no_ledger(api: Api) -> None:
    """G an import W somebody it changed is deleted T nothing of them is kept to be put back; the undo goes on."""
    await api.made(firstName="Anna", emails=[{"address": ANN["email"]}])
    done = await imported(api, PEOPLE, tag=None)
    await api('mutation { deletePerson(by: {email: "ann@b.example"}) { errors { code } } }')
    kept = await api.service.store.engine.find("importChunks", {"rows": {"$exists": True}})
    assert "Anna" not in repr(kept)
    assert (await reverted(api, done))["reverted"] == {"deleted": 1, "restored": 0, "kept": 0}


async def test_a_mistake_of_ours_is_one_rows_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W the service itself fails at a row, and later at taking one back T that one is told of, the others are done."""

    def failing(plan: Any, of: str) -> Any:
        def planned(change: Any, held: Any, scene: Any) -> Any:
            effect = plan(change, held, scene)
            if of in (effect.after.first_name, getattr(effect.before, "first_name", None)):
                raise KeyError(of)
            return effect

        return planned

    monkeypatch.setattr(PersonRow, "plan", failing(PersonRow.plan, "Bob"))
    done = await imported(api, f"{PEOPLE}Cid,Day,cid@d.example,,\n", tag=None)
    assert (done["state"], done["counts"]) == ("DONE_WITH_ERRORS", counts(3, created=2, failed=1))
    (error,) = done["rowErrors"]["nodes"]
    assert (error["row"], error["column"], error["message"]) == (3, None, "Something went wrong on our side.")
    monkeypatch.setattr(Undone, "plan", failing(Undone.plan, "Ann"))
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 1, "restored": 0, "kept": 1})


# ---------------------------------------------------------------- bad input and other accounts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("Email,City\n", "no rows"),
        ("a@x.example,Graz\nb@x.example,Linz\n", "looks like data"),
    ],
)
async def test_a_file_that_can_not_be_read(content: str, words: str, api: Api) -> None:
    """T it is FAILED, in the history, with a sentence that says why; nothing can be done with it."""
    payload = await api(importing.CREATE, input={"content": content})
    one = payload["import"]
    assert (one["state"], payload["errors"][0]["code"]) == ("FAILED", "INVALID")
    assert words in one["rowErrors"]["nodes"][0]["message"]
    for call in (importing.REVERT, importing.CANCEL):
        assert await api.codes(call, id=one["id"]) == ["WRONG_STATE"]
    assert await api.codes(importing.RUN, id=one["id"], mode="COMMIT") == ["WRONG_STATE"]


async def test_calls_that_make_no_sense(api: Api) -> None:
    """T each has its code, and nothing is made."""
    assert await api.codes(importing.CREATE, input={}) == ["REQUIRED"]
    assert await api.codes(importing.CREATE, input={"content": "x", "uploadId": "upl_x"}) == ["REQUIRED"]
    assert await api.codes(importing.CREATE, input={"uploadId": "upl_x"}) == ["NOT_FOUND"]
    given = {"content": "Email\na@x.example\n", "target": "COMPANY", "personType": "LEAD"}
    assert await api.codes(importing.CREATE, input=given) == ["INVALID"]
    for call, more in ((importing.RUN, {"mode": "COMMIT"}), (importing.CANCEL, {}), (importing.REVERT, {})):
        assert await api.codes(call, id="imp_x", **more) == ["NOT_FOUND"]
    assert (await api("{ imports { nodes { id } } }"))["nodes"] == []


async def test_a_cancelled_import_does_nothing_more(api: Api) -> None:
    """W an import is cancelled before it runs T it is over; what can be wished of it is refused."""
    one = await mapped(api, await created(api, PEOPLE))
    assert await api.codes(importing.CANCEL, id=one["id"]) == []
    assert (await followed(api, one["id"]))[-1]["state"] == "CANCELLED"
    assert await api.codes(importing.RUN, id=one["id"], mode="COMMIT") == ["WRONG_STATE"]
    assert await api.codes(importing.REVERT, id=one["id"]) == ["WRONG_STATE"]


async def test_imports_are_of_one_account_and_by_scope(api: Api) -> None:
    """T another account finds nothing of it; a key that reads can't import."""
    one = await mapped(api, await created(api, PEOPLE))
    _, _, key = await api.service.services.access.create_account("Other")
    other = api.as_(key)
    assert await other(importing.ONE, id=one["id"]) is None
    assert await other("query($id: ID!) { node(id: $id) { id } }", id=one["id"]) is None
    assert await other.codes(importing.RUN, id=one["id"], mode="COMMIT") == ["NOT_FOUND"]
    reader = await api.key_with("PEOPLE_READ")
    assert await reader.refused(importing.RUN, id=one["id"], mode="COMMIT") == "FORBIDDEN"
    assert (await reader(importing.ONE, id=one["id"]))["state"] == "MAPPED"
    found_again = await api("query($id: ID!) { node(id: $id) { ... on Import { fileName state } } }", id=one["id"])
    assert found_again["state"] == "MAPPED"


async def test_who_is_linked_to_a_company_of_an_import_keeps_it(api: Api) -> None:
    """G companies of an import W somebody joined one, and it is taken back T that one is kept."""
    rows = "Company,Website\nAcme,acme.example\nBolt,bolt.example\n"
    done = await imported(api, rows, {"Company": "name", "Website": "domains"}, target="COMPANY")
    await api(CREATE, input={"emails": [{"address": ANN["email"]}]})
    await api(LINK, company={"name": "Acme"}, persons=[ANN])
    assert (await reverted(api, done))["reverted"] == {"deleted": 1, "restored": 0, "kept": 1}
