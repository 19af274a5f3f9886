"""The one path that writes persons: a chunk of changes is read, planned in memory and committed as one unit.

A later change of a chunk sees what the earlier ones did; one that is refused leaves no trace.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.catalog.model import Catalog, Tag
from app.catalog.record import TAGS, tag_document
from app.catalog.service import CatalogService, tag_claim
from app.claims.model import Claim
from app.claims.model import read as read_claim
from app.claims.service import writes
from app.core import clock, ids
from app.core.errors import Fault, Refusals, Refused, unavailable
from app.core.text import caseless
from app.mongo.engine import Clash, Conflict, Delete, Engine, Insert, Replace, Stale, Unit, Write
from app.persons import store
from app.persons.model import ACTIVE, DELETED, MERGED, Locator, Person
from app.persons.plan import TAKEN, Change, Create, Effect, Scene, Update
from app.persons.upsert import Upsert
from app.timeline.model import Event
from app.timeline.record import COLLECTION as EVENTS
from app.timeline.record import document as event_document

CHUNK_CHANGES = 500
COMMIT_TRIES = 12
MERGES_MAX = 50


@dataclass(frozen=True, slots=True)
class Ask:
    """One change that somebody asks for; `origin` is stamped on what is written.

    `sought` says whom it may mean: the first that is owned counts; where it is empty, a new person is made.
    """

    account: str
    origin: str
    change: Change
    sought: Sequence[Locator] = ()


Outcome = Effect | Refused | Refusals | Fault


@dataclass(slots=True)
class Desk:
    """What a chunk knows: persons and claims as they will be after the changes planned so far."""

    catalogs: dict[str, Catalog]
    persons: dict[str, Person] = field(default_factory=dict)
    claims: dict[str, Claim | None] = field(default_factory=dict)
    tags: dict[tuple[str, str], Tag] = field(default_factory=dict)
    # As they were read, for the filter of their replacement.
    originals: dict[str, int] = field(default_factory=dict)

    def find(self, account: str, locator: Locator) -> Person | None:
        """Return whom a locator means, following merges."""
        if locator.kind == "id":
            person = self.persons.get(locator.value)
        else:
            claim = self.claims.get(locator.claim(account))
            person = self.persons.get(claim.owner) if claim else None
        for _ in range(MERGES_MAX):
            if person is None or person.state != MERGED or person.into is None:
                break
            person = self.persons.get(person.into)
        return person if person and person.state == ACTIVE and person.account == account else None


class Chunk:
    """Plans and commits chunks."""

    def __init__(self, engine: Engine, catalog: CatalogService) -> None:
        self._engine = engine
        self._catalog = catalog

    async def run(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Return the outcome of each ask. Never raises for one of them: neighbours are not harmed."""
        try:
            return await self._commit(list(asks), COMMIT_TRIES)
        except Fault as fault:
            return [fault] * len(asks)

    async def whole(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Carry out all asks as one unit, or none: where one is refused, nothing is written. Raises UNAVAILABLE."""
        for _ in range(COMMIT_TRIES):
            desk = await self._read(asks)
            outcomes = [_planned(ask, desk) for ask in asks]
            if not all(isinstance(one, Effect) for one in outcomes):
                return outcomes
            try:
                return await self._settled(desk, outcomes)
            except (Clash, Stale, Conflict):
                await self._renew(desk)
        raise unavailable()

    async def _commit(self, asks: list[Ask], tries: int) -> list[Outcome]:
        desk = await self._read(asks)
        outcomes = [_planned(ask, desk) for ask in asks]
        try:
            return await self._settled(desk, outcomes)
        except (Clash, Stale, Conflict):
            # Somebody else was faster: read again, in halves, so that one contended change doesn't hold up the rest.
            if tries <= 1:
                return [unavailable()] * len(asks)
            await self._renew(desk)
            if len(asks) == 1:
                return await self._commit(asks, tries - 1)
            half = len(asks) // 2
            return await self._half(asks[:half], tries - 1) + await self._half(asks[half:], tries - 1)

    async def _half(self, asks: list[Ask], tries: int) -> list[Outcome]:
        """Commit a half; a fault is its own, for the other half may have been written."""
        try:
            return await self._commit(asks, tries)
        except Fault as fault:
            return [fault] * len(asks)

    async def _settled(self, desk: Desk, outcomes: list[Outcome]) -> list[Outcome]:
        """Write what was planned; raises Clash, Stale or Conflict where somebody else was faster."""
        effects = [one for one in outcomes if isinstance(one, Effect) and one.changed]
        if effects:
            await self._write(desk, effects)
        for tag_key, tag in desk.tags.items():
            if held := self._catalog.known(tag_key[0]):
                held.add(tag)
        return outcomes

    async def _renew(self, desk: Desk) -> None:
        for account in desk.catalogs:
            await self._catalog.fresh(account)

    async def _read(self, asks: Sequence[Ask]) -> Desk:
        catalogs = {account: await self._catalog.of(account) for account in {ask.account for ask in asks}}
        desk = Desk(catalogs)
        keys = dict.fromkeys(key for ask in asks for key in _claims_to_read(ask))
        if keys:
            desk.claims = dict.fromkeys(keys)
            for kept in await self._engine.find("claims", {"_id": {"$in": list(keys)}}):
                desk.claims[kept["_id"]] = read_claim(kept)
        sought = [(ask.account, one) for ask in asks for one in ask.sought]
        wanted = {one.value for _, one in sought if one.kind == "id"}
        for account, one in sought:
            if one.kind != "id" and (claim := desk.claims.get(one.claim(account))):
                wanted.add(claim.owner)
        for _ in range(MERGES_MAX):
            if not wanted:
                break
            await self._load(desk, wanted)
            wanted = {one.into for one in desk.persons.values() if one.into and one.into not in desk.persons}
        return desk

    async def _load(self, desk: Desk, wanted: Iterable[str]) -> None:
        for kept in await self._engine.find(store.COLLECTION, {"_id": {"$in": list(wanted)}}):
            account = kept["account"]
            if account not in desk.catalogs or kept["state"] == DELETED:
                continue
            if not store.known(desk.catalogs[account], [kept]):
                desk.catalogs[account] = await self._catalog.fresh(account)
                store.note_gone(desk.catalogs[account], [kept])
            desk.persons[kept["_id"]] = store.read(kept, desk.catalogs[account])
            desk.originals[kept["_id"]] = kept["version"]

    async def _write(self, desk: Desk, effects: Sequence[Effect]) -> None:
        claims, persons, events = _writes(desk, effects)
        tags: list[Write] = [Insert(tag_document(key[0], tag)) for key, tag in desk.tags.items()]

        async def work(unit: Unit) -> None:
            for collection, group in (("claims", claims), (TAGS, tags), (store.COLLECTION, persons)):
                if group:
                    await unit.write(collection, group)
            await unit.write(EVENTS, events)

        await self._engine.unit(work)


def _claims_to_read(ask: Ask) -> list[str]:
    # An Upsert seeks all that it names.
    named = ask.change.wish.named() if isinstance(ask.change, Create | Update) else ()
    return [one.claim(ask.account) for one in (*ask.sought, *named) if one.kind != "id"]


def _planned(ask: Ask, desk: Desk) -> Outcome:
    new: dict[tuple[str, str], Tag] = {}
    now = clock.now()
    catalog = desk.catalogs[ask.account]

    def tag_id(name: str) -> str:
        key = ask.account, caseless(name)
        known = catalog.tag(name) or desk.tags.get(key) or new.get(key)
        if known is None:
            known = new[key] = Tag(ids.new("tag", now), name, now)
        return known.id

    def tag_name(tag: str) -> str:
        known = catalog.tags.get(tag)
        made = (*desk.tags.values(), *new.values())
        return known.name if known else next((one.name for one in made if one.id == tag), tag)

    scene = Scene(ask.account, ask.origin, now, catalog, tag_id, tag_name)
    person = next(filter(None, (desk.find(ask.account, one) for one in ask.sought)), None)
    try:
        effect = ask.change.plan(person, scene)
        _refuse_taken(ask, effect, desk)
    except (Refused, Refusals) as refused:
        return refused
    if effect.changed:
        _take_in(effect, desk)
        desk.tags.update(new)
    return effect


def _refuse_taken(ask: Ask, effect: Effect, desk: Desk) -> None:
    taken = [(key, path) for key, path in effect.taken().items() if desk.claims.get(key)]
    if not taken:
        return
    paths = _paths(ask)
    refused = []
    for key, path in taken:
        claim = desk.claims[key]
        kind = key.split("|")[1]
        words = {"externalId": "external id", "email": "email", "phone": "phone number"}.get(kind, kind)
        message = f"This {words} belongs to another person."
        owner = claim.owner if claim else None
        refused.append(Refused(TAKEN.get(kind, "DUPLICATE_PUSH"), message, paths.get(key, path), owner=owner))
    raise Refusals(refused)


def _paths(ask: Ask) -> dict[str, tuple[str, ...]]:
    """Return where in the input each contact stands."""
    if not isinstance(ask.change, Create | Update | Upsert):
        return {}
    return {Locator(kind, one.value).claim(ask.account): one.path for kind, one in ask.change.wish.contacts()}


def _take_in(effect: Effect, desk: Desk) -> None:
    person = effect.after
    for key in effect.freed():
        desk.claims[key] = None
    for key in effect.taken():
        desk.claims[key] = Claim(key, person.account, person.id, person.subjects[0], person.updated_at)
    desk.persons[person.id] = person


def _writes(desk: Desk, effects: Sequence[Effect]) -> tuple[list[Write], list[Write], list[Write]]:
    """Return the writes of claims, persons and events; a person changed twice is written once, as it ends up."""
    first: dict[str, Person | None] = {}
    last: dict[str, Person] = {}
    events: list[Event] = []
    for effect in effects:
        first.setdefault(effect.after.id, effect.before)
        last[effect.after.id] = effect.after
        events += effect.events
    persons: list[Write] = []
    claims: list[Write] = []
    gone: list[Write] = []
    for person_id, after in last.items():
        whole = Effect(first[person_id], after, ())
        taken = [Claim(key, after.account, person_id, after.subjects[0], after.updated_at) for key in whole.taken()]
        claims += writes(taken, dict.fromkeys(whole.freed(), person_id))
        if first[person_id] is None:
            persons.append(Insert(store.document(after)))
            continue
        same = {"_id": person_id, "version": desk.originals[person_id]}
        persons.append(Replace(same, store.document(after)))
        if after.state == DELETED:
            gone.append(Delete({"subject": {"$in": after.subjects}, "account": after.account}, many=True))
    told = {subject for after in last.values() if after.state == DELETED for subject in after.subjects}
    events = [one for one in events if one.subject not in told or one.type == "personDeleted"]
    # What is let go first, so that another person of the chunk may take it.
    claims.sort(key=lambda write: not isinstance(write, Delete))
    for key, tag in desk.tags.items():
        claims += writes([Claim(tag_claim(key[0], tag.name), key[0], tag.id, tag.id, tag.created_at)], {})
    return claims, persons, [*gone, *(Insert(event_document(one)) for one in events)]
