"""Texts that are canonically equal are one: in whatever form they come, they are found, told and unique as one."""

import unicodedata
from typing import Any, Literal

import pytest

from tests.api import ATTRIBUTE, COMPANY, FIND, LINK, UPDATE, Api
from tests.stories.importing import imported

NAMES = "query($f: PersonFilter) { persons(filter: $f) { nodes { firstName } } }"
FIRMS = "query($f: CompanyFilter) { companies(filter: $f) { nodes { name } } }"
TAG = "mutation($name: String!) { createTag(name: $name) { tag { name } errors { code } } }"
ROLE = "query($by: PersonLocator!) { person(by: $by) { companies { edges { role } } } }"
EVENT = "mutation($input: DefineEventInput!) { defineEvent(input: $input) { event { title description } } }"
DESCRIBED = "mutation($input: DefineAttributeInput!) { defineAttribute(input: $input) { attribute { description } } }"
SAVE_FORM = "mutation($input: SaveFormInput!) { saveForm(input: $input) { form { name } errors { code } } }"
Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")
# A letter with its mark, one that is a letter alone, one with two marks, a sign of its own, a syllable of Korean.
WORD = "Café Łö Ḗ \u2126 한"


def written(form: Form, word: str = WORD) -> str:
    """Write a word in a form."""
    return unicodedata.normalize(form, word)


@pytest.mark.parametrize("kept", FORMS)
async def test_a_name_is_found_in_either_form(api: Api, kept: Form) -> None:
    """Also by its beginning, in another case, and not by a letter without its mark."""
    made = await api.made(externalId="a", firstName=written(kept), lastName="x")
    assert made["firstName"] == written("NFC")
    for asked in FORMS:
        word = written(asked)
        for how in ({"eq": word}, {"in": [word.upper()]}, {"startsWith": written(asked, "café")}, {"contains": word}):
            found = await api(NAMES, f={"firstName": how})
            assert [one["firstName"] for one in found["nodes"]] == [written("NFC")], how
        assert (await api(NAMES, f={"firstName": {"notIn": [word]}}))["nodes"] == []
    assert (await api(NAMES, f={"firstName": {"startsWith": "cafe"}}))["nodes"] == []


@pytest.mark.parametrize("kept", FORMS)
async def test_attributes_are_found_in_either_form(api: Api, kept: Form) -> None:
    """Their names and their texts; an update to the other form changes nothing."""
    await api(ATTRIBUTE, input={"target": "PERSON", "name": written(kept, "Größe"), "type": "STRING"})
    await api.made(externalId="a", firstName="x", customAttributes={written(kept, "größe"): written(kept)})
    for asked in FORMS:
        how = {"name": written(asked, "Größe"), "string": {"eq": written(asked)}}
        assert len((await api(NAMES, f={"customAttribute": how}))["nodes"]) == 1
        change = {"customAttributes": {written(asked, "Größe"): written(asked)}}
        told = await api(UPDATE, by={"externalId": "a"}, input=change)
        assert (told["person"]["version"], told["errors"]) == (1, [])
    person = await api(FIND, by={"externalId": "a"})
    assert person["customAttributes"] == {written("NFC", "Größe"): written("NFC")}


async def test_a_name_is_unique_in_either_form(api: Api) -> None:
    """Of tags and of companies; it is shown in one form."""
    assert (await api(TAG, name=written("NFD")))["tag"]["name"] == written("NFC")
    assert await api.codes(TAG, name=written("NFC")) == ["DUPLICATE_NAME"]
    made = await api(COMPANY, input={"name": written("NFD"), "domains": [written("NFD", "café.example")]})
    assert (made["company"]["name"], made["company"]["domains"]) == (written("NFC"), [written("NFC", "café.example")])
    assert await api.codes(COMPANY, input={"name": written("NFC")}) == ["DUPLICATE_NAME"]
    for form in FORMS:
        for wanted in ({"name": {"eq": written(form)}}, {"domain": {"eq": written(form, "café.example")}}):
            assert len((await api(FIRMS, f=wanted))["nodes"]) == 1


async def test_an_email_is_found_in_either_form(api: Api) -> None:
    """By its beginning as well."""
    await api.made(firstName="x", emails=[{"address": written("NFD", "café@example.com")}])
    for form in FORMS:
        for how in ({"eq": written(form, "Café@example.com")}, {"startsWith": written(form, "café")}):
            assert len((await api(NAMES, f={"email": how}))["nodes"]) == 1


async def test_a_role_is_told_in_one_form(api: Api) -> None:
    """As any text."""
    await api(COMPANY, input={"name": "x"})
    await api.made(externalId="a")
    await api(LINK, company={"name": "x"}, persons=[{"externalId": "a"}], role=written("NFD", "Präsident"))
    assert await api(ROLE, by={"externalId": "a"}) == {"companies": {"edges": [{"role": written("NFC", "Präsident")}]}}


async def test_lengths_and_forbidden_characters_are_those_of_what_is_kept(api: Api) -> None:
    """Fifty letters with marks are fifty; the question mark of Greek is a semicolon."""
    made = await api.made(externalId="a", nickname=written("NFD", "é" * 50))
    assert made["externalId"] == "a"
    many: dict[str, Any] = {"externalId": "b", "nickname": "a\u037e"}
    assert await api.codes(UPDATE, by={"externalId": "a"}, input=many | {"externalId": "a"}) == ["FORBIDDEN_CHARACTER"]


async def test_an_external_id_is_another_one_in_another_form(api: Api) -> None:
    """What it is made of is for whoever gave it to know: no form is changed, not in a file either."""
    ids = [written(form, "Café-1") for form in FORMS]
    people = [await api.made(externalId=one, firstName="x") for one in ids]
    assert [one["externalId"] for one in people] == ids
    rows = f"id,last\n{ids[0]},{written('NFD', 'Łö')}\n{ids[1]},b\n"
    done = await imported(api, rows, {"id": "externalId", "last": "lastName"})
    assert done["counts"]["updated"] == 2
    found = [await api(FIND, by={"externalId": one}) for one in ids]
    assert [one["id"] for one in found] == [one["id"] for one in people]
    assert [one["lastName"] for one in found] == [written("NFC", "Łö"), "b"]


async def test_texts_of_definitions_are_in_one_form(api: Api) -> None:
    """Titles and descriptions of events, descriptions of attributes, names of forms; the other form changes nothing."""
    texts = {"title": written("NFD"), "description": written("NFD")}
    event = await api(EVENT, input={"id": "visited", **texts})
    assert event["event"] == {"title": written("NFC"), "description": written("NFC")}
    attribute = await api(DESCRIBED, input={"name": "size", "type": "STRING", "description": written("NFD")})
    assert attribute["attribute"] == {"description": written("NFC")}
    form = await api(SAVE_FORM, input={"name": written("NFD"), "fields": [{"name": "email", "personField": "email"}]})
    assert (form["errors"], form["form"]) == ([], {"name": written("NFC")})


@pytest.mark.parametrize("kept", FORMS)
@pytest.mark.parametrize("asked", FORMS)
async def test_a_column_is_found_in_either_form(api: Api, kept: Form, asked: Form) -> None:
    """The file's own name is the one that is told of it."""
    rows = f"email,{written(kept, 'Größe')}\na@x.example,Ada\nb@x.example,<\n"
    one = await imported(api, rows, {"email": "email", written(asked, "Größe"): "firstName"})
    assert [error["column"] for error in one["rowErrors"]["nodes"]] == [written(kept, "Größe")]
