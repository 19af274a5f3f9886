"""How a website tells what its visitors do, and how visitors are looked at."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from app.core.errors import Refusals, Refused
from app.graph import reading
from app.graph.context import Context
from app.graph.declare import Info, Input, argument, relation
from app.graph.inputs import UpdatePersonInput
from app.graph.results import Payload, shown
from app.graph.scalars import JSON
from app.graph.visitors_types import IdentifyVisitorInput, Visitor, VisitorEventInput, VisitorPayload
from app.intake import visit
from app.intake.visit import MESSAGES_MAX, Message
from app.persons.wish import Given

AnonymousId = Annotated[str, argument("The id that the website gave the browser, 1 to 128 characters.")]
_IDENTIFIERS = ("externalId", "email", "phone", "push")


async def visitor(info: Info, anonymous_id: AnonymousId) -> visit.Visitor | None:
    """Find a visitor."""
    return await info.context.services.visitors.find(info.context.account, anonymous_id)


async def track_visitor(
    info: Info,
    events: Annotated[Sequence[Input], argument("The events, 1 to 500, oldest first.", list[VisitorEventInput])],
) -> Payload:
    """Take events in."""
    context, messages = info.context, [_event(one) for one in events]
    whose = messages[0].anonymous_id if messages else ""
    refused = _miscounted(len(messages))
    if refused:
        return _payload(context, whose, [refused])
    verdicts = await context.services.visitors.take(context.actor, messages)
    found = [one.under("events", str(at)) for at, verdict in enumerate(verdicts) for one in verdict.refused]
    return _payload(context, whose, found)


def _miscounted(count: int) -> Refused | None:
    if not count:
        return Refused("REQUIRED", "Send at least one event.", ("events",))
    if count > MESSAGES_MAX:
        return Refused("TOO_MANY", f"A call takes at most {MESSAGES_MAX} events.", ("events",))
    return None


def _event(given: Input) -> Message:
    return Message(
        visit.TRACK,
        given["anonymousId"],
        given.get("eventId"),
        given.get("occurredAt"),
        type=given["type"],
        properties=given.get("properties"),
    )


def _payload(context: Context, anonymous_id: str, refused: Sequence[Refused]) -> Payload:
    return Payload(anonymous_id=anonymous_id, accepted=not refused, errors=shown(refused, context.actor))


async def _taken(context: Context, anonymous_id: str, read: Any) -> Payload:
    """Return the answer to one message; `read` makes it of the input."""
    try:
        (verdict,) = await context.services.visitors.take(context.actor, [read()])
    except Refused as refusal:
        return _payload(context, anonymous_id, [refusal])
    except Refusals as refusals:
        return _payload(context, anonymous_id, refusals.refusals)
    return _payload(context, anonymous_id, verdict.refused)


async def identify_visitor(
    info: Info, input: Annotated[Input, argument("Who it is.", IdentifyVisitorInput)]
) -> Payload:
    """Say who a visitor is."""
    return await _taken(info.context, input["anonymousId"], lambda: _identification(input))


def _identification(given: Input) -> Message:
    named = [kind for kind in _IDENTIFIERS if given.get(kind) is not None]
    return Message(
        visit.IDENTIFY,
        given["anonymousId"],
        identity=tuple(reading.identifier({kind: given[kind]}) for kind in named),
        traits=_traits(given.get("traits")),
        ttl_seconds=given.get("ttlSeconds"),
        identity_token=given.get("identityToken"),
    )


def _traits(given: Input | None) -> Given:
    try:
        return reading.changed_person(given or {})
    except Refused as refusal:
        raise refusal.under("traits") from refusal


async def update_visitor(
    info: Info,
    anonymous_id: AnonymousId,
    traits: Annotated[Input, argument("What is known of the person; absent keeps, null clears.", UpdatePersonInput)],
) -> Payload:
    """Say something of a visitor."""
    return await _taken(info.context, anonymous_id, lambda: Message(visit.UPDATE, anonymous_id, traits=_traits(traits)))


async def append_visitor_list_item(
    info: Info,
    anonymous_id: AnonymousId,
    attribute: Annotated[str, argument("The name of a LIST attribute.")],
    item: Annotated[JSON, argument("The fields of the new item.")],
) -> Payload:
    """Add an item."""
    message = Message(visit.APPEND, anonymous_id, attribute=attribute, item=item)
    return await _taken(info.context, anonymous_id, lambda: message)


async def forget_visitor(info: Info, anonymous_id: AnonymousId) -> Payload:
    """Forget who it is."""
    return await _taken(info.context, anonymous_id, lambda: Message(visit.FORGET, anonymous_id))


@strawberry.type
class VisitorQueries:
    """What can be asked about visitors."""

    visitor: Visitor | None = relation(
        visitor, "A visitor who is nobody yet; null where it is not known, or is a person by now."
    )


@strawberry.type
class VisitorMutations:
    """What a website may do."""

    track_visitor: VisitorPayload = relation(
        track_visitor, "Puts up to 500 events on the timelines of visitors, or of the persons that they are by now."
    )
    identify_visitor: VisitorPayload = relation(
        identify_visitor, "Says who a visitor is. The answer is the same whether anybody has the identifiers or not."
    )
    update_visitor: VisitorPayload = relation(
        update_visitor,
        "Writes to the lead that the visitor was identified as; a customer is refused with WEB_SDK_RESTRICTED. Of a"
        " visitor who is nobody yet it is kept for the lead that it will be.",
    )
    append_visitor_list_item: VisitorPayload = relation(
        append_visitor_list_item,
        "Adds an item to a LIST attribute of the lead that the visitor was identified as; anybody else is refused with"
        " WEB_SDK_RESTRICTED.",
    )
    forget_visitor: VisitorPayload = relation(
        forget_visitor, "Ends the session; whoever was identified is forgotten: the next activity is a new visitor's."
    )
