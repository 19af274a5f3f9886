"""What every resolver gets: who asks, and the services."""

from dataclasses import dataclass
from typing import Any

from app.core.actor import Actor


@dataclass(slots=True)
class Context:
    """One operation's context; made per operation, also on a websocket."""

    actor: Actor
    services: Any
    request_id: str = ""
