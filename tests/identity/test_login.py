"""The login table, row by row, and what holds of every login: nothing is lost, and everything has one owner."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.checks import Listing
from app.catalog.model import AttributeDefinition, Catalog
from app.changes.model import ACTIVE, DELETED, Effect, Scene
from app.claims.model import Locator
from app.core import clock, ids
from app.core.errors import Refused
from app.identity.installation import FORMER_LINES_KEPT, Registration, named
from app.identity.login import LOGIN, LOGOUT, Deed, Login, Logout, Met, Seat, met_of, seat_of
from app.identity.user import User
from app.persons.model import (
    CUSTOMER,
    LEAD,
    ChannelContact,
    EmailContact,
    Membership,
    Person,
    PhoneContact,
    PushRegistration,
    claims_of,
    lines_of,
)
from app.persons.wish import Contact, Wish

ACCOUNT = "acc_1"
# The id of a tag or an attribute that was deleted, and not swept off everybody yet.
GONE = "gone"
CATALOG = Catalog(ACCOUNT)
for name in "abc":
    CATALOG.add(AttributeDefinition(name, "PERSON", name, "INTEGER", clock.now()))
P = Registration("shop", "p")


def person(type_: str, *, emails: Sequence[str] = (), devices: Sequence[str] = (), **more: Any) -> Person:
    """Make a person; each device has a line of activity of its own, the first of them is primary."""
    now = clock.now()
    one = Person(ids.new("per"), ACCOUNT, type_, CATALOG, now, now, "API", "API", [ids.new("sub")], **more)
    one.emails = [EmailContact(address, index == 0) for index, address in enumerate(emails)]
    for device in devices:
        line = ids.new("app")
        one.subjects.append(line)
        one.push_registrations.append(
            PushRegistration("shop", device, primary=not one.push_registrations, subject=line)
        )
    return one


def identity(*emails: str, external_id: str | None = None) -> Wish:
    """Write an identity down."""
    scalars = {"external_id": external_id} if external_id else {}
    contacts = [Contact(one, None, ("emails", str(index))) for index, one in enumerate(emails)]
    return Wish(scalars=scalars, emails=Listing(None, contacts))


def scene(world: Sequence[Person]) -> Scene:
    """Return what a plan may know of a world."""
    owners = {key: one for one in world for key in claims_of(one)}
    by_id = {one.id: one for one in world}
    return Scene(
        ACCOUNT,
        "MOBILE_SDK",
        clock.now(),
        CATALOG,
        tag_id=lambda name: name,
        tag_name=lambda tag: tag if tag == GONE else f"name of {tag}",
        find=lambda one: owners.get(one.claim(ACCOUNT)),
        kept=by_id.get,
    )


def after(world: Sequence[Person], effect: Effect[Person]) -> list[Person]:
    """Return the world after an effect."""
    changed = {one.after.id: one.after for one in effect.parts()}
    return [changed.pop(one.id, one) for one in world] + list(changed.values())


def holder_of(seat: Seat) -> Person:
    """Make who has the installation."""
    if seat in (Seat.PERSON, Seat.FREED):
        return person(CUSTOMER, emails=["x@x.example"], devices=["p", "other"])
    return person(LEAD, devices=["p"] if seat is Seat.EMPTY else ["other", "p"])


FOUND: dict[Met, Sequence[Person]] = {
    Met.NOBODY: (),
    Met.SELF: (),
    Met.A_LEAD: (person(LEAD, emails=["l@x.example"], devices=["l"]),),
    Met.A_CUSTOMER: (person(CUSTOMER, emails=["c@x.example"], devices=["c"]),),
    Met.SEVERAL: (person(LEAD, emails=["l@x.example"]), person(CUSTOMER, emails=["c@x.example"])),
}


def emails_of(met: Met) -> list[str]:
    """Return an identity that finds these, and an email that nobody has."""
    own = ["x@x.example"] if met is Met.SELF else []
    return [*own, *(mail.address for one in FOUND[met] for mail in one.emails), "new@x.example"]


ALONE, SHARED, THERE, FREED = Seat.EMPTY, Seat.SHARED, Seat.PERSON, Seat.FREED
IMPOSSIBLE, AMBIGUOUS = "PERSONALIZATION_IMPOSSIBLE", "AMBIGUOUS_PERSONALIZE_CANDIDATES"
# Seat, whom the identity finds, keepAsLead → who has the installation then, of which type, and who is gone.
ROWS: list[tuple[Seat, Met, bool, tuple[str, str, str] | str]] = [
    (ALONE, Met.NOBODY, False, ("new", CUSTOMER, "holder")),
    (ALONE, Met.NOBODY, True, ("holder", LEAD, "")),
    (ALONE, Met.A_LEAD, False, ("new", CUSTOMER, "holder found")),
    (ALONE, Met.A_LEAD, True, ("found", LEAD, "holder")),
    (ALONE, Met.A_CUSTOMER, False, ("found", CUSTOMER, "holder")),
    (ALONE, Met.A_CUSTOMER, True, ("found", CUSTOMER, "holder")),
    (ALONE, Met.SEVERAL, False, AMBIGUOUS),
    (ALONE, Met.SEVERAL, True, AMBIGUOUS),
    (SHARED, Met.NOBODY, False, ("new", CUSTOMER, "")),
    (SHARED, Met.NOBODY, True, ("new", LEAD, "")),
    (SHARED, Met.A_LEAD, False, ("new", CUSTOMER, "found")),
    (SHARED, Met.A_LEAD, True, ("found", LEAD, "")),
    (SHARED, Met.A_CUSTOMER, False, ("found", CUSTOMER, "")),
    (SHARED, Met.A_CUSTOMER, True, ("found", CUSTOMER, "")),
    (SHARED, Met.SEVERAL, False, AMBIGUOUS),
    (SHARED, Met.SEVERAL, True, AMBIGUOUS),
    (THERE, Met.NOBODY, False, IMPOSSIBLE),
    (THERE, Met.NOBODY, True, IMPOSSIBLE),
    (THERE, Met.SELF, False, ("holder", CUSTOMER, "")),
    (THERE, Met.SELF, True, ("holder", CUSTOMER, "")),
    (THERE, Met.A_LEAD, False, IMPOSSIBLE),
    (THERE, Met.A_LEAD, True, IMPOSSIBLE),
    (THERE, Met.A_CUSTOMER, False, IMPOSSIBLE),
    (THERE, Met.A_CUSTOMER, True, IMPOSSIBLE),
    (THERE, Met.SEVERAL, False, AMBIGUOUS),
    (THERE, Met.SEVERAL, True, AMBIGUOUS),
    (FREED, Met.NOBODY, False, ("new", CUSTOMER, "")),
    (FREED, Met.NOBODY, True, ("new", LEAD, "")),
    (FREED, Met.SELF, False, ("holder", CUSTOMER, "")),
    (FREED, Met.SELF, True, ("holder", CUSTOMER, "")),
    (FREED, Met.A_LEAD, False, ("new", CUSTOMER, "found")),
    (FREED, Met.A_LEAD, True, ("found", LEAD, "")),
    (FREED, Met.A_CUSTOMER, False, ("found", CUSTOMER, "")),
    (FREED, Met.A_CUSTOMER, True, ("found", CUSTOMER, "")),
    (FREED, Met.SEVERAL, False, AMBIGUOUS),
    (FREED, Met.SEVERAL, True, AMBIGUOUS),
]


@pytest.mark.parametrize(("seat", "met", "keep", "wanted"), ROWS)
def test_each_row_of_the_table(*, seat: Seat, met: Met, keep: bool, wanted: tuple[str, str, str] | str) -> None:
    """Who has the installation, of which type, who is gone; and of a refused login nothing."""
    holder, found = holder_of(seat), FOUND[met]
    login = Login(P, User(identity(*emails_of(met)), Wish()), force=seat is FREED, keep_as_lead=keep)
    assert seat_of(holder, force=seat is FREED) is seat
    if isinstance(wanted, str):
        with pytest.raises(Refused) as refused:
            login.plan(holder, scene([holder, *found]))
        assert refused.value.code == wanted
        return
    effect = login.plan(holder, scene([holder, *found]))
    who, type_, gone = wanted
    roles = {holder.id: "holder", **({one.id: "found" for one in found})}
    assert (roles.get(effect.after.id, "new"), effect.after.type) == (who, type_)
    ended = [one.after for one in effect.also if one.after.state == DELETED]
    assert " ".join(roles[one.id] for one in ended) == gone
    assert {one.into for one in ended} <= {effect.after.id}
    left = [one.after for one in effect.also if one.after.state == ACTIVE]
    assert [one.id for one in left] == ([holder.id] if seat in (SHARED, FREED) and who != "holder" else [])
    assert P in map(named, effect.after.push_registrations)


def test_the_rows_are_all_that_there_are() -> None:
    """Each row of the code is one of the test, in both columns; an empty lead has no identifier to be found by."""
    assert {(seat, met) for seat, met, _, _ in ROWS} == set(LOGIN)
    assert len(ROWS) == 2 * len(LOGIN)
    reachable = {(seat, met) for seat in Seat for met in Met}
    assert reachable - set(LOGIN) == {(Seat.EMPTY, Met.SELF), (Seat.SHARED, Met.SELF)}


@pytest.mark.parametrize(("seat", "deed"), [(ALONE, Deed.STAY), (SHARED, Deed.STAY), (THERE, Deed.NEW_LEAD)])
def test_each_row_of_the_logout(seat: Seat, deed: Deed) -> None:
    """An empty lead keeps its installation; somebody who is known loses it to a new one."""
    assert LOGOUT[seat] is deed
    holder = holder_of(seat)
    effect = Logout(P).plan(holder, scene([holder]))
    if deed is Deed.STAY:
        assert (effect.after, effect.changed, effect.events) == (holder, (), [])
        return
    assert [one.type for one in effect.events] == ["personCreated", "pushAttached", "pushDetached"]
    (left,) = effect.also
    assert (effect.after.type, effect.after.id != holder.id, left.after.emails) == (LEAD, True, holder.emails)
    assert set(effect.after.subjects).isdisjoint(holder.subjects)
    assert (left.after.subjects, [one.registration_id for one in left.after.push_registrations]) == (
        holder.subjects,
        ["other"],
    )


def test_an_installation_remembers_its_last_lines() -> None:
    """Newest first and bounded, by logouts and by forced logins; a login brings the line along and adds none."""
    holder = person(CUSTOMER, emails=["a@x"], devices=["p"])
    (first,) = lines_of(holder).values()
    (push,) = Logout(P).plan(holder, scene([holder])).after.push_registrations
    assert ([one.line for one in push.former], push.subject != first) == ([first], True)
    assert [one.holder for one in push.former] == [holder.id]
    wish = User(identity("b@x"), Wish())
    (forced,) = Login(P, wish, force=True).plan(holder, scene([holder])).after.push_registrations
    assert ([one.line for one in forced.former], forced.subject != first) == ([first], True)
    lines: list[str] = [first]
    for _ in range(FORMER_LINES_KEPT + 1):
        holder = replace(person(CUSTOMER, emails=["a@x"]), push_registrations=[push])
        lines.append(push.subject or "")
        (push,) = Logout(P).plan(holder, scene([holder])).after.push_registrations
    assert [one.line for one in push.former] == list(reversed(lines))[:FORMER_LINES_KEPT]
    empty = person(LEAD)
    empty.subjects.append(push.subject or "")
    empty.push_registrations = [push]
    (brought,) = Login(P, wish).plan(empty, scene([empty])).after.push_registrations
    assert (brought.subject, brought.former) == (push.subject, push.former)


def test_what_the_identity_finds_is_told_apart() -> None:
    """By how many there are, whether it is the holder, and the type."""
    holder, lead, customer = person(LEAD), person(LEAD), person(CUSTOMER)
    wanted = [([], Met.NOBODY), ([holder], Met.SELF), ([lead], Met.A_LEAD), ([customer], Met.A_CUSTOMER)]
    for owners, met in [*wanted, ([lead, customer], Met.SEVERAL), ([holder, lead], Met.SEVERAL)]:
        assert met_of(owners, holder) is met


def test_own_values_come_before_those_of_leads() -> None:
    """What the call says, then what the customer has, then the app's own lead; a known lead fills what is empty."""
    empty = person(LEAD, devices=["p"], first_name="App", city="Graz", values={"a": 1, "b": 1})
    lead = person(LEAD, emails=["l@x.example"], first_name="Form", city="Linz", country="AT", values={"b": 2, "c": 2})
    login = Login(P, User(identity("l@x.example"), Wish(scalars={"first_name": "Said"})))
    made = login.plan(empty, scene([empty, lead])).after
    assert (made.first_name, made.city, made.country) == ("Said", "Graz", "AT")
    assert made.values == {"a": 1, "b": 1, "c": 2}
    customer = replace(lead, type=CUSTOMER, id=ids.new("per"))
    joined = Login(P, User(identity("l@x.example"), Wish())).plan(empty, scene([empty, customer])).after
    assert (joined.first_name, joined.city, joined.values) == ("Form", "Linz", {"a": 1, "b": 2, "c": 2})


def test_what_was_deleted_does_not_come_along() -> None:
    """A tag and an attribute that the sweep has still to take off the lead are left behind with it."""
    lead = person(LEAD, emails=["l@x.example"], tag_ids=["t1", GONE], values={"a": 1, GONE: 2})
    empty = person(LEAD, devices=["p"])
    made = Login(P, User(identity("l@x.example"), Wish())).plan(empty, scene([empty, lead])).after
    assert (made.tag_ids, made.values) == (["t1"], {"a": 1})


@pytest.mark.parametrize(
    ("proven", "refused"),
    [((), True), (("new@x.example",), True), (("c@x.example",), False), (("c@x.example", "new@x.example"), False)],
)
def test_a_strict_login_reaches_only_whom_it_proves(*, proven: Sequence[str], refused: bool) -> None:
    """Each person who is there is reached by an identifier that is proven; without any proof nobody is."""
    empty, (customer,) = holder_of(ALONE), FOUND[Met.A_CUSTOMER]
    shown = frozenset(Locator("email", one) for one in proven)
    login = Login(P, User(identity("c@x.example", "new@x.example"), Wish()), proven=shown)
    if refused:
        with pytest.raises(Refused) as caught:
            login.plan(empty, scene([empty, customer]))
        assert (caught.value.code, caught.value.path) == ("USER_IDENTITY_INVALID", ("identityToken",))
    else:
        assert login.plan(empty, scene([empty, customer])).after.id == customer.id


# ---------------------------------------------------------------- what holds of every login


@dataclass(slots=True)
class Case:
    """A world and a login in it."""

    world: list[Person]
    login: Login


EMAILS = [f"{letter}@x.example" for letter in "abcdef"]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw up to four persons who share out identifiers and devices, and a login by any of them and of none."""
    world = [person(draw(st.sampled_from([LEAD, CUSTOMER]))) for _ in range(draw(st.integers(1, 4)))]
    for address in EMAILS:
        owner = draw(st.sampled_from([None, *world]))
        if owner:
            owner.emails.append(EmailContact(address, not owner.emails))
    for number in ("43660111111", "43660222222"):
        owner = draw(st.sampled_from([None, *world]))
        if owner:
            owner.phones.append(PhoneContact(number, not owner.phones))
    for device in ("p", "q", "r", "s"):
        owner = draw(st.sampled_from(world))
        line = ids.new("app") if draw(st.booleans()) else None
        owner.subjects += [line] if line else []
        first = not owner.push_registrations
        owner.push_registrations.append(PushRegistration("shop", device, primary=first, subject=line))
    for index, one in enumerate(world):
        one.external_id = draw(st.sampled_from([None, None, f"u-{index}"]))
        one.aliases = draw(st.sampled_from([[], [], [f"alias-{index}"]]))
        one.channels = draw(st.sampled_from([[], [], [ChannelContact("LINE", "shop", f"c{index}")]]))
        one.merged_ids = draw(st.sampled_from([[], [f"per_merged{index}"]]))
        one.tag_ids = draw(st.lists(st.sampled_from(["t1", "t2", "t3"]), unique=True))
        companies = draw(st.lists(st.sampled_from(["com_1", "com_2"]), unique=True))
        one.memberships = [Membership(company, None, at == 0) for at, company in enumerate(companies)]
    emails = draw(st.lists(st.sampled_from([*EMAILS, "new@x.example"]), min_size=1, max_size=3, unique=True))
    names = [None, None, "u-0", "alias-0", "u-new"]
    user = User(identity(*emails, external_id=draw(st.sampled_from(names))), Wish())
    force, keep, primary = (draw(st.booleans()) for _ in range(3))
    return Case(world, Login(P, user, force=force, keep_as_lead=keep, primary=primary))


REFUSALS = {IMPOSSIBLE, AMBIGUOUS, "USER_MERGE_INTERRUPTED"}


def planned(login: Login, holder: Person, world: Sequence[Person]) -> Effect[Person] | Refused:
    """Return what a login does, or what it is refused with."""
    try:
        return login.plan(holder, scene(world))
    except Refused as refused:
        return refused


@settings(max_examples=400, deadline=None)
@given(cases())
def test_a_login_loses_nothing_and_everything_has_one_owner(case: Case) -> None:
    """Identifiers, lines of activity, tags, links; of who goes on without the installation all stays."""
    world, login = case.world, case.login
    holder = next(one for one in world if P in map(named, one.push_registrations))
    known = {key: one.id for one in world for key in claims_of(one)}
    effect = planned(login, holder, world)
    if isinstance(effect, Refused):
        assert effect.code in REFUSALS
        return
    then = after(world, effect)
    heir, gone = effect.after, [one for one in then if one.state == DELETED]
    owned = [key for one in then for key in claims_of(one)]
    assert len(owned) == len(set(owned))
    assert set(known) <= set(owned)
    wanted = {one.claim(ACCOUNT) for one in login.wish.identity.named()}
    assert wanted | {P.locator.claim(ACCOUNT)} <= set(claims_of(heir))
    former = {one.id: one for one in world}
    for one in gone:
        assert set(former[one.id].subjects) | set(former[one.id].merged_ids) <= {*heir.subjects, *heir.merged_ids}
        assert {*former[one.id].tag_ids} <= {*heir.tag_ids}
        assert {link.company_id for link in former[one.id].memberships} <= {
            link.company_id for link in heir.memberships
        }
        assert (one.subjects, one.into, claims_of(one)) == ([], heir.id, {})
    lines = [line for one in then for line in one.subjects]
    assert len(lines) == len(set(lines))
    assert {line for one in world for line in one.subjects} <= set(lines)
    for one in then:
        if one.state == ACTIVE:
            _is_whole(one)
    untouched = [one for one in then if one.id in former and one.id not in {heir.id, holder.id} and one not in gone]
    assert all(one is former[one.id] for one in untouched)
    if heir.id != holder.id and holder.id not in {one.id for one in gone}:
        _has_let_go(former[holder.id], next(one for one in then if one.id == holder.id))


def _is_whole(one: Person) -> None:
    """One of its installations and of its companies is primary, and each line that one has is the person's."""
    for flagged in (one.push_registrations, one.memberships, one.emails, one.phones):
        assert sum(each.primary for each in flagged) == bool(flagged)
    assert set(lines_of(one).values()) <= set(one.subjects)
    assert len({*one.tag_ids}) == len(one.tag_ids)


def _has_let_go(before: Person, one: Person) -> None:
    """Of who is known nothing but the installation goes; of an empty lead its own line goes along."""
    assert P not in map(named, one.push_registrations)
    known = before.emails or before.phones or before.external_id or before.aliases or before.channels
    if known or before.type == CUSTOMER:
        assert one.subjects == before.subjects
    assert replace(
        one,
        version=before.version,
        updated_at=before.updated_at,
        modified_from=before.modified_from,
        push_registrations=before.push_registrations,
        subjects=before.subjects,
    ) == replace(before)
