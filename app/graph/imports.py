"""How files are imported: made, mapped, run, stopped, taken back, and followed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any

import strawberry

from app.core.errors import Fault
from app.graph.connections import Connection, Place
from app.graph.declare import First, Info, Input, argument, relation
from app.graph.following import Progress
from app.graph.imports_types import (
    CreateImportInput,
    Import,
    ImportConnection,
    ImportMode,
    ImportPayload,
    ImportUpdate,
    MapImportInput,
    shown,
)
from app.graph.relations import After
from app.graph.results import Payload, settled
from app.graph.results import shown as told
from app.imports import model
from app.imports.mapping import Entry
from app.imports.service import Imports, Mapped, Wanted, default_tag

# So often the progress of an import is told, at most.
TELL_SECONDS = 0.25

Id = Annotated[strawberry.ID, argument("The import's id.")]


async def import_(info: Info, id: Id) -> model.Import | None:
    """Find an import."""
    return await info.context.services.imports.get(info.context.account, id)


async def imports(info: Info, first: First = None, after: After = None) -> Connection[model.Import]:
    """Page through imports."""
    context, place = info.context, Place(info.context, "imports")
    page = await context.services.imports.page(context.account, place.part(first, after))
    return Connection(page, place, model.of_import)


async def create_import(info: Info, input: Annotated[Input, argument("The file.", CreateImportInput)]) -> Payload:
    """Make an import."""
    context = info.context
    payload = await settled(context.actor, "made", context.services.imports.create(context.actor, _wanted(input)))
    made, refused = payload.made or (None, None)
    return Payload(import_=made, errors=[*payload.errors, *told([refused] if refused else [], context.actor)])


def _wanted(given: Input) -> Wanted:
    return Wanted(
        given.get("uploadId"),
        given.get("content"),
        given.get("fileName"),
        given.get("format"),
        given["target"],
        given.get("personType"),
    )


async def _done(info: Info, work: Awaitable[model.Import]) -> Payload:
    return await settled(info.context.actor, "import_", work)


async def map_import(info: Info, id: Id, input: Annotated[Input, argument("The columns.", MapImportInput)]) -> Payload:
    """Map an import."""
    entries = [
        Entry(one["column"], one["field"], one.get("format"), one.get("createAttribute")) for one in input["mapping"]
    ]
    wanted = Mapped(entries, input["duplicates"], input.get("tag", default_tag()))
    return await _done(info, info.context.services.imports.map(info.context.actor, id, wanted))


async def run_import(
    info: Info, id: Id, mode: Annotated[str, argument("In earnest, or only to see.", ImportMode)] = "COMMIT"
) -> Payload:
    """Run an import."""
    return await _done(info, info.context.services.imports.run(info.context.actor, id, mode))


async def cancel_import(info: Info, id: Id) -> Payload:
    """Stop an import."""
    return await _done(info, info.context.services.imports.cancel(info.context.actor, id))


async def revert_import(info: Info, id: Id) -> Payload:
    """Take an import back."""
    return await _done(info, info.context.services.imports.revert(info.context.actor, id))


async def import_progress(info: Info, id: Id) -> Progress:
    """Follow an import."""
    context = info.context
    if await context.services.imports.get(context.account, id) is None:
        raise Fault("NOT_FOUND", "There is no such import to follow.", status=404)
    return Progress(_steps(context.services.imports, context.account, id))


async def _steps(imports: Imports, account: str, import_id: str) -> AsyncIterator[Any]:
    """Yield an import whenever it has gone on, until a run is over; one that nobody has asked to run is waited for."""
    first, last = None, None
    while (one := await imports.get(account, import_id)) is not None:
        first = first or one
        if one != last:
            yield shown(one)
        # A run may begin, end, and be mapped anew between two looks: what it leaves is when it was asked for.
        ran = not (first.waiting and one.waiting) or one.started_at != first.started_at
        if ran and not one.under_way:
            return
        last = one
        await asyncio.sleep(TELL_SECONDS)


@strawberry.type
class ImportQueries:
    """What can be asked about imports."""

    import_: Import | None = relation(import_, "An import; null where it is not known.", "import")
    imports: ImportConnection = relation(imports, "Imports, newest first.")


@strawberry.type
class ImportMutations:
    """What can be done with imports."""

    create_import: ImportPayload = relation(
        create_import,
        "Makes an import of a file and looks into it: columns, samples, suggestions. One that can't be read is FAILED.",
    )
    map_import: ImportPayload = relation(map_import, "Says which column is which field; nothing is written yet.")
    run_import: ImportPayload = relation(run_import, "Has it run; `importProgress` tells how far it is.")
    cancel_import: ImportPayload = relation(cancel_import, "Stops it; what is done stays, and can be taken back.")
    revert_import: ImportPayload = relation(
        revert_import, "Takes it back as far as nobody changed anything since, for 30 days; `reverted` tells."
    )


@strawberry.type
class ImportSubscription:
    """What can be followed of imports."""

    import_progress: ImportUpdate = relation(
        import_progress, "An import as it goes on, at most four times a second; ends when nobody works on it any more."
    )
