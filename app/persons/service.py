"""What can be done with persons: find, page, create, change, delete, link. Every write goes through `apply`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from app.catalog import filters as shared
from app.catalog.lists import By, Lists, Order
from app.catalog.model import PERSON, Catalog
from app.catalog.service import CatalogService
from app.changes.desk import MERGES_MAX
from app.changes.model import ACTIVE, DELETED, MERGED, Ask, Change, Effect, Guard, Outcome
from app.changes.requests import Once
from app.changes.service import Changes
from app.claims import asked
from app.claims.model import Claim, Locator
from app.claims.service import Claims
from app.companies.lists import BY_TAG as COMPANIES_BY_TAG
from app.companies.model import Company
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Refusals, Refused, unavailable
from app.core.pages import Page, Slice, cut
from app.core.steps import stepwise
from app.core.tally import Tally
from app.mongo.bound import Bound
from app.mongo.coalesce import Reads
from app.mongo.engine import Conflict, Document, Engine, Stale, Unit, Write
from app.mongo.engine import Update as UpdateOne
from app.mongo.pages import Pages
from app.persons import filters, items, lists, record, store
from app.persons.finder import COMPANIES, Finder, merged
from app.persons.model import Carrier, Former, Line, Person
from app.persons.plan import Create, Link, Move, Remove, Unlink, Update
from app.persons.torn import Torn, whole
from app.persons.upsert import Upsert
from app.persons.wish import Given, check

MEMBERS_AT_ONCE = 500
TRIES = 12

G = TypeVar("G")
W = TypeVar("W")


class Persons:
    """The persons of all accounts."""

    def __init__(
        self, engine: Engine, claims: Claims, catalog: CatalogService, secret: Callable[[], bytes] = bytes
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._catalog = catalog
        self._reads = Reads(engine, record.COLLECTION)
        self._briefs = Reads(engine, record.COLLECTION, store.BRIEF)
        self._installed = Reads(engine, record.COLLECTION, store.INSTALLED)
        self._members = Pages(engine, record.COLLECTION)
        self._lists = Lists(engine, catalog, lists.KIND)
        self._finder = Finder(engine, claims, catalog, self._reads)
        # The one way to change them, also for the rooms above.
        self.changes = Changes(engine, catalog, record.KIND, secret)

    # ------------------------------------------------------------ reading

    async def get(self, account: str, person_id: str) -> Person | None:
        """Return the person of an id, the survivor for the id of a merged one, None for a deleted or foreign one."""
        return await self._follow(account, person_id, (MERGED,))

    async def heir(self, account: str, person_id: str) -> Person | None:
        """Return whoever the person of an id is now, also where a login made another one of it."""
        return await self._follow(account, person_id, (MERGED, DELETED))

    async def remains(self, account: str, person_id: str) -> tuple[str, list[str]] | None:
        """Return the id and the lines of whom a deleted person left them to, its own where it is nobody; else None."""
        kept = (await self._chain(account, person_id, (MERGED,)) or [{"state": ACTIVE}])[-1]
        if kept["state"] != DELETED:
            return None
        heir = await self.heir(account, kept["into"]) if "into" in kept else None
        return (heir.id, heir.subjects) if heir else (kept["_id"], kept["subjects"])

    async def succession(self, account: str, person_id: str) -> list[str]:
        """Return an id and those whom its person was merged into, one behind the other, be the last one deleted."""
        return [kept["_id"] for kept in await self._chain(account, person_id, (MERGED,))]

    async def _follow(self, account: str, person_id: str, states: Sequence[str]) -> Person | None:
        line = await self._chain(account, person_id, states)
        return (await self._read(account, line[-1:]))[0] if line and line[-1]["state"] == ACTIVE else None

    async def _chain(self, account: str, person_id: str, states: Sequence[str]) -> list[Document]:
        """Return what is kept of a person, then of each whom it lives on in, as far as these states lead."""
        line: list[Document] = []
        for _ in range(MERGES_MAX):
            kept = await self._reads.get(person_id)
            if kept is None or kept["account"] != account:
                break
            line.append(kept)
            if kept["state"] not in states or "into" not in kept:
                break
            person_id = kept["into"]
        return line

    async def find(self, account: str, locator: Locator) -> Person | None:
        """Return whom a locator means."""
        if locator.kind == "id":
            return await self.get(account, locator.value)
        claim = await self._claims.one(locator.claim(account))
        # A login may have taken it to an heir since it was read.
        return await self.heir(account, claim.owner) if claim else None

    def ask(self, account: str, locator: Locator, tally: Tally) -> asked.Read:
        """Return what will hold the document that a locator leads to, be it whose it may; see `Reads.ask`."""
        if locator.kind == "id":
            return self._reads.ask(locator.value, tally)
        return asked.owner(self._claims, self._reads, locator.claim(account), tally)

    async def find_all(self, account: str, locators: Sequence[Locator]) -> list[Person | None]:
        """Return whom each locator means, aligned, in two reads."""
        return [line.person if line else None for line in await self.lines(account, locators)]

    async def lines(self, account: str, locators: Sequence[Locator]) -> list[Line | None]:
        """Return whom each locator means, and the line of activity it carries events to; aligned, in two reads.

        What moves between them is read again. Raises UNAVAILABLE.
        """
        return await whole(partial(self._lines, account), locators)

    async def _lines(self, account: str, locators: Sequence[Locator]) -> list[Line | Torn[Line | None] | None]:
        named = await self._named(account, locators)
        found = await self.get_all(account, [person_id for person_id, _ in named])
        # A login may have taken what was claimed to an heir since it was read.
        missing = {one for one, subject in named if subject is not None and one not in found}
        heirs = {one: await self.heir(account, one) for one in missing}

        def person(person_id: str, subject: str | None) -> Person | None:
            return found.get(person_id) if subject is None else found.get(person_id) or heirs.get(person_id)

        return [await self._line(person(*one), *one) for one in named]

    async def carriers(self, account: str, locators: Sequence[Locator]) -> list[Carrier | None]:
        """Return what `lines` says without the persons themselves, and what their installations carried to before.

        Aligned, in two small reads; in one more where only some are named by an installation. Raises UNAVAILABLE.
        """
        return await whole(partial(self._carriers, account), locators)

    async def _carriers(self, account: str, locators: Sequence[Locator]) -> list[Carrier | Torn[Carrier | None] | None]:
        named = await self._named(account, locators)
        ids = dict.fromkeys(person_id for person_id, _ in named if person_id)
        installed = {one for (one, _), each in zip(named, locators, strict=True) if one and each.kind == "push"}
        kept = await self._briefs.get_all([one for one in ids if one not in installed])
        if installed:
            kept += await self._installed.get_all(list(installed))
        found = {one["_id"]: one for one in kept if one and one["account"] == account}
        return [await self._carrier(account, found.get(person_id), subject) for person_id, subject in named]

    async def _named(self, account: str, locators: Sequence[Locator]) -> list[tuple[str, str | None]]:
        """Return the id that each locator leads to, be it there or not, and the line of its claim."""
        keys = [one.claim(account) for one in locators if one.kind != "id"]
        owned = await self._claims.owners(list(dict.fromkeys(keys)))
        return [(one.value, None) if one.kind == "id" else _owner(owned.get(one.claim(account))) for one in locators]

    async def _carrier(
        self, account: str, kept: Document | None, subject: str | None
    ) -> Carrier | Torn[Carrier | None] | None:
        if kept is None:
            return None
        if kept["state"] == ACTIVE:
            lines = kept["subjects"]
            own = subject if subject and subject in lines else lines[0]
            carrier = Carrier(kept["_id"], own, lines, record.former(kept, own))
            return carrier if subject in (None, own) else Torn(carrier, (subject, kept["_id"], kept["version"]))
        # What was claimed, a login may have taken to an heir since it was read.
        find = self.get if subject is None else self.heir
        line = await self._line(await find(account, kept["_id"]), kept["_id"], subject)
        return Torn(_carrier(line.answer), line.seen) if isinstance(line, Torn) else _carrier(line)

    async def _line(self, person: Person | None, asked: str, subject: str | None) -> Line | Torn[Line | None] | None:
        if person is None:
            return None
        if subject is None and person.id != asked:
            # An id that was merged away carries on its own line.
            kept = await self._reads.get(asked)
            subject = kept["subjects"][0] if kept else None
        if subject is None or subject in person.subjects:
            return Line(person, subject or person.subjects[0])
        # Who was merged came apart meanwhile, or an external id was given to the survivor as its own before.
        return Torn(Line(person, person.subjects[0]), (subject, person.id, person.version))

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
        catalog = await self._catalog.fitting(account, documents)
        return await stepwise(partial(record.read, catalog=catalog), documents)

    async def order(self, account: str, wanted: By) -> Order:
        """Return an order of persons; refuses a bad one with BAD_VARIABLES."""
        return await self._lists.order(account, wanted)

    async def page(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order = lists.NEWEST
    ) -> Page[Person]:
        """Return a part of the persons that a query of `query()` finds."""
        page = await self._lists.page(account, query, part, order)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    async def rows(
        self, account: str, query: Mapping[str, Any], part: Slice, order: Order, fields: Collection[str]
    ) -> tuple[Page[Document], Catalog]:
        """Return the same part as documents that have nothing but `fields`, and the catalog to read them by."""
        return await self._lists.rows(account, query, part, order, fields)

    async def count(self, account: str, query: Mapping[str, Any]) -> int:
        """Return how many persons a query finds."""
        return await self._lists.count(account, query)

    async def met(self, account: str, person_id: str, wanted: Mapping[str, Any] | None) -> Person | None:
        """Return the person of an id where a filter finds them as they are now; see `Finder.find`."""
        return await self._finder.find(account, person_id, wanted)

    async def query(self, account: str, wanted: Mapping[str, Any] | None, search: str | None = None) -> dict[str, Any]:
        """Return the query of a filter and a search; tags are looked for on the companies of persons as well."""
        terms = []
        if wanted:
            catalog = await self._catalog.of(account)
            if shared.unknown(catalog, PERSON, wanted):
                catalog = await self._catalog.fresh(account)
            found = [tag.id for tag in map(catalog.tag, shared.tag_names(wanted)) if tag]
            into = await merged(self._claims, account, filters.company_ids(wanted))
            inherited = shared.Inherited(await self._tagged(account, found), into)
            terms.append(filters.query(wanted, catalog, inherited))
        if search is not None and search.strip():
            terms.append(shared.search(search))
        return shared.joined(terms)

    async def _tagged(self, account: str, tag_ids: Sequence[str]) -> dict[str, list[str]]:
        carriers: dict[str, list[str]] = {}
        if tag_ids:
            companies = Bound(self._engine, COMPANIES, account)
            where, fields = {"tags": {"$in": list(tag_ids)}}, {"_id": 1, "tags": 1}
            for kept in await companies.find(where, projection=fields, hint=COMPANIES_BY_TAG):
                for tag_id in kept["tags"]:
                    carriers.setdefault(tag_id, []).append(kept["_id"])
        return carriers

    async def members(self, account: str, company_id: str, part: Slice) -> Page[Person]:
        """Return a part of a company's persons, by id (index `account,companies.id,state,_id`)."""
        where: dict[str, Any] = {"companies.id": company_id, "state": ACTIVE}
        direction = -1 if part.backward else 1
        if part.position is not None:
            where["_id"] = {"$lt" if part.backward else "$gt": part.position[0]}
        # By state as well, which is one for all, so that no other index than the company's is in this order.
        sort = (("state", direction), ("_id", direction))
        found = await self._members.get({**where, "account": account}, sort, part.limit + 1)
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    # ------------------------------------------------------------ writing

    async def create(self, actor: Actor, given: Given, *, once: Once | None = None) -> Person:
        """Make a person in one unit with its claims and its event; raises Refused or Refusals."""
        return (await self.changes.wish(actor, given, check, Create, once=once)).after

    async def update(
        self,
        actor: Actor,
        locator: Locator,
        given: Given,
        *,
        expected: int | None = None,
        overwrite: bool = False,
        once: Once | None = None,
    ) -> Person:
        """Change a person, or with `overwrite` empty what is absent; raises Refused or Refusals."""
        make = partial(Update, expected=expected, overwrite=overwrite)
        return (await self.changes.wish(actor, given, check, make, (locator,), once=once)).after

    async def delete(self, actor: Actor, locator: Locator) -> str:
        """Remove a person with identifiers and timeline; returns the id."""
        ask = Ask(actor.account, actor.origin, Remove(), (locator,))
        return (await self.changes.removed(ask)).after.id

    async def change_items(self, actor: Actor, locator: Locator, name: str, rule: items.ItemsRule) -> Person:
        """Change the items of a LIST attribute by a rule of `items`."""
        make = partial(items.Items, rule=rule)
        return (await self.changes.wish(actor, name, items.list_of, make, (locator,))).after

    async def link(self, actor: Actor, locators: Sequence[Locator], change: Link | Unlink) -> None:
        """Join or leave a company, all of them; an unknown person refuses the call before anything is written."""
        found = await self.find_all(actor.account, locators)
        missing = [str(index) for index, person in enumerate(found) if person is None]
        if missing:
            raise Refusals([Refused("PERSON_NOT_FOUND", "There is no such person.", ("persons", at)) for at in missing])
        ids = dict.fromkeys(person.id for person in found if person)
        guards = _there(change.company_id) if isinstance(change, Link) else ()
        asks = [Ask(actor.account, actor.origin, change, (Locator("id", one),), guards=guards) for one in ids]
        for outcome in await self.apply(asks):
            if isinstance(outcome, Exception):
                raise outcome

    async def leave_all(self, actor: Actor, company: Company) -> None:
        """Take every member off a company that goes away; safe to repeat."""
        await self._each_member(actor, company.id, Unlink(company.id, company.subject, gone=True))

    async def move_all(self, actor: Actor, company: Company, into: Company) -> None:
        """Make every member of a company that goes away one of another; safe to repeat."""
        await self._each_member(actor, company.id, Move(company.id, Link(into.id, into.subject)), _there(into.id))

    async def _each_member(
        self, actor: Actor, company_id: str, change: Change[Person], guards: Sequence[Guard] = ()
    ) -> None:
        """Carry out a change that ends a membership, until there are no more."""
        while True:
            page = await self.members(actor.account, company_id, Slice(MEMBERS_AT_ONCE))
            if not page.items:
                return
            locators = [Locator("id", one.id) for one in page.items]
            asks = [Ask(actor.account, actor.origin, change, (one,), guards=guards) for one in locators]
            for outcome in await self.apply(asks):
                # Who was deleted meanwhile is no member either.
                if isinstance(outcome, Exception) and getattr(outcome, "code", None) != "PERSON_NOT_FOUND":
                    raise outcome

    async def upsert(
        self,
        actor: Actor,
        rows: Sequence[Given],
        *,
        overwrite: bool = False,
        whole: bool = False,
        once: Once | None = None,
    ) -> Sequence[Outcome[Person] | Exception]:
        """Make the person of each row, or change who has its identifiers; outcomes as those of `apply`."""
        make = partial(Upsert, overwrite=overwrite)
        return await self.changes.rows(actor, rows, check, make, whole=whole, once=once)

    async def apply(self, asks: Sequence[Ask[Person]]) -> Sequence[Outcome[Person] | Exception]:
        """Carry out changes of any number of persons; each has its own outcome, aligned."""
        return await self.changes.all(asks)

    async def beside(self, account: str, person_id: str, writes: Sequence[tuple[str, Write]]) -> bool:
        """Write what other rooms keep of a person, in one unit; False, and nothing, where there is no such person.

        Who is deleted meanwhile meets this, or this finds them gone. Raises Clash, and UNAVAILABLE.
        """
        there = {"_id": person_id, "account": account, "state": ACTIVE}

        async def work(unit: Unit) -> None:
            await unit.write(record.COLLECTION, [UpdateOne(there, {"$set": {"touched": clock.now()}}, must=True)])
            for collection, write in writes:
                await unit.write(collection, [write])

        for _ in range(TRIES):
            try:
                await self._engine.unit(work)
            except Stale:
                return False
            except Conflict:
                continue
            return True
        raise unavailable()

    async def asked(
        self, account: str, given: G, check: Callable[[G, Catalog], W], ask: Callable[[W | Refusals], Ask[Person]]
    ) -> Outcome[Person] | Exception:
        """Check what was given with the definitions as they are, and carry out what is asked by it."""
        (outcome,) = await self.changes.asked(account, (given,), check, lambda _, wish: ask(wish))
        return outcome

    async def _one(self, actor: Actor, change: Change[Person], locator: Locator) -> Effect[Person]:
        return await self.changes.one(Ask(actor.account, actor.origin, change, (locator,)))


def _owner(claim: Claim | None) -> tuple[str, str | None]:
    return (claim.owner, claim.subject) if claim else ("", None)


def _carrier(line: Line | None) -> Carrier | None:
    return Carrier(line.person.id, line.subject, line.person.subjects, _former(line)) if line else None


def _former(line: Line) -> Sequence[Former]:
    held = (one for one in line.person.push_registrations if one.subject == line.subject)
    return next((one.former for one in held), ())


def _there(company_id: str) -> Sequence[Guard]:
    """Return what keeps a membership from outliving its company."""
    return (Guard(COMPANIES, company_id, Refused("COMPANY_NOT_FOUND", "There is no such company.", ("company",))),)
