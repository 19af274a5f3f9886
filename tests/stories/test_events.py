"""Stories E: events are defined, sent, counted once, and read again."""

from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.persons.track import PART_EVENTS
from tests.api import DEFINE, TIMELINE, TRACK, Api

ORDER = {
    "id": "orderPlaced",
    "title": "Order placed",
    "fields": [
        {"name": "total", "type": "DECIMAL"},
        {"name": "code", "type": "STRING"},
        {"name": "lines", "type": "LIST", "itemFields": [{"name": "sku", "type": "STRING"}]},
    ],
}


@pytest.fixture
async def shop(api: Api) -> Api:
    """Give an account with an event and a person `e`."""
    assert await api.codes(DEFINE, input=ORDER) == []
    await api.made(externalId="e", emails=[{"address": "e@b.example"}])
    return api


def order(**more: Any) -> dict[str, Any]:
    """Write an event down."""
    return {"person": {"externalId": "e"}, "type": "orderPlaced", **more}


def seen(result: dict[str, Any]) -> tuple[str, list[tuple[str, list[str]]]]:
    """Return the status and the errors of a result."""
    return result["status"], [(one["code"], one["path"]) for one in result["errors"]]


async def test_E1_a_subset_is_stored_and_the_undeclared_is_refused(shop: Api) -> None:
    """W trackEvents with subset T stored; undeclared property T refused."""
    good, bad = await shop.track(
        order(properties={"total": 9.5, "lines": [{"sku": "a"}]}), order(properties={"colour": "red"})
    )
    assert good["event"]["properties"] == {"total": 9.5, "lines": [{"sku": "a"}]}
    assert seen(bad) == ("REJECTED", [("UNKNOWN_PROPERTY", ["properties", "colour"])])
    assert [one["type"] for one in await shop.events({"externalId": "e"})] == ["orderPlaced", "personCreated"]


async def test_E2_an_event_id_counts_once_for_ever(shop: Api) -> None:
    """W same eventId twice T once, however the person was named."""
    first = (await shop.track(order(eventId="o-1", properties={"total": 1})))[0]
    again = order(eventId="o-1", properties={"total": 2})
    again["person"] = {"email": "E@b.example"}
    second, third = await shop.track(again, again)
    assert (first["status"], second["status"], third["status"]) == ("ACCEPTED", "DUPLICATE", "DUPLICATE")
    assert second["event"] == first["event"]
    assert len(await shop.events({"externalId": "e"}, filter={"types": ["orderPlaced"]})) == 1


async def test_E2_an_event_id_counts_once_in_a_call_of_any_size(shop: Api) -> None:
    """W same eventId at both ends of a large call T the first one counts, and results stay in order."""
    ends = [order(eventId="o-1", properties={"total": 1}), order(eventId="o-1", properties={"total": 2})]
    between = [order(properties={"total": n}) for n in range(PART_EVENTS)]
    found = await shop.track(ends[0], *between, ends[1])
    assert [one["status"] for one in found] == ["ACCEPTED"] * (PART_EVENTS + 1) + ["DUPLICATE"]
    assert found[-1]["event"] == found[0]["event"]


async def test_a_person_of_a_large_call_is_made_once(shop: Api) -> None:
    """W all events of a call of two parts name the same unknown person T there is one person, with all of them."""
    unknown = {**order(createPerson=True), "person": {"email": "new@b.example"}}
    found = await shop.track(*[unknown] * PART_EVENTS, {**unknown, "type": "none"}, unknown)
    assert [one["status"] for one in found] == ["ACCEPTED"] * PART_EVENTS + ["REJECTED", "ACCEPTED"]
    assert len({one["event"]["id"] for one in found if one["event"]}) == PART_EVENTS + 1


async def test_E3_old_events_are_refused_and_future_ones_are_now(shop: Api) -> None:
    """W 31 days old T refused; future T set to now."""
    now = clock.now()
    old, future = await shop.track(
        order(occurredAt=clock.text(now - timedelta(days=31))), order(occurredAt=clock.text(now + timedelta(days=1)))
    )
    assert seen(old) == ("REJECTED", [("TOO_OLD", ["occurredAt"])])
    assert clock.text(now) <= future["event"]["occurredAt"] <= clock.text(clock.now())


async def test_E4_definitions_only_grow(shop: Api) -> None:
    """W remove or retype a field T refused; add T ok, old events valid."""
    await shop.track(order(properties={"total": 1}))
    retyped = {**ORDER, "fields": [{"name": "total", "type": "STRING"}]}
    assert await shop.codes(DEFINE, input=retyped) == ["INVALID"]
    grown = await shop(DEFINE, input={**ORDER, "fields": [{"name": "coupon", "type": "STRING"}]})
    assert [one["name"] for one in grown["event"]["fields"]] == ["total", "code", "lines", "coupon"]
    assert (await shop.track(order(properties={"coupon": "x"})))[0]["status"] == "ACCEPTED"
    assert len(await shop.events({"externalId": "e"}, filter={"types": ["orderPlaced"]})) == 2


async def test_E5_standard_events_are_ours(shop: Api) -> None:
    """W standard event posted T refused."""
    (result,) = await shop.track({"person": {"externalId": "e"}, "type": "personCreated"})
    assert seen(result) == ("REJECTED", [("STANDARD_EVENT", ["type"])])
    assert await shop.codes(DEFINE, input={"id": "pageView", "title": "x"}) == ["STANDARD_EVENT"]
    (unknown,) = await shop.track({"person": {"externalId": "e"}, "type": "nope"})
    assert seen(unknown) == ("REJECTED", [("UNKNOWN_EVENT_TYPE", ["type"])])


async def test_E6_the_timeline_is_newest_first_and_pages_stay_stable(shop: Api) -> None:
    """T newest first, stable paging, filter by definition and time."""
    now = clock.now()
    moments = [clock.text(now - timedelta(hours=hour)) for hour in range(25)]
    await shop.track(*[order(occurredAt=at, eventId=f"o{index}") for index, at in enumerate(moments)])
    only = {"types": ["orderPlaced"]}
    got: list[str] = []
    after = None
    while True:
        person = await shop(TIMELINE, by={"externalId": "e"}, first=7, after=after, filter=only)
        page = person["timeline"]
        got += [one["occurredAt"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        # What comes in meanwhile is newer than the cursor: nothing moves.
        await shop.track(order())
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert got == moments
    window = {**only, "from": moments[10], "to": moments[5]}
    found = await shop.events({"externalId": "e"}, filter=window)
    assert [one["occurredAt"] for one in found] == moments[6:11]
    backward = """query($by: PersonLocator!, $f: TimelineFilter) {
      person(by: $by) { timeline(last: 3, filter: $f) { nodes { occurredAt } pageInfo { hasPreviousPage } } } }"""
    tail = (await shop(backward, by={"externalId": "e"}, f=only))["timeline"]
    assert [one["occurredAt"] for one in tail["nodes"]] == moments[-3:]
    assert tail["pageInfo"]["hasPreviousPage"]


async def test_E7_one_bad_event_of_5000_takes_nobody_with_it(shop: Api) -> None:
    """W batch of 5000 with 1 bad T 4999 stored; atomic T none."""
    batch = [order(eventId=f"b{index}") for index in range(5000)]
    batch[7] = order(properties={"colour": "red"})
    results = await shop.track(*batch, atomic=True)
    assert {one["status"] for one in results} == {"REJECTED"}
    assert results[7]["errors"][0]["code"] == "UNKNOWN_PROPERTY"
    assert await shop.events({"externalId": "e"}, filter={"types": ["orderPlaced"]}) == []
    results = await shop.track(*batch)
    assert [one["index"] for one in results if one["status"] != "ACCEPTED"] == [7]
    assert (await shop(TRACK, events=[order()] * 5001, atomic=False))["errors"][0]["code"] == "TOO_MANY"


async def test_E8_an_unknown_person_is_an_error_or_a_new_customer(shop: Api) -> None:
    """W unknown person T error; createPerson true + EMAIL T CUSTOMER."""
    new = {"person": {"email": "New@b.example"}, "type": "orderPlaced"}
    (refused,) = await shop.track(new)
    assert seen(refused) == ("REJECTED", [("PERSON_NOT_FOUND", ["person"])])
    first, second = await shop.track({**new, "createPerson": True}, {**new, "createPerson": True})
    assert (first["status"], second["status"]) == ("ACCEPTED", "ACCEPTED")
    found = await shop('{ persons(filter: {email: {eq: "new@b.example"}}) { nodes { type createdFrom } } }')
    assert found["nodes"] == [{"type": "CUSTOMER", "createdFrom": "API"}]
    assert len(await shop.events({"email": "new@b.example"})) == 3
    (by_id,) = await shop.track({"person": {"id": "per_x"}, "type": "orderPlaced", "createPerson": True})
    assert seen(by_id) == ("REJECTED", [("PERSON_NOT_FOUND", ["person"])])
    (bad,) = await shop.track({"person": {"email": "no mail"}, "type": "orderPlaced", "createPerson": True})
    assert seen(bad) == ("REJECTED", [("INVALID", ["person", "email"])])


async def test_an_atomic_batch_of_good_events_is_stored_whole(shop: Api) -> None:
    """Atomic: new persons and events together, and what was there already stays a duplicate."""
    await shop.track(order(eventId="a0"))
    new = {"person": {"phone": "+43 660 1234567"}, "type": "orderPlaced", "createPerson": True}
    results = await shop.track(order(eventId="a0"), order(eventId="a1"), new, atomic=True)
    assert [one["status"] for one in results] == ["DUPLICATE", "ACCEPTED", "ACCEPTED"]


async def test_the_activity_of_the_account_is_paged_by_arrival(shop: Api) -> None:
    """`activity`: everything of the account, newest arrival first, both ways."""
    await shop.track(*[order(eventId=f"o{index}") for index in range(5)])
    page = await shop("{ activity(first: 4) { edges { cursor node { type } } pageInfo { endCursor hasNextPage } } }")
    assert len(page["edges"]) == 4
    rest = await shop(
        """query($c: Cursor) {
          activity(after: $c) { nodes { type person { externalId } } pageInfo { hasPreviousPage } } }""",
        c=page["pageInfo"]["endCursor"],
    )
    assert [one["type"] for one in rest["nodes"]] == ["orderPlaced", "personCreated"]
    assert rest["pageInfo"]["hasPreviousPage"]
    assert rest["nodes"][0]["person"] == {"externalId": "e"}
