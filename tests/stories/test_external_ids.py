"""External ids of who was merged: they go on finding the survivor, whatever is written by them."""

from typing import Any

import pytest

from tests.api import FIND, REPLACE, UPDATE, Api
from tests.stories.importing import imported
from tests.stories.test_batches import status, upsert
from tests.stories.test_merges import merged, reverted

COLUMNS = {"email": "email", "id": "externalId", "city": "city"}


async def couple(api: Api) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a person of two; the older one's external id has lost. Return the older one and the payload."""
    old = await api.made(externalId="old", emails=[{"address": "a@x.com"}])
    new = await api.made(externalId="new", emails=[{"address": "b@x.com"}])
    payload = await merged(api, old, new)
    assert payload["person"]["externalId"] == "new"
    return old, payload


async def called(api: Api, *names: str) -> list[tuple[str, str | None] | None]:
    """Return whom external ids find, each with the external id that is shown."""
    found = [await api(FIND, by={"externalId": name}) for name in names]
    return [one and (one["id"], one["externalId"]) for one in found]


@pytest.mark.parametrize("how", [{}, {"replace": True}])
async def test_a_row_with_an_external_id_that_lost_leaves_the_one_that_won(api: Api, how: dict[str, bool]) -> None:
    """Nobody is made anew by the other row; the merge is undone exactly afterwards."""
    old, payload = await couple(api)
    rows = [{"externalId": name, "firstName": "Ann"} for name in ("old", "new", "old")]
    assert status(await upsert(api, *rows, **how)) == ["UPDATED", "NOT_MODIFIED", "NOT_MODIFIED"]
    assert await called(api, "old", "new") == [(old["id"], "new")] * 2
    undone = await reverted(api, payload)
    assert [one["externalId"] for one in undone["persons"]] == ["old", "new"]


async def test_a_row_of_who_was_merged_goes_on_being_taken(api: Api) -> None:
    """Its contact belongs to whom its external id finds; another external id with that contact is refused."""
    old, _ = await couple(api)
    rows = [
        {"externalId": name, "emails": [{"address": mail}]}
        for name, mail in (("old", "a@x.com"), ("new", "b@x.com"), ("x", "a@x.com"))
    ]
    results = await upsert(api, *rows)
    assert status(results) == ["NOT_MODIFIED", "NOT_MODIFIED", "FAILED"]
    assert [one["code"] for one in results[2]["errors"]] == ["DUPLICATE_EMAIL"]
    assert await called(api, "old", "new") == [(old["id"], "new")] * 2


@pytest.mark.parametrize("query", [UPDATE, REPLACE])
async def test_an_external_id_that_lost_may_be_chosen_and_frees_none(api: Api, query: str) -> None:
    """It changes places with the one that won."""
    old, _ = await couple(api)
    emails: Any = [{"address": "a@x.com"}, {"address": "b@x.com"}]
    given = {"externalId": "old", "emails": {"set": emails} if query == UPDATE else emails}
    changed = await api(query, by={"externalId": "old"}, input=given)
    assert (changed["errors"], changed["person"]["externalId"]) == ([], "old")
    assert await called(api, "old", "new") == [(old["id"], "old")] * 2


@pytest.mark.parametrize(
    ("into", "chosen", "finds", "shown"),
    [
        ("old", "old", {"old": "old", "new": "new"}, ["old", "new"]),
        ("new", "old", {"old": "new", "new": "new"}, ["old", None]),
        ("old", "other", {"old": "old", "other": "old"}, ["other", None]),
        ("old", None, {"old": "old"}, ["old", None]),
        ("new", "other", {"old": "old", "other": "new"}, ["other", "old"]),
        ("new", None, {"old": "old"}, [None, "old"]),
    ],
)
async def test_an_external_id_that_nobody_took_off_finds_whose_it_was(
    api: Api, into: str, chosen: str | None, finds: dict[str, str], shown: list[str | None]
) -> None:
    """G two who are one W another external id is chosen, or it is cleared T undone only what was replaced is gone."""
    people = {name: await api.made(externalId=name, emails=[{"address": f"{name}@x.com"}]) for name in ("old", "new")}
    payload = await merged(api, *people.values(), into=people[into]["id"])
    changed = await api(UPDATE, by={"id": people[into]["id"]}, input={"externalId": chosen})
    assert (changed["errors"], changed["person"]["externalId"]) == ([], chosen)
    undone = await reverted(api, payload)
    assert [one["externalId"] for one in undone["persons"]] == shown
    assert undone["keptFields"] == ["externalId"]
    names = ("old", "new", "other")
    owners = {name: one[0] for name, one in zip(names, await called(api, *names), strict=True) if one}
    assert owners == {name: people[whose]["id"] for name, whose in finds.items()}


@pytest.mark.parametrize("person_type", ["LEAD", "CUSTOMER"])
async def test_a_row_of_another_external_id_is_of_somebody_else(api: Api, person_type: str) -> None:
    """Also where a lead's row would fill no more than what is empty: a shared email makes no one of two."""
    made = await api.made(externalId="E1", emails=[{"address": "a@x.com"}])
    done = await imported(api, "email,id,city\na@x.com,E2,Graz\nb@x.com,E3,Wien\n", COLUMNS, personType=person_type)
    (error,) = done["rowErrors"]["nodes"]
    assert error["message"] == "This contact belongs to a person with another external id."
    same = await imported(api, "email,id,city\na@x.com,E1,Graz\n", COLUMNS, personType=person_type)
    assert (same["counts"]["failed"], (await api(FIND, by={"externalId": "E1"}))["id"]) == (0, made["id"])
