"""The Segment-shaped protocol, read: JSON of a request in, messages for `app.intake` and refusals out. All pure.

Each message is read for itself: what is wrong with one refuses that one alone. What each field means stands in
`docs/guide/web-tracking.md`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.catalog import values
from app.catalog.model import PERSON, Catalog
from app.claims.model import Locator, digest
from app.core.errors import Refused
from app.core.text import line
from app.intake import visit
from app.intake.visit import Message, Verdict
from app.timeline.admit import AGE_DAYS, EVENT_ID
from app.web import traits
from app.web.pageview import page_view

MESSAGE_BYTES_MAX = 32_768
MESSAGE_ID_MAX = 100
# Messages that can't touch a profile: their answers need not hide how long the work took.
PLAIN = frozenset({visit.PAGE, visit.TRACK})
# Code of a refusal → what the protocol calls it; whatever is not here tells of more than the sender's own mistake.
CODES = {
    "INVALID": "INVALID",
    "REQUIRED": "REQUIRED",
    "TOO_LONG": "TOO_LONG",
    "TOO_MANY": "TOO_LONG",
    "FORBIDDEN_CHARACTER": "INVALID",
    "WRONG_ATTRIBUTE_TYPE": "INVALID",
    "UNKNOWN_EVENT_TYPE": "UNKNOWN_EVENT_TYPE",
    "UNKNOWN_PROPERTY": "UNKNOWN_PROPERTY",
    "STANDARD_EVENT": "STANDARD_EVENT",
    "TOO_OLD": "TOO_OLD",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_MOMENT = timedelta(milliseconds=1)
_MONTH = timedelta(days=AGE_DAYS)


@dataclass(slots=True)
class Said:
    """A request read. `owners` tells for each message which item of the request it came from; `rejected` is by item."""

    messages: list[Message] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether nothing in it can touch a profile."""
        return all(message.kind in PLAIN for message in self.messages)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all messages of a request are read with. `definition` finds an event's definition by its id or title."""

    received: datetime
    sent_at: datetime | None
    catalog: Catalog
    definition: Callable[[str], str | None]


@dataclass(slots=True)
class _Item:
    """One message on its way: its JSON, and what every kind of message has."""

    given: Mapping[str, Any]
    setting: Setting
    anonymous_id: str
    user_id: str | None
    message_id: str | None
    occurred_at: datetime
    context: Mapping[str, Any]

    def message(self, kind: str, **more: Any) -> Message:
        """Return the message of that kind."""
        return Message(kind, self.anonymous_id, self.message_id, self.occurred_at, **more)


def told(message: Message, verdict: Verdict) -> str | None:
    """Return the code by which a sender is told why a message was refused.

    None where it may not be told: of what can touch a profile a refusal would tell of the person.
    """
    return CODES.get(verdict.refused[0].code) if message.kind in PLAIN else None


def moment(value: Any) -> datetime | None:
    """Return the moment of a timestamp, naive UTC; None where it is none that can be read."""
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            # As browsers write it: ten times as fast to read as whatever else is allowed.
            return datetime.fromisoformat(value[:-1])
        return values.instant(value)
    except (TypeError, ValueError):
        return None


def read(items: Sequence[Any], kind: str | None, setting: Setting, *, small: bool) -> Said:
    """Read the messages of a request; `kind` where the path says it; `small` where none can be too long."""
    said = Said()
    # Anonymous id → the userId that it was last said to belong to, so that it is said once for a whole batch.
    told: dict[str, str] = {}
    for index, given in enumerate(items):
        try:
            found = _read(given, kind, setting, told, small=small)
        except Refused as refusal:
            said.rejected[index] = CODES.get(refusal.code, "INVALID")
            continue
        said.messages += found
        said.owners += [index] * len(found)
    return said


def _read(given: Any, kind: str | None, setting: Setting, told: dict[str, str], *, small: bool) -> list[Message]:
    """Return the message of an item, behind one that says who it is where it names a userId."""
    if not isinstance(given, dict):
        raise Refused("INVALID", "A message is an object.")
    kind = kind or traits.plain(given.get("type"))
    reader = _READERS.get(kind or "")
    if kind is None or reader is None:
        raise Refused("INVALID" if kind else "REQUIRED", "There is no such type of message.")
    if not small and len(orjson.dumps(given)) > MESSAGE_BYTES_MAX:
        raise Refused("TOO_LONG", f"A message has at most {MESSAGE_BYTES_MAX:,} bytes.")
    item = _item(given, setting)
    message = reader(item)
    if message.kind in _SAYING:
        # Whoever it was before, from here on it is somebody else, or has to be said again.
        told.pop(item.anonymous_id, None)
        return [message]
    if item.user_id is None or told.get(item.anonymous_id) == item.user_id:
        return [message]
    told[item.anonymous_id] = item.user_id
    return [*_introduction(item, item.user_id), message]


def _item(given: Mapping[str, Any], setting: Setting) -> _Item:
    user_id, anonymous_id = traits.plain(given.get("userId")), traits.plain(given.get("anonymousId"))
    if anonymous_id is None:
        if user_id is None:
            raise Refused("REQUIRED", "Who it is: anonymousId, or userId.")
        anonymous_id = _stand_in(user_id)
    elif len(anonymous_id) > visit.ANONYMOUS_ID_MAX:
        raise Refused("TOO_LONG", f"An anonymousId has at most {visit.ANONYMOUS_ID_MAX} characters.")
    else:
        line(anonymous_id)
    context = given.get("context")
    return _Item(
        given,
        setting,
        anonymous_id,
        user_id,
        _message_id(given.get("messageId")),
        _occurred(given, setting),
        context if isinstance(context, dict) else {},
    )


def _stand_in(user_id: str) -> str:
    """Return the anonymous id of a sender that names a userId alone, as server libraries do."""
    for found in traits.locator("externalId", user_id):
        return f"user:{digest(found.value)}"
    raise Refused("INVALID", "This is no userId, and there is no anonymousId.")


def _message_id(given: Any) -> str | None:
    text = traits.plain(given)
    if text is None or EVENT_ID.fullmatch(text):
        return text
    if len(text) > MESSAGE_ID_MAX:
        raise Refused("TOO_LONG", f"A messageId has at most {MESSAGE_ID_MAX} characters.")
    return digest(text)


def _occurred(given: Mapping[str, Any], setting: Setting) -> datetime:
    """Return when it happened by the server's clock: as long ago as the sender says that it was when it sent it."""
    stamp, sent_at, received = given.get("timestamp"), setting.sent_at, setting.received
    at = moment(given.get("originalTimestamp") if stamp is None else stamp)
    if at is None or sent_at is None or at >= sent_at:
        return received
    return received - min(sent_at - at, _MONTH + _MOMENT)


def _event(item: _Item) -> None:
    """Refuse an event that is too old; anything else that old counts as just not too old."""
    if item.occurred_at < item.setting.received - _MONTH:
        raise Refused("TOO_OLD", f"Events older than {AGE_DAYS} days are not taken.")


def _track(item: _Item) -> Message:
    _event(item)
    name, properties = item.given.get("event"), item.given.get("properties")
    if not isinstance(name, str) or not name:
        raise Refused("REQUIRED" if name in (None, "") else "INVALID", "An event has a name.")
    if properties is not None and not isinstance(properties, dict):
        raise Refused("INVALID", "Properties are an object.")
    type_ = item.setting.definition(name) or name
    known = item.setting.catalog.events.get(type_)
    if known is not None and known.standard:
        raise Refused("STANDARD_EVENT", f"{type_} is recorded by the service itself.")
    return item.message(visit.TRACK, type=type_, properties=properties or {})


def _page(item: _Item) -> Message:
    _event(item)
    return item.message(visit.PAGE, properties=page_view(item.given, item.context))


def _identify(item: _Item) -> Message:
    said = item.given.get("traits")
    if said is None:
        # Some clients put them there alone.
        said = item.context.get("traits")
    if said is not None and not isinstance(said, dict):
        raise Refused("INVALID", "Traits are an object.")
    found, named = traits.identity(said or {}, item.user_id)
    if named and not found:
        raise Refused("INVALID", "None of its identifiers is one.")
    wish = traits.wish(said or {}, item.setting.catalog)
    if not found:
        return item.message(visit.UPDATE, traits=wish)
    return item.message(visit.IDENTIFY, identity=found, traits=wish if traits.says(wish) else None, **_proof(item))


def _introduction(item: _Item, user_id: str) -> Iterator[Message]:
    """Give what says that a message of another kind is of a person, once for that message; nothing for a bad userId."""
    message_id = digest("user", item.message_id) if item.message_id else None
    for found in traits.locator("externalId", user_id):
        more: dict[str, Any] = {"identity": (found,), **_proof(item)}
        yield Message(visit.IDENTIFY, item.anonymous_id, message_id, item.occurred_at, **more)


def _proof(item: _Item) -> dict[str, Any]:
    """Return what the context says beside who it is: how long that holds, and a token that proves it."""
    seconds, token = item.context.get("ttlSeconds"), item.context.get("identityToken")
    held = min(max(int(seconds), 1), visit.TTL_SECONDS_MAX) if type(seconds) is int else None
    return {"ttl_seconds": held, "identity_token": token if isinstance(token, str) else None}


def _append(item: _Item) -> Message:
    attribute, value = item.given.get("attribute"), item.given.get("item")
    if attribute is None or value is None:
        raise Refused("REQUIRED", "What is appended, and to which attribute.")
    if not isinstance(attribute, str) or not isinstance(value, dict):
        raise Refused("INVALID", "The attribute is a name, the item an object.")
    definition = item.setting.catalog.attribute(PERSON, attribute)
    if definition is None:
        raise Refused("UNKNOWN_PROPERTY", "There is no such attribute.")
    # Checked here: where it is checked for a lead alone, a refusal would tell that there is one.
    if definition.type != "LIST":
        raise Refused("INVALID", "This attribute is no list.")
    values.items(definition, [value])
    return item.message(visit.APPEND, attribute=definition.name, item=value)


def _forget(item: _Item) -> Message:
    return item.message(visit.FORGET)


def _group(item: _Item) -> Message:
    said = item.given.get("traits")
    group_id = traits.plain(item.given.get("groupId"))
    name = traits.plain(said.get("name")) if isinstance(said, dict) else None
    if group_id is None and name is None:
        raise Refused("REQUIRED", "A group has a groupId, or a name in its traits.")
    return item.message(visit.GROUP, group_id=group_id, group_name=name)


def _alias(item: _Item) -> Message:
    """Return who goes on as whom; a userId too long to be anybody's anonymous id is one of a person."""
    previous, goes_on = traits.plain(item.given.get("previousId")), item.user_id
    if previous is None or goes_on is None:
        raise Refused("REQUIRED", "An alias has a previousId and a userId.")
    if len(previous) > visit.ANONYMOUS_ID_MAX:
        raise Refused("TOO_LONG", f"A previousId has at most {visit.ANONYMOUS_ID_MAX} characters.")
    found: tuple[Locator, ...] = tuple(traits.locator("externalId", goes_on))
    more: dict[str, Any] = {"identity": found, **_proof(item)}
    if len(goes_on) > visit.ANONYMOUS_ID_MAX:
        if not found:
            raise Refused("TOO_LONG", "This is no userId.")
        return Message(visit.IDENTIFY, line(previous), item.message_id, item.occurred_at, **more)
    more["previous_id"] = line(previous)
    return Message(visit.ALIAS, line(goes_on), item.message_id, item.occurred_at, **more)


# Messages that themselves say who it is, or have nothing to say about it.
_SAYING = frozenset({visit.IDENTIFY, visit.ALIAS, visit.FORGET})
_READERS: dict[str, Callable[[_Item], Message]] = {
    "track": _track,
    "page": _page,
    "screen": _page,
    "identify": _identify,
    "append": _append,
    "forget": _forget,
    "group": _group,
    "alias": _alias,
}
KINDS = tuple(_READERS)
