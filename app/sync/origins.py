"""What new contacts were before: leads, of which the CRM is asked where they say what becomes of a contact."""

from collections.abc import Sequence
from dataclasses import replace

from app.sync.crm import CrmRecord
from app.sync.incoming import Incoming, Source
from app.sync.known import shut
from app.sync.line import Line
from app.sync.model import ERASED
from app.sync.plan import PersonRecord


async def traced(line: Line, source: Source, records: Sequence[CrmRecord]) -> Sequence[CrmRecord]:
    """Return records, new contacts with the leads that they were: these tell it themselves where they are mapped."""
    mapped = any(one.object == source.lead for one in line.connection.maps)
    if source.entity != source.contact or mapped or not await line.store.part(line.connection, source.lead, "", 1):
        return records
    there = await line.store.links(line.account, [line.link_id(source.entity, one.id) for one in records])
    known = {link.record for link in there.values() if link.profile or link.state == ERASED}
    leads = await line.crm.leads([one for one in records if one.id not in known])
    ids = {one.id: line.link_id(source.lead, one.id) for found in leads.values() for one in found}
    linked = {one.record for one in (await line.store.links(line.account, list(ids.values()))).values() if one.profile}
    was = {contact: next((one.id for one in found if one.id in linked), None) for contact, found in leads.items()}
    return [replace(one, came_from=one.came_from or was.get(one.id)) for one in records]


async def aged(line: Line, fresh: Sequence[Incoming]) -> None:
    """Let contacts that name somebody who was erased be as old as the leads that they were: these were made first."""
    contacts = [one for one in fresh if one.source.entity == one.source.contact]
    unmet, account = line.persons.changes.unmet, line.account
    if not contacts or not await unmet.noted([account]):
        return
    names = [[key.claim(account) for key in PersonRecord(one).wary()] for one in contacts]
    erased = await unmet.among({claim: account for each in names for claim in each})
    younger = list[Incoming]()
    for one, claims in zip(contacts, names, strict=True):
        at = max((erased[claim] for claim in claims if claim in erased), default=None)
        if at is not None and not shut(one.record, at):
            younger.append(one)
    leads = await line.crm.leads([one.record for one in younger]) if younger else {}
    for one in younger:
        made = [each.made for each in (one.record, *leads.get(one.record.id, ())) if each.made is not None]
        one.record = replace(one.record, made=min(made, default=None))
