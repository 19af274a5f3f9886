"""What the adapter writes to Dynamics, and what it makes of the answers."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from app.sync.crm import Away, CrmChange, CrmOutcome, Denied, FieldGone, Limited
from app.sync.dynamics import Dynamics
from tests.fakes.dynamics import FakeDynamics
from tests.sync.dynamics_doors import FIELDS, Canned, crm, fake, opened, told

__all__ = ["crm", "fake"]

ID = "00000000-0000-0000-0000-000000000001"


def fresh(**fields: Any) -> CrmChange:
    """Return a record to be made."""
    return CrmChange(None, fields, key=str(uuid4()))


def statuses(outcomes: list[CrmOutcome]) -> list[str]:
    """Return what became of changes."""
    return [one.status for one in outcomes]


async def test_a_new_record_has_its_key_as_id(fake: FakeDynamics, crm: Dynamics) -> None:
    """Its ETag is that of the state that was written, so that the next change can hold on to it."""
    change = fresh(firstname="Ada", lastname="Lovelace", birthdate="1815-12-10", gendercode=2)
    (made,) = await crm.write("contact", [change])
    assert made[:3] == ("WRITTEN", change.key, "")
    (record,) = await crm.read("contact", ("birthdate", "gendercode"), [change.key])
    assert (record.etag, record.fields) == (made.etag, {"birthdate": "1815-12-10", "gendercode": 2})
    (again,) = await crm.write("contact", [CrmChange(change.key, {"birthdate": None}, etag=made.etag)])
    assert again.status == "WRITTEN"
    assert again.etag != made.etag
    assert fake.records("contact")[0]["birthdate"] is None


async def test_who_changed_a_record_first_wins_and_the_other_hears(fake: FakeDynamics, crm: Dynamics) -> None:
    """Nothing of the change is written."""
    key = fake.add("contact", firstname="Ada", lastname="A")
    (record,) = (await told(crm)).records
    fake.edit("contact", key, firstname="Augusta")
    (outcome,) = await crm.write("contact", [CrmChange(key, {"firstname": "A.", "lastname": "B"}, etag=record.etag)])
    assert outcome[:2] == ("CONFLICT", key)
    assert "RowVersion" in outcome.message
    assert [(one["firstname"], one["lastname"]) for one in fake.records("contact")] == [("Augusta", "A")]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
async def test_a_record_that_is_gone_is_not_made_again(fake: FakeDynamics, crm: Dynamics, etag: str | None) -> None:
    """With an ETag or without one."""
    key = fake.add("contact", lastname="A")
    fake.delete("contact", key)
    assert statuses(await crm.write("contact", [CrmChange(key, {"lastname": "B"}, etag=etag)])) == ["GONE"]
    assert fake.records("contact") == []


async def test_without_an_etag_the_last_one_wins(fake: FakeDynamics, crm: Dynamics) -> None:
    """Whoever has none takes that into account."""
    key = fake.add("contact", lastname="A")
    assert statuses(await crm.write("contact", [CrmChange(key, {"lastname": "B"})])) == ["WRITTEN"]
    assert fake.records("contact")[0]["lastname"] == "B"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lastname": "x" * 51}, "length of the 'lastname' attribute"),
        ({"gendercode": 7}, "outside the valid range"),
        ({"birthdate": "yesterday"}, "yesterday"),
        ({"numberofchildren": "two"}, "two"),
        ({"modifiedon": "2020-01-01T00:00:00Z"}, "modifiedon"),
    ],
)
async def test_what_the_crm_refuses_it_explains(crm: Dynamics, fields: dict[str, Any], words: str) -> None:
    """In its own words."""
    (outcome,) = await crm.write("contact", [fresh(**fields)])
    assert (outcome.status, outcome.id) == ("REFUSED", None)
    assert words in outcome.message


async def test_outcomes_are_aligned_whatever_becomes_of_each(fake: FakeDynamics, crm: Dynamics) -> None:
    """Each change is for itself."""
    ada, bob = fake.add("contact", lastname="A"), fake.add("contact", lastname="B")
    changes = [
        fresh(lastname="C"),
        CrmChange(ada, {"lastname": "A2"}, etag='W/"1"'),
        CrmChange("no id", {"lastname": "D"}),
        CrmChange(ID, {"lastname": "E"}),
        fresh(lastname="x" * 51),
        CrmChange(None, {"lastname": "F"}, key="no uuid"),
        CrmChange(bob, {"lastname": "B2"}),
    ]
    found = statuses(await crm.write("contact", changes))
    assert found == ["WRITTEN", "CONFLICT", "GONE", "GONE", "REFUSED", "REFUSED", "WRITTEN"]
    assert {one["lastname"] for one in fake.records("contact")} == {"A", "B2", "C"}


async def test_many_changes_go_in_hundreds(fake: FakeDynamics, crm: Dynamics) -> None:
    """Those that a plug-in refuses are refused, the others written."""
    fake.faults["partial"] = 0.3
    changes = [fresh(lastname=f"L{place}") for place in range(250)]
    outcomes = await crm.write("contact", changes)
    assert [call.url.rpartition("/")[2] for call in fake.calls] == ["$batch"] * 3
    there = {one["id"]: one["lastname"] for one in fake.records("contact")}
    assert 0 < fake.faults.struck["partial"] < 250
    for change, outcome in zip(changes, outcomes, strict=True):
        assert (outcome.status == "WRITTEN") == (there.get(change.key) == change.fields["lastname"])
        assert outcome.status == "WRITTEN" or "plug-in" in outcome.message
    assert await crm.write("contact", []) == []


async def test_a_lost_answer_makes_no_second_record(fake: FakeDynamics, crm: Dynamics) -> None:
    """It was written, the connection broke, and it is written again: that is one record."""
    fake.faults.plan("drop_after_commit")
    change = fresh(lastname="A")
    assert statuses(await crm.write("contact", [change])) == ["WRITTEN"]
    assert [(one.action, one.id) for one in fake.journal] == [("created", change.key), ("updated", change.key)]
    assert len(fake.records("contact")) == 1


async def test_a_lost_answer_to_a_change_looks_like_a_conflict(fake: FakeDynamics, crm: Dynamics) -> None:
    """Its ETag was used up by the first try; whoever reads the record again finds the change in it."""
    key = fake.add("contact", lastname="A")
    (record,) = (await told(crm)).records
    fake.faults.plan("drop_after_commit")
    assert statuses(await crm.write("contact", [CrmChange(key, {"lastname": "B"}, etag=record.etag)])) == ["CONFLICT"]
    assert [one.fields["lastname"] for one in await crm.read("contact", FIELDS, [key])] == ["B"]


async def test_when_no_answer_ever_comes_it_may_have_happened(fake: FakeDynamics, crm: Dynamics) -> None:
    """As it did."""
    fake.faults["drop_after_commit"] = 1
    with pytest.raises(Away) as away:
        await crm.write("contact", [fresh(lastname="A")])
    assert away.value.maybe
    assert len(fake.records("contact")) == 1


async def test_a_column_that_vanished_stops_the_writing(fake: FakeDynamics, crm: Dynamics) -> None:
    """No row of it can be helped."""
    fake.drop_column("contact", "jobtitle")
    with pytest.raises(FieldGone, match="'jobtitle'"):
        await crm.write("contact", [fresh(lastname="A", jobtitle="B")])
    with pytest.raises(FieldGone):
        await crm.write("contact", [fresh(**{"parentcustomerid_account@odata.bind": f"/accounts({ID})"})])


# Answers that are written down

PART = "--batchresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
MULTIPART = {"Content-Type": "multipart/mixed; boundary=batchresponse_1"}
END = "--batchresponse_1--\r\n"


def part(status: int, headers: Mapping[str, str] | None = None, error: str = "", code: str = "") -> str:
    """Return an answer of a batch."""
    told = {"OData-Version": "4.0", **({"Content-Type": "application/json; odata.metadata=minimal"} if error else {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**told, **(headers or {})}.items())
    body = f'{{"error":{{"code":"{code}","message":"{error}"}}}}' if error else ""
    return f"{PART}HTTP/1.1 {status} Told\r\n{lines}\r\n{body}\r\n"


async def written(text: str, status: int = 200, *, etag: str | None = None) -> list[CrmOutcome]:
    """Have a new record and a change answered."""
    async with opened(Canned({"$batch": [(status, MULTIPART, text)]})) as crm:
        return await crm.write("contact", [fresh(lastname="A"), CrmChange(ID, {"lastname": "B"}, etag=etag)])


async def test_an_answer_without_content_is_written_without_an_etag() -> None:
    """A CRM that doesn't give back what it wrote; where the ETag stands in the headers, it is taken from there."""
    address = {"OData-EntityId": f"https://org.example/api/data/v9.2/contacts({ID})"}
    outcomes = await written(part(204, address) + part(204, {**address, "ETag": 'W/"7"'}) + END)
    assert [(one.status, one.etag) for one in outcomes] == [("WRITTEN", None), ("WRITTEN", 'W/"7"')]


async def test_the_documented_answer_is_understood() -> None:
    """As it stands in the vendor's documentation, with plain line ends."""
    refused = "A validation error occurred.  The length of the 'subject' attribute exceeded the maximum of '200'."
    text = f"""--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 400 Bad Request
REQ_ID: de4c5227-4a28-4ebd-8ced-3392ece1697b
Content-Type: application/json; odata.metadata=minimal
OData-Version: 4.0

{{"error":{{"code":"0x80044331","message":"{refused}"}}}}
--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 204 No Content
OData-Version: 4.0
Location: https://org.example/api/data/v9.2/contacts({ID})
OData-EntityId: https://org.example/api/data/v9.2/contacts({ID})


--batchresponse_1--
"""
    assert [(one.status, one.message) for one in await written(text)] == [("REFUSED", refused), ("WRITTEN", "")]


async def test_a_part_that_has_to_wait_makes_all_wait() -> None:
    """For as long as it says; what was written of the others is found again by its id."""
    with pytest.raises(Limited) as limited:
        await written(part(204) + part(429, {"Retry-After": "17"}, "Number of requests", "0x80072322") + END)
    assert limited.value.seconds == 17
    with pytest.raises(Limited) as limited:
        await written(part(204) + part(429, {"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT"}, "Number") + END)
    assert limited.value.seconds == 60


@pytest.mark.parametrize("code", ["0x80040237", "0x80040333"])
async def test_a_duplicate_is_refused_and_no_conflict(code: str) -> None:
    """Both are 412: to read the record again would help only with the other one."""
    outcomes = await written(part(412, error="Same key", code=code) * 2 + END, etag='W/"1"')
    assert statuses(outcomes) == ["REFUSED", "REFUSED"]


@pytest.mark.parametrize(("status", "last"), [(400, "REFUSED"), (403, "REFUSED"), (404, "GONE"), (500, "REFUSED")])
async def test_one_record_that_fails_is_that_record_s_alone(status: int, last: str) -> None:
    """Also where a right is missing, or its plug-in breaks; what a new one refers to may not be there."""
    outcomes = await written(part(status, error="No.") * 2 + END)
    assert [(one.status, one.message) for one in outcomes] == [("REFUSED", "No."), (last, "No.")]


@pytest.mark.parametrize(
    "text",
    [
        part(204) + END,
        END,
        "nothing at all",
        part(204) * 3 + END,
        PART + "HTTP/1.1\r\n\r\n" + END,
        PART + "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\r\n" + part(204) + END,
    ],
)
async def test_a_batch_that_can_not_be_understood_may_have_happened(text: str) -> None:
    """Outcomes that don't belong to their changes would be worse than none."""
    with pytest.raises(Away) as away:
        await written(text)
    assert away.value.maybe


async def test_a_batch_that_is_refused_as_a_whole_is_denied() -> None:
    """With the CRM's words."""
    refusal: tuple[int, dict[str, str], str] = (
        403,
        {},
        '{"error":{"code":"0x80040220","message":"missing prvWriteContact privilege"}}',
    )
    async with opened(Canned({"$batch": [refusal]})) as crm:
        with pytest.raises(Denied, match="prvWriteContact"):
            await crm.write("contact", [fresh(lastname="A")])


async def test_what_is_sent_is_a_batch_as_the_vendor_describes_it() -> None:
    """Each change for itself, with its condition; an ETag can't smuggle in a header."""
    canned = Canned({"$batch": [(200, MULTIPART, part(204) * 3 + END)]})
    changes = [
        CrmChange(None, {"lastname": "Ж"}, key=ID),
        CrmChange(ID, {"lastname": None}, etag='W/"7"\r\nX-Evil: 1\r\n\r\n'),
        CrmChange(ID.upper(), {"lastname": "B"}),
    ]
    async with opened(canned) as crm:
        await crm.write("contact", changes)
    ((_, headers, content),) = canned.asked
    boundary = headers["content-type"].partition('"')[2].rstrip('"')
    assert (headers["prefer"], headers["odata-version"]) == ("odata.continue-on-error", "4.0")
    outer = f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    line = f"PATCH /api/data/v9.2/contacts({ID})?$select=contactid HTTP/1.1\r\n"
    shared = f"{outer}{line}Content-Type: application/json\r\nPrefer: return=representation\r\n"
    assert content == (
        f'{shared}\r\n{{"lastname":"Ж"}}\r\n'
        f'{shared}If-Match: W/"7"X-Evil: 1\r\n\r\n{{"lastname":null}}\r\n'
        f'{shared}If-Match: *\r\n\r\n{{"lastname":"B"}}\r\n--{boundary}--\r\n'
    )
