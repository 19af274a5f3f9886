"""What an undone merge leaves is as old as it was: a later merge decides as if the undone one had not been."""

import pytest

from tests.api import UPDATE, Api
from tests.stories import importing
from tests.stories.importing import imported
from tests.stories.mobile import Phone
from tests.stories.test_merges import merged, reverted

UPDATED = "query($by: PersonLocator!) { person(by: $by) { updatedAt } }"


@pytest.mark.parametrize("who", ["a", "b"])
async def test_a_newer_value_of_somebody_else_wins_over_who_came_apart(api: Api, who: str) -> None:
    """G two that were told apart, of whom a third is newer W one merges with the third T the third's name is taken."""
    people = {name: await api.made(firstName=name, externalId=name) for name in "abc"}
    payload = await merged(api, people["a"], people["b"])
    before = [(await api(UPDATED, by={"id": people[name]["id"]}))["updatedAt"] for name in "ab"]
    await reverted(api, payload)
    # The profiles were written to all the same, and who reads what is new sees them.
    now = [(await api(UPDATED, by={"id": people[name]["id"]}))["updatedAt"] for name in "ab"]
    assert all(one > was for one, was in zip(now, before, strict=True))
    assert (await merged(api, people[who], people["c"]))["person"]["firstName"] == "c"


@pytest.mark.parametrize("who", ["a", "b"])
async def test_what_is_said_after_coming_apart_is_new(api: Api, who: str) -> None:
    """Also where it is another value that was said: it is the profile changed last."""
    people = {name: await api.made(firstName=name, externalId=name) for name in "abc"}
    await reverted(api, await merged(api, people["a"], people["b"]))
    await api(UPDATE, by={"id": people[who]["id"]}, input={"city": "Wien"})
    assert (await merged(api, people[who], people["c"]))["person"]["firstName"] == who


async def test_what_was_said_while_they_were_one_is_of_then(api: Api) -> None:
    """It stays with the survivor, and with its date: newer than what was there, older than what came since."""
    a, b, c = [await api.made(firstName=name, externalId=name) for name in "abc"]
    payload = await merged(api, a, b)
    await api(UPDATE, by={"id": a["id"]}, input={"firstName": "said"})
    d = await api.made(firstName="d", externalId="d")
    await reverted(api, payload)
    first = await merged(api, a, c, into=c["id"])
    assert first["person"]["firstName"] == "said"
    await reverted(api, first)
    assert (await merged(api, a, d))["person"]["firstName"] == "d"


async def test_the_order_of_undoing_is_no_date(api: Api) -> None:
    """G one that took in two W both are taken out, in the order they came T nobody counts as new by that."""
    a, b, c, d = [await api.made(firstName=name, externalId=name) for name in "abcd"]
    payloads = [await merged(api, a, one) for one in (b, c)]
    for payload in payloads:
        await reverted(api, payload)
    assert (await merged(api, c, a))["person"]["firstName"] == "c"
    assert (await merged(api, b, d))["person"]["firstName"] == "d"


async def test_who_has_an_installation_of_theirs_is_not_new_by_it(api: Api) -> None:
    """Where telling two apart says of a third's installation whose it was: that is no change of its values."""
    phone = Phone(api)
    await phone.opened()
    ann, dan = await phone.login("ann@x.example"), await api.made(externalId="dan")
    payload = await merged(api, dan, ann, into=dan["id"])
    bob = await phone.login("bob@x.example", attributes={"firstName": "bob"}, forceDepersonalize=True)
    eve = await api.made(firstName="eve", externalId="eve")
    before = await api(UPDATED, by={"id": bob["id"]})
    await reverted(api, payload)
    assert await api(UPDATED, by={"id": bob["id"]}) == before
    assert (await merged(api, bob, eve))["person"]["firstName"] == "eve"


@pytest.mark.parametrize("rows", ["a,Rom,a", "a,Rom,a\na,Bern,a"], ids=["one row", "two rows"])
@pytest.mark.parametrize("said", [None, "said"])
async def test_what_an_import_is_taken_back_to_is_as_old_as_it_was(api: Api, said: str | None, rows: str) -> None:
    """G a newer one than whom an import changed W it is taken back T the newer name wins, where nobody said another."""
    a, c = [await api.made(firstName=name, externalId=name) for name in "ac"]
    fields = {"ext": "externalId", "city": "city", "nick": "nickname"}
    done = await imported(api, f"ext,city,nick\n{rows}\n", fields, tag=None, personType="CUSTOMER")
    if said is not None:
        await api(UPDATE, by={"id": a["id"]}, input={"firstName": said})
    back = await importing.reverted(api, done)
    assert back["reverted"]["restored"] == len(rows.split())
    assert (await merged(api, a, c))["person"]["firstName"] == (said or "c")


async def test_who_is_as_an_import_made_them_goes_with_it(api: Api) -> None:
    """G one whom an import made W a later one changed them, and is taken back T they are untouched, and go."""
    made = await imported(api, "ext\na\n", {"ext": "externalId"}, tag=None, personType="CUSTOMER")
    fields = {"ext": "externalId", "city": "city"}
    later = await imported(api, "ext,city\na,Rom\n", fields, tag=None, personType="CUSTOMER")
    for done, counts in ((later, (0, 1, 0)), (made, (1, 0, 0))):
        back = await importing.reverted(api, done)
        assert tuple(back["reverted"][name] for name in ("deleted", "restored", "kept")) == counts
