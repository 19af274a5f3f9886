"""What a change is: who asks for it, whom it means, and what it makes of a profile. All pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from app.catalog.model import Catalog
from app.changes.requests import Once
from app.claims.model import Locator
from app.core import ids
from app.core.errors import Fault, Refusals, Refused
from app.mongo.engine import Document, Write
from app.timeline.model import Event

# What becomes of a profile: it is there, it is another one now (`into`), it is gone.
ACTIVE, MERGED, DELETED = "active", "merged", "deleted"

# Where something stands in an input, outermost first.
Path = tuple[str, ...]


class Profile(Protocol):
    """What persons and companies have in common; `subjects` are their lines of activity, the own one first."""

    id: str
    account: str
    version: int
    state: str
    into: str | None
    subjects: list[str]
    merged_ids: list[str]
    updated_at: datetime
    # When it was said what it is, where it was written since without that: see `recency` of a person.
    as_of: datetime | None
    # Custom attributes by their ids.
    values: dict[str, Any]


P = TypeVar("P", bound=Profile)


@dataclass(slots=True)
class Scene:
    """What a plan may know besides the profile: when, by whom, the catalog, ids of tags, and the others it sought."""

    account: str
    origin: str
    now: datetime
    catalog: Catalog
    tag_id: Callable[[str], str]
    tag_name: Callable[[str], str]
    find: Callable[[Locator], Any]
    # A profile of an id as it is kept, also where it was merged into another one.
    kept: Callable[[str], Any]
    # The line of activity that an identifier carries events to, where somebody has it.
    line: Callable[[Locator], str | None] = lambda _: None
    # When somebody was erased who had an identifier that the change is `wary` of.
    erased: Callable[[Locator], datetime | None] = lambda _: None

    def met(self, locators: Iterable[Locator]) -> list[Any]:
        """Return whom identifiers mean, each once."""
        found = {one.id: one for one in map(self.find, locators) if one is not None}
        return list(found.values())

    def event(self, subject: str, type_: str, properties: Mapping[str, Any], **who: str | None) -> Event:
        """Return one of our own events; `who` is `person_id` or `company_id`."""
        return Event(
            f"{subject}:{ids.new('evt', self.now)}",
            self.account,
            subject,
            type_,
            self.now,
            self.now,
            self.origin,
            who.get("person_id"),
            who.get("company_id"),
            properties=dict(properties),
        )


@dataclass(slots=True)
class Effect(Generic[P]):
    """What one change does. `changed` is empty where everything was so already; then nothing is written.

    `also` are other profiles that it changes with this one, `besides` writes to collections of other rooms, in the same
    unit; `replayed` says that it happened before, by the same key. `guards` are those of its ask, where a plan knows
    better what becomes of one of them. `long`: it was committed with timelines of deleted profiles still to be cleared.
    """

    before: P | None
    after: P
    changed: tuple[str, ...]
    events: list[Event] = field(default_factory=list)
    also: Sequence["Effect[P]"] = ()
    besides: Sequence[tuple[str, Write]] = ()
    replayed: bool = False
    guards: "Sequence[Guard]" = ()
    long: bool = False

    def parts(self) -> "list[Effect[P]]":
        """Return itself and what it does to others."""
        return [self, *self.also]

    def announced(self) -> "Effect[P]":
        """Return itself with the changed fields on the first event, so that a change is announced once."""
        if self.events:
            self.events[0].changed = self.changed
            if self.before is not None and self.before.values != self.after.values:
                before, now = self.before.values, self.after.values
                touched = [name for name in {**before, **now} if before.get(name) != now.get(name)]
                self.events[0].attributes = tuple(touched)
        return self


class Outdated(Refused):
    """A change stands on definitions that are gone: it is to be checked again."""

    def __init__(self) -> None:
        words = "An attribute was deleted meanwhile."
        super().__init__("UNKNOWN_ATTRIBUTE", words, ("customAttributes",))


@dataclass(frozen=True, slots=True)
class Guard:
    """A document of another room that a change stands on: it is there when the change is committed, or `refusal`.

    With a `version` it is there at that version; 0: it is not there yet. `change` is what becomes of it with the change
    of the profile: an update, or the document where there was none.
    """

    collection: str
    id: str
    refusal: Refused
    version: int | None = None
    change: Document | None = None

    def fits(self, there: Mapping[str, int]) -> bool:
        """Tell whether it holds among the documents that were found, given by their versions."""
        if self.version is None:
            return self.id in there
        return there.get(self.id, 0) == self.version


class Change(Generic[P]):
    """A kind of change; `moves`: identifiers go from one profile to another, each with its line of activity."""

    __slots__ = ()
    moves = False

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return the identifiers that it wants, each with where it stands in the input."""
        return ()

    def wary(self) -> Sequence[Locator]:
        """Return the identifiers of which it is to be known whether they were of somebody who was erased."""
        return ()

    def definitions(self) -> Collection[str] | None:
        """Return the attributes by whose definitions it was checked; None where it writes neither them nor tags."""
        return None

    def plan(self, held: P | None, scene: Scene) -> Effect[P]:
        """Return the effect on the profile that is meant, None for a new one; or refuse."""
        raise NotImplementedError


class Wishes(Protocol):
    """What the checked wishes of persons and companies have in common."""

    def places(self) -> Sequence[tuple[Locator, Path]]:
        """Return the identifiers that it names, each with where it stands in the input."""
        ...

    def definitions(self) -> Collection[str] | None:
        """Return the ids of the attributes that it sets; None where it has neither attributes nor tags."""
        ...

    def named(self) -> Sequence[Locator]:
        """Return the identifiers alone."""
        ...


class Wished(Change[P]):
    """A change by a wish."""

    __slots__ = ()
    wish: Wishes

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return what the wish names."""
        return self.wish.places()

    def definitions(self) -> Collection[str] | None:
        """Return the attributes of the wish."""
        return self.wish.definitions()


def successor(profile: P, scene: Scene) -> P:
    """Return a copy at the next version, stamped with who and when."""
    stamps = {
        "version": profile.version + 1,
        "updated_at": scene.now,
        "modified_from": scene.origin,
        "as_of": None,
    }
    return replace(profile, **stamps)  # type: ignore[type-var]  # both kinds are dataclasses


class Impossible(Change[P]):
    """A change that was refused before anybody looked whom it means: where it happened before, it has its answer."""

    __slots__ = ("_refusals",)

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def plan(self, held: P | None, scene: Scene) -> Effect[P]:  # noqa: ARG002 - whoever it is
        """Refuse."""
        raise self._refusals


class Ask(NamedTuple, Generic[P]):
    """One change that somebody asks for; `origin` is stamped on what is written.

    `sought` says whom it may mean: the first that is owned counts; where it is empty, a new profile is made. `others`
    are those that the plan looks up besides. `once` makes it happen once, however often it is asked for; `guards` make
    it happen only while something else is as it was.
    """

    account: str
    origin: str
    change: Change[P]
    sought: Sequence[Locator] = ()
    others: Sequence[Locator] = ()
    once: Once | None = None
    guards: Sequence[Guard] = ()


Outcome = Effect[P] | Refused | Refusals | Fault


@dataclass(frozen=True, slots=True)
class Kind(Generic[P]):
    """What the path must know of one kind of profiles.

    `missing` is the code of a refusal where there is none; `document` returns None for a profile that leaves no trace;
    `claims` gives those it holds, none where it is gone; `taken` maps a kind of claim to the code of a refusal and what
    the identifier is called; `last_word` is the type of the event that outlives a deleted profile's timeline; `lines`
    gives the claims that carry events to another line than the profile's first; `left` what other rooms do where
    profiles of one account, each with the claims that it held, are gone for good, `inherited` where one lives on in
    another; `spread` what follows, for the profiles of others, where some were changed: each as it was and as it is.
    """

    collection: str
    noun: str
    missing: str
    read: Callable[[Document, Catalog], P]
    document: Callable[[P], Document | None]
    claims: Callable[[P], dict[str, Path]]
    taken: Mapping[str, tuple[str, str]]
    last_word: str
    lines: Callable[[P], Mapping[str, str]] = lambda _: {}
    left: Callable[[Sequence[tuple[P, Collection[str]]]], Sequence[tuple[str, Write]]] = lambda _: ()
    inherited: Callable[[P], Sequence[tuple[str, Write]]] = lambda _: ()
    spread: Callable[[Sequence[tuple[P, P]]], Sequence[tuple[str, Write]]] | None = None
