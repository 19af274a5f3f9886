"""What leads from one thing to others: companies of a person, persons of a company, timelines."""

from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry

from app.catalog.model import Tag
from app.companies.model import Company
from app.core.actor import Scope
from app.core.errors import Fault, forbidden
from app.core.pages import Page
from app.graph import reading
from app.graph.connections import Connection, Place, listed, paged
from app.graph.context import Context
from app.graph.declare import First, Info, Input, Last, argument
from app.graph.scalars import Cursor
from app.graph.veil import seen
from app.graph.wanted import TimelineFilter
from app.persons.model import Person
from app.timeline.model import Event
from app.timeline.model import position as event_position
from app.timeline.record import SOURCES, standing

DAYS_DEFAULT = 90
DAYS_MAX = 366

After = Annotated[Cursor | None, argument("Go on behind this cursor.")]
Before = Annotated[Cursor | None, argument("Go back before this cursor.")]
Events = Annotated[Input | None, argument("Which events; all where nothing is said.", TimelineFilter | None)]
Name = Annotated[str, argument("The attribute's name, in any case.")]


def attribute_of(root: strawberry.Parent[Any], info: Info, name: Name) -> Any:
    """Return the value of one custom attribute."""
    return root.attribute(name)


async def total_of(root: strawberry.Parent[Any], info: Info) -> int:
    """Count what a connection has on all its pages."""
    found: int = await root.count()
    return found


async def companies_of(
    root: strawberry.Parent[Person], info: Info, first: First = 20, after: After = None
) -> Connection[Company]:
    """Return the companies that a person belongs to; links to companies that are gone are passed over."""
    _refuse_strangers(info.context)
    context, place = info.context, Place(info.context, f"companies:{root.id}")
    held = [one.company_id for one in root.memberships]
    page, total = await context.services.companies.among(context.account, held, place.part(first, after))
    return Connection(page, place, lambda one: (one.id,), count=total, roles=lambda one: _role(root, one.id))


def _refuse_strangers(context: Context) -> None:
    """Refuse what leads from one person to others where the key may see but that one: an app its own user."""
    if not context.actor.may(Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE):
        raise forbidden("Companies need a key with PEOPLE_READ or PEOPLE_MANAGE.")


async def persons_of(
    root: strawberry.Parent[Company], info: Info, first: First = 20, after: After = None
) -> Connection[Person]:
    """Return the persons of a company, oldest profile first."""
    context, place = info.context, Place(info.context, f"members:{root.id}")
    page = await context.services.persons.members(context.account, root.id, place.part(first, after))
    count = partial(context.services.persons.count, context.account, {"companies.id": root.id})
    return Connection(page, place, lambda one: (one.id,), count=count, roles=lambda one: _role(one, root.id))


def _role(person: Person, company_id: str) -> tuple[str | None, bool]:
    held = next(one for one in person.memberships if one.company_id == company_id)
    return held.role, held.primary


def inherited_tags(root: strawberry.Parent[Person], info: Info) -> list[str] | Awaitable[list[str]]:
    """Return the tags of the person's companies."""
    return _inherited(root, info.context) if root.memberships else []


async def _inherited(person: Person, context: Context) -> list[str]:
    ids = [one.company_id for one in person.memberships]
    found = await context.services.companies.get_all(context.account, ids)
    return list(dict.fromkeys(tag for one in ids if one in found for tag in found[one].tags))


@listed(SOURCES)
async def person_timeline(
    root: strawberry.Parent[Person],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    filter: Events = None,
) -> Connection[Any]:
    """Return what happened to a person, newest first."""
    place, timeline = Place(info.context, f"timeline:{root.id}", filter), info.context.services.timeline
    found = info.context.account, root.subjects, reading.events(filter), place.part(first, after, last, before)
    models = partial(_owned, root, partial(timeline.of_subjects, *found, since=root.since))
    kept = partial(timeline.rows, *found, since=root.since), standing
    return await paged(info, place, kept, (models, event_position))


async def _owned(person: Person, read: Callable[[], Awaitable[Page[Event]]]) -> Page[Event]:
    """Let all of a timeline belong to its person, whoever it was recorded for."""
    page = await read()
    for event in page.items:
        event.person_id = person.id
    return page


async def activity_by_day(
    root: strawberry.Parent[Person],
    info: Info,
    days: Annotated[int | None, argument("How many days, today included: 1 to 366.")] = DAYS_DEFAULT,
) -> list[SimpleNamespace]:
    """Count a person's events by day."""
    wanted = DAYS_DEFAULT if days is None else days
    if not 1 <= wanted <= DAYS_MAX:
        raise Fault("BAD_VARIABLES", f"Ask for 1 to {DAYS_MAX} days, not {wanted}.", status=400)
    found = await info.context.services.timeline.by_day(root.subjects, wanted, since=root.since)
    return [SimpleNamespace(day=day, events=events) for day, events in found]


@listed(SOURCES)
async def own_timeline(
    root: strawberry.Parent[Any],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    filter: Events = None,
) -> Connection[Any]:
    """Return what happened on the lines of a company or a visitor, newest first."""
    place, timeline = Place(info.context, f"timeline:{root.id}", filter), info.context.services.timeline
    found = info.context.account, root.subjects, reading.events(filter), place.part(first, after, last, before)
    kept, models = (partial(timeline.rows, *found), standing), (partial(timeline.of_subjects, *found), event_position)
    return await paged(info, place, kept, models)


def event_person(root: strawberry.Parent[Event], info: Info) -> Awaitable[Any] | None:
    """Return the person that an event belongs to, as the caller may see it: an app its own user."""
    return _whose(info.context, root.person_id) if root.person_id else None


async def _whose(context: Context, person_id: str) -> Any:
    person = await context.services.persons.heir(context.account, person_id)
    return seen(person, context.actor, Scope.MOBILE_SDK)


def event_company(root: strawberry.Parent[Event], info: Info) -> Company | Awaitable[Company | None] | None:
    """Return the company that an event belongs to."""
    context = info.context
    return context.services.companies.get(context.account, root.company_id) if root.company_id else None


def update_person(root: strawberry.Parent[Any], info: Info) -> Person | Awaitable[Person | None] | None:
    """Return the person that a live update is about."""
    return info.context.services.persons.get(info.context.account, root.person_id) if root.person_id else None


def changed_person(root: strawberry.Parent[Any], info: Info) -> Person | None:
    """Return the person that changed, where it is there to be seen."""
    person: Person | None = root.shown
    return person


async def tagged_persons(root: strawberry.Parent[Tag], info: Info) -> int:
    """Count the persons that have a tag themselves."""
    return await info.context.services.persons.count(info.context.account, {"tags": root.id})


async def tagged_companies(root: strawberry.Parent[Tag], info: Info) -> int:
    """Count the companies that have a tag."""
    return await info.context.services.companies.count(info.context.account, {"tags": root.id})
