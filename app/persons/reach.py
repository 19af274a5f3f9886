"""Identifiers by which a channel reaches a person, of whatever kind: what a wish can't name, trusted channels give.

All pure: a person of one's own is written, as `plan.write` does.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.catalog.checks import Listing
from app.changes.model import Path, Scene
from app.claims.model import Locator, parts
from app.core import ids
from app.core.errors import Refused
from app.persons.model import (
    INSTALLATIONS_MAX,
    LINES_MAX,
    ChannelContact,
    EmailContact,
    Person,
    PhoneContact,
    PushRegistration,
)
from app.persons.wish import CONTACTS_MAX, Contact, Wish
from app.timeline.model import TIMELINE

# Locators of any kind but `id` and `crm`, each with where it stands in the input.
Reach = Sequence[tuple[Locator, Path]]
CHANNELS_MAX = 100


def reached(person: Person, reach: Reach, scene: Scene) -> list[str]:
    """Give a person of one's own what it lacks of `reach`; return the contract's names of the fields that changed.

    Refuses TOO_MANY, and a second external id with DUPLICATE_EXTERNAL_ID.
    """
    changed: list[str] = []
    for locator, path in reach:
        changed += _WAYS[locator.kind](person, locator.value, path, scene)
    return list(dict.fromkeys(changed))


def _external_id(person: Person, value: str, path: Path, _: Scene) -> list[str]:
    if value in (person.external_id, *person.aliases):
        return []
    if person.external_id is not None:
        raise Refused("DUPLICATE_EXTERNAL_ID", "This person has another external id.", path, owner=person.id)
    person.external_id = value
    return ["externalId"]


def _email(person: Person, value: str, path: Path, _: Scene) -> list[str]:
    if any(one.address == value for one in person.emails):
        return []
    _refuse_many(len(person.emails), CONTACTS_MAX, "emails", path)
    person.emails = [*person.emails, EmailContact(value, not person.emails)]
    return ["emails"]


def _phone(person: Person, value: str, path: Path, _: Scene) -> list[str]:
    if any(one.number == value for one in person.phones):
        return []
    _refuse_many(len(person.phones), CONTACTS_MAX, "phones", path)
    person.phones = [*person.phones, PhoneContact(value, not person.phones)]
    return ["phones"]


def _channel(person: Person, value: str, path: Path, _: Scene) -> list[str]:
    contact = ChannelContact(*parts(value))
    if contact in person.channels:
        return []
    _refuse_many(len(person.channels), CHANNELS_MAX, "channels", path)
    person.channels = [*person.channels, contact]
    return ["channels"]


def _push(person: Person, value: str, path: Path, scene: Scene) -> list[str]:
    application, registration = parts(value)
    held = person.push_registrations
    if any((one.application_id, one.registration_id) == (application, registration) for one in held):
        return []
    _refuse_many(len(held), INSTALLATIONS_MAX, "installations", path)
    _refuse_many(len(person.subjects), LINES_MAX, "lines of activity", path)
    # An installation has a line of its own, which goes with it when somebody else logs in there.
    line = ids.new("app", scene.now)
    primary = not any(one.primary for one in held)
    person.push_registrations = [*held, PushRegistration(application, registration, primary, subject=line)]
    person.subjects = [*person.subjects, line]
    return ["pushRegistrations", TIMELINE]


def _refuse_many(count: int, limit: int, noun: str, path: Path) -> None:
    if count >= limit:
        raise Refused("TOO_MANY", f"A person has at most {limit} {noun}.", path)


_WAYS = {"externalId": _external_id, "email": _email, "phone": _phone, "channel": _channel, "push": _push}


def staying(wish: Wish, reach: Reach) -> Wish:
    """Return the wish without what would take off by what the person was reached: the next one finds it by that."""
    emails = {one.value for one, _ in reach if one.kind == "email"}
    phones = {one.value for one, _ in reach if one.kind == "phone"}
    return replace(wish, emails=_staying(wish.emails, emails), phones=_staying(wish.phones, phones))


def _staying(listing: Listing[Contact] | None, values: set[str]) -> Listing[Contact] | None:
    if listing is None or not values:
        return listing
    kept = listing.replace
    if kept is not None:
        missing = sorted(values - {one.value for one in kept})
        kept = [*kept, *(Contact(one, None, ()) for one in missing)]
    return Listing(kept, listing.add, [one for one in listing.remove if one not in values])
