"""Dynamics 365 by the Dataverse Web API: change tracking inwards, batches of upserts outwards."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import httpx

from app.core import chance, clock
from app.sync import dynamics_columns as columns
from app.sync import dynamics_queries as queries
from app.sync.crm import (
    Away,
    Credentials,
    CrmChange,
    CrmDeleted,
    CrmField,
    CrmInfo,
    CrmOutcome,
    CrmPage,
    CrmRecord,
    Denied,
    Mark,
)
from app.sync.dynamics_answers import NOT_TRACKED, code, content, missing, outcome, parts, records
from app.sync.dynamics_batch import MULTIPART, Answered, Asked, written
from app.sync.dynamics_queries import API, SETS, is_id, known
from app.sync.dynamics_rows import MORE, selected
from app.sync.guard import Resolve, resolve
from app.sync.wire import PATIENT, Patience, Reply, Token, Wire, said

PAGE_RECORDS = 1000
WRITE_AT_ONCE = 100
# Without change tracking each pass starts so long before its mark: what is saved late has an older time.
LATE = timedelta(minutes=5)
# A token that is over may be answered with all there is, and not a word; how long one holds is the CRM's to set.
SURE = timedelta(days=1)

_NEXT, _DELTA = "@odata.nextLink", "@odata.deltaLink"
_PAGED = f'odata.maxpagesize={PAGE_RECORDS},odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
_TRACKED = f"odata.track-changes,{_PAGED}"
# How a link is refused that the CRM knows no more.
_FORGOTTEN = (
    httpx.codes.BAD_REQUEST,
    httpx.codes.NOT_FOUND,
    httpx.codes.GONE,
    httpx.codes.PRECONDITION_FAILED,
)


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass over changes: its first answer, when it began by the CRM's clock, and whether deletions stay untold."""

    reply: Reply
    tracked: bool
    began: int
    untold: bool


class Dynamics:
    """A CRM of Microsoft; `user` is as whom it takes us, known after a check."""

    def __init__(
        self, credentials: Credentials, *, loopback: bool, patience: Patience = PATIENT, resolve: Resolve = resolve
    ) -> None:
        self._credentials = credentials
        self._base = credentials.base_url.rstrip("/")
        self._wire = Wire(self._authorize, loopback=loopback, patience=patience, resolve=resolve)
        # Columns that aren't in this CRM: what belongs to sales isn't installed everywhere.
        self._lacking: set[tuple[str, str]] = set()
        self.user = ""

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def _authorize(self) -> Token:
        given = self._credentials
        if not given.token_url:
            raise Denied(
                "Dynamics 365 needs the address that gives tokens, such as "
                "https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token."
            )
        form = {
            "grant_type": "client_credentials",
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            "scope": f"{self._base}/.default",
        }
        reply = await self._wire.send("POST", given.token_url, form=form)
        body = reply.body if isinstance(reply.body, dict) else {}
        if reply.status != httpx.codes.OK or not body.get("access_token"):
            raise Denied(f"The CRM gives no token: {said(reply.body)}")
        return Token(str(body["access_token"]), self._base, _until(body.get("expires_in")))

    async def check(self) -> CrmInfo:
        """Get a token, and see that the API is there and lets us in."""
        who = content(await self._call("GET", f"{API}/WhoAmI"))
        version = content(await self._call("GET", f"{API}/RetrieveVersion()"))
        self.user = str(who.get("UserId", ""))
        return CrmInfo(str(version.get("Version", "")), self.user)

    async def describe(self, entity: str) -> list[CrmField]:
        """Return the fields of an entity, those of lookups under their own names."""
        known(entity)
        path = f"{API}/EntityDefinitions(LogicalName='{entity}')/Attributes"
        plain = content(await self._call("GET", path + columns.PLAIN), entity)
        special = await asyncio.gather(*(self._call("GET", path + query) for query in columns.SPECIAL))
        try:
            return columns.fields(plain["value"], [content(reply, entity)["value"] for reply in special])
        except (KeyError, TypeError, AttributeError) as error:
            raise Away("The CRM answers metadata that can't be read.") from error

    async def changed(self, entity: str, fields: Sequence[str], since: Mark | None) -> AsyncIterator[CrmPage]:
        """Yield what changed; a mark holds for the fields that it was made with."""
        known(entity, *fields)
        asked = _digest([*fields, *MORE[entity]])
        going = await self._resumed(entity, fields, since) if since and since.get("fields") == asked else None
        if going is None:
            going = await self._begun(entity, fields)
        mark: dict[str, Any] = {"fields": asked, "at" if going.tracked else "modified": going.began}
        page, link = content(going.reply, entity), None
        while _NEXT in page:
            link = queries.within(self._base, page[_NEXT], link)
            changed, gone = records(entity, fields, page)
            yield CrmPage(changed, gone, {**mark, "next": link, "untold": going.untold})
            page = content(await self._follow(link, tracked=going.tracked), entity)
        if going.tracked:
            mark["delta"] = queries.within(self._base, page.get(_DELTA))
        changed, gone = records(entity, fields, page)
        yield CrmPage(changed, gone, mark, going.untold)

    async def _begun(self, entity: str, fields: Sequence[str]) -> _Pass:
        """Begin with all that is there."""
        reply = await self._asked(entity, fields, "", _TRACKED)
        tracked = code(reply) != NOT_TRACKED
        if not tracked:
            reply = await self._asked(entity, fields, queries.modified(entity), _PAGED)
        return _Pass(reply, tracked, clock.millis(reply.date), untold=True)

    async def _resumed(self, entity: str, fields: Sequence[str], mark: Mark) -> _Pass | None:
        """Go on from a mark; None where the CRM knows it no more."""
        link, tracked = mark.get("next") or mark.get("delta"), "at" in mark
        if link is None:
            since = clock.moment(mark["modified"]) - LATE
            reply = await self._asked(entity, fields, queries.modified(entity, clock.text(since)), _PAGED)
            return _Pass(reply, tracked=False, began=clock.millis(reply.date), untold=True)
        reply = await self._follow(link, tracked=tracked)
        if reply.status in _FORGOTTEN and missing(reply) not in fields:
            return None
        if "next" in mark:
            return _Pass(reply, tracked, mark["at" if tracked else "modified"], mark["untold"])
        long_ago = reply.date - clock.moment(mark["at"]) > SURE
        return _Pass(reply, tracked, clock.millis(reply.date), untold=long_ago)

    async def read(self, entity: str, fields: Sequence[str], ids: Sequence[str]) -> list[CrmRecord]:
        """Return those of the records that are there; one that was merged into another is not."""
        known(entity, *fields)
        return await self._found(entity, fields, queries.by_id(entity, ids))

    async def lost(self, entity: str, ids: Sequence[str]) -> list[CrmDeleted]:
        """Return each of some records that are not there, with what it was merged into."""
        known(entity)
        pages = [page async for page in self._pages(entity, (), queries.by_id(entity, ids))]
        into = {one.id: one.into for page in pages for one in records(entity, (), page)[1]}
        return [CrmDeleted(one, into.get(one)) for one in ids]

    async def leads(self, contacts: Sequence[CrmRecord]) -> Mapping[str, Sequence[CrmRecord]]:
        """Return the leads that became some contacts, by the contacts, which say so."""
        ids = {one.id: one.came_from for one in contacts if one.came_from}
        # They may be hidden from an application for contacts alone.
        with suppress(Denied):
            there = {one.id: one for one in await self.read("lead", (), list(ids.values()))}
            return {contact: [there[lead]] for contact, lead in ids.items() if lead in there}
        return {}

    async def find(self, entity: str, fields: Sequence[str], field: str, values: Sequence[str]) -> list[CrmRecord]:
        """Return the records that have one of some values in a field of text; the CRM folds the case."""
        known(entity, field, *fields)
        return await self._found(entity, fields, queries.by_value(field, values))

    async def _found(self, entity: str, fields: Sequence[str], filters: Iterable[str]) -> list[CrmRecord]:
        found: dict[str, CrmRecord] = {}
        async for page in self._pages(entity, fields, filters):
            found.update((one.id, one) for one in records(entity, fields, page)[0])
        return list(found.values())

    async def _pages(self, entity: str, fields: Sequence[str], filters: Iterable[str]) -> AsyncIterator[dict[str, Any]]:
        for condition in filters:
            page, link = content(await self._asked(entity, fields, condition, _PAGED), entity), None
            yield page
            while _NEXT in page:
                link = queries.within(self._base, page[_NEXT], link)
                page = content(await self._follow(link, tracked=False), entity)
                yield page

    async def write(self, entity: str, changes: Sequence[CrmChange]) -> list[CrmOutcome]:
        """Write changes, a new record with its key as id; at most WRITE_AT_ONCE, or an error loses outcomes."""
        known(entity, *(name for change in changes for name in change.fields))
        outcomes: list[CrmOutcome] = []
        for start in range(0, len(changes), WRITE_AT_ONCE):
            outcomes += await self._written(entity, changes[start : start + WRITE_AT_ONCE])
        return outcomes

    async def _written(self, entity: str, changes: Sequence[CrmChange]) -> list[CrmOutcome]:
        root = f"{queries.root(self._base)}/{SETS[entity]}"
        asked = [_write(root, entity, change) for change in changes if is_id(change.id or change.key)]
        answers = iter(await self._batch(entity, asked) if asked else ())
        return [
            outcome(entity, change, next(answers)) if is_id(change.id or change.key) else _nowhere(change)
            for change in changes
        ]

    async def _batch(self, entity: str, asked: Sequence[Asked]) -> list[Answered]:
        """Send requests in one, each for itself; all are safe to be repeated, but an answer may be lost for good."""
        boundary = f"batch_{chance.uuid()}"
        kind = f'{MULTIPART}; boundary="{boundary}"'
        headers = {"Accept": "application/json", "Content-Type": kind, "Prefer": "odata.continue-on-error"}
        try:
            reply = await self._call("POST", f"{API}/$batch", content=written(boundary, asked), headers=headers)
            answers = parts(reply, entity)
        except Away as error:
            raise Away(error.message, maybe=True) from error
        if len(answers) != len(asked):
            raise Away("The CRM answers only a part of a batch.", maybe=True)
        return answers

    async def _asked(self, entity: str, fields: Sequence[str], options: str, prefer: str) -> Reply:
        """Ask for records; what we want to know beside the fields only where this CRM has it."""
        while True:
            more = [name for name in MORE[entity] if (entity, name) not in self._lacking]
            path = f"{API}/{SETS[entity]}?$select={selected(fields, more)}{options}"
            reply = await self._call("GET", path, headers={"Prefer": prefer})
            lacking = missing(reply)
            if lacking is None or lacking in fields or lacking not in more:
                return reply
            self._lacking.add((entity, lacking))

    async def _follow(self, link: str, *, tracked: bool) -> Reply:
        return await self._call("GET", link, headers={"Prefer": _TRACKED if tracked else _PAGED})

    async def _call(
        self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        given = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", **(headers or {})}
        return await self._wire.call(
            method, path, content=content, headers=given, accept=("application/json", MULTIPART)
        )


def _until(seconds: Any) -> float | None:
    try:
        return time.monotonic() + float(seconds)
    except (TypeError, ValueError):
        return None


def _digest(names: Sequence[str]) -> str:
    return blake2b(",".join(sorted(set(names))).encode(), digest_size=8).hexdigest()


def _write(root: str, entity: str, change: CrmChange) -> Asked:
    """Return the request for a change, whose answer brings the ETag; of a record that is there it makes no other."""
    held = {} if change.id is None else {"If-Match": change.etag or "*"}
    path = f"{root}({(change.id or change.key).lower()})?$select={entity}id"
    return Asked("PATCH", path, {"Prefer": "return=representation", **held}, dict(change.fields))


def _nowhere(change: CrmChange) -> CrmOutcome:
    if change.id is None:
        return CrmOutcome("REFUSED", message="Dynamics 365 takes only a GUID as the key of a new record.")
    return CrmOutcome("GONE", change.id, "This is no id of Dynamics 365.")
