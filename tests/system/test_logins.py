"""Logins from many phones at once, spread over two processes: each user is one, and each phone has one user."""

import random
from collections import Counter
from typing import Any

from tests.api import CREATE, DEFINE, FIND, TIMELINE, TRACK, UPDATE
from tests.stories.mobile import ADJUST, LOGIN, LOGOUT, OPEN, primaries, push, registrations
from tests.system.pair import Pair

MANY = 64
HOLDERS = (
    "{ persons(first: 500) { nodes { id type emails { address } pushRegistrations { registrationId primary } } } }"
)


async def opened(pair: Pair, number: int) -> list[str]:
    """Open the app on phones; returns the ids of their leads."""
    payloads = await pair.race(OPEN, *[{"input": push(f"p{n}")} for n in range(number)])
    return [one["person"]["id"] for one in payloads]


def login(phone: int, *emails: str, **more: Any) -> dict[str, Any]:
    """Write a login down."""
    return {"input": {"push": push(f"p{phone}"), "identity": {"emails": list(emails)}, **more}}


async def everybody(pair: Pair) -> list[dict[str, Any]]:
    """Return all persons; no phone is on two of them, and of the phones of one of them one is primary."""
    found: list[dict[str, Any]] = (await pair.ask(1, HOLDERS))["nodes"]
    phones = Counter(one for person in found for one in registrations(person))
    assert set(phones.values()) <= {1}
    assert all(len(primaries(one)) == bool(one["pushRegistrations"]) for one in found)
    return found


async def test_many_phones_of_a_known_lead_become_one_customer(pair: Pair) -> None:
    """W 64 logins by overlapping identities of one user T one customer with all phones, all leads gone, each once."""
    leads = await opened(pair, MANY)
    known = {"type": "LEAD", "emails": [{"address": "a@x.example"}], "phones": [{"number": "436601111111"}]}
    leads.append((await pair.ask(0, CREATE, input=known))["person"]["id"])
    overlapping = [["a@x.example"], ["a@x.example", "b@x.example"], ["c@x.example", "a@x.example"]]
    payloads = await pair.race(LOGIN, *[login(n, *overlapping[n % 3]) for n in range(MANY)])
    assert [one["errors"] for one in payloads] == [[]] * MANY
    assert len({one["person"]["id"] for one in payloads}) == 1
    assert sorted(one for payload in payloads for one in payload["deletedPersonIds"]) == sorted(leads)
    (person,) = await everybody(pair)
    assert (person["type"], len(registrations(person))) == ("CUSTOMER", MANY)
    assert {one["address"] for one in person["emails"]} == {f"{name}@x.example" for name in "abc"}


async def test_chained_identities_leave_no_doubt(pair: Pair) -> None:
    """W each phone's identity overlaps the next one's T who would be two is told so; each email has one owner."""
    await opened(pair, MANY)
    payloads = await pair.race(LOGIN, *[login(n, f"u{n}@x.example", f"u{n + 1}@x.example") for n in range(MANY)])
    codes = {one["code"] for payload in payloads for one in payload["errors"]}
    assert codes <= {"AMBIGUOUS_PERSONALIZE_CANDIDATES"}
    found = await everybody(pair)
    owned = Counter(one["address"] for person in found for one in person["emails"])
    assert set(owned.values()) == {1}
    for n, payload in enumerate(payloads):
        if payload["person"]:
            owner = await pair.ask(n % 2, FIND, by={"email": f"u{n}@x.example"})
            assert owner["id"] == payload["person"]["id"]


async def test_one_phone_has_one_user_at_a_time(pair: Pair) -> None:
    """W one phone logs 32 users in and out, opens, saves and sends meanwhile T nothing is refused, nobody is lost."""
    await pair.ask(0, DEFINE, input={"id": "seen", "title": "Seen"})
    await opened(pair, 1)
    by, users = {"push": push("p0")}, [f"u{n}@x.example" for n in range(MANY // 2)]
    asked: list[tuple[str, dict[str, Any]]] = []
    for number, user in enumerate(users):
        event = {"person": by, "type": "seen", "eventId": f"e{number}"}
        asked += [(LOGIN, login(0, user, forceDepersonalize=True)), (LOGOUT, by), (OPEN, {"input": push("p0")})]
        asked += [(ADJUST, {**by, "data": {"n": number}}), (TRACK, {"events": [event], "atomic": False})]
        asked += [(UPDATE, {"by": by, "input": {"city": f"C{number}"}})]
    random.Random(1).shuffle(asked)
    payloads = await pair.together(asked)
    assert [one["errors"] for one in payloads if one["errors"]] == []
    assert {row["status"] for one in payloads for row in one.get("results", ())} == {"ACCEPTED"}
    found = await everybody(pair)
    assert sum(bool(one["pushRegistrations"]) for one in found) == 1
    assert sorted(one["address"] for person in found for one in person["emails"]) == sorted(users)
    timelines = [await pair.ask(0, TIMELINE, by={"id": one["id"]}, first=1000) for one in found]
    seen = [one["id"] for each in timelines for one in each["timeline"]["nodes"] if one["type"] == "seen"]
    assert sorted(one.partition(":")[2] for one in seen) == sorted(f"e{n}" for n in range(len(users)))
