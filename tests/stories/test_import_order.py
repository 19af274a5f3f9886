"""Stories of imports that are taken back: newest first all is as before; else each takes back what is its own."""

import json
from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, UPDATE, Api
from tests.stories.importing import Import, imported, reverted

PERSON = """query($by: PersonLocator!) { person(by: $by) {
  id type externalId firstName city emails { address primary } phones { number primary } tags customAttributes } }"""
NAMED = "query($by: CompanyLocator!) { company(by: $by) { id name domains country tags customAttributes } }"
FIELDS = {"email": "email", "phone": "phone", "ext": "externalId", "city": "city", "tags": "tags"}
HEADER = ",".join(FIELDS)
BY = {"email": "a@x.example"}
# Two files that are about the same person, each with a tag of its own.
FIRST = "a@x.example;b@x.example,,,Graz,vip"
SECOND = "a@x.example;c@x.example,+385911234567,E1,Wien,vip;new"


async def done(api: Api, row: str, tag: str | None = None, **more: Any) -> Import:
    """Import one row."""
    return await imported(api, f"{HEADER}\n{row}\n", FIELDS, tag=tag, **more)


def kept(back: Import) -> list[str]:
    """Return what an undo says that it kept."""
    return [one["message"] for one in back["rowErrors"]["nodes"]]


def undone(deleted: int = 0, restored: int = 0, kept: int = 0) -> dict[str, int]:
    """Return the counts of an undo."""
    return {"deleted": deleted, "restored": restored, "kept": kept}


@pytest.mark.parametrize("person_type", ["LEAD", "CUSTOMER"])
async def test_who_was_made_by_the_first_goes_with_it(api: Api, person_type: str) -> None:
    """G an import makes somebody, another one changes them W both are taken back, newest first T they are gone."""
    first = await done(api, FIRST, "one")
    before = await api(PERSON, by=BY)
    second = await done(api, SECOND, "two", personType=person_type)
    assert (await reverted(api, second))["reverted"] == undone(restored=1)
    assert await api(PERSON, by=BY) == before
    assert (await reverted(api, first))["reverted"] == undone(deleted=1)
    assert await api(PERSON, by=BY) is None


async def test_who_was_there_before_both_is_as_before(api: Api) -> None:
    """G two imports change somebody W both are taken back, newest first T they are as before."""
    await api.made(type="LEAD", city="Linz", emails=[{"address": "a@x.example"}], tags=["vip"])
    before = await api(PERSON, by=BY)
    first = await done(api, FIRST, "one", personType="CUSTOMER")
    second = await done(api, SECOND, "two", personType="CUSTOMER")
    for one in (second, first):
        assert (await reverted(api, one))["reverted"] == undone(restored=1)
    assert await api(PERSON, by=BY) == before


async def test_the_older_one_first_keeps_what_the_newer_one_changed(api: Api) -> None:
    """W they are taken back oldest first T each takes back what is still its own, and says what is not."""
    await api.made(type="CUSTOMER", city="Linz", emails=[{"address": "a@x.example"}])
    first = await done(api, FIRST, "one", personType="CUSTOMER")
    second = await done(api, SECOND, "two", personType="CUSTOMER")
    back = await reverted(api, first)
    assert (back["reverted"], kept(back)) == (undone(restored=1, kept=1), ["kept: city changed since"])
    assert (await reverted(api, second))["reverted"] == undone(restored=1)
    found = await api(PERSON, by=BY)
    # What the second one found: the first one has told that it could not take it back.
    assert (found["city"], found["tags"], len(found["emails"])) == ("Graz", [], 1)


async def test_who_was_made_stays_as_the_first_left_them_where_it_is_taken_back_first(api: Api) -> None:
    """W the import that made somebody is taken back before one that changed them T they are kept, and it is said."""
    first = await done(api, FIRST, "one")
    before = await api(PERSON, by=BY)
    second = await done(api, SECOND, "two")
    back = await reverted(api, first)
    assert (back["reverted"], kept(back)) == (undone(kept=1), ["kept: it was changed since by IMPORT"])
    assert (await reverted(api, second))["reverted"] == undone(restored=1)
    assert await api(PERSON, by=BY) == before


async def test_lists_and_values_are_as_before(api: Api) -> None:
    """G an import makes somebody with a list, another one changes it and adds a value W newest first T all is gone."""
    sku = [{"name": "sku", "type": "STRING"}]
    await api(ATTRIBUTE, input={"target": "PERSON", "name": "orders", "type": "LIST", "itemFields": sku})
    await api(ATTRIBUTE, input={"target": "PERSON", "name": "size", "type": "INTEGER"})
    fields = {"email": "email"} | {name: f"customAttributes.{name}" for name in ("orders", "size")}

    async def listed(*skus: str, **more: Any) -> Import:
        row = {"email": "a@x.example", "orders": [{"sku": one} for one in skus], **more}
        wanted = {name: field for name, field in fields.items() if name in row}
        return await imported(api, json.dumps([row]), wanted, tag=None)

    first, before = await listed("a", "b"), await api(PERSON, by=BY)
    second = await listed("b", "c", size=5)
    assert (await reverted(api, second))["reverted"] == undone(restored=1)
    assert await api(PERSON, by=BY) == before
    assert (await reverted(api, first))["reverted"] == undone(deleted=1)


@pytest.mark.parametrize("there", [(), ("Old",)])
async def test_companies_are_as_before(api: Api, there: tuple[str, ...]) -> None:
    """G a company that an import made or changed, and another one renamed W newest first T all is as before."""
    by = {"domain": "a.example"}
    for name in there:
        await api(COMPANY, input={"name": name, "domains": ["a.example"]})
    before = await api(NAMED, by=by)
    fields = {"name": "name", "domains": "domains", "country": "country"}

    async def firm(row: str, tag: str) -> Import:
        text = f"name,domains,country\n{row}\n"
        return await imported(api, text, fields, target="COMPANY", tag=tag)

    first, second = await firm("Acme,a.example,Norway", "one"), await firm("Bolt,a.example;b.example,Chile", "two")
    assert (await reverted(api, second))["reverted"] == undone(restored=1)
    assert (await reverted(api, first))["reverted"] == (undone(restored=1) if there else undone(deleted=1))
    assert await api(NAMED, by=by) == before


async def test_whoever_else_changed_them_keeps_them(api: Api) -> None:
    """G two imports, the newer one is taken back W the API changes somebody, and changes them back T they are kept."""
    first = await done(api, FIRST)
    second = await done(api, SECOND)
    await reverted(api, second)
    for city in ("Split", "Graz"):
        await api(UPDATE, by=BY, input={"city": city})
    back = await reverted(api, first)
    assert (back["reverted"], kept(back)) == (undone(kept=1), ["kept: it was changed since by API"])
