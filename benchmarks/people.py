"""The sample persons, equal for every server: as GraphQL input for the public API, as documents for the others."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PERSONS = 10_000
TAGS = ("newsletter", "vip", "trial", "partner", "webinar", "beta", "churned", "referral")
EVENT = "orderPlaced"
EVENT_TITLE = "Order placed"
EVENT_FIELDS = {"orderNumber": "STRING", "total": "DECIMAL"}
EVENT_PROPERTIES = {"orderNumber": "A-10042", "total": 59.9}
HISTORY = 100_000
APART = timedelta(seconds=0.5)
FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Radia", "Linus")
LAST = ("Novak", "Horvat", "Kowalska", "Garcia", "Okafor", "Tanaka", "Larsen", "Rossi", "Dubois", "Weber")
BORN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """One seeded person: the id that a server gave it and the input it was made from."""

    id: str
    input: dict[str, Any]


def inputs(number: int = PERSONS) -> Iterator[dict[str, Any]]:
    """Yield CreatePersonInput values: names, one email, one phone, two tags, an external id."""
    for n in range(number):
        yield {
            "type": "CUSTOMER",
            "externalId": f"crm-{n:06d}",
            "firstName": FIRST[n % 10],
            "lastName": LAST[n // 10 % 10],
            "city": "Zagreb",
            "country": "Croatia",
            "emails": [{"address": f"person{n:06d}@example.com", "primary": True}],
            "phones": [{"number": f"+38591{n + 2_000_000:07d}", "primary": True}],
            "tags": sorted({TAGS[n % 8], TAGS[(n + 3) % 8]}),
        }


def document(person: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return the document that a hand-written service would keep for `person`."""
    return {
        "_id": "per_" + secrets.token_hex(13),
        **person,
        "createdAt": at,
        "updatedAt": at,
        "version": 1,
    }


def documents() -> list[dict[str, Any]]:
    """Return all sample persons as documents, a second of age between any two."""
    return [document(person, BORN + timedelta(seconds=n)) for n, person in enumerate(inputs())]


def order(number: int) -> dict[str, Any]:
    """Return the properties of one event of a long timeline, the oldest being number 0."""
    return {"orderNumber": f"A-{number:06d}", "total": number / 8}


def history(person: str) -> list[dict[str, Any]]:
    """Return the documents of a long timeline, all of it before the person's creation."""
    began = BORN - APART * HISTORY
    return [event(person, EVENT, order(number), began + APART * number) for number in range(HISTORY)]


def claim(person: dict[str, Any]) -> dict[str, Any]:
    """Return the claim whose `_id`, a unique index, makes the person's email theirs alone."""
    return {"_id": "email|" + person["emails"][0]["address"], "owner": person["_id"]}


def created_event(person: dict[str, Any]) -> dict[str, Any]:
    """Return the timeline event that goes with the creation of `person`."""
    return event(person["_id"], "personCreated", {}, person["createdAt"])


def event(person: str, kind: str, properties: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return the document of one timeline event."""
    return {
        "_id": "evt_" + secrets.token_hex(13),
        "person": person,
        "type": kind,
        "at": at,
        "received": at,
        "source": "API",
        "props": properties,
    }
