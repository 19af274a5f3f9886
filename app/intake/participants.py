"""Participants of a journey: who is named by several identifiers becomes one person, unattended. All pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from app.catalog.model import Catalog
from app.changes.model import Change, Effect, Path, Scene
from app.claims.model import Locator
from app.core.errors import Refusals, Refused
from app.identity.unite import Unite
from app.intake.channels import PARTICIPANT, Contacted, learned, reachable
from app.persons.model import Person
from app.persons.wish import Given, Wish

# Identifiers of one participant; a call of `mergePersons` names as many.
IDENTIFIERS_MAX = 50
# Identifiers that are of the service or a CRM: who has none is nobody, and never gets one.
GIVEN = frozenset({"id", "crm"})


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant as it came in; `refused` is what could not even be read."""

    identifiers: tuple[Locator, ...] = ()
    learned: Given | None = None
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Joining:
    """A checked participant: each identifier once, with where it stands, and what is to be written."""

    places: tuple[tuple[Locator, Path], ...]
    wish: Wish


def check(given: Participant, catalog: Catalog) -> Joining:
    """Return the checked participant; refuses with paths relative to it."""
    if given.refused:
        raise Refusals(given.refused)
    if not given.identifiers:
        raise Refusals([Refused("REQUIRED", "Name the participant.", ("identifiers",))])
    if len(given.identifiers) > IDENTIFIERS_MAX:
        words = f"A participant is named by at most {IDENTIFIERS_MAX} identifiers."
        raise Refusals([Refused("TOO_MANY", words, ("identifiers",))])
    places: dict[Locator, Path] = {}
    refused: list[Refused] = []
    for index, one in enumerate(given.identifiers):
        places.setdefault(one, ("identifiers", str(index), one.kind))
        try:
            reachable(one)
        except Refused as refusal:
            refused.append(refusal.under("identifiers", str(index)))
    if refused:
        raise Refusals(refused)
    return Joining(tuple(places.items()), learned(given.learned, list(places), catalog))


@dataclass(frozen=True, slots=True)
class Join(Change[Person]):
    """Make one person of all whom the identifiers find, or of nobody a lead, and bring it up to date."""

    moves = True

    joining: Joining

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return the identifiers, and what was learned."""
        wished = ((one, ("attributes", *path)) for one, path in self.joining.wish.places())
        return [*self.joining.places, *wished]

    def definitions(self) -> Collection[str] | None:
        """Return the attributes of what was learned."""
        return self.joining.wish.definitions()

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - it may be any of them
        """Return the person; refuses PERSON_NOT_FOUND, and MERGE_BLOCKED where two customers would be one."""
        found = [(one, path, scene.find(one)) for one, path in self.joining.places]
        for one, path, person in found:
            if person is None and one.kind in GIVEN:
                raise Refused("PERSON_NOT_FOUND", "There is no such person.", path)
        persons = {person.id: person for _, _, person in found if person}
        reach = [(one, path) for one, path, _ in found if one.kind not in GIVEN]
        contacted = Contacted(PARTICIPANT, reach, self.joining.wish)
        if len(persons) < 2:  # noqa: PLR2004 - one alone is nobody's duplicate
            return contacted.plan(next(iter(persons.values()), None), scene)
        return _then(self._united([(one, path) for one, path, person in found if person], scene), contacted, scene)

    def _united(self, places: Sequence[tuple[Locator, Path]], scene: Scene) -> Effect[Person]:
        try:
            return Unite(places, unattended=True).plan(None, scene)
        except Refused as refusal:
            raise Refused(refusal.code, refusal.message, ("identifiers",)) from refusal


def _then(effect: Effect[Person], change: Contacted, scene: Scene) -> Effect[Person]:
    """Return the effect of a merge and of what is written behind it: undoing the merge leaves that in its place."""
    more = change.plan(effect.after, scene)
    if not more.changed:
        return effect
    changed = tuple(dict.fromkeys((*effect.changed, *more.changed)))
    return replace(effect, after=more.after, changed=changed, events=[*effect.events, *more.events])
