"""Every operation with every scope, and every operation with what belongs to another account."""

import asyncio
import re
from typing import Any

import pytest

from app.core.actor import Scope
from tests import api as apis
from tests import wire
from tests.api import Api
from tests.stories.generated import OPERATIONS, Names, Operation
from tests.stories.test_merges import merged

# The table of scopes, written down once more: who may, where it is not what the kind of operation says.
EXCEPTIONS: list[tuple[set[str], set[str]]] = [
    ({"viewer"}, {scope.value for scope in Scope}),
    ({"apiKeys", "createApiKey", "revokeApiKey", "connectCrm", "disconnectCrm"}, set()),
    ({"submitForm"}, {"EVENTS_WRITE", "WEB_SDK"}),
    ({"trackEvents", "recordInboundMessage", "addJourneyParticipants"}, {"EVENTS_WRITE"}),
    ({"recordChatbotSession", "recordInboxSession"}, {"EVENTS_WRITE"}),
    ({"trackVisitor", "identifyVisitor", "updateVisitor", "appendVisitorListItem", "forgetVisitor"}, {"WEB_SDK"}),
    ({"openInstallation", "updateInstallation", "personalize", "depersonalize"}, {"MOBILE_SDK"}),
]
KINDS = {"query": "PEOPLE_READ", "subscription": "PEOPLE_READ", "mutation": "PEOPLE_MANAGE"}
KEPT = [
    "persons",
    "claims",
    "events",
    "companies",
    "tags",
    "attributes",
    "eventTypes",
    "apiKeys",
    "accounts",
    "requests",
    "visitors",
    "merges",
    "dismissals",
    "forms",
    "formSubmissions",
    "syncs",
    "syncLinks",
    "syncIssues",
]


def allowed(operation: Operation) -> set[str]:
    """Return the scopes that open an operation."""
    for names, scopes in EXCEPTIONS:
        if operation.name in names:
            return {*scopes, "ADMIN"}
    return {KINDS[operation.kind], "ADMIN"}


async def everything(api: Api, account: str | None = None) -> dict[str, list[Any]]:
    """Return all that is kept, of one account or of all."""
    engine = api.service.store.engine
    found = {name: await engine.find(name, {}) for name in KEPT}
    mine = {
        name: [one for one in all_ if account in (None, one.get("account"), one["_id"])] for name, all_ in found.items()
    }
    return {name: sorted(all_, key=lambda one: str(one["_id"])) for name, all_ in mine.items()}


@pytest.mark.parametrize("scope", [scope.value for scope in Scope])
async def test_a_scope_opens_what_the_table_says_and_nothing_else(api: Api, scope: str) -> None:
    """FORBIDDEN with 403 for the rest, and nothing is stored by it."""
    key = await api.key_with(scope)
    before = await everything(api)
    for operation in [one for one in OPERATIONS if scope not in allowed(one)]:
        response = await key.post(*operation.request(Names()))
        codes = [one["extensions"]["code"] for one in response.json()["errors"]]
        assert (response.status_code, codes) == (403, ["FORBIDDEN"]), operation.name
    assert await everything(api) == before
    for operation in [one for one in OPERATIONS if scope in allowed(one)]:
        response = await key.post(*operation.request(Names()))
        codes = [one["extensions"]["code"] for one in response.json().get("errors", [])]
        # A stream is not served as a plain answer; that it got so far is enough here.
        assert (response.status_code, codes) in [(200, []), (406, ["VALIDATION_FAILED"])], (
            operation.name,
            response.text,
        )


async def test_on_a_websocket_the_same_table_holds(api: Api) -> None:
    """Also for subscriptions, which begin there; the socket stays for what the key may do."""
    for scope in Scope:
        key = await api.key_with(scope.value)
        async with key.socket() as socket:
            await socket.init(apiKey=key.key)
            for operation in OPERATIONS:
                if operation.kind == "mutation" and scope.value in allowed(operation):
                    continue
                await socket.subscribe(*operation.request(Names())[:1], operation.name, **operation.request(Names())[1])
                message = await socket.next()
                refused = message["type"] == "error" and message["payload"][0]["extensions"]["code"] == "FORBIDDEN"
                assert refused is (scope.value not in allowed(operation)), (scope, operation.name, message)
                if not refused and operation.kind == "query":
                    assert (await socket.next())["type"] == "complete"


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic eDp5"])
async def test_without_a_good_key_nothing_opens(api: Api, header: str) -> None:
    """UNAUTHENTICATED with 401 for every operation."""
    for operation in OPERATIONS:
        query, variables = operation.request(Names())
        response = await api.post(query, variables, Authorization=header)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_a_mixed_document_is_refused_as_a_whole(api: Api) -> None:
    """One field that the key may not is enough, whichever stands first; each is named by its path."""
    writer = await api.key_with("EVENTS_WRITE")
    response = await writer.post(
        'mutation { trackEvents(events: []) { __typename } a: createTag(name: "a") { __typename }'
        ' deleteTag(name: "b") { __typename } }'
    )
    errors = response.json()["errors"]
    assert [(one["path"], one["extensions"]["code"]) for one in errors] == [
        (["a"], "FORBIDDEN"),
        (["deleteTag"], "FORBIDDEN"),
    ]
    assert "data" not in response.json()


# ---------------------------------------------------------------- what belongs to others

PHONE = "4917012345"
DEVICE = {"applicationId": "theirs", "registrationId": "device"}


async def furnished(api: Api) -> tuple[Api, list[Names]]:
    """Give a second account with one of everything, and ways to name what is in it."""
    account, key_, text = await api.service.services.access.create_account("Other")
    there = Api(api.service, text, account.id)
    fields = [{"name": "brand", "type": "STRING"}]
    assert await there.codes(apis.ATTRIBUTE, input={"name": "cars", "type": "LIST", "itemFields": fields}) == []
    assert await there.codes(apis.DEFINE, input={"id": "order", "title": "Order"}) == []
    contacts = {"emails": [{"address": "theirs@b.example"}], "phones": [{"number": PHONE}]}
    person = await there.made(
        externalId="theirs", tags=["VIP"], customAttributes={"cars": [{"brand": "x"}]}, **contacts
    )
    given = {"name": "Theirs", "externalId": "firm", "domains": ["theirs.example"], "tags": ["VIP"]}
    company = (await there(apis.COMPANY, input=given))["company"]["id"]
    assert await there.codes(apis.LINK, company={"id": company}, persons=[{"id": person["id"]}]) == []
    opened = "mutation($input: InstallationInput!) { openInstallation(input: $input) { errors { code } } }"
    assert await there.codes(opened, input=DEVICE) == []
    event = (await there.track({"person": {"id": person["id"]}, "type": "order", "eventId": "e"}))[0]["event"]["id"]
    merge = await merged(there, person, await there.made(externalId="theirs too"))
    form = await submitted(there)
    assert (
        await there.codes('mutation { createImport(input: {content: "Email\\na@x.example"}) { errors { code } } }')
        == []
    )
    return there, [
        named(form, {"id": person["id"]}, {"id": company}, "VIP"),
        named(person["id"], {"id": person["id"]}, {"id": company}, "VIP"),
        named(merge["merge"]["id"], {"id": person["id"]}, {"id": company}, "VIP"),
        named(company, {"externalId": "theirs"}, {"name": "Theirs"}, "cars"),
        named(event, {"email": "theirs@b.example"}, {"domain": "theirs.example"}, "VIP"),
        named(key_.id, {"phone": PHONE}, {"externalId": "firm"}, "cars"),
    ]


async def submitted(there: Api) -> str:
    """Save a form, and send it in; returns its id."""
    save = "mutation($input: SaveFormInput!) { saveForm(input: $input) { form { id } errors { code } } }"
    saved = await there(save, input={"name": "Theirs", "fields": [{"name": "mail", "personField": "email"}]})
    form: str = saved["form"]["id"]
    submit = "mutation($input: SubmitFormInput!) { submitForm(input: $input) { errors { code } } }"
    assert await there.codes(submit, input={"formId": form, "values": {"mail": "theirs@b.example"}}) == []
    return form


def named(id_: str, person: dict[str, str], company: dict[str, str], name: str) -> Names:
    """Name things: an id of any kind, a person, a company, and a tag or an attribute."""
    devices = {"PushLocator": DEVICE, "InstallationInput": DEVICE}
    types = {"ID": id_, "PersonLocator": person, "CompanyLocator": company, **devices}
    return Names(types, {"name": name, "attribute": name})


def unknown(names: Names) -> Names:
    """Return names of the same form that nobody has: what is not a number gets other letters, a number other digits."""

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: other(one) for key, one in value.items()}
        if value == PHONE:
            return "4917054321"
        prefix, mark, rest = value.partition("_")
        return f"{prefix}_{'0' * len(rest)}" if mark else f"x{value[1:]}"

    return Names(*({name: other(one) for name, one in part.items()} for part in (names.types, names.arguments)))


def masked(response: str, names: Names) -> str:
    """Return an answer without the names that were asked for, and without ids and times that are made anew."""
    texts = [names.types["ID"], *names.types["PersonLocator"].values(), *names.types["CompanyLocator"].values()]
    for text in (*texts, *names.types["PushLocator"].values(), names.arguments["name"]):
        response = response.replace(text, "NAME")
    response = re.sub(r"\b[a-z]{3}_[0-9a-z]{26}\b|\bcp_live_\w+…", "ID", response)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\"[\w-]{24,}\"", "NEW", response)


def ways(operation: Operation, names: Names) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests by which an operation can be given names."""
    filters = {"ids": [names.types["ID"]], "companyId": names.types["ID"]}
    more: dict[str, Any] = {"tagPersons": {"add": ["mine"]}}.get(operation.name, {})
    taken = operation.takes("ID", "PersonLocator", "CompanyLocator")
    asked = [operation.request(names, *name, depth=2, **more) for name in ((), *((one,) for one in taken))]
    for name in operation.takes("PersonFilter"):
        asked += [operation.request(names, depth=2, **more, **{name: {key: value}}) for key, value in filters.items()]
    return asked


def by_creation(operation: Operation) -> bool:
    """Tell what makes things under the names: it comes last, for then they are one's own."""
    return bool(re.match("create|upsert|define|open", operation.name))


@pytest.mark.often
async def test_what_is_anothers_is_answered_like_what_nobody_has(api: Api) -> None:
    """By id of any kind, locator, filter, and name of a tag or attribute: the same words, and nothing changes there."""
    there, foreign = await furnished(api)
    before = await everything(api, there.account)
    asked = 0
    for operation in sorted(OPERATIONS, key=by_creation):
        for names in foreign if operation.kind != "subscription" else ():
            nobody = unknown(names)
            for theirs, nobodys in zip(ways(operation, names), ways(operation, nobody), strict=True):
                answers = [
                    masked((await api.post(*one)).text, who) for one, who in ((theirs, names), (nobodys, nobody))
                ]
                assert answers[0] == answers[1], theirs
                # A document that never ran would prove nothing.
                assert not re.search('"(VALIDATION_FAILED|COST_EXCEEDED|PARSE_FAILED)"', answers[0]), answers[0]
                asked += 1
        assert await everything(api, there.account) == before, operation.name
    assert asked > 4 * len(OPERATIONS)


async def test_a_stream_of_anothers_begins_like_one_of_nobody(api: Api) -> None:
    """Refused with the same words, or open and empty of the other account's events."""
    there, foreign = await furnished(api)
    for operation in [one for one in OPERATIONS if one.kind == "subscription"]:
        for names in foreign:
            nobody = unknown(names)
            for theirs, nobodys in zip(ways(operation, names), ways(operation, nobody), strict=True):
                found = [await beginning(api, *theirs), await beginning(api, *nobodys)]
                assert masked(found[0], names) == masked(found[1], nobody), theirs
    async with api.live("subscription { personChanges { kind person { externalId } } }") as socket:
        assert (await socket.data())["kind"] == "READY"
        await there(apis.UPDATE, by={"externalId": "theirs"}, input={"firstName": "Bea"})
        await api.made(externalId="mine")
        assert (await socket.data())["person"] == {"externalId": "mine"}


async def beginning(api: Api, query: str, variables: dict[str, Any]) -> str:
    """Return the status of a stream and how it begins."""
    events = wire.Events(api.service.app, api.key, {"query": query, "variables": variables})
    status, message = await events.start(), await events._out.get()
    await events.leave()
    return f"{status} {message['body'].decode()}"


async def test_a_cursor_of_anothers_list_is_no_cursor(api: Api) -> None:
    """Of every list that has pages: BAD_CURSOR, as for one that was made up."""
    there, _ = await furnished(api)
    paged = [one for one in OPERATIONS if one.kind == "query" and one.takes("Cursor")]
    assert {"persons", "companies", "activity", "tags"} <= {one.name for one in paged}
    for operation in paged:
        page = await there(f"{{ {operation.name}(first: 1) {{ pageInfo {{ endCursor }} }} }}")
        for cursor in (page["pageInfo"]["endCursor"], "AAAA"):
            for name in operation.takes("Cursor"):
                given: dict[str, Any] = {name: cursor}
                query, variables = operation.request(Names(), **given)
                assert await api.refused(query, **variables) == "BAD_CURSOR", (operation.name, name)
    async with there.live("subscription { timelineEvents { kind cursor } }") as socket:
        cursor = (await socket.data())["cursor"]
    follow = "subscription($after: Cursor) { timelineEvents(after: $after) { kind } }"
    assert '"BAD_CURSOR"' in await beginning(api, follow, {"after": cursor})


async def test_who_may_write_but_not_read_sees_what_they_wrote_and_no_more(api: Api) -> None:
    """R37: payloads of PEOPLE_MANAGE show the person; R17: those of EVENTS_WRITE the event; queries stay closed."""
    manager, writer = await api.key_with("PEOPLE_MANAGE"), await api.key_with("EVENTS_WRITE")
    made = await manager.made(externalId="m", firstName="Ann")
    assert made["firstName"] == "Ann"
    await api(apis.DEFINE, input={"id": "order", "title": "Order"})
    (tracked,) = await writer.track({"person": {"externalId": "m"}, "type": "order"})
    assert (tracked["status"], tracked["event"]["type"]) == ("ACCEPTED", "order")
    for key in (manager, writer):
        assert await key.refused("{ persons { totalCount } }") == "FORBIDDEN"
        assert await key.refused("query($id: ID!) { node(id: $id) { id } }", id=made["id"]) == "FORBIDDEN"


REVOKED_SECONDS = 5


async def test_a_key_revoked_elsewhere_closes_both_transports_in_time(api: Api) -> None:
    """Within 5 seconds, by another process: the websocket with 4403, server-sent events cut off, then 401."""
    key = await api.key_with("PEOPLE_READ")
    follow = "subscription { timelineEvents { kind } }"
    events = wire.Events(api.service.app, key.key, {"query": follow})
    assert (await events.start(), (await events.next())[0]) == (200, "next")
    async with key.live(follow) as socket, apis.opened(api.service.store.engine) as other:
        assert (await socket.data())["kind"] == "READY"
        listed = (await api("{ apiKeys { id name } }"))[0]
        there = Api(other.service, api.key, api.account)
        revoke = "mutation($id: ID!) { revokeApiKey(id: $id) { errors { code } } }"
        async with asyncio.timeout(REVOKED_SECONDS):
            assert (listed["name"], await there.codes(revoke, id=listed["id"])) == ("test", [])
            assert await socket.next() == {"type": "close", "code": 4403}
            assert await events.next() == ("end", None)
            await events.finished()
        assert (await key.post("{ viewer { accountId } }")).status_code == 401
