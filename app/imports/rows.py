"""What a row makes of a profile: of leads and customers beside who is there, and of companies. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.changes.model import Effect, Scene, Wished, Wishes
from app.companies import plan as companies
from app.companies.model import Company
from app.companies.wish import Wish as CompanyWish
from app.core.errors import Refused
from app.imports.model import CREATED, PROMOTED, REWRITE, SKIP, SKIPPED, UNCHANGED, UPDATED
from app.persons import plan as persons
from app.persons.model import CUSTOMER, LEAD, Person
from app.persons.upsert import Upsert
from app.persons.wish import Wish as PersonWish
from app.timeline.model import Event

P = TypeVar("P", Person, Company)


@dataclass(frozen=True, slots=True)
class Told:
    """Of which import a row is, its place and its line in the file, its cells, and the rule for who is there.

    `beyond`: names of cells behind the columns, where they have names.
    """

    import_id: str
    index: int
    line: int
    duplicates: str = REWRITE
    cells: Sequence[Any] = ()
    beyond: Sequence[str] = ()

    def said(self, effect: Effect[Any]) -> dict[str, Any]:
        """Return what the event of the row says: which import, which line of the file, and what became of it."""
        return {"importId": self.import_id, "row": self.line, "outcome": outcome(effect, self.duplicates).upper()}


def outcome(effect: Effect[Any], duplicates: str) -> str:
    """Return what became of a row."""
    if effect.before is None:
        return CREATED
    if effect.changed:
        return PROMOTED if "type" in effect.changed else UPDATED
    return SKIPPED if duplicates == SKIP else UNCHANGED


def _met(wish: Wishes, scene: Scene, noun: str) -> Any:
    """Return who has any of the identifiers of a row; refuses a row of two."""
    found = scene.met(wish.named())
    if len(found) > 1:
        raise Refused("INVALID", f"This row matches several {noun}: {', '.join(sorted(one.id for one in found))}.")
    return next(iter(found), None)


def _applied(effect: Effect[P], one: Event) -> Effect[P]:
    """Return an effect with the event that says which import it was."""
    if effect.changed:
        effect.events.append(one)
    return effect


@dataclass(frozen=True, slots=True)
class PersonRow(Wished[Person]):
    """A row of persons. Who is there keeps what the row says nothing of; contacts and tags are added, none goes."""

    wish: PersonWish
    told: Told
    type: str = LEAD

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - all that it names are looked up
        """Return the effect; refuses a row that matches several, or somebody of another external id."""
        before: Person | None = _met(self.wish, scene, "persons")
        if before is None:
            effect = persons.Create(self.wish, self.type).plan(None, scene)
        elif self.told.duplicates == SKIP:
            return Effect(before, before, ())
        else:
            effect = Upsert(self._wanted(before)).plan(before, scene)
        return _applied(effect, persons.event(effect.after, scene, "importApplied", self.told.said(effect)))

    def _wanted(self, held: Person) -> PersonWish:
        if self.type == CUSTOMER and held.type == LEAD:
            return replace(self.wish, type=CUSTOMER)
        if self.type == LEAD and held.type == CUSTOMER:
            return _filling(self.wish, held)
        return self.wish


def _filling(wish: PersonWish, held: Person) -> PersonWish:
    """Return as much of a wish as fills what is empty, and its external id, by which it may be of somebody else."""
    fills = {"external_id", *(name for name in wish.scalars if getattr(held, name) is None)}
    scalars = {name: one for name, one in wish.scalars.items() if name in fills}
    attributes = {name: one for name, one in wish.attributes.items() if name not in held.values}
    return replace(wish, scalars=scalars, attributes=attributes)


@dataclass(frozen=True, slots=True)
class CompanyRow(Wished[Company]):
    """A row of companies, known by external id, name or domain; domains and tags are added, none goes."""

    wish: CompanyWish
    told: Told

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:  # noqa: ARG002 - see above
        """Return the effect; refuses a row that matches several, or a company of another external id."""
        before: Company | None = _met(self.wish, scene, "companies")
        if before is not None and self.told.duplicates == SKIP:
            return Effect(before, before, ())
        effect = companies.Upsert(self.wish).plan(before, scene)
        said = companies.event(effect.after, scene, "importApplied", **self.told.said(effect))
        return _applied(effect, said)
