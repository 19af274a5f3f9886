"""What an app's key may do of what others may do as well: only for the person who holds its own installation."""

from collections.abc import Awaitable, Callable, Sequence

from app.core.actor import Scope
from app.core.errors import forbidden
from app.graph.context import Context
from app.graph.declare import Input
from app.persons.model import Person


def saving(context: Context, by: Input) -> Callable[..., Awaitable[Person]]:
    """Return what changes a person for this caller; raises FORBIDDEN where an app names somebody otherwise."""
    if context.actor.may(Scope.PEOPLE_MANAGE):
        return context.services.persons.update
    _refuse_others([by])
    return context.services.installations.save


def refuse_others(context: Context, events: Sequence[Input]) -> None:
    """Refuse events of an app that are not of its installation; raises FORBIDDEN."""
    if not context.actor.may(Scope.EVENTS_WRITE):
        _refuse_others([one["person"] for one in events])


def _refuse_others(named: Sequence[Input]) -> None:
    if any("push" not in by for by in named):
        raise forbidden("An app names its own installation: {push: …}.")
