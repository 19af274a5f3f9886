"""kill -9 in the middle of synchronizations: another process goes on, nothing is lost, and no record is made twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from app.core import clock
from app.core.errors import Fault
from app.mongo.engine import Update
from tests.conftest import said
from tests.fakes.connecting import credentials
from tests.fakes.dynamics import FakeDynamics
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.serving import served
from tests.mongo.real import RealMongo
from tests.stories.syncing import CONNECT, SAVE, START
from tests.system.pair import Pair, forgetful
from tests.system.test_races import UPSERT

TRANSACTION_SECONDS = 4
POLL_SECONDS = 0.02
END_SECONDS = 90.0
EACH = 30
TRIES = 4
PAGE = """query($after: Cursor) { persons(first: 1000, after: $after) { pageInfo { hasNextPage endCursor } nodes {
  id firstName lastName city emails { address } crmLinks { recordId } } } }"""
NAMES = {
    "SALESFORCE": ("Contact", "Id", "FirstName", "LastName", "MailingCity", "Email"),
    "DYNAMICS": ("contact", "id", "firstname", "lastname", "address1_city", "emailaddress1"),
}


@pytest.fixture(scope="module")
async def pair(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give two processes on one database; what a dead one had begun is let go soon."""
    async with forgetful(mongo, tmp_path_factory.mktemp("syncs"), TRANSACTION_SECONDS, crm_loopback="1") as one:
        yield one


class Synced:
    """A CRM and an account in step, whose processes may die."""

    def __init__(self, pair: Pair, system: str, fake: Any, url: str) -> None:
        self.pair, self.system, self.fake, self.url = pair, system, fake, url
        self.entity, self.key, *self.fields = NAMES[system]
        self.id = ""
        self.number = 0

    async def begin(self) -> None:
        """Connect and map."""
        await self.pair.account()
        payload = await self.pair.ask(0, CONNECT, input=credentials(self.fake, self.url))
        assert payload["errors"] == [], payload
        self.id = payload["connection"]["id"]
        ours = ("firstName", "lastName", "city", "email")
        fields = [{"crmField": crm, "field": field} for crm, field in zip(self.fields, ours, strict=True)]
        payload = await self.pair.ask(0, SAVE, id=self.id, mappings=[{"object": self.entity, "fields": fields}])
        assert payload["errors"] == [], payload

    async def change(self, chance: random.Random) -> None:
        """Make and change some on both sides, each somebody else."""
        there, here = list[str](), list[dict[str, Any]]()
        for record in chance.sample(records := self.fake.records(self.entity), min(EACH, len(records))):
            self.fake.edit(self.entity, record[self.key], **{self.fields[2]: f"There {self.next()}"})
            there.append(record[self.fields[3]].lower())
        for _ in range(EACH):
            number = self.next()
            values = (f"First {number}", f"Last {number}", "Graz", f"There{number}@kill.example")
            self.fake.add(self.entity, **dict(zip(self.fields, values, strict=True)))
        for person in chance.sample(persons := await self.persons(), min(EACH, len(persons))):
            email = person["emails"][0]["address"]
            if email not in there:
                here.append({"emails": [{"address": email}], "city": f"Here {self.next()}"})
        for _ in range(EACH):
            number = self.next()
            here.append({"lastName": f"Last {number}", "emails": [{"address": f"here{number}@kill.example"}]})
        payload = await self.pair.ask(0, UPSERT, rows=here)
        assert {one["status"] for one in payload["results"]} <= {"CREATED", "UPDATED"}

    def next(self) -> int:
        """Return a number that was not given before."""
        self.number += 1
        return self.number

    async def persons(self) -> list[dict[str, Any]]:
        """Return all persons."""
        found, after = list[dict[str, Any]](), None
        while True:
            page = await self.pair.ask(0, PAGE, after=after)
            found += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    async def start(self, at: int) -> None:
        """Have a process begin."""
        payload = await self.pair.ask(at, START, id=self.id, full=False)
        assert payload["errors"] == [], payload

    async def kept(self) -> dict[str, Any]:
        """Return the connection as it is kept."""
        (one,) = await self.pair.engine.find("syncs", {"_id": self.id})
        return one

    async def expire(self) -> None:
        """Have the lease be over, whoever holds it."""
        past = {"$set": {"due": clock.now() - timedelta(seconds=1)}}
        for _ in range(TRIES):
            # What a dead process had begun holds the connection until MongoDB lets it go.
            with suppress(Fault):
                await self.pair.engine.write("syncs", [Update({"_id": self.id, "state": "RUNNING"}, past)])
                return
        raise AssertionError("the store does not let go of what a dead process had begun")

    async def rested(self) -> float:
        """Wait until nobody works on it; returns the seconds that it took."""
        began = monotonic()
        async with asyncio.timeout(END_SECONDS):
            while True:
                one = await self.kept()
                if one["state"] != "RUNNING" and one["due"] > clock.now() and not one.get("again"):
                    assert one["state"] == "IDLE", one["lastError"]
                    return monotonic() - began
                await asyncio.sleep(POLL_SECONDS)

    def created(self) -> Counter[str]:
        """Count the records that we made there, by email."""
        if self.system == "DYNAMICS":
            made = [one.fields for one in self.fake.journal if one.by != "user" and one.action == "created"]
            return Counter(one[self.fields[3]] for one in made)
        calls = [call for call in self.fake.journal if call["method"] == "POST"]
        return Counter(one["fields"][self.fields[3]] for call in calls for one in call["records"] if one["success"])

    async def agree(self) -> int:
        """Hold both sides against each other; returns how many there are."""
        persons = {link["recordId"]: person for person in await self.persons() for link in person["crmLinks"]}
        records = {record[self.key]: record for record in self.fake.records(self.entity)}
        assert persons.keys() == records.keys()
        assert len(persons) == len(await self.persons())
        for record_id, record in records.items():
            person = persons[record_id]
            ours = (person["firstName"], person["lastName"], person["city"], person["emails"][0]["address"])
            theirs = tuple(record.get(name) for name in self.fields)
            assert ours == (*theirs[:3], str(theirs[3]).lower())
        return len(records)


@pytest.mark.parametrize("system", ["SALESFORCE", "DYNAMICS"])
@pytest.mark.timeout(3600)
async def test_a_synchronization_survives_each_kill(
    pair: Pair, system: str, tmp_path: Path, seed: int, request: pytest.FixtureRequest
) -> None:
    """W kill -9 of the process that works on it T another one goes on; both sides agree, no record is made twice."""
    kills, chance = request.config.getoption("--sync-kills"), random.Random(seed)
    fake: Any = FakeSalesforce(seed) if system == "SALESFORCE" else FakeDynamics(seed)
    async with served(fake) as url:
        one = Synced(pair, system, fake, url)
        await one.begin()
        await one.change(chance)
        await one.start(0)
        seconds, hits = await one.rested(), 0
        for number in range(kills):
            at = number % 2
            await one.change(chance)
            await one.start(at)
            await asyncio.sleep(seconds * chance.random())
            pair.served[at].process.kill()
            await asyncio.to_thread(pair.served[at].process.wait)
            hits += (await one.kept())["state"] == "RUNNING"
            await one.expire()
            await one.start(1 - at)
            await one.rested()
            await pair.revive(at, tmp_path)
        await one.start(0)
        await one.rested()
        number = await one.agree()
        assert [email for email, count in one.created().items() if count > 1] == []
        assert await pair.findings() == []
        said(f"{system}: {kills} times kill -9, seed {seed}: {hits} met a pass of {seconds:.1f} s, {number} agree")
