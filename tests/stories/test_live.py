"""Stories L and H1: following live over websocket and server-sent events, on one process and on two."""

import asyncio

import pytest
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from app.graph.subscriptions import _ALWAYS, _fields
from app.graph.wanted import PersonFilter
from app.identity.unite import LISTS
from app.live import hub, seat
from app.persons.wish import RULES
from tests import api as apis
from tests import wire
from tests.api import TRACK, UPDATE, Api
from tests.stories.mobile import Phone
from tests.stories.test_events import order, shop
from tests.stories.test_merges import MERGE, REVERT

__all__ = ["shop"]

FOLLOW = """subscription($person: PersonLocator, $types: [String!], $after: Cursor) {
  timelineEvents(person: $person, types: $types, after: $after) { kind cursor event { id type } person { externalId } }
}"""
CHANGES = """subscription($filter: PersonFilter, $after: Cursor) {
  personChanges(filter: $filter, after: $after) { kind cursor personId changedFields person { firstName tags } }
}"""
E = {"externalId": "e"}


async def test_L1_an_event_is_delivered_once_and_in_order(shop: Api) -> None:
    """G subscriber W event sent T delivered once, in order."""
    async with shop.live(FOLLOW, person=E) as socket:
        assert (await socket.data())["kind"] == "READY"
        sent = [(await shop.track(order(eventId=f"l{index}")))[0]["event"]["id"] for index in range(20)]
        updates = [await socket.data() for _ in sent]
        assert [one["event"]["id"] for one in updates] == sent
        assert {one["kind"] for one in updates} == {"EVENT"}
        assert updates[0]["person"] == E


async def test_L2_an_event_of_one_process_reaches_followers_of_another(shop: Api) -> None:
    """W event sent to one T reaches subscriber on the other."""
    async with apis.opened(shop.service.store.engine) as other:
        there = Api(other.service, shop.key, shop.account)
        async with there.live(FOLLOW, person=E) as socket:
            assert (await socket.data())["kind"] == "READY"
            await shop.track(order(eventId="x"))
            assert (await socket.data())["event"]["type"] == "orderPlaced"


async def test_L3_who_comes_again_with_a_cursor_has_missed_nothing(shop: Api) -> None:
    """W socket dropped, resume with last cursor T no gap, no repeat; also on another process."""
    async with shop.live(FOLLOW, person=E) as socket:
        await socket.data()
        await shop.track(order(eventId="a"))
        cursor = (await socket.data())["cursor"]
    missed = [(await shop.track(order(eventId=f"m{index}")))[0]["event"]["id"] for index in range(5)]
    async with apis.opened(shop.service.store.engine) as other:
        for service in (shop.service, other.service):
            again = Api(service, shop.key, shop.account)
            async with again.live(FOLLOW, person=E, after=cursor) as socket:
                assert (await socket.data())["kind"] == "READY"
                assert [(await socket.data())["event"]["id"] for _ in missed] == missed
                missed.append((await shop.track(order(eventId=f"n{len(missed)}")))[0]["event"]["id"])
                assert (await socket.data())["event"]["id"] == missed[-1]


async def test_L4_a_key_without_people_read_follows_nothing(shop: Api) -> None:
    """G key without people:read T refused; by R36 the operation, and the socket stays for what the key may do."""
    writer = await shop.key_with("EVENTS_WRITE")
    async with writer.live(FOLLOW, person=E) as socket:
        refusal = await socket.next()
        assert refusal["type"] == "error"
        assert refusal["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        await socket.subscribe(TRACK, "2", events=[order()], atomic=False)
        assert (await socket.data())["results"][0]["status"] == "ACCEPTED"


@pytest.mark.often
async def test_L5_a_reader_far_behind_is_closed_and_others_are_not(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W slow client T bounded memory, closed with 1013, told a cursor; others never notice."""
    assert seat.SLOW_EVENTS == 10_000
    monkeypatch.setattr(hub, "SLOW_EVENTS", 2_000)
    async with shop.live(FOLLOW, person=E) as slow, shop.live(FOLLOW, person=E) as quick:
        for socket in (slow, quick):
            assert (await socket.data())["kind"] == "READY"
        slow.reading.clear()
        total = 0
        while total < 3_000:
            await shop.track(*[order(eventId=f"s{total + index}") for index in range(1000)])
            for _ in range(1000):
                assert (await quick.data())["kind"] == "EVENT"
            total += 1000
        slow.reading.set()
        while (message := await slow.next())["type"] == "next":
            pass
        codes = [one["extensions"]["code"] for one in message.get("payload", [])]
        assert codes in ([], ["SLOW_CONSUMER"])
        while message["type"] != "close":
            message = await slow.next()
        assert message["code"] == 1013
        await shop.track(order(eventId="last"))
        assert (await quick.data())["kind"] == "EVENT"


async def test_L6_a_deleted_person_ends_its_stream_with_a_word(shop: Api) -> None:
    """W delete T terminal notice, then complete; also for who asked for other types."""
    async with shop.live(FOLLOW, person=E, types=["orderPlaced"]) as socket:
        await socket.data()
        await shop('mutation { deletePerson(by: {externalId: "e"}) { errors { code } } }')
        update = await socket.data()
        assert (update["kind"], update["person"]) == ("DELETED", None)
        assert (await socket.next())["type"] == "complete"


async def test_L6_who_comes_again_after_a_deletion_hears_of_it(shop: Api) -> None:
    """With a cursor of before: DELETED, and nothing of what was erased; without one there is nobody to follow."""
    known = await shop.made(emails=[{"address": "gone@x.example"}])
    by = {"id": known["id"]}
    async with shop.live(FOLLOW, person=by) as socket:
        cursor = (await socket.data())["cursor"]
    await shop.track({**order(eventId="g"), "person": by})
    await shop("mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }", by=by)
    async with shop.live(FOLLOW, person=by, after=cursor) as socket:
        assert [(await socket.data())["kind"] for _ in range(2)] == ["READY", "DELETED"]
        assert (await socket.next())["type"] == "complete"
    async with shop.live(FOLLOW, person=by) as socket:
        assert (await socket.next())["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_changes_of_persons_are_told_with_their_fields(shop: Api) -> None:
    """personChanges: CREATED, UPDATED with the fields, LEFT when it no longer matches, DELETED."""
    async with shop.live(CHANGES, filter={"tags": {"has": "VIP"}}) as socket:
        assert (await socket.data())["kind"] == "READY"
        await shop.made(externalId="other")
        person = await shop.made(externalId="v", firstName="Ann", tags=["VIP"])
        created = await socket.data()
        assert (created["kind"], created["personId"], created["person"]["tags"]) == ("CREATED", person["id"], ["VIP"])
        by = {"id": person["id"]}
        await shop(UPDATE, by=by, input={"firstName": "Bea", "tags": {"add": ["x"]}})
        updated = await socket.data()
        assert (updated["kind"], updated["person"]["firstName"]) == ("UPDATED", "Bea")
        assert sorted(updated["changedFields"]) == ["firstName", "tags"]
        await shop(UPDATE, by=by, input={"tags": {"remove": ["VIP"]}})
        left = await socket.data()
        assert (left["kind"], left["person"], left["changedFields"]) == ("LEFT", None, ["tags"])
        await shop(UPDATE, by=by, input={"firstName": "Cat"})
        await shop("mutation($by: PersonLocator!) { deletePerson(by: $by) { errors { code } } }", by=by)
        assert (await socket.data())["kind"] == "DELETED"


def test_each_field_of_a_filter_is_known_by_what_a_change_of_it_is_called() -> None:
    """All that `personChanges` may be filtered by, as the schema has it; what a profile was made with never changes."""
    fields = get_object_definition(PersonFilter, strict=True).fields
    names = {to_camel_case(one.graphql_name or one.python_name) for one in fields}
    told = {*LISTS.values(), *(name for name, _ in RULES.values()), *_ALWAYS}
    unknown = {name for name in names - {"and", "or", "not"} if not _fields({name: None}) & told}
    assert unknown == {"createdAt", "createdFrom"}


async def test_who_has_no_installation_any_more_has_left(shop: Api) -> None:
    """W the device goes by logout, by a login of somebody else, by an undone merge T LEFT, with the field."""
    phone = Phone(shop)
    await phone.opened()
    ann = await phone.login("ann@x.example")
    other = await shop.made(externalId="first")
    wanted = {"hasPush": True, "type": "CUSTOMER"}

    async def left(socket: wire.Socket) -> tuple[str, list[str]]:
        while (update := await socket.data())["kind"] != "LEFT":
            pass
        return update["personId"], update["changedFields"]

    async with shop.live(CHANGES, filter=wanted) as socket:
        await socket.data()
        await phone.logout()
        assert await left(socket) == (ann["id"], ["pushRegistrations"])
        await phone.login("ann@x.example")
        bea = await phone.login("bea@x.example", forceDepersonalize=True)
        assert await left(socket) == (ann["id"], ["pushRegistrations"])
    both = [{"id": other["id"]}, {"id": bea["id"]}]
    merge = (await shop(MERGE, input={"persons": both, "into": other["id"]}))["merge"]
    async with shop.live(CHANGES, filter=wanted) as socket:
        await socket.data()
        await shop(REVERT, id=merge["id"])
        person_id, changed = await left(socket)
        assert person_id == other["id"]
        assert "pushRegistrations" in changed


async def test_a_company_is_followed_to_its_end(shop: Api) -> None:
    """timelineEvents(company:): members come and go, and the stream ends with the company."""
    await shop(apis.COMPANY, input={"name": "Acme"})
    follow = 'subscription { timelineEvents(company: {name: "acme"}) { kind event { type company { name } } } }'
    async with shop.live(follow) as socket:
        await socket.data()
        await shop(apis.LINK, company={"name": "Acme"}, persons=[E])
        assert (await socket.data())["event"] == {"type": "memberJoined", "company": {"name": "Acme"}}
        await shop('mutation { deleteCompany(by: {name: "Acme"}) { errors { code } } }')
        assert (await socket.data())["event"]["type"] == "memberLeft"
        assert (await socket.data())["kind"] == "DELETED"
        assert (await socket.next())["type"] == "complete"


async def test_the_whole_account_is_followed_and_nobody_elses(shop: Api) -> None:
    """TimelineEvents without person and company; another account's events never come."""
    account, _, key = await shop.service.services.access.create_account("Other")
    other = Api(shop.service, key, account.id)
    async with shop.live(FOLLOW) as socket:
        await socket.data()
        await other.made(externalId="theirs")
        await shop.made(externalId="mine")
        assert (await socket.data())["person"] == {"externalId": "mine"}


async def test_server_sent_events_tell_the_same(shop: Api) -> None:
    """SSE: next for each update, complete at the end; a refusal before it begins is a plain 4xx."""
    events = wire.Events(shop.service.app, shop.key, {"query": FOLLOW, "variables": {"person": E}})
    assert await events.start() == 200
    name, first = await events.next()
    assert (name, first["data"]["timelineEvents"]["kind"]) == ("next", "READY")
    await shop('mutation { deletePerson(by: {externalId: "e"}) { errors { code } } }')
    assert (await events.next())[1]["data"]["timelineEvents"]["kind"] == "DELETED"
    assert (await events.next())[0] == "complete"
    await events.leave()
    refused = await shop.post(FOLLOW, {"person": {"id": "per_nobody"}}, Accept="text/event-stream")
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")


async def test_many_followers_of_the_same_share_the_work(shop: Api) -> None:
    """The same document, variables and rights: one group, however many follow."""
    async with shop.live(FOLLOW, person=E) as one, shop.live(FOLLOW, person=E) as two:
        for socket in (one, two):
            await socket.data()
        await shop.track(order(eventId="g"))
        first, second = await asyncio.gather(one.data(), two.data())
        assert first == second
        assert len(shop.service.hub._groups) == 1
