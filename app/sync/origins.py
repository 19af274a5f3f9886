"""What new contacts were before: leads, of which the CRM is asked where they say what becomes of a contact."""

from collections.abc import Sequence
from dataclasses import replace

from app.sync.incoming import Incoming
from app.sync.known import shut
from app.sync.line import Line
from app.sync.plan import PersonRecord


async def aged(line: Line, fresh: Sequence[Incoming]) -> None:
    """Let contacts that name somebody who was erased be as old as the leads that they were: these were made first."""
    contacts = [one for one in fresh if one.source.entity == one.source.contact]
    unmet, account = line.persons.changes.unmet, line.account
    if not contacts or not await unmet.noted([account]):
        return
    names = [[key.claim(account) for key in PersonRecord(one).wish.named()] for one in contacts]
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
