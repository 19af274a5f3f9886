"""Scores of two profiles: what speaks for one person, what against it, the same whoever comes first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Catalog
from app.core import clock
from app.identity.similar import DUPLICATE_SCORE_MIN, REASONS, Likeness, alike, traits
from app.persons.model import EmailContact, Person, PhoneContact

NAMES = st.sampled_from([None, "John", "Jon", "J.", "Mary", "Smith", "Smyth", "John Smith", "Müller", "李"]) | st.text(
    max_size=12
)
PROFILES = st.fixed_dictionaries(
    {
        "first": NAMES,
        "last": NAMES,
        "emails": st.lists(st.sampled_from(["jon.smith@x.at", "jonsmith@y.at", "john.smith@x.at", "mary@x.at"])),
        "phones": st.lists(st.sampled_from(["436601234567", "06601234567", "491234567", "1234567"])),
        "birth_date": st.sampled_from([None, "1980-01-01", "1981-01-01"]),
        "gender": st.sampled_from([None, "MALE", "FEMALE"]),
        "address": st.sampled_from([None, "Main St 1", "Side St 2"]),
        "city": st.sampled_from([None, "Wien", "Graz"]),
    }
)
JOHN = {"first": "John", "last": "Smith"}


def person(**given_: Any) -> Person:
    """Make a person in memory."""
    now = clock.now()
    one = Person("per_1", "acc_1", "LEAD", Catalog("acc_1"), now, now, "API", "API", ["sub_1"])
    one.first_name, one.last_name = given_.pop("first", None), given_.pop("last", None)
    one.emails = [EmailContact(address) for address in given_.pop("emails", ())]
    one.phones = [PhoneContact(number) for number in given_.pop("phones", ())]
    for name, value in given_.items():
        setattr(one, name, value)
    return one


def score(one: dict[str, Any], other: dict[str, Any]) -> Likeness:
    """Compare two."""
    return alike(traits(person(**one)), traits(person(**other)))


CASES: list[tuple[dict[str, Any], dict[str, Any], float, list[str]]] = [
    (JOHN, JOHN, 0.5, ["SAME_NAME"]),
    (JOHN, {"first": "Smith", "last": "JOHN"}, 0.5, ["SAME_NAME"]),
    (JOHN, {"first": "John Smith"}, 0.5, ["SAME_NAME"]),
    (JOHN, {"first": "Jon", "last": "Smyth"}, 0.4, ["SIMILAR_NAME"]),
    (JOHN, {"first": "J.", "last": "Smith"}, 0.4, ["SIMILAR_NAME"]),
    (JOHN, {"first": "Smyth", "last": "John"}, 0.4, ["SIMILAR_NAME"]),
    (JOHN, {"first": "John"}, 0.0, []),
    ({"emails": ["jon.smith@x.at"]}, {"emails": ["jonsmith+news@x.at"]}, 0.7, ["SIMILAR_EMAIL"]),
    ({"emails": ["jon.smith@x.at"]}, {"emails": ["jonsmith@mail.test"]}, 0.5, ["SIMILAR_EMAIL"]),
    ({"emails": ["jon.smith@x.at"]}, {"emails": ["john.smith@x.at"]}, 0.3, ["SIMILAR_EMAIL"]),
    ({"emails": ["customer.number.1@x.at"]}, {"emails": ["customer.number.2@x.at"]}, 0.0, []),
    ({"phones": ["436601234567"]}, {"phones": ["06601234567"]}, 0.6, ["SIMILAR_PHONE"]),
    ({"phones": ["436601234567"]}, {"phones": ["496601234567"]}, 0.3, ["SIMILAR_PHONE"]),
    ({"phones": ["1234567"]}, {"phones": ["431234567"]}, 0.0, []),
    ({"birth_date": "1980-01-01"}, {"birth_date": "1980-01-01"}, 0.3, ["SAME_BIRTH_DATE"]),
    ({"address": "Main St 1", "city": "Wien"}, {"address": "main st 1", "city": "WIEN"}, 0.37, ["SAME_ADDRESS"]),
    ({"city": "Wien"}, {"city": "wien "}, 0.1, ["SAME_CITY"]),
    ({**JOHN, "birth_date": "1980-01-01"}, {**JOHN, "birth_date": "1980-01-01"}, 0.65, ["SAME_NAME"]),
    # What speaks against it.
    ({**JOHN, "birth_date": "1980-01-01"}, {**JOHN, "birth_date": "1981-01-01"}, 0.2, ["SAME_NAME"]),
    ({**JOHN, "gender": "MALE"}, {**JOHN, "gender": "FEMALE"}, 0.35, ["SAME_NAME"]),
    ({**JOHN, "city": "Wien"}, {**JOHN, "city": "Graz"}, 0.45, ["SAME_NAME"]),
    # A family shares a number and an address.
    (
        {**JOHN, "phones": ["436601234567"], "address": "Main St 1"},
        {"first": "Mary", "last": "Smith", "phones": ["06601234567"], "address": "Main St 1"},
        0.36,
        ["SIMILAR_PHONE", "SAME_ADDRESS"],
    ),
    # Whoever marries keeps the first name.
    (
        {"first": "Mary", "last": "Smith", "phones": ["436601234567"]},
        {"first": "Mary", "last": "Jones", "phones": ["06601234567"]},
        0.6,
        ["SIMILAR_PHONE"],
    ),
]


@pytest.mark.parametrize(("one", "other", "wanted", "reasons"), CASES)
def test_scores(one: dict[str, Any], other: dict[str, Any], wanted: float, reasons: list[str]) -> None:
    """As the table of weights says."""
    found = score(dict(one), dict(other))
    assert found.score == wanted
    assert set(reasons) <= set(found.reasons)
    assert (found.reasons == ()) is (wanted == 0.0)


def test_strangers_stay_below_the_bound() -> None:
    """One weak likeness is none; two of them are one."""
    weak: dict[str, Any] = {"first": "John", "last": "Smith", "emails": ["john.smith@x.at"]}
    other = {"first": "Jon", "last": "Smyth", "emails": ["jon.smith@x.at"]}
    assert score({"emails": weak["emails"]}, {"emails": other["emails"]}).score < DUPLICATE_SCORE_MIN
    assert score(weak, other).score >= DUPLICATE_SCORE_MIN


@given(PROFILES, PROFILES)
def test_the_order_says_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Neither of the two, nor of their contacts; a score lies between 0 and 1, reasons stand in the table's order."""
    turned = {**one, "emails": one["emails"][::-1], "phones": one["phones"][::-1]}
    found = score(dict(one), dict(other))
    assert found == score(dict(other), dict(turned))
    assert 0 <= found.score <= 1
    assert [name for name in REASONS if name in found.reasons] == list(found.reasons)


@given(PROFILES)
def test_nothing_speaks_against_oneself(one: dict[str, Any]) -> None:
    """Whatever is there is alike."""
    found = score(dict(one), dict(one))
    assert (found.score > 0) is (found.reasons != ())
