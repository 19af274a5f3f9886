"""What is known of a record of a CRM on its way to a profile, and what was decided of it. All pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.claims.model import Locator, compound
from app.companies.model import Company
from app.core.errors import Refused
from app.persons.model import Person
from app.sync.crm import CrmRecord
from app.sync.model import CONVERTED, LINKED, Link
from app.sync.slots import Slot, fingerprint
from app.sync.weigh import Inward, Trouble, Weighed, values_of, weigh

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


class Left(Refused):
    """A record of which nothing is written: what is to be known of it stands in the verdict."""

    def __init__(self) -> None:
        super().__init__("NOT_FOUND", "There is nothing to write.")


@dataclass(frozen=True, slots=True)
class Source:
    """Where records come from: the system, the entity, the type of its persons, its slots, and the connection."""

    system: str
    entity: str
    type: str | None
    slots: Sequence[Slot]
    connection: str = ""
    # The entity whose records converted leads become, and the one whose they were.
    contact: str = ""
    lead: str = ""
    company: str = ""

    def locator(self, record: str, entity: str | None = None) -> Locator:
        """Return what finds the person of a record."""
        return Locator("crm", compound(self.system, entity or self.entity, record))

    def said(self, record: str) -> dict[str, str]:
        """Return what the event of a record tells."""
        return {"system": self.system, "object": self.entity, "recordId": record}

    @property
    def fields(self) -> list[str]:
        """The fields of the CRM that are asked for."""
        return [slot.name for slot in self.slots]


@dataclass(slots=True)
class Verdict:
    """What was decided of a record: the profile, the state and the base of its link, and what to look at."""

    outcome: str = UNCHANGED
    profile: str | None = None
    state: str = LINKED
    base: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    push: bool = False
    version: int | None = None
    troubles: list[Trouble] = field(default_factory=list)
    # Whose it might be, where that can't be told.
    whose: Sequence[str] = ()
    # A contact that a lead became, to be linked with it.
    became: str | None = None


@dataclass(slots=True)
class Incoming:
    """A record that came in, with what is known of it. `later` tells when a field of ours was last changed.

    `taken` has the records that profiles are linked to already, as far as this pass has met them.
    """

    source: Source
    record: CrmRecord
    found: Inward
    link: Link | None = None
    company: Company | None = None
    later: Callable[[str], datetime | None] = lambda _: None
    taken: dict[str, str] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    _alone: Weighed | None = None

    def newer(self, slot: Slot) -> bool:
        """Tell whether the CRM's value of a conflict is the later one, or as late."""
        ours = self.later(slot.field)
        return ours is None or self.record.stamp >= ours

    def was(self, slot: Slot, value: str) -> bool:
        """Tell whether a value of ours is what the record had in a slot before."""
        return self.link is not None and self.link.base.get(slot.name, (None,))[0] == fingerprint(value)

    def several(self, found: Sequence[Person | Company]) -> Refused:
        """Return how a record is refused that might be of several profiles."""
        self.verdict.whose = sorted(one.id for one in found)
        return Refused("INVALID", f"This record matches {' and '.join(self.verdict.whose)}.")

    def another(self, profile: Person | Company, record: str) -> Refused:
        """Return how a record is refused whose profile has another one."""
        self.verdict.whose = [profile.id]
        return Refused("INVALID", f"{profile.id} is linked to another record already: {record}.")

    def weighed(self, profile: Person | Company | None) -> Weighed:
        """Return what becomes of each slot, of a profile that is there or is to be made; not to be changed."""
        if profile is None and self._alone is not None:
            return self._alone
        link, slots = self.link, self.source.slots
        ours = values_of(slots, profile) if profile is not None else {}
        base = link.base if link is not None and link.state in (LINKED, CONVERTED) else {}
        made = weigh(slots, base, self.found, ours, newer=self.newer, keep=link.keep if link else {})
        if profile is None:
            self._alone = made
        return made


def note(verdict: Verdict, made: Weighed | None, slots: Sequence[Slot], after: Person | Company) -> None:
    """Note what was weighed, and whether ours is to be written, by what the profile is now."""
    if made is None:
        return
    verdict.base = made.base
    verdict.version = after.version
    verdict.troubles += made.troubles
    now = values_of(slots, after)
    verdict.push = any(slot.goes and fingerprint(now[slot.name]) != made.base[slot.name][1] for slot in slots)
