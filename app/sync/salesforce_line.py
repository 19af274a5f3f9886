"""The line to one Salesforce: its tokens, what its errors mean, and whether enough of a day's calls is left."""

import re
from typing import Any

import httpx

from app.sync.crm import Away, Credentials, CrmError, Denied, FieldGone, Limited
from app.sync.guard import Resolve, Unsafe, checked
from app.sync.wire import JSON_TYPES, Patience, Reply, Token, Wire, cut, said

SALESFORCE_API = "v62.0"
DATA = f"/services/data/{SALESFORCE_API}"
# By this name Salesforce tells our changes from those of others.
OPTIONS = {"Sforce-Call-Options": "client=customer-profiles"}
LIMIT_SECONDS = 3600.0
# The rest of a day's calls is left to others.
LEFT_MIN = 0.1
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_COLUMN = re.compile(r"No such column '([^']*)'.*", re.DOTALL)


class Line:
    """Calls of one Salesforce, each with a token; raises Away, Limited, Denied and FieldGone."""

    def __init__(self, credentials: Credentials, *, loopback: bool, patience: Patience, resolve: Resolve) -> None:
        self._credentials = credentials
        self._loopback = loopback
        self._wire = Wire(self._authorize, loopback=loopback, patience=patience, resolve=resolve)
        self._low = False

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def ask(  # noqa: PLR0913 - what a call is made of, by name
        self,
        method: str,
        path: str,
        entity: str = "",
        *,
        json: Any = None,
        safe: bool = True,
        accept: tuple[str, ...] = JSON_TYPES,
        bear: tuple[str, ...] = (),
    ) -> Reply:
        """Return an answer: a good one, or one with an error code that the caller can `bear`."""
        reply = await self._wire.call(method, path, json=json, headers=OPTIONS, safe=safe, accept=accept)
        if usage := _USAGE.search(reply.headers.get("sforce-limit-info", "")):
            used, total = int(usage[1]), int(usage[2])
            self._low = total - used < total * LEFT_MIN
        if httpx.codes.is_success(reply.status) or code(reply) in bear:
            return reply
        raise meaning(reply, entity)

    def spare(self) -> None:
        """See that the last answer left enough calls for the next part of a long work; raises Limited."""
        if self._low:
            raise Limited(f"Less than {LEFT_MIN:.0%} of Salesforce's calls of today are left.", LIMIT_SECONDS)

    async def _authorize(self) -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        url = self._credentials.base_url.rstrip("/") + "/services/oauth2/token"
        reply = await self._wire.send("POST", url, form=form)
        if reply.status in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Denied(said(reply.body))
        body = reply.body if isinstance(reply.body, dict) else {}
        value, base = body.get("access_token"), body.get("instance_url")
        if not (httpx.codes.is_success(reply.status) and isinstance(value, str) and isinstance(base, str)):
            raise Away(f"The CRM gives no token: {reply.status}.")
        try:
            checked(base, loopback=self._loopback)
        except Unsafe as error:
            raise Denied(f"The CRM sends us to an address that can't be called. {error}") from error
        return Token(value, base)


def code(reply: Reply) -> str:
    """Return the code of an error, in Salesforce's own words; empty where there is none."""
    first = reply.body[0] if isinstance(reply.body, list) and reply.body else None
    found = first.get("errorCode") if isinstance(first, dict) else None
    return found if isinstance(found, str) else ""


def missing(reply: Reply) -> str | None:
    """Return the column that a query asked for in vain, where the answer names one."""
    found = _COLUMN.search(_words(reply)) if code(reply) == "INVALID_FIELD" else None
    return found[1] if found else None


def meaning(reply: Reply, entity: str) -> CrmError:
    """Return the error that an answer means."""
    told, words = code(reply), _words(reply)
    # Before the column it repeats the query, which says nothing to whoever reads it.
    column = _COLUMN.search(words)
    message = cut(column[0] if column else words.rpartition("\n")[2] if told == "MALFORMED_QUERY" else words)
    if told == "REQUEST_LIMIT_EXCEEDED":
        return Limited(message, LIMIT_SECONDS)
    if told in ("INVALID_FIELD", "INVALID_TYPE") or (told == "NOT_FOUND" and entity):
        return FieldGone(message, entity)
    if reply.status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return Denied(message)
    return Away(f"The CRM answers {reply.status}: {message}")


def _words(reply: Reply) -> str:
    first = reply.body[0] if isinstance(reply.body, list) and reply.body else None
    words = first.get("message") if isinstance(first, dict) else None
    return words if isinstance(words, str) and words else said(reply.body)
