"""How an account's activity is asked for, and how events are sent."""

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry

from app.core.actor import Actor
from app.core.errors import Refused
from app.core.steps import stepwise
from app.graph import devices, reading, types
from app.graph.connections import Connection, Place, listed, paged
from app.graph.declare import First, Info, Input, Last, argument, relation
from app.graph.inputs import EventInput
from app.graph.relations import After, Before, Events
from app.graph.results import Payload, TrackPayload, shown
from app.persons.track import EVENTS_MAX, Outcome, Tracked
from app.timeline.model import position
from app.timeline.record import SOURCES, standing


@listed(SOURCES)
async def activity(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    filter: Events = None,
) -> Connection[Any]:
    """Page through everything."""
    context, timeline = info.context, info.context.services.timeline
    place = Place(context, "activity", filter)
    found = context.account, reading.events(filter), place.part(first, after, last, before)
    kept = partial(timeline.rows_of_account, *found), partial(standing, arrival=True)
    return await paged(info, place, kept, (partial(timeline.of_account, *found), partial(position, arrival=True)))


async def track_events(
    info: Info,
    events: Annotated[Sequence[Input], argument("The events, at most 5000.", list[EventInput])],
    atomic: Annotated[bool, argument("All of them, or where one is refused none.")] = False,  # noqa: FBT002 - by name
) -> Payload:
    """Send events."""
    context = info.context
    if len(events) > EVENTS_MAX:
        refused = Refused("TOO_MANY", f"A call takes at most {EVENTS_MAX} events.", ("events",))
        return Payload(results=[], errors=shown([refused], context.actor))
    devices.refuse_others(context, events)
    outcomes = await _tracked(context.services.tracking, context.actor, await stepwise(_read, events), atomic=atomic)
    results = await stepwise(partial(_result, context.actor), list(enumerate(outcomes)))
    return Payload(results=results, errors=[])


def _result(actor: Actor, numbered: tuple[int, Outcome]) -> SimpleNamespace:
    index, one = numbered
    return SimpleNamespace(index=index, status=one.status, event=one.event, errors=shown(one.errors, actor))


def _read(given: Input) -> Tracked | Refused:
    try:
        return reading.sent(given)
    except Refused as refusal:
        return refusal


async def _tracked(tracking: Any, actor: Actor, items: Sequence[Tracked | Refused], *, atomic: bool) -> list[Outcome]:
    """Track what could be read; what couldn't is rejected, and takes everything with it where it is atomic."""
    good = [one for one in items if isinstance(one, Tracked)]
    if atomic and len(good) < len(items):
        first = next(index for index, one in enumerate(items) if isinstance(one, Refused))
        rest = Refused("WRONG_STATE", f"Nothing was written: event {first} was refused.")
        return [Outcome("REJECTED", None, (one if isinstance(one, Refused) else rest,)) for one in items]
    found = iter(await tracking.track(actor, good, atomic=atomic) if good else [])
    return [Outcome("REJECTED", None, (one,)) if isinstance(one, Refused) else next(found) for one in items]


@strawberry.type
class TimelineQueries:
    """What can be asked about activity."""

    activity: types.TimelineConnection = relation(activity, "The whole account's timeline, newest first.")


@strawberry.type
class TimelineMutations:
    """What can be sent."""

    track_events: TrackPayload = relation(track_events, "Puts events on the timelines of persons, each for itself.")
