"""What journeys, chatbots and the inbox tell."""

from enum import Enum

import strawberry

from app.graph.declare import given, needed, value
from app.graph.enums import Channel
from app.graph.inputs import ChannelLocator, PersonLocator, PushLocator, UpdatePersonInput
from app.graph.scalars import DateTime

_LEARNED = (
    "What was learned of the person, written as `updatePerson` does; characters that names can't have are dropped, and"
    " the type is passed over."
)
_WHEN = "When it happened, at most 30 days ago; now where nothing is said."


@strawberry.enum(description="A phase of a session.")
class SessionPhase(Enum):
    """Phases."""

    STARTED = value("STARTED", "It began.")
    ENDED = value("ENDED", "It ended.")


@strawberry.input(one_of=True, description="Exactly one contact by which somebody can be reached.")
class ContactInput:
    """Contact."""

    email: str | None = given("An email, in any case.")
    phone: str | None = given("A phone number in any writing.")
    external_id: str | None = given("The id in your own system.")
    channel: ChannelLocator | None = given("A user of a messaging channel.")
    push: PushLocator | None = given("An installation of an app.")


@strawberry.input(description="A message that came in, by which somebody enters a journey.")
class InboundMessageInput:
    """Message."""

    contact: ContactInput = needed("Whose message it is; who is unknown becomes a LEAD.")
    journey_id: str = needed("The journey, 1 to 256 characters.")
    message_id: str | None = given(
        "The message, 1 to 256 characters: it counts once for each journey, however often it is delivered."
    )
    text: str | None = given("What it says, at most 4096 characters; kept on the event.")
    occurred_at: DateTime | None = given(_WHEN)
    attributes: UpdatePersonInput | None = given(_LEARNED)


@strawberry.input(description="Somebody who enters a journey.")
class JourneyParticipantInput:
    """Participant."""

    identifiers: list[PersonLocator] = needed(
        "Who it is, 1 to 50 identifiers. Several persons who have them become one; what nobody has joins them, or makes"
        " a LEAD."
    )
    attributes: UpdatePersonInput | None = given(_LEARNED)


@strawberry.input(description="A session with a chatbot that began or ended.")
class ChatbotSessionInput:
    """Chatbot session."""

    contact: ContactInput = needed("With whom; who is unknown becomes a CUSTOMER.")
    phase: SessionPhase = needed("What happened.")
    session_id: str = needed("The session, 1 to 256 characters; each phase of it counts once.")
    bot_id: str = needed("The chatbot, 1 to 256 characters.")
    channel: Channel | None = given("The channel that they talk on.")
    occurred_at: DateTime | None = given(_WHEN)
    attributes: UpdatePersonInput | None = given(_LEARNED)


@strawberry.input(description="A conversation with an agent that began or ended.")
class InboxSessionInput:
    """Conversation."""

    contact: ContactInput = needed("With whom; who is unknown becomes a CUSTOMER.")
    phase: SessionPhase = needed("What happened.")
    conversation_id: str = needed("The conversation, 1 to 256 characters; each phase of it counts once.")
    channel: Channel | None = given("The channel that they talk on.")
    agent_id: str | None = given("The agent, 1 to 256 characters.")
    occurred_at: DateTime | None = given(_WHEN)
    attributes: UpdatePersonInput | None = given(_LEARNED)
