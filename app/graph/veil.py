"""What a key that may not read persons sees of one whom its call was about: the id, and nothing else."""

from typing import Any, NoReturn

from app.core.actor import Actor, Scope
from app.core.errors import forbidden
from app.persons.model import Person


class Veiled:
    """A person of whom only the id is shown; any other field is FORBIDDEN."""

    __slots__ = ("id",)

    def __init__(self, person_id: str) -> None:
        self.id = person_id

    def __getattr__(self, name: str) -> NoReturn:
        raise forbidden("This needs a key with PEOPLE_READ.")


def seen(person: Person | None, actor: Actor, *also: Scope) -> Any:
    """Return a person as a caller may see it: whole with PEOPLE_READ, PEOPLE_MANAGE, or one of `also`."""
    if person is None or actor.may(Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE, *also):
        return person
    return Veiled(person.id)
