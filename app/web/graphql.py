"""GraphQL over HTTP: one POST, one answer; the key is looked at before the body is read.

Follows the GraphQL over HTTP draft: `application/graphql-response+json`, and 4xx for what never ran.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
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
from app.web.answers import Header, Reply, cors, send_whole, standing
from app.web.body import whole
from app.web.edge import Edge, request_id
from app.web.log import ACCESS

BODY_BYTES_MAX = 15_728_640
VALUES_MAX = 500_000
THREAD_BYTES = 1024 * 1024
RESPONSE_TYPE = b"application/graphql-response+json; charset=utf-8"
JSON_TYPE = b"application/json; charset=utf-8"
# Of every answer; the last for a client that knows plain JSON alone.
_FRESH = [(b"cache-control", b"no-store"), *shield.DATA]
_HEAD: list[Header] = [(b"content-type", RESPONSE_TYPE), *_FRESH]
_OLD: list[Header] = [(b"content-type", JSON_TYPE), *_FRESH]


def _refuse(code: str, message: str, status: int) -> Rejected:
    return rejected(Fault(code, message, status=status))


class GraphQL:
    """The endpoint `/graphql` of one process, all but its websocket."""

    def __init__(self, edge: Edge, direct: Direct) -> None:
        self._edge = edge
        self._direct = direct

    def at_once(self, scope: Scope, body: bytearray, reply: Reply) -> bool:
        """Begin to answer a POST that is here whole, without a task; False, and nothing done, where one is needed."""
        try:
            request = read_request(orjson.loads(body))
            return self._direct.knows(request) and self._begin(dict(scope["headers"]), request, reply)
        except Exception:  # noqa: BLE001 - whatever it is, the long way meets it again and tells it
            return False

    def _begin(self, headers: Mapping[bytes, bytes], request: Request, reply: Reply) -> bool:
        edge, actor, known = self._edge, self._edge.actor_at_hand(headers), request_id(headers)
        if actor is None or not edge.welcomes(headers) or edge.sight.tracer is not None:
            return False
        if b"text/event-stream" in headers.get(b"accept", b""):
            return False
        _check_type(headers)
        tally = edge.sight.plain(known)
        tally.account, tally.query = actor.account, request.query

        def then(answer: Answer) -> None:
            status, more = self._head(answer, headers, known, actor)
            reply(status, more, answer.body)
            self._end(tally, answer)

        return self._direct.begin(actor, request, known, tally, then)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        method = scope["method"]
        if method == "POST":
            await self._post(scope, headers, receive, send)
        elif method in ("GET", "HEAD") and b"text/html" in headers.get(b"accept", b"") and self._edge.graphiql:
            await graphiql.page(scope, receive, send)
        elif method == "OPTIONS":
            more = [(b"allow", b"GET, POST, OPTIONS"), *cors(self._edge, headers), *shield.DATA]
            await send_whole(scope, send, 204, more, b"")
        else:
            refusal = _refuse("METHOD_NOT_ALLOWED", "GraphQL is served over POST.", 405)
            more = [(b"content-type", JSON_TYPE), (b"allow", b"POST"), *shield.DATA]
            await send_whole(scope, send, 405, more, Operations.refusal(refusal).body)

    async def _post(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        actor, stream, request, known = None, None, None, request_id(headers)
        tally = self._edge.sight.begin(headers, known)
        try:
            actor = await self._admitted(headers)
            tally.account = actor.account
            _check_type(headers)
            request = await _read(headers, receive)
            tally.query = request.query
            if b"text/event-stream" in headers.get(b"accept", b""):
                stream = await sse.begin(self._edge, actor, request, tally)
                if stream is not None:
                    more = [(b"x-request-id", known.encode()), *standing(self._edge, actor), *cors(self._edge, headers)]
                    await sse.serve(self._edge, stream, receive, send, more)
                    _note(tally, 200, (), time.perf_counter() - tally.began)
                    return
            answer = await self._edge.operations.answer(actor, request, known)
        except Rejected as refusal:
            answer = Operations.refusal(refusal)
        except asyncio.CancelledError:
            if stream is not None:
                raise
            # The process stops, and waits no longer for a store that doesn't answer.
            answer = Operations.refusal(rejected(unavailable()))
        except Exception as error:  # noqa: BLE001 - the last line: nobody ever sees a traceback
            answer = Operations.refusal(rejected(faults.known(error, known)))
        if answer.status == 429:  # noqa: PLR2004
            request = None  # it may be large
            await self._edge.hold(tally.account)
        status, more = self._head(answer, headers, known, actor)
        await send_whole(scope, send, status, more, answer.body)
        self._end(tally, answer)

    def _end(self, tally: Tally, answer: Answer) -> None:
        if answer.kind:
            tally.kind, tally.name, tally.cost = answer.kind, answer.name, answer.cost
        _note(tally, answer.status, answer.codes, self._edge.sight.end(tally, answer.status, answer.codes))

    async def _admitted(self, headers: Mapping[bytes, bytes]) -> Actor:
        if not self._edge.welcomes(headers):
            raise _refuse("FORBIDDEN", "Pages of this origin are not allowed here.", 403)
        try:
            return await self._edge.actor(headers)
        except Fault as fault:
            raise rejected(fault) from fault

    def _head(
        self, answer: Answer, headers: Mapping[bytes, bytes], known: str, actor: Actor | None
    ) -> tuple[int, list[Header]]:
        """Return the status and the headers of an answer, all but its size."""
        accept = headers.get(b"accept", b"*/*")
        # An older client that knows plain JSON alone reads errors of GraphQL from the body of a 200.
        old = b"application/json" in accept and b"graphql-response+json" not in accept
        status = 200 if old and answer.status == 400 and answer.codes[:1] != ["BAD_REQUEST"] else answer.status  # noqa: PLR2004
        more = [*(_OLD if old else _HEAD), (b"x-request-id", known.encode()), *standing(self._edge, actor)]
        if answer.status == 401:  # noqa: PLR2004
            more.append((b"www-authenticate", b"Bearer"))
        if answer.retry_after is not None:
            more.append((b"retry-after", str(answer.retry_after).encode()))
        if b"origin" in headers:
            more += cors(self._edge, headers)
        return status, more


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


def _check_type(headers: Mapping[bytes, bytes]) -> None:
    kind, _, parameters = headers.get(b"content-type", b"").partition(b";")
    if kind.strip().lower() != b"application/json" or (b"charset" in parameters and b"utf-8" not in parameters.lower()):
        raise _refuse("UNSUPPORTED_MEDIA_TYPE", "Send JSON: `Content-Type: application/json`.", 415)


async def _read(headers: Mapping[bytes, bytes], receive: Receive) -> Request:
    body = await whole(headers, receive, BODY_BYTES_MAX)
    # Counted where they stand, before anything is made of them; in fewer bytes there can't be so many.
    if len(body) > VALUES_MAX // 2 and _values(body) > VALUES_MAX:
        raise _refuse("PAYLOAD_TOO_LARGE", f"A request has at most {VALUES_MAX:,} values.", 413)
    try:
        given = await asyncio.to_thread(orjson.loads, body) if len(body) > THREAD_BYTES else orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _refuse("BAD_REQUEST", "The body is not JSON.", 400) from None
    return read_request(given)


def _values(body: bytes) -> int:
    """Count the values of JSON at least; an object or a list, for what it takes, as three."""
    return body.count(b",") + 2 * (body.count(b"{") + body.count(b"["))


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
