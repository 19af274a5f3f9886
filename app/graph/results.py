"""What mutations answer: what was written, and every error that a client can mend."""

from collections.abc import Awaitable, Sequence
from types import SimpleNamespace
from typing import Any

import strawberry

from app.changes.rows import Row
from app.core.actor import Actor, Scope
from app.core.errors import Refusals, Refused
from app.graph import enums, types
from app.graph.declare import about
from app.graph.veil import seen

Payload = SimpleNamespace


@strawberry.type(
    description="What a client can mend. Whatever it can't (no key, over the rate, over the cost, a fault) is a"
    " top-level error with extensions.code."
)
class UserError:
    """Error."""

    code: enums.ErrorCode = about("The code to act on.")
    message: str = about("A sentence for people.")
    path: list[str] = about('Where in the input, outermost first: ["emails", "0", "address"].')
    existing_id: strawberry.ID | None = about("The one who already owns the identifier, when the caller may see it.")


ERRORS = "What was refused; nothing was written for it. Empty where all went well."


@strawberry.type(description="A person that was written.")
class PersonPayload:
    """Person."""

    person: types.Person | None = about("The person as it is now; null where it was refused.")
    deleted_person_ids: list[strawberry.ID] = about("Persons that are gone because of this.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="What became of one row.")
class PersonResult:
    """Outcome of a row."""

    index: int = about("Its place in `persons`, from 0.")
    status: enums.WriteStatus = about("What became of it.")
    person: types.Person | None = about("The person as it is now; null where the row FAILED.")
    errors: list[UserError] = about("Why it FAILED; paths are relative to the row.")


@strawberry.type(description="What became of the rows.")
class PersonResultsPayload:
    """Outcomes of rows."""

    results: list[PersonResult] = about("One for each row, in their order.")
    errors: list[UserError] = about("What was wrong with the call as a whole.")


@strawberry.type(description="How many persons got or lost tags.")
class TagPersonsPayload:
    """Tagging of many."""

    changed: int = about("How many persons were changed; who had it so already is not counted.")
    errors: list[UserError] = about("Who was refused, by the place in `ids`; the others were changed.")


@strawberry.type(description="A company that was written.")
class CompanyPayload:
    """Company."""

    company: types.Company | None = about("The company as it is now; null where it was refused.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="What became of one row.")
class CompanyResult:
    """Outcome of a row."""

    index: int = about("Its place in `companies`, from 0.")
    status: enums.WriteStatus = about("What became of it.")
    company: types.Company | None = about("The company as it is now; null where the row FAILED.")
    errors: list[UserError] = about("Why it FAILED; paths are relative to the row.")


@strawberry.type(description="What became of the rows.")
class CompanyResultsPayload:
    """Outcomes of rows."""

    results: list[CompanyResult] = about("One for each row, in their order.")
    errors: list[UserError] = about("What was wrong with the call as a whole.")


@strawberry.type(description="What was deleted.")
class DeletePayload:
    """Deletion."""

    deleted_ids: list[strawberry.ID] = about("The ids that are gone.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="A tag that was written.")
class TagPayload:
    """Tag."""

    tag: types.Tag | None = about("The tag, also where it was just deleted; null where it was refused.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="A custom attribute that was written.")
class AttributePayload:
    """Attribute."""

    attribute: types.AttributeDefinition | None = about("The attribute, also where it was just deleted.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="An event definition that was written.")
class EventDefinitionPayload:
    """Event definition."""

    event: types.EventDefinition | None = about("The definition as it is now; null where it was refused.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="What became of one event.")
class EventResult:
    """Outcome of an event."""

    index: int = about("Its place in `events`, from 0.")
    status: enums.EventStatus = about("Whether it was taken.")
    event: types.TimelineEvent | None = about(
        "The event; of a DUPLICATE the one that was there, null where it is another user's by now."
    )
    errors: list[UserError] = about("Why it was refused; paths are relative to the item.")


@strawberry.type(description="What became of the events.")
class TrackPayload:
    """Outcomes of events."""

    results: list[EventResult] = about("One for each event, in their order.")
    errors: list[UserError] = about("What was wrong with the call as a whole.")


@strawberry.type(description="An API key that was written. `secret` is shown this once.")
class ApiKeyPayload:
    """Key."""

    api_key: types.ApiKey | None = about("The key's description; null where it was refused.")
    secret: str | None = about("The key itself: `Authorization: Bearer <secret>`. Shown this once.")
    identity_secret: str | None = about(
        "What the account's backend signs identity tokens with; of a WEB_SDK or MOBILE_SDK key, shown this once."
    )
    errors: list[UserError] = about(ERRORS)


def shown(refusals: Sequence[Refused], actor: Actor) -> list[SimpleNamespace]:
    """Return refusals as a caller may see them: who owns an identifier only with a right to persons."""
    if not refusals:
        return []
    allowed = actor.may(Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE)
    return [
        SimpleNamespace(code=one.code, message=one.message, path=one.path, existing_id=one.owner if allowed else None)
        for one in refusals
    ]


def results(payload: Payload, name: str, actor: Actor) -> Payload:
    """Return the payload of a batch with its rows as results; `name` is what their profile is called."""
    payload.results = [_result(index, row, name, actor) for index, row in enumerate(payload.results)]
    return payload


def _result(index: int, row: Row[Any], name: str, actor: Actor) -> SimpleNamespace:
    shown_as = {name: seen(row.profile, actor) if name == "person" else row.profile}
    return SimpleNamespace(index=index, status=row.status, errors=shown(row.refused, actor), **shown_as)


async def settled(actor: Actor, name: str, work: Awaitable[Any], **rest: Any) -> Payload:
    """Return the payload of `work`: its result under `name`, or what was refused."""
    try:
        return Payload(**{**rest, name: await work}, errors=[])
    except Refused as refusal:
        return Payload(**{name: None, **rest}, errors=shown([refusal], actor))
    except Refusals as refusals:
        return Payload(**{name: None, **rest}, errors=shown(refusals.refusals, actor))
