"""The fake Salesforce, held to what a published client of the real one makes of it; and its doors for tests."""

import asyncio
import csv
import io
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.serving import served
from tests.sync.salesforce_doors import fake

__all__ = ["fake"]
VERSION = "62.0"
ROOT = Path(__file__).parents[2]
# Its attributes are made when they are asked for.
Client = Any


class Plain(HTTPAdapter):
    """Asks without TLS: the client knows no other addresses than those of https."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request."""
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@pytest.fixture
async def base(fake: FakeSalesforce) -> AsyncIterator[str]:
    """Give the address of the fake."""
    async with served(fake) as url:
        yield url


@pytest.fixture
async def client(fake: FakeSalesforce, base: str) -> AsyncIterator[Client]:
    """Give the published client at it, with a token."""
    form = {"grant_type": "client_credentials", "client_id": fake.client_id, "client_secret": fake.client_secret}
    async with httpx.AsyncClient() as http:
        token = (await http.post(f"{base}/services/oauth2/token", data=form)).json()
    with requests.Session() as session:
        session.mount("https://", Plain())
        yield Salesforce(
            instance_url=token["instance_url"], session_id=token["access_token"], version=VERSION, session=session
        )


async def aside(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the client in a thread: it waits for the fake, which is served here."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def test_the_client_makes_reads_changes_and_deletes(fake: FakeSalesforce, client: Client) -> None:
    """One record, from its first day to its last."""
    made = await aside(client.Contact.create, {"LastName": "Smith", "Email": "s@example.com", "Score__c": 5})
    assert (made["success"], made["errors"], made["id"][:3], len(made["id"])) == (True, [], "003", 18)
    assert await aside(client.Contact.update, made["id"], {"FirstName": " Anna ", "Email": None}) == 204
    told = await aside(client.Contact.get, made["id"])
    assert (told["Name"], told["Email"], told["Score__c"]) == ("Anna Smith", None, 5.0)
    assert told["attributes"]["type"] == "Contact"
    assert (await aside(client.Contact.get, made["id"][:15]))["Id"] == made["id"]
    assert await aside(client.Contact.delete, made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound, match="ENTITY_IS_DELETED"):
        await aside(client.Contact.get, made["id"])
    # Others write as well: the journal is of what we wrote.
    assert fake.journal == []


async def test_the_client_queries_page_by_page(fake: FakeSalesforce, client: Client) -> None:
    """With its own way to quote, and deleted records where it asks for them."""
    fake.page_size = 4
    ids = fake.same_stamp_flood(10)
    fake.delete("Contact", ids[3])
    told = await aside(client.query_all, "SELECT Id, Name FROM Contact ORDER BY SystemModstamp, Id")
    assert (told["totalSize"], told["done"]) == (9, True)
    assert [one["Id"] for one in told["records"]] == [one for one in ids if one != ids[3]]
    every = await aside(client.query_all, "SELECT Id FROM Contact WHERE IsDeleted = true", include_deleted=True)
    assert [one["Id"] for one in every["records"]] == [ids[3]]
    hard = fake.add("Contact", LastName='O\'Neil \\ "Co"\n', Score__c=2.5)
    soql = format_soql("SELECT Id FROM Contact WHERE LastName = {} AND Score__c > {}", 'o\'neil \\ "co"\n', 2)
    assert [one["Id"] for one in (await aside(client.query, soql))["records"]] == [hard]
    counted = await aside(client.query, "SELECT count() FROM Contact WHERE (Score__c != null OR Title = 'x')")
    assert counted["totalSize"] == 1
    last = await aside(client.query, "SELECT LastName FROM Contact ORDER BY LastName DESC LIMIT 1")
    assert last["records"][0]["LastName"].startswith("O'Neil")


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id, Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Contact WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Score__c = 'text'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name = 'it's'", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
    ],
)
async def test_a_bad_query_is_refused_as_the_client_knows_it(client: Client, soql: str, code: str) -> None:
    """With the code of the real one."""
    with pytest.raises(SalesforceMalformedRequest, match=f"'errorCode': '{code}'"):
        await aside(client.query, soql)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "REQUIRED_FIELD_MISSING"),
        ({"LastName": " "}, "REQUIRED_FIELD_MISSING"),
        ({"LastName": "A", "Nope": 1}, "INVALID_FIELD"),
        ({"LastName": "A", "Email": "a@b"}, "INVALID_EMAIL_ADDRESS"),
        ({"LastName": "A" * 81}, "STRING_TOO_LONG"),
        ({"LastName": "A", "SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"LastName": "A", "Score__c": "five"}, "JSON_PARSER_ERROR"),
        ({"LastName": "A", "Birthdate": "soon"}, "JSON_PARSER_ERROR"),
    ],
)
async def test_a_bad_record_is_refused(client: Client, fields: dict[str, Any], code: str) -> None:
    """With the code of the real one."""
    with pytest.raises(SalesforceMalformedRequest, match=f"'errorCode': '{code}'"):
        await aside(client.Contact.create, fields)


async def test_the_client_reads_what_was_deleted(fake: FakeSalesforce, client: Client) -> None:
    """And from when on to ask the next time."""
    one = fake.add("Lead", LastName="A", Company="Acme")
    fake.delete("Lead", one)
    fake.advance(60)
    now = fake.clock.now().replace(tzinfo=UTC)
    told = await aside(client.Lead.deleted, now - timedelta(hours=1), now)
    assert [each["id"] for each in told["deletedRecords"]] == [one]
    assert told["latestDateCovered"].endswith(":00.000+0000")
    for start in (now, now - timedelta(days=16)):
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_REPLICATION_DATE"):
            await aside(client.Lead.deleted, start, now)


async def test_the_client_describes(fake: FakeSalesforce, client: Client) -> None:
    """The objects, and the fields of one."""
    objects = await aside(client.describe)
    assert {one["name"] for one in objects["sobjects"]} == {"Lead", "Contact", "Account"}
    fields = {one["name"]: one for one in (await aside(client.Lead.describe))["fields"]}
    assert (fields["Company"]["nillable"], fields["Company"]["length"]) == (False, 255)
    assert [one["value"] for one in fields["Rating"]["picklistValues"]] == ["Hot", "Warm", "Cold"]
    fake.used = 7
    assert (await aside(client.limits))["DailyApiRequests"]["Remaining"] == fake.total - 8
    assert client.api_usage["api-usage"].used == 8


async def test_the_client_loads_by_bulk(fake: FakeSalesforce, client: Client) -> None:
    """Part by part."""
    ids = fake.same_stamp_flood(10)
    query = "SELECT Id, LastName, HasOptedOutOfEmail FROM Contact"
    parts = await aside(lambda: list(client.bulk2.Contact.query(query, max_records=4, wait=0)))
    found = [row for part in parts for row in csv.DictReader(io.StringIO(part))]
    assert (len(parts), [one["Id"] for one in found]) == (3, ids)
    assert {one["HasOptedOutOfEmail"] for one in found} == {"false"}
    with pytest.raises(SalesforceMalformedRequest):
        await aside(lambda: list(client.bulk2.Contact.query("SELECT Nope FROM Contact", wait=0)))


async def test_the_client_writes_collections(fake: FakeSalesforce, client: Client) -> None:
    """Each record for itself."""
    record = {"attributes": {"type": "Contact"}, "LastName": "A"}
    body = {"allOrNone": False, "records": [record, {**record, "Email": "bad"}]}
    one, other = await aside(client.restful, "composite/sobjects", method="POST", json=body)
    assert (one["success"], other["success"]) == (True, False)
    assert other["errors"][0]["statusCode"] == "INVALID_EMAIL_ADDRESS"
    assert [each["Id"] for each in fake.records("Contact")] == [one["id"]]


async def test_an_expired_session_is_one_to_the_client(fake: FakeSalesforce, client: Client) -> None:
    """It could get a new one."""
    fake.expire_tokens()
    with pytest.raises(SalesforceExpiredSession):
        await aside(client.query, "SELECT Id FROM Contact")


async def test_users_act_over_http_as_well(fake: FakeSalesforce, base: str) -> None:
    """For a demo, and tests in another process."""
    async with httpx.AsyncClient(base_url=f"{base}/_fake") as http:

        async def act(verb: str, *args: Any, **fields: Any) -> Any:
            return (await http.post(f"/{verb}", json={"args": args, "fields": fields})).json()["result"]

        lead = await act("add", "Lead", LastName="A", Company="Acme")
        await act("edit", "Lead", lead, Title="Dr.")
        contact = await act("convert", lead)
        (one,) = (await http.get("/records/Contact")).json()
        assert (one["Id"], one["Title"]) == (contact, "Dr.")
        await act("delete", "Contact", contact)
        assert len(await act("same_stamp_flood", 3)) == 3
        assert (await http.get("/journal")).json() == []
        assert (await http.post("/faults", json={"limit": 0.5})).json() == {"limit": 0.5}
        assert (await http.post("/expire_tokens", json={})).status_code == 404
    assert fake.faults["limit"] == 0.5


async def test_it_starts_for_a_demo() -> None:
    """And says where it is, and as whom it is asked."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.salesforce", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(3)]
    url, client_id, secret = (line.rpartition(" ")[2].strip() for line in lines)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    async with httpx.AsyncClient() as http:
        assert (await http.post(f"{url}/services/oauth2/token", data=form)).json()["instance_url"] == url
    process.terminate()
    await process.wait()
