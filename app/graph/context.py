"""What every resolver gets: who asks, and the services."""

from dataclasses import dataclass

from app.core.actor import Actor
from app.graph.services import Services


@dataclass(slots=True)
class Context:
    """One operation's context; made per operation, also on a websocket."""

    actor: Actor
    services: Services
    request_id: str = ""

    @property
    def account(self) -> str:
        """The account that everything is asked of."""
        return self.actor.account
