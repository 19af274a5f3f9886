"""Whom persons of one account resemble, as far as one call asks: by blocks, with what was dismissed left out."""

import asyncio
from collections.abc import Mapping, Sequence

from app.identity.dismissals import Dismissals
from app.identity.groups import Link, best
from app.identity.similar import DUPLICATE_SCORE_MIN, alike, traits
from app.persons.blocks import blocks, swapped, words_of
from app.persons.model import Person
from app.persons.service import Persons
from app.persons.sharing import Sharing


class Face:
    """A person as others see it: its blocks, that of its name turned around, and its traits."""

    __slots__ = ("blocks", "person", "traits", "turned")

    def __init__(self, person: Person) -> None:
        self.person = person
        self.blocks = blocks(person)
        self.turned = swapped(person)
        self.traits = traits(person)

    @property
    def asked(self) -> list[str]:
        """The blocks in which look-alikes are looked for."""
        return [*self.blocks, self.turned] if self.turned else self.blocks


class Neighbours:
    """What is known by now; `links` grows by `learn`."""

    def __init__(self, account: str, persons: Persons, sharing: Sharing, dismissals: Dismissals) -> None:
        self.links: dict[str, list[Link]] = {}
        self._account = account
        self._persons = persons
        self._sharing = sharing
        self._dismissals = dismissals
        self._faces: dict[str, Face] = {}
        # A block → who shares it; nobody, where too many do.
        self._blocks: dict[str, Sequence[str]] = {}

    async def learn(self, persons: Sequence[Person]) -> None:
        """Find out whom these resemble: four reads, or more where words are common."""
        fresh = [one for one in persons if one.id not in self.links]
        self._faces |= {one.id: Face(one) for one in fresh if one.id not in self._faces}
        blocks = {block for one in fresh for block in self._faces[one.id].asked} - self._blocks.keys()
        sharing = await self._sharing.find(self._account, {word for block in blocks for word in words_of(block)})
        self._blocks |= {block: _sharing(block, sharing) for block in blocks}
        near = {one.id: self._near(self._faces[one.id]) for one in fresh}
        await self._meet({other for ids in near.values() for other in ids})
        found: dict[str, list[Link]] = {}
        for one, ids in near.items():
            found[one] = [link for other in ids if (link := self._link(one, other))]
            # A batch of people with much in common takes a while: others have their turn between two.
            await asyncio.sleep(0)
        self.links |= await self._told_apart(found)

    def _near(self, face: Face) -> set[str]:
        return {other for block in face.asked for other in self._blocks[block]} - {face.person.id}

    async def _meet(self, ids: set[str]) -> None:
        read = await self._persons.get_all(self._account, [one for one in ids if one not in self._faces])
        # Under the id of one that was merged meanwhile stands another.
        self._faces |= {asked: Face(one) for asked, one in read.items() if asked == one.id}

    def _link(self, one: str, other: str) -> Link | None:
        there = self._faces.get(other)
        if there is None or not self._share(self._faces[one], there):
            return None
        found = alike(self._faces[one].traits, there.traits)
        return Link(there.person, found.score, found.reasons) if found.score >= DUPLICATE_SCORE_MIN else None

    def _share(self, one: Face, other: Face) -> bool:
        """Tell whether they share a block of few: the same seen from either, or a group would hang on who asks."""
        if any(block in other.blocks and self._blocks.get(block) for block in one.blocks):
            return True
        if one.turned is None or other.turned is None:
            return False
        crossed = one.turned in other.blocks and other.turned in one.blocks
        return crossed and bool(self._blocks.get(one.turned) and self._blocks.get(other.turned))

    async def _told_apart(self, found: Mapping[str, Sequence[Link]]) -> dict[str, list[Link]]:
        """Return the links without those between persons who were told apart, best first."""
        met = {link.other.id: link.other for links in found.values() for link in links}
        met |= {one: self._faces[one].person for one, links in found.items() if links}
        apart = await self._dismissals.among(self._account, met)
        return {
            one: best(link for link in links if frozenset((one, link.other.id)) not in apart)
            for one, links in found.items()
        }


def _sharing(block: str, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return who shares a block by any of its words, nobody where too many share one of them."""
    words = words_of(block)
    return [one for word in words for one in found[word]] if all(word in found for word in words) else ()
