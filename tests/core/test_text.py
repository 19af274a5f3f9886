"""Normal forms: equal things compare equal, and what is none is refused."""

from datetime import timedelta

import pytest

from app.core import clock, ids, text
from app.core.actor import Actor, Scope
from app.core.errors import Refused, bad_cursor, forbidden, unauthenticated, unavailable


@pytest.mark.parametrize(
    ("given", "kept"),
    [(" Ann@Example.COM ", "ann@example.com"), ("Ünï@exämple.com", "ünï@exämple.com"), ("a+b@c.de", "a+b@c.de")],
)
def test_emails_are_trimmed_and_folded(given: str, kept: str) -> None:
    """Case and blanks don't count."""
    assert text.email(given) == kept


@pytest.mark.parametrize("given", ["", "a", "a@", "@b.c", "a b@c.de", "a@b..c", "a@b@c.de", "x" * 65 + "@b.de"])
def test_what_is_no_email_is_refused(given: str) -> None:
    """Each is INVALID."""
    with pytest.raises(Refused) as caught:
        text.email(given)
    assert caught.value.code == "INVALID"


def test_long_texts_are_refused_by_length() -> None:
    """TOO_LONG says the limit."""
    for rule, value in ((text.email, "x" * 256), (text.phone, "1" * 51), (text.external_id, "x" * 257)):
        with pytest.raises(Refused) as caught:
            rule(value)
        assert caught.value.code == "TOO_LONG"


@pytest.mark.parametrize("given", ["123456", "1" * 16, "12345678x", "", "++1234567", "\uff11234567"])
def test_what_is_no_phone_is_refused(given: str) -> None:
    """Seven to fifteen digits, with the usual signs between."""
    with pytest.raises(Refused):
        text.phone(given)


@pytest.mark.parametrize("given", ["null", " NULL ", "undefined", "0", "[object Object]", "", " "])
def test_junk_is_no_external_id(given: str) -> None:
    """What broken clients send would make one person of many."""
    with pytest.raises(Refused):
        text.external_id(given)


def test_control_characters_are_refused() -> None:
    """Other systems can't take them; tabs and line breaks stand in free texts, not in ids and names."""
    for rule, given in [(text.plain, "a\0b"), (text.plain, "\x7f"), (text.line, "a\tb"), (text.external_id, "a\nb")]:
        with pytest.raises(Refused) as caught:
            rule(given)
        assert caught.value.code == "FORBIDDEN_CHARACTER"
    for char in "\t\n\r\0\x1b\x7f\x80\x85\x9f\u2028\u2029":
        for one_line in (text.line, text.short_line(9), text.external_id):
            with pytest.raises(Refused) as caught:
                one_line(f"a{char}b")
            assert (caught.value.code, f"U+{ord(char):04X}" in caught.value.message) == ("FORBIDDEN_CHARACTER", True)
        assert text.flat(f"a{char}{char}b ") == "a b"
    assert text.flat(" a  b ") == " a  b "
    assert text.plain("one\ttwo\r\nthree 👨‍👩‍👧") == "one\ttwo\r\nthree 👨‍👩‍👧"


def test_words_are_folded_and_unique() -> None:
    """Search finds without case and accents."""
    assert text.words("Zoë Ärlig", None, "zoe") == ["zoe", "arlig"]
    assert text.caseless("STRASSE") == text.caseless("straße")


def test_equal_texts_are_composed_alike() -> None:
    """Whatever the order of the marks; names are then the same without case."""
    ways = ["\u1e69", "s\u0323\u0307", "s\u0307\u0323", "\u1e61\u0323", "\u1e63\u0307"]
    assert {text.composed(one) for one in ways} == {"\u1e69"}
    assert text.short(1)("e\u0301") == "\u00e9"
    # The iota below is a letter without case, and stood before the accent.
    assert text.caseless("\u03b1\u0345\u0301") == text.caseless("\u1fb4")


def test_heaps_of_marks_are_left_as_they_are() -> None:
    """Putting so many in order would take minutes."""
    heap = "a" + "\u0301\u0323" * 500_000
    assert text.composed(heap) is heap
    assert text.caseless(heap) == heap
    assert text.fold(heap) == "a"
    assert text.composed("a" + "\u0301\u0323" * 15) != "a" + "\u0301\u0323" * 15


def test_ids_say_their_type_and_sort_by_birth() -> None:
    """A thousand in a row are in order."""
    made = [ids.new("per") for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert ids.kind(made[0]) == "per"
    assert [ids.kind(one) for one in ("per_1", "per", "_" + made[0][4:], made[0].upper(), "")] == [None] * 5


def test_ids_of_one_moment_stay_in_order_when_another_comes_between() -> None:
    """An id of a later moment does not shake those that are still made for the earlier one."""
    now = clock.now()
    made = []
    for _ in range(100):
        made.append(ids.new("evt", now))
        ids.new("tag", now + timedelta(milliseconds=1))
    assert made == sorted(made)


def test_times_are_rfc_3339() -> None:
    """Milliseconds and Z."""
    assert len(clock.text(clock.now())) == len("2026-05-04T10:00:00.000Z")


def test_faults_carry_status_and_code() -> None:
    """The edge needs no more than that."""
    faults = [unauthenticated(), forbidden("no"), unavailable(2), bad_cursor()]
    assert [(one.code, one.status) for one in faults] == [
        ("UNAUTHENTICATED", 401),
        ("FORBIDDEN", 403),
        ("UNAVAILABLE", 503),
        ("BAD_CURSOR", 400),
    ]
    assert faults[2].extra == {"retryAfter": 2}


def test_an_administrator_may_everything() -> None:
    """Other keys only what they hold."""
    reader = Actor("acc", "key", frozenset({Scope.PEOPLE_READ}))
    assert reader.may(Scope.PEOPLE_READ, Scope.ADMIN)
    assert not reader.may(Scope.PEOPLE_MANAGE)
    assert Actor("acc", "key", frozenset({Scope.ADMIN})).may(Scope.PEOPLE_MANAGE)
