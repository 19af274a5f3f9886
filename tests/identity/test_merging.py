"""The rules of merging and of undoing, without a store."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Catalog
from app.core.errors import Refused
from app.identity.decide import decide
from app.identity.model import Merge
from app.identity.threeway import carried, parts, taken_back
from app.identity.undo import Overtaken, rebased
from app.persons.model import EmailContact, Membership, Person, PushRegistration

CATALOG = Catalog("acc_1")
START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC is the house's time


def person(name: str, minute: int = 0, **also: Any) -> Person:
    """Write a person down that was made and changed at that minute."""
    at = START + timedelta(minutes=minute)
    fields: dict[str, Any] = {"created_at": at, "updated_at": at, **also}
    made = Person(name, "acc_1", "LEAD", CATALOG, at, at, "API", "API", [f"sub_{name}"])
    return replace(made, **fields)


def emails(*addresses: str) -> list[EmailContact]:
    """Write contacts down: the first one is primary."""
    return [EmailContact(one, index == 0) for index, one in enumerate(addresses)]


def merge(number: int, *persons: Person, into: str | None = None) -> tuple[Merge, Person]:
    """Merge persons; returns the record and the survivor, one version later."""
    decided = decide(persons, into)
    at = START + timedelta(days=number)
    after = replace(decided.after, version=decided.survivor.version + 1, updated_at=at)
    merged = tuple(one.id for one in decided.gone)
    before = (decided.survivor, *decided.gone)
    return Merge(f"mrg_{number}", "acc_1", after.id, merged, decided.decisions, at, "API", before, after), after


def members(*roles: tuple[str, str | None], primary: int = 0) -> list[Membership]:
    """Write memberships down, each a company and the role there; one of them is primary."""
    return [Membership(company, role, index == primary) for index, (company, role) in enumerate(roles)]


MEMBERSHIPS = st.builds(
    lambda roles, primary: members(*roles, primary=primary % max(len(roles), 1)),
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.sampled_from([None, "boss", "buyer"])),
        unique_by=lambda one: one[0],
        max_size=3,
    ),
    st.integers(0, 2),
)
PEOPLE = st.lists(
    st.builds(
        lambda name, born, changed, more: person(
            name, created_at=START + timedelta(minutes=born), updated_at=START + timedelta(minutes=changed), **more
        ),
        st.uuids().map(lambda one: f"per_{one.hex}"),
        st.integers(0, 5),
        st.integers(0, 5),
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["LEAD", "CUSTOMER"]),
                "first_name": st.sampled_from([None, "Ann", "Bea", "Cid"]),
                "city": st.sampled_from([None, "Bonn", "Cork"]),
                "emails": st.lists(st.sampled_from("abcdef"), unique=True, max_size=3).map(
                    lambda found: emails(*found)
                ),
                "memberships": MEMBERSHIPS,
                "tag_ids": st.lists(st.sampled_from(["t", "u", "v"]), unique=True),
                "values": st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 2)),
            }
        ),
    ),
    min_size=2,
    max_size=5,
    unique_by=lambda one: one.id,
)


@given(PEOPLE, st.randoms())
def test_the_order_of_naming_does_not_matter(people: list[Person], chance: Any) -> None:
    """Whoever is named first, the same comes out, and nothing is lost."""
    decided = decide(people)
    shuffled = list(people)
    chance.shuffle(shuffled)
    assert decide(shuffled) == decided
    after = decided.after
    assert {one.address for one in after.emails} == {one.address for each in people for one in each.emails}
    assert sum(one.primary for one in after.emails) == (1 if after.emails else 0)
    assert set(after.tag_ids) == {one for each in people for one in each.tag_ids}
    assert set(after.subjects) == {one for each in people for one in each.subjects}
    assert set(after.values) == {one for each in people for one in each.values}
    assert {decided.survivor.id, *after.merged_ids} == {one.id for one in people}


@given(PEOPLE, st.randoms())
def test_any_order_of_undoing_gives_all_persons_back(people: list[Person], chance: Any) -> None:
    """Merge two at random until one is left; undo in any order: each survivor is exactly what it was."""
    now = {one.id: one for one in people}
    current = dict(now)
    merges: list[Merge] = []
    for number in itertools.count():
        if len(current) < 2:
            break
        made, after = merge(number, *chance.sample(sorted(current.values(), key=lambda one: one.id), 2))
        merges.append(made)
        for gone in made.merged:
            del current[gone]
        current[after.id] = after
    while merges:
        chosen = merges.pop(chance.randrange(len(merges)))
        later = chain(chosen, merges)
        top = later[-1].survivor_id if later else chosen.survivor_id
        undone = rebased(chosen, later, current[top])
        told = {one.id: one for one in undone.later}
        merges = [told.get(one.id, one) for one in merges]
        current[top] = replace(undone.current, version=current[top].version + 1)
        assert undone.kept == ()
        for image in chosen.before[1:]:
            back, edited = carried(image, undone.lived)
            assert edited == []
            current[image.id] = replace(back, version=image.version + 2)
    assert {key: replace(one, version=1) for key, one in current.items()} == now


def chain(merge: Merge, others: list[Merge]) -> list[Merge]:
    """Return the merges that made something else of who survived one, in their order."""
    found: list[Merge] = []
    survivor, version = merge.survivor_id, merge.after.version if merge.after else 0
    while True:
        images = [(image.version, one) for one in others for image in one.before if image.id == survivor]
        behind = sorted((pair for pair in images if pair[0] >= version), key=lambda pair: pair[0])
        if not behind:
            return found
        following = behind[0][1]
        assert following.after
        found.append(following)
        survivor, version = following.survivor_id, following.after.version


def test_lists_have_the_fields_of_the_oldest_first() -> None:
    """Items unite by their ids; memberships keep the survivor's role; one installation is primary."""
    old = person("per_a", 1, values={"l": [{"__id": "1", "n": 1}]}, memberships=[Membership("com_1", "buyer", True)])
    new = person(
        "per_b",
        2,
        values={"l": [{"__id": "2"}, {"__id": "1", "n": 9}]},
        memberships=[Membership("com_1", "boss", True), Membership("com_2", None, True)],
        push_registrations=[PushRegistration("app", "reg", primary=True, subject="app_b")],
    )
    after = decide([new, old]).after
    assert after.values == {"l": [{"__id": "1", "n": 1}, {"__id": "2"}]}
    assert after.memberships == [Membership("com_1", "buyer", primary=True), Membership("com_2", None, primary=False)]
    assert after.push_registrations == new.push_registrations


def test_what_is_too_much_is_blocked() -> None:
    """Contacts, lines of activity, items of a list."""
    for first, second in (
        ({"emails": emails(*(f"a{n}" for n in range(60)))}, {"emails": emails(*(f"b{n}" for n in range(60)))}),
        ({"subjects": [f"a{n}" for n in range(3000)]}, {"subjects": [f"b{n}" for n in range(3000)]}),
        (
            {"values": {"l": [{"__id": f"a{n}"} for n in range(3000)]}},
            {"values": {"l": [{"__id": f"b{n}"} for n in range(3000)]}},
        ),
    ):
        with pytest.raises(Refused) as caught:
            decide([person("per_a", **first), person("per_b", 1, **second)])
        assert caught.value.code == "MERGE_BLOCKED"


@pytest.mark.parametrize(
    ("was", "should", "now", "expected"),
    [
        ("abc", "ab", "abc", "ab"),
        ("abc", "ab", "abcd", "abd"),
        ("abc", "ab", "bc", "b"),
        ("ab", "abc", "ab", "abc"),
        ("ab", "abc", "a", "ac"),
        ("ab", "ab", "ba", "ba"),
        ("", "", "x", "x"),
    ],
)
def test_what_was_changed_on_one_side_is_brought_to_the_other(was: str, should: str, now: str, expected: str) -> None:
    """Part by part: what was added since stays, what was taken off stays off."""
    assert "".join(parts(was, should, now, lambda one: one)) == expected


def test_fields_that_somebody_changed_are_named() -> None:
    """A name, an attribute, a contact; not what was changed to what it should be."""
    base = person("per_a", first_name="Ann", city="Bonn", emails=emails("a", "b"), values={"x": 1, "y": 1})
    target = replace(base, first_name="Bea", city="Cork", emails=emails("a"), values={"x": 2})
    current = replace(base, first_name="Cid", city="Cork", emails=emails("a", "b", "c"), values={"x": 3, "y": 1})
    kept = taken_back(base, target, current)
    assert kept.fields == ("firstName", "emails", "customAttributes.x")
    assert (kept.person.first_name, kept.person.city, kept.person.values) == ("Cid", "Cork", {"x": 3})
    assert [one.address for one in kept.person.emails] == ["a", "c"]


def test_another_merge_meanwhile_is_noticed() -> None:
    """The undoing was planned without it: it is to be planned anew."""
    a, b, c = person("per_a"), person("per_b", 1), person("per_c", 2)
    first, after = merge(1, a, b)
    _, current = merge(2, after, c)
    with pytest.raises(Overtaken):
        rebased(first, [], current)
