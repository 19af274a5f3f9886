"""Idempotency keys: a call that comes again with its key happens once, and gets the same answer."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.changes import requests
from app.core import clock
from app.mongo.engine import Delete, Engine, Insert
from tests.api import COMPANY, ERRORS, PERSON, Api, opened

CREATE = f"""mutation($input: CreatePersonInput!, $key: String) {{
  createPerson(input: $input, idempotencyKey: $key) {{ person {{ {PERSON} updatedAt }} {ERRORS} }}
}}"""
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!, $version: Int, $key: String) {{
  updatePerson(by: $by, input: $input, expectedVersion: $version, idempotencyKey: $key) {{
    person {{ {PERSON} }} {ERRORS} }}
}}"""
REPLACE = f"""mutation($by: PersonLocator!, $input: CreatePersonInput!, $key: String) {{
  replacePerson(by: $by, input: $input, idempotencyKey: $key) {{ person {{ {PERSON} }} {ERRORS} }}
}}"""
UPSERT = f"""mutation($rows: [CreatePersonInput!]!, $key: String, $atomic: Boolean! = false) {{
  upsertPersons(persons: $rows, idempotencyKey: $key, atomic: $atomic) {{
    results {{ index status person {{ {PERSON} }} {ERRORS} }} {ERRORS} }}
}}"""
COMPANY_ONCE = f"""mutation($input: CreateCompanyInput!, $key: String) {{
  createCompany(input: $input, idempotencyKey: $key) {{ company {{ id name domains tags version }} {ERRORS} }}
}}"""
COUNT = "{ persons { totalCount } }"
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
ANN = {"firstName": "Ann", "emails": [{"address": "ann@example.com"}], "tags": ["new"]}


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of a payload."""
    return [one["code"] for one in payload["errors"]]


async def test_the_same_call_is_answered_as_it_was(api: Api) -> None:
    """The profile stands there as it was then, whatever became of it since."""
    first = await api(CREATE, input=ANN, key="k")
    await api(UPDATE, by={"email": "ann@example.com"}, input={"firstName": "Anna"})
    assert await api(CREATE, input=ANN, key="k") == first
    assert first["person"]["firstName"] == "Ann"
    assert (await api(COUNT))["totalCount"] == 1


async def test_the_order_of_fields_is_no_other_input(api: Api) -> None:
    """What counts is what was said, not how it was written down."""
    first = await api(CREATE, input=ANN, key="k")
    assert await api(CREATE, input=dict(reversed(ANN.items())), key="k") == first


@pytest.mark.parametrize("other", [{**ANN, "firstName": "Bob"}, {"externalId": "x"}])
async def test_another_input_is_a_mismatch(api: Api, other: dict[str, Any]) -> None:
    """And changes nothing."""
    await api(CREATE, input=ANN, key="k")
    payload = await api(CREATE, input=other, key="k")
    assert (codes(payload), payload["errors"][0]["path"], payload["person"]) == (
        ["IDEMPOTENCY_MISMATCH"],
        ["idempotencyKey"],
        None,
    )
    assert (await api(COUNT))["totalCount"] == 1


async def test_another_operation_is_another_input(api: Api) -> None:
    """A key belongs to one call."""
    made = await api(CREATE, input=ANN, key="k")
    assert codes(await api(REPLACE, by={"id": made["person"]["id"]}, input=ANN, key="k")) == ["IDEMPOTENCY_MISMATCH"]
    assert codes(await api(COMPANY_ONCE, input={"name": "Acme"}, key="k")) == ["IDEMPOTENCY_MISMATCH"]
    assert codes(await api(UPSERT, rows=[ANN], key="k")) == ["IDEMPOTENCY_MISMATCH"]


async def test_sixty_four_at_once_are_one(api: Api) -> None:
    """One person, one answer."""
    answers = await asyncio.gather(*[api(CREATE, input=ANN, key="k") for _ in range(64)])
    assert all(one == answers[0] for one in answers)
    assert answers[0]["errors"] == []
    assert (await api(COUNT))["totalCount"] == 1


async def test_an_update_with_an_expected_version_can_be_repeated(api: Api) -> None:
    """Where without the key it would be a conflict with itself; additions are not made twice."""
    made = await api.made(**ANN)
    change = {"by": {"id": made["id"]}, "input": {"phones": {"add": [{"number": "4312345678"}]}}, "version": 1}
    first = await api(UPDATE, **change, key="k")
    assert (first["errors"], first["person"]["version"]) == ([], 2)
    assert await api(UPDATE, **change, key="k") == first
    assert codes(await api(UPDATE, **change)) == ["VERSION_CONFLICT"]


async def test_replacing_and_companies_take_keys_as_well(api: Api) -> None:
    """The answer of the first call comes again."""
    made = await api.made(**ANN)
    whole = {"by": {"id": made["id"]}, "input": {"externalId": "x"}, "key": "k1"}
    first = await api(REPLACE, **whole)
    await api(UPDATE, by={"id": made["id"]}, input={"firstName": "Later"})
    assert await api(REPLACE, **whole) == first
    company = await api(COMPANY_ONCE, input={"name": "Acme", "domains": ["acme.example"]}, key="k2")
    assert company["errors"] == []
    assert await api(COMPANY_ONCE, input={"name": "Acme", "domains": ["acme.example"]}, key="k2") == company
    assert codes(await api(COMPANY, input={"name": "Acme"})) == ["DUPLICATE_NAME"]


async def test_a_refused_call_leaves_its_key_free(api: Api) -> None:
    """Nothing happened, so there is nothing to repeat."""
    await api.made(externalId="x")
    assert codes(await api(CREATE, input={"externalId": "x"}, key="k")) == ["DUPLICATE_EXTERNAL_ID"]
    assert codes(await api(CREATE, input={"firstName": "a<"}, key="k")) == ["FORBIDDEN_CHARACTER"]
    assert codes(await api(CREATE, input={"externalId": "y"}, key="k")) == []


async def test_what_has_become_impossible_is_still_answered(api: Api) -> None:
    """The attribute of the first call is gone, the answer is not."""
    await api('mutation { defineAttribute(input: {name: "size", type: INTEGER}) { errors { code } } }')
    given = {**ANN, "customAttributes": {"size": 3}}
    first = await api(CREATE, input=given, key="k")
    await api('mutation { deleteAttribute(name: "size") { errors { code } } }')
    assert await api(CREATE, input=given, key="k") == first
    assert codes(await api(CREATE, input=given, key="other")) == ["UNKNOWN_ATTRIBUTE"]


@pytest.mark.parametrize(("key", "code"), [("", "INVALID"), ("  ", "INVALID"), ("k" * 256, "TOO_LONG")])
async def test_a_key_that_is_none_is_refused(api: Api, key: str, code: str) -> None:
    """And nothing is written."""
    assert codes(await api(CREATE, input=ANN, key=key)) == [code]
    assert codes(await api(UPSERT, rows=[ANN], key=key)) == [code]
    assert (await api(COUNT))["totalCount"] == 0
    assert codes(await api(CREATE, input=ANN, key="k" * 255)) == []


async def test_a_batch_is_answered_row_by_row_as_it_was(api: Api) -> None:
    """CREATED stays CREATED; a row that FAILED is tried again; other rows are a mismatch of the whole call."""
    owner = await api.made(externalId="owner", emails=[{"address": "taken@example.com"}])
    rows = [{"externalId": f"r{n}"} for n in range(3)] + [{"externalId": "r9", "emails": owner["emails"][:1]}]
    rows[3]["emails"] = [{"address": "taken@example.com"}]
    first = await api(UPSERT, rows=rows, key="k")
    assert [one["status"] for one in first["results"]] == ["CREATED"] * 3 + ["FAILED"]
    assert await api(UPSERT, rows=rows, key="k") == first
    await api(DELETE, by={"id": owner["id"]})
    again = await api(UPSERT, rows=rows, key="k")
    assert again["results"][:3] == first["results"][:3]
    assert again["results"][3]["status"] == "CREATED"
    other = await api(UPSERT, rows=rows[:2], key="k")
    assert (codes(other), other["results"]) == (["IDEMPOTENCY_MISMATCH"], [])


async def test_a_batch_sent_sixteen_times_at_once_is_one(api: Api) -> None:
    """Each row made once, atomic or not."""
    for key, atomic in (("k1", False), ("k2", True)):
        rows = [{"externalId": f"{key}-{n}", "tags": [f"t{n % 3}"]} for n in range(40)]
        answers = await asyncio.gather(*[api(UPSERT, rows=rows, key=key, atomic=atomic) for _ in range(16)])
        assert all(one == answers[0] for one in answers)
        assert {one["status"] for one in answers[0]["results"]} == {"CREATED"}
    assert (await api(COUNT))["totalCount"] == 80


async def test_keys_of_accounts_have_nothing_to_do_with_each_other(api: Api, engine: Engine) -> None:
    """The same key and input in another account is another call."""
    first = await api(CREATE, input=ANN, key="k")
    async with opened(engine) as other:
        second = await other(CREATE, input=ANN, key="k")
        assert second["person"]["id"] != first["person"]["id"]
        assert (await other(COUNT))["totalCount"] == 1


async def test_a_key_holds_for_a_day(api: Api, engine: Engine) -> None:
    """Then the same call is a new one."""
    await api(CREATE, input=ANN, key="k")
    (kept,) = await engine.find(requests.COLLECTION, {})
    assert timedelta(hours=23) < kept["until"] - clock.now() <= timedelta(hours=24)
    over = {**kept, "until": clock.now() - timedelta(milliseconds=1)}
    await engine.write(requests.COLLECTION, [Delete({"_id": kept["_id"]}), Insert(over)])
    assert codes(await api(CREATE, input=ANN, key="k")) == ["DUPLICATE_EMAIL"]
    await api(DELETE, by={"email": "ann@example.com"})
    assert codes(await api(CREATE, input=ANN, key="k")) == []


async def test_nothing_that_was_said_can_be_read_from_a_record(api: Api, engine: Engine) -> None:
    """Neither the key nor the input of the call."""
    await api(CREATE, input={"externalId": "secret-id"}, key="a-secret-key")
    (kept,) = await engine.find(requests.COLLECTION, {})
    bare = {name: value for name, value in kept.items() if name != "profile"}
    assert "secret" not in str(bare)
