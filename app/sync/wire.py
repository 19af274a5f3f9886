"""Calls of a CRM: guarded, bounded in time and size, tried again as long as it says, with a token of its own."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson
import stamina

from app.core import clock
from app.sync.crm import Away, CrmError, Denied, Limited
from app.sync.guard import Guarded, Resolve, Unsafe, name_of, resolve

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
# From asking to the last byte: an answer that drips is always just about to go on.
ANSWER_SECONDS = 120.0
CALLS_AT_ONCE = 4
ANSWER_BYTES_MAX = 32 * 1024 * 1024
MESSAGE_CHARACTERS = 500
# A token is renewed so long before it is over.
EARLY_SECONDS = 60.0
# Whoever wants to be left alone for longer is left alone by the whole connection.
WAIT_SECONDS = 60.0
RETRY_SECONDS_MAX = 86_400.0
JSON_TYPES = ("application/json",)
# Escapes of JSON: those of a character that takes two, half of one in a group, any other.
_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(u[dD][89a-fA-F]\w\w)|.)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and for how many seconds in all."""

    attempts: int
    seconds: float


PATIENT = Patience(8, 300.0)
# Somebody waits for the answer.
IMPATIENT = Patience(2, 20.0)


@dataclass(frozen=True, slots=True)
class Token:
    """What opens a CRM: `base` is where it is called with it, `until` by the monotonic clock, None: it doesn't say."""

    value: str
    base: str
    until: float | None = None

    def __repr__(self) -> str:
        return f"Token(base={self.base!r})"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is parsed JSON where it is some, None where there is none; `data` as it came.

    What it says stays out of its repr: it may be a token.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)
    body: Any = field(repr=False)

    @property
    def date(self) -> datetime:
        """The CRM's own time of it, in naive UTC; ours where it doesn't say."""
        return _date(self.headers)


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        return _utc(parsedate_to_datetime(headers.get("date", "")))
    except (ValueError, TypeError, OverflowError):
        return clock.now()


def _utc(moment: datetime) -> datetime:
    offset = moment.utcoffset()
    bare = moment.replace(tzinfo=None)
    return bare if offset is None else bare - offset


# A pass that fails says so once; each try of each call would fill a log.
stamina.instrumentation.set_on_retry_hooks(())


class _Again(Exception):  # noqa: N818
    """Nobody answered this try, or nothing of use; `seconds` until the next one, where the CRM says."""

    def __init__(self, error: CrmError, seconds: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.seconds = seconds


def _pause(error: Exception) -> bool | float:
    """Tell whether to try again, and after how many seconds where that was said."""
    if not isinstance(error, _Again):
        return False
    return True if error.seconds is None else error.seconds


class Wire:
    """The line to one CRM. `authorize` gets a new token by `send`, and raises Denied."""

    def __init__(
        self,
        authorize: Callable[[], Awaitable[Token]],
        *,
        loopback: bool,
        patience: Patience = PATIENT,
        resolve: Resolve = resolve,
    ) -> None:
        self._authorize = authorize
        self._patience = patience
        self._token: Token | None = None
        self._renewing = asyncio.Lock()
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)
        limits = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        transport = Guarded(loopback=loopback, resolve=resolve)
        # Nothing of the environment: a proxy would be asked instead of the address that was checked.
        self._http = httpx.AsyncClient(transport=transport, timeout=limits, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(  # noqa: PLR0913 - what a call is made of, by name
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
        accept: tuple[str, ...] = JSON_TYPES,
    ) -> Reply:
        """Call with a token; `path` from the token's base on, or a whole URL on the same host.

        What is not `safe` to be done twice is tried again only where nothing can have happened. Returns answers of any
        status but those that mean to wait or to come with another token: Away, Limited, Denied.
        """
        refused: str | None = None
        for _ in range(2):
            token = await self.token(refused)
            given = {**(headers or {}), "Authorization": f"Bearer {token.value}"}
            url = self.within(token, path)
            reply = await self.send(method, url, json=json, content=content, headers=given, safe=safe, accept=accept)
            if reply.status != httpx.codes.UNAUTHORIZED:
                return reply
            refused = token.value
        raise Denied(f"The CRM doesn't take our token: {said(reply.body)}")

    async def token(self, refused: str | None = None) -> Token:
        """Return a token that holds; a new one where the last one was `refused`."""
        async with self._renewing:
            held = self._token
            over = held is not None and held.until is not None and time.monotonic() > held.until - EARLY_SECONDS
            if held is None or over or held.value == refused:
                held = await self._authorized()
                if not (held.value.isascii() and held.value.isprintable()):
                    # It would be refused where it is sent, by an error that repeats it.
                    raise Away("The CRM gives a token that can't be sent.")
                self._token = held
            return held

    async def _authorized(self) -> Token:
        try:
            return await self._authorize()
        except CrmError as error:
            error.at_token = True
            raise

    @staticmethod
    def within(token: Token, path: str) -> str:
        """Return the URL of a path; one that was handed out stays on the host. Raises Away."""
        # Without a slash between, what was handed out could go on with the name of the host.
        if path.startswith("/"):
            return token.base.rstrip("/") + path
        base, url = httpx.URL(token.base), _known(path)
        if (url.scheme, name_of(url), url.port) != (base.scheme, name_of(base), base.port):
            raise Away("The CRM sends us to another host for the next page.")
        return path

    async def send(  # noqa: PLR0913 - see above
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
        accept: tuple[str, ...] = JSON_TYPES,
    ) -> Reply:
        """Call without a token, and try again as long as there is patience."""
        data = orjson.dumps(json) if json is not None else content
        given = {"Accept": ", ".join(accept), **({"Content-Type": "application/json"} if json is not None else {})}
        request = self._http.build_request(
            method, _known(url), content=data, data=dict(form) if form else None, headers={**given, **(headers or {})}
        )
        try:
            async for attempt in stamina.retry_context(
                on=_pause, attempts=self._patience.attempts, timeout=self._patience.seconds
            ):
                with attempt:
                    async with self._turns:
                        return await self._once(request, safe=safe, accept=accept)
        except _Again as last:
            raise last.error from None
        raise AssertionError

    async def _once(self, request: httpx.Request, *, safe: bool, accept: tuple[str, ...]) -> Reply:
        # A transport writes into the request: each try has one of its own.
        again = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.content, extensions=request.extensions
        )
        wait, bound = min(WAIT_SECONDS, self._patience.seconds), min(ANSWER_SECONDS, self._patience.seconds)
        try:
            async with asyncio.timeout(bound):
                answer = await self._http.send(again, stream=True)
                try:
                    data = await _read(answer, safe=safe)
                finally:
                    await answer.aclose()
        except Unsafe as error:
            denied = Denied(str(error))
            denied.unsafe = True
            raise denied from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _Again(Away(f"The CRM can't be reached: {type(error).__name__}.")) from error
        except (httpx.HTTPError, TimeoutError) as error:
            lost = Away(f"The CRM did not answer: {type(error).__name__}.", maybe=not safe)
            raise (_Again(lost) if safe else lost) from error
        return _understood(answer, data, safe=safe, accept=accept, patience=wait)


async def _read(answer: httpx.Response, *, safe: bool) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise Away(f"The CRM answers with more than {ANSWER_BYTES_MAX // 1024 // 1024} MB.", maybe=not safe)
        parts.append(part)
    return b"".join(parts)


def _understood(answer: httpx.Response, data: bytes, *, safe: bool, accept: tuple[str, ...], patience: float) -> Reply:
    """Return an answer that can be read; raises what to do with others. `patience` are the seconds to wait at most."""
    wait = _retry_after(answer)
    status = answer.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and wait is not None):
        # It says that it did nothing.
        message, seconds = f"The CRM asks to wait: {status}.", wait or 0.0
        if seconds > patience:
            raise Limited(message, seconds)
        raise _Again(Limited(message, max(seconds, WAIT_SECONDS)), wait)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        broken = Away(f"The CRM answers {status}.", maybe=not safe)
        raise _Again(broken) if safe else broken
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    body: Any = None
    if data and kind in JSON_TYPES:
        try:
            body = parsed(data)
        except orjson.JSONDecodeError as error:
            broken = Away("The CRM answers JSON that can't be read.", maybe=not safe)
            raise (_Again(broken) if safe else broken) from error
    elif data and kind not in accept and status < httpx.codes.BAD_REQUEST:
        broken = Away(f"The CRM answers {kind or 'something'} instead of JSON.", maybe=not safe)
        raise _Again(broken) if safe else broken
    return Reply(status, {name.lower(): value for name, value in answer.headers.items()}, data, body)


def parsed(data: bytes) -> Any:
    """Return what JSON says; raises JSONDecodeError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # A CRM that cuts a text in the middle of a character writes half of it: no reason to lose the whole page.
        return orjson.loads(_ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], data))


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, given as such or as a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(float(text), RETRY_SECONDS_MAX)
    try:
        # By the clock of whoever says so: ours may differ by minutes.
        seconds = (_utc(parsedate_to_datetime(text)) - _date(answer.headers)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), RETRY_SECONDS_MAX)


def _known(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Denied("This is not a URL.") from error


def said(body: Any) -> str:
    """Return what a CRM says of an error, whichever of its forms it has; cut, and without control characters."""
    one = body[0] if isinstance(body, list) and body else body
    if isinstance(one, dict):
        inner = one.get("error")
        one = (
            one.get("message")
            or one.get("error_description")
            or (inner.get("message") if isinstance(inner, dict) else inner)
        )
    return cut(str(one)) if one else "no reason given."


def cut(message: str) -> str:
    """Return a message of a CRM as it is kept and shown."""
    plain = "".join(char if char.isprintable() else " " for char in message)
    return plain[:MESSAGE_CHARACTERS]
