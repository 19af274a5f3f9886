"""What a visitor of a website is, what its browser sends, and what becomes of that. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.claims.model import Locator
from app.core.errors import Refused
from app.persons.wish import Given

# What is stamped on all that comes from a browser, whoever's key it carries.
ORIGIN = "WEB_SDK"
ANONYMOUS_ID_MAX = 128
MESSAGES_MAX = 500
TTL_SECONDS = 1800
TTL_SECONDS_MAX = 86_400

PAGE, TRACK, IDENTIFY, UPDATE, APPEND = "page", "track", "identify", "update", "append"
FORGET, ALIAS, GROUP = "forget", "alias", "group"
PAGE_VIEW = "pageView"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that a browser says.

    `message_id` counts once for ever for the visitor, and is its event's id: 1 to 64 of [A-Za-z0-9_-], or None.
    `occurred_at` is naive UTC and not in the future; None: now. `identity` are normalised locators of the kinds
    externalId, email, phone, push; `traits` what is said of the person (tags in it are passed over).

    page: `properties` of a pageView · track: `type`, `properties` · identify: `identity`, `traits`, `ttl_seconds`,
    `identity_token` · update: `traits` · append: `attribute`, `item` · forget: nothing · group: `group_id` and
    `group_name`, one or both · alias: `anonymous_id` is who goes on (the protocol's userId), `previous_id` whose
    activity joins it; where `anonymous_id` is no visitor's, `previous_id` is identified with `identity`.
    """

    kind: str
    anonymous_id: str
    message_id: str | None = None
    occurred_at: datetime | None = None
    type: str | None = None
    properties: Any = None
    identity: tuple[Locator, ...] = ()
    traits: Given | None = None
    ttl_seconds: int | None = None
    identity_token: str | None = None
    attribute: str | None = None
    item: Any = None
    previous_id: str | None = None
    group_id: str | None = None
    group_name: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a message was taken, else why not; WEB_SDK_RESTRICTED is the one code that says something of a person.

    Paths of the refusals are relative to the message, in the names of the contract's inputs.
    """

    accepted: bool = True
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """One visit: from its first activity to its last; `cut` where it was ended by hand, so nothing later belongs to it.

    The moments are naive UTC.
    """

    id: str
    start: datetime
    last: datetime
    cut: datetime | None = None


@dataclass(frozen=True, slots=True)
class Former:
    """Who an anonymous id was before: what happened from `began` until `until`, and comes late, is that one's.

    `line` is where it goes, `lines` are all that it had; the rest as of a visitor.
    """

    line: str
    until: datetime
    lines: tuple[str, ...] = ()
    session: str | None = None
    person: str | None = None
    since: datetime | None = None
    began: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """One anonymous id as it is by now.

    `id` is vis_…, `subject` its line of activity (web_…), `lines` further ones of visitors that were joined to it.
    `person` is whom it was identified as, until `ttl_seconds` after `last`; of a customer's visitor what happened
    before `since` is nobody's. `identity` (pairs of kind and value) and `traits` (a wish as JSON) are what was said of
    it while nobody knows whose it is. What happened before `began` was done by another one, who may be known no more,
    or by a customer in a visit that was ended by hand; None: there was none of these. `taken` are digests of messages
    that are no events. `into` leads to the anonymous id that goes on for this one. Without a `subject` it is nobody at
    present: whoever comes next is new.
    `version` 0: nothing is kept of it yet.
    """

    id: str
    account: str
    anonymous_id: str
    subject: str
    first_seen: datetime
    last: datetime
    session: Session | None = None
    sessions: tuple[Session, ...] = ()
    lines: tuple[str, ...] = ()
    person: str | None = None
    since: datetime | None = None
    ttl_seconds: int = TTL_SECONDS
    identity: tuple[tuple[str, str], ...] = ()
    traits: str | None = None
    former: tuple[Former, ...] = ()
    taken: tuple[int, ...] = ()
    into: str | None = None
    began: datetime | None = None
    version: int = 0

    @property
    def first_seen_at(self) -> datetime:
        """When the first activity was."""
        return self.first_seen

    @property
    def last_seen_at(self) -> datetime:
        """When the last activity was."""
        return self.last

    @property
    def subjects(self) -> list[str]:
        """All its lines of activity, the own one first."""
        return [self.subject, *self.lines] if self.subject else []
