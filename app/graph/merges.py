"""How persons are merged, how that is undone, and what was merged."""

from typing import Annotated

import strawberry

from app.core.errors import Refused
from app.graph import reading
from app.graph.connections import Connection, Place
from app.graph.declare import First, Info, Input, argument, relation
from app.graph.merges_types import (
    MergeConnection,
    MergePayload,
    MergePersonsInput,
    MergePreview,
    RevertMergePayload,
)
from app.graph.persons import Key
from app.graph.relations import After
from app.graph.results import Payload, settled
from app.identity.model import Merge
from app.identity.service import Merged, Wanted

Wish = Annotated[Input, argument("Whom to merge.", MergePersonsInput)]


def _wanted(given: Input) -> Wanted:
    places = []
    for index, by in enumerate(given["persons"]):
        at = ("persons", str(index))
        places.append((reading.locator(by, *at), (*at, next(iter(by)))))
    overrides = given.get("overrides")
    try:
        changes = None if overrides is None else reading.changed_person(overrides)
    except Refused as refusal:
        raise refusal.under("overrides") from refusal
    return Wanted(places, given.get("into"), changes)


async def merge_preview(info: Info, input: Wish) -> Payload:
    """Tell what a merge would make."""
    context = info.context

    async def work() -> Merged:
        return await context.services.merges.preview(context.actor, _wanted(input))

    return _previewed(await settled(context.actor, "done", work()))


def _previewed(payload: Payload) -> Payload:
    done = payload.done
    decisions = done.merge.decisions if done and done.merge else ()
    return Payload(person=done.person if done else None, decisions=decisions, errors=payload.errors)


async def merges(
    info: Info,
    person_id: Annotated[strawberry.ID | None, argument("Of whoever this person is or was; all by default.")] = None,
    first: First = None,
    after: After = None,
) -> Connection[Merge]:
    """Page through merges."""
    context, place = info.context, Place(info.context, "merges", person_id)
    page = await context.services.merges.page(context.account, person_id, place.part(first, after))
    return Connection(page, place, lambda one: (one.id,))


async def merge_persons(info: Info, input: Wish, idempotency_key: Key = None) -> Payload:
    """Merge persons."""
    context = info.context

    async def work() -> Merged:
        once = reading.once(context.account, idempotency_key, "mergePersons", input=input)
        return await context.services.merges.merge(context.actor, _wanted(input), once=once)

    payload = await settled(context.actor, "done", work())
    return _paid(payload)


def _paid(payload: Payload) -> Payload:
    done = payload.done
    if done is None:
        return Payload(person=None, merge=None, deleted_person_ids=[], errors=payload.errors)
    return Payload(person=done.person, merge=done.merge, deleted_person_ids=list(done.gone), errors=[])


async def revert_merge(info: Info, id: Annotated[strawberry.ID, argument("The merge's id.")]) -> Payload:
    """Undo a merge."""
    context = info.context
    payload = await settled(context.actor, "done", context.services.merges.revert(context.actor, id))
    persons, kept = payload.done or ([], [])
    return Payload(persons=persons, kept_fields=kept, errors=payload.errors)


@strawberry.type
class MergeQueries:
    """What can be asked about merges."""

    merge_preview: MergePreview = relation(merge_preview, "What a merge would make, and how; nothing is written.")
    merges: MergeConnection = relation(merges, "Merges, newest first.")


@strawberry.type
class MergeMutations:
    """What can be done with merges."""

    merge_persons: MergePayload = relation(
        merge_persons,
        "Makes one person of several. The oldest survives, unless `into` says; a customer's values count more than a"
        " lead's, else those of the profile changed last; contacts, tags and timelines are united.",
    )
    revert_merge: RevertMergePayload = relation(
        revert_merge,
        "Undoes a merge, whatever was merged since: persons are as they were, but for what somebody changed.",
    )
