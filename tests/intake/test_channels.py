"""The table of channels, row by row, and the rules beside it."""

from typing import Any

import pytest

from app.catalog.checks import Listing
from app.catalog.model import Catalog
from app.changes.model import Scene
from app.claims.model import Locator, compound
from app.core import clock, ids
from app.core.errors import Refusals, Refused
from app.intake import channels
from app.intake.channels import ACTIONS, Contacted, Told, action, checked, learned, reachable
from app.intake.participants import Participant
from app.intake.participants import check as check_participant
from app.persons.model import (
    CUSTOMER,
    INSTALLATIONS_MAX,
    LEAD,
    ChannelContact,
    EmailContact,
    Person,
    PushRegistration,
)
from app.persons.reach import CHANNELS_MAX, reached, staying
from app.persons.wish import CONTACTS_MAX, Contact, Given, Wish, cleaned

CATALOG = Catalog("acc_1")
NOW = clock.now()
ENTERED = ("journeyEntered",)
CHATBOT = ("chatbotSessionStarted", "chatbotSessionEnded")
INBOX = ("conversationCreated", "conversationFinished")
SUBMITTED = ("formSubmitted",)
PLACES = {
    "email": Locator("email", "a@b.example"),
    "phone": Locator("phone", "436601234567"),
    "externalId": Locator("externalId", "x-1"),
    "channel": Locator("channel", compound("WHATSAPP", "shop", "u-1")),
    "push": Locator("push", compound("app", "reg")),
}


def person(type_: str = LEAD, **more: Any) -> Person:
    """Make one."""
    return Person("per_1", "acc_1", type_, CATALOG, NOW, NOW, "API", "API", ["sub_1"], **more)


def scene(origin: str = "FLOW") -> Scene:
    """Make a scene in which nobody else is known."""
    return Scene("acc_1", origin, NOW, CATALOG, str, str, lambda _: None, lambda _: None)


# The table of domain §6: source, found → what is made, origin, whether what was learned is written as it is, events.
ROWS = [
    ("INBOUND", "NOBODY", LEAD, "FLOW", True, ENTERED),
    ("INBOUND", LEAD, None, "FLOW", True, ENTERED),
    ("INBOUND", CUSTOMER, None, "FLOW", True, ENTERED),
    ("PARTICIPANT", "NOBODY", LEAD, "FLOW", True, ENTERED),
    ("PARTICIPANT", LEAD, None, "FLOW", True, ENTERED),
    ("PARTICIPANT", CUSTOMER, None, "FLOW", True, ENTERED),
    ("CHATBOT", "NOBODY", CUSTOMER, "ANSWERS", True, CHATBOT),
    ("CHATBOT", LEAD, None, "ANSWERS", True, CHATBOT),
    ("CHATBOT", CUSTOMER, None, "ANSWERS", True, CHATBOT),
    ("INBOX", "NOBODY", CUSTOMER, "CONVERSATIONS", True, INBOX),
    ("INBOX", LEAD, None, "CONVERSATIONS", True, INBOX),
    ("INBOX", CUSTOMER, None, "CONVERSATIONS", True, INBOX),
    ("FORM", "NOBODY", LEAD, "FORMS", True, SUBMITTED),
    ("FORM", LEAD, None, "FORMS", False, SUBMITTED),
    ("FORM", CUSTOMER, None, "FORMS", False, SUBMITTED),
]


@pytest.mark.parametrize(("source", "found", "makes", "origin", "writes", "events"), ROWS)
def test_each_row_of_the_table(
    source: str, found: str, makes: str | None, origin: str, *, writes: bool, events: tuple[str, ...]
) -> None:
    """What is made, and what is stamped, written and told."""
    held = None if found == "NOBODY" else person(found)
    done = action(source, held)
    assert (done.makes, done.origin, done.writes, done.events) == (makes, origin, writes, events)
    if source == "FORM":
        return
    effect = Contacted(source, [(PLACES["channel"], ("contact",))], Wish()).plan(held, scene(origin))
    assert effect.after.type == (makes or found)
    assert (effect.before, effect.after.modified_from) == (held, origin)


def test_the_table_has_no_other_rows() -> None:
    """Each source with each thing that it may find, once."""
    assert list(ACTIONS) == [(source, found) for source, found, *_ in ROWS]


@pytest.mark.parametrize("kind", PLACES)
def test_a_contact_of_any_kind_makes_a_profile(kind: str) -> None:
    """It holds the contact, and a second plan changes nothing."""
    change = Contacted("INBOUND", [(PLACES[kind], ("contact", kind))], Wish())
    made = change.plan(None, scene())
    assert made.changed[0] == "type"
    assert [one.type for one in made.events] == ["personCreated"]
    assert made.events[0].changed == made.changed
    again = change.plan(made.after, scene())
    assert (again.changed, again.events, again.after) == ((), [], made.after)


def test_an_installation_brings_its_own_line() -> None:
    """Which goes with it when somebody else logs in there; the first is primary, the next is not."""
    one = person()
    first = reached(one, [(PLACES["push"], ())], scene())
    second = reached(one, [(Locator("push", compound("app", "reg-2")), ())], scene())
    assert first == second == ["pushRegistrations", "timeline"]
    assert [push.primary for push in one.push_registrations] == [True, False]
    assert [ids.kind(line) for line in one.subjects[1:]] == ["app", "app"]
    assert [push.subject for push in one.push_registrations] == one.subjects[1:]


FULL: list[tuple[str, dict[str, Any], str]] = [
    ("email", {"emails": [EmailContact(f"{n}@b.example") for n in range(CONTACTS_MAX)]}, "TOO_MANY"),
    ("channel", {"channels": [ChannelContact("LINE", "s", str(n)) for n in range(CHANNELS_MAX)]}, "TOO_MANY"),
    (
        "push",
        {"push_registrations": [PushRegistration("app", str(n)) for n in range(INSTALLATIONS_MAX)]},
        "TOO_MANY",
    ),
    ("externalId", {"external_id": "another"}, "DUPLICATE_EXTERNAL_ID"),
]


@pytest.mark.parametrize(("kind", "held", "code"), FULL)
def test_what_a_profile_has_no_room_for_is_refused_at_the_contact(kind: str, held: dict[str, Any], code: str) -> None:
    """With the contact's path, not that of the attributes."""
    change = Contacted("INBOUND", [(PLACES[kind], ("contact", kind))], Wish())
    with pytest.raises(Refused) as caught:
        change.plan(person(**held), scene())
    assert (caught.value.code, caught.value.path) == (code, ("contact", kind))


def test_an_alias_is_an_external_id_as_well() -> None:
    """Who was merged into somebody is found by it, and brings no second one."""
    one = person(external_id="another", aliases=["x-1"])
    assert reached(one, [(PLACES["externalId"], ())], scene()) == []


def test_what_is_refused_of_the_attributes_says_so() -> None:
    """Too many emails, by their place in `attributes`."""
    wish = Wish(emails=Listing(None, [Contact(f"{n}@b.example", None, ()) for n in range(101)]))
    with pytest.raises(Refused) as caught:
        Contacted("INBOUND", [(PLACES["phone"], ("contact", "phone"))], wish).plan(person(), scene())
    assert (caught.value.code, caught.value.path) == ("TOO_MANY", ("attributes", "emails"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (Listing([Contact("c@b.example", None, ())]), ["c@b.example", "a@b.example"]),
        (Listing([]), ["a@b.example"]),
        (Listing(None, [], ["a@b.example"]), None),
        (None, None),
    ],
)
def test_the_contact_stays_whatever_is_wished(given: Any, kept: list[str] | None) -> None:
    """It is not taken off, and a list that replaces all others has it as well."""
    found = staying(Wish(emails=given), [(PLACES["email"], ())]).emails
    replaced = found.replace if found else None
    assert (None if replaced is None else [one.value for one in replaced]) == kept
    assert found is None or found.remove == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ann", "Ann"),
        (" Ann ", " Ann "),
        ("An<n>", "Ann"),
        ("Ann (Lee)", "Ann Lee"),
        ("Ann\r\n", "Ann"),
        ("A\0n\x1fn", "Ann"),
        ("O'Brien-Łukasz 李", "O'Brien-Łukasz 李"),
    ],
)
def test_names_are_cleaned(given: str, kept: str) -> None:
    """Of what they can't have; all else stays as it is."""
    for name in ("first_name", "middle_name", "last_name", "nickname"):
        assert cleaned(Given(scalars={name: given})).scalars == {name: kept}
    assert cleaned(Given(scalars={"address": "a/b #7"})).scalars == {"address": "a/b #7"}


@pytest.mark.parametrize(("given", "left"), [("<>", {}), (None, {"first_name": None}), ("", {"first_name": ""})])
def test_a_name_of_nothing_else_clears_nothing(given: str | None, left: dict[str, Any]) -> None:
    """Only null and the empty text do."""
    assert cleaned(Given(scalars={"first_name": given})).scalars == left


def test_what_is_told_has_ids_of_its_own() -> None:
    """Another thread, phase or source is another event; parts don't run into each other."""
    threads: list[tuple[str, tuple[str, ...]]] = [
        ("INBOUND", ("a", "bc")),
        ("INBOUND", ("ab", "c")),
        ("PARTICIPANT", ("a", "bc")),
        ("CHATBOT", ("a",)),
        ("INBOX", ("a",)),
    ]
    events = [Told(source, PLACES["email"], thread).event_id(phase) for source, thread in threads for phase in (0, 1)]
    assert len(set(events)) == 10
    assert sorted(events[-2:]) == events[-2:]
    assert [list(Told(source, PLACES["email"], ("a",)).phases) for source in ("INBOUND", "CHATBOT")] == [[0], [0, 1]]


def test_what_is_told_is_checked_all_at_once() -> None:
    """Every refusal with its path; what is not there is no property."""
    told = Told("CHATBOT", PLACES["email"], ("s",), properties={"sessionId": "s", "botId": "b", "channel": None})
    assert checked(told).properties == {"sessionId": "s", "botId": "b"}
    bad = Told("CHATBOT", Locator("externalId", "null"), ("s",), properties={"sessionId": "", "botId": "b" * 257})
    with pytest.raises(Refusals) as caught:
        checked(bad)
    assert [(one.code, one.path) for one in caught.value.refusals] == [
        ("REQUIRED", ("sessionId",)),
        ("TOO_LONG", ("botId",)),
        ("INVALID", ("contact", "externalId")),
    ]


def test_an_identifier_of_the_service_is_taken_as_it_is() -> None:
    """Nothing is to be checked of what is only looked up."""
    assert reachable(Locator("id", "")).kind == "id"
    assert reachable(Locator("push", compound("app", "r" * 4096))).kind == "push"


def test_participants_name_each_once() -> None:
    """The same identifier again is no other one; its first place counts."""
    given = Participant((PLACES["email"], PLACES["phone"], PLACES["email"]), Given(scalars={"first_name": "A#"}))
    found = check_participant(given, CATALOG)
    assert [path for _, path in found.places] == [("identifiers", "0", "email"), ("identifiers", "1", "phone")]
    assert found.wish.scalars == {"first_name": "A"}


def test_the_type_is_never_learned() -> None:
    """It is the channel's to choose, and only for whom it makes."""
    assert learned(Given("CUSTOMER"), [PLACES["email"]], CATALOG) == Wish()
    assert learned(None, [], CATALOG) == Wish()
    assert channels.origin("FORM") == "FORMS"
