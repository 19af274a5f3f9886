"""What channels send, and what tests ask of it afterwards."""

from typing import Any

from tests.api import ERRORS, Api

SHOWN = """id type firstName lastName externalId version createdFrom modifiedFrom emails { address primary }
  phones { number } channels { channel sender userId } pushRegistrations { applicationId registrationId } mergedIds"""
MESSAGE = f"""mutation($input: InboundMessageInput!) {{
  recordInboundMessage(input: $input) {{ person {{ {SHOWN} }} deletedPersonIds {ERRORS} }} }}"""
CHATBOT = f"""mutation($input: ChatbotSessionInput!) {{
  recordChatbotSession(input: $input) {{ person {{ {SHOWN} }} {ERRORS} }} }}"""
INBOX = f"""mutation($input: InboxSessionInput!) {{
  recordInboxSession(input: $input) {{ person {{ {SHOWN} }} {ERRORS} }} }}"""
PARTICIPANTS = f"""mutation($participants: [JourneyParticipantInput!]!, $journey: String!, $key: String) {{
  addJourneyParticipants(journeyId: $journey, participants: $participants, idempotencyKey: $key) {{
    results {{ index status person {{ {SHOWN} }} {ERRORS} }} {ERRORS} }} }}"""
DELETE = "mutation($by: PersonLocator!) { deletePerson(by: $by) { deletedIds errors { code } } }"
REVERT = "mutation($id: ID!) { revertMerge(id: $id) { persons { id firstName } errors { code } } }"
PHONE = {"phone": "+43 660 1234567"}
WHATSAPP = {"channel": {"channel": "WHATSAPP", "sender": "shop", "userId": "u-1"}}
PUSH = {"push": {"applicationId": "app", "registrationId": "reg-1"}}


def message(**more: Any) -> dict[str, Any]:
    """Write a message down."""
    return {"contact": PHONE, "journeyId": "welcome", "messageId": "m-1", **more}


def chat(**more: Any) -> dict[str, Any]:
    """Write a chatbot's session down."""
    return {"contact": PHONE, "phase": "STARTED", "sessionId": "s-1", "botId": "bot", **more}


def talk(**more: Any) -> dict[str, Any]:
    """Write a conversation down."""
    return {"contact": PHONE, "phase": "STARTED", "conversationId": "c-1", **more}


async def told(api: Api, document: str, input_: dict[str, Any]) -> dict[str, Any]:
    """Tell something that is not refused; returns the person."""
    payload = await api(document, input=input_)
    assert payload["errors"] == [], payload
    person: dict[str, Any] = payload["person"]
    return person


async def entered(api: Api, *participants: dict[str, Any], key: str | None = None) -> list[dict[str, Any]]:
    """Let participants enter a journey, and return what became of them."""
    payload = await api(PARTICIPANTS, participants=list(participants), journey="welcome", key=key)
    assert payload["errors"] == [], payload
    results: list[dict[str, Any]] = payload["results"]
    assert [one["index"] for one in results] == list(range(len(participants)))
    return results


async def types(api: Api, by: dict[str, Any]) -> list[str]:
    """Return the types of a person's events, newest first."""
    return [one["type"] for one in await api.events(by)]


async def count(api: Api) -> int:
    """Return how many persons there are."""
    total: int = (await api("{ persons { totalCount } }"))["totalCount"]
    return total
