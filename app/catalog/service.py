"""Define and delete tags, attributes and events; keep each account's catalog in memory, true across processes.

A definition made elsewhere is found at its first use (an unknown name or id makes the catalog be read again);
one deleted elsewhere goes with the change feed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from app.catalog import definitions, store
from app.catalog.model import PERSON, AttributeDefinition, Catalog, EventDefinition, Tag
from app.catalog.record import TAGS, mark_key, tag_document
from app.catalog.standard import STANDARD
from app.catalog.sweeps import COLLECTION as SWEEPS
from app.catalog.sweeps import COMPANY_ATTRIBUTE, PERSON_ATTRIBUTE, TAG, Sweeps, later, sayable
from app.catalog.values import field_of
from app.claims.model import Claim, key
from app.claims.service import Claims, writes
from app.core import clock, ids
from app.core.errors import Refused
from app.core.text import caseless
from app.mongo.engine import Change, Clash, Delete, Document, Engine, Insert, Replace, Stale, Unit

CATALOGS_MAX = 1000
DEFINE_TRIES = 5
TAG_CLAIM, ATTRIBUTE_CLAIM = "tag", "attribute"


def attribute_claim(account: str, target: str, name: str) -> str:
    """Return the key that makes an attribute's name the only one of its target."""
    return key(account, ATTRIBUTE_CLAIM, f"{target}:{caseless(name)}")


def tag_claim(account: str, name: str) -> str:
    """Return the key that makes a tag's name the only one."""
    return key(account, TAG_CLAIM, caseless(name))


def _marked(account: str) -> Replace:
    """Return the write that tells every process, at its next change, that a definition is gone."""
    mark = Claim(mark_key(account), account, ids.new("def"), "", clock.now())
    return Replace({"_id": mark.key}, mark.document(), upsert=True)


class CatalogService:
    """What an account has defined."""

    def __init__(self, engine: Engine, claims: Claims) -> None:
        self._engine = engine
        self._claims = claims
        self._catalogs: dict[str, Catalog] = {}
        self._loading: dict[str, asyncio.Task[Catalog]] = {}
        self.sweeps = Sweeps(engine)

    def known(self, account: str) -> Catalog | None:
        """Return the catalog if it is in memory."""
        return self._catalogs.get(account)

    async def of(self, account: str) -> Catalog:
        """Return the account's catalog."""
        return self._catalogs.get(account) or await self.fresh(account)

    async def fresh(self, account: str) -> Catalog:
        """Return the catalog as the store has it now; the ids that were seen as gone are kept."""
        task = self._loading.get(account)
        if task is None:
            task = asyncio.create_task(self._load(account))
            self._loading[account] = task
            task.add_done_callback(lambda _: self._loading.pop(account, None))
        return await asyncio.shield(task)

    async def fitting(self, account: str, documents: Sequence[Document]) -> Catalog:
        """Return a catalog that knows all tags and attributes which documents of profiles hold, be it as gone."""
        catalog = self._catalogs.get(account) or await self.fresh(account)
        if not catalog.fits(documents):
            catalog = await self.fresh(account)
            catalog.note_gone(documents)
        return catalog

    async def _load(self, account: str) -> Catalog:
        old = self._catalogs.get(account)
        catalog = Catalog(account, gone=old.gone if old else set())
        for standard in STANDARD.values():
            catalog.add(standard)
        await store.load(self._engine, account, catalog)
        while len(self._catalogs) >= CATALOGS_MAX:
            self._catalogs.pop(next(iter(self._catalogs)))
        self._catalogs[account] = catalog
        return catalog

    def on_change(self, change: Change) -> None:
        """Take in what any process defined or deleted."""
        if change.kind == "delete":
            for catalog in self._catalogs.values():
                catalog.drop(str(change.id))
        elif change.document and (held := self._catalogs.get(change.document["account"])):
            held.add(store.read(change.collection, change.document))

    async def refresh(self) -> None:
        """Read every catalog in memory again: news may have been missed."""
        for account in list(self._catalogs):
            await self.fresh(account)

    # ------------------------------------------------------------ tags

    async def create_tag(self, account: str, name: str) -> Tag:
        """Make a tag; refuses a name that exists in any case with DUPLICATE_NAME."""
        tag = Tag(ids.new("tag"), definitions.name(name, "a tag"), clock.now())
        claim = Claim(tag_claim(account, tag.name), account, tag.id, tag.id, tag.created_at)

        async def work(unit: Unit) -> None:
            await unit.write("claims", writes([claim], {}))
            await unit.write(TAGS, [Insert(tag_document(account, tag))])

        catalog = await self.of(account)
        try:
            await self._engine.unit(work)
        except Clash as clash:
            raise Refused("DUPLICATE_NAME", f"There is a tag {tag.name} already.", ("name",)) from clash
        catalog.add(tag)
        return tag

    async def delete_tag(self, account: str, name: str, origin: str = "API") -> Tag:
        """Remove a tag; refuses an unknown one with TAG_NOT_FOUND.

        Nobody has it any more from then on; persons and companies are told, and cleared of it, in the background.
        """
        tag = (await self.fresh(account)).tag(name)
        if tag is None:
            raise Refused("TAG_NOT_FOUND", f"There is no tag {name}.", ("name",))

        async def work(unit: Unit) -> None:
            await unit.write("claims", [*writes([], {tag_claim(account, tag.name): tag.id}), _marked(account)])
            await unit.write(TAGS, [Delete({"_id": tag.id})])
            said = sayable(tag.id, "tags", origin, clock.now())
            await unit.write(SWEEPS, [later(account, TAG, [tag.id], said={**said, "tag": tag.name})])

        await self._engine.unit(work)
        (await self.of(account)).drop(tag.id)
        self.sweeps.wake()
        return tag

    # ------------------------------------------------------------ attributes

    async def define_attribute(self, account: str, wanted: AttributeDefinition) -> AttributeDefinition:
        """Define an attribute; refuses a name of the same target that exists in any case with DUPLICATE_NAME."""
        wanted = replace(wanted, name=definitions.name(wanted.name, "an attribute", brackets=False))
        definitions.item_fields(wanted.type, wanted.item_fields)
        wanted = replace(wanted, description=definitions.described(wanted.description))
        claim_key = attribute_claim(account, wanted.target, wanted.name)
        claim = Claim(claim_key, account, wanted.id, wanted.id, wanted.created_at)

        async def work(unit: Unit) -> None:
            await unit.write("claims", writes([claim], {}))
            await unit.write(store.ATTRIBUTES, [Insert(store.attribute_document(account, wanted))])

        catalog = await self.of(account)
        try:
            await self._engine.unit(work)
        except Clash as clash:
            raise Refused("DUPLICATE_NAME", f"There is an attribute {wanted.name} already.", ("name",)) from clash
        catalog.add(wanted)
        return wanted

    async def delete_attribute(self, account: str, target: str, name: str, origin: str = "API") -> AttributeDefinition:
        """Remove an attribute; its name is free at once, for any type.

        Nobody has a value any more from then on; who had one is told, and cleared of it, in the background.
        """
        found = (await self.fresh(account)).attribute(target, name)
        if found is None:
            raise Refused("ATTRIBUTE_NOT_FOUND", f"There is no attribute {name}.", ("name",))
        kind = PERSON_ATTRIBUTE if target == PERSON else COMPANY_ATTRIBUTE

        async def work(unit: Unit) -> None:
            claim = attribute_claim(account, target, found.name)
            await unit.write("claims", [*writes([], {claim: found.id}), _marked(account)])
            await unit.write(store.ATTRIBUTES, [Delete({"_id": found.id})])
            said = sayable(found.id, "customAttributes", origin, clock.now())
            await unit.write(SWEEPS, [later(account, kind, [found.id, field_of(found)], said=said)])

        await self._engine.unit(work)
        (await self.of(account)).drop(found.id)
        self.sweeps.wake()
        return found

    # ------------------------------------------------------------ events

    async def define_event(self, account: str, wanted: EventDefinition) -> EventDefinition:
        """Define an event, or add to one that exists; refuses standard ones and anything that would take away."""
        wanted = definitions.event(wanted)
        if wanted.id in STANDARD:
            raise Refused("STANDARD_EVENT", f"{wanted.id} is one of our own events.", ("id",))
        for _ in range(DEFINE_TRIES):
            old = (await self.fresh(account)).events.get(wanted.id)
            new = definitions.event(definitions.grown(old, wanted)) if old else wanted
            try:
                await self._write_event(account, old, new)
            except (Clash, Stale):
                continue
            (await self.of(account)).add(new)
            return new
        raise Refused("VERSION_CONFLICT", "Somebody else is defining this event at the same time.", ("id",))

    async def _write_event(self, account: str, old: EventDefinition | None, new: EventDefinition) -> None:
        document = store.event_document(account, new)
        if old is None:
            await self._engine.write(store.EVENTS, [Insert(document)])
        elif old != new:
            before = store.event_document(account, old)
            same = {"_id": before["_id"], "title": before["title"], "fields": before["fields"]}
            await self._engine.write(store.EVENTS, [Replace(same, document)])

    # ------------------------------------------------------------ lists

    async def events(self, account: str) -> Sequence[EventDefinition]:
        """Return all event definitions, standard ones first."""
        found = (await self.fresh(account)).events.values()
        return sorted(found, key=lambda event: (not event.standard, event.id))

    async def attributes(self, account: str, target: str) -> Sequence[AttributeDefinition]:
        """Return the attributes of a target, by name."""
        found = (await self.fresh(account)).attributes.values()
        return sorted((one for one in found if one.target == target), key=lambda one: caseless(one.name))

    async def tags(self, account: str, search: str | None) -> Sequence[Tag]:
        """Return the tags whose name contains `search`, by name."""
        found = (await self.fresh(account)).tags_by_name
        wanted = caseless(search or "")
        return [tag for name, tag in sorted(found.items()) if wanted in name]
