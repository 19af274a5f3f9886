"""Visitors of websites as the schema shows them: what a browser sends, and the little that it learns."""

import strawberry

from app.graph.declare import about, given, needed, relation
from app.graph.inputs import PushLocator, UpdatePersonInput
from app.graph.relations import own_timeline
from app.graph.results import UserError
from app.graph.scalars import JSON, DateTime
from app.graph.types import Node, TimelineConnection


@strawberry.type(
    description="Somebody on a website of whom nobody knows yet who it is; never among the persons, gone when it is"
    " identified, or 45 days after its last activity."
)
class Visitor(Node):
    """Visitor."""

    anonymous_id: str = about("The id that the website gave the browser.")
    first_seen_at: DateTime = about("When the first activity was.")
    last_seen_at: DateTime = about("When the last activity was.")
    timeline: TimelineConnection = relation(own_timeline, "What the visitor did, newest first.")


@strawberry.type(description="A browser learns that its message was taken, and nothing about any person.")
class VisitorPayload:
    """Answer to a browser."""

    anonymous_id: str = about("The visitor that the call named; of `trackVisitor` that of the first event.")
    accepted: bool = about("Whether all of it was taken; the answer is the same whoever the visitor is.")
    errors: list[UserError] = about("What was refused: in `trackVisitor` those events alone, the others were taken.")


@strawberry.input(description="Something that a visitor did.")
class VisitorEventInput:
    """Sent event of a visitor."""

    anonymous_id: str = needed("The id that the website gave the browser, 1 to 128 characters.")
    type: str = needed("Id of the event's definition, or `pageView`.")
    event_id: str | None = given("Makes a retry count once for ever; 1-64 of [A-Za-z0-9_-].")
    occurred_at: DateTime | None = given("When it happened, at most 30 days ago; now where nothing is said.")
    properties: JSON | None = given("Any of the properties that are defined for the event.")


@strawberry.input(
    description="Who a visitor is: one identifier or several of the same person. Nobody has them: a LEAD with all that"
    " the visitor did. A lead has them: the same. A customer: the present session joins the timeline, nothing else."
)
class IdentifyVisitorInput:
    """Identification."""

    anonymous_id: str = needed("The id that the website gave the browser, 1 to 128 characters.")
    external_id: str | None = given("The id in your own system, exact.")
    email: str | None = given("An email, in any case.")
    phone: str | None = given("A phone number in any writing.")
    push: PushLocator | None = given("An installation that the person holds; it finds a person and makes none.")
    ttl_seconds: int | None = given(
        "Seconds of inactivity after which the visitor is anonymous again, 1 to 86400.", 1800
    )
    identity_token: str | None = given("Signed by the account's own backend; needed where the key is strict.")
    traits: UpdatePersonInput | None = given("What is known of the person; a customer's are not touched.")
