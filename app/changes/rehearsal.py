"""What a rehearsal remembers: profiles as earlier asks would have left them, where a later ask will look for them."""

from collections.abc import Container, Sequence
from typing import Generic

from app.catalog.model import Catalog, Tag
from app.changes.desk import Desk
from app.changes.model import Ask, Effect, Outcome, P
from app.claims.model import Claim


class Memory(Generic[P]):
    """Of one account, in the order of the asks, which are planned by `catalog`: it may know what is not defined yet.

    `again` has the claims that several asks name, and the ids of profiles that several of them meet.
    """

    def __init__(self, catalog: Catalog, again: Container[str]) -> None:
        self._catalog = catalog
        self._again = again
        self._profiles: dict[str, P] = {}
        # None: who had it has let it go.
        self._claims: dict[str, Claim | None] = {}
        self._tags: dict[tuple[str, str], Tag] = {}

    def lay_over(self, desk: Desk[P], asks: Sequence[Ask[P]]) -> None:
        """Let everything that is remembered, and that the asks may meet, have happened on a desk."""
        desk.catalogs = dict.fromkeys(desk.catalogs, self._catalog)
        desk.tags.update(self._tags)
        named = {one.claim(ask.account) for ask in asks for one in ask.sought if one.kind != "id"}
        desk.claims.update({key: self._claims[key] for key in named if key in self._claims})
        owners = {claim.owner for key in named if (claim := desk.claims.get(key))}
        desk.profiles.update({one: held for one in owners if (held := self._profiles.get(one))})

    def take_in(self, desk: Desk[P], asks: Sequence[Ask[P]], outcomes: Sequence[Outcome[P]]) -> None:
        """Remember what later asks will meet."""
        self._tags = dict(desk.tags)
        for ask, outcome in zip(asks, outcomes, strict=True):
            if isinstance(outcome, Effect) and outcome.changed and self._returns(ask, outcome.after.id):
                after = desk.profiles[outcome.after.id]
                self._profiles[after.id] = after
                keys = desk.claims_of(after).keys() | desk.earliest.get(after.id, {}).keys()
                self._claims.update({key: desk.claims.get(key) for key in keys})

    def _returns(self, ask: Ask[P], profile_id: str) -> bool:
        named = (one.claim(ask.account) for one in ask.sought if one.kind != "id")
        return profile_id in self._again or any(key in self._again for key in named)
