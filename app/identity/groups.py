"""Persons who may be one and the same: how a group grows from links between two, and what it is called. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.core import ids
from app.identity.similar import REASONS
from app.persons.model import Person

GROUP_PERSONS_MAX = 10
PREFIX = "dup_"
_PERSON = "per_"


@dataclass(frozen=True, slots=True)
class Link:
    """Somebody whom a person resembles."""

    other: Person
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Persons who may be one, whom it was found by first; `score` is that of the weakest link that one came in by."""

    persons: Sequence[Person]
    score: float
    reasons: Sequence[str]

    @property
    def id(self) -> str:
        """The name of the group: it says who its members are."""
        return group_id([one.id for one in self.persons])


@dataclass(slots=True)
class Growth:
    """A group on its way; `open` are members of whom it is not known yet whom they resemble."""

    members: dict[str, Person]
    links: list[Link] = field(default_factory=list)
    open: list[Person] = field(default_factory=list)

    def group(self) -> Group | None:
        """Return the group, None where somebody is alone."""
        return grouped(list(self.members.values()), self.links) if self.links else None


# Person → whom they resemble, best first.
Links = Mapping[str, Sequence[Link]]


def newest(person: Person) -> tuple[object, str]:
    """Return where a person stands in the order in which groups are given."""
    return person.created_at, person.id


def best(links: Iterable[Link]) -> list[Link]:
    """Return links in order: likeliest first, then the newest."""
    return sorted(sorted(links, key=lambda one: newest(one.other), reverse=True), key=lambda one: -one.score)


def grown(first: Person, known: Links) -> Growth:
    """Let a group grow from one person by the best link that leads out of it, up to GROUP_PERSONS_MAX persons."""
    growth = Growth({first.id: first})
    while len(growth.members) < GROUP_PERSONS_MAX:
        growth.open = [one for one in growth.members.values() if one.id not in known]
        out = [link for one in growth.members for link in known.get(one, ()) if link.other.id not in growth.members]
        if growth.open or not out:
            break
        link = best(out)[0]
        growth.members[link.other.id] = link.other
        growth.links.append(link)
    return growth


def grouped(persons: Sequence[Person], links: Sequence[Link]) -> Group:
    """Return the group of persons that links brought together."""
    given = {reason for link in links for reason in link.reasons}
    return Group(persons, min(link.score for link in links), [reason for reason in REASONS if reason in given])


def group_id(person_ids: Iterable[str]) -> str:
    """Return the name of a group of persons, the same in whatever order they come."""
    return PREFIX + "".join([one.removeprefix(_PERSON) for one in sorted(person_ids)])


def members_of(name: str) -> list[str]:
    """Return the ids in the name of a group, none where it is the name of no group."""
    body = name.removeprefix(PREFIX)
    found = [_PERSON + body[at : at + ids.LENGTH] for at in range(0, len(body), ids.LENGTH)]
    many = 1 < len(set(found)) <= GROUP_PERSONS_MAX
    return found if many and group_id(found) == name and all(ids.kind(one) for one in found) else []
