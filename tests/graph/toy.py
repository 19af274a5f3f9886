"""A toy schema with one of everything the edge must serve: attributes, relations, failures, streams."""

import asyncio
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NewType, cast

import strawberry
from strawberry.schema.config import StrawberryConfig

from app.core.errors import Fault, forbidden, unavailable
from app.graph.context import Context
from app.graph.following import Following, Told
from app.live.topic import Moment, Topic

Anything = NewType("Anything", object)


@strawberry.enum
class Color(enum.Enum):
    """What a thing may look like."""

    RED = "red"
    BLUE = "blue"


@strawberry.interface
class Named:
    """Everything with a name."""

    name: str


@strawberry.type
class Part:
    """Embedded in a thing."""

    label: str
    weight: float | None = None
    colors: list[Color] = strawberry.field(default_factory=list)


@strawberry.type
class Thing(Named):
    """Attributes of every kind, and relations."""

    id: strawberry.ID
    name: str
    size: int | None = None
    good: bool = True
    color: Color | None = None
    made_at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    tags: list[str] = strawberry.field(default_factory=list)
    part: Part | None = None
    parts: list[Part | None] = strawberry.field(default_factory=list)
    extra: Anything | None = None
    twin: Part = strawberry.field(default_factory=lambda: Part(label="twin"))

    @strawberry.field
    async def friends(self, first: int | None = 20) -> "list[Thing]":
        """Relation, asynchronous."""
        await asyncio.sleep(0)
        return [Thing(id=strawberry.ID(f"{self.id}.{i}"), name=f"friend {i}") for i in range(min(first or 0, 3))]

    @strawberry.field
    def loud(self) -> str:
        """Resolve from another attribute; fails where the name is not a text."""
        return self.name.upper()


@strawberry.type
class Crate(Named):
    """Another named type."""

    name: str
    things: list[Thing]


@strawberry.type
class Page:
    """A connection."""

    nodes: list[Thing]
    total: int


@strawberry.type
class Query:
    """The reading side."""

    @strawberry.field
    async def things(self, info: strawberry.Info, first: int | None = 20, after: str | None = None) -> Page:
        """Return a page of the context's things."""
        del after
        things = info.context.services.things[: first or 0]
        return Page(nodes=things, total=len(things))

    @strawberry.field
    def thing(self, info: strawberry.Info, id: strawberry.ID) -> Thing | None:  # noqa: A002
        """One thing, found synchronously."""
        return next((thing for thing in info.context.services.things if thing.id == id), None)

    @strawberry.field
    async def everything(self, info: strawberry.Info) -> list[Thing | None]:
        """All things, without a page around them."""
        return cast("list[Thing | None]", info.context.services.things)

    @strawberry.field
    def named(self, info: strawberry.Info) -> list[Named]:
        """Things and a crate."""
        services = info.context.services
        return [*services.things, Crate(name="crate", things=services.things)]

    @strawberry.field
    def hello(self, name: str = "world") -> str:
        """Greet."""
        return f"hello {name}"

    @strawberry.field
    async def fails(self, code: str) -> str | None:
        """Fail in a known way, or in an unknown one."""
        known = {"FORBIDDEN": forbidden("Not yours."), "UNAVAILABLE": unavailable(3)}
        known["RATE_LIMITED"] = Fault("RATE_LIMITED", "Too fast.", status=429, retryAfter=7)
        if code == "TIMEOUT":
            raise TimeoutError
        raise known.get(code) or RuntimeError("the secret of the house")

    @strawberry.field
    async def down(self) -> str:
        """Never there."""
        raise unavailable(3)

    @strawberry.field
    async def waits(self, info: strawberry.Info) -> str | None:
        """Wait until the test lets go."""
        services = info.context.services
        services.started.set()
        try:
            await services.gate.wait()
        except asyncio.CancelledError:
            services.cancelled += 1
            raise
        return "done"


@strawberry.type
class Mutation:
    """The writing side."""

    @strawberry.mutation
    async def rename(self, info: strawberry.Info, id: strawberry.ID, name: str) -> Thing | None:  # noqa: A002
        """Give a thing another name."""
        for thing in info.context.services.things:
            if thing.id == id:
                thing.name = name
                return cast("Thing", thing)
        return None

    @strawberry.mutation
    async def wait(self, info: strawberry.Info) -> str | None:
        """Wait until the test lets go."""
        await info.context.services.wait()
        return "written"


@strawberry.type
class Tick:
    """One thing that is told."""

    kind: str
    token: str
    said_to: str


@strawberry.type
class Subscription:
    """The live side."""

    @strawberry.subscription
    async def ticks(self, info: strawberry.Info, subject: str = "a", after: str | None = None) -> AsyncIterator[Tick]:
        """Follow a subject."""
        context = info.context
        if subject == "secret":
            raise forbidden("Not yours.")

        async def present(moment: Moment) -> Told:
            if moment.kind == "SKIP":
                return Told()
            ticks = [Tick(kind=moment.kind, token=moment.token, said_to=context.actor.key)]
            return Told(ticks, moment.kind == "LAST")

        topic = Topic(account=context.actor.account, subjects=frozenset({subject}))
        return cast("AsyncIterator[Tick]", Following(topic=topic, after=after, present=present))


@dataclass
class Toys:
    """The toy's services."""

    things: list[Any] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0
    written: int = 0

    async def wait(self) -> None:
        """Wait for the gate, then write."""
        self.started.set()
        await self.gate.wait()
        self.written += 1


def same(value: object) -> object:
    """Give back what came."""
    return value


config = StrawberryConfig(scalar_map={Anything: strawberry.scalar(name="Anything", serialize=same, parse_value=same)})
schema = strawberry.Schema(Query, Mutation, Subscription, types=[Crate, Thing], config=config)


def thing(number: int, **changes: Any) -> Thing:
    """Make a good thing; `changes` may spoil it."""
    made = Thing(id=strawberry.ID(str(number)), name=f"thing {number}", size=number, tags=["a", "b"])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def context(toys: Toys, **actor: Any) -> Context:
    """Make a context around `toys`."""
    return Context(actor=cast("Any", actor.get("actor")), services=cast("Any", toys), request_id="req_1")
