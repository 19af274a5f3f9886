"""Files that go in and out: `POST /uploads`, `GET /imports/<id>/errors.csv`, `GET /imports/template.csv`.

As everywhere the key is looked at before the body is read, and an error is JSON with code and message.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from urllib.parse import parse_qs, quote

import orjson
import structlog
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.core.actor import Actor, Scope
from app.core.errors import Fault, forbidden, unavailable
from app.core.tally import Tally
from app.graph import faults
from app.imports.model import COMPANY, PERSON
from app.imports.report import Report
from app.imports.service import Imports
from app.web import shield, uploads
from app.web.answers import Header, cors, standing
from app.web.edge import Edge, Headers, by_name, request_id
from app.web.log import ACCESS

UPLOADS = "/uploads"
PREFIX = "/imports/"
UPLOADS_MAX = 32
ACCOUNT_UPLOADS_MAX = 4
RETRY_SECONDS = 5
# So many failed rows cost a unit of the key's rate.
ROWS_A_UNIT = 100
# A reader who takes nothing for so long is gone.
SEND_SECONDS = 30.0
_ERRORS = re.compile(r"/imports/(\w{1,64})/errors\.csv", re.ASCII)
_TEMPLATE = "/imports/template.csv"
_JSON: Header = (b"content-type", b"application/json; charset=utf-8")
_CSV: Header = (b"content-type", b"text/csv; charset=utf-8; header=present")
_TYPES: dict[str, Header] = {"csv": _CSV, "ndjson": (b"content-type", b"application/x-ndjson; charset=utf-8")}
_FRESH: Header = (b"cache-control", b"no-store")
_READ = (Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE)

log = structlog.get_logger(__name__)


class Places:
    """The uploads that are under way in this process: so many, and so many of an account."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    @contextmanager
    def one(self, account: str) -> Iterator[None]:
        """Take a place; refuses with RATE_LIMITED and UNAVAILABLE."""
        if self.taken[account] >= ACCOUNT_UPLOADS_MAX:
            words = f"{ACCOUNT_UPLOADS_MAX} uploads of this account are under way. Try again when one is done."
            raise Fault("RATE_LIMITED", words, status=429, retryAfter=RETRY_SECONDS)
        if self.taken.total() >= UPLOADS_MAX:
            words = "There are too many uploads at the moment. Try again."
            raise Fault("UNAVAILABLE", words, status=503, retryAfter=RETRY_SECONDS)
        self.taken[account] += 1
        try:
            yield
        finally:
            self.taken[account] -= 1
            self.taken += Counter()  # without those of nobody


class Files:
    """These endpoints of one process."""

    def __init__(self, edge: Edge, imports: Imports) -> None:
        self._edge = edge
        self._imports = imports
        self.places = Places()

    @staticmethod
    def serves(path: str) -> bool:
        """Tell whether a path is one of these, or below."""
        return path == UPLOADS or path.startswith(PREFIX)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = by_name(scope["headers"])
        answer = _Answer(self._edge, headers, send, _method(scope["path"]))
        tally = self._edge.sight.begin(headers, answer.known)
        tally.kind, tally.name = "file", _name(scope["path"])
        try:
            if scope["method"] == "OPTIONS" and tally.name:
                await answer.whole(204, b"", (b"allow", answer.method + b", OPTIONS"))
            else:
                await self._answered(scope, headers, receive, answer)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the last line: nobody ever sees a traceback
            # Cancelled it is when the process stops, and waits no longer for whoever is slow.
            away = isinstance(error, asyncio.CancelledError)
            await answer.refused(unavailable() if away else faults.known(error, answer.known))
        tally.account = answer.actor.account if answer.actor else None
        self._note(tally, answer)

    async def _answered(self, scope: Connection, headers: Headers, receive: Receive, answer: "_Answer") -> None:
        if not self._edge.welcomes(headers):
            raise forbidden("Pages of this origin are not allowed here.")
        path, query = scope["path"], scope.get("query_string", b"")
        if _name(path) is None:
            raise Fault("NOT_FOUND", "There is nothing here.", status=404)
        if scope["method"] != answer.method.decode():
            words = "A file is sent by POST, and read by GET."
            raise Fault("METHOD_NOT_ALLOWED", words, status=405)
        actor = answer.actor = await self._edge.actor(headers)
        if path == UPLOADS:
            _need(actor, Scope.PEOPLE_MANAGE)
            await self._upload(headers, query, receive, answer)
            return
        _need(actor, *_READ)
        if path == _TEMPLATE:
            await self._template(actor, query, answer)
        else:
            await self._errors(actor, path, answer)

    async def _upload(self, headers: Headers, query: bytes, receive: Receive, answer: "_Answer") -> None:
        actor = answer.actor
        assert actor is not None  # noqa: S101 - by now somebody asks
        paid = max(1, uploads.megabytes(headers))
        self._edge.rates.take(actor.key, paid)
        body = uploads.opened(headers, query)
        with self.places.one(actor.account):
            async with aclosing(self._paid(uploads.pieces(receive, body), headers, paid)) as pieces:
                file = await self._imports.receive(actor, pieces, lambda: body.name)
        told = {"uploadId": file.id, "fileName": file.name, "size": file.size}
        await answer.whole(201, orjson.dumps(told), _JSON)

    async def _paid(self, pieces: AsyncIterator[bytes], headers: Headers, paid: int) -> AsyncGenerator[bytes, None]:
        """Yield the pieces, each paid for; in the end the key must still be good, for much may have happened since."""
        count = 0
        async for piece in pieces:
            count += 1
            if count > paid:
                self._edge.rates.take((await self._edge.actor(headers)).key, 1)
            yield piece
        await self._edge.actor(headers)

    async def _template(self, actor: Actor, query: bytes, answer: "_Answer") -> None:
        target = parse_qs(query.decode("latin-1")).get("target", [PERSON])[0].upper()
        if target not in (PERSON, COMPANY):
            raise Fault("BAD_REQUEST", "`target` is person or company.", status=400)
        self._edge.rates.take(actor.key, 1)
        text = await self._imports.template(actor.account, target)
        await answer.whole(200, text, _CSV, _attached(f"{target.lower()}-template.csv"))

    async def _errors(self, actor: Actor, path: str, answer: "_Answer") -> None:
        found = _ERRORS.fullmatch(path)
        one = await self._imports.get(actor.account, found[1]) if found else None
        if one is None:
            raise Fault("NOT_FOUND", "There is no such import.", status=404)
        self._edge.rates.take(actor.key, 1 + one.troubles // ROWS_A_UNIT)
        stem = one.file_name.rpartition(".")[0] or one.file_name
        async with aclosing(self._imports.error_file(one)) as parts:
            suffix = Report(one).suffix
            await answer.streamed(parts, _TYPES[suffix], _attached(f"{stem}-errors.{suffix}"))

    def _note(self, tally: Tally, answer: "_Answer") -> None:
        codes = (answer.code,) if answer.code else ()
        seconds = self._edge.sight.end(tally, answer.status, codes)
        ACCESS.note(
            request_id=tally.request_id,
            account=tally.account,
            operation=tally.name,
            kind=tally.kind,
            status=answer.status,
            codes=codes or None,
            ms=round(seconds * 1000, 2),
        )


class _Answer:
    """The answer to one request, as a whole or in parts; `actor` is who asks, once that is known."""

    def __init__(self, edge: Edge, headers: Headers, send: Send, method: bytes) -> None:
        self._edge = edge
        self._headers = headers
        self._send = send
        self.method = method
        self.known = request_id(headers)
        self.actor: Actor | None = None
        self.status = 0
        self.code: str | None = None

    async def _begin(self, status: int, *more: Header) -> None:
        self.status = status
        headers = [*more, (b"x-request-id", self.known.encode()), _FRESH, *standing(self._edge, self.actor)]
        headers += [*cors(self._edge, self._headers, self.method), *shield.DATA]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def whole(self, status: int, body: bytes, *more: Header) -> None:
        """Send an answer whose size is known."""
        await self._begin(status, *more, (b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.body", "body": body})

    async def streamed(self, parts: AsyncIterator[bytes], *more: Header) -> None:
        """Send parts as they come; whoever takes none of them for long is left alone."""
        # The first one before the status: what fails at once is told by it.
        first = await anext(parts)
        await self._begin(200, *more)
        await self._part(first)
        async for part in parts:
            await self._part(part)
        await self._send({"type": "http.response.body", "body": b""})

    async def _part(self, part: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def refused(self, fault: Fault) -> None:
        """Say what went wrong; an answer that has begun breaks off, so that nobody takes it for whole."""
        begun, self.code = self.status, fault.code
        if begun:
            log.warning("file_broken_off", request_id=self.known, code=fault.code)
            return
        more = [_JSON]
        if fault.status == 401:  # noqa: PLR2004
            more.append((b"www-authenticate", b"Bearer"))
        if (wait := fault.extra.get("retryAfter")) is not None:
            more.append((b"retry-after", b"%d" % wait))
        if fault.status == 405:  # noqa: PLR2004
            more.append((b"allow", self.method + b", OPTIONS"))
        await self.whole(max(fault.status, 400), orjson.dumps({"errors": [faults.entry(fault)]}), *more)


def _need(actor: Actor, *scopes: Scope) -> None:
    if not actor.may(*scopes):
        raise forbidden(f"This key has no scope {' or '.join(scopes)}.")


def _method(path: str) -> bytes:
    return b"POST" if path == UPLOADS else b"GET"


def _name(path: str) -> str | None:
    """Return the name under which a request is counted; None for what is not here."""
    if path == UPLOADS:
        return "upload"
    if path == _TEMPLATE:
        return "template"
    return "importErrors" if _ERRORS.fullmatch(path) else None


def _attached(name: str) -> Header:
    """Return the header by which a browser keeps a file under a name, whatever stands in it."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", name)
    return b"content-disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}".encode()
