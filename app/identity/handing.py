"""Which installation is whose where a merge is undone: each goes with its line of activity. All pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from app.changes.model import Effect, Scene, successor
from app.identity.installation import Registration, arranged, named
from app.identity.model import Merge
from app.persons.model import Person, PushRegistration
from app.persons.plan import event


def over(after: Person, held: Person, images: Sequence[Person]) -> list[str]:
    """Give those who are persons again, and the survivor, the installations that are on their lines by now.

    Returns the name of what one of them has no more, because another one of them logged in there.
    """
    lost: list[str] = []
    owners = {line: one.id for one in images for line in one.subjects}
    now = {named(one): renamed(one, owners) for one in held.push_registrations}
    for image in images:
        mine = {key: one for key, one in now.items() if one.subject in image.subjects}
        had = {named(one): one for one in image.push_registrations}
        theirs = [key for key in had if key in now and owners.get(now[key].subject or "", image.id) != image.id]
        lost += ["pushRegistrations" for _ in theirs]
        kept = [replace(mine.get(key, one), primary=one.primary) for key, one in had.items() if key not in theirs]
        came = [replace(one, primary=False) for key, one in mine.items() if key not in had]
        image.push_registrations = arranged([*kept, *came]) if came or theirs else kept
    own = {named(one): renamed(one, owners) for one in after.push_registrations}
    # Where somebody has logged in since, it is theirs.
    there = own | {key: one for key, one in now.items() if key not in own and one.subject in after.subjects}
    after.push_registrations = arranged([one for one in there.values() if one.subject not in owners])
    return lost


def renamed(one: PushRegistration, owners: Mapping[str, str]) -> PushRegistration:
    """Return an installation that was before whose the lines of it are; `owners` are the persons of lines."""
    return replace(one, former=tuple(was._replace(holder=owners.get(was.line, was.holder)) for was in one.former))


def registrations(merge: Merge) -> list[Registration]:
    """Return the installations of those who were merged away."""
    return [named(one) for image in merge.before[1:] for one in image.push_registrations]


def elsewhere(merge: Merge, known: Sequence[Person], scene: Scene) -> Iterator[Effect[Person]]:
    """Give what becomes of others who have one of their installations by now, each once; `known` are none of these."""
    owners = {line: one.id for one in known[1:] for line in one.subjects}
    found: list[Person] = scene.met(one.locator for one in registrations(merge))
    for one in [one for one in found if one.id not in {each.id for each in known}]:
        anew = [renamed(each, owners) for each in one.push_registrations]
        if anew != one.push_registrations:
            after = replace(successor(one, scene), as_of=one.recency)
            after.push_registrations = anew
            said = {"changedFields": [{"name": "pushRegistrations"}]}
            yield Effect(one, after, ("pushRegistrations",), [event(after, scene, "personUpdated", said)]).announced()
