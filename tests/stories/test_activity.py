"""Activity: of the whole account in pages, and of a person by day."""

from datetime import timedelta
from typing import Any

from app.core import clock
from app.mongo.engine import Engine
from tests.api import DEFINE, Api, opened

BY_DAY = """query($id: ID!, $days: Int) {
  person(by: {id: $id}) { activityByDay(days: $days) { day events } }
}"""
ACTIVITY = """query($first: Int, $after: Cursor, $filter: TimelineFilter) {
  activity(first: $first, after: $after, filter: $filter) {
    nodes { id type person { externalId } } pageInfo { hasNextPage endCursor } }
}"""


async def prepared(api: Api) -> dict[str, Any]:
    """Make a person and define an event."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    return await api.made(externalId="a")


def ago(days: float) -> str:
    """Return the moment so many days back."""
    return clock.text(clock.now() - timedelta(days=days))


async def test_days_are_counted_oldest_first_without_gaps(api: Api) -> None:
    """Days without events are there with 0; the day of an event is that on which it occurred, in UTC."""
    person = await prepared(api)
    by = {"id": person["id"]}
    sent = [{"person": by, "type": "seen", "occurredAt": ago(days)} for days in (0, 1, 1, 3, 20)]
    assert {one["status"] for one in await api.track(*sent)} == {"ACCEPTED"}
    found = (await api(BY_DAY, id=person["id"], days=4))["activityByDay"]
    today = clock.now().date()
    days = [(today - timedelta(days=back)).isoformat() for back in (3, 2, 1, 0)]
    # Today also holds that the person was made.
    assert found == [{"day": day, "events": n} for day, n in zip(days, (1, 0, 2, 2), strict=True)]
    whole = (await api(BY_DAY, id=person["id"]))["activityByDay"]
    assert (len(whole), sum(one["events"] for one in whole)) == (90, 6)
    assert len((await api(BY_DAY, id=person["id"], days=None))["activityByDay"]) == 90
    assert len((await api(BY_DAY, id=person["id"], days=366))["activityByDay"]) == 366


async def test_days_have_bounds(api: Api) -> None:
    """Of 1 to 366."""
    person = await prepared(api)
    for days in (0, -1, 367):
        assert await api.refused(BY_DAY, id=person["id"], days=days) == "BAD_VARIABLES"


async def test_days_of_many_persons_cost_more_than_their_names(api: Api) -> None:
    """So that nobody asks for a year of a thousand persons at once."""
    assert await api.refused("{ persons(first: 1000) { nodes { activityByDay { day } } } }") == "COST_EXCEEDED"
    assert (await api("{ persons(first: 100) { nodes { activityByDay { day } } } }"))["nodes"] == []


async def test_days_are_counted_from_the_index_alone(api: Api, engine: Engine) -> None:
    """No event is read for it: on the real MongoDB, where the plan can be asked for."""
    if engine.kind == "memory":
        return
    person = await prepared(api)
    await api.track(*[{"person": {"id": person["id"]}, "type": "seen"} for _ in range(50)])
    before = await profiled(engine, on=True)
    assert len((await api(BY_DAY, id=person["id"]))["activityByDay"]) == 90
    (seen,) = await profiled(engine, on=False)
    assert before == []
    assert (seen["docsExamined"], seen["keysExamined"] < 60) == (0, True)


async def profiled(engine: Any, *, on: bool) -> list[dict[str, Any]]:
    """Switch the server's profiler; return the aggregations that it saw."""
    database = engine._db
    await database.command("profile", 2 if on else 0)
    found: list[dict[str, Any]] = await database["system.profile"].find({"command.aggregate": "events"}).to_list(None)
    return found


async def test_the_whole_account_in_pages(api: Api, engine: Engine) -> None:
    """Newest arrival first, without repeats while more arrives; filters hold; nothing of another account."""
    person = await prepared(api)
    await api.track(*[{"person": {"id": person["id"]}, "type": "seen"} for _ in range(7)])
    async with opened(engine) as other:
        await other.made(externalId="foreign")
    seen: list[str] = []
    page: dict[str, Any] = {"pageInfo": {"endCursor": None, "hasNextPage": True}}
    while page["pageInfo"]["hasNextPage"]:
        page = await api(ACTIVITY, first=3, after=page["pageInfo"]["endCursor"])
        seen += [one["id"] for one in page["nodes"]]
        assert {one["person"]["externalId"] for one in page["nodes"]} == {"a"}
        await api.track({"person": {"id": person["id"]}, "type": "seen"})
    assert (len(seen), len(set(seen))) == (8, 8)
    made = await api(ACTIVITY, filter={"types": ["personCreated"]})
    assert [one["type"] for one in made["nodes"]] == ["personCreated"]
