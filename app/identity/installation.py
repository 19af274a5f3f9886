"""Installations: what an app tells of itself, and how it is opened and adjusted. All pure.

One belongs to one person at a time; of a person's installations exactly one is primary.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from app.catalog.checks import Checks
from app.changes.model import Change, Effect, Path, Scene, successor
from app.claims.model import Locator, compound
from app.core import ids, text
from app.core.errors import Refused
from app.identity.decide import replace_flag, single
from app.persons.model import INSTALLATIONS_MAX, LEAD, REGISTRATION_ID_MAX, Former, Person, PushRegistration
from app.persons.plan import event, identified
from app.timeline.model import Event

APPLICATION_ID_MAX = 256
PLATFORM_MAX = 50
DATA_BYTES_MAX = 16_384
# An app repeats what it could not send for days, but nobody lends a phone to many in that time.
FORMER_LINES_KEPT = 5


class Registration(NamedTuple):
    """Which installation."""

    application_id: str
    registration_id: str

    @property
    def locator(self) -> Locator:
        """The one who holds it."""
        return Locator("push", compound(*self))


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an installation; None: nothing, what is known stays."""

    platform: str | None = None
    primary: bool | None = None
    enabled: bool | None = None
    system_data: Any = None
    additional_data: Any = None


def check(registration: Registration, told: Told) -> None:
    """Refuse what can't be kept: INVALID, TOO_LONG and FORBIDDEN_CHARACTER, each with its path."""
    checks = Checks()
    checks.run(_line(APPLICATION_ID_MAX), registration.application_id, at=("applicationId",))
    checks.run(_line(REGISTRATION_ID_MAX), registration.registration_id, at=("registrationId",))
    _check_told(checks, told)
    checks.settle()


def check_told(told: Told) -> None:
    """Refuse what can't be kept of a known installation."""
    checks = Checks()
    _check_told(checks, told)
    checks.settle()


def _check_told(checks: Checks, told: Told) -> None:
    if told.platform is not None:
        checks.run(_line(PLATFORM_MAX), told.platform, at=("platform",))
    for name, data in (("systemData", told.system_data), ("additionalData", told.additional_data)):
        if data is not None:
            checks.run(_refuse_data, data, at=(name,))


def _line(limit: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not value.strip():
            raise Refused("INVALID", "This can't be empty.")
        if len(value) > limit:
            raise Refused("TOO_LONG", f"This has at most {limit} characters.")
        return text.line(value)

    return check


def _refuse_data(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise Refused("INVALID", "This is an object of name and value.")
    try:
        size = len(orjson.dumps(data))
    except TypeError as error:
        raise Refused("INVALID", "This has a number beyond 64 bits, or half a character.") from error
    if size > DATA_BYTES_MAX:
        raise Refused("TOO_LONG", f"This has at most {DATA_BYTES_MAX} bytes as JSON.")


def held_by(person: Person, registration: Registration) -> PushRegistration | None:
    """Return an installation of a person."""
    return next((one for one in person.push_registrations if named(one) == registration), None)


def named(one: PushRegistration) -> Registration:
    """Return which installation it is."""
    return Registration(one.application_id, one.registration_id)


def known(person: Person | None, registration: Registration, *at: str) -> tuple[Person, PushRegistration]:
    """Return who holds an installation, and that; refuses INSTALLATION_NOT_FOUND."""
    held = held_by(person, registration) if person else None
    if person is None or held is None:
        raise Refused("INSTALLATION_NOT_FOUND", "There is no such installation: open it first.", at)
    return person, held


def is_empty(person: Person) -> bool:
    """Tell whether a person is a lead whom nothing but installations identifies."""
    identifiers = identified(person) or person.aliases or person.channels or person.crm_links
    return person.type == LEAD and not identifiers


def arranged(found: Sequence[PushRegistration], first: Registration | None = None) -> list[PushRegistration]:
    """Return them with exactly one primary: `first`, or the one that was, or the oldest."""
    if first is not None:
        found = [replace_flag(one, named(one) == first) for one in found]
    return single(list(found), replace_flag)


def bounded(person: Person, *at: str) -> None:
    """Refuse a person with too many installations."""
    if len(person.push_registrations) > INSTALLATIONS_MAX:
        raise Refused("TOO_MANY", f"A person has at most {INSTALLATIONS_MAX} installations.", at)


def lead(registration: PushRegistration, scene: Scene) -> Person:
    """Return a new empty lead with an installation that has a line of activity of its own."""
    made = blank(LEAD, scene)
    made.subjects = [*made.subjects, *filter(None, (registration.subject,))]
    made.push_registrations = [replace(registration, primary=True)]
    return made


def relined(one: PushRegistration, holder: Person, scene: Scene) -> PushRegistration:
    """Return an installation that leaves its holder, with a new line of activity; its last ones stay known."""
    was = Former(one.subject or holder.subjects[0], scene.now, holder.id)
    return replace(one, subject=ids.new("app", scene.now), former=(was, *one.former)[:FORMER_LINES_KEPT])


def blank(type_: str, scene: Scene) -> Person:
    """Return a new person without anything."""
    now, origin = scene.now, scene.origin
    own = ids.new("sub", now)
    return Person(ids.new("per", now), scene.account, type_, scene.catalog, now, now, origin, origin, [own])


def attached(person: Person, registration: Registration, scene: Scene) -> Event:
    """Return the event of an installation that came to a person."""
    return event(person, scene, "pushAttached", {"applicationId": registration.application_id})


def detached(person: Person, registration: Registration, scene: Scene) -> Event:
    """Return the event of an installation that left a person."""
    return event(person, scene, "pushDetached", {"applicationId": registration.application_id})


def welcomed(made: Person, registration: Registration, scene: Scene) -> list[Event]:
    """Return the first events of a lead that was made for an installation."""
    created = event(made, scene, "personCreated", {})
    created.changed = ("type", "pushRegistrations", "timeline")
    return [created, attached(made, registration, scene)]


@dataclass(frozen=True, slots=True)
class Open(Change[Person]):
    """The app was opened: an installation that nobody has makes an empty lead; a known one is adjusted."""

    # It may be on its way to somebody else while it is read.
    moves = True

    registration: Registration
    told: Told

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return who holds the installation from now on."""
        if held is not None:
            return Adjust(self.registration, self.told).plan(held, scene)
        new = PushRegistration(*self.registration, subject=ids.new("app", scene.now))
        made = lead(_adjusted(new, self.told), scene)
        return Effect(None, made, ("type", "pushRegistrations", "timeline"), welcomed(made, self.registration, scene))


@dataclass(frozen=True, slots=True)
class Adjust(Change[Person]):
    """Change what is kept of an installation; `at` is where its name stands in the input."""

    moves = True

    registration: Registration
    told: Told
    at: Path = ("push",)

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return who holds it with the installation as it is told; refuses INSTALLATION_NOT_FOUND."""
        before, one = known(held, self.registration, *self.at)
        found = [_adjusted(one, self.told) if each is one else each for each in before.push_registrations]
        arrangement = arranged(found, self._first(found, was=one.primary))
        if arrangement == before.push_registrations:
            return Effect(before, before, ())
        after = successor(before, scene)
        after.push_registrations = arrangement
        effect = Effect(before, after, ("pushRegistrations",))
        effect.events.append(event(after, scene, "personUpdated", {"changedFields": [{"name": "pushRegistrations"}]}))
        return effect.announced()

    def _first(self, found: Sequence[PushRegistration], *, was: bool) -> Registration | None:
        """Return which one is to be primary; where this one is to be so no more, the oldest of the others."""
        if self.told.primary is None or (was and self.told.primary):
            return None
        if self.told.primary:
            return self.registration
        others = [named(one) for one in found if named(one) != self.registration]
        return others[0] if was and others else None


def _adjusted(one: PushRegistration, told: Told) -> PushRegistration:
    changes = {
        "platform": told.platform,
        "enabled": told.enabled,
        "system_data": told.system_data,
        "additional_data": told.additional_data,
    }
    return replace(one, **{name: value for name, value in changes.items() if value is not None})
