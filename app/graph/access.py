"""Who may do what, and how keys are asked for, made and revoked."""

from types import SimpleNamespace
from typing import Annotated

import strawberry

from app.access.model import ApiKey
from app.core.actor import Scope
from app.graph import types
from app.graph.declare import Info, Input, argument, relation
from app.graph.inputs import CreateApiKeyInput
from app.graph.results import ApiKeyPayload, Payload, settled

_READ = (Scope.PEOPLE_READ,)
_MANAGE = (Scope.PEOPLE_MANAGE,)
_EVENTS = (Scope.EVENTS_WRITE,)
_MOBILE = (Scope.MOBILE_SDK,)
_NOBODY_ELSE: tuple[Scope, ...] = (Scope.ADMIN,)
_WEB = (Scope.WEB_SDK,)
_ANYBODY: tuple[Scope, ...] = tuple(Scope)

# Operation → the scopes of which one is needed; ADMIN may do everything. Queries and subscriptions that are not named
# here need PEOPLE_READ, mutations PEOPLE_MANAGE.
SCOPES: dict[str, tuple[Scope, ...]] = {
    "viewer": _ANYBODY,
    "apiKeys": _NOBODY_ELSE,
    "createApiKey": _NOBODY_ELSE,
    "revokeApiKey": _NOBODY_ELSE,
    "connectCrm": _NOBODY_ELSE,
    "disconnectCrm": _NOBODY_ELSE,
    "recordInboundMessage": _EVENTS,
    "addJourneyParticipants": _EVENTS,
    "recordChatbotSession": _EVENTS,
    "recordInboxSession": _EVENTS,
    "submitForm": (Scope.EVENTS_WRITE, Scope.WEB_SDK),
    "trackVisitor": _WEB,
    "identifyVisitor": _WEB,
    "updateVisitor": _WEB,
    "appendVisitorListItem": _WEB,
    "forgetVisitor": _WEB,
    "trackEvents": _EVENTS + _MOBILE,  # an app for its own installation alone, see `devices`
    "updatePerson": _MANAGE + _MOBILE,  # likewise
    "openInstallation": _MOBILE,
    "updateInstallation": _MOBILE,
    "personalize": _MOBILE,
    "depersonalize": _MOBILE,
}


def needed(kind: str, name: str) -> tuple[Scope, ...]:
    """Return the scopes of which an operation needs one; `kind` is query, mutation or subscription."""
    return SCOPES.get(name) or (_MANAGE if kind == "mutation" else _READ)


async def viewer(info: Info) -> SimpleNamespace:
    """Tell who asks."""
    actor = info.context.actor
    account = await info.context.services.access.account(actor.account)
    name = account.name if account else actor.account
    return SimpleNamespace(
        account_id=actor.account, account_name=name, scopes=[one for one in Scope if one in actor.scopes]
    )


async def api_keys(info: Info) -> list[ApiKey]:
    """List keys."""
    return await info.context.services.access.keys(info.context.account)


async def create_api_key(info: Info, input: Annotated[Input, argument("The key.", CreateApiKeyInput)]) -> Payload:
    """Make a key."""
    context = info.context
    scopes = [Scope(name) for name in input["scopes"]]
    options = {"strict_identity": input["strictIdentity"], "expires_at": input.get("expiresAt")}
    work = context.services.access.create_key(context.account, input["name"], scopes, **options)
    payload = await settled(context.actor, "made", work)
    key, secret, identity = payload.made or (None, None, None)
    return Payload(api_key=key, secret=secret, identity_secret=identity, errors=payload.errors)


async def revoke_api_key(info: Info, id: Annotated[strawberry.ID, argument("The key's id.")]) -> Payload:
    """Revoke a key."""
    work = info.context.services.access.revoke_key(info.context.account, id)
    return await settled(info.context.actor, "api_key", work, secret=None, identity_secret=None)


@strawberry.type
class AccessQueries:
    """What can be asked about access."""

    viewer: types.Viewer = relation(viewer, "Who asks, and what they may do.")
    api_keys: list[types.ApiKey] = relation(api_keys, "All keys of the account, newest first.")


@strawberry.type
class AccessMutations:
    """What can be done about access."""

    create_api_key: ApiKeyPayload = relation(create_api_key, "Makes a key; it is shown this once.")
    revoke_api_key: ApiKeyPayload = relation(
        revoke_api_key, "Revokes a key: its next request is refused, its sockets are closed within 5 seconds."
    )
