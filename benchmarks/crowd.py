"""A crowd of any size: the person of a number is always the same, as an input and as the documents that are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.access.service import DEFAULT_ID
from app.catalog import values
from app.catalog.model import PERSON, AttributeDefinition, Catalog, Tag
from app.claims.model import Claim
from app.core import ids
from app.mongo.engine import Document
from app.persons import record as persons
from app.persons.model import EmailContact, Person, PhoneContact, claims_of
from app.timeline import record
from app.timeline.model import Event
from benchmarks import people

BORN = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)
APART = timedelta(seconds=40)
COMMON_TAG = "newsletter"
TAGS = (COMMON_TAG, *people.TAGS[1:], *(f"segment {n:02d}" for n in range(32)))
PLANS = ("basic", "silver", "gold", "platinum", "trial")
ATTRIBUTES = {"plan": "STRING", "score": "INTEGER", "optIn": "BOOLEAN", "since": "DATE", "campaign": "STRING"}
RARE_IN = 10_000  # one of so many answered the campaign
CAMPAIGN = "autumn"
FIRST = (*people.FIRST, "Mia", "Noor", "Ivo", "Lena", "Omar", "Petra", "Sven", "Tara", "Uma", "Yann")
SYLLABLES = """\
Ka Lo Mi No Pe Ra Se Ta Vu Za Be Da Fi Ga Ho Ju Ke Li Mo Ne
vel bor dan fer gol han jar kos lin mar nov per ris sto ter vic wen zel bal cer
ic ova sen man ski ez ard low ton ini ack ero uk ides ey ov eau berg lund son
"""
HEADS, MIDDLES, TAILS = (line.split() for line in SYLLABLES.splitlines())
CITIES = ("Zagreb", "Vienna", "Lyon", "Oslo", "Porto", "Gdansk", "Turin", "Ghent")
_MASK = (1 << 64) - 1


def _chance(number: int) -> int:
    """Return 64 bits that look random and are always the same for a number (splitmix64)."""
    x = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31


def given(number: int) -> dict[str, Any]:
    """Return the CreatePersonInput of a number: names, an email, half of them a phone, tags and attributes."""
    left, first = divmod(_chance(2 * number), len(FIRST))
    left, tail = divmod(left, 8000)
    left, lead = divmod(left, 4)
    left, common = divmod(left, 4)
    left, tag = divmod(left, len(TAGS) - 1)
    left, plan = divmod(left, len(PLANS))
    left, score = divmod(left, 1000)
    last = HEADS[tail // 400] + MIDDLES[tail // 20 % 20] + TAILS[tail % 20]
    attributes = {
        "plan": PLANS[plan],
        "score": score,
        "optIn": score % 3 == 0,
        "since": f"20{tag % 25:02d}-03-{1 + tag % 28:02d}",
    }
    if _chance(2 * number + 1) % RARE_IN == 0:
        attributes["campaign"] = CAMPAIGN
    tags = {TAGS[1 + tag], TAGS[1 + (tag + 7) % (len(TAGS) - 1)], *([COMMON_TAG] if common == 0 else [])}
    person: dict[str, Any] = {
        "type": "LEAD" if lead == 0 else "CUSTOMER",
        "externalId": f"crm-{number:08d}",
        "firstName": FIRST[first],
        "lastName": last,
        "city": CITIES[score % 8],
        "country": "Europe",
        "emails": [{"address": f"{last}.{FIRST[first]}{number}@example.com".lower(), "primary": True}],
        "tags": sorted(tags),
        "customAttributes": attributes,
    }
    if number % 2 == 0:
        person["phones"] = [{"number": f"+3859{number:09d}", "primary": True}]
    return person


def changed(person: dict[str, Any]) -> dict[str, Any]:
    """Return the input with a city, an attribute and one more tag changed."""
    attributes = {**person["customAttributes"], "score": person["customAttributes"]["score"] + 1000}
    return {**person, "city": "Split", "customAttributes": attributes, "tags": [*person["tags"], "changed"]}


def number_of(external_id: str) -> int:
    """Return whose external id it is."""
    return int(external_id.removeprefix("crm-"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a list, and who is right to be on it."""

    variables: dict[str, Any]
    right: Callable[[dict[str, Any]], bool]


def wanted(size: int) -> dict[str, Wanted]:
    """Return the questions that a crowd of `size` is asked, by name."""
    begun = (HEADS[3] + MIDDLES[5]).lower()
    whole = given(size // 2)["emails"][0]["address"].partition("@")[0][:-1]
    last, _, first = whole.partition(".")
    gold = {"name": "plan", "string": {"eq": "gold"}}
    rare = {"name": "campaign", "string": {"eq": CAMPAIGN}}
    common = {"type": "CUSTOMER", "tags": {"has": COMMON_TAG}, "customAttribute": gold}

    def fits(one: dict[str, Any]) -> bool:
        plan = one["customAttributes"]["plan"]
        return one["type"] == "CUSTOMER" and COMMON_TAG in one["tags"] and plan == "gold"

    def addressed(one: dict[str, Any]) -> bool:
        name, _, rest = one["emails"][0]["address"].partition(".")
        return name.startswith(last) and rest.startswith(first)

    return {
        "filter": Wanted({"filter": common}, fits),
        "rare filter": Wanted({"filter": {"customAttribute": rare}}, lambda one: "campaign" in one["customAttributes"]),
        "search: name": Wanted({"search": begun}, lambda one: one["lastName"].lower().startswith(begun)),
        "search: email": Wanted({"search": whole}, addressed),
    }


def catalog() -> Catalog:
    """Return a catalog of its own, for documents that no service reads."""
    made = Catalog(DEFAULT_ID)
    for n, name in enumerate(TAGS):
        made.add(Tag(f"tag_{n:026d}", name, BORN))
    for n, (name, kind) in enumerate(ATTRIBUTES.items()):
        made.add(AttributeDefinition(f"att_{n:026d}", PERSON, name, kind, BORN))
    return made


def person(one: dict[str, Any], at: datetime, known: Catalog) -> Person:
    """Return the person that the service makes of an input at a time."""
    defined = {name: known.attribute(PERSON, name) for name in one["customAttributes"]}
    return Person(
        id=ids.new("per", at),
        account=known.account,
        type=one["type"],
        catalog=known,
        created_at=at,
        updated_at=at,
        created_from="API",
        modified_from="API",
        subjects=[ids.new("sub", at)],
        external_id=one["externalId"],
        first_name=one["firstName"],
        last_name=one["lastName"],
        city=one["city"],
        country=one["country"],
        emails=[EmailContact(email["address"], email["primary"]) for email in one["emails"]],
        phones=[PhoneContact(phone["number"].lstrip("+"), phone["primary"]) for phone in one.get("phones", ())],
        tag_ids=[tag.id for tag in map(known.tag, one["tags"]) if tag],
        values={
            definition.id: values.attribute(definition, one["customAttributes"][name])
            for name, definition in defined.items()
            if definition
        },
    )


def documents(made: Person) -> dict[str, list[Document]]:
    """Return what is kept of a new person, by collection: claims, the person, the event of its creation."""
    at, subject = made.created_at, made.subjects[0]
    event = Event(f"{subject}:{ids.new('evt', at)}", made.account, subject, "personCreated", at, at, "API", made.id)
    event.changed = ("type", "externalId", "firstName", "lastName", "emails", "tags", "customAttributes")
    claims = [Claim(key, made.account, made.id, subject, at).document() for key in claims_of(made)]
    return {"claims": claims, "persons": [persons.document(made)], "events": [record.document(event)]}
