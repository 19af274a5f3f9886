"""Blocks bring look-alikes together and nobody else; a search never meets them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Catalog
from app.catalog.values import token_prefix
from app.core import clock, text
from app.core.pages import Slice
from app.mongo.engine import Engine
from app.persons.blocks import BLOCKS_MAX, MARK, blocks, kept, swapped, words_of
from app.persons.model import EmailContact, Person, PhoneContact
from app.persons.record import document
from app.persons.sharing import BLOCK_PERSONS_MAX, Sharing
from tests.make import ACTOR, house
from tests.make import given as wish

TEXTS = st.none() | st.text(max_size=30)


def person(
    first: str | None = None, last: str | None = None, emails: Any = (), phones: Any = (), id_: str = "per_1"
) -> Person:
    """Make a person in memory."""
    now = clock.now()
    one = Person(id_, "acc_1", "LEAD", Catalog("acc_1"), now, now, "API", "API", ["sub_1"])
    one.first_name, one.last_name = first, last
    one.emails = [EmailContact(address) for address in emails]
    one.phones = [PhoneContact(number) for number in phones]
    return one


def block(first: str | None, last: str | None) -> list[str]:
    """Return the blocks of a name alone."""
    return blocks(person(first, last))


SAME = [
    (("John", "Smith"), ("Jon", "Smyth")),
    (("Jonathan", "Smith"), ("Jon", "SMITH")),
    (("Christopher", "Brown"), ("Chris", "Brown")),
    (("Katherine", "O'Brien"), ("Cathy", "OBrien")),
    (("Jürgen", "Müller"), ("Juergen", "Mueller")),
    (("Anna", "Schmidt"), ("Ann", "Schmid")),
    (("Łukasz", "Wójcik"), ("Lukasz", "Wojcik")),
    (("Stephen", "Hoffmann"), ("Stefan", "Hofman")),
    (("Ann", "Lee"), ("Anne", "Lee")),
    (("John Smith", None), ("John", "Smith")),
    ((None, "John F. Smith"), ("John", "Smith")),
    (("Мария", "Иванова"), ("Мария", "ИВАНОВА")),
]
OTHER = [
    (("John", "Smith"), ("Mary", "Smith")),
    (("John", "Smith"), ("John", "Jones")),
    (("Ann", "Lee"), ("Ann", "Li")),
    (("Мария", "Иванова"), ("Мария", "Петрова")),
    (("明", "李"), ("明", "王")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_sound_alike_share_a_block(one: Any, other: Any) -> None:
    """However they are spelt, shortened or put into one field."""
    assert block(*one) == block(*other) != []


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_names_of_others_share_none(one: Any, other: Any) -> None:
    """A family, or people of one first name."""
    assert not set(block(*one)) & set(block(*other))


@pytest.mark.parametrize("half", [("John", None), (None, "Smith"), (None, None), ("", " "), (".", "Smith"), ("-", "'")])
def test_half_a_name_is_no_block(half: Any) -> None:
    """There are too many of each."""
    assert block(*half) == []
    assert swapped(person(*half)) is None


def test_a_name_in_the_wrong_fields_is_found_by_its_turned_block() -> None:
    """It is asked for, not kept: a word less for everybody."""
    assert swapped(person("Smith", "John")) == block("John", "Smith")[0]
    assert [swapped(person("John", "Smith"))] == block("Smith", "John") != block("John", "Smith")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("ann.smith@example.com", "annsmith+news@mail.test", True),
        ("ann_smith@example.com", "ann-smith@example.com", True),
        ("ann.smith@example.com", "bob.smith@example.com", False),
        ("ann@example.com", "ann@mail.test", False),
        ("office@example.com", "office@mail.test", False),
        ("+tag@example.com", "+tag@mail.test", False),
    ],
)
def test_emails_meet_by_what_stands_before_the_at(one: str, other: str, shared: bool) -> None:  # noqa: FBT001
    """Without separators and tag; what is short, or an office, says too little."""
    assert (set(blocks(person(emails=[one]))) & set(blocks(person(emails=[other]))) != set()) is shared


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("436601234567", "06601234567", True),
        ("436601234567", "436601234568", False),
        ("1234567", "431234567", False),
    ],
)
def test_numbers_meet_by_their_last_digits(one: str, other: str, shared: bool) -> None:  # noqa: FBT001
    """With and without the country; seven digits are too few."""
    assert (set(blocks(person(phones=[one]))) & set(blocks(person(phones=[other]))) != set()) is shared


def test_a_person_has_four_blocks_at_most() -> None:
    """Of each kind some: each is a key of an index, paid for with every write."""
    many = person("Ann", "Smith", [f"ann.smith{i}@x.at" for i in range(9)], [f"4366000000{i:02}" for i in range(9)])
    assert blocks(many) == ["~smt an", "~@annsmith0", "~00000000", "~@annsmith1"]
    assert len(blocks(many)) == BLOCKS_MAX


@given(TEXTS, TEXTS, st.lists(st.emails(), max_size=5))
def test_no_search_begins_a_block(first: str | None, last: str | None, emails: list[str]) -> None:
    """Words of a search are letters and digits, those of attributes begin with another mark."""
    one = person(first, last, [address.casefold() for address in emails])
    found = blocks(one)
    assert len(found) == len(set(found)) <= BLOCKS_MAX
    assert all(word.startswith(MARK) for word in found)
    assert not any(word.startswith(MARK) for word in text.words(first, last, *emails, *found))
    assert not token_prefix("att_1").startswith(MARK)
    words = document(one).get("words", [])
    # Each is found, by itself or by what says it.
    assert all(set(words_of(block)) & set(words) for block in found)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("annsmith@x.at", []),
        ("annsmith+news@x.at", []),
        ("ann.smith@x.at", ["~@annsmith"]),
        ("ann_smith@x.at", ["~@annsmith"]),
        ("änn@x.at", []),
        ("ännsmith@x.at", ["~@ännsmith"]),
        ("o'brien@x.at", ["~@o'brien"]),
    ],
)
def test_what_another_word_says_is_not_kept(address: str, words: list[str]) -> None:
    """An email without separators is a word as it stands."""
    one = person(emails=[address])
    assert kept(one) == words
    assert [word for word in document(one)["words"] if word.startswith(MARK)] == words


async def test_a_word_that_many_share_is_passed_over(engine: Engine) -> None:
    """It is found among many by halves, without reading them all; what few share beside it is there."""
    home, sharing = house(engine), Sharing(engine)
    names = [("Ann", "Smith")] * (BLOCK_PERSONS_MAX + 1) + [("Bob", "Jones")] * 2
    rows = [wish(first_name=a, last_name=b, external_id=f"c-{i}") for i, (a, b) in enumerate(names)]
    await home.persons.upsert(ACTOR, rows)
    common, rare = block("Ann", "Smith")[0], block("Bob", "Jones")[0]
    asked = [common, rare, *(f"{MARK}nobody {i}" for i in range(7))]
    found = await sharing.find(ACTOR.account, asked)
    assert (len(found[rare]), common in found, found[f"{MARK}nobody 1"]) == (2, False, [])
    assert await sharing.find(ACTOR.account, [common]) == {}
    assert await sharing.find("acc_2", asked) == {word: [] for word in asked}
    assert await sharing.find(ACTOR.account, []) == {}


async def test_searches_and_filters_find_what_they_found(engine: Engine) -> None:
    """Though a block is a word of the document."""
    home = house(engine)
    await home.persons.create(ACTOR, wish(first_name="Jon", last_name="Smith", emails=["jon.smith@x.at"]))
    for search, count in (("smith", 1), ("smt", 0), ("jonsmith", 0), ("~", 0), ("~smt jn", 0), ("jon", 1)):
        query = await home.persons.query(ACTOR.account, None, search)
        assert len((await home.persons.page(ACTOR.account, query, Slice())).items) == count, search
    for wanted in ({"email": {"eq": "~@jonsmith"}}, {"externalId": {"eq": "~smt jn"}}, {"phone": {"eq": "~"}}):
        query = await home.persons.query(ACTOR.account, wanted)
        assert (await home.persons.page(ACTOR.account, query, Slice())).items == []
