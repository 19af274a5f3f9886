"""Who keeps connections in step: each by one worker at a time, whichever process that is in.

What is due and held by nobody is found by a look every few seconds; a process that has just been asked looks at once.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from app.catalog.service import CatalogService
from app.companies.service import Companies
from app.core import chance, clock
from app.core.errors import Fault
from app.core.holding import held
from app.core.unexpected import unexpected
from app.mongo.engine import Document, Engine, Update
from app.persons.service import Persons
from app.sync import adapters
from app.sync.crm import Credentials, Crm, CrmError, CrmField, Limited
from app.sync.line import Line, Lost
from app.sync.model import DISCONNECTED, FAILING, IDLE, PAUSED, Connection
from app.sync.run import Run, Stopped
from app.sync.store import SYNCS, Lease, Store
from app.sync.vault import Vault

LOOK_SECONDS = 5.0
RENEW_SECONDS = 10.0
AT_ONCE = 4
IDLE_SECONDS, IDLE_SECONDS_MAX = 30.0, 300.0
BACKOFF_SECONDS, BACKOFF_SECONDS_MAX = 5.0, 600.0
OFFERED_SECONDS = 600.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Known:
    """The line to a CRM that is kept between passes, for its token, and what it offers."""

    credentials: Credentials
    crm: Crm
    offers: dict[str, tuple[datetime, Sequence[CrmField]]] = field(default_factory=dict)

    async def offer(self, entity: str) -> Sequence[CrmField]:
        """Return the fields of an entity, asked for every few minutes."""
        held = self.offers.get(entity)
        if held is None or clock.now() - held[0] > timedelta(seconds=OFFERED_SECONDS):
            held = self.offers[entity] = (clock.now(), await self.crm.describe(entity))
        return held[1]


class Worker:
    """The worker of one process."""

    def __init__(
        self,
        engine: Engine,
        *,
        catalog: CatalogService,
        persons: Persons,
        companies: Companies,
        vault: Vault,
        loopback: bool,
    ) -> None:
        self._engine = engine
        self._store = Store(engine)
        self._catalog = catalog
        self._persons = persons
        self._companies = companies
        self._vault = vault
        self._loopback = loopback
        self._known: dict[str, Known] = {}
        # How often each was put off by this process.
        self._tries: Counter[str] = Counter()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._asked = asyncio.Event()
        self._working: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Have what is due looked for at once."""
        self._asked.set()

    async def busy(self, connection_id: str) -> bool:
        """Wait for what is under way of a connection; tells whether there is more to do at once."""
        task = self._working.get(connection_id)
        if task is not None:
            await asyncio.wait({task})
        due = await self._store.due()
        await asyncio.sleep(0)
        return connection_id in self._working or any(one["_id"] == connection_id for one in due)

    async def run(self) -> None:
        """Look for what is due, for ever."""
        try:
            while True:
                with suppress(Fault):  # the database is away: looked again in a moment
                    await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._asked.wait()
                self._asked.clear()
        finally:
            working = list(self._working.values())
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            for known in self._known.values():
                await known.crm.close()
            self._known.clear()

    async def _look(self) -> None:
        for kept in await self._store.due():
            if kept["_id"] not in self._working:
                self._working[kept["_id"]] = task = asyncio.create_task(self._carry(kept))
                task.add_done_callback(partial(self._carried, kept["_id"]))

    def _carried(self, connection_id: str, task: "asyncio.Task[None]") -> None:
        """Look again: somebody may have asked for it while it came to its end; where it failed, not at once."""
        del self._working[connection_id]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._asked.set()
        elif isinstance(error, Exception) and not isinstance(error, Fault):
            unexpected(error, "a synchronization")

    async def _carry(self, kept: Document) -> None:
        async with self._turns:
            if kept["state"] == DISCONNECTED:
                await self._store.purge(kept)
                return
            taken = await self._store.take(kept["account"], kept["_id"])
            if taken is not None:
                await self._hold(*taken)

    async def _hold(self, one: Connection, lease: Lease) -> None:
        ended = False
        try:
            ended = await held(self._work(one, lease), partial(self._store.renew, lease), RENEW_SECONDS)
        finally:
            if not ended:
                await self._give_back(lease)

    async def _give_back(self, lease: Lease, seconds: float = 0.0) -> None:
        """Have whoever looks next go on, after a while."""
        with suppress(Fault):  # its lease will be over in half a minute
            await self._store.mine(lease, {"$set": {"due": clock.now() + timedelta(seconds=seconds)}})

    async def _work(self, one: Connection, lease: Lease) -> None:
        tries = self._tries.pop(one.id, 0)
        try:
            await self._pass(one, lease, tries)
        except Lost:
            log.info("sync_left", id=one.id)
            await self._give_back(lease)
        except Fault as fault:
            # The database is away, or a part was too much for it: whoever looks next goes on, with smaller ones.
            self._tries[one.id] = tries + 1
            log.warning("sync_put_off", id=one.id, code=fault.code)
            await self._give_back(lease, _backoff(tries))
        except Exception as error:  # noqa: BLE001 - a mistake of ours is told, and not met again every few seconds
            unexpected(error, "a synchronization")
            await self._fail(one, lease, "This went wrong here; it is tried again.")

    async def _pass(self, one: Connection, lease: Lease, tries: int) -> None:
        try:
            known = await self._line_of(one)
            rooms = self._store, self._catalog, self._persons, self._companies
            line = Line(self._engine, *rooms, one, lease, known.crm, tries=tries)
            run = Run(line, known.offer)
            await run.go()
        except Stopped:
            await self._end(one, lease, {"$set": {"state": PAUSED, "pause": False}, "$unset": {"due": ""}})
        except Limited as error:
            await self._fail(one, lease, error.message, error.seconds)
        except CrmError as error:
            await self._fail(one, lease, error.message)
        else:
            await self._well(one, lease, run, known)

    async def _line_of(self, one: Connection) -> Known:
        """Return the line to a CRM; raises Denied where its secret can't be read."""
        credentials = Credentials(one.base_url, one.client_id, self._vault.open(one.secret), one.token_url)
        known = self._known.get(one.id)
        if known is None or known.credentials != credentials:
            if known is not None:
                await known.crm.close()
            crm = adapters.opened(one.system, credentials, loopback=self._loopback)
            known = self._known[one.id] = Known(credentials, crm)
        return known

    async def _well(self, one: Connection, lease: Lease, run: Run, known: Known) -> None:
        await self._store.trim(one)
        if run.troubles:
            known.offers.clear()
            await self._fail(one, lease, " ".join(run.troubles), behind=run.behind)
            return
        quiet = 0 if run.busy else one.quiet + 1
        wait = min(IDLE_SECONDS_MAX, IDLE_SECONDS * 2 ** min(max(quiet - 1, 0), 10))
        now = clock.now()
        due, soon = now + timedelta(seconds=wait), now + timedelta(seconds=BACKOFF_SECONDS)
        soonest = await self._store.soonest(one)
        due = due if soonest is None else min(due, max(soonest, soon))
        ended = {"state": IDLE, "lastError": None, "failures": 0, "quiet": quiet, "due": due}
        await self._end(one, lease, {"$set": {**run.behind, **ended}})

    async def _fail(
        self, one: Connection, lease: Lease, why: str, seconds: float | None = None, *, behind: Document | None = None
    ) -> None:
        """End a pass that went wrong, and try again after a while: as long as the CRM says, else longer each time."""
        failures = one.failures + 1
        if seconds is None:
            seconds = _backoff(failures)
        due = clock.now() + timedelta(seconds=seconds)
        ended = {"state": FAILING, "lastError": why, "failures": failures, "due": due}
        log.warning("sync_failing", id=one.id, why=why)
        await self._end(one, lease, {"$set": {**(behind or {}), **ended}})

    async def _end(self, one: Connection, lease: Lease, change: Document) -> None:
        """End a pass; what somebody wanted meanwhile is done at once."""
        if not await self._store.mine(lease, {**change, "$inc": {"lease": 1}}):
            return
        ended = {"_id": one.id, "account": one.account, "state": {"$in": [IDLE, FAILING]}}
        paused: Document = {"$set": {"state": PAUSED, "pause": False}, "$unset": {"due": ""}}
        again: Document = {"$set": {"due": clock.now(), "again": False}}
        await self._engine.write(SYNCS, [Update({**ended, "pause": True}, paused)])
        if await self._engine.write(SYNCS, [Update({**ended, "again": True}, again)]):
            self.wake()


def _backoff(failures: int) -> float:
    """Return how many seconds to wait, by chance, behind so many failures in a row."""
    longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2.0 ** min(failures, 10))
    return longest / 2 + chance.part(longest / 2)
