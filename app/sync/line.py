"""What a pass of a connection works with: the rooms, the lease it holds, the CRM and what that offers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.catalog import values
from app.catalog.service import CatalogService
from app.changes.service import Changes
from app.companies.service import Companies
from app.core import clock
from app.mongo.engine import Document, Engine, Group
from app.persons.service import Persons
from app.sync.crm import Crm, CrmField
from app.sync.incoming import Source
from app.sync.mapping import ENTITIES, EntityMap
from app.sync.model import OPEN, RETRYING, Connection, Link, SyncIssue, link_id
from app.sync.slots import Slot, of_map
from app.sync.store import OUTWARD, Lease, Store, issue_about, settled, told
from app.sync.weigh import Trouble

# A failed record is tried again after one minute, two, four ...
RETRY_SECONDS = 60.0
RETRIES_MAX = 8


class Lost(Exception):  # noqa: N818 - read as what it says
    """Somebody else goes on with this connection, nobody needs to, or what a pass had read is so no more."""


@dataclass(slots=True)
class Line:
    """What a run works with: the rooms, the connection it holds, and what the CRM offers.

    `tries`: how often it was put off by a store that was away, or for which a part was too much.
    """

    engine: Engine
    store: Store
    catalog: CatalogService
    persons: Persons
    companies: Companies
    connection: Connection
    lease: Lease
    crm: Crm
    offers: Mapping[str, Sequence[CrmField]] = field(default_factory=dict)
    tries: int = 0

    @property
    def account(self) -> str:
        """The account of the connection."""
        return self.connection.account

    async def source(self, one: EntityMap) -> Source:
        """Return where the records of an entity come from; raises Refused for a field that is gone."""
        slots = of_map(one, self.offers[one.object], await self.catalog.of(self.account))
        company, lead, contact = ENTITIES[self.connection.system]
        names = {"contact": contact, "lead": lead, "company": company}
        return Source(self.connection.system, one.object, one.person_type, slots, self.connection.id, **names)

    def changes(self, one: EntityMap) -> Changes[Any]:
        """Return the path of the profiles of an entity."""
        return self.persons.changes if one.person_type else self.companies.changes

    async def profiles(self, one: EntityMap, ids: Sequence[str]) -> Mapping[str, Any]:
        """Return the profiles of an entity by their ids; merged ones are their survivors."""
        room = self.persons if one.person_type else self.companies
        return await room.get_all(self.account, ids)

    def link_id(self, entity: str, record: str) -> str:
        """Return the id of the link of a record."""
        return link_id(self.connection.id, entity, record)

    async def held(self, change: Document, groups: Sequence[Group] = ()) -> None:
        """Write with a change of the connection; raises Lost where somebody else has it, or somebody was erased."""
        if not await self.store.mine(self.lease, change, groups):
            raise Lost

    def issue(self, link: Link, what: str, trouble: Trouble, state: str) -> SyncIssue:
        """Return what is to be looked at of a record."""
        slot = trouble.slot
        return SyncIssue(
            issue_about(link, what),
            self.account,
            self.connection.id,
            link.entity,
            "" if link.wanted else link.record,
            trouble.message,
            clock.now(),
            link.profile,
            slot.field if slot else None,
            _shown(slot, trouble.theirs),
            _shown(slot, trouble.ours),
            state,
            slot.name if slot and what.startswith("!") else None,
        )

    def listed(
        self, link: Link, troubles: Sequence[Trouble], state: str = OPEN, *, stay: Collection[str] = ()
    ) -> tuple[Link, list[Any]]:
        """Return a link with what can't be written of it now; other issues of the kind are over, unless they `stay`."""
        issues = [self.issue(link, f"{OUTWARD}{one.slot.name if one.slot else ''}", one, state) for one in troubles]
        mine = [one.id for one in issues]
        over = [one for one in link.open if one.endswith(OUTWARD) and one not in (*mine, *stay)]
        rest = [one for one in link.open if one not in (*mine, *over)]
        return replace(link, open=[*rest, *mine]), [*(told(one) for one in issues), *settled(over)]


def _shown(slot: Slot | None, value: Any) -> Any:
    """Return a value as a client writes it: days as days."""
    return values.shown(slot.kind, value) if slot and isinstance(value, datetime) else value


def retry(tries: int) -> datetime | None:
    """Return when to try again what went wrong so often; None when it was often enough."""
    if tries > RETRIES_MAX:
        return None
    return clock.now() + timedelta(seconds=RETRY_SECONDS * 2 ** (tries - 1))


def standing(again: datetime | None) -> str:
    """Return the state of an issue that is tried again then, or not any more."""
    return OPEN if again is None else RETRYING


def beat() -> Document:
    """Return a change of a connection that says nothing but that it is held."""
    return {"$set": {"beat": clock.now()}}
