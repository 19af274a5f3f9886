"""The fake of Dataverse against what the vendor's documentation shows: requests and answers as they stand there."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.dynamics import CLIENT_ID, CLIENT_SECRET, TENANT, FakeDynamics
from tests.fakes.serving import served

ROOT = Path(__file__).parents[2]
ID = "00000000-0000-0000-0000-000000000001"
OTHER = "00000000-0000-0000-0000-000000000002"
SELECT = "$select=name,telephone1"
TRACK = {"Prefer": "odata.track-changes"}


@pytest.fixture
def fake() -> FakeDynamics:
    """Give an empty CRM."""
    return FakeDynamics()


@pytest.fixture
async def web(fake: FakeDynamics) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of its Web API that has a token."""
    async with served(fake) as base, httpx.AsyncClient(base_url=f"{base}/api/data/v9.2/") as client:
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        told = await client.post(f"{base}/{TENANT}/oauth2/v2.0/token", data={**form, "scope": f"{base}/.default"})
        client.headers["Authorization"] = f"Bearer {told.json()['access_token']}"
        yield client


def base_of(web: httpx.AsyncClient) -> str:
    """Return where the API is, as the documentation writes `[Organization URI]/api/data/v9.2`."""
    return str(web.base_url).rstrip("/")


def message(answer: httpx.Response) -> str:
    """Return the words of a refusal, which has code and message and nothing else."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return str(body["error"]["message"])


# Use change tracking to synchronize data


async def test_changes_are_told_as_documented(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """First all, with a delta link; by that link what changed, and at its end what was deleted."""
    monte = fake.add("account", name="Monte Orton", telephone1="555000")
    lost = fake.add("account", name="Lost")
    first = await web.get(f"accounts?{SELECT}", headers=TRACK)
    assert first.headers["preference-applied"] == "odata.track-changes"
    body = first.json()
    assert body["@odata.context"] == f"{base_of(web)}/$metadata#accounts(name,telephone1)"
    token = r"\$deltatoken=\d+%21\d\d%2F\d\d%2F\d{4}%20\d\d%3A\d\d%3A\d\d"
    assert re.fullmatch(re.escape(f"{base_of(web)}/accounts?{SELECT}&") + token, body["@odata.deltaLink"])
    fake.edit("account", monte, telephone1="555001")
    fake.delete("account", lost)
    second = (await web.get(body["@odata.deltaLink"])).json()
    assert second["@odata.context"] == f"{base_of(web)}/$metadata#accounts(name,telephone1)/$delta"
    changed, deleted = second["value"]
    etag = changed.pop("@odata.etag")
    assert re.fullmatch(r'W/"\d+"', etag)
    assert changed == {"name": "Monte Orton", "telephone1": "555001", "accountid": monte}
    context = f"{base_of(web)}/$metadata#accounts/$deletedEntity"
    assert deleted == {"@odata.context": context, "id": lost, "reason": "deleted"}
    assert (await web.get(second["@odata.deltaLink"])).json()["value"] == []


@pytest.mark.parametrize("option", ["filter", "orderby", "expand", "top"])
async def test_tracking_goes_with_no_other_option(web: httpx.AsyncClient, option: str) -> None:
    """As the documentation says, in its words."""
    answer = await web.get(f"accounts?{SELECT}&${option}=1", headers=TRACK)
    assert answer.status_code == 400
    assert message(answer) == f"""The "${option}" query parameter isn't supported when Change Tracking is enabled."""


async def test_a_table_without_tracking_says_so(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """ChangeTrackingNotEnabledForEntity."""
    fake.tracking.discard("lead")
    answer = await web.get("leads", headers=TRACK)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {"code": "0x80072491", "message": "Entity lead isn't enabled for change tracking."}
    }


async def test_pages_have_links_and_lookups_their_kind(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """As many records as were preferred; the kind of a lookup only where it was asked for."""
    company = fake.add("account", name="C")
    for _ in range(3):
        fake.add("contact", lastname="A", parentcustomerid=("account", company))
    kind = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
    path = "contacts?$select=_parentcustomerid_value"
    first = (await web.get(path, headers={"Prefer": f"odata.maxpagesize=2,{kind}"})).json()
    assert first["value"][0]["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert first["@odata.nextLink"].startswith(f"{base_of(web)}/{path}&$skiptoken=")
    second = (await web.get(first["@odata.nextLink"])).json()
    assert [len(one["value"]) for one in (first, second)] == [2, 1]
    assert set(second) == {"@odata.context", "value"}
    assert set(second["value"][0]) == {"@odata.etag", "contactid", "_parentcustomerid_value"}


# Perform conditional operations


async def test_conditions_are_kept_as_documented(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """Prevent create, prevent update, optimistic concurrency on update and on delete, conditional retrieval."""
    body = {"name": "Updated Sample Account"}
    absent = await web.patch(f"accounts({ID})", json=body, headers={"If-Match": "*"})
    assert (absent.status_code, message(absent)) == (404, f"account With Id = {ID} Does Not Exist")
    made = await web.patch(f"accounts({ID})", json=body, headers={"If-None-Match": "*"})
    assert (made.status_code, made.content) == (204, b"")
    assert made.headers["odata-entityid"] == f"{base_of(web)}/accounts({ID})"
    there = await web.patch(f"accounts({ID})", json=body, headers={"If-None-Match": "*"})
    assert (there.status_code, message(there)) == (412, "A record with matching key values already exists.")
    words = "The version of the existing record doesn't match the RowVersion property provided."
    other = await web.patch(f"accounts({ID})", json=body, headers={"If-Match": 'W/"470867"'})
    assert (other.status_code, message(other)) == (412, words)
    lost = await web.delete(f"accounts({ID})", headers={"If-Match": 'W/"470867"'})
    assert (lost.status_code, message(lost)) == (412, words)
    etag = (await web.get(f"accounts({ID})?{SELECT}")).json()["@odata.etag"]
    assert (await web.get(f"accounts({ID})?{SELECT}", headers={"If-None-Match": etag})).status_code == 304
    assert (await web.delete(f"accounts({ID})", headers={"If-Match": etag})).status_code == 204
    assert (await web.delete(f"accounts({ID})")).status_code == 404
    assert [one.action for one in fake.journal] == ["refused", "created", "refused", "refused", "deleted"]


async def test_what_was_written_comes_back_where_preferred(web: httpx.AsyncClient) -> None:
    """201 for a record that was made, 200 for one that was there."""
    prefer = {"Prefer": "return=representation"}
    made = await web.patch(f"accounts({ID})?$select=name", json={"name": "A"}, headers=prefer)
    again = await web.patch(f"accounts({ID})?$select=name", json={"name": "B"}, headers=prefer | {"If-Match": "*"})
    assert (made.status_code, again.status_code) == (201, 200)
    assert again.headers["preference-applied"] == "return=representation"
    assert set(again.json()) == {"@odata.context", "@odata.etag", "accountid", "name"}
    posted = await web.post("accounts", json={"name": "C"})
    assert re.fullmatch(r".*/accounts\([0-9a-f-]{36}\)", posted.headers["odata-entityid"])


# Execute batch operations

BATCH = f"""--batch_AAA123
Content-Type: application/http
Content-Transfer-Encoding: binary

POST /api/data/v9.2/contacts HTTP/1.1
Content-Type: application/json; type=entry

{{
  "lastname": "Too long {"x" * 50}"
}}
--batch_AAA123
Content-Type: application/http
Content-Transfer-Encoding: binary

PATCH /api/data/v9.2/contacts({ID}) HTTP/1.1
Content-Type: application/json; type=entry

{{
  "lastname": "Task 2 in batch"
}}
--batch_AAA123
Content-Type: application/http
Content-Transfer-Encoding: binary

GET /api/data/v9.2/contacts?$select=lastname HTTP/1.1


--batch_AAA123--
"""
CHANGE_SET = f"""--batch_AAA123
Content-Type: multipart/mixed; boundary=changeset_BBB456

--changeset_BBB456
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

PATCH /api/data/v9.2/contacts({ID}) HTTP/1.1
Content-Type: application/json

{{"lastname":"First"}}

--changeset_BBB456
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

PATCH /api/data/v9.2/contacts({OTHER}) HTTP/1.1
Content-Type: application/json

{{"lastname":"Second"}}

--changeset_BBB456--
--batch_AAA123--
"""
TOO_LONG = (
    '{"error":{"code":"0x80044331","message":"A validation error occurred.  The length of the \'lastname\' attribute '
    "of the 'contact' entity exceeded the maximum allowed length of '50'.\"}}"
)
READ = rf'{{"@odata.etag":"W/\"1\"","contactid":"{ID}","lastname":"Task 2 in batch"}}'
BATCH_ANSWER = f"""--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 400 Bad Request
Content-Type: application/json; odata.metadata=minimal
OData-Version: 4.0

{TOO_LONG}
--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 204 No Content
OData-Version: 4.0
Location: [API]/contacts({ID})
OData-EntityId: [API]/contacts({ID})


--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 200 OK
Content-Type: application/json; odata.metadata=minimal
OData-Version: 4.0

{{"@odata.context":"[API]/$metadata#contacts(lastname)","value":[{READ}]}}
--batchresponse_1--
"""


async def sent(web: httpx.AsyncClient, text: str, **headers: str) -> tuple[int, str]:
    """Send a batch as the documentation writes it; returns the answer with boundaries and ids made plain."""
    kind = 'multipart/mixed; boundary="batch_AAA123"'
    answer = await web.post("$batch", content=text, headers={"Content-Type": kind, **headers})
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    plain = re.sub(r"response_[0-9a-f-]{36}", "response_1", answer.text.replace("\r\n", "\n"))
    return answer.status_code, plain.replace(base_of(web), "[API]")


async def test_a_batch_is_answered_as_documented(web: httpx.AsyncClient) -> None:
    """In order, each for itself."""
    status, text = await sent(web, BATCH, Prefer="odata.continue-on-error")
    assert (status, re.sub(r'W/\\"\d+', r'W/\\"1', text)) == (200, BATCH_ANSWER)


async def test_a_batch_ends_at_the_first_error_where_nothing_else_was_preferred(
    fake: FakeDynamics, web: httpx.AsyncClient
) -> None:
    """And has its status."""
    status, text = await sent(web, BATCH)
    assert (status, text.count("HTTP/1.1 ")) == (400, 1)
    assert TOO_LONG in text
    assert fake.records("contact") == []


async def test_a_change_set_is_done_as_a_whole(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """Or not at all."""
    status, text = await sent(web, CHANGE_SET)
    assert (status, text.count("HTTP/1.1 204 No Content")) == (200, 2)
    assert re.findall(r"Content-ID: (\d)", text) == ["1", "2"]
    assert "Content-Type: multipart/mixed; boundary=changesetresponse_1\n\n--changesetresponse_1\n" in text
    broken = CHANGE_SET.replace('"First"', '"Other"').replace('"Second"', f'"{"x" * 51}"')
    status, text = await sent(web, broken)
    assert (status, text.count("HTTP/1.1 ")) == (400, 1)
    assert {one["lastname"] for one in fake.records("contact")} == {"First", "Second"}
    assert (await web.get("contacts", headers=TRACK)).json()["value"][0]["lastname"] == "First"


# Errors, limits, tokens, metadata


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (
            "contacts?$select=nmae",
            400,
            "Could not find a property named 'nmae' on type 'Microsoft.Dynamics.CRM.contact'.",
        ),
        ("contacts?$filter=nmae eq 'a'", 400, "Could not find a property named 'nmae'"),
        ("contacts?$filter=lastname eq 'a", 400, "Syntax error"),
        ("opportunities", 404, "Resource not found for the segment 'opportunities'."),
        (f"contacts({ID})", 404, f"contact With Id = {ID} Does Not Exist"),
        ("EntityDefinitions(LogicalName='x')/Attributes", 404, "Could not find an entity with name 'x'"),
    ],
)
async def test_errors_have_a_code_and_words(web: httpx.AsyncClient, path: str, status: int, words: str) -> None:
    """In the vendor's form."""
    answer = await web.get(path)
    assert answer.status_code == status
    assert words in message(answer)


async def test_an_unknown_property_is_refused(web: httpx.AsyncClient) -> None:
    """As one that isn't defined by the type."""
    answer = await web.post("contacts", json={"nmae": "A"})
    assert answer.status_code == 400
    assert "The property 'nmae' does not exist on type 'Microsoft.Dynamics.CRM.contact'." in message(answer)


async def test_limits_say_when_to_come_again(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """The first for a moment, the second for an hour."""
    fake.faults.plan("too_many")
    answer = await web.get("WhoAmI")
    words = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
    assert answer.json() == {"error": {"code": "0x80072322", "message": words}}
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    fake.faults.plan("limit")
    answer = await web.get("WhoAmI")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert answer.json()["error"]["code"] == "0x80072321"


async def test_without_a_token_nobody_is_let_in(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """Nor with one whose hour is over."""
    assert (await web.get("WhoAmI", headers={"Authorization": "Bearer x"})).status_code == 401
    fake.advance(3600)
    assert (await web.get("WhoAmI")).status_code == 401


async def test_who_am_i_and_the_version(web: httpx.AsyncClient) -> None:
    """With or without parentheses."""
    assert set((await web.get("WhoAmI")).json()) == {"@odata.context", "BusinessUnitId", "UserId", "OrganizationId"}
    assert (await web.get("RetrieveVersion()")).json()["Version"].startswith("9.2.")


async def test_metadata_has_labels_and_options(web: httpx.AsyncClient) -> None:
    """What belongs to a type only under its cast."""
    path = "EntityDefinitions(LogicalName='contact')/Attributes"
    plain = {one["LogicalName"]: one for one in (await web.get(path)).json()["value"]}
    assert "MaxLength" not in plain["lastname"]
    assert plain["lastname"]["RequiredLevel"]["Value"] == "ApplicationRequired"
    cast = f"{path}/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    ((gender),) = (await web.get(cast)).json()["value"]
    options = [(one["Value"], one["Label"]["UserLocalizedLabel"]["Label"]) for one in gender["OptionSet"]["Options"]]
    assert options == [(1, "Male"), (2, "Female")]


# Behind the scenes


async def test_somebody_works_in_it_over_http(fake: FakeDynamics, web: httpx.AsyncClient) -> None:
    """As by the methods."""

    async def work(verb: str, **given: Any) -> Any:
        answer = await web.post(f"{base_of(web).removesuffix('/api/data/v9.2')}/_fake/{verb}", json=given)
        return answer.raise_for_status().json()["answer"]

    lead = await work("add", entity="lead", fields={"lastname": "A", "companyname": "C"})
    contact = await work("convert", lead=lead)
    await work("edit", entity="contact", key=contact, fields={"parentcustomerid": ["account", ID]})
    assert [one["id"] for one in await work("records", entity="contact")] == [contact]
    assert fake.records("contact")[0]["parentcustomerid"] == ("account", ID)
    await work("delete", entity="contact", key=contact)
    told = [(one["by"], one["action"], one["entity"]) for one in await work("journal")]
    created, updated = ("user", "created", "contact"), ("user", "updated", "contact")
    assert told == [
        ("user", "created", "lead"),
        created,
        ("user", "updated", "lead"),
        updated,
        ("user", "deleted", "contact"),
    ]
    assert await work("faults", garbage=0.5) == {"garbage": 0.5}
    assert len(await work("same_stamp_flood", entity="lead", number=3)) == 3


async def test_it_is_started_for_a_first_look() -> None:
    """And says what is needed to connect."""
    command = (sys.executable, "-m", "tests.fakes.dynamics", "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    said = [(await process.stdout.readline()).decode() for _ in range(4)]
    process.terminate()
    await process.wait()
    base = said[0].split()[-1]
    assert [line.split("  ")[0].strip() for line in said] == ["base URL", "token URL", "client id", "client secret"]
    assert said[1].split()[-1] == f"{base}/{TENANT}/oauth2/v2.0/token"
