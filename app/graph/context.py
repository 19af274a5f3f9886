"""What every resolver gets: who asks, and the services."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.actor import Actor

if TYPE_CHECKING:
    from app.graph.services import Services


@dataclass(slots=True)
class Context:
    """One operation's context; made per operation, also on a websocket."""

    actor: Actor
    services: "Services"
    request_id: str = ""
