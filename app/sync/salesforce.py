"""Salesforce over its REST API: what `Crm` promises, in the words of its objects, queries and collections."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from app.sync import salesforce_soql as soql
from app.sync.crm import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    EMAIL,
    INTEGER,
    OTHER,
    PHONE,
    PICKLIST,
    TEXT,
    URL,
    Away,
    Credentials,
    CrmChange,
    CrmDeleted,
    CrmError,
    CrmField,
    CrmInfo,
    CrmOutcome,
    CrmPage,
    CrmRecord,
    Denied,
    FieldGone,
    Mark,
)
from app.sync.guard import Resolve, resolve
from app.sync.salesforce_changes import Changes
from app.sync.salesforce_line import DATA, SALESFORCE_API, Line
from app.sync.salesforce_soql import readable
from app.sync.wire import PATIENT, Patience, Reply, cut

WRITTEN_AT_ONCE = 200
KINDS: Mapping[str, str] = {
    "string": TEXT,
    "textarea": TEXT,
    "combobox": TEXT,
    "email": EMAIL,
    "phone": PHONE,
    "url": URL,
    "picklist": PICKLIST,
    "int": INTEGER,
    "long": INTEGER,
    "double": DECIMAL,
    "currency": DECIMAL,
    "percent": DECIMAL,
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATE_TIME,
}
# Said of a record that can't be written because it isn't there.
_GONE = ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "MALFORMED_ID")


class Salesforce:
    """One Salesforce, asked as one application; fulfils `Crm`."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        loopback: bool,
        patience: Patience = PATIENT,
        resolve: Resolve = resolve,
    ) -> None:
        self._line = Line(credentials, loopback=loopback, patience=patience, resolve=resolve)
        self._changes = Changes(self._line, self.describe)

    async def close(self) -> None:
        """Let go of connections."""
        await self._line.close()

    async def check(self) -> CrmInfo:
        """Get a token, and see that the API is there and lets us in."""
        reply = await self._line.ask("GET", "/services/data/")
        with readable():
            versions = [float(one["version"]) for one in reply.body]
        if max(versions, default=0.0) < float(SALESFORCE_API[1:]):
            raise Denied(f"This Salesforce doesn't offer version {SALESFORCE_API} of its API.")
        # The versions are told to everybody, this isn't; contacts may be hidden from an application for leads alone.
        with suppress(FieldGone):
            await self.describe("Contact")
        return CrmInfo(SALESFORCE_API, await self._user())

    async def _user(self) -> str:
        """Return as whom Salesforce takes us, where we may know."""
        try:
            reply = await self._line.ask("GET", "/services/oauth2/userinfo")
        except Denied:
            return ""
        with readable():
            return str(reply.body.get("preferred_username") or "")

    async def describe(self, entity: str) -> list[CrmField]:
        """Return the fields of an object."""
        soql.named(entity)
        reply = await self._line.ask("GET", f"{DATA}/sobjects/{entity}/describe", entity)
        with readable():
            return [_field(one) for one in reply.body["fields"]]

    def changed(self, entity: str, fields: Sequence[str], since: Mark | None) -> AsyncIterator[CrmPage]:
        """Yield what changed since a mark. Deletions are told by whole minutes, each when it is over."""
        return self._changes.read(entity, fields, since)

    async def read(self, entity: str, fields: Sequence[str], ids: Sequence[str]) -> list[CrmRecord]:
        """Return those of the records that are there, in any order."""
        return await self._found(entity, fields, "Id", [one for one in ids if soql.is_id(one)])

    async def lost(self, entity: str, ids: Sequence[str]) -> list[CrmDeleted]:
        """Return each of some records that are not there, with what it was merged into as long as it is in the bin."""
        soql.named(entity)
        masters = await self._changes.masters(entity, [one for one in ids if soql.is_id(one)])
        return [CrmDeleted(one, masters.get(one)) for one in ids]

    async def find(self, entity: str, fields: Sequence[str], field: str, values: Sequence[str]) -> list[CrmRecord]:
        """Return the records that have one of some values in a field."""
        return await self._found(entity, fields, field, values)

    async def _found(self, entity: str, fields: Sequence[str], field: str, values: Sequence[str]) -> list[CrmRecord]:
        soql.named(entity, field)
        found: dict[str, CrmRecord] = {}
        for some in soql.lists(values):
            reply: Reply | None
            choice, reply = await self._changes.query(entity, fields, f"{field} IN {some}")
            while reply is not None:
                found |= {one.id: one for one in choice.records(reply)}
                reply = await self._changes.following(reply, entity)
        return list(found.values())

    async def leads(self, contacts: Sequence[CrmRecord]) -> Mapping[str, Sequence[CrmRecord]]:
        """Return the leads that became some contacts, by the contacts; only the leads say so."""
        found: dict[str, list[CrmRecord]] = {}
        # They may be hidden from an application for contacts alone.
        with suppress(FieldGone):
            for lead in await self._found("Lead", (), "ConvertedContactId", [one.id for one in contacts]):
                found.setdefault(lead.became or "", []).append(lead)
        return found

    async def write(self, entity: str, changes: Sequence[CrmChange]) -> list[CrmOutcome]:
        """Write changes, 200 a call: those of records first, which can be done again, then new records.

        New ones by an external id are upserted, which can be done again as well. Where a call fails behind one that
        made records it is Away with `maybe`: their ids are lost.
        """
        soql.named(entity, *{name for one in changes for name in one.fields})
        outcomes = [CrmOutcome("GONE", one.id) for one in changes]
        # Another id than one of Salesforce's would have the whole call refused.
        old = [place for place, one in enumerate(changes) if one.id is not None and soql.is_id(one.id)]
        new = [place for place, one in enumerate(changes) if one.id is None and one.by is None]
        named: dict[str, list[int]] = {}
        for place, one in enumerate(changes):
            if one.id is None and one.by is not None:
                named.setdefault(one.by, []).append(place)
        for some in chain(_parts(old), *map(_parts, named.values())):
            for place, told in zip(some, await self._written(entity, [changes[one] for one in some]), strict=True):
                outcomes[place] = told
        made = False
        for some in _parts(new):
            try:
                written = await self._written(entity, [changes[one] for one in some])
            except CrmError as error:
                if not made:
                    raise
                raise Away(error.message, maybe=True) from error
            made = True
            for place, told in zip(some, written, strict=True):
                outcomes[place] = told
        return outcomes

    async def _written(self, entity: str, changes: Sequence[CrmChange]) -> list[CrmOutcome]:
        """Write changes of one kind by one call: of records, of those that have an external id, or new ones."""
        by = changes[0].by
        new = changes[0].id is None and by is None
        records = [
            {**one.fields, "attributes": {"type": entity}, **({"id": one.id} if one.id else {})} for one in changes
        ]
        body = {"allOrNone": False, "records": records}
        method = "POST" if new else "PATCH"
        path = f"{DATA}/composite/sobjects" + (f"/{entity}/{by}" if by else "")
        reply = await self._line.ask(method, path, entity, json=body, safe=not new)
        try:
            with readable():
                told = [_outcome(one, answer) for one, answer in zip(changes, reply.body, strict=True)]
        except Away as error:
            raise Away(error.message, maybe=new) from error
        return told


def _parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(places), WRITTEN_AT_ONCE):
        yield places[first : first + WRITTEN_AT_ONCE]


def _outcome(change: CrmChange, answer: Mapping[str, Any]) -> CrmOutcome:
    if answer["success"]:
        return CrmOutcome("WRITTEN", str(answer.get("id") or change.id))
    errors = answer["errors"]
    message = cut("; ".join(str(one.get("message") or one.get("statusCode")) for one in errors))
    # With another field than the id it is what the record points to that isn't there.
    gone = any(one.get("statusCode") in _GONE and set(one.get("fields") or ()) <= {"Id", "id"} for one in errors)
    return CrmOutcome("GONE" if gone and change.id is not None else "REFUSED", change.id, message)


def _field(told: Mapping[str, Any]) -> CrmField:
    kind = KINDS.get(told["type"], OTHER)
    required = bool(told["createable"] and not told["nillable"] and not told["defaultedOnCreate"])
    bounded = kind in (TEXT, EMAIL, PHONE, URL, PICKLIST)
    options = told.get("picklistValues") or () if kind == PICKLIST else ()
    return CrmField(
        name=told["name"],
        label=told.get("label") or told["name"],
        type=told["type"],
        kind=kind,
        length=(told.get("length") or None) if bounded else None,
        createable=told["createable"] is True,
        updateable=told["updateable"] is True,
        external=told.get("externalId") is True,
        required=required,
        kept=required,
        options={str(one["value"]): str(one.get("label") or one["value"]) for one in options},
    )
