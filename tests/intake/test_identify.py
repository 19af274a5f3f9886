"""Who a visitor turns out to be, as a table: what is known of the identifiers, and what becomes of whom."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.catalog.model import Catalog
from app.changes.model import Effect, Scene
from app.claims.model import Locator
from app.intake import activity, identify
from app.intake.activity import Page, Step
from app.intake.identify import LINES_MAX, Identify, Unjoined
from app.intake.sessions import nobody
from app.intake.visit import IDENTIFY, TRACK, Message, Visitor
from app.persons.model import CUSTOMER, LEAD, EmailContact, Person
from app.persons.wish import Wish
from tests.make import email

NOW = datetime(2026, 5, 4, 12, 0)  # noqa: DTZ001 - naive UTC is the house's time
ACCOUNT = "acc_1"
ANA, CRM = email("ana@b.example"), Locator("externalId", "crm-1")


def person(id_: str, type_: str, *emails: str, **more: Any) -> Person:
    """Make a person as it stands."""
    made = Person(
        id_,
        ACCOUNT,
        type_,
        Catalog(ACCOUNT),
        NOW,
        NOW,
        "API",
        "API",
        [f"sub_{id_}"],
        emails=[EmailContact(emails[0], primary=True)],
    )
    return replace(made, **more)


def visitor(**more: Any) -> Visitor:
    """Make a visitor of two sessions, the second of which is going on."""
    page = Page(nobody(ACCOUNT, "v", NOW), NOW, set())
    for minutes in (120, 10):
        message = Message(TRACK, "v", f"m{minutes}", NOW - timedelta(minutes=minutes))
        activity.record(page, Step(activity.record, message, "look"))
    return replace(page.visitor, version=1, **more)


def said(
    who: Visitor, there: Sequence[Person], *identity: Locator, proven: Sequence[Locator] | None = None, **more: Any
) -> Effect[Person]:
    """Plan an identification among the persons that are there."""
    owned = {email(one.address): each for each in there for one in each.emails}
    owned |= {Locator("externalId", each.external_id): each for each in there if each.external_id}
    scene = Scene(ACCOUNT, "WEB_SDK", NOW, Catalog(ACCOUNT), str, str, owned.get, lambda _: None)
    shown = None if proven is None else frozenset(proven)
    return Identify(who, Message(IDENTIFY, "v", identity=identity), Wish(**more), (), shown).plan(None, scene)


def written(effect: Effect[Person]) -> dict[str, Any]:
    """Return the visitor that is written with a person."""
    (write,) = [write for collection, write in effect.besides if collection == "visitors"]
    document: dict[str, Any] = write.document  # type: ignore[union-attr]
    return document


def test_nobody_becomes_a_lead_with_all_sessions() -> None:
    """Whose own line comes first, and whose identifiers are those of the message."""
    who = visitor()
    effect = said(who, [], ANA, CRM, scalars={"first_name": "Ana"})
    lead = effect.after
    assert (effect.before, lead.type, lead.created_from, lead.first_name) == (None, LEAD, "WEB_SDK", "Ana")
    assert ([one.address for one in lead.emails], lead.external_id) == (["ana@b.example"], "crm-1")
    assert (lead.subjects[0][:4], lead.subjects[1:], lead.since) == ("sub_", [who.subject], {})
    assert effect.events[0].type == "personCreated"
    assert effect.events[0].changed == effect.changed
    assert (written(effect)["person"], written(effect)["version"]) == (lead.id, 2)


def test_a_lead_gets_all_sessions_and_what_is_new() -> None:
    """Its followers are told that its timeline has another line."""
    who, lead = visitor(), person("per_1", LEAD, "ana@b.example")
    effect = said(who, [lead], ANA, CRM)
    assert (effect.after.id, effect.after.external_id) == ("per_1", "crm-1")
    assert (effect.after.subjects, effect.after.since) == (["sub_per_1", who.subject], {})
    assert "timeline" in effect.changed
    assert [one.type for one in effect.events if one.changed] == ["visitorIdentified"]


def test_a_customer_gets_the_present_session_alone() -> None:
    """From its begin on; what was before is swept, and nothing of the profile changes."""
    who, customer = visitor(), person("per_1", CUSTOMER, "ana@b.example")
    effect = said(who, [customer], ANA, CRM, scalars={"first_name": "Bea"})
    assert effect.changed == ("timeline",)
    assert (effect.after.external_id, effect.after.first_name) == (None, None)
    begun = NOW - timedelta(minutes=10)
    assert (effect.after.since, written(effect)["since"]) == ({who.subject: begun}, begun)
    (sweep,) = [write.document for collection, write in effect.besides if collection == "sweeps"]  # type: ignore[union-attr]
    assert (sweep["kind"], sweep["what"][1:]) == ("eventsBefore", [who.subject])


JOINED = visitor()
LEADS = {
    "lead": person("per_1", LEAD, "ana@b.example"),
    "customer": person("per_1", CUSTOMER, "ana@b.example"),
    "own": person("per_1", LEAD, "ana@b.example", subjects=["sub_per_1", JOINED.subject]),
    "full": person("per_1", LEAD, "ana@b.example", subjects=["sub_per_1"] * LINES_MAX),
    "other": person("per_2", CUSTOMER, "bea@b.example", external_id="crm-1"),
}
REFUSED = [
    ("two persons", ["lead", "other"], [ANA, CRM], None, identify.SEVERAL),
    ("the own one and another", ["own", "other"], [ANA, CRM], None, identify.SEVERAL),
    ("strict, unproven", ["lead"], [ANA], [], identify.UNPROVEN),
    ("strict, another is proven", ["lead"], [ANA, CRM], [CRM], identify.UNPROVEN),
    ("an installation that nobody has", [], [Locator("push", "x")], None, identify.NOBODY),
    ("too many lines", ["full"], [ANA], None, identify.FULL),
]


@pytest.mark.parametrize(("name", "there", "identity", "proven", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_nobody_is_joined(
    name: str, there: list[str], identity: list[Locator], proven: list[Locator] | None, reason: str
) -> None:
    """The table of those whom nobody joins, whatever the caller is answered."""
    with pytest.raises(Unjoined) as refused:
        said(JOINED, [LEADS[one] for one in there], *identity, proven=proven)
    assert refused.value.reason == reason, name


JOINING = [
    ("strict, unknown", [], [ANA], [], None),
    ("strict, proven", ["lead"], [ANA], [ANA], "per_1"),
    ("strict, the own lead again", ["own"], [ANA], [], "per_1"),
    ("strict, one proven of two persons", ["lead", "other"], [ANA, CRM], [ANA], "per_1"),
]


@pytest.mark.parametrize(("name", "there", "identity", "proven", "whom"), JOINING, ids=[row[0] for row in JOINING])
def test_a_strict_key_joins_whom_it_proves(
    name: str, there: list[str], identity: list[Locator], proven: list[Locator], whom: str | None
) -> None:
    """The table of strict keys: an unknown identifier makes a lead as always, a known one is to be proven."""
    effect = said(JOINED, [LEADS[one] for one in there], *identity, proven=proven)
    assert (effect.before.id if effect.before else None) == whom, name


def test_to_say_it_again_changes_nothing() -> None:
    """Of the same person, with nothing new."""
    assert said(replace(JOINED, person="per_1"), [LEADS["own"]], ANA).changed == ()


def test_another_person_gets_another_line() -> None:
    """Nothing of the first person moves; its session ends."""
    bound = replace(JOINED, person="per_1")
    effect = said(bound, [LEADS["own"], LEADS["other"]], CRM)
    kept = written(effect)
    assert (effect.after.id, kept["person"]) == ("per_2", "per_2")
    assert kept["subject"] != bound.subject
    assert effect.after.since == {kept["subject"]: NOW}
    ended = next(one for one in effect.events if one.type == "sessionEnded")
    assert (ended.subject, ended.person_id) == (bound.subject, "per_1")
