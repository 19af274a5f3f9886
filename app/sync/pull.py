"""What comes from a CRM: pages of records, each one unit with the links, the issues and the mark behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.changes.model import Ask, Change, Effect, Outcome
from app.changes.sealing import Sealing, smaller
from app.claims.service import Claims
from app.companies.model import Company
from app.core import clock
from app.core.errors import Fault, Refusals, Refused
from app.core.steps import stepwise
from app.mongo.engine import Document, Group, Write
from app.persons.model import Person
from app.sync.crm import CrmDeleted, CrmRecord
from app.sync.incoming import Incoming, Left, Source
from app.sync.known import agreed_on, by_slots, differs, event_fields, rests, touched, unheard
from app.sync.line import Line, beat, retry, standing
from app.sync.mapping import EntityMap
from app.sync.model import CONVERTED, DEAD, DELETED, ERASED, FAILED, LINKED, OPEN, Link
from app.sync.origins import aged, traced
from app.sync.plan import PersonRecord
from app.sync.plan_companies import CompanyRecord
from app.sync.slots import tagged
from app.sync.store import ISSUES, LINKS, OUTWARD, counted, drop, issue_about, new, put, roused, settled, told, woken
from app.sync.unlink import Unlinked
from app.sync.weigh import ACCOUNT, Inward, Trouble, inward
from app.timeline.record import COLLECTION as EVENTS

EVENTS_READ = 1000
# As many records are one unit: it holds up whoever shares the process with it for some hundredths of a second.
PART_RECORDS = 250
_MERGE = ", which is another profile here: merge them"


class Pull:
    """Takes in the records of one entity."""

    def __init__(self, line: Line, one: EntityMap, source: Source) -> None:
        self._line = line
        self._map = one
        self._source = source
        # Of companies, the records that they are linked to, as far as this pass has met them.
        self._taken: dict[str, str] = {}
        # Records that were asked for, and not heard of, of profiles that were deleted meanwhile.
        self._unheard: Sequence[Link] = ()
        # Whether all records are read: also those are looked at that could not be taken in, and have not changed.
        self.whole = False

    @property
    def fields(self) -> list[str]:
        """The fields of the CRM that are asked for."""
        return self._source.fields

    async def begin(self) -> None:
        """Note which records were asked for, and not heard of, of profiles that were deleted meanwhile."""
        line, entity = self._line, self._source.entity
        self._unheard = await line.store.waiting(line.connection, "push", entity, PART_RECORDS, state=ERASED)

    async def over(self) -> None:
        """Forget these, once all was read that there is."""
        if self._unheard:
            await self._line.held(beat(), [(LINKS, [drop(one) for one in self._unheard])])

    async def take(self, records: Sequence[CrmRecord], mark: Document, *, asked: bool = False) -> None:
        """Take in records, a part of them after the other, each one unit; the last one with the `mark` behind all.

        While a part is written the next one is planned, and the one behind it looked at. `asked`: somebody wants them
        looked at although they are as they were.
        """
        newest = list({one.id: one for one in sorted(records, key=lambda one: one.stamp)}.values())
        sealing, size = self._line.changes(self._map).sealing(), smaller(PART_RECORDS, self._line.tries)
        try:
            for start in range(0, max(len(newest), 1), size):
                part = newest[start : start + size]
                incoming = await self._looked_at(part, asked=asked)
                counts = {"pulled": len(part), "unchanged": len(part) - len(incoming)}
                behind = mark if start + size >= len(newest) else beat()
                await self._send(sealing, incoming, {**behind, **counted(counts)})
            await sealing.over()
        finally:
            await sealing.give_up()

    async def _looked_at(self, records: Sequence[CrmRecord], *, asked: bool) -> list[Incoming]:
        """Return what is to be planned: records that are not as they were."""
        records = await traced(self._line, self._source, records)
        ids = [self._line.link_id(self._source.entity, one.id) for one in records]
        ids += [self._line.link_id(self._source.lead, one.came_from) for one in records if one.came_from]
        known, companies = await self._line.store.links(self._line.account, ids), await self._companies(records)
        links = {key: by_slots(one, self._source.slots) for key, one in known.items()}

        def look(record: CrmRecord) -> Incoming | None:
            found = inward(self._source.slots, record)
            link = links.get(self._line.link_id(self._source.entity, record.id)) or self._erased(record, found, known)
            lead = links.get(self._line.link_id(self._source.lead, record.came_from or ""))
            anew = asked or (link is not None and (self._anew(link) or differs(link, record, lead)))
            if link is not None and not anew and rests(link, record, found):
                return None
            company = companies.get(record.account or "")
            if company is None:
                # So that it is looked at again once the company is here.
                found.hashes.pop(ACCOUNT, None)
            elif link is not None and link.base.get(ACCOUNT, (None,))[0] == found.hashes[ACCOUNT]:
                # The person was made a member of it before; who left it here, has left it.
                company = None
            return Incoming(self._source, record, found, link, company, taken=self._taken)

        made = [one for one in await stepwise(look, records) if one is not None]
        await self._judge(made)
        fresh = [one for one in made if one.link is None or not (one.link.profile or one.link.state == ERASED)]
        await self._take_note(fresh)
        await aged(self._line, fresh)
        return made

    def _erased(self, record: CrmRecord, found: Inward, known: Mapping[str, Link]) -> Link | None:
        """Return the link of a new record whose person was deleted here: as a lead, or while it was being made."""
        lead = known.get(self._line.link_id(self._source.lead, record.came_from or ""))
        gone = lead if lead is not None and lead.state == ERASED else None
        gone = gone or next((one for one in self._unheard if unheard(one, record, found)), None)
        if gone is None:
            return None
        return Link(gone.connection, self._source.entity, record.id, gone.account, gone.profile, ERASED)

    async def _take_note(self, fresh: Sequence[Incoming]) -> None:
        """Note to which records the companies are linked that new records name; persons say it themselves."""
        if self._map.person_type or not fresh:
            return
        named = {key.claim(self._line.account) for one in fresh for key in CompanyRecord(one).wish.named()}
        owners = [claim.owner for claim in (await Claims(self._line.engine).owners(list(named))).values()]
        for link in await self._line.store.of_profiles(self._line.connection, self._source.entity, owners):
            if link.profile and not link.wanted and link.state not in DEAD:
                self._taken.setdefault(link.profile, link.record)

    async def _companies(self, records: Sequence[CrmRecord]) -> dict[str, Company]:
        """Return the companies that records belong to, by the ids of their own records."""
        accounts = {one.account for one in records if one.account}
        if not accounts or not self._map.person_type:
            return {}
        ids = [self._line.link_id(self._source.company, one) for one in accounts]
        links = (await self._line.store.links(self._line.account, ids)).values()
        there = await self._line.companies.get_all(self._line.account, [one.profile for one in links if one.profile])
        return {one.record: there[one.profile] for one in links if one.profile in there}

    async def _judge(self, incoming: Sequence[Incoming]) -> None:
        """Find out when our side of what changed on both was last changed."""
        doubtful = [(one.link.profile, one) for one in incoming if one.link and one.link.base and one.link.profile]
        if not doubtful:
            return
        profiles = await self._line.profiles(self._map, [profile_id for profile_id, _ in doubtful])
        for profile_id, one in doubtful:
            profile = profiles.get(profile_id)
            if profile is not None and any(each.slot for each in one.weighed(profile).troubles):
                one.later = (await self._times(one, profile)).get

    async def _times(self, one: Incoming, profile: Person | Company) -> dict[str, datetime]:
        """Return when fields of a profile were last changed, by the names of mappings."""
        since = one.link.at if one.link is not None and one.link.at else clock.EPOCH
        where = {"subject": {"$in": list(profile.subjects)}, "at": {"$gte": since}, "account": self._line.account}
        fields = {"at": 1, "changed": 1, "attributes": 1}
        found = await self._line.engine.find(EVENTS, where, projection=fields, sort=(("at", -1),), limit=EVENTS_READ)
        times: dict[str, datetime] = {}
        for event in found:
            for name in touched(event):
                times.setdefault(name, event["at"])
        by_slot = {
            slot.field: max(filter(None, map(times.get, event_fields(slot))), default=None)
            for slot in self._source.slots
        }
        return {name: at for name, at in by_slot.items() if at is not None}

    # ------------------------------------------------------------ writing

    async def _send(self, sealing: Sealing[Any], incoming: Sequence[Incoming], change: Document) -> None:
        if not incoming:
            await sealing.over()
            await self._line.held(change)
            return
        make = PersonRecord if self._map.person_type else CompanyRecord
        origin = self._line.connection.system

        def asked(one: Incoming) -> Ask[Any]:
            planned: PersonRecord | CompanyRecord = make(one)
            others = dict.fromkeys((*planned.others(), *planned.wish.named()))
            return Ask(self._line.account, origin, planned, (), list(others))

        asks = await stepwise(asked, incoming)
        last = asks[-1]

        def seal(part: Sequence[Ask[Any]], outcomes: Sequence[Outcome[Any]]) -> list[Group]:
            found = [self._sealed(ask.change, outcome) for ask, outcome in zip(part, outcomes, strict=True)]
            links = [write for one in found for write in one.links]
            links += self._roused([ask.change.incoming for ask in part])  # type: ignore[attr-defined]
            issues = [write for one in found for write in one.issues]
            added: dict[str, int] = {}
            for one in found:
                added[one.counted] = added.get(one.counted, 0) + 1
            behind: Document = counted(added)
            if part[-1] is last:
                behind = _joined(behind, change)
            return [group for group in ((LINKS, links), (ISSUES, issues)) if group[1]] + [
                self._line.lease.holding(behind or beat())
            ]

        await sealing.send(asks, seal)

    def _roused(self, part: Sequence[Incoming]) -> list[Write]:
        """Return the writes by which contacts are read once more whose accounts were not linked when they were read."""
        source, connection = self._source, self._line.connection
        if self._map.person_type or source.contact not in connection.marks:
            return []
        late = [one.record.id for one in part if one.verdict.profile and not (one.link and one.link.state == LINKED)]
        return roused(connection, source.contact, late)

    def _sealed(self, change: Change[Any], outcome: Outcome[Any]) -> "_Sealed":
        """Return the writes that go with what became of a record."""
        incoming: Incoming = change.incoming  # type: ignore[attr-defined]
        record, link = incoming.record, incoming.link
        before = link or Link(self._line.connection.id, self._source.entity, record.id, self._line.account)
        seen = replace(before, stamp=record.stamp, etag=record.etag, at=clock.now(), again=None, tries=0, keep={})
        if isinstance(outcome, Effect | Left):
            return self._well(seen, incoming)
        tries = before.tries + 1
        again = retry(tries)
        state = before.state if before.profile else FAILED
        failed = replace(seen, state=state, again=again, tries=tries, keep=before.keep)
        issue = self._line.issue(failed, "", Trouble(_why(outcome)), standing(again))
        strays = self._strays(before)
        failed = replace(failed, open=[*({*before.open, issue.id} - strays)], whose=incoming.verdict.whose)
        freed = set(before.whose) - set(failed.whose)
        return _Sealed("failed", [put(failed), *woken(before, freed)], [told(issue), *settled(list(strays))])

    def _well(self, link: Link, incoming: Incoming) -> "_Sealed":
        verdict = incoming.verdict
        now = replace(
            link,
            state=verdict.state,
            profile=verdict.profile or link.profile,
            base=tagged(agreed_on(verdict.base, incoming), self._source.slots),
            push=clock.now() if verdict.push else None,
            version=None if verdict.push else verdict.version,
            waits=self._awaited(incoming),
            whose=verdict.whose,
        )
        erased = verdict.state == ERASED
        if erased:
            now = replace(now, base={}, sent={}, push=None, waits=None)
        issues, open_ = list[Any](), []
        for each in verdict.troubles:
            what = f"{'!' if each.conflict else ''}{each.slot.name}" if each.slot else "*"
            issue = self._line.issue(now, what, each, OPEN)
            issues.append(told(issue))
            open_ += [] if each.conflict else [issue.id]
        gone = [one for one in link.open if erased or (one not in open_ and self._over(one, incoming))]
        if open_ or link.open:
            now = replace(now, open=[*{*open_, *(one for one in link.open if one not in gone)}])
        if incoming.link is not None and incoming.link.state == DELETED:
            # It is there again.
            gone.append(issue_about(link, ""))
        # Of what is new nobody has written before; where somebody has after all, it is looked at anew.
        writes = [put(now, revived=incoming.link.state == ERASED) if incoming.link is not None else new(now)]
        writes += woken(link, {*link.whose} - {*verdict.whose})
        if verdict.became:
            # Also where it was of somebody who is gone: it is this person's now.
            writes.append(put(self._contact(now, verdict.became), revived=True))
        return _Sealed(verdict.outcome, writes, [*issues, *settled(gone)])

    def _contact(self, lead: Link, record: str) -> Link:
        """Return the link of the contact that a lead became."""
        state = ERASED if lead.state == ERASED else LINKED
        contact = Link(lead.connection, self._source.contact, record, lead.account, lead.profile, state)
        return replace(contact, again=clock.now())

    def _awaited(self, incoming: Incoming) -> str | None:
        """Return the record of the company that a record belongs to, where that is to be linked and is not yet."""
        mapped = any(one.object == self._source.company for one in self._line.connection.maps)
        return incoming.record.account if mapped and ACCOUNT not in incoming.found.hashes else None

    def _anew(self, link: Link) -> bool:
        """Tell whether a record is looked at however little has changed there: here it may be another matter."""
        return bool(self._strays(link)) or (self.whole and link.state == FAILED)

    def _strays(self, link: Link) -> set[str]:
        """Return the issues of a record that are about what is mapped no more."""
        if not link.open:
            return set()
        goes = [f"{OUTWARD}{slot.name}" for slot in self._source.slots if slot.goes]
        names = ["", "*", *self._source.fields, *goes, *([OUTWARD] if goes else [])]
        return {*link.open} - {issue_about(link, name) for name in names}

    def _over(self, issue: str, incoming: Incoming) -> bool:
        """Tell whether an issue of a record is over: what it is about is in order, or is the same on both sides."""
        link, verdict = incoming.link, incoming.verdict
        assert link is not None  # noqa: S101 - asked of links with issues alone
        if issue in self._strays(link):
            return True
        if not issue.endswith(OUTWARD):
            return issue not in {issue_about(link, name) for name in incoming.found.broken}
        equal = [slot.name for slot in self._source.slots if len({*verdict.base.get(slot.name, (0, 1))}) == 1]
        whole = issue == issue_about(link, OUTWARD) and not verdict.push
        return whole or issue in {issue_about(link, f"{OUTWARD}{name}") for name in equal}

    # ------------------------------------------------------------ what is gone

    async def gone(self, deleted: Sequence[CrmDeleted]) -> None:
        """Take in that records are gone: profiles stay, links go, or move to what they were merged into."""
        ids = [self._line.link_id(self._source.entity, one.id) for one in deleted]
        links = await self._line.store.links(self._line.account, ids)
        for one in deleted:
            link = links.get(self._line.link_id(self._source.entity, one.id))
            if link is not None and link.state in (LINKED, CONVERTED, FAILED) and link.profile:
                await self._forget(link, one)
            elif link is not None and (link.state == FAILED or link.whose or link.open):
                await self._line.held(beat(), self._dropped(link))

    async def lost(self, records: Sequence[str]) -> None:
        """Take in that records are not there, of which the CRM's list has not told, or not yet."""
        if records:
            await self.gone(await self._line.crm.lost(self._source.entity, records))

    async def heard(self, links: Sequence[Link]) -> None:
        """Let links rest that were looked at once more, and of whose records nothing is left to say."""
        now = await self._line.store.links(self._line.account, [one.id for one in links])
        due = [link for link in now.values() if link.again is not None and link.again <= clock.now()]
        if due:
            await self._line.held(beat(), [(LINKS, [put(replace(link, again=None)) for link in due])])

    def _dropped(self, link: Link) -> list[Group]:
        rest = drop(link) if link.state == FAILED else put(replace(link, whose=(), open=(), again=None))
        return [(LINKS, [rest, *woken(link, link.whose)]), (ISSUES, settled(link.open))]

    async def _forget(self, link: Link, deleted: CrmDeleted) -> None:
        line, source = self._line, self._source
        nothing: dict[str, Any] = {"base": {}, "keep": {}, "sent": {}, "open": (), "whose": ()}
        now = replace(link, state=DELETED, push=None, again=None, etag=None, **nothing)
        writes, over = [put(now), *woken(link, link.whose)], [*link.open]
        words, moves = "This record was deleted in the CRM; the profile stays.", False
        if deleted.into is not None:
            owner = await self._owner(deleted.into)
            there = await line.profiles(self._map, [one for one in (link.profile, owner) if one])
            same = len({one.id for one in there.values()}) == 1
            rest = "; the profile goes on with that one" if owner is None or same else _MERGE
            words = f"This record was merged into {deleted.into} in the CRM{rest}."
            moves = owner is None
            if moves:
                moved = replace(now, record=deleted.into, state=LINKED, again=clock.now(), stamp=None)
                # Also where that one was of somebody who is gone: it is this person's now.
                writes.append(put(moved, revived=True))
                over.append(issue_about(moved, ""))
        issue = line.issue(now, "", Trouble(words), OPEN)
        groups: list[Group] = [(LINKS, writes), (ISSUES, [*settled(over), told(issue)])]
        holding = line.lease.holding(beat())
        if not self._map.person_type:
            await line.held(beat(), groups)
            return
        into = deleted.into if moves else None
        change = Unlinked(source, link.record, into)
        ask: Ask[Person] = Ask(line.account, source.system, change, (source.locator(link.record),))
        await line.persons.changes.sealed([ask], lambda _, __: [*groups, holding])

    async def _owner(self, record: str) -> str | None:
        """Return the profile that a record is linked to."""
        links = await self._line.store.links(self._line.account, [self._line.link_id(self._source.entity, record)])
        return next((one.profile for one in links.values() if one.state not in DEAD), None)


@dataclass(slots=True)
class _Sealed:
    counted: str
    links: list[Any]
    issues: list[Any]


def _joined(one: Document, other: Document) -> Document:
    """Return two changes as one; both may count."""
    added = dict(one.get("$inc", {}))
    for name, number in other.get("$inc", {}).items():
        added[name] = added.get(name, 0) + number
    both = {**one, **other}
    return {**both, "$inc": added} if added else both


def _why(outcome: Exception) -> str:
    if isinstance(outcome, Refusals):
        return " ".join(dict.fromkeys(one.message for one in outcome.refusals))
    return outcome.message if isinstance(outcome, Refused | Fault) else "This went wrong here."
