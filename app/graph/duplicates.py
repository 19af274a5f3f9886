"""How duplicates are asked for and dismissed."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from app.core.pages import Slice
from app.graph import reading
from app.graph.connections import Place
from app.graph.context import Context
from app.graph.declare import First, Info, Input, argument, relation
from app.graph.duplicates_types import DismissPayload, DuplicateConnection
from app.graph.inputs import PersonLocator
from app.graph.relations import After
from app.graph.results import Payload, settled
from app.identity.duplicates import Scan
from app.identity.groups import Group
from app.persons import lists


class Found:
    """A page of groups as GraphQL shows it; it ends where the look at the persons stopped."""

    __slots__ = ("_end", "_place", "has_next_page", "has_previous_page", "nodes")

    def __init__(self, scan: Scan, place: Place, part: Slice) -> None:
        self.nodes = scan.groups
        self.has_next_page = scan.has_next
        self.has_previous_page = part.position is not None
        self._place = place
        self._end = scan.end

    @property
    def page_info(self) -> "Found":
        """The page itself: it knows."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """Where the page begins."""
        return self._seal(lists.NEWEST.position(self.nodes[0].persons[0]) if self.nodes else None)

    @property
    def end_cursor(self) -> str | None:
        """Where to go on."""
        return self._seal(self._end)

    def _seal(self, position: Sequence[Any] | None) -> str | None:
        return None if position is None else self._place.seal(position)


async def duplicate_persons(
    info: Info,
    of: Annotated[Input | None, argument("Of whom; of everybody where nothing is said.", PersonLocator | None)] = None,
    first: First = None,
    after: After = None,
) -> Found:
    """Page through groups."""
    context, place = info.context, Place(info.context, "duplicates", of)
    part = place.part(first, after)
    if of is not None:
        return Found(await _of(context, of, part), place, part)
    return Found(await context.services.duplicates.page(context.account, part), place, part)


async def _of(context: Context, of: Input, part: Slice) -> Scan:
    """Return the one group of a person; behind it there is nothing."""
    locator = reading.known(of)
    person = await context.services.persons.find(context.account, locator) if locator else None
    group: Group | None = None
    if person is not None and part.position is None:
        group = await context.services.duplicates.of(context.account, person)
    shown = [group] if group and part.limit else []
    end = lists.NEWEST.position(group.persons[0]) if group and shown else part.position
    return Scan(shown, end, has_next=group is not None and not shown)


async def dismiss_duplicates(
    info: Info, group_id: Annotated[strawberry.ID, argument("The group's id, from `duplicatePersons`.")]
) -> Payload:
    """Dismiss a group."""
    context = info.context
    work = context.services.duplicates.dismiss(context.account, group_id)
    return await settled(context.actor, "group_id", work)


@strawberry.type
class DuplicateQueries:
    """What can be asked about duplicates."""

    duplicate_persons: DuplicateConnection = relation(
        duplicate_persons,
        "Persons who may be one and the same, by similar names and identifiers: of one person, or in the whole account,"
        " each group once. Nobody is ever merged by this.",
    )


@strawberry.type
class DuplicateMutations:
    """What can be done about duplicates."""

    dismiss_duplicates: DismissPayload = relation(
        dismiss_duplicates,
        "These are not the same person: no two of them are offered together again unless an identifier or a name of"
        " one changes.",
    )
