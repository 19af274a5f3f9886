"""Both sides of a synchronization change at random, and all goes wrong that can: a book of what must be, of its own."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.api import ERRORS, UPDATE
from tests.stories.syncing import RESOLVE, Connection, Side

DELETE = f"mutation($by: PersonLocator!) {{ deletePerson(by: $by) {{ deletedIds {ERRORS} }} }}"
FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}
PAGE = """query($after: Cursor) { persons(first: 500, after: $after) { pageInfo { hasNextPage endCursor } nodes {
  id type firstName lastName city emails { address primary }
  phones { number primary } crmLinks { object recordId } } } }"""
ISSUES = """query($id: ID!, $after: Cursor) { node(id: $id) { ... on SyncConnection {
  issues(first: 1000, after: $after) { pageInfo { hasNextPage endCursor } nodes {
    id state object recordId field message } } } } }"""
# What may go wrong, each in some of the calls.
FAULTS = (
    "expire_token",
    "too_many",
    "server_error",
    "garbage",
    "drop_after_commit",
    "page_moves",
    "duplicate",
    "vanish",
    "partial",
    "reformat",
    "late_commit",
    "stale_token",
)
PROBABILITY = 0.08
PLACES = ("Wien", "Graz", "Linz", "Salzburg", "Innsbruck", "Klagenfurt", "Bregenz", "Eisenstadt", "Villach", "Wels")


@dataclass
class Soak:
    """Random changes of both sides, and what was changed on both since the last pass that went through."""

    side: Side
    chance: random.Random
    records: dict[str, str] = field(default_factory=dict)  # id → lead or contact
    persons: list[str] = field(default_factory=list)
    here: dict[tuple[str, str], Any] = field(default_factory=dict)  # (record, field) → our last value
    there: dict[tuple[str, str], Any] = field(default_factory=dict)
    conflicts: set[tuple[str, str]] = field(default_factory=set)
    number: int = 0

    def value(self, name: str) -> Any:
        """Return a new value of a field."""
        self.number += 1
        if name == "email":
            return f"p{self.number}@soak.example"
        if name == "phone":
            return f"+43 664 {self.number:07}"
        return f"{self.chance.choice(PLACES)} {self.number}"

    def alive(self) -> list[str]:
        """Return the records that are there: a fault deletes some in the middle of a pass."""
        key = "Id" if self.side.system == "SALESFORCE" else "id"
        there = {one[key] for entity in ("lead", "contact") for one in self.side.fake.records(self.side.name(entity))}
        self.records = {record: entity for record, entity in self.records.items() if record in there}
        return list(self.records)

    async def change(self) -> None:
        """Change something on one of the sides."""
        self.alive()
        kinds = [self._add, self._edit, self._edit, self._edit, self._make, self._update, self._update, self._update]
        rare = [self._delete, self._convert, self._remove]
        await self.chance.choice(rare if self.chance.random() < 0.04 else kinds)()

    # ------------------------------------------------------------ there

    async def _add(self) -> None:
        entity = self.chance.choice(["contact", "contact", "lead"])
        values = {name: self.value(name) for name in FIELDS}
        self.records[self.side.add(entity, **values)] = entity

    async def _edit(self) -> None:
        if not self.records:
            return
        record = self.chance.choice(list(self.records))
        name = self.chance.choice(["first", "last", "city", "phone", "email"])
        value = self.value(name)
        self.side.edit(self.records[record], record, **{name: value})
        self.there[record, name] = value

    async def _delete(self) -> None:
        if self.records:
            record = self.chance.choice(list(self.records))
            self.side.fake.delete(self.side.name(self.records.pop(record)), record)

    async def _convert(self) -> None:
        leads = [record for record, entity in self.records.items() if entity == "lead"]
        if leads:
            lead = self.chance.choice(leads)
            del self.records[lead]
            self.records[self.side.convert(lead)] = "contact"

    # ------------------------------------------------------------ here

    async def _make(self) -> None:
        made = await self.side.api.made(
            firstName=self.value("first"),
            lastName=self.value("last"),
            city=self.value("city"),
            emails=[{"address": self.value("email")}],
        )
        self.persons.append(made["id"])

    async def _update(self) -> None:
        person = await self._anybody()
        if person is None:
            return
        name = self.chance.choice(["first", "last", "city"])
        value = self.value(name)
        payload = await self.side.api(UPDATE, by={"id": person["id"]}, input={FIELDS[name]: value})
        assert payload["errors"] == []
        for link in person["crmLinks"]:
            self.here[link["recordId"], name] = value

    async def _remove(self) -> None:
        person = await self._anybody()
        if person is not None:
            await self.side.api(DELETE, by={"id": person["id"]})

    async def _anybody(self) -> dict[str, Any] | None:
        if self.records and self.chance.random() < 0.8:
            record = self.chance.choice(list(self.records))
            found: dict[str, Any] | None = await self.side.of(self.records[record], record)
            return found
        return await self.side.person(id=self.chance.choice(self.persons)) if self.persons else None

    # ------------------------------------------------------------ passes

    async def passed(self, *, faults: bool) -> Connection:
        """Have it run; what was changed on both sides when a pass went through is a conflict that must be listed."""
        for name in FAULTS:
            self.side.fake.faults[name] = PROBABILITY if faults else 0.0
        self.alive()
        both = {key for key in self.here.keys() & self.there.keys() if self.here[key] != self.there[key]}
        # Of those who are there: who was deleted in between has no conflict any more.
        self.conflicts |= {key for key in both if key[0] in self.records}
        self.here.clear()
        self.there.clear()
        return await self.side.ran()

    async def settled(self) -> Connection:
        """Have it run without faults until nothing is left to do; what waits for its time is tried at once."""
        self.side.fake.advance(60)
        await self.passed(faults=False)
        for issue in await self.listed():
            if issue["state"] == "RETRYING":
                payload = await self.side.api(RESOLVE, id=issue["id"], keep=None)
                # The pass for another one may have settled it.
                assert {error["code"] for error in payload["errors"]} <= {"NOT_FOUND"}
                await self.side.rested()
        for _ in range(12):
            one = await self.passed(faults=False)
            assert one["state"] == "IDLE", one["lastError"]
            if not any(one["counts"][name] for name in ("pushed", "created", "updated")):
                return one
        raise AssertionError(one["counts"])

    async def everybody(self) -> list[dict[str, Any]]:
        """Return all persons."""
        found, after = list[dict[str, Any]](), None
        while True:
            page = await self.side.api(PAGE, after=after)
            found += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    async def listed(self) -> list[dict[str, Any]]:
        """Return all issues."""
        found, after = list[dict[str, Any]](), None
        while True:
            page = (await self.side.api(ISSUES, id=self.side.id, after=after))["issues"]
            found += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]
