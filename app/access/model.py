"""Accounts and their keys, as everyone else sees them; a key's text is in neither."""

from dataclasses import dataclass
from datetime import datetime

from app.core.actor import Actor, Scope


@dataclass(frozen=True, slots=True)
class Account:
    """One customer of the service: all data belong to exactly one."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key; `prefix` is the start of its text that tells it apart and opens nothing. Times are naive UTC."""

    id: str
    account: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    strict_identity: bool = False
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def good(self, at: datetime) -> bool:
        """Tell whether it opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def actor(self) -> Actor:
        """Return who asks with this key; a key for one kind of client alone stamps that client's origin."""
        origin = _ORIGINS.get(self.scopes, "API")
        return Actor(self.account, self.id, frozenset(self.scopes), origin, self.strict_identity)


_ORIGINS: dict[tuple[Scope, ...], str] = {
    (Scope.WEB_SDK,): "WEB_SDK",
    (Scope.MOBILE_SDK,): "MOBILE_SDK",
}
