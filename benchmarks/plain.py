"""A plain Strawberry service, written as Strawberry's documentation shows it: types, async resolvers, motor, ASGI.

Nothing is tuned and nothing is held back. Where the documentation leaves a choice it takes the cheaper one: no
extensions, no access log, event definitions held in memory.
"""

import os
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self

import strawberry
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError
from strawberry.asgi import GraphQL
from strawberry.scalars import JSON

from benchmarks import people

client: Any = AsyncIOMotorClient(os.environ["BENCH_MONGO_URL"])
db = client[os.environ["BENCH_MONGO_DATABASE"]]
definitions = {people.EVENT: set(people.EVENT_FIELDS)}


@strawberry.enum
class PersonType(Enum):
    """Lead or customer."""

    LEAD = "LEAD"
    CUSTOMER = "CUSTOMER"


@strawberry.enum
class EventStatus(Enum):
    """What became of an event."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


@strawberry.enum
class Origin(Enum):
    """Where an event came from."""

    API = "API"
    PORTAL = "PORTAL"
    IMPORT = "IMPORT"


@strawberry.type
class EmailContact:
    """One email address."""

    address: str
    primary: bool


@strawberry.type
class PhoneContact:
    """One phone number."""

    number: str
    primary: bool


@strawberry.type
class PageInfo:
    """Whether and where the list goes on."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class TimelineEvent:
    """An event."""

    id: strawberry.ID
    type: str
    occurred_at: datetime
    received_at: datetime
    source: Origin
    properties: JSON

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Return the event that a document describes."""
        return cls(
            id=strawberry.ID(found["_id"]),
            type=found["type"],
            occurred_at=found["at"],
            received_at=found["received"],
            source=Origin(found["source"]),
            properties=found["props"],
        )


@strawberry.type
class TimelineConnection:
    """A page of events."""

    nodes: list[TimelineEvent]
    page_info: PageInfo


@strawberry.type
class Person:
    """A person."""

    id: strawberry.ID
    type: PersonType
    external_id: str | None
    first_name: str | None
    last_name: str | None
    city: str | None
    country: str | None
    emails: list[EmailContact]
    phones: list[PhoneContact]
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Return the person that a document describes."""
        return cls(
            id=strawberry.ID(found["_id"]),
            type=PersonType(found["type"]),
            external_id=found.get("externalId"),
            first_name=found.get("firstName"),
            last_name=found.get("lastName"),
            city=found.get("city"),
            country=found.get("country"),
            emails=[EmailContact(**email) for email in found["emails"]],
            phones=[PhoneContact(**phone) for phone in found["phones"]],
            tags=found["tags"],
            created_at=found["createdAt"],
            updated_at=found["updatedAt"],
            version=found["version"],
        )

    @strawberry.field
    async def timeline(self, first: int = 20) -> TimelineConnection:
        """List the newest events."""
        found = db.events.find({"person": self.id}).sort([("at", -1), ("_id", -1)]).limit(first + 1)
        rows = await found.to_list(first + 1)
        nodes = [TimelineEvent.of(row) for row in rows[:first]]
        page = PageInfo(has_next_page=len(rows) > first, end_cursor=nodes[-1].id if nodes else None)
        return TimelineConnection(nodes=nodes, page_info=page)


@strawberry.type
class PersonConnection:
    """A page of persons."""

    nodes: list[Person]
    page_info: PageInfo


@strawberry.type
class UserError:
    """What a client can mend."""

    code: str


@strawberry.type
class PersonPayload:
    """The outcome of a creation."""

    person: Person | None
    errors: list[UserError]


@strawberry.type
class EventResult:
    """The outcome of one event."""

    status: EventStatus


@strawberry.type
class TrackPayload:
    """The outcome of some events."""

    results: list[EventResult]


@strawberry.input
class PersonLocator:
    """Which person is meant."""

    id: strawberry.ID


@strawberry.input
class EmailInput:
    """One email address."""

    address: str
    primary: bool = True


@strawberry.input
class CreatePersonInput:
    """A new person."""

    type: PersonType = PersonType.CUSTOMER
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    emails: list[EmailInput] = strawberry.field(default_factory=list)
    tags: list[str] = strawberry.field(default_factory=list)


@strawberry.input
class EventInput:
    """A new event."""

    person: PersonLocator
    type: str
    properties: JSON


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def person(self, by: PersonLocator) -> Person | None:
        """Find one person."""
        found = await db.persons.find_one({"_id": by.id})
        return Person.of(found) if found else None

    @strawberry.field
    async def persons(self, first: int = 20) -> PersonConnection:
        """List the newest persons."""
        rows = await db.persons.find().sort([("createdAt", -1), ("_id", -1)]).limit(first + 1).to_list(first + 1)
        nodes = [Person.of(row) for row in rows[:first]]
        page = PageInfo(has_next_page=len(rows) > first, end_cursor=nodes[-1].id if nodes else None)
        return PersonConnection(nodes=nodes, page_info=page)


@strawberry.type
class Mutation:
    """What can be changed."""

    @strawberry.mutation
    async def create_person(self, input: CreatePersonInput) -> PersonPayload:  # noqa: A002  # the contract's name
        """Keep claim, person and event in one transaction; a taken email is refused."""
        values = {
            "type": input.type.value,
            "externalId": input.external_id,
            "firstName": input.first_name,
            "lastName": input.last_name,
            "emails": [{"address": email.address, "primary": email.primary} for email in input.emails],
            "phones": [],
            "tags": input.tags,
        }
        new = people.document(values, datetime.now(UTC))
        try:
            async with await client.start_session() as session, session.start_transaction():
                await db.claims.insert_one(people.claim(new), session=session)
                await db.persons.insert_one(new, session=session)
                await db.events.insert_one(people.created_event(new), session=session)
        except DuplicateKeyError:
            return PersonPayload(person=None, errors=[UserError(code="DUPLICATE_EMAIL")])
        return PersonPayload(person=Person.of(new), errors=[])

    @strawberry.mutation
    async def track_events(self, events: list[EventInput]) -> TrackPayload:
        """Keep each event whose person and definition are known."""
        return TrackPayload(results=[EventResult(status=await keep(item)) for item in events])


async def keep(item: EventInput) -> EventStatus:
    """Keep one event, unless its person, its type or one of its properties is unknown."""
    known = await db.persons.find_one({"_id": item.person.id}, {"_id": 1})
    if known is None or not definitions.get(item.type, set()).issuperset(item.properties):
        return EventStatus.REJECTED
    await db.events.insert_one(people.event(item.person.id, item.type, item.properties, datetime.now(UTC)))
    return EventStatus.ACCEPTED


schema = strawberry.Schema(query=Query, mutation=Mutation)
app = GraphQL(schema)
