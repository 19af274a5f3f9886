"""Persons who may be one and the same: found of one person or of a whole account, and told apart for good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.pages import Slice
from app.identity.dismissals import Dismissals, nobody
from app.identity.groups import GROUP_PERSONS_MAX, Group, Growth, grouped, grown, members_of, newest
from app.identity.neighbours import Neighbours
from app.mongo.engine import Engine
from app.persons import lists
from app.persons.model import Person
from app.persons.service import Persons
from app.persons.sharing import Sharing

SCAN_PERSONS = 200
SCAN_PERSONS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Scan:
    """A part of an account's groups; `end` is where the look at the persons stopped, None where none was looked at."""

    groups: Sequence[Group]
    end: tuple[Any, ...] | None
    has_next: bool


class Duplicates:
    """The duplicates of all accounts. `secret` gives the service's secret."""

    def __init__(self, engine: Engine, persons: Persons, secret: Callable[[], bytes]) -> None:
        self._persons = persons
        self._sharing = Sharing(engine)
        self._dismissals = Dismissals(engine, secret)

    async def of(self, account: str, person: Person) -> Group | None:
        """Return a person with everybody who resembles them, best first; None where nobody does."""
        near = self._neighbours(account)
        await near.learn([person])
        links = near.links[person.id][: GROUP_PERSONS_MAX - 1]
        return grouped([person, *(link.other for link in links)], links) if links else None

    async def page(self, account: str, part: Slice) -> Scan:
        """Return groups behind a position, each at its newest member, newest first.

        At most SCAN_PERSONS_MAX persons are looked at: there may be more groups behind a page that is not full.
        """
        groups, end = list[Group](), part.position
        for _ in range(SCAN_PERSONS_MAX // SCAN_PERSONS):
            batch = await self._persons.page(account, {}, Slice(SCAN_PERSONS, end))
            found = await self._groups(self._neighbours(account), batch.items)
            room = part.limit - len(groups)
            groups += found[:room]
            if len(found) >= room:
                # Full, or to be filled by whoever goes on: behind the last one that is given.
                end = lists.NEWEST.position(groups[-1].persons[0]) if groups else end
                return Scan(groups, end, has_next=bool(batch.items))
            end = lists.NEWEST.position(batch.items[-1]) if batch.items else end
            if not batch.has_next:
                return Scan(groups, end, has_next=False)
        return Scan(groups, end, has_next=True)

    async def _groups(self, near: Neighbours, persons: Sequence[Person]) -> list[Group]:
        """Return the groups that are given at these persons, in their order."""
        await near.learn(persons)
        # Who resembles somebody newer is in a group that was given before.
        first = [one for one in persons if near.links[one.id] and not _follows(one, near)]
        while True:
            growths = [grown(one, near.links) for one in first]
            unknown = {one.id: one for growth in growths for one in growth.open}
            if not unknown:
                return [group for growth in growths if (group := _given(growth))]
            await near.learn(list(unknown.values()))

    async def dismiss(self, account: str, group_id: str) -> str:
        """Keep that no two of a group are one person, as long as neither changes; refuses NOT_FOUND."""
        ids = members_of(group_id)
        found = await self._persons.get_all(account, ids) if ids else {}
        members = [found[one] for one in ids if one in found and found[one].id == one]
        if not ids or len(members) < len(ids):
            raise nobody()
        await self._dismissals.note(account, members)
        return group_id

    def _neighbours(self, account: str) -> Neighbours:
        return Neighbours(account, self._persons, self._sharing, self._dismissals)


def _follows(person: Person, near: Neighbours) -> bool:
    return any(newest(link.other) > newest(person) for link in near.links[person.id])


def _given(growth: Growth) -> Group | None:
    """Return the group where it is given at the one that it grew from: the newest."""
    first, *others = growth.members.values()
    return growth.group() if all(newest(first) > newest(one) for one in others) else None
