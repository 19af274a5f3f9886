"""Stories O: forms, their rules, and everything that was ever sent in."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from tests import api as apis
from tests.api import ATTRIBUTE, ERRORS, Api
from tests.stories.telling import DELETE, count, types

FORM = "id name kind enabled key leadRule customerRule fields { name personField }"
SAVE = f"mutation($input: SaveFormInput!) {{ saveForm(input: $input) {{ form {{ {FORM} }} {ERRORS} }} }}"
SHOWN = """id type firstName lastName city gender externalId createdFrom modifiedFrom version tags customAttributes
  emails { address } phones { number }"""
SUBMIT = f"""mutation($input: SubmitFormInput!) {{
  submitForm(input: $input) {{ person {{ {SHOWN} }} deletedPersonIds {ERRORS} }} }}"""
SUBMISSIONS = """query($form: ID, $first: Int, $after: Cursor) {
  formSubmissions(formId: $form, first: $first, after: $after) {
    nodes { id formId values person { id } occurredAt receivedAt } pageInfo { hasNextPage endCursor } } }"""
FIELDS = [
    {"name": "mail", "personField": "email"},
    {"name": "given", "personField": "firstName"},
    {"name": "family", "personField": "lastName"},
    {"name": "tel", "personField": "phone"},
    {"name": "town", "personField": "city"},
    {"name": "sex", "personField": "gender"},
    {"name": "crm", "personField": "externalId"},
    {"name": "topics", "personField": "tags"},
    {"name": "size", "personField": "customAttributes.Size"},
    {"name": "member", "personField": "customAttributes.member"},
    {"name": "since", "personField": "customAttributes.since"},
    {"name": "score", "personField": "customAttributes.score"},
    {"name": "nick", "personField": "customAttributes.nick"},
    {"name": "comment"},
]
ANN = {"email": "ann@b.example"}
KINDS = {"size": "INTEGER", "member": "BOOLEAN", "since": "DATE", "score": "DECIMAL", "nick": "STRING"}


@pytest.fixture
async def shop(api: Api) -> Api:
    """Give an account with some attributes."""
    for name, type_ in KINDS.items():
        assert await api.codes(ATTRIBUTE, input={"name": name, "type": type_}) == []
    return api


async def saved(api: Api, **more: Any) -> str:
    """Save a form that is not refused; returns its id."""
    payload = await api(SAVE, input={"name": "Newsletter", "fields": FIELDS, **more})
    assert payload["errors"] == [], payload
    form_id: str = payload["form"]["id"]
    return form_id


async def sent(api: Api, form: str, values: Any, **more: Any) -> dict[str, Any] | None:
    """Send a form in that is not refused; returns the person whom it reached."""
    payload = await api(SUBMIT, input={"formId": form, "values": values, **more})
    assert (payload["errors"], payload["deletedPersonIds"]) == ([], []), payload
    person: dict[str, Any] | None = payload["person"]
    return person


async def raw(api: Api, form: str | None = None) -> list[dict[str, Any]]:
    """Return the submissions of a form, newest first."""
    nodes: list[dict[str, Any]] = (await api(SUBMISSIONS, form=form))["nodes"]
    return nodes


async def test_O1_an_unknown_email_makes_a_lead(shop: Api) -> None:
    """T LEAD + Form Submitted; what fits its field is on the profile, all of it is kept."""
    form = await saved(shop)
    values = {
        "mail": " Ann@B.example",
        "given": "Ann (VIP)",
        "tel": "+43 660 1234567",
        "sex": "female",
        "topics": ["news", "offers"],
        "size": "42",
        "member": "TRUE",
        "since": "2026-05-04",
        "score": 9.5,
        "nick": 7,
        "comment": "Hi",
        "other": {"deep": [1, None, "$x.y"]},
    }
    person = await sent(shop, form, values, submissionId="s-1")
    assert person is not None
    assert (person["type"], person["createdFrom"], person["firstName"]) == ("LEAD", "FORMS", "Ann VIP")
    assert (person["emails"], person["phones"]) == ([{"address": ANN["email"]}], [{"number": "436601234567"}])
    assert (person["gender"], person["tags"]) == ("FEMALE", ["news", "offers"])
    assert person["customAttributes"] == {"size": 42, "member": True, "since": "2026-05-04", "score": 9.5, "nick": "7"}
    events = await shop.events(ANN)
    assert [(one["type"], one["source"]) for one in events] == [("formSubmitted", "FORMS"), ("personCreated", "FORMS")]
    assert events[0]["properties"] == {"formId": form, "submissionId": "s-1"}
    (kept,) = await raw(shop, form)
    assert (kept["formId"], kept["values"], kept["person"]) == (form, values, {"id": person["id"]})


RULES = [
    ("OVERRIDE_ALL", {"firstName": "Bea", "lastName": "Lee", "city": "Linz"}, {"size": 2, "nick": "b"}, True),
    ("ADD_ONLY_NEW", {"firstName": "Ann", "lastName": "Lee", "city": "Graz"}, {"size": 1, "nick": "b"}, True),
    ("DO_NOT_UPDATE", {"firstName": "Ann", "lastName": None, "city": "Graz"}, {"size": 1}, False),
]


@pytest.mark.parametrize("type_", ["LEAD", "CUSTOMER"])
@pytest.mark.parametrize(("rule", "scalars", "attributes", "joins"), RULES)
async def test_O2_O3_O4_who_is_known_is_changed_by_the_rule_for_their_type(
    shop: Api, type_: str, rule: str, scalars: dict[str, Any], attributes: dict[str, Any], *, joins: bool
) -> None:
    """Known lead/customer under override, add-only-new, do-not-update, for each type separately."""
    known = await shop.made(
        type=type_,
        emails=[{"address": ANN["email"]}],
        firstName="Ann",
        city="Graz",
        tags=["old"],
        customAttributes={"size": 1},
    )
    other = {"LEAD": "customerRule", "CUSTOMER": "leadRule"}[type_]
    mine = {"LEAD": "leadRule", "CUSTOMER": "customerRule"}[type_]
    contrary = "OVERRIDE_ALL" if rule == "DO_NOT_UPDATE" else "DO_NOT_UPDATE"
    form = await saved(shop, **{mine: rule, other: contrary})
    values = {"mail": ANN["email"], "given": "Bea", "family": "Lee", "town": "Linz", "size": 2, "nick": "b"}
    person = await sent(shop, form, {**values, "tel": "436601234567", "topics": "new"})
    assert person is not None
    assert (person["id"], person["type"], person["createdFrom"]) == (known["id"], type_, "API")
    assert {name: person[name] for name in scalars} == scalars
    assert person["customAttributes"] == attributes
    assert (person["phones"], person["tags"]) == (
        ([{"number": "436601234567"}], ["old", "new"]) if joins else ([], ["old"])
    )
    assert (person["modifiedFrom"], person["version"]) == (("FORMS", 2) if joins else ("API", 1))
    assert (await types(shop, ANN))[0] == "formSubmitted"
    assert [one["person"] for one in await raw(shop)] == [{"id": known["id"]}]


@pytest.mark.parametrize("empty", ["", "  ", None, []])
async def test_O5_an_empty_field_erases_nothing(shop: Api, empty: Any) -> None:
    """Under override the old value stays, be it empty in whichever way."""
    await shop.made(emails=[{"address": ANN["email"]}], firstName="Ann", city="Graz", customAttributes={"size": 1})
    form = await saved(shop, customerRule="OVERRIDE_ALL")
    person = await sent(shop, form, {"mail": ANN["email"], "given": empty, "size": empty, "tel": empty, "town": "Linz"})
    assert person is not None
    assert (person["firstName"], person["customAttributes"], person["city"]) == ("Ann", {"size": 1}, "Linz")


@pytest.mark.parametrize("how", [{"enabled": False}, {"kind": "OPT_OUT"}])
@pytest.mark.parametrize("known", [True, False])
async def test_O6_without_a_rule_there_is_the_submission_alone(shop: Api, how: dict[str, Any], *, known: bool) -> None:
    """W rule off or opt-out form T raw submission only: no profile, no change, no event."""
    made = await shop.made(emails=[{"address": ANN["email"]}], firstName="Ann") if known else None
    form = await saved(shop, **how)
    values = {"mail": ANN["email"], "given": "Bea", "comment": "stop"}
    for _ in range(2):
        assert await sent(shop, form, values, submissionId="s-1") is None
    (kept,) = await raw(shop, form)
    # Whose it is, is known, so that it goes with them.
    assert (kept["values"], kept["person"]) == (values, {"id": made["id"]} if made else None)
    assert await count(shop) == int(known)
    if known:
        assert await types(shop, ANN) == ["personCreated"]
        assert await shop.codes(DELETE, by=ANN) == []
        assert await raw(shop, form) == []


@pytest.mark.parametrize("values", [{}, {"given": "Ann"}, {"mail": ""}, {"mail": "no mail"}, {"mail": ["a@b.example"]}])
async def test_a_submission_without_its_key_is_kept_and_reaches_nobody(shop: Api, values: dict[str, Any]) -> None:
    """R29: kept raw, no error."""
    form = await saved(shop)
    assert await sent(shop, form, values) is None
    assert [(one["values"], one["person"]) for one in await raw(shop)] == [(values, None)]
    assert await count(shop) == 0


async def test_a_form_finds_by_phone_where_that_is_its_key(shop: Api) -> None:
    """Whatever the email says; who has that keeps it."""
    known = await shop.made(phones=[{"number": "436601234567"}])
    other = await shop.made(emails=[{"address": ANN["email"]}], externalId="x")
    form = await saved(shop, key="PHONE", customerRule="OVERRIDE_ALL")
    values = {"tel": "+43 660 1234567", "mail": ANN["email"], "crm": "x", "given": "Ann"}
    person = await sent(shop, form, values)
    assert person is not None
    # What belongs to somebody else stays theirs, and the rest is not lost by it.
    assert (person["id"], person["emails"], person["externalId"]) == (known["id"], [], None)
    assert person["firstName"] == "Ann"
    assert (await raw(shop))[0]["values"] == values
    assert (await shop("query($by: PersonLocator!) { person(by: $by) { id } }", by=ANN))["id"] == other["id"]


async def test_what_does_not_fit_is_kept_and_not_written(shop: Api) -> None:
    """By each type of field; the rest reaches the profile."""
    form = await saved(shop)
    values = {
        "mail": ANN["email"],
        "given": "x" * 256,
        "family": "<>",
        "tel": "12",
        "town": True,
        "sex": "often",
        "crm": "null",
        "topics": ["ok", ""],
        "size": "large",
        "member": "perhaps",
        "since": "yesterday",
        "score": "NaN",
        "nick": {"a": 1},
    }
    person = await sent(shop, form, values)
    assert person is not None
    held = {name: value for name, value in person.items() if value}
    assert sorted(held) == ["createdFrom", "emails", "id", "modifiedFrom", "type", "version"]
    assert (await raw(shop))[0]["values"] == values


async def test_an_attribute_that_was_deleted_since_is_no_hindrance(shop: Api) -> None:
    """Neither is one that was defined anew as something else."""
    form = await saved(shop)
    remove = "mutation($name: String!) { deleteAttribute(name: $name) { errors { code } } }"
    for name in ("size", "nick"):
        assert await shop.codes(remove, name=name) == []
    fields = [{"name": "a", "type": "STRING"}]
    assert await shop.codes(ATTRIBUTE, input={"name": "nick", "type": "LIST", "itemFields": fields}) == []
    person = await sent(shop, form, {"mail": ANN["email"], "size": 1, "nick": [{"a": "b"}], "given": "Ann"})
    assert person is not None
    assert (person["firstName"], person["customAttributes"]) == ("Ann", {})


async def test_a_repetition_counts_once(shop: Api) -> None:
    """By its submissionId, for each form: one row, one event, and nothing is written over what came since."""
    form, other = await saved(shop, leadRule="OVERRIDE_ALL"), await saved(shop, name="Other")
    first = {"mail": ANN["email"], "given": "Ann"}
    person = await sent(shop, form, first, submissionId="s-1")
    await sent(shop, form, {**first, "given": "Anna"}, submissionId="s-2")
    again = await sent(shop, form, first, submissionId="s-1")
    assert person is not None
    assert again is not None
    assert (again["id"], again["firstName"]) == (person["id"], "Anna")
    await sent(shop, other, first, submissionId="s-1")
    assert (len(await raw(shop)), len(await raw(shop, form)), len(await raw(shop, other))) == (3, 2, 1)
    assert (await types(shop, ANN)).count("formSubmitted") == 3


async def test_parallel_submissions_make_one_lead_and_lose_nothing(shop: Api) -> None:
    """Sixty-four, each sent to two processes, of one unknown email."""
    form = await saved(shop)
    async with apis.opened(shop.service.store.engine) as other:
        both = [shop, Api(other.service, shop.key, shop.account)]
        work = [
            sent(one, form, {"mail": ANN["email"], "given": f"n{number}"}, submissionId=f"s-{number}")
            for number in range(64)
            for one in both
        ]
        persons = await asyncio.gather(*work)
    assert len({one["id"] for one in persons if one}) == 1
    assert None not in persons
    assert await count(shop) == 1
    assert len((await shop(SUBMISSIONS, form=form, first=200))["nodes"]) == 64
    assert (await types(shop, ANN)).count("formSubmitted") <= 50
    assert len(await shop.events(ANN, first=500, filter={"types": ["formSubmitted"]})) == 64


async def test_submissions_go_with_their_person_and_stay_away(shop: Api) -> None:
    """Also where they changed nothing; a late repetition of one is refused."""
    form = await saved(shop, leadRule="DO_NOT_UPDATE")
    for number in range(3):
        await sent(shop, form, {"mail": ANN["email"], "given": "Ann"}, submissionId=f"s-{number}")
    await sent(shop, form, {"mail": "other@b.example"})
    assert await shop.codes(DELETE, by=ANN) == []
    assert [one["values"]["mail"] for one in await raw(shop)] == ["other@b.example"]
    late = {"formId": form, "values": {"mail": ANN["email"]}, "submissionId": "s-1"}
    payload = await shop(SUBMIT, input=late)
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("PERSON_NOT_FOUND", ["values"])]
    assert (await count(shop), len(await raw(shop))) == (1, 1)


async def test_deletions_and_submissions_at_once_leave_nothing_behind(shop: Api) -> None:
    """Whichever comes first: no submission names somebody who is gone."""
    form = await saved(shop, leadRule="DO_NOT_UPDATE")
    for _ in range(10):
        await sent(shop, form, {"mail": ANN["email"]})
        work = [shop(SUBMIT, input={"formId": form, "values": {"mail": ANN["email"]}}) for _ in range(5)]
        await asyncio.gather(*work, shop(DELETE, by=ANN))
        engine = shop.service.store.engine
        kept = await engine.find("formSubmissions", {})
        gone = await engine.find("persons", {"state": "deleted"}, projection={"_id": 1})
        assert {one["person"] for one in kept} & {one["_id"] for one in gone} == set()


async def test_submissions_are_paged_newest_first(shop: Api) -> None:
    """Of one form and of all, by when they were filled in; an unknown form has none."""
    form, other = await saved(shop), await saved(shop, name="Other")
    now = clock.now()
    times = [clock.text(now - timedelta(minutes=minutes)) for minutes in range(7)]
    for at in [*times[::2], *times[1::2]]:
        await sent(shop, form, {"mail": ANN["email"]}, occurredAt=at)
    await sent(shop, other, {"mail": ANN["email"]}, occurredAt=times[3])
    for wanted, expected in ((form, times), (None, [*times[:4], times[3], *times[4:]])):
        found: list[str] = []
        after = None
        while True:
            page = await shop(SUBMISSIONS, form=wanted, first=3, after=after)
            found += [one["occurredAt"] for one in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert found == expected
    assert await raw(shop, "frm_x") == []
    assert (await shop.events(ANN))[0]["occurredAt"] != times[0]


async def test_a_website_sends_forms_in_and_learns_nothing(shop: Api) -> None:
    """R17: `person` is null for WEB_SDK keys, known or not; EVENTS_WRITE sees the id of whom it reached."""
    form = await saved(shop)
    website, writer = await shop.key_with("WEB_SDK"), await shop.key_with("EVENTS_WRITE")
    for mail in (ANN["email"], ANN["email"], "other@b.example"):
        assert await sent(website, form, {"mail": mail}) is None
    bare = "mutation($input: SubmitFormInput!) { submitForm(input: $input) { person { id } } }"
    assert (await writer(bare, input={"formId": form, "values": {"mail": ANN["email"]}}))["person"] is not None
    assert (await count(shop), len(await raw(shop))) == (2, 4)
    long = {"formId": form, "values": {"mail": "a@b.example", "note": "x" * 40_000}}
    assert await website.codes(SUBMIT, input=long) == ["TOO_LONG"]
    assert await shop.codes(SUBMIT, input=long) == []
    assert await website.refused(SAVE, input={"name": "x", "fields": []}) == "FORBIDDEN"
    assert await website.refused(SUBMISSIONS) == "FORBIDDEN"
