"""A pair of fields at work: values of the CRM in our normal form and back, and the hash that tells changes. All pure.

A slot stands for one field of the CRM. Of a field of ours that holds several values the first slot is its primary one;
every further slot only brings values in.
"""

import dataclasses
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.catalog import values
from app.catalog.model import Catalog
from app.companies.model import Company
from app.core import clock
from app.core.errors import Refused
from app.core.text import caseless
from app.imports.fields import CUSTOM, FIELDS, GENDER, letters
from app.imports.reading import GENDERS
from app.persons.model import Person
from app.sync.crm import BOOLEAN, DATE, DATE_TIME, DECIMAL, INTEGER, PICKLIST, CrmField
from app.sync.mapping import BOTH, IN, OUT, EntityMap, FieldMap, misfit

HASH_BYTES = 8
# As many digits of a number are the same in any system; a CRM keeps no more than so many decimals of it.
DIGITS = 15
DECIMALS = 10
# The genders of Dynamics by their numbers, where labels are in a language that we don't read.
_GENDER_CODES = {"1": "MALE", "2": "FEMALE"}
# Choices of Dynamics are numbers, those of Salesforce are texts, whatever they look like.
_NUMBERED = ("Picklist", "State", "Status")
_END_OF_HOST = re.compile(r"[/\\?#]")

Check = Callable[[Any], Any]
# Of a record, by slot: the hashes of theirs and of ours, and the tag of the slot by which they are known.
Base = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Slot:
    """A field of the CRM with the one of ours that it is.

    `place` is the attribute of the profile, or the id of a custom attribute where `custom`; `check` gives our normal
    form of a value, or refuses it.
    """

    crm: CrmField
    field: str
    kind: str
    place: str
    direction: str
    check: Check
    custom: bool = False
    several: bool = False
    first: bool = True
    # What it was mapped to: what was known of a record by another mapping says nothing of this one.
    tag: str = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", f"{self.place} {self.direction} {self.first:d}")

    @property
    def name(self) -> str:
        """The name of the CRM's field, by which all that is known of a record is kept."""
        return self.crm.name

    @property
    def comes(self) -> bool:
        """Whether values come from the CRM."""
        return self.direction != OUT

    @property
    def goes(self) -> bool:
        """Whether values go to the CRM."""
        return self.direction != IN and self.first

    @property
    def both(self) -> bool:
        """Whether both sides may change it."""
        return self.direction == BOTH and self.first

    def inward(self, raw: Any) -> Any:
        """Return what a value of the CRM is to us, None for none; raises Refused."""
        if raw is None or raw == "":
            return None
        read = _READ.get(self.kind)
        if read is not None:
            return read(raw)
        text = self._text(raw)
        if not text:
            return None
        if self.kind == GENDER:
            return self._gender(str(raw), text) or "UNKNOWN"
        return self.check(_domain(text) if self.place == "domains" and not self.custom else text)

    def _text(self, raw: Any) -> str:
        """Return a value as text: the label of a choice, numbers and days as they are written."""
        if not isinstance(raw, str | int | float) or (isinstance(raw, float) and not math.isfinite(raw)):
            raise TypeError
        if self.crm.kind == PICKLIST:
            raw = self.crm.options.get(str(raw), raw)
        if isinstance(raw, bool):
            return "true" if raw else "false"
        text = str(raw).strip()
        # Half a character can't be kept.
        text.encode()
        return text

    def _gender(self, option: str, label: str) -> str | None:
        """Return the gender that a choice, or a text, means; None where nobody knows."""
        by_number = _GENDER_CODES.get(option) if self.crm.name == "gendercode" else None
        return GENDERS.get(letters(label)) or by_number

    def outward(self, value: Any) -> Any:
        """Return what a value of ours is to the CRM; raises Refused where it can't take it."""
        if value is None or self.crm.kind in (DECIMAL, BOOLEAN):
            return value
        if self.crm.kind == INTEGER:
            return self._whole(value)
        if self.crm.kind in (DATE, DATE_TIME):
            return values.shown(self.crm.kind, value) if isinstance(value, datetime) else value
        if self.crm.kind == PICKLIST:
            return self._choice(str(value))
        value = value.lower() if self.kind == GENDER else value
        if self.crm.length is not None and len(str(value)) > self.crm.length:
            words = f"{self.crm.label} takes at most {self.crm.length} characters in the CRM; nothing is cut."
            raise Refused("TOO_LONG", words)
        return str(value)

    def back(self, value: Any) -> Any:
        """Return what a value of ours that was written comes back as: a choice, as the CRM calls it."""
        if value is None or self.crm.kind != PICKLIST:
            return value
        try:
            return self.inward(self.outward(value))
        except Refused:
            return value

    def _whole(self, value: float) -> int:
        if not float(value).is_integer() or abs(value) > values.INTEGER_MAX:
            raise Refused("INVALID", f"{self.crm.label} takes whole numbers in the CRM.")
        return int(value)

    def _choice(self, value: str) -> Any:
        """Return the choice of a label, or the one that is called so itself."""
        options = self.crm.options
        if self.kind == GENDER:
            found = [option for option, label in options.items() if self._gender(option, label) == value]
        else:
            wanted = caseless(value)
            found = [option for option, label in options.items() if caseless(label) == wanted]
            found += [option for option in options if caseless(option) == wanted]
        if not found:
            raise Refused("INVALID", f"{self.crm.label} has no choice {value!r} in the CRM.")
        return int(found[0]) if self.crm.type in _NUMBERED else found[0]

    def ours(self, profile: Person | Company) -> Any:
        """Return our value; of several the primary one, and none for the slots behind the first."""
        if self.custom:
            value = profile.values.get(self.place)
            return value.replace(microsecond=0) if self.kind == "DATE_TIME" and value is not None else value
        if not self.several:
            return getattr(profile, self.place)
        held = self.all_of(profile)
        return held[0] if self.first and held else None

    def all_of(self, profile: Person | Company) -> list[str]:
        """Return all values of a field that holds several, the primary one first."""
        if self.place == "domains":
            return list(getattr(profile, "domains"))  # noqa: B009 - persons have none
        held = getattr(profile, self.place)
        ordered = sorted(held, key=lambda one: not one.primary)
        return [one.address if self.place == "emails" else one.number for one in ordered]


def _moment(raw: Any) -> str:
    text = str(raw)
    # Salesforce writes offsets without a colon; RFC 3339 has one.
    if len(text) > 5 and text[-5] in "+-" and text[-4:].isdigit():  # noqa: PLR2004 - the five characters of an offset
        return f"{text[:-2]}:{text[-2:]}"
    return text


def _instant(raw: Any) -> datetime:
    # CRMs keep whole seconds.
    moment: datetime = values.kept("DATE_TIME", _moment(raw), wrong="INVALID")
    return moment.replace(microsecond=0)


def _whole(raw: Any) -> int:
    if isinstance(raw, bool) or (isinstance(raw, float) and not raw.is_integer()):
        raise TypeError
    whole: int = values.kept("INTEGER", int(raw), wrong="INVALID")
    return whole


def _number(raw: Any) -> float:
    if isinstance(raw, bool):
        raise TypeError
    number: float = values.kept("DECIMAL", float(raw), wrong="INVALID")
    return number


# How values of a kind come in that are no texts.
_READ: dict[str, Check] = {
    "INTEGER": _whole,
    "DECIMAL": _number,
    "BOOLEAN": lambda raw: values.kept("BOOLEAN", raw, wrong="INVALID"),
    "DATE_TIME": _instant,
}


def _domain(text: str) -> str:
    """Return the domain of a website."""
    bare = (text.partition("://")[2] or text).lstrip("/")
    host = _END_OF_HOST.split(bare, maxsplit=1)[0].rpartition("@")[2]
    return host.partition(":")[0].casefold().removeprefix("www.")


def of_map(one: EntityMap, offered: Sequence[CrmField], catalog: Catalog) -> list[Slot]:
    """Return the slots of an entity; raises Refused for a field that is not there any more, on either side."""
    there = {field.name: field for field in offered}
    firsts = _firsts(one.fields)
    found = list[Slot]()
    for each in one.fields:
        crm, way = there.get(each.crm_field), each.direction
        if crm is None:
            raise Refused("MAPPING_INVALID", f"The field {each.crm_field} is gone from {one.object}.")
        if each.field.startswith(CUSTOM):
            definition = catalog.attribute(one.target, each.field.removeprefix(CUSTOM))
            if definition is None or definition.type not in values.CHECKS:
                raise Refused("MAPPING_INVALID", f"The attribute {each.field} was deleted.")
            kind, place = definition.type, definition.id
            if why := misfit(replace(each, direction=IN), crm, kind):
                # It was deleted, and is another one by now.
                raise Refused("MAPPING_INVALID", why)
            found.append(Slot(crm, each.field, kind, place, way, _kept(kind), custom=True))
            continue
        known = FIELDS[one.target][each.field]
        # Of the domains of a company none is the primary one.
        first = firsts[each.field] == each.crm_field and known.place != "domains"
        kind, place = known.kind, known.place
        found.append(Slot(crm, each.field, kind, place, way, known.check, several=known.several, first=first))
    return found


def _firsts(fields: Sequence[FieldMap]) -> dict[str, str]:
    """Return the field of the CRM for the primary value of each of ours: the first that is written, or else read."""
    read = {one.field: one.crm_field for one in reversed(fields)}
    return read | {one.field: one.crm_field for one in reversed(fields) if one.direction != IN}


def _kept(type_: str) -> Check:
    return lambda value: values.kept(type_, value, wrong="INVALID")


def tagged(base: Base, slots: Sequence[Slot]) -> dict[str, Sequence[str | None]]:
    """Return what is known of a record with the tags of the slots that it is known by."""
    tags = {slot.name: slot.tag for slot in slots}
    return {name: (*both[:2], tags[name]) if name in tags else both for name, both in base.items()}


def known_by(base: Base, slots: Sequence[Slot]) -> Base:
    """Return what is known of a record without what was known by another mapping of a field: mostly all of it."""
    others = {slot.name for slot in slots if (by := base.get(slot.name, ())[2:]) and by[0] != slot.tag}
    return {name: both for name, both in base.items() if name not in others} if others else base


def fingerprint(value: Any) -> str | None:
    """Return what stands for a value in normal form, None for none."""
    if isinstance(value, str):
        # A CRM trims what it keeps, and has ends of lines of its own.
        value = value.strip().replace("\r\n", "\n").replace("\r", "\n")
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        value = clock.text(value)
    if isinstance(value, float):
        value = float(f"{value:.{DIGITS}g}")
        value = round(value, DECIMALS) or value
        value = int(value) if value.is_integer() else value
    return hashlib.blake2b(f"{value}".encode(errors="surrogatepass"), digest_size=HASH_BYTES).hexdigest()
