"""Groups: how they grow, and how their names are read."""

from datetime import timedelta

import pytest

from app.catalog.model import Catalog
from app.core import clock, ids
from app.identity.groups import GROUP_PERSONS_MAX, Link, best, group_id, grown, members_of
from app.persons.model import Person

NOW = clock.now()


def person(number: int) -> Person:
    """Make a person; of a higher number is who is newer."""
    at = NOW + timedelta(seconds=number)
    return Person(f"per_{number:026}", "acc_1", "LEAD", Catalog("acc_1"), at, at, "API", "API", ["sub_1"])


PERSONS = [person(number) for number in range(20)]
A, B, C, D = PERSONS[:4]


def linked(*given: tuple[Person, Person, float]) -> dict[str, list[Link]]:
    """Return the links of everybody."""
    known: dict[str, list[Link]] = {one.id: [] for one in PERSONS}
    for one, other, score in given:
        known[one.id].append(Link(other, score, ("SAME_NAME",)))
        known[other.id].append(Link(one, score, ("SAME_CITY",)))
    return {one: best(links) for one, links in known.items()}


def test_a_group_is_everybody_who_is_linked_best_first() -> None:
    """Also by detours; its score is that of the weakest link it took."""
    group = grown(D, linked((D, B, 0.6), (B, C, 0.9), (A, C, 0.7), (A, D, 0.5))).group()
    assert group is not None
    assert (list(group.persons), group.score) == ([D, B, C, A], 0.6)
    assert group.reasons == ["SAME_NAME", "SAME_CITY"]
    assert grown(PERSONS[9], linked((A, B, 1.0))).group() is None


def test_of_equal_links_the_newest_comes_first() -> None:
    """So that a group is the same whoever looks."""
    group = grown(A, linked((A, B, 0.6), (A, D, 0.6), (A, C, 0.6))).group()
    assert group is not None
    assert list(group.persons) == [A, D, C, B]


def test_a_group_has_ten_members_at_most() -> None:
    """The likeliest."""
    links = [(PERSONS[0], one, 1 - number / 100) for number, one in enumerate(PERSONS) if number]
    growth = grown(PERSONS[0], linked(*links))
    assert list(growth.members.values()) == PERSONS[:GROUP_PERSONS_MAX]
    assert growth.open == []


def test_a_group_waits_for_members_of_whom_nothing_is_known() -> None:
    """They are named."""
    known = linked((A, B, 0.9), (B, C, 0.9))
    del known[B.id]
    assert grown(A, known).open == [B]


def test_a_name_of_a_group_says_who_is_in_it() -> None:
    """In any order."""
    found = [ids.new("per") for _ in range(GROUP_PERSONS_MAX)]
    assert members_of(group_id(reversed(found))) == found
    assert group_id([A.id, B.id]) == f"dup_{0:026}{1:026}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "dup_",
        "x",
        A.id,
        group_id([A.id]),
        f"dup_{0:026}{0:026}",
        f"dup_{1:026}{0:026}",
        f"{0:026}{1:026}",
        f"dup_{0:026}{1:025}",
        f"dup_{0:026}{'U' * 26}",
        group_id([one.id for one in PERSONS[: GROUP_PERSONS_MAX + 1]]),
    ],
)
def test_other_texts_are_names_of_none(name: str) -> None:
    """Of one, of the same twice, out of order, too short, of other letters, too many."""
    assert members_of(name) == []
