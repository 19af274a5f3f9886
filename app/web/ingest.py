"""The wire of browsers and servers: `/v1/*`, the Segment-shaped protocol. 200 means kept by a majority.

A sender learns nothing of persons: bytes, headers and the time of an answer are the same whoever is meant.
"""

import asyncio
import base64
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.access import keys
from app.access.buckets import Buckets, Local
from app.access.rate import Rates
from app.catalog.service import CatalogService
from app.core import clock
from app.core.actor import Actor, Scope
from app.core.errors import Fault, forbidden, unauthenticated, unavailable
from app.core.tally import Tally
from app.graph import faults
from app.graph.operation import OPERATION_SECONDS
from app.intake import visit
from app.intake.visit import Message
from app.intake.visitors import Visitors
from app.web import clients, shield, wire
from app.web.answers import send_whole
from app.web.edge import Edge, Headers, by_name, request_id
from app.web.log import ACCESS
from app.web.titles import Titles
from app.web.unpacked import parsed, unpacked

# What RudderStack's browser client says beside, to nobody's use here.
RUDDER = (
    b"anonymousid, rsa-recovered, rsa-retry-attempt, rsa-since-last-attempt, rsa-since-first-attempt, rsa-retry-reason"
)
Header = tuple[bytes, bytes]
Reply = tuple[int, bytes, list[Header]]
PREFIX = "/v1/"
BODY_BYTES_MAX = 512_000
IDENTIFY_TICK_MS = 25
EVENTS_PER_MINUTE_MAX = 1000
MINUTE_SECONDS = 60.0
PREFLIGHT_SECONDS = 86_400
SETTINGS_SECONDS = 300
# Path → the kind of its one message, None where each message says it.
KINDS: dict[str, str | None] = {"/v1/batch": None, "/v1/b": None}
KINDS |= {f"{PREFIX}{kind}": kind for kind in wire.KINDS}
KINDS |= {f"{PREFIX}{kind[0]}": kind for kind in ("identify", "track", "page", "screen", "group", "alias")}
TAKEN = b'{"success":true}'
# The last is what RudderStack's client for node says of its packed JSON.
TYPES = (b"", b"application/json", b"text/plain", b"application/x-www-form-urlencoded")
_BASIC = re.compile(r"basic +([A-Za-z0-9+/=]{1,1024}) *", re.IGNORECASE)
_JSON: Header = (b"content-type", b"application/json; charset=utf-8")
_FRESH: Header = (b"cache-control", b"no-store")
# Always: a cache must not give a page what it kept of somebody who named no origin.
_VARY: Header = (b"vary", b"origin")
_PREFLIGHT = [
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-retry-count, " + RUDDER),
    (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
]


class Ingest:
    """The endpoints of one process."""

    def __init__(
        self,
        edge: Edge,
        catalog: CatalogService,
        visitors: Visitors,
        buckets: Callable[[float, float], Buckets] = Local,
    ) -> None:
        self._edge = edge
        self._catalog = catalog
        self._visitors = visitors
        self._titles = Titles()
        self._crowds = Rates(EVENTS_PER_MINUTE_MAX / MINUTE_SECONDS, burst_seconds=MINUTE_SECONDS, buckets=buckets)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers, path = by_name(scope["headers"]), scope["path"]
        tally, status, code, wait = self._edge.sight.begin(headers), 200, None, None
        tally.kind, tally.name = "wire", path if path in KINDS else None
        more, welcome = [_JSON, _FRESH], self._edge.welcomes(headers)
        try:
            _let_in(welcome)
            if scope["method"] != "POST" or path not in KINDS:
                status, answer, more = _other(scope, headers)
            else:
                answer = await self._post(headers, KINDS[path], receive, tally)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the last line: nobody ever sees a traceback
            # Cancelled it is when the process stops, and waits no longer for a store that doesn't answer.
            away = isinstance(error, asyncio.CancelledError)
            fault = unavailable() if away else faults.known(error, request_id(headers))
            status, code, wait = fault.status, fault.code, fault.extra.get("retryAfter")
            answer = orjson.dumps({"success": False, "code": code})
        if status == 429:  # noqa: PLR2004
            await self._edge.hold(tally.account)
        if wait is not None:
            more = [*more, (b"retry-after", b"%d" % wait)]
        more = [*more, *shield.WIRE, _VARY]
        if welcome and (origin := headers.get(b"origin")) is not None:
            more.append((b"access-control-allow-origin", origin))
        await send_whole(scope, send, status, more, answer)
        self._note(tally, status, code)

    async def _post(self, headers: Headers, kind: str | None, receive: Receive, tally: Tally) -> bytes:
        """Return the answer, and note who sent something; by then all of it has taken effect."""
        text = _key(headers)
        # A key in the header is looked at before the body is read.
        actor = await self._admitted(text) if text else None
        body = await self._edge.bodies.whole(headers, receive, BODY_BYTES_MAX, actor.key if actor else "")
        arrived = time.perf_counter()
        body = unpacked(body, headers.get(b"content-encoding", b"").strip().lower(), BODY_BYTES_MAX)
        _check_type(headers)
        given = parsed(body)
        if not isinstance(given, dict):
            raise Fault("BAD_REQUEST", "A request is an object.", status=400)
        if actor is None:
            actor = await self._admitted(given.get("writeKey"))
        tally.account = actor.account
        said = await self._read(actor, given, kind, small=len(body) <= wire.MESSAGE_BYTES_MAX)
        self._measure(actor, said.messages)
        operations = self._edge.operations
        carried = operations.load.carry(actor.account, partial(self._take, actor, said))
        await operations.deadlines.within(OPERATION_SECONDS, carried)
        if not said.plain:
            await _tick(arrived)
        return _answer(said.rejected)

    async def _admitted(self, text: Any) -> Actor:
        """Return who sends with a key; refuses others with UNAUTHENTICATED, one without the scope with FORBIDDEN."""
        if not isinstance(text, str):
            raise unauthenticated()
        access = self._edge.access
        actor = access.cached(text) or await access.authenticate(text)
        if not actor.may(Scope.WEB_SDK):
            raise forbidden("This key has no scope WEB_SDK.")
        return actor

    async def _read(self, actor: Actor, given: Mapping[str, Any], kind: str | None, *, small: bool) -> wire.Said:
        items = _items(given, kind)
        catalog = await self._catalog.of(actor.account)
        received, sent_at = clock.now(), wire.moment(given.get("sentAt"))
        said = wire.read(items, kind, wire.Setting(received, sent_at, catalog, self._titles.of(catalog)), small=small)
        if any(one.type is not None and one.type not in catalog.events for one in said.messages):
            # It may have been defined by another process a moment ago.
            catalog = await self._catalog.fresh(actor.account)
            setting = wire.Setting(received, sent_at, catalog, self._titles.of(catalog))
            said = wire.read(items, kind, setting, small=small)
        return said

    def _measure(self, actor: Actor, messages: Sequence[Message]) -> None:
        """Take what the messages cost from the key, and from each who is spoken of; raises RATE_LIMITED before any."""
        self._edge.rates.take(actor.key, len(messages))
        if len(messages) == 1:
            self._crowds.take(f"{actor.account}|{messages[0].anonymous_id}", 1)
            return
        for anonymous_id, count in Counter([message.anonymous_id for message in messages]).items():
            self._crowds.take(f"{actor.account}|{anonymous_id}", count)

    async def _take(self, actor: Actor, said: wire.Said) -> None:
        """Have all messages taken in, in their order; what was refused by their own mistake is noted."""
        for start in range(0, len(said.messages), visit.MESSAGES_MAX):
            part = said.messages[start : start + visit.MESSAGES_MAX]
            verdicts = await self._visitors.take(actor, part)
            for index, (message, verdict) in enumerate(zip(part, verdicts, strict=True), start):
                if verdict.refused and (code := wire.told(message, verdict)):
                    said.rejected[said.owners[index]] = code

    def _note(self, tally: Tally, status: int, code: str | None) -> None:
        seconds = self._edge.sight.end(tally, status, (code,) if code else ())
        if code is None:
            # Of what is taken there is far too much for a log: it is counted.
            return
        # Other paths may have a key in them, so they are no name.
        noted = {"account": tally.account, "kind": "wire", "path": tally.name, "status": status, "code": code}
        ACCESS.note(**noted, ms=round(seconds * 1000, 2))


def _let_in(welcome: bool) -> None:  # noqa: FBT001 - one question, one answer
    if not welcome:
        raise forbidden("Pages of this origin are not allowed here.")


def _key(headers: Headers) -> str | None:
    """Return the key of an Authorization header: App, Bearer, or the user name of Basic; None where there is none."""
    given = headers.get(b"authorization")
    if not given:
        return None
    text = given.decode("latin-1")
    found = keys.bare(text)
    if found is None and (basic := _BASIC.fullmatch(text)):
        try:
            found = base64.b64decode(basic[1]).decode().partition(":")[0]
        except ValueError:  # of binascii and of the decoder alike
            raise unauthenticated() from None
    return found or None


def _check_type(headers: Headers) -> None:
    kind, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    if kind.strip() not in TYPES or (b"charset" in parameters and b"utf-8" not in parameters):
        raise Fault("BAD_REQUEST", "A body is JSON in UTF-8, as application/json or text/plain.", status=400)


def _items(given: Mapping[str, Any], kind: str | None) -> list[Any]:
    if kind is not None:
        return [given]
    items = given.get("batch")
    if not isinstance(items, list):
        raise Fault("BAD_REQUEST", "A batch is a list of messages.", status=400)
    if len(items) > visit.MESSAGES_MAX:
        raise Fault("PAYLOAD_TOO_LARGE", f"A request has at most {visit.MESSAGES_MAX} messages.", status=413)
    return items


def _answer(rejected: Mapping[int, str]) -> bytes:
    if not rejected:
        return TAKEN
    told = [{"index": index, "code": rejected[index]} for index in sorted(rejected)]
    return orjson.dumps({"success": True, "rejected": told})


def until_tick(gone: float) -> float:
    """Return the seconds from a moment, that long after the arrival of a request, to its next tick."""
    tick = IDENTIFY_TICK_MS / 1000
    return tick - gone % tick


async def _tick(arrived: float) -> None:
    """Wait for the next tick since a request arrived: an answer then doesn't show how long its work took.

    Ticks are counted from each arrival: on a clock that all share, the mean of many answers would still show it.
    """
    await asyncio.sleep(until_tick(time.perf_counter() - arrived))


def _other(scope: Connection, headers: Headers) -> Reply:
    """Answer what is no message: a browser's question whether it may send, and the settings of published clients."""
    method, path = scope["method"], scope["path"]
    if method == "OPTIONS":
        return 204, b"", _PREFLIGHT
    host = headers.get(b"host", b"").decode("latin-1")
    project = clients.PROJECT.fullmatch(path)
    if project is None and path not in clients.SOURCES and path not in KINDS:
        raise Fault("NOT_FOUND", "There is nothing here.", status=404)
    if method != "GET" or path in KINDS:
        raise Fault("METHOD_NOT_ALLOWED", "This is sent by POST, settings are read by GET.", status=405)
    document = clients.segment(project[1], host) if project else clients.rudder()
    return 200, orjson.dumps(document), [_JSON, (b"cache-control", b"max-age=%d" % SETTINGS_SECONDS)]
