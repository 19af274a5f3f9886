"""A record that is a person's no more, or a new one that is: links on the profile itself. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.changes.model import Change, Effect, Path, Scene, successor
from app.claims.model import Locator
from app.core.errors import Refused
from app.persons import plan as persons
from app.persons.model import CrmLink, Person
from app.sync.incoming import Left, Source


@dataclass(frozen=True, slots=True)
class Unlinked(Change[Person]):
    """Take a record off its person, `into` which it was merged in its place; who is gone needs nothing."""

    source: Source
    record: str
    into: str | None = None

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person without the record."""
        if held is None:
            raise Left
        mine = (self.source.system, self.source.entity, self.record)
        kept = [one for one in held.crm_links if one.key != mine]
        if self.into is not None:
            kept.append(CrmLink(self.source.system, self.source.entity, self.into, scene.now, self.source.connection))
        after = successor(held, scene)
        after.crm_links = kept
        said = self.source.said(self.record)
        effect = Effect(held, after, ("crmLinks",), [persons.event(after, scene, "crmSynced", said)])
        return effect.announced()


@dataclass(frozen=True, slots=True)
class Attached(Change[Person]):
    """Give a person the record that was made for it; refused where it is somebody else's."""

    source: Source
    record: str

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return the record."""
        return ((self.source.locator(self.record), ("crmLinks",)),)

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person with the record."""
        if held is None:
            raise Left
        owner: Person | None = scene.find(self.source.locator(self.record))
        if owner is not None and owner.id != held.id:
            raise Refused("INVALID", f"This record belongs to {owner.id} already.")
        if owner is not None:
            return Effect(held, held, ())
        after = replace(successor(held, scene))
        after.crm_links = [
            *held.crm_links,
            CrmLink(self.source.system, self.source.entity, self.record, scene.now, self.source.connection),
        ]
        said = self.source.said(self.record)
        effect = Effect(held, after, ("crmLinks",), [persons.event(after, scene, "crmSynced", said)])
        return effect.announced()
