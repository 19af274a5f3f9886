"""What journeys, chatbots and the inbox tell of somebody."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import strawberry

from app.changes.rows import Row
from app.core import ids
from app.core.errors import Refused
from app.graph import reading
from app.graph.channels_types import (
    ChatbotSessionInput,
    InboundMessageInput,
    InboxSessionInput,
    JourneyParticipantInput,
)
from app.graph.context import Context
from app.graph.declare import Info, Input, argument, relation
from app.graph.persons import Key
from app.graph.results import Payload, PersonPayload, PersonResultsPayload, results, settled
from app.graph.veil import seen
from app.intake import channels
from app.intake.channels import Told
from app.intake.participants import Participant
from app.persons.model import Person
from app.persons.wish import Given

PHASES = {"STARTED": channels.STARTED, "ENDED": channels.ENDED}


def _learned(given: Input) -> Given | None:
    attributes = given.get("attributes")
    try:
        return None if attributes is None else reading.changed_person(attributes)
    except Refused as refusal:
        raise refusal.under("attributes") from refusal


def _told(source: str, given: Input, thread: Sequence[str], properties: Sequence[str], **more: Any) -> Told:
    """Return what was told; `thread` and `properties` are names of the input."""
    return Told(
        source,
        reading.locator(given["contact"], "contact"),
        # What has no id counts each time that it is told.
        tuple(given.get(name) or ids.new("evt") for name in thread),
        occurred_at=given.get("occurredAt"),
        learned=_learned(given),
        properties={name: given.get(name) for name in properties},
        **more,
    )


def _message(given: Input) -> Told:
    return _told(channels.INBOUND, given, ["journeyId", "messageId"], ["journeyId", "messageId", "text"])


def _session(source: str, given: Input, name: str, properties: Sequence[str]) -> Told:
    phase, session = PHASES[given["phase"]], given[name]
    return _told(source, given, [name], [name, "channel", *properties], phase=phase, session_id=session)


async def _recorded(context: Context, told: Callable[[], Told]) -> Payload:
    """Record what is told, and show whom it is of; what can't be read of it is refused in the payload."""

    async def work() -> Person:
        return await context.services.channels.record(context.actor, told())

    payload = await settled(context.actor, "person", work(), deleted_person_ids=[])
    payload.person = seen(payload.person, context.actor)
    return payload


async def record_inbound_message(
    info: Info, input: Annotated[Input, argument("The message.", InboundMessageInput)]
) -> Payload:
    """Take a message in."""
    return await _recorded(info.context, partial(_message, input))


async def record_chatbot_session(
    info: Info, input: Annotated[Input, argument("The session.", ChatbotSessionInput)]
) -> Payload:
    """Take a chatbot's session in."""
    return await _recorded(info.context, partial(_session, channels.CHATBOT, input, "sessionId", ["botId"]))


async def record_inbox_session(
    info: Info, input: Annotated[Input, argument("The conversation.", InboxSessionInput)]
) -> Payload:
    """Take a conversation in."""
    return await _recorded(info.context, partial(_session, channels.INBOX, input, "conversationId", ["agentId"]))


def _participant(given: Input) -> Participant:
    try:
        return Participant(tuple(reading.locators(given["identifiers"], "identifiers")), _learned(given))
    except Refused as refusal:
        return Participant(refused=(refusal,))


async def add_journey_participants(
    info: Info,
    journey_id: Annotated[str, argument("The journey, 1 to 256 characters.")],
    participants: Annotated[
        Sequence[Input], argument("Who enters, 1 to 1000, each for itself.", list[JourneyParticipantInput])
    ],
    idempotency_key: Key = None,
) -> Payload:
    """Let participants enter."""
    context, given = info.context, [_participant(one) for one in participants]

    async def work() -> list[Row[Person]]:
        said = {"journeyId": journey_id, "participants": participants}
        once = reading.once(context.account, idempotency_key, "addJourneyParticipants", **said)
        return await context.services.channels.participants(context.actor, journey_id, given, once=once)

    return results(await settled(context.actor, "results", work(), results=[]), "person", context.actor)


@strawberry.type
class ChannelMutations:
    """What channels tell."""

    record_inbound_message: PersonPayload = relation(
        record_inbound_message,
        "A message came in: whoever has the contact enters the journey; who is unknown becomes a LEAD. It counts once.",
    )
    add_journey_participants: PersonResultsPayload = relation(
        add_journey_participants,
        "Up to 1000 enter a journey, each for itself. Identifiers of several persons make one of them, though never of"
        " two customers: MERGE_BLOCKED.",
    )
    record_chatbot_session: PersonPayload = relation(
        record_chatbot_session,
        "A session with a chatbot began or ended; who is unknown becomes a CUSTOMER. Each phase counts once.",
    )
    record_inbox_session: PersonPayload = relation(
        record_inbox_session,
        "A conversation began or ended; who is unknown becomes a CUSTOMER. Each phase counts once.",
    )
