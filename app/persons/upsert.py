"""Upserts: a row makes its person, or changes who has its identifiers. All pure."""

from dataclasses import dataclass, replace

from app.catalog.checks import joining
from app.changes.model import Effect, Scene, Wished
from app.core.errors import Refused
from app.persons.model import Person
from app.persons.plan import TAKEN, Create, Update
from app.persons.wish import Wish


@dataclass(frozen=True, slots=True)
class Upsert(Wished[Person]):
    """Make the person of a row, or change who has its identifiers; with `overwrite` what is absent is emptied.

    Without it contacts and tags of the row join those that are there, so that no row takes an identifier off.
    """

    wish: Wish
    overwrite: bool = False

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the effect; refuses a row whose external id is another than that of who has its contact."""
        if person is None:
            return Create(self.wish).plan(None, scene)
        self._refuse_another(person)
        wish = _called(self.wish, person)
        wish = wish if self.overwrite else _adding(wish)
        return Update(wish, overwrite=self.overwrite).plan(person, scene)

    def _refuse_another(self, person: Person) -> None:
        named = self.wish.scalars.get("external_id")
        if not named or person.external_id is None or named in (person.external_id, *person.aliases):
            return
        held = {*(one.address for one in person.emails), *(one.number for one in person.phones)}
        for kind, one in self.wish.contacts():
            if one.value in held:
                words = "This contact belongs to a person with another external id."
                raise Refused(TAKEN[kind][0], words, one.path, owner=person.id)


def _called(wish: Wish, person: Person) -> Wish:
    """Return the wish with the external id that the person has where the row has another one that finds it as well."""
    if person.external_id is None or wish.scalars.get("external_id") not in person.aliases:
        return wish
    return replace(wish, scalars={**wish.scalars, "external_id": person.external_id})


def _adding(wish: Wish) -> Wish:
    return replace(wish, emails=joining(wish.emails), phones=joining(wish.phones), tags=joining(wish.tags))
