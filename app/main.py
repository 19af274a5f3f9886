"""The composition root: settings, then the store, then the services, then the edges. Nothing imports it but the CLI."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

from app.access.broker import Broker
from app.access.buckets import Local
from app.access.rate import Rates
from app.access.service import Access
from app.access.shared import Memory
from app.catalog.service import CatalogService
from app.changes.spreading import Spreading
from app.claims.service import Claims
from app.companies.service import Companies
from app.core.errors import Fault
from app.core.pages import Signer
from app.core.unexpected import unexpected
from app.graph.direct import Direct
from app.graph.operation import Operations
from app.graph.schema import executable
from app.graph.services import Services
from app.identity.duplicates import Duplicates
from app.identity.mobile import Installations
from app.identity.service import Merges
from app.identity.tokens import Tokens
from app.imports import sheets
from app.imports.queue import Queue
from app.imports.service import Imports
from app.imports.worker import Worker
from app.intake.contacts import Channels
from app.intake.form_store import FormStore
from app.intake.submissions import Forms
from app.intake.visitors import Visitors
from app.live.feed import Feed
from app.live.hub import Hub
from app.mongo.counted import Calls, Counted
from app.mongo.door import Store
from app.mongo.engine import Engine
from app.persons.batch import Batches
from app.persons.service import Persons
from app.persons.track import Tracking
from app.settings import Settings
from app.stores import open_settings_store
from app.sync.service import Syncs
from app.sync.vault import Vault
from app.sync.worker import Worker as SyncWorker
from app.timeline.service import Timeline
from app.web import figures
from app.web.app import App
from app.web.edge import Edge
from app.web.figures import LoopLag
from app.web.files import Files
from app.web.ingest import Ingest
from app.web.metrics import Metrics
from app.web.siblings import Siblings
from app.web.sight import Sight, Tracer
from app.web.socket import send_away
from app.web.traces import tracer_of

# The small collections that are kept in memory, and whose changes come with the feed.
WATCHED = ("apiKeys", "tags", "attributes", "eventTypes")
RECHECK_SECONDS = 2.0
# What failed begins anew so much later; what fails again and again, twice as late each time, up to the second.
AGAIN_SECONDS, AGAIN_SECONDS_MAX = 1.0, 30.0
# Which of the tables in a team's memory counts what keys ask, and which what is said of each visitor.
RATES, CROWDS = range(2)
AWAY_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Team:
    """What the workers of one command have in common: the memory of rates, and a way to each other's metrics."""

    memory: Memory
    siblings: Siblings


class Background:
    """What runs beside everything else in a process: nothing of it ends before it is done, and nothing in silence."""

    def __init__(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._pause = pause
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something run; where it fails, that is logged, and it begins anew after AGAIN_SECONDS or more."""
        task = asyncio.create_task(self._carry(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        clock, wait = asyncio.get_running_loop().time, AGAIN_SECONDS
        while True:
            began = clock()
            try:
                await work()
            except Fault as fault:
                log.warning("background_work_failed", code=fault.code)
            except Exception as error:  # noqa: BLE001 - whatever it was, the process is to go on with it
                unexpected(error, "background work")
            else:
                return
            wait = AGAIN_SECONDS if clock() - began >= AGAIN_SECONDS_MAX else wait
            await self._pause(wait)
            wait = min(wait * 2, AGAIN_SECONDS_MAX)

    def sweep(self, services: Services) -> None:
        """Have cleared what is deleted, and ended what is over."""
        self.start(services.catalog.sweeps.run)
        self.start(services.visitors.sweep.run)

    async def work(self, queue: Queue, worker: Worker) -> None:
        """Have the worker work on what it finds, and on what comes by the queue."""
        await queue.begin(worker.asked)
        self.start(worker.run)
        self.start(queue.receive)

    async def follow(self, syncs: Syncs, worker: SyncWorker) -> None:
        """Have the worker keep CRMs in step."""
        syncs.wake = worker.wake
        self.start(worker.run)

    async def end(self, queue: Queue) -> None:
        """Stop all of it; what the worker has under way is given back."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        sheets.end_all()
        await queue.end()


@dataclass(slots=True)
class Service:
    """One process of the service, opened; `close` lets go of everything in the order of use."""

    store: Store
    services: Services
    feed: Feed
    hub: Hub
    edge: Edge
    app: App
    queue: Queue
    worker: Worker
    syncing: SyncWorker
    lag: LoopLag = field(default_factory=LoopLag)
    _background: Background = field(default_factory=Background)

    @classmethod
    async def open(cls, settings: Settings, team: Team | None = None) -> Self:
        """Open the store and put everything on it, for one of a team; raises StartError, or UNAVAILABLE."""
        store = await open_settings_store(settings)
        try:
            service = cls.on(store, settings, team, tracer_of(os.environ))
            await service.begin(settings)
        except BaseException:
            await store.close()
            raise
        return service

    @classmethod
    def on(cls, store: Store, settings: Settings, team: Team | None = None, tracer: Tracer | None = None) -> Self:
        """Put the services and edges on an open store; `begin` comes next."""
        engine = Counted(store.engine)
        feed = Feed(engine, WATCHED)
        hub = Hub(feed, engine)
        secret = settings.secret.get_secret_value() if settings.secret else None
        access = Access(engine, secret=secret, trusted=lambda: feed.healthy)
        queue = Queue(settings.broker_url, settings.mongo_database)
        vault = Vault(lambda: access.secret)
        services = _services(engine, access, queue, vault, settings)
        rates = Rates(settings.rate_limit, buckets=team.memory.table(RATES) if team else Local)
        operations = Operations(
            executable(), services, hub, introspection=settings.introspection == "keys", take=rates.take
        )
        metrics = Metrics()
        sight = Sight(metrics, slow_ms=settings.slow_ms, tracer=tracer)
        edge = Edge(access, operations, metrics, sight, rates, settings.allowed_origins, graphiql=settings.graphiql)
        if team:
            edge.siblings = team.siblings
            metrics.name(team.siblings.number)
        buckets = team.memory.table(CROWDS) if team else Local
        ingest = Ingest(edge, services.catalog, services.visitors, buckets)
        busy = operations.load.busy
        worker = Worker(engine, services.catalog, services.persons, services.companies, busy)
        direct = Direct(operations, services)
        app = App(edge, direct, engine.ping, ingest, Files(edge, services.imports))
        syncing = _syncing(engine, services, vault, settings)
        service = cls(store, services, feed, hub, edge, app, queue, worker, syncing)
        service._watch(metrics, engine.calls)
        return service

    async def begin(self, settings: Settings) -> None:
        """Load what is kept, and listen to news."""
        access = self.services.access
        broker = self._broker(settings)
        await access.open()
        self.services.signer.rekey(access.secret)
        if settings.admin_key is not None:
            await access.admin_key(settings.admin_key.get_secret_value())
        self.feed.on_change("apiKeys", access.on_change)
        for collection in WATCHED[1:]:
            self.feed.on_change(collection, self.services.catalog.on_change)
        self.feed.on_reset(self._reset)
        await self.feed.start()
        self._background.start(self.lag.run)
        self._background.start(self._recheck)
        self._background.sweep(self.services)
        await self._background.work(self.queue, self.worker)
        await self._background.follow(self.services.syncs, self.syncing)
        if broker is not None:
            self._background.start(broker.run)
        if self.edge.siblings is not None:
            await self.edge.siblings.begin(self.edge.metrics.text)

    def _broker(self, settings: Settings) -> Broker | None:
        if not (settings.broker_url and settings.rate_limit):
            return None
        return Broker(settings.broker_url, settings.mongo_database, self.edge.rates)

    def _watch(self, metrics: Metrics, calls: Calls) -> None:
        figures.show_documents(metrics, self.edge.operations.documents)
        figures.show_load(metrics, self.edge.operations.load)
        figures.show_store(metrics, calls)
        figures.show_live(metrics, self.feed, self.hub)
        figures.show_loop(metrics, self.lag)
        figures.show_visitors(metrics, self.services.visitors.unjoined, self.services.visitors.sweep)

    def _reset(self) -> None:
        """Drop what was remembered of the store: news may have been missed."""
        self.services.access.forget_all()
        self._background.start(self.services.access.recheck)
        self._background.start(self.services.catalog.refresh)

    async def _recheck(self) -> None:
        """While no news come in, ask whether the keys of open sockets are still good."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if not self.feed.healthy:
                with suppress(Fault):  # the database is away: asked again in a moment
                    await self.services.access.recheck()

    async def depart(self) -> None:
        """Take no more, and send everybody who is connected elsewhere; at most AWAY_SECONDS."""
        self.edge.ready = False
        with suppress(TimeoutError):
            async with asyncio.timeout(AWAY_SECONDS):
                await send_away(self.edge.sockets)
                await self.hub.close()
                await self.edge.emptied()

    async def close(self) -> None:
        """Stop what runs and close the store."""
        self.edge.ready = False
        if self.edge.siblings is not None:
            self.edge.siblings.end()
        await self._background.end(self.queue)
        await self.hub.close()
        await self.feed.stop()
        await self.services.access.close()
        if self.edge.sight.tracer is not None:
            await self.edge.sight.tracer.close()
        await self.store.close()


@dataclass(slots=True)
class Helper:
    """A process that works on imports and synchronizations beside the service, and on what is to be swept."""

    store: Store
    services: Services
    feed: Feed
    queue: Queue
    worker: Worker
    syncing: SyncWorker
    _background: Background = field(default_factory=Background)

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open the store that a service has; raises StartError, or UNAVAILABLE."""
        return cls.on(await open_settings_store(settings, share=True), settings)

    @classmethod
    def on(cls, store: Store, settings: Settings) -> Self:
        """Put the services on an open store; `begin` comes next."""
        feed = Feed(store.engine, WATCHED[1:])
        queue = Queue(settings.broker_url, settings.mongo_database)
        secret = settings.secret.get_secret_value() if settings.secret else None
        access = Access(store.engine, secret=secret)
        vault = Vault(lambda: access.secret)
        services = _services(store.engine, access, queue, vault, settings)
        worker = Worker(store.engine, services.catalog, services.persons, services.companies)
        syncing = _syncing(store.engine, services, vault, settings)
        return cls(store, services, feed, queue, worker, syncing)

    async def begin(self) -> None:
        """Listen to what is defined, and work."""
        await self.services.access.open()
        for collection in WATCHED[1:]:
            self.feed.on_change(collection, self.services.catalog.on_change)
        self.feed.on_reset(lambda: self._background.start(self.services.catalog.refresh))
        await self.feed.start()
        self._background.sweep(self.services)
        await self._background.work(self.queue, self.worker)
        await self._background.follow(self.services.syncs, self.syncing)

    async def close(self) -> None:
        """Give back what is under way, and close the store."""
        await self._background.end(self.queue)
        await self.feed.stop()
        await self.store.close()


def _services(engine: Engine, access: Access, queue: Queue, vault: Vault, settings: Settings) -> Services:
    """Put one of each room on a store."""
    claims = Claims(engine)
    catalog = CatalogService(engine, claims)
    catalog.sweeps.tell = Spreading(engine).tell
    timeline = Timeline(engine, catalog)
    persons = Persons(engine, claims, catalog, lambda: access.secret)
    companies = Companies(engine, claims, catalog, persons)
    channels = Channels(engine, persons, timeline)
    tokens = Tokens(engine, lambda: access.secret)
    visitors = Visitors(engine, catalog, persons, companies, tokens)
    return Services(
        access=access,
        catalog=catalog,
        timeline=timeline,
        companies=companies,
        persons=persons,
        batches=Batches(engine, persons),
        tracking=Tracking(engine, claims, catalog, persons, timeline),
        merges=Merges(engine, catalog, persons, companies),
        channels=channels,
        forms=Forms(FormStore(engine), catalog, persons, channels, visitors),
        imports=Imports(engine, catalog, queue.send),
        syncs=Syncs(
            engine,
            catalog,
            persons=persons,
            companies=companies,
            vault=vault,
            loopback=settings.crm_loopback,
            own=settings.secret is not None,
        ),
        visitors=visitors,
        installations=Installations(persons, tokens),
        duplicates=Duplicates(engine, persons, lambda: access.secret),
        signer=Signer(b""),
    )


def _syncing(engine: Engine, services: Services, vault: Vault, settings: Settings) -> SyncWorker:
    return SyncWorker(
        engine,
        catalog=services.catalog,
        persons=services.persons,
        companies=services.companies,
        vault=vault,
        loopback=settings.crm_loopback,
    )
