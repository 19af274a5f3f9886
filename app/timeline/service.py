"""Record events once for ever, by chunks that whoever arrives meanwhile shares; and page through them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from app.catalog.model import Catalog
from app.catalog.service import CatalogService
from app.core import clock
from app.core.pages import Page, Slice, cut
from app.core.steps import stepwise
from app.mongo.chunk import Chunks
from app.mongo.engine import Document, Engine
from app.timeline.model import Event, TimelineFilter
from app.timeline.record import PLACED, read, standing
from app.timeline.store import Events

EVERYTHING = TimelineFilter()
NEVER: Mapping[str, datetime] = MappingProxyType({})
CHUNK_EVENTS = 1000
CHUNKS_IN_FLIGHT = 2


class Timeline:
    """The events of every account."""

    def __init__(self, engine: Engine, catalog: CatalogService) -> None:
        self._events = Events(engine)
        self._catalog = catalog
        self._chunks: Chunks[Event, bool] = Chunks(
            self._insert, name="events", limit=CHUNK_EVENTS, flights=CHUNKS_IN_FLIGHT
        )

    async def record(self, events: Sequence[Event]) -> list[bool | Exception]:
        """Keep events, acknowledged by a majority; True for each that is new, False for one that was there already."""
        return await self._chunks.put_all(list(events))

    async def _insert(self, events: list[Event]) -> Sequence[bool]:
        old = await self._events.insert(events)
        return [index not in old for index in range(len(events))]

    async def get(self, account: str, ids: Sequence[str]) -> dict[str, Event]:
        """Return events of the account by id."""
        found = await self._events.get(account, list(ids))
        await self.entitle(list(found.values()))
        return found

    async def of_subjects(
        self,
        account: str,
        subjects: Sequence[str],
        wanted: TimelineFilter,
        part: Slice,
        *,
        since: Mapping[str, datetime] = NEVER,
    ) -> Page[Event]:
        """Return a part of one timeline, newest first; of the lines in `since` only what happened from then on."""
        return await self._events_of(await self._kept(account, subjects, wanted, part, since=since))

    async def rows(
        self,
        account: str,
        subjects: Sequence[str],
        wanted: TimelineFilter,
        part: Slice,
        fields: Collection[str],
        *,
        since: Mapping[str, datetime] = NEVER,
    ) -> tuple[Page[Document], Catalog]:
        """Return the same part as documents that have little but `fields`, and the catalog to read them by."""
        page = await self._kept(
            account, subjects, wanted, part, since=since, fields=dict.fromkeys((*fields, *PLACED), 1)
        )
        return page, await self._naming(account, page.items)

    async def _kept(
        self,
        account: str,
        subjects: Sequence[str],
        wanted: TimelineFilter,
        part: Slice,
        *,
        since: Mapping[str, datetime],
        fields: Mapping[str, int] | None = None,
    ) -> Page[Document]:
        lines, found, rest = list(subjects), list[Document](), part
        while True:
            kept = await self._events.of_subjects(account, lines, wanted, rest, fields)
            # What lies before is about to be swept: there is hardly ever any.
            found += [one for one in kept if one["at"] >= since.get(one["subject"], one["at"])] if since else kept
            if len(kept) <= rest.limit or len(found) > part.limit:
                return cut(found[: part.limit + 1], part)
            rest = Slice(part.limit, standing(kept[-1]), part.backward)

    async def _events_of(self, page: Page[Document]) -> Page[Event]:
        events = await stepwise(read, page.items)
        await self.entitle(events)
        return Page(events, page.has_next, page.has_previous)

    async def _naming(self, account: str, kept: Sequence[Document]) -> Catalog:
        """Return a catalog that knows the titles of all there is."""
        catalog = await self._catalog.of(account)
        if {one["type"] for one in kept if "type" in one} <= catalog.events.keys():
            return catalog
        return await self._catalog.fresh(account)

    async def by_day(
        self, subjects: Sequence[str], days: int, *, since: Mapping[str, datetime] = NEVER
    ) -> list[tuple[str, int]]:
        """Return the events of each of the last `days` days in UTC, today included, oldest first."""
        today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        shown = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
        found = await self._events.by_day(subjects, shown[0], since)
        named = [day.date().isoformat() for day in shown]
        return [(day, found.get(day, 0)) for day in named]

    async def of_account(self, account: str, wanted: TimelineFilter, part: Slice) -> Page[Event]:
        """Return a part of all that arrived in the account, newest first."""
        return await self._events_of(cut(await self._events.of_account(account, wanted, part), part))

    async def rows_of_account(
        self, account: str, wanted: TimelineFilter, part: Slice, fields: Collection[str]
    ) -> tuple[Page[Document], Catalog]:
        """Return the same part as documents that have little but `fields`, and the catalog to read them by."""
        shown = dict.fromkeys((*fields, *PLACED), 1)
        page = cut(await self._events.of_account(account, wanted, part, shown), part)
        return page, await self._naming(account, page.items)

    async def entitle(self, events: Sequence[Event]) -> None:
        """Fill in the display names."""
        titles: dict[tuple[str, str], str] = {}
        for event in events:
            named = event.account, event.type
            title = titles.get(named)
            if title is None:
                title = titles[named] = await self._title(*named)
            event.title = title

    async def _title(self, account: str, type_: str) -> str:
        known = (self._catalog.known(account) or await self._catalog.of(account)).events
        if type_ not in known:
            known = (await self._catalog.fresh(account)).events
        return known[type_].title if type_ in known else type_
