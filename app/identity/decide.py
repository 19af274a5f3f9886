"""What becomes of several persons who are one: pure, and the same in whatever order they are named.

The oldest profile survives; of single values a customer's wins, then that of the profile changed last; lists unite.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol, TypeVar

from app.catalog import values
from app.catalog.values import ITEM_ID, LIST_TOTAL_MAX
from app.core.errors import Refused
from app.identity.model import ATTRIBUTE, Candidate, Decision
from app.persons.model import CUSTOMER, LINES_MAX, Membership, Person, known_before
from app.persons.wish import CONTACTS_MAX, RULES

T = TypeVar("T")


class Flagged(Protocol):
    """Something of which at most one of a person is primary."""

    @property
    def primary(self) -> bool:
        """Whether it is the one."""
        ...


F = TypeVar("F", bound=Flagged)


@dataclass(frozen=True, slots=True)
class Decided:
    """The survivor as it becomes, at its old version and stamps; those who go, oldest first; and why."""

    survivor: Person
    gone: tuple[Person, ...]
    after: Person
    decisions: tuple[Decision, ...]


def decide(persons: Sequence[Person], into: str | None = None) -> Decided:
    """Return what becomes of persons; `into` names who survives. Refuses MERGE_BLOCKED where it would be too much."""
    by_age = sorted(persons, key=lambda one: (one.created_at, one.id))
    survivor = next(one for one in by_age if into in (None, one.id))
    gone = tuple(one for one in by_age if one is not survivor)
    # Whose single values count most comes first.
    ranked = sorted(persons, key=lambda one: (one.type == CUSTOMER, one.recency, one.id), reverse=True)
    after, decisions = replace(survivor), list[Decision]()
    _choose(after, ranked, decisions)
    unite(after, survivor, gone)
    _bound(after)
    return Decided(survivor, gone, after, tuple(decisions))


def _choose(after: Person, ranked: Sequence[Person], decisions: list[Decision]) -> None:
    """Decide the single values, and note what there was to decide."""
    for attribute, (name, _) in (("type", ("type", str)), *RULES.items()):
        held = [Candidate(one.id, value) for one in ranked if (value := getattr(one, attribute)) is not None]
        if chosen := _chosen(name, held, decisions, after.id):
            setattr(after, attribute, chosen.value)
    kept = dict(after.values)
    for attribute_id in dict.fromkeys(name for one in ranked for name in one.values):
        held = [Candidate(one.id, one.values[attribute_id]) for one in ranked if attribute_id in one.values]
        if isinstance(held[0].value, list):
            oldest_first = sorted(ranked, key=lambda one: (one.id != after.id, one.created_at, one.id))
            kept[attribute_id] = united(
                (one.values.get(attribute_id, []) for one in oldest_first), lambda item: item[ITEM_ID]
            )
        elif chosen := _chosen(ATTRIBUTE + attribute_id, held, decisions, after.id):
            kept[attribute_id] = chosen.value
    after.values = kept


def _chosen(name: str, held: Sequence[Candidate], decisions: list[Decision], own: str) -> Candidate | None:
    if not held:
        return None
    if len({str(one.value) for one in held}) > 1 or held[0].person_id != own:
        decisions.append(Decision(name, held[0].value, held[0].person_id, tuple(held)))
    return held[0]


def united(lists: Iterable[Iterable[T]], key: Callable[[T], Hashable]) -> list[T]:
    """Return what stands in any of the lists, each once, as the first of them has it."""
    found: dict[Hashable, T] = {}
    for each in lists:
        for one in each:
            found.setdefault(key(one), one)
    return list(found.values())


def unite(after: Person, survivor: Person, gone: Sequence[Person]) -> None:
    """Give `after` the lists of all: what each of them has comes once, the survivor's first."""
    all_of = (survivor, *gone)
    after.emails = single(united((one.emails for one in all_of), lambda one: one.address), replace_flag)
    after.phones = single(united((one.phones for one in all_of), lambda one: one.number), replace_flag)
    pushes = united((one.push_registrations for one in all_of), lambda one: (one.application_id, one.registration_id))
    after.push_registrations = single(pushes, replace_flag, lone=False)
    after.memberships = single(_memberships([one.memberships for one in all_of]), replace_flag)
    after.channels = united((one.channels for one in all_of), itself)
    after.crm_links = united((one.crm_links for one in all_of), lambda one: one.key)
    after.tag_ids = united((one.tag_ids for one in all_of), itself)
    after.subjects = united((one.subjects for one in all_of), itself)
    after.since = {line: at for person in reversed(all_of) for line, at in person.since.items()}
    after.brought = {line: own for person in reversed(all_of) for line, own in person.brought.items()}
    named = united(([*filter(None, (one.external_id,)), *one.aliases] for one in all_of), itself)
    after.aliases = [one for one in named if one != after.external_id]
    after.merged_ids = [*survivor.merged_ids, *(one for each in gone for one in (each.id, *each.merged_ids))]


def _memberships(lists: Sequence[Sequence[Membership]]) -> list[Membership]:
    """Return the companies of all, each with the first role that any of them has there."""
    found: dict[str, Membership] = {}
    for one in chain.from_iterable(lists):
        first = found.setdefault(one.company_id, one)
        if first is not one:
            role = one.role if first.role is None else first.role
            found[one.company_id] = replace(first, role=role, was=known_before(*first.was, *one.was))
    return list(found.values())


def itself(one: Hashable) -> Hashable:
    """Return what tells itself apart."""
    return one


def replace_flag(one: Any, primary: bool) -> Any:  # noqa: FBT001 - the flag is what it is about
    """Return it with that flag."""
    return one if one.primary == primary else replace(one, primary=primary)


def single(found: list[F], flag: Callable[[F, bool], F], *, lone: bool = True) -> list[F]:
    """Return them with one primary at most, the first that was; where none is, and `lone`, the first of all."""
    first = next((index for index, one in enumerate(found) if one.primary), 0 if lone else -1)
    return [flag(one, index == first) for index, one in enumerate(found)]


def _bound(after: Person) -> None:
    """Refuse a person that would be too large, with MERGE_BLOCKED."""
    counts = {"emails": len(after.emails), "phones": len(after.phones)}
    for name, count in counts.items():
        if count > CONTACTS_MAX:
            raise blocked(f"Together they have {count} {name}; a person has at most {CONTACTS_MAX}.")
    if len(after.subjects) > LINES_MAX:
        raise blocked(f"Together they have more than {LINES_MAX} lines of activity.")
    if any(isinstance(one, list) and len(one) > LIST_TOTAL_MAX for one in after.values.values()):
        raise blocked(f"Together they have more than {LIST_TOTAL_MAX} items in a list.")
    try:
        values.bounded(after.values)
    except Refused as refusal:
        raise blocked("Together their custom attributes are too large.") from refusal


def blocked(words: str, *path: str) -> Refused:
    """Return the refusal of a merge, or of its undoing."""
    return Refused("MERGE_BLOCKED", words, path or ("persons",))
