"""What can be done with companies: find, page, create, change, delete. Each change and its event are one unit."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from app.catalog import filters as shared
from app.catalog.lists import By, Lists, Order
from app.catalog.model import COMPANY, Catalog
from app.catalog.service import CatalogService
from app.changes.model import Ask
from app.changes.requests import Once
from app.changes.rows import Row, bounded, rows
from app.changes.service import Changes
from app.claims import asked
from app.claims.model import Locator
from app.claims.service import Claims
from app.companies import filters, lists, store
from app.companies.model import Company, sought
from app.companies.plan import Create, Merge, Remove, Update, Upsert
from app.companies.wish import Given, check
from app.core.actor import Actor
from app.core.pages import Page, Slice
from app.core.tally import Tally
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine


class Members(Protocol):
    """Who belongs to companies: what a company needs from the room above."""

    async def leave_all(self, actor: Actor, company: Company) -> None:
        """Take every member off a company that goes away; safe to repeat."""

    async def move_all(self, actor: Actor, company: Company, into: Company) -> None:
        """Make every member of a company that goes away one of another; safe to repeat."""


class Companies:
    """The companies of all accounts."""

    def __init__(self, engine: Engine, claims: Claims, catalog: CatalogService, members: Members) -> None:
        self._engine = engine
        self._claims = claims
        self._catalog = catalog
        self._members = members
        self._reads = Reads(engine, store.COLLECTION)
        self._lists = Lists(engine, catalog, lists.KIND)
        self.changes = Changes(engine, catalog, store.KIND)

    async def get(self, account: str, company_id: str) -> Company | None:
        """Return the company of an id, None for an unknown or foreign one."""
        return (await self.get_all(account, [company_id])).get(company_id)

    async def get_all(self, account: str, company_ids: Sequence[str]) -> dict[str, Company]:
        """Return companies by the ids asked for, in one read; merged ones are their survivors."""
        wanted = list(dict.fromkeys(company_ids))
        there = await self._there(account, wanted)
        if missing := [one for one in wanted if one not in there]:
            merged = {Locator("company.id", one).claim(account): one for one in missing}
            owned = await self._claims.owners(list(merged))
            survivors = await self._there(account, [claim.owner for claim in owned.values()])
            found = {merged[key]: survivors.get(claim.owner) for key, claim in owned.items()}
            there |= {asked: one for asked, one in found.items() if one}
        return there

    async def _there(self, account: str, company_ids: Sequence[str]) -> dict[str, Company]:
        found = await self._reads.get_all(list(dict.fromkeys(company_ids)))
        mine = [one for one in found if one and one["account"] == account]
        return {one.id: one for one in await self._read(account, mine)}

    async def among(self, account: str, company_ids: Sequence[str], part: Slice) -> tuple[Page[Company], int]:
        """Return a part of the companies with these ids in the order of the ids, and how many there are."""
        known = await self.get_all(account, company_ids) if company_ids else {}
        there = [known[one] for one in sorted(known)]
        behind = [one for one in there if part.position is None or one.id > part.position[0]]
        return Page(behind[: part.limit], len(behind) > part.limit, part.position is not None), len(there)

    async def find(self, account: str, kind: str, value: str) -> Company | None:
        """Return whom a locator means; `kind` is id, externalId, name or domain."""
        if kind == "id":
            return await self.get(account, value)
        (locator,) = sought(kind, value)
        claim = await self._claims.one(locator.claim(account))
        return await self.get(account, claim.owner) if claim else None

    def ask(self, account: str, kind: str, value: str, tally: Tally) -> asked.Read:
        """Return what will hold the document that a locator leads to, be it whose it may; see `Reads.ask`."""
        if kind == "id":
            return self._reads.ask(value, tally)
        (locator,) = sought(kind, value)
        return asked.owner(self._claims, self._reads, locator.claim(account), tally)

    async def order(self, account: str, wanted: By) -> Order:
        """Return an order of companies; refuses a bad one with BAD_VARIABLES."""
        return await self._lists.order(account, wanted)

    async def page(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order = lists.NEWEST
    ) -> Page[Company]:
        """Return a part of the companies that a query of `query()` finds."""
        page = await self._lists.page(account, query, part, order)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    async def rows(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order, fields: Collection[str]
    ) -> tuple[Page[Document], Catalog]:
        """Return the same part as documents that have nothing but `fields`, and the catalog to read them by."""
        return await self._lists.rows(account, query, part, order, fields)

    async def query(self, account: str, wanted: Mapping[str, Any] | None, search: str | None = None) -> dict[str, Any]:
        """Return the query of a filter and a search; refuses a bad filter with BAD_VARIABLES."""
        terms = []
        if wanted:
            catalog = await self._catalog.of(account)
            if shared.unknown(catalog, COMPANY, wanted):
                catalog = await self._catalog.fresh(account)
            terms.append(filters.query(wanted, catalog))
        if search is not None and search.strip():
            terms.append(shared.search(search))
        return shared.joined(terms)

    async def count(self, account: str, query: Mapping[str, Any]) -> int:
        """Return how many companies a query finds."""
        return await self._lists.count(account, query)

    async def _read(self, account: str, documents: Sequence[Document]) -> list[Company]:
        catalog = await self._catalog.fitting(account, documents)
        return [store.read(kept, catalog) for kept in documents]

    # ------------------------------------------------------------ writing

    async def create(self, actor: Actor, given: Given, *, once: Once | None = None) -> Company:
        """Make a company; refuses a taken name, domain or external id, and a missing name."""
        return (await self.changes.wish(actor, given, check, Create, once=once)).after

    async def update(
        self, actor: Actor, by: Sequence[Locator], given: Given, *, expected: int | None = None
    ) -> Company:
        """Change a company: absent keeps, null clears."""
        return (await self.changes.wish(actor, given, check, partial(Update, expected=expected), by)).after

    async def upsert(self, actor: Actor, given: Sequence[Given], *, atomic: bool = False) -> list[Row[Company]]:
        """Return what became of each row, aligned; with `atomic` all of them happen, or none.

        More than ROWS_MAX are refused as a whole with TOO_MANY. Raises UNAVAILABLE; what was written by then is
        NOT_MODIFIED when the same rows come again.
        """
        bounded(len(given), "companies")
        return rows(await self.changes.rows(actor, given, check, Upsert, whole=atomic), whole=atomic)

    async def delete(self, actor: Actor, company: Company) -> None:
        """Take the members off, then remove the company and its timeline in one unit; safe to repeat."""
        await self._members.leave_all(actor, company)
        await self.changes.removed(Ask(actor.account, actor.origin, Remove(), (Locator("id", company.id),)))
        # Whoever joined meanwhile.
        await self._members.leave_all(actor, company)

    async def merge(self, actor: Actor, into: Company, others: Sequence[Company]) -> Company:
        """Move the members of others, then take them into one company in one unit; safe to repeat."""
        gone = [one for one in {one.id: one for one in others}.values() if one.id != into.id]
        named = [locator for one in gone for locator in sought("id", one.id)]
        change = Merge([one.id for one in gone])
        ask = Ask(actor.account, actor.origin, change, (Locator("id", into.id),), named)
        # What is refused moves nobody.
        await self.changes.dry(ask)
        for one in gone:
            await self._members.move_all(actor, one, into)
        merged = (await self.changes.one(ask)).after
        for one in gone:
            # Whoever joined meanwhile.
            await self._members.move_all(actor, one, into)
        return merged
