"""The fake Salesforce as its users see it, who edit, convert and merge; what goes wrong; and what was written."""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.fakes.faults import Faults
from tests.fakes.salesforce_objects import FIELDS
from tests.fakes.salesforce_store import Record, Store

US = "customer-profiles"
LATE_MILLIS = 240_000
SKEW_SECONDS = 600
CALLS_KEPT = 10_000
_TAKEN_ALONG = ("FirstName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "Description", "LeadSource")


class World:
    """What is there; each attribute may be set by a test.

    `journal` has a document for each call of ours that wrote: method, path, entity, and records with id, fields,
    success. `hidden` are fields that our user may not see, by object; `earliest` since when deletions are told.
    """

    def __init__(self, seed: int = 0) -> None:
        self.store = Store()
        self.clock = self.store.clock
        self.faults = Faults(seed)
        self.journal: list[dict[str, Any]] = []
        self.calls: deque[str] = deque(maxlen=CALLS_KEPT)
        self.hidden: dict[str, set[str]] = {}
        self.page_size = 2000
        self.bulk_polls = 1
        self.slow_seconds = 0.2
        self.used = 0
        self.total = 10_000_000
        self.versions = ["61.0", "62.0", "63.0"]
        self.earliest = datetime(2020, 1, 1, tzinfo=UTC)
        self._skewed = False

    def add(self, entity: str, /, **fields: Any) -> str:
        """Make a record; returns its id."""
        return self.store.made(entity, fields, at=self._committed()).id

    def edit(self, entity: str, id_: str, /, **fields: Any) -> None:
        """Change a record."""
        self.store.changed(self._there(entity, id_), fields, at=self._committed())

    def delete(self, entity: str, id_: str) -> None:
        """Put a record into the recycle bin."""
        self.store.removed(self._there(entity, id_))

    def merge(self, entity: str, master: str, loser: str) -> None:
        """Merge a record into another, which keeps its fields."""
        self.store.removed(self._there(entity, loser), into=master)
        self.store.touched(self._there(entity, master))
        for contact in self.store.alive("Contact"):
            if contact.values["AccountId"] == loser:
                self.store.changed(contact, {"AccountId": master})

    def convert(self, lead_id: str, contact_id: str | None = None) -> str:
        """Convert a lead into a contact, by default a new one at a new account; returns the contact's id."""
        lead = self._there("Lead", lead_id)
        if contact_id is None:
            account = self.store.made("Account", {"Name": lead.values["Company"]})
            taken = {name: lead.values[name] for name in _TAKEN_ALONG}
            more = {"LastName": lead.values["LastName"], "AccountId": account.id}
            contact_id = self.store.made("Contact", {**taken, **more}).id
        contact = self._there("Contact", contact_id)
        became = {"ConvertedContactId": contact.id, "ConvertedAccountId": contact.values["AccountId"]}
        today = self.clock.now().date().isoformat()
        self.store.changed(lead, {"IsConverted": True, "ConvertedDate": today, **became})
        return contact_id

    def records(self, entity: str) -> list[dict[str, Any]]:
        """Return the values of all records that are not deleted."""
        return [dict(one.values) for one in self.store.alive(entity)]

    def record(self, entity: str, id_: str) -> dict[str, Any]:
        """Return the values of one."""
        return dict(self._there(entity, id_).values)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.advance(seconds)

    def same_stamp_flood(self, count: int, entity: str = "Contact") -> list[str]:
        """Add many records by one transaction: all have one stamp; returns their ids."""
        at = self.clock.millis()
        more = {"Company": "Flood"} if entity == "Lead" else {}
        made = ({"LastName": f"Flood {one}", "Email": f"flood{one}@example.com", **more} for one in range(count))
        return [self.store.made(entity, one, at=at).id for one in made]

    def late_commit(self, entity: str, seconds: float, /, **fields: Any) -> str:
        """Add a record by a transaction that began some seconds ago and is seen only now; returns its id."""
        return self.store.made(entity, fields, at=self.clock.millis() - round(seconds * 1000)).id

    def move(self, records: Iterable[Record]) -> None:
        """Edit one of some records, whichever."""
        if alive := [one for one in records if one.deleted is None]:
            one = self.faults.chance.choice(alive)
            self.store.changed(one, {"Description": f"Moved {self.clock.millis()}"})

    def skew(self) -> None:
        """Put the clock wrong, once and for all, by some minutes; never back behind what was told before."""
        if not self._skewed:
            self._skewed = True
            self.clock.advance(self.faults.chance.uniform(0 if self.used else -SKEW_SECONDS, SKEW_SECONDS))

    def wrote(self, client: str, document: dict[str, Any]) -> None:
        """Note a call of ours that wrote."""
        if client == US:
            self.journal.append({"at": self.clock.now().isoformat(), **document})

    def _committed(self) -> int | None:
        """Return the stamp of what is seen now, where that began before."""
        if not self.faults.strikes("late_commit"):
            return None
        return self.clock.millis() - self.faults.chance.randrange(LATE_MILLIS)

    def _there(self, entity: str, id_: str) -> Record:
        assert entity in FIELDS, f"there is no object {entity}"
        found = self.store.get(entity, id_)
        assert found is not None, f"there is no {entity} {id_}"
        assert found.deleted is None, f"{entity} {id_} is deleted"
        return found
