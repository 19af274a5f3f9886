"""Erasure: of a deleted person nothing is left that was theirs, in any collection, and nothing comes back."""

from datetime import timedelta
from typing import Any

import pytest

from app.catalog import sweeps
from app.changes import erasure, farewell
from app.changes.farewell import Farewell
from app.changes.model import Ask
from app.claims.model import Locator
from app.core import clock
from app.core.errors import Fault, unavailable
from app.mongo.engine import Engine, Insert
from app.mongo.indexes import INDEXES
from app.persons.model import Person
from app.persons.plan import Remove
from tests.api import ATTRIBUTE, COMPANY, DEFINE, LINK, UPDATE, Api
from tests.stories.visitors import later

DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
CREATE = """mutation($input: CreatePersonInput!, $key: String) {
  createPerson(input: $input, idempotencyKey: $key) { person { id } errors { code } }
}"""
# Of letters that no id has.
MARK = "oilu"
COLLECTIONS = (*INDEXES, "claims", "sweeps")
ANN: dict[str, Any] = {
    "externalId": f"{MARK}-1",
    "firstName": f"{MARK}ann",
    "lastName": f"{MARK}smith",
    "address": f"{MARK} street 1",
    "city": f"{MARK}ville",
    "birthDate": "1987-06-05",
    "emails": [{"address": f"{MARK}@example.com"}],
    "phones": [{"number": "998877665544"}],
    "customAttributes": {"note": f"{MARK} note", "list": [{"text": f"{MARK} item"}]},
}
TRACES = (MARK, "998877665544", "1987-06-05")


async def prepared(api: Api) -> str:
    """Make somebody with values everywhere; return the id."""
    await api(ATTRIBUTE, input={"name": "note", "type": "STRING"})
    await api(ATTRIBUTE, input={"name": "list", "type": "LIST", "itemFields": [{"name": "text", "type": "STRING"}]})
    await api(DEFINE, input={"id": "seen", "title": "Seen", "fields": [{"name": "what", "type": "STRING"}]})
    made = await api(CREATE, input=ANN, key="k")
    assert made["errors"] == []
    person = {"id": made["person"]["id"]}
    await api(COMPANY, input={"name": "Acme"})
    await api(LINK, company={"name": "Acme"}, persons=[person], role=f"{MARK} lawyer")
    await api.track(event({"email": ANN["emails"][0]["address"]}), event(person, eventId="e2"))
    return str(person["id"])


def event(person: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Write an event down."""
    return {"person": person, "type": "seen", "eventId": "e1", "properties": {"what": f"{MARK} thing"}, **more}


async def traces(engine: Engine) -> list[tuple[str, Any]]:
    """Return where any value of the person is still to be found."""
    kept = [(name, one) for name in COLLECTIONS for one in await engine.find(name, {})]
    return [(name, one["_id"]) for name, one in kept if any(trace in str(one) for trace in TRACES)]


async def test_no_value_is_left_in_any_collection(api: Api, engine: Engine) -> None:
    """Profile, claims, events, records of idempotency keys; what stays is that there was somebody."""
    person_id = await prepared(api)
    assert {name for name, _ in await traces(engine)} == {"persons", "events", "requests"}
    assert (await api(DELETE, by={"id": person_id}))["deletedIds"] == [person_id]
    assert await traces(engine) == []
    (tombstone,) = await engine.find("persons", {"_id": person_id})
    assert set(tombstone) <= {
        *("_id", "account", "type", "state", "createdAt", "updatedAt", "createdFrom", "modifiedFrom"),
        *("version", "subjects", "first", "last"),
    }
    assert (tombstone["state"], tombstone["first"], tombstone["last"]) == ("deleted", "", "")
    assert await engine.find("claims", {"owner": person_id}) == []


async def test_what_somebody_was_to_a_company_goes_with_them(api: Api, engine: Engine) -> None:
    """Also of who had left it by then, and of who was merged; its timeline keeps the ids alone."""
    await api(COMPANY, input={"name": "Acme"})
    names = [f"{MARK}-{number}" for number in range(3)]
    survivor, merged, left = [await api.made(externalId=name) for name in names]
    ids = [one["id"] for one in (survivor, merged, left)]
    for one in (merged, left):
        await api(LINK, company={"name": "Acme"}, persons=[{"id": one["id"]}], role=f"{MARK} lawyer")
    unlink = """mutation($persons: [PersonLocator!]!) {
      unlinkPersons(company: {name: "Acme"}, persons: $persons) { errors { code } }
    }"""
    await api(unlink, persons=[{"id": left["id"]}])
    both = {"persons": [{"id": one["id"]} for one in (survivor, merged)], "into": survivor["id"]}
    await api("mutation($input: MergePersonsInput!) { mergePersons(input: $input) { errors { code } } }", input=both)
    for one in (survivor, left):
        assert (await api(DELETE, by={"id": one["id"]}))["errors"] == []
    assert await traces(engine) == []
    told = '{ company(by: {name: "Acme"}) { timeline(first: 9) { nodes { type properties } } } }'
    events = (await api(told))["timeline"]["nodes"]
    assert [(one["type"], one["properties"].get("personId")) for one in reversed(events)] == [
        ("companyCreated", None),
        ("memberJoined", ids[1]),
        ("memberJoined", ids[2]),
        ("memberLeft", ids[2]),
    ]
    assert {name for one in events for name in one["properties"]} == {"personId"}


async def test_the_key_of_an_erased_person_makes_nobody(api: Api) -> None:
    """A late repetition of the call that made the person doesn't make them again."""
    person_id = await prepared(api)
    await api(DELETE, by={"id": person_id})
    payload = await api(CREATE, input=ANN, key="k")
    assert ([one["code"] for one in payload["errors"]], payload["person"]) == (["PERSON_NOT_FOUND"], None)


async def test_events_that_are_sent_again_are_refused(api: Api) -> None:
    """By id, and by each identifier even where they would make a person; others of the same identifier are taken."""
    person_id = await prepared(api)
    await api(DELETE, by={"id": person_id})
    named = [{"email": f"{MARK.upper()}@example.com"}, {"phone": "+99 887 766 5544"}, {"externalId": f"{MARK}-1"}]
    sent = [event(one, eventId=event_id, createPerson=True) for one in named for event_id in ("e1", "e2")]
    found = await api.track(event({"id": person_id}), *sent)
    assert {(one["status"], one["errors"][0]["code"]) for one in found} == {("REJECTED", "PERSON_NOT_FOUND")}
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0
    (new,) = await api.track(event(named[0], eventId="e3", createPerson=True))
    assert new["status"] == "ACCEPTED"
    assert {one["type"] for one in await api.events(named[0])} == {"seen", "personCreated"}
    (again,) = await api.track(event(named[0], eventId="e1"))
    assert again["status"] == "REJECTED"


async def test_an_atomic_call_with_an_erased_event_writes_nothing(api: Api) -> None:
    """Nor does it make a person."""
    person_id = await prepared(api)
    await api(DELETE, by={"id": person_id})
    by = {"email": f"{MARK}@example.com"}
    found = await api.track(event(by, eventId="new", createPerson=True), event(by, createPerson=True), atomic=True)
    assert [one["status"] for one in found] == ["REJECTED"] * 2
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0


async def test_the_same_event_id_of_somebody_else_is_taken(api: Api) -> None:
    """An id counts once per person."""
    person_id = await prepared(api)
    await api(DELETE, by={"id": person_id})
    (found,) = await api.track(event({"email": "bob@example.com"}, createPerson=True))
    assert found["status"] == "ACCEPTED"


async def test_somebody_can_be_erased_twice(api: Api) -> None:
    """The same identifier, the same event ids, another person in between."""
    for _ in range(2):
        made = await api(CREATE, input={"emails": ANN["emails"]})
        await api(DEFINE, input={"id": "seen", "title": "Seen", "fields": [{"name": "what", "type": "STRING"}]})
        await api.track(event({"id": made["person"]["id"]}))
        assert (await api(DELETE, by={"id": made["person"]["id"]}))["errors"] == []


async def test_an_event_that_arrives_behind_the_deletion_is_swept(api: Api, engine: Engine) -> None:
    """Whoever had found the person before may write behind it; a minute later that is gone as well."""
    person_id = await prepared(api)
    (kept,) = await engine.find("events", {"type": "seen", "_id": {"$regex": ":e1$"}})
    await api(DELETE, by={"id": person_id})
    await engine.insert("events", [kept])
    (noted,) = [one for one in await engine.find(sweeps.COLLECTION, {}) if one["kind"] == sweeps.EVENTS]
    assert timedelta(0) < noted["due"] - clock.now() <= timedelta(seconds=sweeps.LATECOMERS_SECONDS)
    sweeper = api.service.services.catalog.sweeps
    await sweeper.sweep()
    assert await traces(engine) != []
    await engine.write(sweeps.COLLECTION, [Insert({**noted, "_id": "swp_now", "due": clock.now()})])
    assert await sweeper.sweep() == 1
    assert await traces(engine) == []
    assert [one["type"] for one in await engine.find("events", {"person": person_id})] == ["personDeleted"]


async def test_an_event_of_a_process_that_stood_still_is_swept_as_well(api: Api, engine: Engine) -> None:
    """It is written behind the sweep of the latecomers: a day later that is gone, and looked for no more."""
    person_id = await prepared(api)
    (kept,) = await engine.find("events", {"type": "seen", "_id": {"$regex": ":e1$"}})
    await api(DELETE, by={"id": person_id})
    sweeper = api.service.services.catalog.sweeps
    with later(seconds=sweeps.LATECOMERS_SECONDS + 1):
        await sweeper.sweep()
    await engine.insert("events", [kept])
    with later(seconds=sweeps.LATECOMERS_SECONDS + sweeps.STRAGGLERS_SECONDS + 2):
        await sweeper.sweep()
    assert await traces(engine) == []
    assert [one for one in await engine.find(sweeps.COLLECTION, {}) if one["kind"] == sweeps.EVENTS] == []


async def test_marks_of_erased_events_lapse(api: Api, engine: Engine) -> None:
    """They are kept as long as an event may be sent late, and a day."""
    person_id = await prepared(api)
    await api(DELETE, by={"id": person_id})
    kept = await engine.find(erasure.COLLECTION, {})
    assert len(kept) == 6
    assert {round((one["until"] - clock.now()) / timedelta(days=1)) for one in kept} == {31}


# ---------------------------------------------------------------- timelines too long for one unit


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a unit take hardly any events."""
    monkeypatch.setattr(farewell, "UNIT_EVENTS", 20)
    monkeypatch.setattr(farewell, "PART_EVENTS", 7)


async def long(api: Api, number: int = 50) -> tuple[str, list[dict[str, Any]]]:
    """Make somebody with a long timeline; return the id, and what was sent: by an identifier, and by the id."""
    person_id = await prepared(api)
    named = ({"email": ANN["emails"][0]["address"]}, {"id": person_id})
    sent = [event(named[each % 2], eventId=f"n{each:03}", createPerson=not each % 2) for each in range(number)]
    assert {one["status"] for one in await api.track(*sent)} == {"ACCEPTED"}
    return person_id, sent


@pytest.mark.usefixtures("short")
async def test_a_long_timeline_is_erased_as_any_other(api: Api, engine: Engine) -> None:
    """When the call returns nothing is left, what was noted on the way neither; and nothing comes back."""
    person_id, sent = await long(api)
    assert (await api(DELETE, by={"id": person_id}))["errors"] == []
    assert await traces(engine) == []
    assert [one["type"] for one in await engine.find("events", {"person": person_id})] == ["personDeleted"]
    assert {one["status"] for one in await api.track(*sent)} == {"REJECTED"}
    assert not [one for one in await engine.find(erasure.COLLECTION, {}) if "of" in one]
    assert await api(DELETE, by={"id": person_id}) == {"deletedIds": [], "errors": [{"code": "PERSON_NOT_FOUND"}]}


@pytest.mark.usefixtures("short")
async def test_a_deletion_that_broke_off_goes_on(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """G it was noted in part W it broke off T nobody is gone, and nothing is refused; asked again it is done.

    What comes meanwhile is noted as well.
    """
    person_id, sent = await long(api)
    parts, keep = list[str](), Farewell._keep

    async def breaking(self: Farewell, noted: Any) -> None:
        parts.append(noted["last"])
        if len(parts) == 3:
            raise unavailable()
        await keep(self, noted)

    monkeypatch.setattr(Farewell, "_keep", breaking)
    assert (await api.post(DELETE, {"by": {"id": person_id}})).status_code == 503
    assert {one["status"] for one in await api.track(*sent)} == {"DUPLICATE"}
    late = event({"email": ANN["emails"][0]["address"]}, eventId="a-late-one", createPerson=True)
    assert [one["status"] for one in await api.track(late)] == ["ACCEPTED"]
    assert (await api(DELETE, by={"id": person_id}))["errors"] == []
    # It went on behind what was kept, and found what came before that too.
    assert parts[3] == parts[2] > parts[1]
    assert {one["status"] for one in await api.track(late, *sent)} == {"REJECTED"}
    assert await traces(engine) == []


@pytest.mark.usefixtures("short")
async def test_who_has_another_identifier_by_then_is_noted_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W a contact is added while the timeline is noted T its events are refused by that one too."""
    person_id, sent = await long(api)
    note, left = Farewell.note, [1]

    async def slowly(self: Farewell, gone: Any) -> None:
        await note(self, gone)
        if left:
            left.clear()
            added = {"emails": {"add": [{"address": "other@example.com"}]}}
            assert (await api(UPDATE, by={"id": person_id}, input=added))["errors"] == []

    monkeypatch.setattr(Farewell, "note", slowly)
    assert (await api.post(DELETE, {"by": {"id": person_id}})).status_code == 503
    assert (await api(DELETE, by={"id": person_id}))["errors"] == []
    by_other = [{**one, "person": {"email": "other@example.com"}, "createPerson": True} for one in sent]
    assert {one["status"] for one in await api.track(*by_other)} == {"REJECTED"}


@pytest.mark.usefixtures("short")
async def test_several_who_are_too_many_together(api: Api, engine: Engine) -> None:
    """W persons are deleted at once whose events are too many for one unit T all are gone, whoever has most as well."""
    person_id, _ = await long(api)
    others = []
    for number in range(6):
        made = await api(CREATE, input={"emails": [{"address": f"{MARK}{number}@example.com"}]})
        others.append(made["person"]["id"])
        await api.track(*(event({"id": others[-1]}, eventId=f"x{each}") for each in range(9)))
    some = "mutation($by: [PersonLocator!]!) { deletePersons(by: $by) { deletedIds errors { code } } }"
    payload = await api(some, by=[{"id": one} for one in (*others, person_id)])
    assert (payload["errors"], sorted(payload["deletedIds"])) == ([], sorted([*others, person_id]))
    assert await traces(engine) == []


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("way", ["sealed", "whole"])
async def test_noting_ends_though_others_change_the_person_each_time(
    api: Api, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """W what was noted never stands T a sealed part, and a whole one, end with UNAVAILABLE, and nothing is written."""
    person_id, _ = await long(api)
    monkeypatch.setattr(erasure, "stands", lambda *_: False)
    changes = api.service.services.persons.changes
    ask: Ask[Person] = Ask(api.account, "API", Remove(), (Locator("id", person_id),))
    with pytest.raises(Fault, match="reached"):
        await (changes.sealed([ask], lambda *_: []) if way == "sealed" else changes.all([ask], whole=True))
    assert await api("query($by: PersonLocator!) { person(by: $by) { id } }", by={"id": person_id}) is not None


@pytest.mark.usefixtures("short")
async def test_a_company_with_a_long_timeline_is_deleted(api: Api, engine: Engine) -> None:
    """Its events go with it."""
    await api(COMPANY, input={"name": "Acme"})
    for number in range(30):
        change = f'input: {{region: "r{number}"}}'
        update = f'mutation {{ updateCompany(by: {{name: "Acme"}}, {change}) {{ errors {{ code }} }} }}'
        assert (await api(update))["errors"] == []
    gone = await api('mutation { deleteCompany(by: {name: "Acme"}) { deletedIds errors { code } } }')
    assert gone["errors"] == []
    (company_id,) = gone["deletedIds"]
    assert [one["type"] for one in await engine.find("events", {"company": company_id})] == ["companyDeleted"]
