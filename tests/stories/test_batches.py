"""Stories B: many rows at once, each for itself, in the order in which they came."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.core import steps
from tests.api import ATTRIBUTE, DEFINE, ERRORS, FIND, PERSON, TRACK, UPDATE, Api

UPSERT = f"""mutation($rows: [CreatePersonInput!]!, $replace: Boolean! = false, $atomic: Boolean! = false) {{
  upsertPersons(persons: $rows, replace: $replace, atomic: $atomic) {{ {ERRORS}
    results {{ index status person {{ {PERSON} updatedAt customAttributes }} {ERRORS} }} }}
}}"""
COUNT = "{ persons { totalCount } }"


async def upsert(api: Api, *rows: dict[str, Any], **how: bool) -> list[dict[str, Any]]:
    """Send rows, and return what became of them."""
    payload = await api(UPSERT, rows=list(rows), **how)
    assert payload["errors"] == [], payload
    results: list[dict[str, Any]] = payload["results"]
    assert [one["index"] for one in results] == list(range(len(rows)))
    return results


def status(results: list[dict[str, Any]]) -> list[str]:
    """Return what became of each row."""
    return [one["status"] for one in results]


def refused(row: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return codes and paths of a row that FAILED."""
    assert (row["status"], row["person"]) == ("FAILED", None)
    return [(one["code"], one["path"]) for one in row["errors"]]


async def test_B1_one_bad_row_of_a_thousand_takes_nobody_with_it(api: Api) -> None:
    """G 1000 rows, row 7 has the email of another person T 999 created, index 7 has the error."""
    owner = await api.made(externalId="owner", emails=[{"address": "taken@example.com"}])
    rows = [{"externalId": f"row-{n}", "emails": [{"address": f"row{n}@example.com"}]} for n in range(1000)]
    rows[7]["emails"] = [{"address": "Taken@example.com"}]
    results = await upsert(api, *rows)
    assert Counter(status(results)) == {"CREATED": 999, "FAILED": 1}
    assert refused(results[7]) == [("DUPLICATE_EMAIL", ["emails", "0", "address"])]
    assert results[7]["errors"][0]["existingId"] == owner["id"]
    assert (await api(COUNT))["totalCount"] == 1000


async def test_B2_more_than_a_thousand_rows_are_refused_as_a_whole(api: Api) -> None:
    """Nothing is written."""
    payload = await api(UPSERT, rows=[{"externalId": f"x{n}"} for n in range(1001)])
    assert ([one["code"] for one in payload["errors"]], payload["results"]) == (["TOO_MANY"], [])
    assert (await api(COUNT))["totalCount"] == 0


async def test_B3_the_same_row_again_changes_nothing(api: Api) -> None:
    """CREATED, then NOT_MODIFIED with version and time as they were."""
    row = {"externalId": "x", "firstName": "Ann", "emails": [{"address": "a@example.com"}], "tags": ["VIP"]}
    (first,) = await upsert(api, row)
    (second,) = await upsert(api, row)
    assert [first["status"], second["status"]] == ["CREATED", "NOT_MODIFIED"]
    assert second["person"] == first["person"]


async def test_B4_a_full_upsert_empties_what_is_absent(api: Api) -> None:
    """A partial one keeps it, and adds contacts and tags to those that are there."""
    await api(ATTRIBUTE, input={"name": "age", "type": "INTEGER"})
    whole = {"firstName": "Ann", "lastName": "Lee", "tags": ["a"], "customAttributes": {"age": 7}}
    await upsert(api, {"externalId": "x", "emails": [{"address": "a@example.com"}], **whole})
    (partial,) = await upsert(api, {"externalId": "x", "emails": [{"address": "b@example.com"}], "tags": ["b"]})
    person = partial["person"]
    assert (partial["status"], person["firstName"], person["customAttributes"]) == ("UPDATED", "Ann", {"age": 7})
    assert [one["address"] for one in person["emails"]] == ["a@example.com", "b@example.com"]
    assert sorted(person["tags"]) == ["a", "b"]
    (full,) = await upsert(api, {"externalId": "x", "lastName": "Lee"}, replace=True)
    person = full["person"]
    assert (full["status"], person["firstName"], person["lastName"]) == ("UPDATED", None, "Lee")
    assert (person["emails"], person["tags"], person["customAttributes"]) == ([], [], {})


async def test_B5_matching_answers_in_order_with_a_gap_for_a_miss(api: Api) -> None:
    """Duplicates find the same person."""
    ann = (await api.made(emails=[{"address": "ann@example.com"}], phones=[{"number": "+43 660 1234567"}]))["id"]
    query = "query($by: [PersonLocator!]!) { matchPersons(by: $by) }"
    by = [{"email": "ANN@example.com"}, {"email": "no@example.com"}, {"phone": "436601234567"}]
    assert await api(query, by=by) == [ann, None, ann]


async def test_a_row_finds_its_person_by_external_id_then_email_then_phone(api: Api) -> None:
    """The first identifier that is owned counts; one that belongs to somebody else is refused with its code."""
    ann = await api.made(externalId="ann", emails=[{"address": "ann@example.com"}])
    bob = await api.made(emails=[{"address": "bob@example.com"}], phones=[{"number": "1234567"}])
    results = await upsert(
        api,
        {"externalId": "ann", "firstName": "Ann"},
        {"emails": [{"address": "new@example.com"}, {"address": "BOB@example.com"}], "firstName": "Bob"},
        {"phones": [{"number": "123 45 67"}], "externalId": "bob"},
        {"externalId": "ann", "emails": [{"address": "bob@example.com"}]},
        {"externalId": "other", "emails": [{"address": "ann@example.com"}]},
        {"externalId": "other", "phones": [{"number": "1234567"}]},
    )
    assert status(results) == ["UPDATED"] * 3 + ["FAILED"] * 3
    assert [one["person"]["id"] for one in results[:3]] == [ann["id"], bob["id"], bob["id"]]
    assert refused(results[3]) == [("DUPLICATE_EMAIL", ["emails", "0", "address"])]
    assert refused(results[4]) == [("DUPLICATE_EMAIL", ["emails", "0", "address"])]
    assert refused(results[5]) == [("DUPLICATE_PHONE", ["phones", "0", "number"])]
    shown = await api(FIND, by={"id": bob["id"]})
    assert (shown["externalId"], len(shown["emails"])) == ("bob", 2)


async def test_rows_of_the_same_person_work_on_each_other(api: Api) -> None:
    """The second sees what the first did, and both are told."""
    results = await upsert(
        api,
        {"emails": [{"address": "a@example.com"}], "firstName": "Ann"},
        {"emails": [{"address": "a@example.com"}], "lastName": "Lee"},
        {"emails": [{"address": "a@example.com"}], "lastName": "Lee"},
    )
    assert status(results) == ["CREATED", "UPDATED", "NOT_MODIFIED"]
    assert len({one["person"]["id"] for one in results}) == 1
    events = await api.events({"email": "a@example.com"})
    assert [one["type"] for one in events] == ["personUpdated", "personCreated"]


@pytest.mark.parametrize(
    "bad",
    [
        {"emails": [{"address": "no"}]},
        {"externalId": "x", "type": "LEAD"},
        {"firstName": "nobody"},
        {"externalId": "y", "emails": [{"address": "x@example.com"}]},
    ],
)
async def test_an_atomic_batch_is_all_or_nothing(api: Api, bad: dict[str, Any]) -> None:
    """Bad in itself, not allowed, identified by nothing, or taken: the others say which row it was."""
    await api.made(externalId="x", emails=[{"address": "x@example.com"}])
    results = await upsert(api, {"externalId": "one"}, bad, {"externalId": "two"}, atomic=True)
    assert [one["errors"][0]["code"] for one in results][::2] == ["WRONG_STATE"] * 2
    assert "row 1" in results[0]["errors"][0]["message"]
    assert results[1]["errors"][0]["code"] != "WRONG_STATE"
    assert (await api(COUNT))["totalCount"] == 1
    good = await upsert(api, {"externalId": "one"}, {"externalId": "x", "firstName": "X"}, atomic=True)
    assert status(good) == ["CREATED", "UPDATED"]


async def test_an_attribute_of_another_process_is_known_at_once(api: Api) -> None:
    """Values are checked row by row, and what is unknown after a second look fails that row alone."""
    await api(ATTRIBUTE, input={"name": "age", "type": "INTEGER"})
    results = await upsert(
        api,
        {"externalId": "a", "customAttributes": {"age": 7}},
        {"externalId": "b", "customAttributes": {"nope": 7}},
        {"externalId": "c", "customAttributes": {"age": "x"}},
    )
    assert refused(results[1]) == [("UNKNOWN_ATTRIBUTE", ["customAttributes", "nope"])]
    assert refused(results[2]) == [("WRONG_ATTRIBUTE_TYPE", ["customAttributes", "age"])]
    assert results[0]["person"]["customAttributes"] == {"age": 7}


@pytest.mark.parametrize("atomic", [False, True])
async def test_parallel_batches_of_the_same_rows_make_each_person_once(api: Api, *, atomic: bool) -> None:
    """Eight callers with the same hundred rows, and a change in between."""
    rows = [{"emails": [{"address": f"p{n}@example.com"}], "tags": ["t"]} for n in range(100)]
    done = await asyncio.gather(*[upsert(api, *rows, atomic=atomic) for _ in range(8)])
    assert Counter(one for results in done for one in status(results)) == {"CREATED": 100, "NOT_MODIFIED": 700}
    await api(UPDATE, by={"email": "p0@example.com"}, input={"firstName": "Pat"})
    assert (await api(COUNT))["totalCount"] == 100


async def test_batches_need_the_right_to_manage(api: Api) -> None:
    """A reader changes nobody."""
    reader = await api.key_with("PEOPLE_READ")
    assert await reader.refused(UPSERT, rows=[{"externalId": "x"}]) == "FORBIDDEN"


async def test_a_large_call_leaves_others_their_turn(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables, its events, what is kept of them and its results: none of it is done for all rows in one go."""
    rows, turns, step = 300, Counter[str](), steps._step

    def counted(work: Callable[[Any], Any], some: Sequence[Any], starts: range, _seconds: float) -> list[Any]:
        turns["all"] += 1
        return step(work, some, starts, -1.0)

    made = await api.made(externalId="x")
    await api(DEFINE, input={"id": "seen", "title": "Seen", "fields": []})
    sent = [{"person": {"id": made["id"]}, "type": "seen", "eventId": f"e{number}"} for number in range(rows)]
    await api(TRACK, events=sent[:1], atomic=False)
    monkeypatch.setattr(steps, "_step", counted)
    results = (await api(TRACK, events=sent, atomic=False))["results"]
    assert [one["status"] for one in results] == ["DUPLICATE"] + ["ACCEPTED"] * (rows - 1)
    # Read, found good, made, kept, told, shown; of each the first few are done at once.
    assert turns["all"] > 6 * rows - 100
