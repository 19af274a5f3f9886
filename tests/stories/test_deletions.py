"""Stories of what is deleted for a whole account: each who had it is told, once, on the timeline and live."""

from datetime import timedelta
from typing import Any

import pytest

from app.catalog import sweeps
from app.catalog.sweeps import Sweeps
from app.core import clock
from app.mongo.engine import Delete, Engine, Update
from tests import api as apis
from tests.api import ATTRIBUTE, COMPANY, FIND, LINK, REPLACE, UPDATE, Api
from tests.stories.importing import imported, reverted
from tests.stories.test_changes import CHANGES, DELETE
from tests.stories.test_filters import attribute
from tests.stories.test_live import FOLLOW
from tests.stories.test_merges import merged
from tests.stories.test_merges import reverted as apart
from tests.stories.test_tags import CREATE_TAG, DELETE_TAG, TAG, count, people

VIP = {"tags": {"has": "VIP"}}
UNDEFINE = """mutation($name: String!, $target: AttributeTarget! = PERSON) {
  deleteAttribute(name: $name, target: $target) { errors { code } }
}"""
STAMPS = "query($by: PersonLocator!) { person(by: $by) { version updatedAt modifiedFrom } }"
ACME = '{ company(by: {name: "Acme"}) { version timeline(first: 5) { nodes { type } } } }'


@pytest.fixture
async def still(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give an account of which nothing is swept until `swept` is called."""
    monkeypatch.setattr(Sweeps, "wake", lambda _: None)
    return api


async def untagged(api: Api, name: str = "vip") -> None:
    """Delete a tag."""
    assert (await api(DELETE_TAG, name=name))["errors"] == []


async def swept(api: Api) -> None:
    """Do all sweeps, once more for whoever comes late."""
    engine = api.service.store.engine
    for _ in range(2):
        await engine.write(sweeps.COLLECTION, [Update({}, {"$set": {"due": clock.now()}}, many=True)])
        await api.service.services.catalog.sweeps.sweep()
    assert await engine.find(sweeps.COLLECTION, {}) == []


async def removals(api: Api, by: dict[str, Any]) -> list[str]:
    """Return which tags a timeline says were taken off, newest first."""
    return [one["properties"]["tag"] for one in await api.events(by) if one["type"] == "tagRemoved"]


async def test_G3_each_who_had_a_tag_is_told(still: Api) -> None:
    """W a tag is deleted T LEFT by its filter, UPDATED by others, its end on the timelines, and stamps stay."""
    one = await still.made(externalId="a", tags=["VIP", "b"])
    by = {"id": one["id"]}
    await still(COMPANY, input={"name": "Acme", "tags": ["VIP"]})
    stamps = await still(STAMPS, by=by)
    async with (
        still.live(CHANGES, filter=VIP) as fans,
        still.live(CHANGES, filter={"tags": {"has": "b"}}) as others,
        still.live(FOLLOW, person=by) as line,
    ):
        for socket in (fans, others, line):
            assert (await socket.data())["kind"] == "READY"
        await untagged(still)
        await swept(still)
        left, updated, event = [await socket.data() for socket in (fans, others, line)]
    assert (left["kind"], left["personId"], left["changedFields"]) == ("LEFT", one["id"], ["tags"])
    assert (updated["kind"], updated["person"]["tags"], updated["changedFields"]) == ("UPDATED", ["b"], ["tags"])
    assert event["event"]["type"] == "tagRemoved"
    (told,) = [each for each in await still.events(by) if each["type"] == "tagRemoved"]
    assert (told["properties"], told["source"], told["title"]) == ({"tag": "VIP"}, "API", "Tag Removed")
    assert await still(STAMPS, by=by) == stamps
    company = await still(ACME)
    assert (company["version"], [each["type"] for each in company["timeline"]["nodes"]]) == (
        1,
        ["companyUpdated", "companyCreated"],
    )


async def test_who_never_matched_has_not_left_by_a_deleted_tag(still: Api) -> None:
    """W a tag is deleted T those who follow another one are not told of who had it alone."""
    (one,) = await people(still, 1, tags=["VIP"])
    wanted = {"or": [{"tags": {"has": "b"}}, {"tags": {"hasNone": ["c", "vip"]}}]}
    async with still.live(CHANGES, filter={"tags": {"has": "b"}}) as socket, still.live(CHANGES, filter=wanted) as both:
        assert [(await each.data())["kind"] for each in (socket, both)] == ["READY", "READY"]
        await untagged(still)
        await swept(still)
        last = await still.made(externalId="last", tags=["b"])
        assert (await socket.data())["personId"] == last["id"]
        assert [(await both.data())["personId"] for _ in range(2)] == [one, last["id"]]


async def test_a_name_that_is_used_again_keeps_its_new_tag(still: Api) -> None:
    """W the name is given anew before the old tag is swept T the new one stays, and is told apart."""
    old, both = await people(still, 2, tags=["VIP"])
    await untagged(still)
    assert (await still(CREATE_TAG, name="VIP"))["errors"] == []
    await still(TAG, ids=[both], add=["VIP"])
    async with still.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        await swept(still)
        told = {one["personId"]: one["kind"] for one in [await socket.data(), await socket.data()]}
    assert told == {old: "LEFT", both: "UPDATED"}
    assert await count(still, "VIP") == 1
    assert [await removals(still, {"id": one}) for one in (old, both)] == [["VIP"], ["VIP"]]
    await untagged(still)
    await swept(still)
    assert [await removals(still, {"id": one}) for one in (old, both)] == [["VIP"], ["VIP", "VIP"]]


async def test_a_sweep_that_broke_off_is_gone_on_with(
    still: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W a process dies in it T another goes on once its time is over; each is told once, and no cursor misses one."""
    monkeypatch.setattr(sweeps, "TOLD_DOCUMENTS", 3)
    ids = await people(still, 10, tags=["VIP"])
    async with still.live(CHANGES, filter=VIP) as socket:
        cursor = (await socket.data())["cursor"]
    await untagged(still)
    sweeper, bites = still.service.services.catalog.sweeps, 0

    async def dying(sweep: Sweeps, part: Any, held: Any) -> None:
        nonlocal bites
        bites += 1
        if bites == 3:
            raise RuntimeError
        await clear(sweep, part, held)

    clear = Sweeps._clear
    monkeypatch.setattr(Sweeps, "_clear", dying)
    with pytest.raises(RuntimeError):
        await sweeper.sweep()
    # It is the dead one's for a while.
    assert await sweeper.sweep() == 0
    (kept,) = await engine.find(sweeps.COLLECTION, {})
    assert timedelta() < kept["due"] - clock.now() <= timedelta(seconds=sweeps.HELD_SECONDS)
    async with apis.opened(engine) as other:
        await swept(Api(other.service, still.key, still.account))
        async with still.live(CHANGES, filter=VIP, after=cursor) as socket:
            assert (await socket.data())["kind"] == "READY"
            told = [await socket.data() for _ in ids]
            await still.made(externalId="last", tags=["VIP"])
            assert (await socket.data())["kind"] == "CREATED"
    assert {one["kind"] for one in told} == {"LEFT"}
    assert sorted(one["personId"] for one in told) == sorted(ids)
    assert [await removals(still, {"id": one}) for one in ids] == [["VIP"]] * 10
    assert [one.get("tags", []) for one in await engine.find("persons", {}, sort=(("_id", 1),))][:10] == [[]] * 10


async def test_who_comes_late_is_cleared_and_told_once(still: Api, engine: Engine) -> None:
    """W a sweep finds a minute later who was written with the tag behind it T cleared, and not told twice."""
    (one,) = await people(still, 1, tags=["VIP"])
    (kept,) = await engine.find("persons", {})
    await untagged(still)
    await still.service.services.catalog.sweeps.sweep()
    (noted,) = await engine.find(sweeps.COLLECTION, {})
    assert noted["due"] == noted["said"]["at"] + timedelta(seconds=sweeps.LATECOMERS_SECONDS)
    assert await removals(still, {"id": one}) == ["VIP"]
    # As by a change that had read them before.
    await engine.write("persons", [Update({"_id": one}, {"$set": {"tags": kept["tags"]}})])
    await swept(still)
    assert await removals(still, {"id": one}) == ["VIP"]
    (kept,) = await engine.find("persons", {})
    assert kept["tags"] == []


async def test_who_is_erased_while_a_sweep_stands_still_is_told_of_nothing_more(still: Api, engine: Engine) -> None:
    """W a process comes back to its bite when all is done that an erasure leaves T nothing of the person is there."""
    gone, there = await people(still, 2, tags=["VIP"])
    await still(COMPANY, input={"name": "Acme", "tags": ["VIP"]})
    await untagged(still)
    sweeper = still.service.services.catalog.sweeps
    tell = sweeper.tell

    async def late(*given: Any) -> None:
        await still(DELETE, by={"id": gone})
        await still('mutation { deleteCompany(by: {name: "Acme"}) { errors { code } } }')
        await engine.write(sweeps.COLLECTION, [Delete({"kind": sweeps.EVENTS}, many=True)])
        await tell(*given)

    sweeper.tell = late
    await sweeper.sweep()
    events = await engine.find("events", {})
    assert [one["type"] for one in events if one.get("person") == gone] == ["personDeleted"]
    assert [one["type"] for one in events if "company" in one] == ["companyDeleted"]
    assert await removals(still, {"id": there}) == ["VIP"]


async def test_who_is_written_meanwhile_is_told_all_the_same(still: Api) -> None:
    """W tags are set, or a profile replaced, before the sweep T what was deleted is told once, by its name."""
    first, second = await people(still, 2, tags=["VIP", "b"])
    await untagged(still)
    await still(UPDATE, by={"id": first}, input={"tags": {"set": ["c"]}})
    await still(REPLACE, by={"id": second}, input={"externalId": "p1"})
    shown = [await still(FIND, by={"id": one}) for one in (first, second)]
    assert [one["tags"] for one in shown] == [["c"], []]
    await swept(still)
    assert [await removals(still, {"id": one}) for one in (first, second)] == [["b", "VIP"], ["b", "VIP"]]
    assert [(await still(FIND, by={"id": one}))["tags"] for one in (first, second)] == [["c"], []]


async def test_a_merge_and_its_undoing_bring_nothing_back(still: Api, engine: Engine) -> None:
    """W persons are merged before the sweep, and told apart behind it T the survivor is told, nobody has the tag."""
    first, second = [await still.made(externalId=one, tags=["VIP", one]) for one in ("a", "b")]
    await untagged(still)
    payload = await merged(still, first, second)
    await swept(still)
    assert await removals(still, {"id": first["id"]}) == ["VIP"]
    assert (await still(CREATE_TAG, name="VIP"))["errors"] == []
    await apart(still, payload)
    assert [(await still(FIND, by={"externalId": one}))["tags"] for one in ("a", "b")] == [["a"], ["b"]]
    assert sorted(len(one["tags"]) for one in await engine.find("persons", {})) == [1, 1]


@pytest.mark.parametrize("late", [False, True])
async def test_an_import_is_taken_back_though_its_tag_was_deleted(still: Api, *, late: bool) -> None:
    """W the tag of an import is deleted, then the import undone, before or behind the sweep T all of it is undone."""
    known = await still.made(externalId="k", tags=["mine"])
    fields = {"ext": "externalId", "city": "city"}
    done = await imported(still, "ext,city\nk,Graz\nn,Linz\n", fields, tag="Fair", duplicates="REWRITE")
    await untagged(still, "fair")
    if late:
        await swept(still)
    back = await reverted(still, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 1, "restored": 1, "kept": 0}), back
    await swept(still)
    assert await removals(still, {"id": known["id"]}) == ["Fair"]
    assert (await still(FIND, by={"externalId": "k"}))["tags"] == ["mine"]
    assert await still(FIND, by={"externalId": "n"}) is None


async def test_who_is_erased_meanwhile_is_told_nothing(still: Api, engine: Engine) -> None:
    """W a person is deleted before the sweep T DELETED, and nothing comes back to the timeline."""
    gone, stays = await people(still, 2, tags=["VIP"])
    await untagged(still)
    async with still.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        await still(DELETE, by={"id": gone})
        await swept(still)
        told = [await socket.data() for _ in range(2)]
    assert [(one["kind"], one["personId"]) for one in told] == [("DELETED", gone), ("LEFT", stays)]
    assert {one["type"] for one in await engine.find("events", {"person": gone})} == {"personDeleted"}


@pytest.mark.parametrize("kind", ["INTEGER", "LIST"])
async def test_A6_each_who_had_a_value_is_told(still: Api, kind: str) -> None:
    """W an attribute is deleted T UPDATED, on the timeline once; a filter that names it is none; stamps stay."""
    fields = [{"name": "x", "type": "STRING"}] if kind == "LIST" else []
    for name, type_ in (("old", kind), ("size", "INTEGER")):
        given = {"name": name, "type": type_, "itemFields": fields if type_ == "LIST" else []}
        assert (await still(ATTRIBUTE, input=given))["errors"] == []
    value = [{"x": "y"}] if kind == "LIST" else 7
    one = await still.made(externalId="a", customAttributes={"old": value, "size": 42})
    await still.made(externalId="b", customAttributes={"size": 42})
    by = {"id": one["id"]}
    stamps = await still(STAMPS, by=by)
    wanted = attribute("old" if kind == "INTEGER" else "size", exists=True)
    async with (
        still.live(CHANGES, filter=attribute("size", exists=True)) as others,
        still.live(CHANGES, filter=wanted) as fans,
    ):
        assert [(await socket.data())["kind"] for socket in (others, fans)] == ["READY", "READY"]
        assert await still.codes(UNDEFINE, name="old") == []
        await swept(still)
        told, end = await others.data(), await fans.next()
    assert (told["kind"], told["personId"], told["changedFields"]) == ("UPDATED", one["id"], ["customAttributes"])
    if kind == "INTEGER":
        assert [each["extensions"]["code"] for each in end["payload"]] == ["BAD_VARIABLES"]
    (first, *rest) = await still.events(by)
    assert (first["type"], first["properties"]) == ("personUpdated", {"changedFields": [{"name": "customAttributes"}]})
    assert [each["type"] for each in rest] == ["personCreated"]
    assert [each["type"] for each in await still.events({"externalId": "b"})] == ["personCreated"]
    assert await still(STAMPS, by=by) == stamps


async def test_a_company_that_had_a_value_tells_it(still: Api) -> None:
    """W an attribute of companies is deleted T those that had a value tell of it."""
    assert (await still(ATTRIBUTE, input={"name": "seats", "type": "INTEGER", "target": "COMPANY"}))["errors"] == []
    await still(COMPANY, input={"name": "Acme", "customAttributes": {"seats": 3}})
    assert await still.codes(UNDEFINE, name="seats", target="COMPANY") == []
    await swept(still)
    company = await still(ACME)
    assert [each["type"] for each in company["timeline"]["nodes"]] == ["companyUpdated", "companyCreated"]
    assert company["version"] == 1


async def test_an_import_is_taken_back_though_its_attribute_was_deleted(still: Api) -> None:
    """W an attribute that an import wrote is deleted, then the import undone T all of it is undone."""
    assert (await still(ATTRIBUTE, input={"name": "size", "type": "INTEGER"}))["errors"] == []
    fields = {"ext": "externalId", "size": "customAttributes.size"}
    done = await imported(still, "ext,size\nn,7\n", fields, tag=None)
    assert await still.codes(UNDEFINE, name="size") == []
    await swept(still)
    assert len(await still.events({"externalId": "n"})) > 1
    back = await reverted(still, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 1, "restored": 0, "kept": 0}), back


COMPANY_TAGS = """mutation($tags: TagChanges) {
  updateCompany(by: {name: "Acme"}, input: {tags: $tags}) { errors { code } }
}"""


async def member(api: Api, name: str, company: str = "Acme") -> str:
    """Make a member of a company, and return the id."""
    one = await api.made(externalId=name)
    assert (await api(LINK, company={"name": company}, persons=[{"id": one["id"]}]))["errors"] == []
    return str(one["id"])


async def test_C3_members_are_told_what_they_inherit(still: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W a company gets a tag, then loses it T UPDATED, then LEFT of each member, each once; stamps stay."""
    monkeypatch.setattr(sweeps, "TOLD_DOCUMENTS", 2)
    await still(COMPANY, input={"name": "Acme"})
    ids = [await member(still, f"m{n}") for n in range(5)]
    await still.made(externalId="other")
    stamps = await still(STAMPS, by={"id": ids[0]})
    async with still.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        for change, kind, tags in (({"add": ["VIP"]}, "UPDATED", ["VIP"]), ({"remove": ["VIP"]}, "LEFT", None)):
            assert await still.codes(COMPANY_TAGS, tags=change) == []
            await swept(still)
            told = [await socket.data() for _ in ids]
            assert sorted(one["personId"] for one in told) == sorted(ids)
            shown = [one["person"] and one["person"]["inheritedTags"] for one in told]
            assert [(one["kind"], one["changedFields"]) for one in told] == [(kind, ["inheritedTags"])] * 5
            assert shown == [tags] * 5
        # What leaves the tags as they are is nothing to the members.
        await still(COMPANY_TAGS, tags={"remove": ["none"]})
        await swept(still)
        await still.made(externalId="last", tags=["VIP"])
        assert (await socket.data())["kind"] == "CREATED"
    said = [one for one in await still.events({"id": ids[0]}) if one["type"] == "personUpdated"]
    assert [one["properties"]["changedFields"] for one in said] == [[{"name": "inheritedTags"}]] * 2
    assert await still(STAMPS, by={"id": ids[0]}) == stamps


async def test_members_are_told_of_a_deleted_tag_of_their_company(still: Api) -> None:
    """W a tag that companies carry is deleted T their members LEFT, once for each of the companies."""
    for name in ("Acme", "Bolt"):
        await still(COMPANY, input={"name": name, "tags": ["VIP"]})
    first, second = await member(still, "a"), await member(still, "b", "Bolt")
    async with still.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        await untagged(still)
        await swept(still)
        told = {one["personId"]: one["kind"] for one in [await socket.data(), await socket.data()]}
    assert told == {first: "LEFT", second: "LEFT"}
    for one in (first, second):
        types = [each["type"] for each in await still.events({"id": one})]
        assert types == ["personUpdated", "companyLinked", "personCreated"]


async def test_members_are_told_of_companies_that_become_one(still: Api) -> None:
    """W a company with a tag is merged into one without T who was a member of the other one has it, and is told."""
    await still(COMPANY, input={"name": "Acme"})
    await still(COMPANY, input={"name": "Bolt", "tags": ["VIP"]})
    one = await member(still, "a")
    async with still.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        merge = """mutation { mergeCompanies(into: {name: "Acme"}, companies: [{name: "Bolt"}]) { errors { code } } }"""
        assert await still.codes(merge) == []
        await swept(still)
        told = await socket.data()
    assert (told["kind"], told["personId"], told["person"]["inheritedTags"]) == ("UPDATED", one, ["VIP"])


async def test_members_are_told_without_waiting(api: Api) -> None:
    """W a company gets a tag T its sweep is begun at once, not at the next look."""
    await api(COMPANY, input={"name": "Acme"})
    one = await member(api, "a")
    async with api.live(CHANGES, filter=VIP) as socket:
        assert (await socket.data())["kind"] == "READY"
        await api(COMPANY_TAGS, tags={"add": ["VIP"]})
        assert (await socket.data())["personId"] == one
