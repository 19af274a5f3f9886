"""Upserts: a row makes its person, or changes who has its identifiers. All pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.catalog.checks import Listing
from app.changes.model import Effect, Path, Scene
from app.claims.model import Locator
from app.core.errors import Refused
from app.persons.model import Person
from app.persons.plan import TAKEN, Create, PersonChange, Update
from app.persons.wish import Wish


@dataclass(frozen=True, slots=True)
class Upsert(PersonChange):
    """Make the person of a row, or change who has its identifiers; with `overwrite` what is absent is emptied.

    Without it contacts and tags of the row join those that are there, so that no row takes an identifier off.
    """

    wish: Wish
    overwrite: bool = False

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return what the wish names."""
        return self.wish.places()

    def definitions(self) -> Collection[str] | None:
        """Return the attributes of the wish."""
        return self.wish.definitions()

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the effect; refuses a row whose external id is another than that of who has its contact."""
        if person is None:
            return Create(self.wish).plan(None, scene)
        self._refuse_another(person)
        wish = self.wish if self.overwrite else _adding(self.wish)
        return Update(wish, overwrite=self.overwrite).plan(person, scene)

    def _refuse_another(self, person: Person) -> None:
        named = self.wish.scalars.get("external_id")
        if not named or person.external_id in (None, named):
            return
        held = {*(one.address for one in person.emails), *(one.number for one in person.phones)}
        for kind, one in self.wish.contacts():
            if one.value in held:
                words = "This contact belongs to a person with another external id."
                raise Refused(TAKEN[kind][0], words, one.path, owner=person.id)


def _adding(wish: Wish) -> Wish:
    return replace(wish, emails=_added(wish.emails), phones=_added(wish.phones), tags=_added(wish.tags))


def _added(given: Listing[Any] | None) -> Listing[Any] | None:
    return None if given is None else Listing(None, list(given.replace or ()))
