"""GraphQL over HTTP: one POST, one answer; the key is looked at before the body is read.

Follows the GraphQL over HTTP draft: `application/graphql-response+json`, and 4xx for what never ran.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from app.core.actor import Actor
from app.core.errors import Fault, unavailable
from app.core.tally import Tally
from app.graph import faults
from app.graph.direct import Direct
from app.graph.operation import Answer, Operations, Rejected, Request, rejected
from app.web import graphiql, shield, sse
from app.web.accepted import accepted
from app.web.answers import STANDING, Header, Reply, cors, rendered, send_whole, standing
from app.web.asker import JSON_TYPE, Asker, asker
from app.web.body import Bodies
from app.web.edge import Edge, by_name, new_id
from app.web.log import ACCESS

BODY_BYTES_MAX = 15_728_640
VALUES_MAX = 500_000
TEXTS_MAX = 100_000
THREAD_BYTES = 1024 * 1024
# Stands for the answer of a request whose stream has begun.
_BEGUN = Answer(b"")


def _refuse(code: str, message: str, status: int) -> Rejected:
    return rejected(Fault(code, message, status=status))


class GraphQL:
    """The endpoint `/graphql` of one process, all but its websocket."""

    def __init__(self, edge: Edge, direct: Direct) -> None:
        self._edge = edge
        self._direct = direct

    def at_once(self, asked: Asker, body: bytes | bytearray, reply: Reply) -> bool | Coroutine[Any, Any, None]:
        """Begin to answer a POST that is here whole: True where it needs no task, else what its task is to run.

        False, and nothing done, where it isn't plain: that is the long way's.
        """
        if asked.digest is None or asked.stream or not (asked.welcome and asked.json):
            return False
        try:
            request = read_request(orjson.loads(body))
        except (Rejected, ValueError):
            return False
        known = asked.named or new_id()
        try:
            begun = self._begin(asked, request, known, reply)
        except Exception:  # noqa: BLE001 - whatever it is, the way with a task meets it again and tells it
            begun = False
        return begun or self._answered(asked, request, known, reply)

    def _begin(self, asked: Asker, request: Request, known: str, reply: Reply) -> bool:
        edge = self._edge
        if not self._direct.knows(request) or edge.sight.tracer is not None:
            return False
        actor = edge.access.known(asked.digest or b"")
        if actor is None:
            return False
        tally = edge.sight.plain(known)
        tally.account, tally.query = actor.account, request.query

        def then(answer: Answer) -> None:
            reply(*self._lines(answer, asked, known, actor), answer.body)
            self._end(tally, answer)

        return self._direct.begin(actor, request, known, tally, then)

    async def _answered(self, asked: Asker, request: Request, known: str, reply: Reply) -> None:
        """Answer a request that is here whole."""
        tally = self._edge.sight.begin(asked.headers, known)
        actor: Actor | None = None

        async def work() -> Answer:
            nonlocal actor
            actor = await self._admitted(asked)
            tally.account, tally.query = actor.account, request.query
            return await self._edge.operations.answer(actor, request, known)

        answer = await self._safely(work(), tally)
        reply(*self._lines(answer, asked, known, actor), answer.body)
        self._end(tally, answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = by_name(scope["headers"])
        method = scope["method"]
        if method == "POST":
            await self._post(scope, headers, receive, send)
        elif method in ("GET", "HEAD") and accepted(headers.get(b"accept")).page and self._edge.graphiql:
            await graphiql.page(scope, receive, send)
        elif method == "OPTIONS":
            more = [(b"allow", b"GET, POST, OPTIONS"), *cors(self._edge, headers), *shield.DATA]
            await send_whole(scope, send, 204, more, b"")
        else:
            refusal = _refuse("METHOD_NOT_ALLOWED", "GraphQL is served over POST.", 405)
            more = [(b"content-type", JSON_TYPE), (b"allow", b"POST"), *shield.DATA]
            await send_whole(scope, send, 405, more, Operations.refusal(refusal).body)

    async def _post(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        asked, actor, stream = asker(self._edge, headers), None, None
        known = asked.named or new_id()
        tally = self._edge.sight.begin(headers, known)

        async def work() -> Answer:
            nonlocal actor, stream
            actor = await self._admitted(asked)
            tally.account = actor.account
            if not asked.json:
                raise _refuse("UNSUPPORTED_MEDIA_TYPE", "Send JSON: `Content-Type: application/json`.", 415)
            request = await _read(self._edge.bodies, headers, receive, actor.key)
            tally.query = request.query
            if asked.stream:
                stream = await sse.begin(self._edge, actor, request, tally)
            return _BEGUN if stream else await self._edge.operations.answer(actor, request, known)

        answer = await self._safely(work(), tally)
        if stream is not None and actor is not None:
            more = [(b"x-request-id", known.encode()), *standing(self._edge, actor), *cors(self._edge, headers)]
            try:
                await sse.serve(self._edge, stream, receive, send, more)
            except Exception as error:  # noqa: BLE001 - told here; what has begun is closed by the server
                self._end(tally, Operations.refusal(rejected(faults.known(error, known))))
            else:
                _note(tally, 200, (), time.perf_counter() - tally.began)
            return
        status, more = self._head(answer, asked, known, actor)
        await send_whole(scope, send, status, more, answer.body)
        self._end(tally, answer)

    async def _safely(self, work: Coroutine[Any, Any, Answer], tally: Tally) -> Answer:
        """Return the answer of what is done, or of what became of it."""
        try:
            answer = await work
        except Rejected as refusal:
            answer = Operations.refusal(refusal)
        except asyncio.CancelledError:
            # The process stops, and waits no longer for a store that doesn't answer.
            answer = Operations.refusal(rejected(unavailable()))
        except Exception as error:  # noqa: BLE001 - the last line: nobody ever sees a traceback
            answer = Operations.refusal(rejected(faults.known(error, tally.request_id)))
        if answer.status == 429:  # noqa: PLR2004
            with suppress(asyncio.CancelledError):  # told at once, where the process stops
                await self._edge.hold(tally.account)
        return answer

    def _end(self, tally: Tally, answer: Answer) -> None:
        if answer.kind:
            tally.kind, tally.name, tally.cost = answer.kind, answer.name, answer.cost
        _note(tally, answer.status, answer.codes, self._edge.sight.end(tally, answer.status, answer.codes))

    async def _admitted(self, asked: Asker) -> Actor:
        if not asked.welcome:
            raise _refuse("FORBIDDEN", "Pages of this origin are not allowed here.", 403)
        known = self._edge.access.known(asked.digest) if asked.digest else None
        try:
            return known or await self._edge.actor(asked.headers)
        except Fault as fault:
            raise rejected(fault) from fault

    def _head(self, answer: Answer, asked: Asker, known: str, actor: Actor | None) -> tuple[int, list[Header]]:
        """Return the status and the headers of an answer, all but its size."""
        status, rare = _status(answer, asked)
        return status, [*asked.head, (b"x-request-id", known.encode()), *standing(self._edge, actor), *rare]

    def _lines(self, answer: Answer, asked: Asker, known: str, actor: Actor | None) -> tuple[int, bytes]:
        """Return the status and the headers of an answer as they are written, its size among them."""
        status, rare = _status(answer, asked)
        left = self._edge.rates.standing(actor.key) if actor is not None else None
        lines = b"%bx-request-id: %b\r\ncontent-length: %d\r\n" % (asked.lines, known.encode(), len(answer.body))
        return status, b"".join((lines, STANDING % left if left else b"", rendered(rare)))


def _status(answer: Answer, asked: Asker) -> tuple[int, list[Header]]:
    """Return the status of an answer, and the headers that most have not."""
    if answer.status == 200:  # noqa: PLR2004
        return 200, []
    # An older client that knows plain JSON alone reads errors of GraphQL from the body of a 200.
    old = asked.old and answer.status == 400 and answer.codes[:1] != ["BAD_REQUEST"]  # noqa: PLR2004
    rare = [(b"www-authenticate", b"Bearer")] if answer.status == 401 else []  # noqa: PLR2004
    if answer.retry_after is not None:
        rare.append((b"retry-after", str(answer.retry_after).encode()))
    return 200 if old else answer.status, rare


def _note(tally: Tally, status: int, codes: Sequence[str], seconds: float) -> None:
    ACCESS.note(
        request_id=tally.request_id,
        account=tally.account,
        operation=tally.name,
        kind=tally.kind or None,
        status=status,
        codes=codes or None,
        ms=round(seconds * 1000, 2),
    )


async def _read(bodies: Bodies, headers: Mapping[bytes, bytes], receive: Receive, key: str) -> Request:
    body = await bodies.whole(headers, receive, BODY_BYTES_MAX, key)
    # Counted where they stand, before anything is made of them; in fewer bytes there can't be so many.
    if len(body) > VALUES_MAX // 2 and _values(body) > VALUES_MAX and await asyncio.to_thread(_beyond, body):
        raise _refuse("PAYLOAD_TOO_LARGE", f"A request has at most {VALUES_MAX:,} values.", 413)
    try:
        given = await asyncio.to_thread(orjson.loads, body) if len(body) > THREAD_BYTES else orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refuse("BAD_REQUEST", f"The body is not JSON: {error}.", 400) from None
    return read_request(given)


def _values(body: bytes) -> int:
    """Count the values of JSON at least; an object or a list, for what it takes, as three."""
    return body.count(b",") + 2 * (body.count(b"{") + body.count(b"["))


def _beyond(body: bytes) -> bool:
    """Tell whether there are too many values, texts left out: a file in one of them has commas of its own.

    Exact as far as the body is JSON, which is as far as anything is made of it. Behind TEXTS_MAX texts what is in them
    counts as well.
    """
    parts = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 2 * TEXTS_MAX)
    return _values(b"".join(parts[::2])) > VALUES_MAX


def read_request(given: Any) -> Request:
    """Return the request of a parsed body; raises Rejected where it is none."""
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise _refuse(
            "BAD_REQUEST", 'A request is an object with a string `query`: {"query": "{ viewer { accountId } }"}.', 400
        )
    variables, name = given.get("variables"), given.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        raise _refuse("BAD_VARIABLES", "`variables` is an object.", 400)
    extensions = given.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise _refuse("BAD_REQUEST", "`extensions` is an object.", 400)
    if name is not None and not isinstance(name, str):
        raise _refuse("BAD_REQUEST", "`operationName` is a string.", 400)
    return Request(given["query"], variables, name)
