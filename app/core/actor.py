"""Who asks: an account's key with its scopes, or the service itself."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do; the table of operations stands in `graph/access.py`."""

    PEOPLE_READ = "PEOPLE_READ"
    PEOPLE_MANAGE = "PEOPLE_MANAGE"
    EVENTS_WRITE = "EVENTS_WRITE"
    WEB_SDK = "WEB_SDK"
    MOBILE_SDK = "MOBILE_SDK"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Actor:
    """One caller. `origin` is what gets stamped on what it writes; `strict`: it reaches existing persons by proof."""

    account: str
    key: str
    scopes: frozenset[Scope]
    origin: str = "API"
    strict: bool = False

    def may(self, *scopes: Scope) -> bool:
        """Tell whether any of `scopes` is held; ADMIN holds all."""
        return Scope.ADMIN in self.scopes or not self.scopes.isdisjoint(scopes)
