"""Which installation is whose where a merge is undone: each goes with its line of activity. All pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from app.core.ids import kind
from app.identity.installation import arranged, named
from app.mongo.engine import Update, Write
from app.persons.leaving import PERSONS
from app.persons.model import Person, PushRegistration


def over(after: Person, held: Person, images: Sequence[Person]) -> bool:
    """Give those who are persons again, and the survivor, the installations that are on their lines by now.

    Tells whether one of them has some no more, because another one of them logged in there.
    """
    lost = False
    owners = {line: one.id for one in images for line in one.subjects}
    now = {named(one): renamed(one, owners) for one in held.push_registrations}
    for image in images:
        mine = {key: one for key, one in now.items() if one.subject in image.subjects}
        had = {named(one): one for one in image.push_registrations}
        theirs = [key for key in had if key in now and owners.get(now[key].subject or "", image.id) != image.id]
        lost = lost or bool(theirs)
        # One that they logged out of, and came back to, is new to them.
        came = {key: one for key, one in mine.items() if key not in had or one.subject != had[key].subject}
        stay = {key: one for key, one in had.items() if key not in theirs and key not in came}
        kept = [replace(mine.get(key, one), primary=one.primary) for key, one in stay.items()]
        image.push_registrations = arranged([*kept, *(replace(one, primary=False) for one in came.values())])
    own = {key: _live(one, now.get(key)) for one in after.push_registrations if (key := named(one))}
    # Where somebody has logged in since, it is theirs.
    there = own | {key: one for key, one in now.items() if key not in own and one.subject in after.subjects}
    after.push_registrations = arranged([one for one in there.values() if one.subject not in owners])
    return lost


def _live(one: PushRegistration, now: PushRegistration | None) -> PushRegistration:
    return replace(one, former=now.former) if now else one


def renamed(one: PushRegistration, owners: Mapping[str, str]) -> PushRegistration:
    """Return an installation that was before whose the lines of it are; `owners` are the persons of lines."""
    return replace(one, former=tuple(was._replace(holder=owners.get(was.line, was.holder)) for was in one.former))


def elsewhere(persons: Sequence[Person]) -> Iterator[tuple[str, Write]]:
    """Give what says of installations that others have by now which of these persons had them before."""
    lines = [(each, line) for each in persons for line in each.subjects if kind(line) == "app"]
    for one, line in lines:
        others = {"$elemMatch": {"line": line, "holder": {"$ne": one.id}}}
        theirs = {"$set": {"former.$.holder": one.id}, "$inc": {"version": 1}}
        yield PERSONS, Update({"account": one.account, "former": others}, theirs, many=True)
