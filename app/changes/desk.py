"""What a chunk knows: profiles, claims, tags and requests as they will be after the changes planned so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Generic

from app.catalog.model import Catalog, Tag
from app.changes import requests
from app.changes.model import ACTIVE, DELETED, Effect, Kind, P, Path
from app.claims.model import Claim, Locator
from app.mongo.engine import Document

MERGES_MAX = 50
# The version of what a change of the same chunk has taken: nothing else can stand on it.
TAKEN = -1


@dataclass(slots=True)
class Desk(Generic[P]):
    """Made by reading all that the asks of a chunk name, `named` being its claims; `now` is when that began."""

    kind: Kind[P]
    now: datetime
    catalogs: dict[str, Catalog]
    named: set[str] = field(default_factory=set)
    profiles: dict[str, P] = field(default_factory=dict)
    claims: dict[str, Claim | None] = field(default_factory=dict)
    # Those who were deleted before, and in whom they live on.
    heirs: dict[str, str] = field(default_factory=dict)
    tags: dict[tuple[str, str], Tag] = field(default_factory=dict)
    # Versions as they were read, for the filters of replacements; claims of each profile by now, and as it was read.
    originals: dict[str, int] = field(default_factory=dict)
    held: dict[str, dict[str, Path]] = field(default_factory=dict)
    earliest: dict[str, dict[str, Path]] = field(default_factory=dict)
    # What a key brought before: the record as kept, or the effect of an earlier ask of this chunk.
    requests: dict[str, Document] = field(default_factory=dict)
    done: dict[str, tuple[str, Effect[P]]] = field(default_factory=dict)
    # What the guards of the asks stand on, by version; 0 where none is kept, -1 where a change of this chunk took it.
    there: dict[str, int] = field(default_factory=dict)
    # Claims as they were read; and what a refusal stands on where somebody else has an identifier: the claims that were
    # taken, and the profiles that wanted them. Each may have moved while the other was read.
    read: dict[str, Claim] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    wanting: set[str] = field(default_factory=set)
    # Claims that were let go with somebody who was erased, and when that was.
    erased: dict[str, datetime] = field(default_factory=dict)
    # Records that count no more, to be taken away before a new one is written.
    lapsed: dict[str, Document] = field(default_factory=dict)

    def note_requests(self, documents: Iterable[Document]) -> None:
        """Take in the records that were found for the keys of the asks."""
        for kept in documents:
            (self.requests if requests.stands(kept, self.now) else self.lapsed)[kept["_id"]] = kept

    def take_kept(self, kept: Document) -> None:
        """Take in a profile as it is kept; one that is deleted is nobody, but may live on in another one."""
        if kept.get("state") == DELETED:
            if kept.get("into"):
                self.heirs[kept["_id"]] = kept["into"]
            return
        one = self.kind.read(kept, self.catalogs[kept["account"]])
        self.profiles[one.id] = one
        self.originals[one.id] = one.version

    def owner(self, account: str, locator: Locator) -> str | None:
        """Return the id of whom a locator means, be it there or not."""
        if locator.kind == "id":
            return locator.value
        claim = self.claims.get(locator.claim(account))
        return claim.owner if claim else None

    def line(self, account: str, locator: Locator) -> str | None:
        """Return the line of activity that an identifier carries events to; None where nobody has it."""
        claim = self.claims.get(locator.claim(account))
        return claim.subject if claim else None

    def find(self, account: str, locator: Locator) -> P | None:
        """Return whom a locator means, following merges; an identifier finds also who lives on in another profile."""
        at = self.owner(account, locator)
        for hops in range(MERGES_MAX):
            one = self.profiles.get(at or "")
            if one is not None and one.state == ACTIVE:
                return one if one.account == account else None
            into = self.heirs.get(at or "") if one is None else one.into
            ended = one is None or one.state == DELETED
            if into is None or (ended and locator.kind == "id" and not hops):
                break
            at = into
        return None

    def missing(self) -> set[str]:
        """Return in whom profiles live on that were not read yet."""
        into = {one.into for one in self.profiles.values() if one.into} | set(self.heirs.values())
        return into - self.profiles.keys()

    def kept(self, account: str, profile_id: str) -> P | None:
        """Return the profile of an id as it is, be it merged into another one."""
        one = self.profiles.get(profile_id)
        return one if one is not None and one.account == account else None

    def claims_of(self, one: P) -> dict[str, Path]:
        """Return the claims that a profile holds by now, worked out once; those it was read with stay known."""
        found = self.held.get(one.id)
        if found is None:
            found = self.held[one.id] = self.earliest[one.id] = self.kind.claims(one)
        return found

    def agrees(self, meant: Iterable[tuple[str, Locator]]) -> bool:
        """Tell whether claims and profiles, as both were read, say the same: else something moved in between."""
        held = [(key, one.id) for one in self.profiles.values() for key in self.claims_of(one)]
        claimed = all((claim := self.claims.get(key)) is not None and claim.owner == owner for key, owner in held)
        return claimed and all(self._holds(account, one) for account, one in meant)

    def _holds(self, account: str, locator: Locator) -> bool:
        """Tell whether whom a locator finds has it."""
        key = None if locator.kind == "id" else locator.claim(account)
        if key is None or self.claims.get(key) is None:
            return True
        one = self.find(account, locator)
        return one is not None and key in self.claims_of(one)

    def gone(self) -> list[P]:
        """Return the profiles that the changes planned so far delete, and that live on in no other."""
        return [one for one in self.profiles.values() if one.state == DELETED and one.into is None]

    def ended(self) -> list[P]:
        """Return all that they delete, those who live on in others among them."""
        return [one for one in self.profiles.values() if one.state == DELETED]

    def overtaken(self, earlier: "Desk[P]") -> bool:
        """Tell whether the changes of another desk, committed since this one was read, touch what it has looked at."""
        moved = (key for key in self.named if earlier.claims.get(key) is not earlier.read.get(key))
        profiles = (one for one in self.originals if one in earlier.profiles)
        changed = (one for one in profiles if earlier.profiles[one].version != earlier.originals.get(one))
        return any(chain(moved, changed, self.tags.keys() & earlier.tags.keys()))

    def take_in(self, effect: Effect[P], held: Sequence[dict[str, Path]]) -> None:
        """Let a change have happened, `held` being the claims of its parts: they are let go, then taken."""
        parts = effect.parts()
        released: dict[str, Claim | None] = {}
        for one, now in zip(parts, held, strict=True):
            let_go = [key for key in self.claims_of(one.before) if key not in now] if one.before else []
            released |= {key: self.claims.get(key) for key in let_go}
            self.claims.update(dict.fromkeys(let_go))
        for one, now in zip(parts, held, strict=True):
            self._take(one.after, now, released)
        for guard in effect.guards:
            if guard.version is not None:
                self.there[guard.id] = TAKEN

    def _take(self, after: P, now: dict[str, Path], released: dict[str, Claim | None]) -> None:
        lines = self.kind.lines(after)
        for key in now:
            if (claim := self.claims.get(key)) is None or claim.owner != after.id:
                old = released.get(key)
                # An identifier keeps the line that it was born with, wherever that is part of the timeline.
                kept = old.subject if old and old.subject in after.subjects else after.subjects[0]
                subject = lines.get(key, kept)
                self.claims[key] = Claim(key, after.account, after.id, subject, after.updated_at)
        self.held[after.id] = now
        self.profiles[after.id] = after
