"""A profile on its way to a record: what is written of it, what can't be, and what is kept of that. All pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.companies.model import Company
from app.core import clock
from app.core.errors import Refused
from app.persons.model import Person
from app.sync.model import Link
from app.sync.slots import Slot, fingerprint
from app.sync.store import OUTWARD, issue_about
from app.sync.weigh import Trouble

# The same value so often in so short a time: somebody there writes another one each time.
SENT_TIMES = 3
SENT_SECONDS = 600.0
Profile = Person | Company


@dataclass(slots=True)
class Going:
    """A profile, its link, the slots that are written with their fields, and why others can't be."""

    profile: Profile
    link: Link
    slots: list[Slot]
    fields: dict[str, Any]
    troubles: list[Trouble]

    @property
    def digest(self) -> str | None:
        """What stands for all that is to be written."""
        return fingerprint("\n".join(f"{name}={self.fields[name]}" for name in sorted(self.fields)))

    def by(self, link: Link) -> "Going":
        """Return the same, on the way by a link that is there."""
        return replace(self, link=replace(link, key=link.key or self.link.key, waits=None))


def outward(profile: Profile, link: Link, slots: Sequence[Slot]) -> Going:
    """Return a profile on its way by some slots."""
    going = Going(profile, link, [], {}, [])
    for slot in slots:
        value = slot.ours(profile)
        if value is None and slot.crm.kept:
            going.troubles.append(Trouble(f"The CRM needs {slot.name}, which this profile does not have.", slot))
            continue
        try:
            going.fields[slot.name] = slot.outward(value)
            going.slots.append(slot)
        except Refused as refused:
            going.troubles.append(Trouble(refused.message, slot, None, value))
    return going


def sent(link: Link, name: str, value: str | None) -> Sequence[Any]:
    """Return what is kept of a value that was written: itself, how often lately, since when."""
    before = link.sent.get(name)
    return (value, before[1] + 1, before[2]) if before and _lately(before, value) else (value, 1, clock.now())


def left_alone(going: Going) -> Going:
    """Return what is to be written without the values that were written again and again; these are listed.

    Each is left alone, however long, until the issue is resolved; another value is written.
    """
    often = [slot for slot in going.slots if _too_often(going, slot)]
    words = f"was written {SENT_TIMES} times in ten minutes, and each time changed back: it is left alone."
    for slot in often:
        del going.fields[slot.name]
        going.troubles.append(Trouble(f"{slot.name} {words}", slot, None, slot.ours(going.profile)))
    going.slots = [slot for slot in going.slots if slot not in often]
    return going


def _too_often(going: Going, slot: Slot) -> bool:
    before, now = going.link.sent.get(slot.name), fingerprint(slot.ours(going.profile))
    if before is None or before[0] != now or before[1] < SENT_TIMES:
        return False
    return _lately(before, now) or issue_about(going.link, f"{OUTWARD}{slot.name}") in going.link.open


def _lately(before: Sequence[Any], value: str | None) -> bool:
    return bool(before[0] == value and clock.now() - before[2] < timedelta(seconds=SENT_SECONDS))


def base_of(going: Going, slots: Sequence[Slot]) -> Mapping[str, Sequence[str | None]]:
    """Return the base of a record that has just been made of a profile."""
    written = {slot.name: agreed(slot, going.profile) for slot in going.slots}
    return {slot.name: written.get(slot.name, (None, None)) for slot in slots}


def agreed(slot: Slot, profile: Profile) -> tuple[str | None, str | None]:
    """Return the base of a field that has just been written: theirs, ours."""
    ours = slot.ours(profile)
    return (fingerprint(slot.back(ours)), fingerprint(ours))
