"""What goes to a CRM: profiles that are not as their records were, and those that have none yet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.core import chance, clock
from app.mongo.bound import Bound
from app.mongo.engine import Document
from app.persons.model import CUSTOMER, LEAD, Person
from app.sync.crm import CrmChange, CrmOutcome, CrmRecord
from app.sync.going import Going, Profile, agreed, left_alone, outward, sent
from app.sync.incoming import Source
from app.sync.known import by_slots
from app.sync.line import Line, beat, retry, standing
from app.sync.making import BATCH, Making
from app.sync.mapping import EntityMap
from app.sync.model import DEAD, FAILED, LINKED, PENDING, WANTED, Link, wanted_record
from app.sync.pull import Pull
from app.sync.slots import fingerprint, tagged
from app.sync.store import ISSUES, LINKS, OUTWARD, counted, drop, issue_about, put, settled
from app.sync.weigh import Trouble, inward, values_of

# Profiles that are looked through at once: most are as they were.
SCANNED = 500


class Push:
    """Brings the profiles of one entity to the CRM."""

    def __init__(self, line: Line, one: EntityMap, source: Source, pull: Pull) -> None:
        self._line = line
        self._map = one
        self._source = source
        self._pull = pull
        self._goes = [slot for slot in source.slots if slot.goes]
        self._making = Making(line, one, source)
        self._began = clock.now()

    @property
    def idle(self) -> bool:
        """Whether nothing ever goes there."""
        return not self._goes

    async def changed(self, mark: Document | None) -> tuple[list[Profile], Document | None]:
        """Return the next profiles that were changed, and the mark behind them: None where there are no more."""
        persons = self._map.person_type is not None
        bound = Bound(self._line.engine, self._line.changes(self._map).collection, self._line.account)
        at, last = (mark["at"], mark["id"]) if mark else (clock.EPOCH, "")
        # From the beginning each is held against its record, also those that are as they were.
        whole = mark is None or mark.get("whole", False)
        where: dict[str, Any] = {"$or": [{"updatedAt": {"$gt": at}}, {"updatedAt": at, "_id": {"$gt": last}}]}
        where["updatedAt"] = {"$gte": at}
        if persons:
            where["state"] = "active"
        names = ("account", "state", "updatedAt", "_id") if persons else ("account", "updatedAt", "_id")
        sort = tuple((name, 1) for name in names)
        found = await bound.find(where, projection={"updatedAt": 1, "version": 1}, sort=sort, limit=SCANNED)
        if not found:
            return [], None
        versions = {one["_id"]: one["version"] for one in found}
        there = await self._line.profiles(self._map, await self._unlike(versions, whole=whole))
        return list(there.values()), {"at": found[-1]["updatedAt"], "id": found[-1]["_id"], "whole": whole}

    async def _unlike(self, versions: Mapping[str, int], *, whole: bool) -> list[str]:
        """Return the profiles that are not as their records were held against them last; of a whole pass: in it."""
        links = await self._line.store.of_profiles(self._line.connection, self._source.entity, list(versions))
        held = [one for one in links if not whole or (one.at is not None and one.at >= self._began)]
        same = {one.profile for one in held if one.state == LINKED and one.version == versions[one.profile or ""]}
        return [one for one in versions if one not in same]

    async def recall(self) -> None:
        """Link the records that were made, and not heard of, with their profiles, before a list names them.

        What isn't found is looked for once more behind the list: the CRM may have written it in another way.
        """
        line = self._line
        links = await line.store.waiting(line.connection, "push", self._source.entity, BATCH, state=PENDING)
        found = await line.profiles(self._map, [one.profile for one in links if one.profile])
        await self._making.looked_for(
            [self._new(found[one.profile]).by(one) for one in links if one.profile and one.profile in found]
        )

    async def waiting(self) -> list[Profile]:
        """Return profiles that are to be written, whenever they were changed."""
        links = await self._line.store.waiting(self._line.connection, "push", self._source.entity, BATCH)
        found = await self._line.profiles(self._map, [one.profile for one in links if one.profile])
        await self._rest([one for one in links if not self._mine(found.get(one.profile or ""))])
        return list({one.id: one for one in found.values()}.values())

    async def heard(self, began: datetime) -> bool:
        """Let links rest that were due before, and by which nothing was to be written; tells whether there were any."""
        links = await self._line.store.waiting(self._line.connection, "push", self._source.entity, BATCH)
        idle = [one for one in links if one.push is not None and one.push <= began and one.state != PENDING]
        await self._rest(idle)
        return bool(idle)

    def _mine(self, profile: Profile | None) -> bool:
        """Tell whether a profile is one whose records these are: a lead that became a customer is no lead there."""
        return profile is not None and (not isinstance(profile, Person) or profile.type == self._map.person_type)

    async def _rest(self, links: Sequence[Link]) -> None:
        """Let links rest that nothing is to be written by, and forget records that nobody is to get any more."""
        wanted = [one for one in links if one.wanted]
        writes = [drop(one) for one in wanted] + [put(replace(one, push=None)) for one in links if one not in wanted]
        if writes:
            issues = settled([issue for one in wanted for issue in one.open])
            await self._line.held(beat(), [(LINKS, writes), (ISSUES, issues)])

    async def retire(self) -> None:
        """Forget the records that were to be made: nothing goes there any more."""
        line, entity = self._line, self._source.entity
        while wanted := [one for one in await line.store.part(line.connection, entity, WANTED, BATCH) if one.wanted]:
            await self._rest(wanted)

    async def bring(self, profiles: Sequence[Profile]) -> None:
        """Write what the records of some profiles lack, and make those that are missing."""
        for start in range(0, len(profiles), BATCH):
            await self._bring(profiles[start : start + BATCH])

    async def _bring(self, profiles: Sequence[Profile]) -> None:
        links = await self._links(profiles)
        mine = [one for one in profiles if self._mine(one)]
        others = [links[one.id] for one in profiles if one.id in links and one not in mine]
        await self._rest([one for one in others if one.wanted])
        await self._promoted([one for one in others if one.state == LINKED and one.again is None and not one.tries])
        updates, creates, found = list[Going](), list[Going](), list[Going]()
        for profile in mine:
            link = links.get(profile.id)
            if link is None:
                creates.append(self._new(profile))
            elif link.state == PENDING:
                found.append(self._new(profile).by(link))
            elif link.wanted:
                again = self._new(profile)
                early = link.push is None or link.push > clock.now()
                # Refused before: tried again when its time has come, or when the profile is another one.
                if not early or link.base.get("", (None,))[0] != again.digest:
                    creates.append(again.by(link))
            elif link.state == LINKED and (going := self._lacking(profile, link)) is not None:
                updates.append(going)
        creates += await self._making.looked_for(found)
        await self._update(updates)
        await self._making.create(await self._undoubted(creates))

    async def _promoted(self, links: Sequence[Link]) -> None:
        """Have contacts be read once more whose persons are leads, who became some again when a merge was undone."""
        if links and self._map.person_type == CUSTOMER:
            again = [put(replace(one, again=clock.now())) for one in links]
            await self._line.held(beat(), [(LINKS, again)])

    async def _undoubted(self, creates: Sequence[Going]) -> list[Going]:
        """Return whose records are to be made: who might have one that is there waits until it is told whose it is."""
        owners = {each: one for one in creates for each in (one.profile.id, *one.profile.merged_ids)}
        doubtful = await self._line.store.doubtful(self._line.connection, self._source.entity, owners)
        wait = {owners[each].profile.id for each in doubtful if each in owners}
        held = [one.link for one in creates if one.profile.id in wait]
        if held:
            await self._line.held(
                beat(), [(LINKS, [put(replace(one, state=FAILED, push=None, waits=WANTED)) for one in held])]
            )
        return [one for one in creates if one.profile.id not in wait]

    async def _links(self, profiles: Sequence[Profile]) -> dict[str, Link]:
        """Return the newest link of each profile, by what the profile says itself and by what was noted of it."""
        ids: dict[str, list[str]] = {one.id: [one.id, *one.merged_ids] for one in profiles}
        owners = {each: one for one, all_of in ids.items() for each in all_of}
        by_record: dict[str, str] = {}
        for one in profiles:
            for held in one.crm_links if isinstance(one, Person) else ():
                if (held.system, held.object) == (self._source.system, self._source.entity):
                    by_record[self._line.link_id(held.object, held.record_id)] = one.id
        named = await self._line.store.links(self._line.account, list(by_record))
        noted = await self._line.store.of_profiles(self._line.connection, self._source.entity, list(owners))
        found: dict[str, Link] = {}
        over = list[Link]()
        for link in sorted((*noted, *named.values()), key=_rank):
            owner = by_record.get(link.id) or (owners.get(link.profile or "") if self._by_note(link) else None)
            if owner is not None:
                if owner in found and found[owner].wanted:
                    over.append(found[owner])
                found[owner] = by_slots(link, self._source.slots)
        if over:
            # What they waited for is there, be it that the CRM's own list told so first.
            writes = [write for one in over for write in settled(one.open)]
            await self._line.held(beat(), [(LINKS, [drop(one) for one in over]), (ISSUES, writes)])
        return found

    def _by_note(self, link: Link) -> bool:
        """Tell whether what was noted of a link says whose it is: of a person's record the person does.

        It may have been with somebody else while they were one.
        """
        return self._map.person_type is None or link.wanted or link.state in (PENDING, *DEAD)

    # ------------------------------------------------------------ what to write

    def _new(self, profile: Profile) -> Going:
        link = Link(
            self._line.connection.id,
            self._source.entity,
            wanted_record(profile.id),
            self._line.account,
            profile.id,
            PENDING,
            key=chance.uuid(),
        )
        return outward(profile, link, [one for one in self._goes if one.ours(profile) is not None])

    def _lacking(self, profile: Profile, link: Link) -> Going | None:
        """Return what a record lacks, None where nothing; what can't be written waits for its time."""
        ours = values_of(self._goes, profile)
        unlike = [
            slot for slot in self._goes if fingerprint(ours[slot.name]) != link.base.get(slot.name, (None, None))[1]
        ]
        if not unlike or (link.tries and link.push is not None and link.push > clock.now()):
            return None
        return outward(profile, link, unlike)

    # ------------------------------------------------------------ records that are there

    async def _update(self, updates: Sequence[Going]) -> None:
        if not updates:
            return
        there = {
            one.id: one
            for one in await self._line.crm.read(
                self._source.entity, self._source.fields, [one.link.record for one in updates]
            )
        }
        fresh = [one for one in updates if one.link.record in there]
        lost = [one.link.record for one in updates if one.link.record not in there]
        # What was changed there meanwhile is weighed first; what remains to be written comes with the next pass.
        moved = [one for one in fresh if self._moved(one, there[one.link.record])]
        if moved:
            await self._pull.take([there[one.link.record] for one in moved], beat())
        await self._pull.lost(lost)
        await self._write([one for one in fresh if one not in moved], there)

    def _moved(self, going: Going, record: CrmRecord) -> bool:
        found = inward(self._source.slots, record)
        base = going.link.base
        return any(name in base and base[name][0] != now for name, now in found.hashes.items()) or (
            record.converted and self._map.person_type == LEAD
        )

    async def _write(self, updates: Sequence[Going], there: Mapping[str, CrmRecord]) -> None:
        wanted, idle = list[Going](), list[Going]()
        for one in map(left_alone, updates):
            (wanted if one.fields else idle).append(one)
        changes = [CrmChange(one.link.record, one.fields, etag=there[one.link.record].etag) for one in wanted]
        outcomes = await self._line.crm.write(self._source.entity, changes) if changes else []
        links, issues = list[Any](), list[Any]()
        for one, outcome in (*zip(wanted, outcomes, strict=True), *((one, CrmOutcome("WRITTEN")) for one in idle)):
            link, told_ = self._written(one, outcome)
            links.append(put(link))
            issues += told_
        if links:
            stands = [outcome.status for outcome in outcomes]
            counts = {"pushed": stands.count("WRITTEN"), "failed": stands.count("REFUSED")}
            await self._line.held(counted(counts) or beat(), [(LINKS, links), (ISSUES, issues)])

    def _written(self, going: Going, outcome: CrmOutcome) -> tuple[Link, list[Any]]:
        link = going.link
        if outcome.status == "CONFLICT":
            # Somebody was faster there: it comes by the next pull, and is weighed then.
            return replace(link, push=clock.now(), again=clock.now()), []
        if outcome.status == "GONE":
            return replace(link, again=clock.now()), []
        base, times = {**link.base}, {**link.sent}
        if outcome.status == "WRITTEN":
            for slot in going.slots:
                base[slot.name] = agreed(slot, going.profile)
                times[slot.name] = sent(link, slot.name, base[slot.name][1])
            for trouble in going.troubles:
                if trouble.slot is not None:
                    theirs = base.get(trouble.slot.name, (None, None))[0]
                    base[trouble.slot.name] = (theirs, fingerprint(trouble.ours))
            version = going.profile.version
            known = tagged(base, self._source.slots)
            link = replace(link, base=known, sent=times, etag=outcome.etag, push=None, tries=0, version=version)
            return self._in_order(replace(link, at=clock.now()), going)
        tries = link.tries + 1
        again = retry(tries)
        link = replace(link, push=again, tries=tries)
        if again is None:
            # Tried often enough: only when it is another value.
            for slot in going.slots:
                base[slot.name] = (base.get(slot.name, (None,))[0], fingerprint(slot.ours(going.profile)))
            link = replace(link, base=tagged(base, self._source.slots), tries=0)
        return self._line.listed(link, [Trouble(outcome.message)], standing(again), stay=link.open)

    def _in_order(self, link: Link, going: Going) -> tuple[Link, list[Any]]:
        """Return the link of what was written: what could not be taken from there is written over now."""
        names = [issue_about(link, slot.name) for slot in going.slots]
        over = [one for one in link.open if one in names]
        link = replace(link, open=[one for one in link.open if one not in over])
        # What can't be written of other fields still can't.
        tried = [slot.name for slot in going.slots] + [one.slot.name for one in going.troubles if one.slot]
        told_ = {issue_about(link, f"{OUTWARD}{name}") for name in ("", *tried)}
        link, listed = self._line.listed(link, going.troubles, stay={*link.open} - told_)
        return link, [*listed, *settled(over)]


def _rank(link: Link) -> tuple[bool, bool, datetime]:
    """Return by what the link that is written to comes last: one that lives, and of these the newest."""
    return (link.state not in DEAD, not link.wanted, link.at or clock.EPOCH)
