"""Which identifiers a caller has proven: asked where a strict key meets a person who is there already."""

from collections.abc import Collection, Sequence
from typing import Protocol

from app.claims.model import Locator
from app.core.actor import Actor


class Proofs(Protocol):
    """Which identifiers a caller has proven to be the visitor's own."""

    async def proven(
        self, actor: Actor, token: str | None, locators: Sequence[Locator], *, context: str
    ) -> Collection[Locator]:
        """Return those of `locators` that the token proves; none where there is no token, or a bad one.

        A token counts once; who shows it again must come with the same `context`: a repetition of the same message.
        """
        ...
