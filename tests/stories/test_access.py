"""Stories Y: who may come in, who may do what, and that accounts never see each other."""

from datetime import timedelta

import pytest

from app.core import clock
from tests.api import CREATE, FIND, Api

KEY = """mutation($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { apiKey { id prefix scopes } secret errors { code path } }
}"""
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id revokedAt } errors { code } } }"


async def test_Y1_without_a_key_nobody_comes_in_and_a_reader_changes_nothing(api: Api) -> None:
    """W none/bad key T UNAUTHENTICATED; read key on mutation T FORBIDDEN."""
    for header in ("", "Bearer wrong", "App " + "x" * 64, "Basic abc", f"Bearer {api.key}x"):
        response = await api.post("{ viewer { accountId } }", Authorization=header)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert response.headers["www-authenticate"] == "Bearer"
    reader = await api.key_with("PEOPLE_READ")
    response = await reader.post(CREATE, {"input": {"externalId": "y1"}})
    assert response.status_code == 403
    (error,) = response.json()["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("FORBIDDEN", ["createPerson"])
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0
    assert (await reader("{ persons { totalCount } }"))["totalCount"] == 0


async def test_Y2_a_revoked_key_opens_nothing_and_its_sockets_close(api: Api) -> None:
    """W revoked key T next request and open sockets refused."""
    made = await api(KEY, input={"name": "shop", "scopes": ["PEOPLE_READ"]})
    other = api.as_(made["secret"])
    async with other.live("subscription { timelineEvents { kind } }") as socket:
        assert (await socket.data())["kind"] == "READY"
        revoked = await api(REVOKE, id=made["apiKey"]["id"])
        assert revoked["apiKey"]["revokedAt"] is not None
        assert await socket.next() == {"type": "close", "code": 4403}
    assert (await other.post("{ viewer { accountId } }")).status_code == 401


async def test_Y3_accounts_never_see_each_other(api: Api) -> None:
    """T data of account 1 never visible with account 2's key."""
    person = await api.made(externalId="y3", emails=[{"address": "a@b.example"}], tags=["mine"])
    await api('mutation { createCompany(input: {name: "Acme"}) { errors { code } } }')
    event = (await api.events({"id": person["id"]}))[0]["id"]
    cursor = (await api("{ persons { edges { cursor } } }"))["edges"][0]["cursor"]
    account, _, key = await api.service.services.access.create_account("Other")
    other = Api(api.service, key, account.id)
    for by in ({"id": person["id"]}, {"email": "a@b.example"}, {"externalId": "y3"}):
        assert await other(FIND, by=by) is None
    assert await other("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[person["id"], event]) == [None, None]
    for query in ("persons", "companies", "activity", "tags"):
        assert (await other(f"{{ {query} {{ nodes {{ __typename }} }} }}"))["nodes"] == []
    assert await other('query { matchPersons(by: [{externalId: "y3"}]) }') == [None]
    assert await other.refused("query($c: Cursor) { persons(after: $c) { totalCount } }", c=cursor) == "BAD_CURSOR"
    delete = "mutation($id: ID!) { deletePerson(by: {id: $id}) { errors { code } } }"
    assert await other.codes(delete, id=person["id"]) == ["PERSON_NOT_FOUND"]
    # The same identifiers are free in the other account.
    await other.made(externalId="y3", emails=[{"address": "a@b.example"}])
    assert (await api(FIND, by={"id": person["id"]}))["version"] == 1
    keys = await api("{ apiKeys { id } }")
    assert (await other(REVOKE, id=keys[0]["id"]))["errors"] == [{"code": "NOT_FOUND"}]


SCOPES = [
    ("PEOPLE_READ", "{ persons { totalCount } }", True),
    ("PEOPLE_MANAGE", "{ persons { totalCount } }", False),
    ("PEOPLE_MANAGE", 'mutation { createTag(name: "a") { errors { code } } }', True),
    ("EVENTS_WRITE", 'mutation { createTag(name: "a") { errors { code } } }', False),
    ("EVENTS_WRITE", "mutation { trackEvents(events: []) { errors { code } } }", True),
    ("PEOPLE_MANAGE", "mutation { trackEvents(events: []) { errors { code } } }", False),
    ("PEOPLE_READ", "{ apiKeys { id } }", False),
    ("ADMIN", "{ apiKeys { id } }", True),
    ("WEB_SDK", "{ viewer { scopes } }", True),
    ("WEB_SDK", "{ persons { totalCount } }", False),
    ("MOBILE_SDK", 'mutation { deletePerson(by: {id: "x"}) { errors { code } } }', False),
    ("WEB_SDK", "{ __schema { queryType { name } } }", True),
]


@pytest.mark.parametrize(("scope", "query", "allowed"), SCOPES)
async def test_each_scope_opens_what_it_says(api: Api, scope: str, query: str, allowed: bool) -> None:  # noqa: FBT001
    """The table of scopes and operations."""
    response = await (await api.key_with(scope)).post(query)
    assert response.status_code == (200 if allowed else 403)


async def test_who_may_change_but_not_read_sees_what_they_wrote(api: Api) -> None:
    """R37: a mutation's payload shows the person it wrote."""
    manager = await api.key_with("PEOPLE_MANAGE")
    assert (await manager.made(externalId="m"))["externalId"] == "m"


async def test_keys_are_shown_once_and_listed_without_their_text(api: Api) -> None:
    """createApiKey, apiKeys: the text is in the answer of its creation alone."""
    made = await api(KEY, input={"name": "shop", "scopes": ["PEOPLE_READ", "PEOPLE_READ", "EVENTS_WRITE"]})
    assert made["apiKey"]["scopes"] == ["PEOPLE_READ", "EVENTS_WRITE"]
    assert made["secret"].startswith("cp_live_")
    listed = await api.post("{ apiKeys { id name prefix scopes createdAt lastUsedAt revokedAt } }")
    assert made["secret"] not in listed.text
    assert [one["name"] for one in listed.json()["data"]["apiKeys"]] == ["shop", "first admin key"]
    viewer = await api.as_(made["secret"])("{ viewer { accountId accountName scopes } }")
    assert viewer == {"accountId": api.account, "accountName": "Test", "scopes": ["PEOPLE_READ", "EVENTS_WRITE"]}


@pytest.mark.parametrize(
    ("input_", "refusal"),
    [
        ({"name": " ", "scopes": ["ADMIN"]}, ("REQUIRED", ["name"])),
        ({"name": "x" * 256, "scopes": ["ADMIN"]}, ("TOO_LONG", ["name"])),
        ({"name": "x", "scopes": []}, ("REQUIRED", ["scopes"])),
        ({"name": "x", "scopes": ["ADMIN"], "expiresAt": "2020-01-01T00:00:00Z"}, ("INVALID", ["expiresAt"])),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(api: Api, input_: dict[str, object], refusal: object) -> None:
    """CreateApiKey with bad input."""
    payload = await api(KEY, input=input_)
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [refusal]


async def test_an_expired_key_opens_nothing(api: Api) -> None:
    """A key works until its time, also where it is known already."""
    expires = clock.text(clock.now() + timedelta(seconds=1))
    made = await api(KEY, input={"name": "short", "scopes": ["PEOPLE_READ"], "expiresAt": expires})
    short = api.as_(made["secret"])
    async with short.live("subscription { timelineEvents { kind } }") as socket:
        assert (await socket.data())["kind"] == "READY"
        assert await socket.next() == {"type": "close", "code": 4403}
    assert (await short.post("{ viewer { accountId } }")).status_code == 401
