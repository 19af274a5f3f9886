"""Imports carried out in memory, from the text of a file to their end; and what is there before and after."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar, Unpack

from app.catalog.checks import Listing
from app.catalog.model import AttributeDefinition
from app.claims.model import COLLECTION as CLAIMS
from app.companies import store as companies
from app.companies.service import Companies
from app.companies.wish import Given as CompanyGiven
from app.core import clock
from app.core.errors import Refusals, Refused
from app.core.pages import Slice
from app.imports.mapping import Entry
from app.imports.model import COMMIT, COMPANY, DRY_RUN, PERSON, Import
from app.imports.service import Imports, Mapped, Wanted
from app.imports.worker import Worker
from app.mongo.engine import Document, Filter, Reading
from app.mongo.twin import Twin
from app.persons import record as persons
from app.persons.audit import audit
from tests.make import ACTOR, House, given, house

T = TypeVar("T")

# Rounds of the loop that a unit waits for somebody to begin a plan, and then for the plan.
TURNS = 100
PLANNED_TURNS = 30
COLLECTIONS = {PERSON: "persons", COMPANY: "companies"}
# What an undo leaves changed: the version, when, and by whom.
STAMPS = ("version", "updated_at", "as_of", "modified_from")
# What is other in each account: ids, lines of activity, moments.
CHANCE = ("id", "subjects", "created_at", "updated_at")
LEVEL = "level"
TAGS = ("kept", "imported", "vip")
FIELDS = {
    PERSON: ("externalId", "email", "phone", "firstName", "city", f"customAttributes.{LEVEL}", "tags"),
    COMPANY: ("externalId", "name", "domains", "country", f"customAttributes.{LEVEL}", "tags"),
}
_ID = re.compile(r"(per|com)_\w+")

Profile = dict[str, Any]


class Watched(Twin):
    """A store that looks at the counts of all imports after each unit."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.counts: list[dict[str, int]] = []

    async def find(self, collection: str, filter: Filter, **options: Unpack[Reading]) -> list[Document]:  # noqa: A002 - as the engine names it
        """Find, and count who asks for identifiers: so begins a plan."""
        self.looks += collection == CLAIMS
        return await super().find(collection, filter, **options)

    async def unit(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run a unit late, so that what comes behind it has been planned, if anything does; and look."""
        seen, turns = self.looks, TURNS
        while turns:
            turns = turns - 1 if self.looks == seen else min(turns - 1, PLANNED_TURNS)
            await asyncio.sleep(0)
        done = await super().unit(work)
        self.counts += [kept["counts"] for kept in await self.find("imports", {}) if "counts" in kept]
        return done


@dataclass(slots=True)
class Place:
    """A service in memory whose imports are over when they were asked for."""

    engine: Watched
    rooms: House
    companies: Companies
    imports: Imports

    # ------------------------------------------------------------ a file and its run

    async def mapped(self, text: str, target: str, type_: str | None, duplicates: str) -> Import:
        """Make and map an import of a text whose columns are those of `FIELDS`."""
        wanted = Wanted(None, text, "rows.csv", None, target, type_)
        one, refused = await self.imports.create(ACTOR, wanted)
        assert refused is None, refused
        entries = [Entry(column, column) for column in FIELDS[target]]
        return await self.imports.map(ACTOR, one.id, Mapped(entries, duplicates, "imported"))

    async def ran(self, one: Import, mode: str = COMMIT) -> Import:
        """Run an import to its end."""
        await self.imports.run(ACTOR, one.id, mode)
        return await self.seen(one)

    async def gone_on(self, one: Import) -> Import:
        """Have whoever looks next go on with an import that was put off."""
        await self.imports._send(one.account, one.id)
        return await self.seen(one)

    async def rehearsed(self, one: Import) -> Import:
        """Run it dry."""
        return await self.ran(one, DRY_RUN)

    async def reverted(self, one: Import) -> Import:
        """Take it back."""
        await self.imports.revert(ACTOR, one.id)
        return await self.seen(one)

    async def seen(self, one: Import) -> Import:
        """Return an import as it is now."""
        now = await self.imports.get(one.account, one.id)
        assert now is not None
        return now

    async def troubles(self, one: Import) -> list[tuple[int, str | None, str, Mapping[str, Any]]]:
        """Return the rows that failed and what an undo kept; ids of profiles are other ones each time."""
        page = await self.imports.errors(one, Slice(1000))
        return [(each.row, each.column, _ID.sub(r"\1", each.message), each.values) for each in page.items]

    async def lines(self, one: Import, profile_id: str) -> list[int]:
        """Return the rows that did something to a profile, by the ledger, newest first."""
        found, before = [], None
        while (part := await self.imports.store.ledger(one, before)) is not None:
            before = part["_id"]
            found += [each["r"] for each in reversed(part["rows"]) if each["p"] == profile_id]
        return found

    async def kept(self, one: Import, profile_id: str) -> list[str]:
        """Return what an undo says of the rows of a profile that it kept."""
        lines = await self.lines(one, profile_id)
        told = await self.troubles(one)
        return [message for row, _, message, _ in told if row in lines and message.startswith("kept: ")]

    # ------------------------------------------------------------ profiles

    async def there(self, target: str, rows: Sequence[Mapping[str, Any]], origin: str = "API") -> None:
        """Make profiles by the API; those whose identifiers are taken are left out."""
        actor = replace(ACTOR, origin=origin)
        for row in rows:
            try:
                if target == PERSON:
                    await self.rooms.persons.create(actor, given(**row))
                else:
                    await self.companies.create(actor, company(**row))
            except (Refused, Refusals):
                continue

    async def profiles(self, target: str, *without: str) -> dict[str, Profile]:
        """Return all profiles that are there, by id, by the names of their tags and attributes."""
        catalog = await self.rooms.catalog.fresh(ACTOR.account)
        read: Callable[..., Any] = persons.read if target == PERSON else companies.read
        found = {}
        # Of companies none is there that is not active, and none says so.
        for kept in await self.engine.find(COLLECTIONS[target], {"state": "active"} if target == PERSON else {}):
            one = read(kept, catalog)
            shown = asdict(replace(one, catalog=None))
            shown |= {"values": one.custom_attributes, "tag_ids": catalog.tag_names(one.tag_ids)}
            found[one.id] = {name: value for name, value in shown.items() if name not in {"catalog", *without}}
        return found

    async def people(self, target: str) -> list[Profile]:
        """Return all profiles without what is other in each account, in the order of their making."""
        found = await self.profiles(target, *CHANCE, "merged_ids")
        return sorted(found.values(), key=repr)

    async def claims(self) -> dict[str, str]:
        """Return who has which identifier."""
        return {kept["_id"]: kept["owner"] for kept in await self.engine.find("claims", {})}

    async def findings(self) -> list[Any]:
        """Return what the audit finds."""
        return [one async for one in audit(self.engine)]

    def check_counts(self) -> None:
        """Check that the rows were counted once each, after every chunk."""
        assert self.engine.counts
        for one in self.engine.counts:
            parts = ("created", "updated", "unchanged", "skipped", "failed")
            assert sum(one[name] for name in parts) == one["processed"] <= one["rows"], one
            assert one["promoted"] <= one["updated"], one


async def place() -> Place:
    """Open an empty one, with tags and an attribute."""
    engine = Watched()
    rooms = house(engine)
    firms = Companies(engine, rooms.claims, rooms.catalog, rooms.persons)
    worker = Worker(engine, rooms.catalog, rooms.persons, firms)
    for target in FIELDS:
        wanted = AttributeDefinition(f"att_{target}", target, LEVEL, "INTEGER", clock.now())
        await rooms.catalog.define_attribute(ACTOR.account, wanted)
    for name in TAGS:
        await rooms.catalog.create_tag(ACTOR.account, name)
    return Place(engine, rooms, firms, Imports(engine, rooms.catalog, worker._carry))


def company(*, domains: Sequence[str] = (), tags: Sequence[str] = (), **scalars: Any) -> CompanyGiven:
    """Write a create input of a company down."""
    return CompanyGiven(scalars, Listing(list(domains)), Listing(list(tags)))


def written(target: str, rows: Sequence[Sequence[str]]) -> str:
    """Write a file down; no cell needs quotes."""
    return "\n".join(",".join(row) for row in [FIELDS[target], *rows]) + "\n"
