"""What stories of synchronizations do: connect a CRM of the real protocol, map it, have it run, look at both sides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.api import ERRORS, Api
from tests.fakes.connecting import credentials
from tests.fakes.dynamics import FakeDynamics
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.serving import served

CONNECTION = """id system name baseUrl state lastRunAt lastError
  mappings { object target personType fields { crmField field direction } }
  counts { pulled pushed created updated unchanged failed }
  issues(first: 100) { nodes { id state object recordId message field crmValue profileValue person { id } } }"""
CONNECT = f"""mutation($input: ConnectCrmInput!) {{
  connectCrm(input: $input) {{ connection {{ {CONNECTION} }} {ERRORS} }} }}"""
SAVE = f"""mutation($id: ID!, $mappings: [SyncMappingInput!]!) {{
  saveSyncMapping(connectionId: $id, mappings: $mappings) {{ connection {{ {CONNECTION} }} {ERRORS} }} }}"""
START = f"""mutation($id: ID!, $full: Boolean!) {{
  startSync(connectionId: $id, full: $full) {{ connection {{ id state }} {ERRORS} }} }}"""
PAUSE = f"mutation($id: ID!) {{ pauseSync(connectionId: $id) {{ connection {{ id state }} {ERRORS} }} }}"
DISCONNECT = f"mutation($id: ID!) {{ disconnectCrm(connectionId: $id) {{ connection {{ id state }} {ERRORS} }} }}"
RESOLVE = f"""mutation($id: ID!, $keep: SyncSide) {{
  resolveSyncIssue(id: $id, keep: $keep) {{ issue {{ id state message }} {ERRORS} }} }}"""
ALL = f"{{ syncConnections {{ {CONNECTION} }} }}"
OBJECTS = """query($id: ID!) { crmObjects(connectionId: $id) {
  name target personType fields { name label type writable suggestion } } }"""
PROGRESS = """subscription($id: ID!) { syncProgress(connectionId: $id) {
  connection { id state counts { pulled pushed } } } }"""
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
PERSON = """query($by: PersonLocator!) { person(by: $by) { id type firstName lastName city birthDate version
  emails { address primary } phones { number } crmLinks { system object recordId syncedAt }
  companies { nodes { id name } } modifiedFrom createdFrom customAttributes } }"""

Connection = dict[str, Any]
# Our names of fields, as each of the systems has them.
NAMES: dict[str, dict[str, str]] = {
    "SALESFORCE": {
        "lead": "Lead",
        "contact": "Contact",
        "account": "Account",
        "first": "FirstName",
        "last": "LastName",
        "email": "Email",
        "phone": "MobilePhone",
        "company": "Company",
        "score": "Score__c",
        "title": "Title",
    },
    "DYNAMICS": {
        "lead": "lead",
        "contact": "contact",
        "account": "account",
        "first": "firstname",
        "last": "lastname",
        "email": "emailaddress1",
        "phone": "mobilephone",
        "company": "companyname",
        "score": "numberofchildren",
        "title": "jobtitle",
    },
}
CITY = {"Lead": "City", "Contact": "MailingCity", "lead": "address1_city", "contact": "address1_city"}


class Side:
    """A CRM and the account that it is connected with."""

    def __init__(self, api: Api, system: str, fake: Any, url: str) -> None:
        self.api = api
        self.system = system
        self.fake = fake
        self.url = url
        self.id = ""

    def name(self, ours: str, entity: str | None = None) -> str:
        """Return what an entity, or a field, is called there."""
        if ours == "city":
            return CITY[entity or self.name("contact")]
        return NAMES[self.system].get(ours, ours)

    # ------------------------------------------------------------ there

    def add(self, entity: str, **fields: Any) -> str:
        """Make a record, as somebody there does; returns its id."""
        name = self.name(entity)
        if entity == "lead":
            fields = {"company": "Somewhere", **({"subject": "Talk"} if self.system == "DYNAMICS" else {}), **fields}
        made: str = self.fake.add(name, **self._fields(name, fields))
        return made

    def edit(self, entity: str, record: str, **fields: Any) -> None:
        """Change a record."""
        name = self.name(entity)
        self.fake.edit(name, record, **self._fields(name, fields))

    def _fields(self, entity: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {self.name(name, entity): value for name, value in fields.items()}

    def delete(self, entity: str, record: str) -> None:
        """Delete a record; Salesforce tells of it when the minute is over."""
        self.fake.delete(self.name(entity), record)
        self.fake.advance(60)

    def undelete(self, entity: str, record: str, **fields: Any) -> None:
        """Take a record out of the bin; Dynamics, which has none, gets it anew, with the fields that are given."""
        name = self.name(entity)
        if self.system == "SALESFORCE":
            kept = self.fake.store.get(name, record)
            kept.deleted = None
            self.fake.store.changed(kept, {"IsDeleted": False})
        else:
            self.add(entity, **{f"{name}id": record}, **fields)

    def convert(self, lead: str, contact: str | None = None) -> str:
        """Convert a lead, into a contact of its own where none is named; returns the contact."""
        became: str = self.fake.convert(lead, contact)
        return became

    def record(self, entity: str, record: str) -> dict[str, Any]:
        """Return a record by our names of fields."""
        name = self.name(entity)
        key = "Id" if self.system == "SALESFORCE" else "id"
        (found,) = [one for one in self.fake.records(name) if one[key] == record]
        ours = ("first", "last", "email", "phone", "city", "title")
        return {one: found.get(self.name(one, name)) for one in ours} | {"id": found[key]}

    def records(self, entity: str) -> list[dict[str, Any]]:
        """Return all records of an entity."""
        key = "Id" if self.system == "SALESFORCE" else "id"
        return [self.record(entity, one[key]) for one in self.fake.records(self.name(entity))]

    def writes(self) -> int:
        """Count the records that we wrote there."""
        if self.system == "SALESFORCE":
            return sum(len(call["records"]) for call in self.fake.journal)
        return sum(entry.by != "user" for entry in self.fake.journal)

    # ------------------------------------------------------------ here

    def credentials(self) -> dict[str, Any]:
        """Return what connects it."""
        return credentials(self.fake, self.url)

    async def connected(self) -> Connection:
        """Connect it."""
        payload = await self.api(CONNECT, input=self.credentials())
        assert payload["errors"] == [], payload
        made: Connection = payload["connection"]
        self.id = made["id"]
        return made

    async def mapped(self, *entities: str, fields: dict[str, str] | None = None, **more: Any) -> Connection:
        """Map entities, by the usual fields where none are named."""
        company = {"target": "COMPANY"}
        mappings = [
            {
                "object": self.name(one),
                "fields": [
                    {"crmField": self.name(crm, self.name(one)), "field": ours} for crm, ours in (fields or {}).items()
                ],
                **(company if one == "account" else {}),
                **more,
            }
            for one in entities
        ]
        payload = await self.api(SAVE, id=self.id, mappings=mappings)
        assert payload["errors"] == [], payload
        made: Connection = payload["connection"]
        return made

    async def begun(self, *entities: str, fields: dict[str, str] | None = None) -> Connection:
        """Connect, map, and have it run once."""
        await self.connected()
        await self.mapped(*entities, fields=fields)
        return await self.ran()

    async def seen(self) -> Connection:
        """Return the connection as it is."""
        found = await self.api(ALL)
        (one,) = [each for each in found if each["id"] == self.id]
        return dict(one)

    async def ran(self, *, full: bool = False) -> Connection:
        """Have it run, and wait until it has; what was written here comes with it."""
        payload = await self.api(START, id=self.id, full=full)
        assert payload["errors"] == [], payload
        return await self.rested()

    async def rested(self) -> Connection:
        """Wait until nobody works on it."""
        async with asyncio.timeout(60):
            while await self.api.service.syncing.busy(self.id):
                pass
        return await self.seen()

    async def person(self, **by: Any) -> dict[str, Any]:
        """Return a person."""
        found: dict[str, Any] = await self.api(PERSON, by=by)
        return found

    async def of(self, entity: str, record: str) -> dict[str, Any]:
        """Return the person of a record."""
        return await self.person(crm={"system": self.system, "object": self.name(entity), "recordId": record})


@asynccontextmanager
async def sided(api: Api, system: str) -> AsyncIterator[Side]:
    """Serve a CRM."""
    fake: Any = FakeSalesforce() if system == "SALESFORCE" else FakeDynamics()
    async with served(fake) as url:
        yield Side(api, system, fake, url)
