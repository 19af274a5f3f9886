"""What is known of a record, and when our side of it changed last, by the events of its profile. All pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.claims.model import digest
from app.core import clock
from app.imports.fields import CUSTOM
from app.mongo.engine import Document
from app.sync.crm import CrmRecord
from app.sync.incoming import Incoming
from app.sync.line import RETRIES_MAX
from app.sync.model import CONVERTED, LINKED, Link
from app.sync.slots import Slot, known_by
from app.sync.weigh import ACCOUNT, Inward, same

# What events call custom attributes together.
ATTRIBUTES = "customAttributes"

# As far the clock of a CRM may be beside ours.
CLOCKS_SECONDS = 300.0


def mark(sent: Mapping[str, str | None]) -> list[str]:
    """Return what tells a record by the hashes of all that was sent, of which none can be read from it."""
    names = sorted(name for name, value in sent.items() if value is not None)
    return [digest(*(f"{name}={sent[name]}" for name in names)), *names]


def unheard(link: Link, record: CrmRecord, found: Inward) -> bool:
    """Tell whether a record is the one that was asked for by a link whose profile is gone."""
    if link.key and record.id.casefold() == link.key.casefold():
        return True
    since = (link.at or clock.EPOCH) - timedelta(seconds=CLOCKS_SECONDS)
    sent = {name: found.hashes.get(name) for name in link.mark[1:]}
    return bool(link.mark) and record.stamp >= since and mark(sent) == list(link.mark)


def shut(record: CrmRecord, erased: datetime | None) -> bool:
    """Tell whether whom a record names was erased since it was made, as far as clocks agree."""
    return erased is not None and (record.made or record.stamp) <= erased + timedelta(seconds=CLOCKS_SECONDS)


def differs(link: Link, record: CrmRecord, lead: Link | None) -> bool:
    """Tell whether a contact that was changed was a lead of somebody else here."""
    return lead is not None and lead.profile != link.profile and not _as_it_was(link, record)


def _as_it_was(link: Link, record: CrmRecord) -> bool:
    # A moment has a second's precision there: more than one change may have it.
    return (link.stamp, link.etag) == (record.stamp, record.etag)


def rests(link: Link, record: CrmRecord, found: Inward) -> bool:
    """Tell whether what is known of a record is the end of it, as long as it stays as it is."""
    as_it_was = _as_it_was(link, record)
    if as_it_was and _waits(link, found):
        return True
    if link.keep:
        return False
    if link.state == LINKED:
        return not record.converted and same(link.base, found)
    return as_it_was or (link.state == CONVERTED and record.converted)


def _waits(link: Link, found: Inward) -> bool:
    """Tell whether a linked record could not be taken in, and is left until its time; not by another mapping."""
    known = all(name in link.base for name in found.hashes if name != ACCOUNT)
    over = link.again is None and link.tries > RETRIES_MAX
    return known and (over or (link.again is not None and link.again > clock.now()))


def by_slots(link: Link, slots: Sequence[Slot]) -> Link:
    """Return a link without what was known of its record by another mapping of a field."""
    base = known_by(link.base, slots)
    return link if base is link.base else replace(link, base=base)


def agreed_on(base: Mapping[str, Sequence[str | None]], incoming: Incoming) -> dict[str, Sequence[str | None]]:
    """Return a base with the company of the record, where its person was made a member."""
    account = incoming.found.hashes.get(ACCOUNT)
    return {**base, **({ACCOUNT: (account, account)} if account else {})}


def touched(event: Document) -> list[str]:
    """Return what an event changed: of custom attributes each one, where it says which."""
    changed, ids = event.get("changed", ()), event.get("attributes", ())
    return [*(one for one in changed if one != ATTRIBUTES or not ids), *(f"{CUSTOM}{one}" for one in ids)]


def event_fields(slot: Slot) -> list[str]:
    """Return what events call the field of a slot."""
    plural = {"email": "emails", "phone": "phones"}
    return [ATTRIBUTES, f"{CUSTOM}{slot.place}"] if slot.custom else [plural.get(slot.field, slot.field)]
