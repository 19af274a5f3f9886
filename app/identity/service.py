"""Merging persons, exactly undoing it, and what was merged: one unit each, read before or after, never between."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

from app.catalog.model import Catalog, Tag
from app.catalog.service import CatalogService
from app.changes.model import Ask, Effect, Guard
from app.changes.requests import Once
from app.changes.service import change_of, settled
from app.claims.model import Locator
from app.companies.service import Companies
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Refusals, Refused, unavailable
from app.core.pages import Page, Slice, cut
from app.identity import record
from app.identity.decide import blocked
from app.identity.model import Merge
from app.identity.record import COLLECTION
from app.identity.undo import Overtaken, Undo, told_apart
from app.identity.unite import Unite
from app.mongo.bound import Bound
from app.mongo.engine import Document, Engine, Insert, Sort
from app.persons.model import Person
from app.persons.service import Persons
from app.persons.wish import Given, Wish, check

MERGED_MAX = 50
# Later merges that an undone one is taken out of.
LATER_MAX = 100
TRIES = 16
COMPANIES = "companies"
OF_PERSON: Sort = (("account", 1), ("persons", 1), ("_id", 1))
OF_ACCOUNT: Sort = (("account", 1), ("_id", 1))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to merge, each with where it stands in the input; who survives; what is written over the decisions."""

    places: Sequence[tuple[Locator, tuple[str, ...]]]
    into: str | None = None
    overrides: Given | None = None
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a call: the person, the merge (None where there was but one), and who is gone."""

    person: Person
    merge: Merge | None
    gone: tuple[str, ...] = ()


class Merges:
    """The merges of all accounts."""

    def __init__(self, engine: Engine, catalog: CatalogService, persons: Persons, companies: Companies) -> None:
        self._engine = engine
        self._catalog = catalog
        self._persons = persons
        self._companies = companies

    # ------------------------------------------------------------ merging

    async def merge(self, actor: Actor, wanted: Wanted, *, once: Once | None = None) -> Merged:
        """Make one person of several; raises Refused or Refusals, and then nothing has changed."""
        _bound(wanted)
        done = await self._persons.changes.asked(actor.account, [wanted], _checked, _asking(actor, wanted, once))
        effect = settled(done[0])
        if effect.replayed and once:
            return await self._again(actor.account, effect.after, once)
        return _merged(effect)

    async def preview(self, actor: Actor, wanted: Wanted) -> Merged:
        """Return what `merge` would make; nothing is written. Raises Refused or Refusals as that does."""
        _bound(wanted)
        catalog = await self._catalog.of(actor.account)
        ask = _asking(actor, wanted, None)(0, _checked(wanted, catalog))
        effect, tags = await self._persons.changes.dry(ask)
        return _merged(replace(effect, after=_with_tags(effect.after, tags)))

    async def _again(self, account: str, person: Person, once: Once) -> Merged:
        """Return what a call of the same key did before."""
        found = await self._bound(account).find({"persons": person.id, "request": once.id}, hint=OF_PERSON)
        merge = (await self._read(account, found))[0] if found else None
        return Merged(person, merge, merge.merged if merge else ())

    # ------------------------------------------------------------ undoing

    async def revert(self, actor: Actor, merge_id: str) -> tuple[list[Person], list[str]]:
        """Tell persons apart again; returns them, the survivor first, and the names of what somebody changed since.

        Refuses NOT_FOUND, ALREADY_REVERTED and MERGE_BLOCKED.
        """
        seen: set[tuple[int, ...]] = set()
        for _ in range(TRIES):
            merge = await self.get(actor.account, merge_id)
            if merge is None:
                raise Refused("NOT_FOUND", "There is no such merge.", ("id",))
            if merge.after is None:
                raise Refused("ALREADY_REVERTED", "This merge was undone already.", ("id",))
            try:
                effect = await self._undone(actor, merge, seen)
            except (Overtaken, _CompanyGone):
                continue
            fields = effect.events[0].properties["keptFields"]
            return [one.after for one in effect.parts()], [one["name"] for one in fields]
        raise unavailable()

    async def _undone(self, actor: Actor, merge: Merge, seen: set[tuple[int, ...]]) -> Effect[Person]:
        """Undo it; `seen` are the versions by which that failed before: where nothing moved since, it is blocked."""
        later = await self._later(merge)
        survivor = later[-1].survivor_id if later else merge.survivor_id
        current = await self._persons.get(actor.account, survivor)
        if current is None:
            raise blocked("Who survived this merge lives on in another profile, or is gone.", "id")
        versions = (current.version, *(one.version for one in later))
        companies = await self._companies_by_now(actor.account, current, [merge, *later])
        try:
            told = told_apart(merge, later, current, companies).later
        except Overtaken:
            if versions in seen:
                words = "The survivor has taken in somebody by the login of an app since."
                raise blocked(words, "id") from None
            seen.add(versions)
            raise
        guards = [_ended(merge), *(_retold(old, new) for old, new in zip(later, told, strict=True))]
        guards += [Guard(COMPANIES, one, _CompanyGone()) for one in dict.fromkeys(filter(None, companies.values()))]
        change = Undo(merge, later, companies)
        others = [Locator("id", one) for one in merge.merged]
        ask = Ask(actor.account, actor.origin, change, (Locator("id", survivor),), others, guards=guards)
        return await self._persons.changes.one(ask)

    async def _later(self, merge: Merge) -> list[Merge]:
        """Return the merges that made something else of who survived, in their order."""
        found: list[Merge] = []
        person, version = merge.survivor_id, merge.after.version if merge.after else 0
        while following := await self._following(merge.account, person, version):
            found.append(following)
            person, version = following.survivor_id, following.after.version if following.after else version
            if len(found) > LATER_MAX:
                raise blocked(
                    f"These persons were merged more than {LATER_MAX} times since: undo the later ones first."
                )
        return found

    async def _following(self, account: str, person: str, version: int) -> Merge | None:
        # Ids are in the order of time within one process alone: versions tell which comes next.
        where = {"persons": person, "revertedAt": None}
        fields = {"before._id": 1, "before.version": 1}
        kept = await self._bound(account).find(where, projection=fields, hint=OF_PERSON)
        images = [(image["version"], one["_id"]) for one in kept for image in one["before"] if image["_id"] == person]
        behind = [pair for pair in images if pair[0] >= version]
        return await self.get(account, min(behind)[1]) if behind else None

    async def _companies_by_now(
        self, account: str, current: Person, merges: Sequence[Merge]
    ) -> Mapping[str, str | None]:
        """Return the companies of all images as `Undo` wants them."""
        images = [current, *(person for one in merges for person in (*one.before, one.after) if person)]
        wanted = dict.fromkeys(one.company_id for person in images for one in person.memberships)
        found = await self._companies.get_all(account, list(wanted))
        survivors = {one.id: one for one in found.values()}
        taken = [(gone, one.id) for one in survivors.values() for gone in one.merged_ids if gone in wanted]
        return {**dict(taken), **{one: one if one in survivors else None for one in wanted if one not in dict(taken)}}

    # ------------------------------------------------------------ reading

    async def get(self, account: str, merge_id: str) -> Merge | None:
        """Return a merge by its id."""
        found = await self._bound(account).find({"_id": merge_id})
        return (await self._read(account, found))[0] if found else None

    async def page(self, account: str, person_id: str | None, part: Slice) -> Page[Merge]:
        """Return a part of the merges, newest first: of the account, or of whoever a person is or was."""
        where: Document = {}
        if person_id is not None:
            person = await self._persons.get(account, person_id)
            ids = dict.fromkeys([person_id, *([person.id, *person.merged_ids] if person else [])])
            where["persons"] = {"$in": list(ids)}
        if part.position is not None:
            where["_id"] = {"$gt" if part.backward else "$lt": part.position[0]}
        found = await self._bound(account).find(
            where,
            # What it takes to undo them is not shown.
            projection={"before": 0, "after": 0},
            sort=(("_id", 1 if part.backward else -1),),
            limit=part.limit + 1,
            hint=OF_PERSON if person_id else OF_ACCOUNT,
        )
        page = cut(found, part)
        return Page(await self._read(account, page.items), page.has_next, page.has_previous)

    def _bound(self, account: str) -> Bound:
        return Bound(self._engine, COLLECTION, account)

    async def _read(self, account: str, documents: Sequence[Document]) -> list[Merge]:
        images = [
            image for kept in documents for image in (*kept.get("before", ()), *filter(None, [kept.get("after")]))
        ]
        catalog = await self._catalog.fitting(account, images)
        return [record.read(kept, catalog) for kept in documents]


class _CompanyGone(Refused):
    """A company was deleted while persons were told apart: it is to be read again which are there."""

    def __init__(self) -> None:
        super().__init__("COMPANY_NOT_FOUND", "There is no such company.", ("id",))


def _bound(wanted: Wanted) -> None:
    """Refuse what names too few or too many."""
    count = len(wanted.places)
    if count > MERGED_MAX:
        raise Refused("TOO_MANY", f"A call merges at most {MERGED_MAX} persons.", ("persons",))
    if count < 2:  # noqa: PLR2004 - one alone is nobody's duplicate
        raise Refused("REQUIRED", "Name at least two persons to merge.", ("persons",))


def _checked(wanted: Wanted, catalog: Catalog) -> Wish:
    """Return the wish of the overrides."""
    try:
        return check(wanted.overrides or Given(), catalog)
    except Refusals as refusals:
        raise Refusals([one.under("overrides") for one in refusals.refusals]) from refusals


def _asking(actor: Actor, wanted: Wanted, once: Once | None) -> Callable[[int, Wish | Refusals], Ask[Person]]:
    def ask(_: int, wish: Wish | Refusals) -> Ask[Person]:
        request = once.id if once else None
        make = partial(_unite, wanted, request)
        others = [locator for locator, _ in wanted.places]
        return Ask(actor.account, actor.origin, change_of(wish, make), (), others, once)

    return ask


def _unite(wanted: Wanted, request: str | None, wish: Wish) -> Unite:
    given = wish if wanted.overrides else None
    return Unite(wanted.places, wanted.into, given, unattended=wanted.unattended, request=request)


def _merged(effect: Effect[Person]) -> Merged:
    """Return what became of the call by its effect."""
    found = [write.document for _, write in effect.besides if isinstance(write, Insert)]
    merge = record.read(found[0], effect.after.catalog) if found else None
    return Merged(effect.after, merge, tuple(one.after.id for one in effect.also))


def _with_tags(person: Person, tags: Sequence[Tag]) -> Person:
    """Return a person whose new tags have their names, though nobody else knows them."""
    if not tags:
        return person
    catalog = copy(person.catalog)
    catalog.tags = {**catalog.tags, **{one.id: one for one in tags}}
    return replace(person, catalog=catalog)


def _ended(merge: Merge) -> Guard:
    """Return what takes a merge's images away with its undoing."""
    change = {
        "$set": {"revertedAt": clock.now(), "version": merge.version + 1},
        "$unset": {"before": "", "after": ""},
    }
    return Guard(COLLECTION, merge.id, Overtaken(), merge.version, change)


def _retold(old: Merge, new: Merge) -> Guard:
    """Return what tells a later merge as if the undone one had never been."""
    change = {"$set": {**record.images(new), "version": old.version + 1}}
    return Guard(COLLECTION, old.id, Overtaken(), old.version, change)
