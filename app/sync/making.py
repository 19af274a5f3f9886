"""Records that a CRM does not have yet, made of profiles.

Each is noted before it is asked for, so that one whose answer was lost is looked for before it is made again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.changes.model import Ask, Outcome
from app.claims.model import Locator
from app.core import clock
from app.mongo.engine import Group
from app.persons.model import Person
from app.sync.crm import DYNAMICS, CrmChange, CrmRecord
from app.sync.going import Going, base_of
from app.sync.incoming import Left, Source
from app.sync.known import CLOCKS_SECONDS, mark
from app.sync.line import Line, beat, retry, standing
from app.sync.mapping import EntityMap
from app.sync.model import ERASED, FAILED, LINKED, PENDING, Link
from app.sync.slots import Base, known_by, tagged
from app.sync.store import ISSUES, LINKS, counted, drop, issue_about, put, settled
from app.sync.unlink import Attached
from app.sync.weigh import UNLIKE, Trouble, inward

BATCH = 100
# What says who a profile is.
_NAMING = ("emails", "phones", "external_id", "name")
Made = tuple[Going, str, CrmRecord | None]
# With the reason, and how often it was tried.
Unmade = tuple[Going, str, int | None]


class Making:
    """Makes the records of one entity."""

    def __init__(self, line: Line, one: EntityMap, source: Source) -> None:
        self._line = line
        self._map = one
        self._source = source
        self._required = [one.name for one in line.offers[source.entity] if one.required and one.createable]
        # A field by whose value records are made once, however often they are asked for.
        named = (slot.name for slot in source.slots if slot.place == "external_id" and slot.crm.external)
        self._by = next(named, None)

    async def looked_for(self, pending: Sequence[Going]) -> list[Going]:
        """Return which records that were asked for, and whose answers were lost, have not been made."""
        if not pending:
            return []
        if self._source.system == DYNAMICS:
            keys = [one.link.key or "" for one in pending]
            found = {one.id: one for one in await self._line.crm.read(self._source.entity, self._source.fields, keys)}
            made = [(one, found.get(one.link.key or "")) for one in pending]
        else:
            made = await self._same_of(pending)
        await self._attach([(one, record.id, record) for one, record in made if record is not None])
        return [one for one, record in made if record is None]

    async def _same_of(self, pending: Sequence[Going]) -> list[tuple[Going, CrmRecord | None]]:
        """Return the records that were made of profiles, each of one, as far as there are any."""
        made, taken = list[tuple[Going, CrmRecord | None]](), set[str]()
        for one in pending:
            record = await self._same(one.link) or await self._alike(one.link, taken)
            taken.update([record.id] if record is not None else [])
            made.append((one, record))
        return made

    async def _same(self, link: Link) -> CrmRecord | None:
        """Return the record that was made of a profile, by what said who it is: of several the most alike."""
        named = [slot.name for slot in self._source.slots if slot.place in _NAMING]
        for name in (one for one in named if one in link.sought):
            found = await self._found(link, name)
            known = await self._known([one.id for one in found])
            free = [one for one in found if one.id not in known]
            if free:
                return max(free, key=lambda one: len(_sent(link).items() & self._hashes(one).items()))
        return None

    async def _alike(self, link: Link, taken: Collection[str]) -> CrmRecord | None:
        """Return the record that was made of a profile, by all that was sent, whatever the CRM has made of it.

        It is nobody's, and was not there before: a list that named it made no profile of it.
        """
        key = next((name for name in self._required if name in link.sought), None)
        if key is None or link.at is None:
            return None
        since = link.at - timedelta(seconds=CLOCKS_SECONDS)
        found = await self._found(link, key)
        fresh = [one for one in found if one.stamp >= since and one.id not in taken]
        equal = [one for one in fresh if _sent(link).items() <= self._hashes(one).items()]
        owned = await self._known([one.id for one in equal], owned=True)
        return max((one for one in equal if one.id not in owned), key=lambda one: one.stamp, default=None)

    async def _found(self, link: Link, name: str) -> list[CrmRecord]:
        """Return the records that have what was sent in a field."""
        return await self._line.crm.find(self._source.entity, self._source.fields, name, [link.sought[name]])

    def _hashes(self, record: CrmRecord) -> Mapping[str, str | None]:
        return inward(self._source.slots, record).hashes

    def _sought(self, going: Going) -> Mapping[str, str]:
        """Return what a record is found by that is about to be asked for; by its own id, where that is ours."""
        if self._source.system == DYNAMICS:
            return {}
        names = {slot.name for slot in going.slots if slot.place in _NAMING} | {*self._required}
        return {name: str(going.fields[name]) for name in names if name in going.fields}

    async def create(self, creates: Sequence[Going]) -> None:
        """Make the records of profiles that have what the CRM needs; others are listed, each once."""
        ready, wanting = list[Going](), list[Going]()
        for one in creates:
            missing = [name for name in self._required if one.fields.get(name) in (None, "")]
            if missing:
                words = f"The CRM needs {', '.join(missing)}, which this profile does not have."
                one.troubles.insert(0, Trouble(words))
            (wanting if missing else ready).append(one)
        await self._refuse([(one, one.troubles[0].message, None) for one in wanting])
        if self._by is not None:
            ready = await self._unmet(self._by, ready)
        for start in range(0, len(ready), BATCH):
            await self._make(ready[start : start + BATCH])

    async def _unmet(self, by: str, ready: Sequence[Going]) -> list[Going]:
        """Link profiles with the records that have their external ids; return the others.

        A record of another profile is not overwritten; where several have it, the CRM refuses.
        """
        values = {one.link.profile: str(one.fields.get(by) or "") for one in ready}
        asked = [value for value in values.values() if value]
        found = await self._line.crm.find(self._source.entity, self._source.fields, by, asked) if asked else []
        held: dict[str, list[CrmRecord]] = {}
        for record in found:
            held.setdefault(str(record.fields.get(by)).casefold(), []).append(record)
        known = await self._known([one.id for one in found])
        met, refused, rest = list[Made](), list[Unmade](), list[Going]()
        for one in ready:
            records = held.get(values[one.link.profile].casefold(), [])
            if len(records) != 1:
                rest.append(one)
            elif records[0].id in known:
                refused.append((one, _of_another(records[0].id), None))
            else:
                met.append((one, records[0].id, records[0]))
        await self._attach(met)
        await self._refuse(refused)
        return rest

    async def _known(self, records: Sequence[str], *, owned: bool = False) -> set[str]:
        """Return those of some records that have been looked at, or have, or had, a profile where `owned`."""
        ids = {one: self._line.link_id(self._source.entity, one) for one in records}
        known = await self._line.store.links(self._line.account, list(ids.values()))
        links = {one: known[link_id] for one, link_id in ids.items() if link_id in known}
        return {one for one, link in links.items() if not owned or link.profile or link.state != FAILED}

    async def _make(self, part: Sequence[Going]) -> None:
        now = clock.now()
        noted = [put(self._noted(one, now)) for one in part]
        await self._line.held(beat(), [(LINKS, noted)])
        changes = [
            CrmChange(None, one.fields, key=one.link.key or "", by=self._by if one.fields.get(self._by or "") else None)
            for one in part
        ]
        outcomes = await self._line.crm.write(self._source.entity, changes)
        made, refused = list[Made](), list[Unmade]()
        taken = await self._known([one.id for one in outcomes if one.id]) if self._by is not None else set()
        for one, outcome in zip(part, outcomes, strict=True):
            if outcome.id in taken:
                refused.append((one, _of_another(outcome.id), None))
            elif outcome.status == "WRITTEN" and outcome.id:
                made.append((one, outcome.id, None))
            else:
                refused.append((one, outcome.message or "The CRM did not make this record.", one.link.tries + 1))
        await self._attach(made)
        await self._refuse(refused)

    def _noted(self, going: Going, now: datetime) -> Link:
        """Return the link of a record that is about to be asked for."""
        base = tagged(base_of(going, self._source.slots), self._source.slots)
        noted = replace(going.link, state=PENDING, push=now, at=now, base=base, sought=self._sought(going))
        return replace(noted, mark=mark(_sent(noted)) if noted.sought else ())

    async def _refuse(self, refused: Sequence[Unmade]) -> None:
        """Note records that can't be made, each once; `tries` None: only when the profile is another one."""
        links, issues = list[Any](), list[Any]()
        for one, message, tries in refused:
            again = retry(tries) if tries is not None else None
            state = standing(again)
            link = replace(one.link, state=FAILED, push=again, tries=tries or 0, sought={}, mark=())
            link = replace(link, base={"": (one.digest, None)})
            link, told_ = self._line.listed(link, [Trouble(message)], state)
            links.append(put(link))
            issues += told_
        if links:
            await self._line.held({"$inc": {"counts.failed": len(links)}}, [(LINKS, links), (ISSUES, issues)])

    async def _attach(self, made: Sequence[Made]) -> None:
        """Link profiles with the records that were made for them; a record of whoever is gone by now is kept away."""
        if not made:
            return
        source, line = self._source, self._line
        attached = [self._attached(*one) for one in made]
        if not self._map.person_type:
            await line.held(counted({"pushed": len(made)}), _written(attached))
            return
        changes = [Attached(source, one.link.record) for one in attached]
        asks: list[Ask[Person]] = [
            Ask(line.account, source.system, change, (Locator("id", one.profile),), (source.locator(change.record),))
            for one, change in zip(attached, changes, strict=True)
        ]
        of = {id(ask): one for ask, one in zip(asks, attached, strict=True)}

        def seal(part: Sequence[Ask[Person]], outcomes: Sequence[Outcome[Person]]) -> list[Group]:
            pairs = [(of[id(ask)], outcome) for ask, outcome in zip(part, outcomes, strict=True)]
            found = [one.gone() if isinstance(outcome, Left) else one for one, outcome in pairs]
            return [*_written(found), line.lease.holding(counted({"pushed": len(part)}))]

        await line.persons.changes.sealed(asks, seal)

    def _attached(self, going: Going, record_id: str, record: CrmRecord | None) -> "_Attached":
        base = tagged(self._base(going, record), self._source.slots)
        link = replace(going.link, record=record_id, state=LINKED, base=base, at=clock.now(), tries=0, key=None)
        link = replace(link, push=clock.now() if record is not None else None, sought={}, mark=())
        link, issues = self._line.listed(link, going.troubles)
        # Found by a list before, it may have been nobody's.
        issues += settled([issue_about(link, "")] if record is not None else [])
        return _Attached(going.profile.id, going.link, link, issues)

    def _base(self, going: Going, record: CrmRecord | None) -> Base:
        """Return the base of a record that was made, or found: what was sent, if anything was."""
        if record is None:
            return base_of(going, self._source.slots)
        if going.link.state == PENDING and going.link.base:
            return known_by(going.link.base, self._source.slots)
        now = self._hashes(record)
        return {slot.name: (now.get(slot.name), UNLIKE) for slot in self._source.slots}


class _Attached(NamedTuple):
    """A record that was made for a profile: the link that it was asked for by, the one it has, and its issues."""

    profile: str
    asked: Link
    link: Link
    issues: list[Any]

    def gone(self) -> "_Attached":
        """Return the same, where the profile is gone by now."""
        return self._replace(link=replace(self.link, state=ERASED, base={}, open=(), push=None), issues=[])


def _written(attached: Sequence[_Attached]) -> list[Group]:
    links = [write for one in attached for write in (drop(one.asked), put(one.link))]
    issues = [write for one in attached for write in one.issues]
    return [group for group in ((LINKS, links), (ISSUES, issues)) if group[1]]


def _sent(link: Link) -> Mapping[str, str | None]:
    """Return what was sent, by the hashes of what it comes back as."""
    return {name: theirs for name, (theirs, *_) in link.base.items() if theirs is not None}


def _of_another(record: str) -> str:
    return f"The record {record} of another profile has this external id."
