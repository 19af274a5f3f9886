"""What can be done with companies: find, page, create, change, delete. Each change and its event are one unit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from app.catalog import filters as shared
from app.catalog.checks import Listing, has_unknown
from app.catalog.model import COMPANY, Tag
from app.catalog.record import TAGS, tag_document
from app.catalog.service import CatalogService, tag_claim
from app.claims.model import Claim
from app.claims.service import Claims, writes
from app.companies import filters, store
from app.companies.model import Company, claim_key, claims_of
from app.companies.wish import DOMAINS_MAX, RULES, Given, Wish, check
from app.core import clock, ids
from app.core.actor import Actor
from app.core.errors import Refusals, Refused, unavailable
from app.core.pages import Page, Slice, cut
from app.core.text import caseless, fold
from app.mongo.bound import Bound
from app.mongo.coalesce import Reads
from app.mongo.engine import Clash, Conflict, Delete, Document, Engine, Insert, Replace, Sort, Stale, Unit
from app.timeline.model import Event
from app.timeline.record import COLLECTION as EVENTS
from app.timeline.record import document as event_document

TRIES = 8
ORDERS: dict[str, tuple[str, Sort]] = {
    "CREATED_AT": ("createdAt", store.BY_CREATION),
    "UPDATED_AT": ("updatedAt", store.BY_UPDATE),
    "NAME": ("sort", store.BY_NAME),
}
TAKEN = {"name": "DUPLICATE_NAME", "domain": "DUPLICATE_DOMAIN", "externalId": "DUPLICATE_EXTERNAL_ID"}

Plan = Callable[[Company | None, dict[str, Tag]], tuple[Company, tuple[str, ...]]]


class Members(Protocol):
    """Who belongs to companies: what a company needs from the room above."""

    async def leave_all(self, actor: Actor, company_id: str, subject: str) -> None:
        """Take every member off a company that goes away."""


class Companies:
    """The companies of all accounts."""

    def __init__(self, engine: Engine, claims: Claims, catalog: CatalogService, members: Members) -> None:
        self._engine = engine
        self._claims = claims
        self._catalog = catalog
        self._members = members
        self._reads = Reads(engine, store.COLLECTION)

    async def get(self, account: str, company_id: str) -> Company | None:
        """Return the company of an id, None for an unknown or foreign one."""
        return (await self.get_all(account, [company_id])).get(company_id)

    async def get_all(self, account: str, company_ids: Sequence[str]) -> dict[str, Company]:
        """Return companies by id, in one read."""
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
        claim = await self._claims.one(claim_key(account, kind, value.strip()))
        return await self.get(account, claim.owner) if claim else None

    async def page(
        self,
        account: str,
        part: Slice,
        query: Mapping[str, Any] | None = None,
        *,
        by: str = "CREATED_AT",
        descending: bool = True,
    ) -> Page[Company]:
        """Return a part of the companies that a query of `query()` finds, on the index of its order."""
        field, hint = ORDERS[by]
        direction = -1 if descending != part.backward else 1
        where: dict[str, Any] = {}
        terms: list[Mapping[str, Any]] = [query] if query else []
        if part.position is not None:
            value, last = part.position
            at = value if by == "NAME" else clock.moment(value)
            strict, loose = ("$lt", "$lte") if direction < 0 else ("$gt", "$gte")
            where[field] = {loose: at}
            terms.append({"$or": [{field: {strict: at}}, {"_id": {strict: last}}]})
        if terms:
            where["$and"] = terms
        sort = ((field, direction), ("_id", direction))
        found = await self._bound(account).find(where, sort=sort, limit=part.limit + 1, hint=hint)
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

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
        return await self._bound(account).count({"$and": [query]} if query else {})

    def _bound(self, account: str) -> Bound:
        return Bound(self._engine, store.COLLECTION, account)

    async def _read(self, account: str, documents: Sequence[Document]) -> list[Company]:
        catalog = self._catalog.known(account) or await self._catalog.of(account)
        if not all(catalog.knows(kept.get("tags", []), kept.get("a", {})) for kept in documents):
            catalog = await self._catalog.fresh(account)
            for kept in documents:
                held = (*kept.get("tags", []), *kept.get("a", {}))
                catalog.gone.update(one for one in held if one not in catalog.tags and one not in catalog.attributes)
        return [store.read(kept, catalog) for kept in documents]

    async def create(self, actor: Actor, given: Given) -> Company:
        """Make a company; refuses a taken name, domain or external id, and a missing name."""
        if "name" not in given.scalars:
            raise Refused("REQUIRED", "A company has a name.", ("name",))
        wish = await self._wish(actor.account, given)
        now = clock.now()

        def plan(_: Company | None, new: dict[str, Tag]) -> tuple[Company, tuple[str, ...]]:
            catalog = self._catalog.known(actor.account)
            assert catalog is not None  # noqa: S101 - the wish was checked with it
            made = Company(
                ids.new("com", now),
                actor.account,
                catalog,
                wish.scalars["name"],
                ids.new("sub", now),
                now,
                now,
                actor.origin,
                actor.origin,
            )
            return made, ("name", *_write(made, wish, new))

        return await self._change(actor, None, plan, "companyCreated")

    async def update(self, actor: Actor, company_id: str, given: Given, *, expected: int | None = None) -> Company:
        """Change a company: absent keeps, null clears."""
        wish = await self._wish(actor.account, given)

        def plan(held: Company | None, new: dict[str, Tag]) -> tuple[Company, tuple[str, ...]]:
            if held is None:
                raise Refused("COMPANY_NOT_FOUND", "There is no such company.", ("by",))
            if expected is not None and held.version != expected:
                message = f"This company is at version {held.version}, not {expected}: read it again."
                raise Refused("VERSION_CONFLICT", message, ("expectedVersion",))
            after = replace(held, version=held.version + 1, updated_at=clock.now(), modified_from=actor.origin)
            return after, tuple(_write(after, wish, new))

        return await self._change(actor, company_id, plan, "companyUpdated")

    async def delete(self, actor: Actor, company: Company) -> None:
        """Take the members off, then remove the company and its timeline in one unit; safe to repeat."""
        await self._members.leave_all(actor, company.id, company.subject)
        freed = dict.fromkeys(claims_of(company), company.id)
        told = _event(company, "companyDeleted", actor, {"companyId": company.id})

        async def work(unit: Unit) -> None:
            await unit.write("claims", writes([], freed))
            await unit.write(store.COLLECTION, [Delete({"_id": company.id, "account": company.account})])
            gone = Delete({"subject": company.subject, "account": company.account}, many=True)
            await unit.write(EVENTS, [gone, Insert(event_document(told))])

        await self._engine.unit(work)

    async def _wish(self, account: str, given: Given) -> Wish:
        catalog = await self._catalog.of(account)
        try:
            return check(given, catalog)
        except Refusals as refusals:
            if not has_unknown(refusals):
                raise
            return check(given, await self._catalog.fresh(account))

    async def _change(self, actor: Actor, company_id: str | None, plan: Plan, type_: str) -> Company:
        for _ in range(TRIES):
            # Not through the shared reads: what a plan stands on must be newer than the last failure.
            held = await self.get(actor.account, company_id) if company_id else None
            new: dict[str, Tag] = {}
            after, changed = plan(held, new)
            if not changed:
                return held or after
            await self._refuse_taken(held, after)
            event = _event(after, type_, actor, {})
            event.changed = changed
            try:
                await self._commit(held, after, new, event)
            except (Clash, Stale, Conflict):
                await self._catalog.fresh(actor.account)
                continue
            for tag in new.values():
                after.catalog.add(tag)
            return after
        raise unavailable()

    async def _refuse_taken(self, held: Company | None, after: Company) -> None:
        old = claims_of(held) if held else {}
        wanted = {key: path for key, path in claims_of(after).items() if key not in old}
        taken = await self._claims.owners(list(wanted))
        refused = []
        for key, claim in taken.items():
            kind = key.split("|")[1].removeprefix("company.")
            message = f"This {kind} belongs to another company."
            refused.append(Refused(TAKEN[kind], message, wanted[key], owner=claim.owner))
        if refused:
            raise Refusals(refused)

    async def _commit(self, held: Company | None, after: Company, new: dict[str, Tag], event: Event) -> None:
        old, now = claims_of(held) if held else {}, claims_of(after)
        account = after.account
        taken = [Claim(key, account, after.id, after.subject, after.updated_at) for key in now if key not in old]
        taken += [Claim(tag_claim(account, tag.name), account, tag.id, tag.id, tag.created_at) for tag in new.values()]
        freed = {key: after.id for key in old if key not in now}
        kept = store.document(after)
        written = Replace({"_id": after.id, "version": held.version}, kept) if held else Insert(kept)

        async def work(unit: Unit) -> None:
            if taken or freed:
                await unit.write("claims", writes(taken, freed))
            if new:
                tags = [Insert(tag_document(account, tag)) for tag in new.values()]
                await unit.write(TAGS, tags)
            await unit.write(store.COLLECTION, [written])
            await unit.write(EVENTS, [Insert(event_document(event))])

        await self._engine.unit(work)


def _event(company: Company, type_: str, actor: Actor, properties: dict[str, Any]) -> Event:
    now = clock.now()
    return Event(
        f"{company.subject}:{ids.new('evt', now)}",
        company.account,
        company.subject,
        type_,
        now,
        now,
        actor.origin,
        company_id=company.id,
        properties=properties,
    )


def _write(company: Company, wish: Wish, new: dict[str, Tag]) -> list[str]:
    """Write a wish into a company of one's own; return the contract's names of the fields that changed."""
    changed = []
    for attribute, value in wish.scalars.items():
        if getattr(company, attribute) != value:
            setattr(company, attribute, value)
            changed.append(RULES[attribute][0])
    domains = _listed(company.domains, wish.domains)
    if len(domains) > DOMAINS_MAX:
        raise Refused("TOO_MANY", f"A company has at most {DOMAINS_MAX} domains.", ("domains",))
    tags = _listed(company.tag_ids, _by_id(company, wish.tags, new))
    kept = {**company.values, **wish.attributes}
    values = {name: value for name, value in kept.items() if value is not None}
    for name, old, now in (
        ("domains", company.domains, domains),
        ("tags", company.tag_ids, tags),
        ("customAttributes", company.values, values),
    ):
        if old != now:
            changed.append(name)
    company.domains, company.tag_ids, company.values = domains, tags, values
    return changed


def _listed(held: list[str], wish: Listing[str] | None) -> list[str]:
    if wish is None:
        return held
    if wish.replace is not None:
        return list(dict.fromkeys(wish.replace))
    gone = set(wish.remove)
    return list(dict.fromkeys([*(one for one in held if one not in gone), *wish.add]))


def _by_id(company: Company, wish: Listing[str] | None, new: dict[str, Tag]) -> Listing[str] | None:
    if wish is None:
        return None
    catalog = company.catalog

    def tag_id(name: str) -> str:
        known = catalog.tag(name) or new.get(caseless(name))
        if known is None:
            known = new[caseless(name)] = Tag(ids.new("tag"), name, clock.now())
        return known.id

    gone = [tag.id for tag in map(catalog.tag, wish.remove) if tag]
    replaced = None if wish.replace is None else [tag_id(name) for name in wish.replace]
    return Listing(replaced, [tag_id(name) for name in wish.add], gone)


def position(company: Company, by: str = "CREATED_AT") -> tuple[int | str, str]:
    """Return where a company stands in a list of that order."""
    if by == "NAME":
        return fold(company.name), company.id
    return clock.millis(company.created_at if by == "CREATED_AT" else company.updated_at), company.id
