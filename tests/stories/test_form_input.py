"""Forms are saved, listed and overwritten; what can't be meant is refused with its path."""

from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.intake import submissions
from tests.api import ATTRIBUTE, Api
from tests.stories.test_forms import ANN, FIELDS, FORM, SAVE, SUBMIT, raw, saved, sent

LIST = f"{{ forms {{ {FORM} }} }}"
PLAIN = FIELDS[:3]


async def test_forms_are_saved_listed_and_overwritten(api: Api) -> None:
    """With the contract's defaults; what came in by a form stays when it is overwritten."""
    form = await saved(api, fields=PLAIN, name=" News ")
    shown = {"name": "News", "kind": "OPT_IN", "enabled": True, "key": "EMAIL", "leadRule": "OVERRIDE_ALL"}
    fields = [*PLAIN]
    assert await api(LIST) == [{"id": form, **shown, "customerRule": "ADD_ONLY_NEW", "fields": fields}]
    await sent(api, form, {"mail": ANN["email"]})
    other = await saved(api, name="Other", kind="OPT_OUT", fields=[{"name": "x"}])
    assert await saved(api, id=form, name="Changed", key="PHONE", enabled=False, fields=[{"name": "x"}]) == form
    listed = await api(LIST)
    assert [(one["id"], one["name"], one["kind"], one["key"]) for one in listed] == [
        (form, "Changed", "OPT_IN", "PHONE"),
        (other, "Other", "OPT_OUT", "EMAIL"),
    ]
    assert listed[0]["fields"] == [{"name": "x", "personField": None}]
    assert len(await raw(api, form)) == 1


def fields(*given: tuple[str, str | None]) -> dict[str, Any]:
    """Write fields down."""
    return {"fields": [{"name": name, "personField": filled} for name, filled in given]}


BAD: list[tuple[dict[str, Any], list[tuple[str, list[str]]]]] = [
    ({"name": " "}, [("REQUIRED", ["name"])]),
    ({"name": "x" * 256}, [("TOO_LONG", ["name"])]),
    ({"name": "a\nb"}, [("FORBIDDEN_CHARACTER", ["name"])]),
    ({"id": "frm_x"}, [("NOT_FOUND", ["id"])]),
    (fields(*[(str(n), None) for n in range(201)]), [("TOO_MANY", ["fields"])]),
    (fields(("", None), ("b", "email")), [("REQUIRED", ["fields", "0"])]),
    (fields(("a", None), ("a", "email")), [("INVALID", ["fields", "1", "name"])]),
    (fields(("a", "email"), ("b", "email")), [("INVALID", ["fields", "1", "personField"])]),
    (
        fields(("a", "customAttributes.size"), ("b", "customAttributes.SIZE")),
        [("INVALID", ["fields", "1", "personField"])],
    ),
    (fields(("a", "type"), ("b", "first_name")), [("INVALID", ["fields", str(n), "personField"]) for n in (0, 1)]),
    (fields(("a", "customAttributes.nope")), [("UNKNOWN_ATTRIBUTE", ["fields", "0", "personField"])]),
    (fields(("a", "customAttributes.cars")), [("INVALID", ["fields", "0", "personField"])]),
]


@pytest.mark.parametrize(("given", "errors"), BAD)
async def test_a_form_that_can_not_be_meant_is_refused(
    api: Api, given: dict[str, Any], errors: list[tuple[str, list[str]]]
) -> None:
    """All that is wrong at once, and nothing is saved."""
    await api(ATTRIBUTE, input={"name": "size", "type": "INTEGER"})
    item = [{"name": "brand", "type": "STRING"}]
    await api(ATTRIBUTE, input={"name": "cars", "type": "LIST", "itemFields": item})
    payload = await api(SAVE, input={"name": "News", "fields": PLAIN, **given})
    assert ([(one["code"], one["path"]) for one in payload["errors"]], payload["form"]) == (errors, None)
    assert await api(LIST) == []


SUBMITTED: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"formId": "frm_x"}, "NOT_FOUND", ["formId"]),
    ({"values": [1]}, "INVALID", ["values"]),
    ({"values": "x"}, "INVALID", ["values"]),
    ({"values": {"a": "x" * 256_000}}, "TOO_LONG", ["values"]),
    ({"submissionId": ""}, "REQUIRED", ["submissionId"]),
    ({"submissionId": "x" * 257}, "TOO_LONG", ["submissionId"]),
    ({"anonymousId": "x" * 129}, "TOO_LONG", ["anonymousId"]),
    ({"occurredAt": clock.text(clock.now() - timedelta(days=31))}, "TOO_OLD", ["occurredAt"]),
]


@pytest.mark.parametrize(("given", "code", "path"), SUBMITTED)
async def test_a_submission_that_can_not_be_meant_is_refused(
    api: Api, given: dict[str, Any], code: str, path: list[str]
) -> None:
    """And not kept."""
    form = await saved(api, fields=PLAIN)
    payload = await api(SUBMIT, input={"formId": form, "values": {"mail": ANN["email"]}, **given})
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [(code, path)]
    assert (payload["person"], await raw(api)) == (None, [])


async def test_values_come_back_as_they_came(api: Api) -> None:
    """Whatever their names, and the largest whole numbers."""
    form = await saved(api, fields=PLAIN)
    values = {"$set": 1, "a.b": {"": None}, "max": 2**63 - 1, "text": "\0\n", "mail": ANN["email"], "list": [[], {}]}
    await sent(api, form, values)
    assert [one["values"] for one in await raw(api)] == [values]
    call = f'submitForm(input: {{formId: "{form}", values: {{n: {2**70}}}}}) {{ errors {{ code path }} }}'
    assert await api(f"mutation {{ {call} }}") == {"errors": [{"code": "INVALID", "path": ["values"]}]}


async def test_an_account_has_a_bounded_number_of_forms(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; those that are there can be overwritten."""
    monkeypatch.setattr(submissions, "FORMS_MAX", 2)
    form = await saved(api, fields=PLAIN)
    await saved(api, fields=PLAIN)
    assert await api.codes(SAVE, input={"name": "x", "fields": []}) == ["TOO_MANY"]
    assert await saved(api, id=form, fields=[]) == form
