"""Who carries imports out: one at a time in a process, one of an account in all of them.

A message by the queue has it begin at once; what is due and held by nobody is found by a look every now and then, so
that neither a lost message nor a dead worker loses anything.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from app.catalog.service import CatalogService
from app.changes.service import Changes
from app.claims.service import Claims
from app.companies.service import Companies
from app.core import clock
from app.core.errors import Fault
from app.core.holding import held
from app.core.unexpected import unexpected
from app.imports.job import Lost, Run
from app.imports.model import COMPANY, FAILED, REVERTING, Import
from app.imports.store import Lease, Store
from app.imports.undo import Undo
from app.mongo.engine import Conflict, Engine
from app.persons.service import Persons

LOOK_SECONDS = 15.0
RENEW_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Worker:
    """The worker of one process; `busy` says how much others ask of it, from 0 to 1."""

    def __init__(
        self,
        engine: Engine,
        catalog: CatalogService,
        persons: Persons,
        companies: Companies,
        busy: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._engine = engine
        self._busy = busy
        self._store = Store(engine)
        self._catalog = catalog
        self._claims = Claims(engine)
        self._persons = persons
        self._companies = companies
        # How often each was put off by this process.
        self._tries: Counter[str] = Counter()
        self._asked: asyncio.Queue[tuple[str, str, asyncio.Future[None]]] = asyncio.Queue()

    async def run(self) -> None:
        """Work on what is asked for, and look for what is due, for ever."""
        old = True
        while True:
            with suppress(Fault):  # the database is away: looked again in a moment
                for kept in await self._store.due():
                    await self._carry(kept["account"], kept["_id"])
                if old:
                    await self._store.unsee()
                    old = False
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    account, import_id, done = await self._asked.get()
                try:
                    with suppress(Fault):
                        await self._carry(account, import_id)
                finally:
                    if not done.done():
                        done.set_result(None)

    async def asked(self, account: str, import_id: str) -> None:
        """Have an import worked on as soon as it is its turn, until it is done or put off."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.put_nowait((account, import_id, done))
        await done

    async def _carry(self, account: str, import_id: str) -> None:
        """Work on an import, unless somebody does, or works on another of the account."""
        taken = await self._store.take(account, import_id)
        if taken is not None:
            await self._hold(*taken)

    async def _hold(self, one: Import, lease: Lease) -> None:
        try:
            await held(self._work(one, lease), partial(self._store.renew, lease), RENEW_SECONDS)
        finally:
            with suppress(Fault, Conflict):  # its lease will be over in half a minute
                await self._store.let_go(lease)

    async def _work(self, one: Import, lease: Lease) -> None:
        changes: Changes[Any] = self._companies.changes if one.target == COMPANY else self._persons.changes
        tries = self._tries.pop(one.id, 0)
        try:
            if one.state == REVERTING:
                await Undo(self._engine, self._store, self._catalog, changes, tries).go(one, lease)
                return
            with tempfile.TemporaryDirectory(prefix="import-") as home:
                run = Run(
                    self._engine,
                    store=self._store,
                    catalog=self._catalog,
                    claims=self._claims,
                    changes=changes,
                    home=Path(home),
                    busy=self._busy,
                    tries=tries,
                )
                await run.go(one, lease)
        except Lost:
            log.info("import_left", id=one.id)
        except Fault as fault:
            # The database is away, or a unit was too much for it: whoever looks next goes on, in smaller ones.
            self._tries[one.id] = tries + 1
            log.warning("import_put_off", id=one.id, code=fault.code)
        except Exception as error:  # noqa: BLE001 - a mistake of ours is told, and not met again every few seconds
            unexpected(error, "an import")
            await self._store.end(lease, {"state": FAILED, "finishedAt": clock.now()})
