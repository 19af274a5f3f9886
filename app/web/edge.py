"""What every transport needs: who asks, what may be asked, and where it is noted."""

import asyncio
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.access import keys
from app.access.patience import Patience
from app.access.rate import Rates
from app.access.service import Access
from app.core import ids
from app.core.actor import Actor
from app.graph.operation import Operations
from app.web.body import Bodies
from app.web.metrics import Metrics
from app.web.siblings import Siblings
from app.web.sight import Sight

Headers = Mapping[bytes, bytes]
# Headers that are lists: on several lines they are one.
LISTS = (b"accept", b"content-encoding")
# Ids of requests only have to differ: this process, and a number.
_PROCESS = ids.new("req") + "-"
_COUNTER = itertools.count(1)
# What browsers say of pages that are not of this very origin.
_FOREIGN = (b"cross-site", b"same-site")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")


def by_name(lines: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return headers by their names: of a list all that its lines say, of others the last one."""
    found = dict(told := list(lines))
    if len(found) < len(told):
        for one in LISTS:
            if one in found:
                found[one] = b", ".join(value for name, value in told if name == one)
    return found


@dataclass(slots=True)
class Edge:
    """The doors of one process; `ready` is off before the start and while stopping."""

    access: Access
    operations: Operations
    metrics: Metrics
    sight: Sight
    rates: Rates
    origins: Sequence[str] = ()
    graphiql: bool = True
    ready: bool = False
    siblings: Siblings | None = None
    patience: Patience = field(default_factory=Patience)
    bodies: Bodies = field(default_factory=Bodies)
    sockets: "set[object]" = field(default_factory=set)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def left(self, socket: object) -> None:
        """Note that a websocket is gone."""
        self.sockets.discard(socket)
        if not self.sockets:
            self._empty.set()

    async def emptied(self) -> None:
        """Wait until no websocket is open."""
        while self.sockets:
            self._empty.clear()
            await self._empty.wait()

    async def hold(self, account: str | None) -> None:
        """Wait before a refusal for too much is told, where an account gets very many."""
        if account is not None and (seconds := self.patience.seconds(account)):
            await asyncio.sleep(seconds)

    async def actor(self, headers: Headers) -> Actor:
        """Return who asks by the Authorization header; raises UNAUTHENTICATED."""
        return await self.access.authenticate(key_of(headers))

    def welcomes(self, headers: Headers) -> bool:
        """Tell whether a browser's page of that origin may come in; programs name none.

        `null` is the origin of sandboxed pages and of files: a foreign one. A request that a browser sends for a page
        of another site without naming it (an image, a form by GET) says so in Sec-Fetch-Site.
        """
        origin = headers.get(b"origin")
        if origin is None:
            return headers.get(b"sec-fetch-site") not in _FOREIGN or "*" in self.origins
        name = origin.decode("latin-1").lower()
        if "*" in self.origins or name in self.origins:
            return True
        host = headers.get(b"host", b"").decode("latin-1").lower()
        return bool(host) and name in (f"https://{host}", f"http://{host}")


def key_of(headers: Headers) -> str | None:
    """Return the key that a request came with."""
    given = headers.get(b"authorization")
    return keys.bare(given.decode("latin-1")) if given else None


def named(headers: Headers) -> str | None:
    """Return the caller's own X-Request-ID where it is a plain one."""
    given = headers.get(b"x-request-id")
    return given.decode() if given and _REQUEST_ID.fullmatch(given) else None


def new_id() -> str:
    """Return the id of a request that has none."""
    return f"{_PROCESS}{next(_COUNTER):x}"


def request_id(headers: Headers) -> str:
    """Return the caller's own id of a request, or a new one."""
    return named(headers) or new_id()
