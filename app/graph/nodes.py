"""Anything by its id: the prefix says which room to ask."""

from asyncio import gather
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import strawberry

from app.companies.model import Company
from app.core import ids as core_ids
from app.core.pages import PAGE_MAX
from app.graph import reading, types
from app.graph.context import Context
from app.graph.declare import Info, argument, relation
from app.identity.model import Merge
from app.imports.model import Import
from app.intake.visit import Visitor
from app.persons.model import Person
from app.sync.model import Connection
from app.timeline.model import Event

Found = Person | Company | Event | Merge | Visitor | Import | Connection


async def _person(context: Context, id_: str) -> Found | None:
    return await context.services.persons.get(context.account, id_)


async def _company(context: Context, id_: str) -> Found | None:
    return await context.services.companies.get(context.account, id_)


async def _event(context: Context, id_: str) -> Found | None:
    return (await context.services.timeline.get(context.account, [id_])).get(id_)


async def _visitor(context: Context, id_: str) -> Found | None:
    return await context.services.visitors.get(context.account, id_)


async def _merge(context: Context, id_: str) -> Found | None:
    return await context.services.merges.get(context.account, id_)


async def _import(context: Context, id_: str) -> Found | None:
    return await context.services.imports.get(context.account, id_)


async def _connection(context: Context, id_: str) -> Found | None:
    return await context.services.syncs.get(context.account, id_)


_ROOMS: dict[str, Callable[[Context, str], Awaitable[Found | None]]] = {
    "per": _person,
    "com": _company,
    "sub": _event,
    "web": _event,
    "app": _event,
    "vis": _visitor,
    "mrg": _merge,
    "imp": _import,
    "syn": _connection,
}
# Model → the type that shows it, for everything that is a Node.
KINDS: dict[type[Any], str] = {
    Person: "Person",
    Company: "Company",
    Event: "TimelineEvent",
    Merge: "Merge",
    Visitor: "Visitor",
    Import: "Import",
    Connection: "SyncConnection",
}


async def _found(context: Context, id_: str) -> Found | None:
    # An event's id begins with that of its line of activity.
    room = _ROOMS.get(core_ids.kind(id_.partition(":")[0]) or "")
    return await room(context, id_) if room else None


async def node(info: Info, id: Annotated[strawberry.ID, argument("The id.")]) -> Found | None:
    """Find one."""
    return await _found(info.context, id)


async def nodes(
    info: Info, ids: Annotated[list[strawberry.ID], argument("The ids, at most 1000.")]
) -> list[Found | None]:
    """Find many."""
    if len(ids) > PAGE_MAX:
        raise reading.too_many(PAGE_MAX, "ids")
    return list(await gather(*[_found(info.context, one) for one in ids]))


@strawberry.type
class NodeQueries:
    """Anything by its id."""

    node: types.Node | None = relation(node, "Anything by its id; null where it is not known.")
    nodes: list[types.Node | None] = relation(nodes, "Aligned with the ids; null where one is not known.")
