"""Three ways: what both sides had, what each has now, and so what each gets. All pure.

Values are compared by their hashes in our normal form, so that what a CRM formats anew is no change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import Refused
from app.sync.crm import CrmRecord
from app.sync.model import CRM, PROFILE
from app.sync.slots import Base, Slot, fingerprint
from app.sync.wire import cut

# Stands among the slots for the company of a record.
ACCOUNT = "@account"
# As our part of a base: whatever we have, it is to be written.
UNLIKE = "!"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What somebody should look at; of a conflict, or of a value that can't be, with its slot and both values.

    `conflict`: either value can be, and somebody may say which.
    """

    message: str
    slot: Slot | None = None
    theirs: Any = None
    ours: Any = None
    conflict: bool = False


@dataclass(slots=True)
class Inward:
    """The values of a record in our normal form, by slot; those that we can't take are `broken`, with why.

    `raw` has these as they may be shown.
    """

    values: dict[str, Any] = field(default_factory=dict)
    hashes: dict[str, str | None] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)


def inward(slots: Sequence[Slot], record: CrmRecord) -> Inward:
    """Return what a record says."""
    found = Inward()
    if record.account is not None:
        found.hashes[ACCOUNT] = fingerprint(record.account)
    for slot in slots:
        raw = record.fields.get(slot.name)
        try:
            value = slot.inward(raw)
        except (Refused, ValueError, TypeError, OverflowError) as error:
            found.broken[slot.name] = error.message if isinstance(error, Refused) else "This value can't be read."
            # So that it is told once, and again only when it is another one.
            found.hashes[slot.name] = f"{UNLIKE}{fingerprint(_written(raw))}"
            found.raw[slot.name] = cut(raw if isinstance(raw, str) else _written(raw))
            continue
        found.values[slot.name] = value
        found.hashes[slot.name] = fingerprint(value)
    return found


def _written(raw: Any) -> str:
    try:
        return f"{raw!r}"
    except ValueError:
        # Python writes no number of thousands of digits.
        return "?"


def same(base: Base, found: Inward) -> bool:
    """Tell whether a record is as it was when it was last looked at."""
    return bool(base) and all(name in base and base[name][0] == now for name, now in found.hashes.items())


@dataclass(slots=True)
class Weighed:
    """What becomes of each slot: `take` theirs; the base behind it; what somebody should look at.

    A base whose part of ours is not what we have says that ours is to be written.
    """

    take: list[Slot] = field(default_factory=list)
    base: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)


def weigh(
    slots: Sequence[Slot],
    base: Base,
    found: Inward,
    ours: Mapping[str, Any],
    *,
    newer: Callable[[Slot], bool],
    keep: Mapping[str, str],
) -> Weighed:
    """Return what becomes of each slot; `newer` tells whether theirs is the later change, `keep` what was ruled."""
    made = Weighed()
    for slot in slots:
        _one(slot, base.get(slot.name), found, ours.get(slot.name), made, newer=newer, keep=keep.get(slot.name))
    return made


def _one(  # noqa: PLR0913 - see above
    slot: Slot,
    before: Sequence[str | None] | None,
    found: Inward,
    ours: Any,
    made: Weighed,
    *,
    newer: Callable[[Slot], bool],
    keep: str | None,
) -> None:
    theirs, own = found.hashes[slot.name], fingerprint(ours)
    was_theirs, was_ours = (before or (None, None))[:2]
    came, went = theirs != was_theirs, slot.first and own != was_ours
    if slot.name in found.broken and slot.comes:
        if came:
            made.troubles.append(Trouble(found.broken[slot.name], slot, found.raw.get(slot.name), ours))
        # What can't be taken goes where ours is the later change, or was ruled to be kept.
        later = before is not None and went and not (came and newer(slot))
        over = slot.both and (later if keep is None else keep == PROFILE)
        made.base[slot.name] = (theirs, UNLIKE if over else own)
        return
    if theirs == own and slot.first:
        made.base[slot.name] = (theirs, own)
        return
    if keep is not None and slot.both:
        came, went = keep == CRM, keep == PROFILE
    elif came and went and slot.both:
        # Who is met for the first time has nothing that was agreed on: what the CRM says holds.
        came = before is None or newer(slot)
        if before is not None:
            made.troubles.append(_conflict(slot, found.values[slot.name], ours, came))
    if came and slot.comes:
        made.take.append(slot)
        made.base[slot.name] = (theirs, theirs)
    elif went and slot.goes:
        made.base[slot.name] = (theirs, UNLIKE)
    else:
        made.base[slot.name] = (theirs, own)


def _conflict(slot: Slot, theirs: Any, ours: Any, came: bool) -> Trouble:  # noqa: FBT001 - which of two
    winner = "The CRM's is later, and was taken" if came else "Ours is later, and goes to the CRM"
    return Trouble(f"{slot.field} was changed on both sides. {winner}.", slot, theirs, ours, conflict=True)


def values_of(slots: Sequence[Slot], profile: Any) -> dict[str, Any]:
    """Return what we have, by slot."""
    return {slot.name: slot.ours(profile) for slot in slots}
