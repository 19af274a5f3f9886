"""How CRMs are connected, mapped, run, and followed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry

from app.core.errors import Fault
from app.graph.declare import Info, Input, argument, relation
from app.graph.following import Progress
from app.graph.results import Payload, settled
from app.graph.syncs_types import (
    ConnectCrmInput,
    CrmObject,
    SyncConnection,
    SyncIssuePayload,
    SyncMappingInput,
    SyncPayload,
    SyncSide,
    SyncUpdate,
)
from app.sync import mapping, model
from app.sync.crm import Credentials
from app.sync.service import CrmObject as Offered
from app.sync.service import Given, Syncs

# So often the progress of a connection is told, at most; one that rests is looked at less often.
TELL_SECONDS, LOOK_SECONDS = 0.25, 1.0

Id = Annotated[strawberry.ID, argument("The connection's id.")]


async def sync_connections(info: Info) -> list[model.Connection]:
    """List connections."""
    return await info.context.services.syncs.all_of(info.context.account)


async def crm_objects(info: Info, connection_id: Id) -> list[SimpleNamespace]:
    """Ask a CRM what it offers."""
    found = await info.context.services.syncs.objects(info.context.account, connection_id)
    return [_object(one) for one in found]


def _object(one: Offered) -> SimpleNamespace:
    fields = [_field(one.name, each) for each in one.fields]
    return SimpleNamespace(name=one.name, target=one.target, person_type=one.person_type, fields=fields)


def _field(entity: str, one: Any) -> SimpleNamespace:
    suggestion = mapping.suggestion(entity, one)
    return SimpleNamespace(name=one.name, label=one.label, type=one.type, writable=one.writable, suggestion=suggestion)


async def _done(info: Info, work: Awaitable[model.Connection]) -> Payload:
    return await settled(info.context.actor, "connection", work)


async def connect_crm(info: Info, input: Annotated[Input, argument("The CRM.", ConnectCrmInput)]) -> Payload:
    """Connect a CRM."""
    credentials = Credentials(input["baseUrl"], input["clientId"], input["clientSecret"], input.get("tokenUrl"))
    given = Given(input["system"], input["name"], credentials)
    return await _done(info, info.context.services.syncs.connect(info.context.actor, given))


async def save_sync_mapping(
    info: Info,
    connection_id: Id,
    mappings: Annotated[list[Input], argument("One for each object.", list[SyncMappingInput])],
) -> Payload:
    """Map fields."""
    wanted = [_wanted(one) for one in mappings]
    return await _done(info, info.context.services.syncs.save(info.context.actor, connection_id, wanted))


def _wanted(one: Input) -> mapping.Wanted:
    fields = [mapping.FieldMap(each["crmField"], each["field"], each["direction"]) for each in one["fields"]]
    return mapping.Wanted(one["object"], one["target"], one.get("personType"), fields)


async def start_sync(
    info: Info,
    connection_id: Id,
    full: Annotated[bool, argument("Compare everything anew, not only what changed.")] = False,  # noqa: FBT002 - by name
) -> Payload:
    """Start a connection."""
    return await _done(info, info.context.services.syncs.start(info.context.actor, connection_id, full=full))


async def pause_sync(info: Info, connection_id: Id) -> Payload:
    """Pause a connection."""
    return await _done(info, info.context.services.syncs.pause(info.context.actor, connection_id))


async def disconnect_crm(info: Info, connection_id: Id) -> Payload:
    """Give a connection up."""
    return await _done(info, info.context.services.syncs.disconnect(info.context.actor, connection_id))


async def resolve_sync_issue(
    info: Info,
    id: Annotated[strawberry.ID, argument("The issue's id.")],
    keep: Annotated[str | None, argument("Of a conflict: the side whose value wins.", SyncSide | None)] = None,
) -> Payload:
    """Take an issue up."""
    work = info.context.services.syncs.resolve(info.context.actor, id, keep)
    return await settled(info.context.actor, "issue", work)


async def sync_progress(info: Info, connection_id: Id) -> Progress:
    """Follow a connection."""
    context = info.context
    if await context.services.syncs.get(context.account, connection_id) is None:
        raise Fault("NOT_FOUND", "There is no such connection to follow.", status=404)
    return Progress(_steps(context.services.syncs, context.account, connection_id))


async def _steps(syncs: Syncs, account: str, connection_id: str) -> AsyncIterator[Any]:
    """Yield a connection whenever it has gone on, until it is given up."""
    last: Any = None
    while True:
        one = await syncs.get(account, connection_id)
        if one is None:
            return
        now = (one.state, one.counts, one.last_run_at, one.last_error, one.maps, one.name)
        if now != last:
            yield SimpleNamespace(connection=one)
        if one.state == model.DISCONNECTED:
            return
        last = now
        await asyncio.sleep(TELL_SECONDS if one.state == model.RUNNING else LOOK_SECONDS)


@strawberry.type
class SyncQueries:
    """What can be asked about CRMs."""

    sync_connections: list[SyncConnection] = relation(sync_connections, "The connected CRMs, oldest first.")
    crm_objects: list[CrmObject] = relation(
        crm_objects, "What a CRM offers to map, asked of it now; nothing where it is not known."
    )


@strawberry.type
class SyncMutations:
    """What can be done with CRMs."""

    connect_crm: SyncPayload = relation(
        connect_crm, "Connects a CRM that lets us in; the same one again gets other credentials, and keeps all else."
    )
    save_sync_mapping: SyncPayload = relation(
        save_sync_mapping, "Says which fields are which; all of it is checked against the CRM."
    )
    start_sync: SyncPayload = relation(start_sync, "Has it run now, and from then on by itself.")
    pause_sync: SyncPayload = relation(pause_sync, "Has it rest until it is started again.")
    disconnect_crm: SyncPayload = relation(
        disconnect_crm, "Gives it up: the secret goes at once, mapping and links stay for 30 days; profiles stay."
    )
    resolve_sync_issue: SyncIssuePayload = relation(
        resolve_sync_issue, "Tries the record again; with `keep`, that side's value wins."
    )


@strawberry.type
class SyncSubscription:
    """What can be followed of CRMs."""

    sync_progress: SyncUpdate = relation(
        sync_progress, "A connection as it goes on, at most four times a second; ends when it is given up."
    )
