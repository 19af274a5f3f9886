"""One of several workers of a command: a process of its own that has socket, memory and siblings from its parent."""

import os
import signal
import socket
from dataclasses import asdict, dataclass
from typing import Self

import orjson
import structlog

from app import serving
from app.access.shared import Memory
from app.main import Team
from app.mongo.private import die_with
from app.serving import Front
from app.settings import Settings
from app.web.siblings import Siblings


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker it is, of which parent; descriptors that it inherits; where its siblings answer, as hex."""

    number: int
    parent: int
    listening: int
    answering: int
    memory: int
    ready: int
    siblings: list[str]

    def descriptors(self) -> tuple[int, ...]:
        """Return all that the process inherits."""
        return self.listening, self.answering, self.memory, self.ready

    def text(self) -> str:
        """Return it as one argument."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what `text` says."""
        return cls(**orjson.loads(text))


async def work(settings: Settings, place: Place) -> None:
    """Serve until a signal, or until the parent is gone; says on `ready` that it can."""
    # At once, also in the middle of something: what a killed parent leaves behind would hold port and data.
    arm = die_with(place.parent, signal.SIGKILL)
    if arm is not None:
        arm()
    structlog.contextvars.bind_contextvars(worker=place.number)
    addresses = [bytes.fromhex(one) for one in place.siblings]
    siblings = Siblings(place.number, socket.socket(fileno=place.answering), addresses)

    async def ready(_: Front) -> None:
        os.write(place.ready, b"1")
        os.close(place.ready)

    with socket.socket(fileno=place.listening) as listening:
        await serving.serve(settings, listening, ready, team=Team(Memory(place.memory), siblings))
