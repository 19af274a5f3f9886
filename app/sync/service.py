"""What can be done with CRMs: connect, map, start, pause, give up, look at what went wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from app.catalog.service import CatalogService
from app.claims.model import Locator
from app.companies.model import sought
from app.companies.service import Companies
from app.core import clock, text
from app.core.actor import Actor
from app.core.errors import Fault, Refusals, Refused
from app.core.pages import Page, Slice
from app.core.text import caseless
from app.imports.fields import CUSTOM
from app.mongo.engine import Document, Engine
from app.persons.service import Persons
from app.sync import adapters, guard, mapping, ruling
from app.sync.crm import DYNAMICS, Credentials, Crm, CrmError, CrmField, Denied
from app.sync.mapping import ENTITIES, Wanted
from app.sync.model import (
    DISCONNECTED,
    FAILING,
    IDLE,
    PAUSED,
    PROFILE,
    RESOLVED,
    RETRYING,
    RUNNING,
    Connection,
    SyncIssue,
    link_id,
)
from app.sync.store import CONNECTIONS_MAX, ISSUES, KEPT_DAYS, LINKS, Lease, Store, forgotten, new_id, put, settled
from app.sync.vault import Vault
from app.sync.wire import IMPATIENT

NAME_MAX = 255
URL_MAX = 2083
CREDENTIAL_MAX = 4096
TRIES = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """A CRM as it is to be connected."""

    system: str
    name: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class CrmObject:
    """An entity that can be mapped, with its fields."""

    name: str
    target: str
    person_type: str | None
    fields: Sequence[CrmField]


class Syncs:
    """The connections of all accounts. `own` tells whether the secret of the service was given."""

    def __init__(  # noqa: PLR0913 - what it stands on, by name
        self,
        engine: Engine,
        catalog: CatalogService,
        *,
        persons: Persons,
        companies: Companies,
        vault: Vault,
        loopback: bool,
        own: bool,
    ) -> None:
        self._catalog = catalog
        self._persons = persons
        self._companies = companies
        self._vault = vault
        self._loopback = loopback
        self._own = own
        # Tells the worker of this process that there is something to do.
        self.wake: Callable[[], None] = lambda: None
        self.store = Store(engine)

    # ------------------------------------------------------------ reading

    async def all_of(self, account: str) -> list[Connection]:
        """Return the connections of an account, oldest first."""
        return await self.store.all_of(account)

    async def get(self, account: str, connection_id: str) -> Connection | None:
        """Return a connection."""
        return await self.store.get(account, connection_id)

    async def issues(self, one: Connection, part: Slice) -> Page[SyncIssue]:
        """Return a part of the issues of a connection, newest first."""
        return await self.store.issues(one, part)

    async def refuse_used(self, account: str, target: str, name: str) -> None:
        """Refuse IN_USE for an attribute that a connection brings somewhere: its next run would fail by that."""
        field = caseless(f"{CUSTOM}{name}")
        for one in await self.store.all_of(account):
            maps = [each for each in one.maps if each.target == target]
            fields = [caseless(each.field) for kept in maps for each in kept.fields]
            if one.state != DISCONNECTED and field in fields:
                words = f"{one.name} synchronizes this attribute: take it out of the mapping first."
                raise Refused("IN_USE", words, ("name",))

    async def objects(self, account: str, connection_id: str) -> list[CrmObject]:
        """Return what a CRM offers to map, asked of it now: nothing where there is no such connection.

        Raises CRM_UNREACHABLE with the CRM's words.
        """
        one = await self.store.get(account, connection_id)
        if one is None or one.state == DISCONNECTED:
            return []
        entities = ENTITIES[one.system]
        try:
            offered = await self._offered(one, list(entities))
        except CrmError as error:
            raise Fault("CRM_UNREACHABLE", error.message, status=502) from error
        return [CrmObject(name, *entities[name], offered[name]) for name in entities]

    async def _offered(self, one: Connection, entities: Sequence[str]) -> dict[str, Sequence[CrmField]]:
        crm = self._opened(one.system, self._credentials(one))
        try:
            return {name: await crm.describe(name) for name in entities}
        finally:
            await crm.close()

    def _credentials(self, one: Connection) -> Credentials:
        return Credentials(one.base_url, one.client_id, self._vault.open(one.secret), one.token_url)

    def _opened(self, system: str, credentials: Credentials) -> Crm:
        return adapters.opened(system, credentials, loopback=self._loopback, patience=IMPATIENT)

    # ------------------------------------------------------------ connecting

    async def connect(self, actor: Actor, given: Given) -> Connection:
        """Connect a CRM that lets us in; the same one again gets other credentials, and keeps all else.

        Refuses INVALID, TOO_LONG, TOO_MANY, and CRM_UNREACHABLE with the CRM's own words.
        """
        given = self._checked(given)
        await self._let_in(given)
        if not self._own:
            log.warning("crm_secret_beside_its_key", advice="Set PROFILES_SECRET: the database keeps both now.")
        sealed = self._vault.seal(given.credentials.client_secret)
        mine = await self.store.all_of(actor.account)
        place = (given.system, given.credentials.base_url)
        known = next((one for one in mine if (one.system, one.base_url) == place), None)
        if known is not None:
            return await self._again(known, given, sealed)
        if len(mine) >= CONNECTIONS_MAX:
            raise Refused("TOO_MANY", f"An account has at most {CONNECTIONS_MAX} connections.", ("name",))
        kept: Document = {
            "_id": new_id(),
            "account": actor.account,
            "system": given.system,
            **_said(given, sealed),
            "base": given.credentials.base_url,
            "state": IDLE,
            "lease": 0,
        }
        await self.store.create(kept)
        return await self._known(actor, kept["_id"], but=())

    def _checked(self, given: Given) -> Given:
        try:
            name = text.short_line(NAME_MAX)(given.name.strip())
        except Refused as refused:
            raise refused.under("name") from refused
        if not name:
            raise Refused("REQUIRED", "A connection has a name.", ("name",))
        one = given.credentials
        for value, field in ((one.client_id, "clientId"), (one.client_secret, "clientSecret")):
            if not value.strip():
                raise Refused("REQUIRED", "The CRM gives it to whoever may connect.", (field,))
            if len(value) > CREDENTIAL_MAX:
                raise Refused("TOO_LONG", f"This has at most {CREDENTIAL_MAX} characters.", (field,))
        if given.system == DYNAMICS and not one.token_url:
            raise Refused("REQUIRED", "Dynamics 365 gives tokens at an address of your directory.", ("tokenUrl",))
        urls = [("baseUrl", one.base_url), *([("tokenUrl", one.token_url)] if one.token_url else [])]
        normal = {field: self._guarded(url, field) for field, url in urls}
        base, token = normal["baseUrl"].rstrip("/"), normal.get("tokenUrl")
        return replace(given, name=name, credentials=replace(one, base_url=base, token_url=token))

    def _guarded(self, url: str, field: str) -> str:
        """Return an address as it is compared: scheme and host in lower case, the usual port left out."""
        if len(url) > URL_MAX:
            raise Refused("TOO_LONG", f"An address has at most {URL_MAX} characters.", (field,))
        try:
            return str(guard.checked(url.strip(), loopback=self._loopback).copy_with(query=None, fragment=None))
        except guard.Unsafe as error:
            raise Refused("INVALID", str(error), (field,)) from error

    async def _let_in(self, given: Given) -> None:
        crm = self._opened(given.system, given.credentials)
        try:
            await crm.check()
        except CrmError as error:
            raise Refused("CRM_UNREACHABLE", error.message, (_field_of(error, given),)) from error
        finally:
            await crm.close()

    async def _again(self, one: Connection, given: Given, sealed: bytes) -> Connection:
        change: dict[str, Any] = {**_said(given, sealed), "lastError": None, "failures": 0, "pause": False}
        if one.state == DISCONNECTED:
            change |= {"state": IDLE, "due": None}
        elif one.state in (FAILING, RUNNING):
            change |= {"state": IDLE, "due": clock.now()}
        return await self._changed(one, {"$set": change, "$inc": {"lease": 1}})

    async def disconnect(self, actor: Actor, connection_id: str) -> Connection:
        """Give a connection up: its secret goes at once; mapping, links and marks stay for KEPT_DAYS."""
        one = await self._known(actor, connection_id, but=())
        if one.state == DISCONNECTED:
            return one
        until = clock.now() + timedelta(days=KEPT_DAYS)
        change = {"state": DISCONNECTED, "due": until, "secret": b"", "pause": False, "again": False}
        return await self._changed(one, {"$set": change, "$inc": {"lease": 1}})

    # ------------------------------------------------------------ mapping and running

    async def save(self, actor: Actor, connection_id: str, wanted: Sequence[Wanted]) -> Connection:
        """Save a mapping; what it says anew is compared from the beginning. Refuses all that can't be."""
        one = await self._known(actor, connection_id)
        names = [each.object for each in wanted if each.object in ENTITIES[one.system]]
        try:
            offered = await self._offered(one, list(dict.fromkeys(names)))
        except CrmError as error:
            raise Refused("CRM_UNREACHABLE", error.message, ("connectionId",)) from error
        maps = mapping.checked(one.system, wanted, offered, await self._catalog.fresh(actor.account))
        anew = {mark: none for each in mapping.anew(one.maps, maps) for mark, none in forgotten(each.object).items()}
        change: Document = {"$set": {"maps": mapping.shown(maps)}, "$inc": {"lease": 1}}
        if anew:
            change["$unset"] = anew
        if one.state == RUNNING:
            change["$set"] |= {"due": clock.now()}
        now = await self._changed(one, change)
        await self.store.unmap(now, ENTITIES[one.system].keys() - {each.object for each in maps})
        return now

    async def start(self, actor: Actor, connection_id: str, *, full: bool) -> Connection:
        """Have a connection run now, and from then on by itself; `full` compares everything anew."""
        one = await self._known(actor, connection_id)
        if not one.maps:
            raise Refused("WRONG_STATE", "Map fields first: nothing would be done.", ("connectionId",))
        change: Document = {"$set": {"pause": False}}
        if full:
            change["$unset"] = {"marks": ""}
            change["$inc"] = {"lease": 1}
        if one.state == RUNNING and not full:
            change["$set"]["again"] = True
        elif one.state == RUNNING:
            change["$set"] |= {"due": clock.now(), "state": IDLE}
        else:
            change["$set"] |= {"due": clock.now(), "state": IDLE, "failures": 0, "quiet": 0}
        return await self._changed(one, change)

    async def pause(self, actor: Actor, connection_id: str) -> Connection:
        """Have a connection rest until it is started again; one that runs stops behind the page at hand."""
        one = await self._known(actor, connection_id)
        if one.state == PAUSED:
            return one
        if one.state == RUNNING:
            return await self._changed(one, {"$set": {"pause": True, "again": False}})
        return await self._changed(one, {"$set": {"state": PAUSED}, "$unset": {"due": ""}})

    # ------------------------------------------------------------ issues

    async def resolve(self, actor: Actor, issue_id: str, keep: str | None) -> SyncIssue:
        """Have a record tried again; with `keep` the value of that side is written to both. The issue goes.

        Refuses NOT_FOUND, INVALID where it is no conflict, and what a change of the profile is refused with.
        """
        for _ in range(TRIES):
            issue = await self.store.issue(actor.account, issue_id)
            one = await self.store.get(actor.account, issue.connection) if issue else None
            if issue is None or one is None:
                raise Refused("NOT_FOUND", "There is no such issue.", ("id",))
            if keep is not None and issue.slot is None:
                raise Refused("INVALID", "Only of a conflict one side can be kept.", ("keep",))
            if (resolved := await self._resolved(actor, one, issue, keep)) is not None:
                self.wake()
                return resolved
        raise Refused("WRONG_STATE", "The connection has just gone on: look again.", ("id",))

    async def _resolved(self, actor: Actor, one: Connection, issue: SyncIssue, keep: str | None) -> SyncIssue | None:
        """Write what was ruled; None where somebody else went on with the connection meanwhile."""
        lease = Lease(one.id, one.account, one.lease)
        # Whoever works on it writes nothing any more: what was read before is not to have the last word.
        if not await self.store.mine(lease, {"$inc": {"lease": 1}}):
            return None
        lease = replace(lease, number=lease.number + 1)
        try:
            if keep is not None:
                await self._write(actor, issue, keep)
        except (Refused, Refusals):
            await self.store.mine(lease, ruling.soon(one))
            raise
        links = await self.store.links(actor.account, [link_id(one.id, issue.object, ruling.record(issue))])
        link = next(iter(links.values()), None)
        writes = [] if link is None else [put(ruling.again(link, issue, keep))]
        groups = [(LINKS, writes), (ISSUES, settled([issue.id]))]
        if not await self.store.mine(lease, ruling.soon(one), groups):
            return None
        return replace(issue, state=RETRYING if link is not None else RESOLVED)

    async def _write(self, actor: Actor, issue: SyncIssue, keep: str) -> None:
        """Give a profile the value of the side that is kept; the CRM gets it by the next pass."""
        value, other = issue.crm_value, issue.profile_value
        if keep == PROFILE:
            value, other = other, value
        if issue.person_id is not None:
            wish = ruling.person(issue.field or "", value, other)
            await self._persons.update(actor, Locator("id", issue.person_id), wish)
        elif issue.company_id is not None:
            by = sought("id", issue.company_id)
            await self._companies.update(actor, by, ruling.company(issue.field or "", value))

    # ------------------------------------------------------------ together

    async def _known(self, actor: Actor, connection_id: str, *, but: Sequence[str] = (DISCONNECTED,)) -> Connection:
        one = await self.store.get(actor.account, connection_id)
        if one is None:
            raise Refused("NOT_FOUND", "There is no such connection.", ("connectionId",))
        if one.state in but:
            raise Refused("WRONG_STATE", "This connection was given up: connect again.", ("connectionId",))
        return one

    async def _changed(self, one: Connection, change: Document) -> Connection:
        """Change a connection as it was read; refuses WRONG_STATE where it went on meanwhile."""
        if not await self.store.change(one, change):
            raise Refused("WRONG_STATE", "The connection has just gone on: look again.", ("connectionId",))
        self.wake()
        now = await self.store.get(one.account, one.id)
        if now is None:
            raise Refused("NOT_FOUND", "There is no such connection.", ("connectionId",))
        return now


def _said(given: Given, sealed: bytes) -> Document:
    one = given.credentials
    return {"name": given.name, "tokenUrl": one.token_url, "client": one.client_id, "secret": sealed}


def _field_of(error: CrmError, given: Given) -> str:
    """Return the field of an input that an error is about."""
    refused = isinstance(error, Denied) and not error.unsafe
    if error.at_token:
        return "clientSecret" if refused else "tokenUrl" if given.credentials.token_url else "baseUrl"
    # Let in, and not allowed what is needed: that is said of the application.
    return "clientId" if refused else "baseUrl"
