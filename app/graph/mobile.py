"""What a mobile app may do: open its installation, log its user in and out."""

from collections.abc import Awaitable
from typing import Annotated, Any

import strawberry

from app.core.errors import Refused
from app.graph import reading
from app.graph.declare import Info, Input, argument, relation
from app.graph.inputs import PushLocator
from app.graph.mobile_types import InstallationInput, PersonalizeInput
from app.graph.results import Payload, PersonPayload, settled
from app.graph.scalars import JSON
from app.identity import user
from app.identity.installation import Registration, Told
from app.identity.mobile import LoggedIn, Personalize

Push = Annotated[Input, argument("The installation.", PushLocator)]


def _registration(given: Input) -> Registration:
    return Registration(given["applicationId"], given["registrationId"])


def _told(given: Input) -> Told:
    """Return an InstallationInput."""
    platform, primary, enabled = given.get("platform"), given.get("primary"), given.get("enabled")
    return Told(platform, primary, enabled, _data(given, "systemData"), _data(given, "additionalData"))


def _data(given: Input, name: str) -> Any:
    """Return an object, an empty one for null, None where nothing is said."""
    return {} if name in given and given[name] is None else given.get(name)


def _login(given: Input) -> Personalize:
    identity = given["identity"]
    said = user.Identity(identity.get("externalId"), identity.get("emails") or (), identity.get("phones") or ())
    return Personalize(
        _registration(given["push"]),
        user.Given(said, _attributes(given.get("attributes"))),
        given["forceDepersonalize"],
        given["keepAsLead"],
        given["setDeviceAsPrimary"],
        given.get("identityToken"),
    )


def _attributes(given: Input | None) -> Any:
    if given is None:
        return None
    try:
        if "type" in given:
            raise user.untyped()
        return reading.changed_person(given)
    except Refused as refusal:
        raise refusal.under("attributes") from refusal


async def _answered(info: Info, work: Awaitable[Any]) -> Payload:
    return await settled(info.context.actor, "person", work, deleted_person_ids=[])


async def open_installation(
    info: Info, input: Annotated[Input, argument("The installation.", InstallationInput)]
) -> Payload:
    """Open an installation."""
    work = info.context.services.installations.open(info.context.actor, _registration(input), _told(input))
    return await _answered(info, work)


async def update_installation(
    info: Info,
    push: Push,
    primary: Annotated[bool | None, argument("Whether it is the device to reach the person on.")] = None,
    enabled: Annotated[bool | None, argument("Whether the person takes messages there.")] = None,
    additional_data: Annotated[
        JSON | None, argument("What the app says about the installation; replaces what it said, null takes it off.")
    ] = strawberry.UNSET,
) -> Payload:
    """Adjust an installation."""
    said: Input = {} if additional_data is strawberry.UNSET else {"additionalData": additional_data}
    told = Told(primary=primary, enabled=enabled, additional_data=_data(said, "additionalData"))
    work = info.context.services.installations.update(info.context.actor, _registration(push), told)
    return await _answered(info, work)


async def personalize(info: Info, input: Annotated[Input, argument("The login.", PersonalizeInput)]) -> Payload:
    """Log a user in."""
    context = info.context

    async def work() -> LoggedIn:
        return await context.services.installations.personalize(context.actor, _login(input))

    payload = await settled(context.actor, "done", work())
    person, gone = (payload.done.person, payload.done.gone) if payload.done else (None, ())
    return Payload(person=person, deleted_person_ids=gone, errors=payload.errors)


async def depersonalize(info: Info, push: Push) -> Payload:
    """Log the user out."""
    work = info.context.services.installations.depersonalize(info.context.actor, _registration(push))
    return await _answered(info, work)


@strawberry.type
class MobileMutations:
    """What can be done by a mobile app."""

    open_installation: PersonPayload = relation(
        open_installation,
        "Notes that an app was installed or opened: an installation that nobody has makes an empty lead."
        " Safe to repeat.",
    )
    update_installation: PersonPayload = relation(update_installation, "Changes what is kept of an installation.")
    personalize: PersonPayload = relation(
        personalize,
        "Logs a user in: the installation goes to whom the identity finds, or to a new customer; the leads that live on"
        " in them are named in `deletedPersonIds`.",
    )
    depersonalize: PersonPayload = relation(
        depersonalize,
        "Logs the user out: the installation gets an empty lead of its own, the person keeps all else. Safe to repeat.",
    )
