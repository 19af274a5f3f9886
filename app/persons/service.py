"""What can be done with persons: find, page, create, change, delete, link. Every write goes through `apply`."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog import filters as shared
from app.catalog.checks import has_unknown
from app.catalog.model import PERSON, AttributeDefinition, Catalog
from app.catalog.service import CatalogService
from app.claims.service import Claims
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Refusals, Refused
from app.core.pages import Page, Slice, cut
from app.mongo.bound import Bound
from app.mongo.chunk import Chunks
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine, Sort
from app.persons import filters, items, store
from app.persons.chunk import CHUNK_CHANGES, Ask, Chunk, Outcome
from app.persons.model import ACTIVE, MERGED, Locator, Person
from app.persons.plan import Change, Create, Effect, Link, Remove, Unlink, Update
from app.persons.wish import Given, Wish, check

CHUNKS_IN_FLIGHT = 2
MERGES_MAX = 50
MEMBERS_AT_ONCE = 500
ORDERS: dict[str, tuple[str, Sort]] = {
    "CREATED_AT": ("createdAt", store.BY_CREATION),
    "UPDATED_AT": ("updatedAt", store.BY_UPDATE),
}


class Persons:
    """The persons of all accounts."""

    def __init__(self, engine: Engine, claims: Claims, catalog: CatalogService) -> None:
        self._engine = engine
        self._claims = claims
        self._catalog = catalog
        self._reads = Reads(engine, store.COLLECTION)
        self._chunk = Chunk(engine, catalog)
        self._chunks: Chunks[Ask, Outcome] = Chunks(self._chunk.run, limit=CHUNK_CHANGES, flights=CHUNKS_IN_FLIGHT)

    # ------------------------------------------------------------ reading

    async def get(self, account: str, person_id: str) -> Person | None:
        """Return the person of an id, the survivor for the id of a merged one, None for a deleted or foreign one."""
        for _ in range(MERGES_MAX):
            kept = await self._reads.get(person_id)
            if kept is None or kept["account"] != account:
                return None
            if kept["state"] == MERGED:
                person_id = kept["into"]
                continue
            return (await self._read(account, [kept]))[0] if kept["state"] == ACTIVE else None
        return None

    async def find(self, account: str, locator: Locator) -> Person | None:
        """Return whom a locator means."""
        if locator.kind == "id":
            return await self.get(account, locator.value)
        claim = await self._claims.one(locator.claim(account))
        return await self.get(account, claim.owner) if claim else None

    async def find_all(self, account: str, locators: Sequence[Locator]) -> list[Person | None]:
        """Return whom each locator means, aligned, in two reads."""
        keys = [one.claim(account) for one in locators if one.kind != "id"]
        owned = await self._claims.owners(list(dict.fromkeys(keys)))
        ids = []
        for one in locators:
            claim = None if one.kind == "id" else owned.get(one.claim(account))
            ids.append(one.value if one.kind == "id" else claim.owner if claim else "")
        found = await self.get_all(account, ids)
        return [found.get(person_id) for person_id in ids]

    async def get_all(self, account: str, ids: Sequence[str]) -> dict[str, Person]:
        """Return persons by the ids asked for, in one read; merged ones are their survivors."""
        kept = await self._reads.get_all(list(dict.fromkeys(one for one in ids if one)))
        mine = [one for one in kept if one and one["account"] == account]
        active = [one for one in mine if one["state"] == ACTIVE]
        found = {one.id: one for one in await self._read(account, active)}
        for one in mine:
            survivor = await self.get(account, one["_id"]) if one["state"] == MERGED else None
            if survivor:
                found[one["_id"]] = survivor
        return found

    async def _read(self, account: str, documents: Sequence[Document]) -> list[Person]:
        catalog = self._catalog.known(account) or await self._catalog.of(account)
        if not store.known(catalog, documents):
            catalog = await self._catalog.fresh(account)
            store.note_gone(catalog, documents)
        return [store.read(kept, catalog) for kept in documents]

    async def page(
        self, account: str, query: Mapping[str, Any], part: Slice, *, by: str = "CREATED_AT", descending: bool = True
    ) -> Page[Person]:
        """Return a part of the persons that a query of `query()` finds, in one read, on the index of its order."""
        field, hint = ORDERS[by]
        direction = -1 if descending != part.backward else 1
        where: dict[str, Any] = {"state": ACTIVE}
        terms: list[Mapping[str, Any]] = [query] if query else []
        if part.position is not None:
            where[field] = {"$lte" if direction < 0 else "$gte": clock.moment(part.position[0])}
            terms.append(_behind(field, part.position, "$lt" if direction < 0 else "$gt"))
        if terms:
            where["$and"] = terms
        sort = ((field, direction), ("_id", direction))
        found = await self._bound(account).find(where, sort=sort, limit=part.limit + 1, hint=hint)
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    async def count(self, account: str, query: Mapping[str, Any]) -> int:
        """Return how many persons a query finds."""
        return await self._bound(account).count({"state": ACTIVE, **({"$and": [query]} if query else {})})

    async def matching(self, account: str, query: Mapping[str, Any], ids: Sequence[str]) -> set[str]:
        """Return which of `ids` a query finds."""
        where = {"_id": {"$in": list(ids)}, "state": ACTIVE, **({"$and": [query]} if query else {})}
        return {kept["_id"] for kept in await self._bound(account).find(where, projection={"_id": 1})}

    async def query(self, account: str, wanted: Mapping[str, Any] | None, search: str | None = None) -> dict[str, Any]:
        """Return the query of a filter and a search; tags are looked for on the companies of persons as well."""
        terms = []
        if wanted:
            catalog = await self._catalog.of(account)
            if shared.unknown(catalog, PERSON, wanted):
                catalog = await self._catalog.fresh(account)
            found = [tag.id for tag in map(catalog.tag, shared.tag_names(wanted)) if tag]
            terms.append(filters.query(wanted, catalog, await self._inherited(account, found)))
        if search is not None and search.strip():
            terms.append(shared.search(search))
        return shared.joined(terms)

    async def _inherited(self, account: str, tag_ids: Sequence[str]) -> shared.Inherited:
        carriers: dict[str, list[str]] = {}
        if tag_ids:
            companies = Bound(self._engine, "companies", account)
            for kept in await companies.find({"tags": {"$in": list(tag_ids)}}, projection={"_id": 1, "tags": 1}):
                for tag_id in kept["tags"]:
                    carriers.setdefault(tag_id, []).append(kept["_id"])
        return shared.Inherited(carriers)

    async def members(self, account: str, company_id: str, part: Slice) -> Page[Person]:
        """Return a part of a company's persons, by id (index `account,companies.id,_id`)."""
        where: dict[str, Any] = {"companies.id": company_id, "state": ACTIVE}
        direction = -1 if part.backward else 1
        if part.position is not None:
            where["_id"] = {"$lt" if part.backward else "$gt": part.position[0]}
        found = await self._bound(account).find(
            where, sort=(("_id", direction),), limit=part.limit + 1, hint=store.BY_COMPANY
        )
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    def _bound(self, account: str) -> Bound:
        return Bound(self._engine, store.COLLECTION, account)

    # ------------------------------------------------------------ writing

    async def create(self, actor: Actor, given: Given) -> Person:
        """Make a person in one unit with its claims and its event; raises Refused or Refusals."""
        wish = await self._wish(actor.account, given)
        return (await self._one(actor, Create(wish))).after

    async def update(
        self, actor: Actor, locator: Locator, given: Given, *, expected: int | None = None, overwrite: bool = False
    ) -> Person:
        """Change a person, or with `overwrite` empty what is absent; raises Refused or Refusals."""
        wish = await self._wish(actor.account, given)
        return (await self._one(actor, Update(wish, expected, overwrite), locator)).after

    async def delete(self, actor: Actor, locator: Locator) -> str:
        """Remove a person with identifiers and timeline; returns the id."""
        return (await self._one(actor, Remove(), locator)).after.id

    async def change_items(self, actor: Actor, locator: Locator, name: str, rule: items.ItemsRule) -> Person:
        """Change the items of a LIST attribute by a rule of `items`."""
        definition = await self._list(actor.account, name)
        return (await self._one(actor, items.Items(definition, rule), locator)).after

    async def link(self, actor: Actor, locators: Sequence[Locator], change: Link | Unlink) -> None:
        """Join or leave a company, all of them; an unknown person refuses the call before anything is written."""
        found = await self.find_all(actor.account, locators)
        missing = [str(index) for index, person in enumerate(found) if person is None]
        if missing:
            raise Refusals([Refused("PERSON_NOT_FOUND", "There is no such person.", ("persons", at)) for at in missing])
        ids = dict.fromkeys(person.id for person in found if person)
        asks = [Ask(actor.account, actor.origin, change, (Locator("id", one),)) for one in ids]
        for outcome in await self.apply(asks):
            if isinstance(outcome, Exception):
                raise outcome

    async def leave_all(self, actor: Actor, company_id: str, subject: str) -> None:
        """Take every member off a company that goes away; safe to repeat."""
        while True:
            page = await self.members(actor.account, company_id, Slice(MEMBERS_AT_ONCE))
            if not page.items:
                return
            leave = Unlink(company_id, subject)
            asks = [Ask(actor.account, actor.origin, leave, (Locator("id", one.id),)) for one in page.items]
            for outcome in await self.apply(asks):
                # Who was deleted meanwhile is no member either.
                if isinstance(outcome, Exception) and getattr(outcome, "code", None) != "PERSON_NOT_FOUND":
                    raise outcome

    async def apply(self, asks: Sequence[Ask], *, whole: bool = False) -> Sequence[Outcome | Exception]:
        """Carry out changes of any number of persons; each has its own outcome, aligned.

        With `whole` they are one unit: where one is refused, nothing is written, whatever the other outcomes say.
        """
        return await self._chunk.whole(asks) if whole else await self._chunks.put_all(list(asks))

    async def _one(self, actor: Actor, change: Change, locator: Locator | None = None) -> Effect:
        sought = (locator,) if locator else ()
        outcome = await self._chunks.put(Ask(actor.account, actor.origin, change, sought))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def wishes(self, account: str, rows: Sequence[Given]) -> list[Wish | Refusals]:
        """Return the checked wish of each row, or what is wrong with it."""
        catalog = await self._catalog.of(account)
        found = [_checked(one, catalog) for one in rows]
        if any(isinstance(one, Refusals) and has_unknown(one) for one in found):
            # An attribute may have been defined by another process a moment ago.
            catalog = await self._catalog.fresh(account)
            found = [_checked(one, catalog) for one in rows]
        return found

    async def _wish(self, account: str, given: Given) -> Wish:
        (wish,) = await self.wishes(account, (given,))
        if isinstance(wish, Refusals):
            raise wish
        return wish

    async def _list(self, account: str, name: str) -> AttributeDefinition:
        definition = (await self._catalog.of(account)).attribute(PERSON, name)
        definition = definition or (await self._catalog.fresh(account)).attribute(PERSON, name)
        if definition is None:
            raise Refused("UNKNOWN_ATTRIBUTE", f"There is no attribute {name}.", ("attribute",))
        if definition.type != "LIST":
            raise Refused("WRONG_ATTRIBUTE_TYPE", f"{definition.name} is no list.", ("attribute",))
        return definition


def _checked(given: Given, catalog: Catalog) -> Wish | Refusals:
    try:
        return check(given, catalog)
    except Refusals as refusals:
        return refusals


def position(person: Person, by: str) -> tuple[int, str]:
    """Return where a person stands in a list ordered by creation or update."""
    return clock.millis(person.created_at if by == "CREATED_AT" else person.updated_at), person.id


def _behind(field: str, at: Sequence[Any], strict: str) -> dict[str, Any]:
    return {"$or": [{field: {strict: clock.moment(at[0])}}, {"_id": {strict: at[1]}}]}
