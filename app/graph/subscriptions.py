"""What can be followed live, and how a recorded event is told to those who follow."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry

from app.core.errors import Fault
from app.graph import reading, types
from app.graph.connections import Place
from app.graph.context import Context
from app.graph.declare import Info, Input, argument, relation
from app.graph.following import Following
from app.graph.inputs import CompanyLocator, PersonLocator
from app.graph.relations import After
from app.graph.wanted import PersonFilter
from app.live.topic import Moment, Topic
from app.persons.model import Person
from app.timeline.model import Event

# Told also to those who asked for other types: their stream ends with it.
LAST_WORDS = frozenset({"personDeleted", "companyDeleted"})
# Field of a filter → what a change of it is called.
_CHANGES = {"email": "emails", "phone": "phones", "customAttribute": "customAttributes", "companyId": "companies"}
# A company's tags come and go with it.
_INHERITED = {"tags": "companies"}
_ALWAYS = frozenset({"updatedAt"})

Types = Annotated[list[str] | None, argument("Of these types alone; all where nothing is said.")]


def _unknown(noun: str) -> Fault:
    return Fault("NOT_FOUND", f"There is no such {noun} to follow.", status=404)


async def _subject(context: Context, person: Input | None, company: Input | None) -> tuple[str, frozenset[str] | None]:
    """Return the id of what is followed and its lines of activity; None: those of the whole account."""
    if person and company:
        raise Fault("BAD_VARIABLES", "Follow a person or a company, not both.", status=400)
    if person:
        locator = reading.known(person)
        found = await context.services.persons.find(context.account, locator) if locator else None
        if found is None:
            raise _unknown("person")
        return found.id, frozenset(found.subjects)
    if company:
        held = await context.services.companies.find(context.account, *reading.company(company))
        if held is None:
            raise _unknown("company")
        return held.id, frozenset(held.subjects)
    return "", None


async def timeline_events(
    info: Info,
    person: Annotated[Input | None, argument("Whose timeline.", PersonLocator | None)] = None,
    company: Annotated[Input | None, argument("Which company's timeline.", CompanyLocator | None)] = None,
    types: Types = None,
    after: After = None,
) -> Following:
    """Follow a timeline."""
    context = info.context
    followed, subjects = await _subject(context, person, company)
    place = Place(context, f"live:{followed}", sorted(types) if types is not None else None)
    kinds = None if types is None else frozenset(types) | LAST_WORDS
    topic = Topic(context.account, subjects, kinds)
    return Following(topic, _token(place, after), _Events(context, place, followed), _sealed(place))


class _Events:
    """Tells the events of a topic."""

    def __init__(self, context: Context, place: Place, followed: str) -> None:
        self._timeline = context.services.timeline
        self._place = place
        self._followed = followed

    async def __call__(self, moment: Moment) -> tuple[Sequence[Any], bool]:
        """Return the update of a moment; the last where what is followed is gone."""
        cursor, event = self._place.seal([moment.token]), moment.event
        if event is None:
            return [SimpleNamespace(cursor=cursor, kind=moment.kind, event=None, person_id=None)], False
        await self._timeline.entitle([event])
        # The end of a company that was taken into the one that is followed is but an event of its timeline.
        gone = event.type in LAST_WORDS and self._followed in ("", event.person_id, event.company_id)
        kind = ("MERGED" if event.properties.get("into") else "DELETED") if gone else "EVENT"
        update = SimpleNamespace(cursor=cursor, kind=kind, event=event, person_id=event.person_id)
        return [update], gone and bool(self._followed)


def _sealed(place: Place) -> Callable[[str], str]:
    return lambda token: place.seal([token])


def _token(place: Place, after: str | None) -> str | None:
    position = place.part(after=after).position
    return str(position[0]) if position else None


async def person_changes(
    info: Info,
    filter: Annotated[Input | None, argument("Which persons; all where nothing is said.", PersonFilter | None)] = None,
    after: After = None,
) -> Following:
    """Follow changes of persons."""
    context = info.context
    place = Place(context, "changes", filter)
    # A bad filter is refused here, not at the first event.
    await context.services.persons.query(context.account, filter)
    present = _Changes(context, place, filter)
    return Following(Topic(context.account, changes=True), _token(place, after), present, _sealed(place))


class _Changes:
    """Tells changes of the persons that a filter finds."""

    def __init__(self, context: Context, place: Place, wanted: Input | None) -> None:
        self._context = context
        self._place = place
        self._wanted = wanted
        self._fields = _fields(wanted or {})
        self._ids = frozenset(wanted["ids"]) if wanted and wanted.get("ids") is not None else None

    async def __call__(self, moment: Moment) -> tuple[Sequence[Any], bool]:
        """Return the update of a moment, none where the person never matched; the last where it is the only one."""
        cursor, event = self._place.seal([moment.token]), moment.event
        if event is None or event.person_id is None:
            return [_update(cursor, moment.kind)], False
        if self._ids is not None and event.person_id not in self._ids:
            return [], False
        changed = event.changed or ()
        if event.type == "personDeleted":
            return [_update(cursor, "DELETED", event, changed)], self._ids == frozenset({event.person_id})
        person = await self._context.services.persons.met(self._context.account, event.person_id, self._wanted)
        if person is not None:
            kind = "CREATED" if event.type == "personCreated" else "UPDATED"
            return [_update(cursor, kind, event, changed, person)], False
        # Who is new never was among them.
        left = event.type != "personCreated" and self._fields & {*changed, *_ALWAYS}
        return ([_update(cursor, "LEFT", event, changed)] if left else []), False


def _update(
    cursor: str, kind: str, event: Event | None = None, changed: Sequence[str] = (), person: Person | None = None
) -> SimpleNamespace:
    person_id = event.person_id if event else None
    named = [name for name in changed if name != "state"]
    return SimpleNamespace(cursor=cursor, kind=kind, person_id=person_id, shown=person, changed_fields=named)


def _fields(wanted: Input) -> frozenset[str]:
    found: set[str] = set()
    for name, value in wanted.items():
        if name in ("and", "or"):
            found.update(*(_fields(part) for part in value or ()))
        elif name == "not":
            found |= _fields(value or {})
        else:
            found |= {_CHANGES.get(name, name), _INHERITED.get(name, name)}
    return frozenset(found)


@strawberry.type
class Subscription:
    """What can be followed."""

    timeline_events: types.TimelineUpdate = relation(
        timeline_events,
        "A timeline as it grows: of a person, of a company, or of the whole account. Ends after DELETED of what is"
        " followed; give the last cursor as `after` to miss nothing.",
    )
    person_changes: types.PersonUpdate = relation(
        person_changes, "Changes of the persons that a filter finds; give the last cursor as `after` to miss nothing."
    )
