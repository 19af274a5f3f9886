"""Believable sample data: persons of many countries, companies, what they buy and ask. The same for the same chance."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from app.core import clock

PERSONS = 200
EVENTS_PER_PERSON = 3
DAYS = 28

ATTRIBUTES: list[dict[str, Any]] = [
    {"target": "PERSON", "name": "favouriteColour", "type": "STRING", "description": "Asked at sign-up."},
    {"target": "PERSON", "name": "loyaltyPoints", "type": "INTEGER", "description": "Collected so far."},
    {"target": "PERSON", "name": "averageBasket", "type": "DECIMAL", "description": "In euros, of the last year."},
    {"target": "PERSON", "name": "newsletter", "type": "BOOLEAN", "description": "Whether it may be sent."},
    {"target": "PERSON", "name": "customerSince", "type": "DATE", "description": "Day of the first order."},
    {"target": "PERSON", "name": "lastVisit", "type": "DATE_TIME", "description": "Of the website."},
    {
        "target": "PERSON",
        "name": "orders",
        "type": "LIST",
        "description": "Orders of the last weeks.",
        "itemFields": [
            {"name": "orderId", "type": "STRING"},
            {"name": "total", "type": "DECIMAL"},
            {"name": "placedOn", "type": "DATE"},
        ],
    },
    {"target": "COMPANY", "name": "employees", "type": "INTEGER", "description": "Roughly."},
    {"target": "COMPANY", "name": "partner", "type": "BOOLEAN", "description": "Whether it resells."},
]


def _fields(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": type_} for name, type_ in types.items()]


EVENTS: list[dict[str, Any]] = [
    {
        "id": "orderPlaced",
        "title": "Order placed",
        "fields": _fields(orderId="STRING", total="DECIMAL", currency="STRING"),
    },
    {"id": "productViewed", "title": "Product viewed", "fields": _fields(sku="STRING", name="STRING")},
    {"id": "ticketOpened", "title": "Ticket opened", "fields": _fields(subject="STRING", priority="STRING")},
    {"id": "newsletterOpened", "title": "Newsletter opened", "fields": _fields(issue="NUMERIC")},
    {"id": "cartAbandoned", "title": "Cart abandoned", "fields": _fields(items="NUMERIC", total="DECIMAL")},
]

COMPANIES: list[dict[str, Any]] = [
    {
        "name": name,
        "domains": [f"{name.split()[0].lower()}.example"],
        "country": country,
        "industry": industry,
        "segment": segment,
        "tags": tags,
        "customAttributes": {"employees": employees, "partner": employees % 2 == 0},
    }
    for name, country, industry, segment, employees, tags in (
        ("Alpenrad GmbH", "Austria", "Bicycles", "SMB", 48, ["Wholesale"]),
        ("Brightside Ltd", "United Kingdom", "Energy", "Enterprise", 2100, ["Key account"]),
        ("Cartographe SA", "France", "Publishing", "SMB", 75, []),
        ("Dunes & Daughters", "Morocco", "Textiles", "SMB", 31, ["Wholesale"]),
        ("Estrela Lda", "Portugal", "Food", "SMB", 120, []),
        ("Fjordlys AS", "Norway", "Lighting", "Mid-market", 310, ["Key account"]),
        ("Granada Motors", "Spain", "Vehicles", "Enterprise", 5400, ["Key account"]),
        ("Hikari KK", "Japan", "Electronics", "Enterprise", 8800, ["Key account"]),
        ("Indigo Works", "India", "Textiles", "Mid-market", 640, ["Wholesale"]),
        ("Jezero doo", "Croatia", "Tourism", "SMB", 22, []),
        ("Kiwi Freight", "New Zealand", "Logistics", "Mid-market", 410, []),
        ("Lumen Labs", "United States", "Software", "SMB", 90, ["Beta"]),
    )
]

# Country, language, time zone, city, given names, family names.
PLACES: list[tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]]] = [
    ("Austria", "de-AT", "Europe/Vienna", "Wien", ("Anna", "Lukas", "Zoë"), ("Gruber", "Öztürk", "Müller-Lang")),
    ("Ireland", "en-IE", "Europe/Dublin", "Cork", ("Aoife", "Cian", "Saoirse"), ("O'Brien", "Ní Dhomhnaill", "Walsh")),
    ("Poland", "pl-PL", "Europe/Warsaw", "Łódź", ("Łukasz", "Zofia", "Grażyna"), ("Kowalski", "Wiśniewska", "Żak")),
    ("Japan", "ja-JP", "Asia/Tokyo", "大阪", ("さくら", "健太", "美咲"), ("田中", "鈴木", "高橋")),
    ("China", "zh-CN", "Asia/Shanghai", "上海", ("伟", "芳", "秀英"), ("李", "王", "张")),
    (
        "Greece",
        "el-GR",
        "Europe/Athens",
        "Αθήνα",
        ("Ελένη", "Νίκος", "Μαρία"),
        ("Παπαδόπουλος", "Γεωργίου", "Νικολάου"),
    ),
    ("Ukraine", "uk-UA", "Europe/Kyiv", "Київ", ("Олена", "Тарас", "Ірина"), ("Шевченко", "Коваль", "Мельник")),
    (
        "Brazil",
        "pt-BR",
        "America/Sao_Paulo",
        "São Paulo",
        ("João", "Beatriz", "Inês"),
        ("da Silva", "Conceição", "Araújo"),
    ),
    ("Egypt", "ar-EG", "Africa/Cairo", "القاهرة", ("ليلى", "عمر", "نور"), ("حسن", "محمود", "السيد")),
    ("India", "hi-IN", "Asia/Kolkata", "पुणे", ("आरव", "दीया", "रोहन"), ("शर्मा", "पटेल", "अय्यर")),
    ("France", "fr-FR", "Europe/Paris", "Lyon", ("Anne-Marie", "Éloïse", "Théo"), ("Lefèvre", "d'Alembert", "Garçon")),
    (
        "United States",
        "en-US",
        "America/New_York",
        "Boston",
        ("Maya", "Jo", "Dwayne"),
        ("Nguyen", "Smith Jr.", "St. James"),
    ),
]
COLOURS = ("green", "blue", "amber", "violet", "white")
TAGS = ("VIP", "Newsletter", "Trade fair 2026", "Beta", "Win-back")
PRODUCTS = ("Trail lamp", "Wool cap", "City bike", "Rain jacket", "Travel mug", "Desk light")
SUBJECTS = ("Where is my parcel?", "Change of address", "Wrong size", "Invoice missing")


def persons(chance: random.Random, now: datetime) -> list[dict[str, Any]]:
    """Return PERSONS inputs of createPerson; emails and numbers are of ranges that belong to nobody."""
    return [_person(number, chance, now) for number in range(1, PERSONS + 1)]


def _person(number: int, chance: random.Random, now: datetime) -> dict[str, Any]:
    country, language, zone, city, given, family = PLACES[number % len(PLACES)]
    lead = number % 4 == 0
    person: dict[str, Any] = {
        "type": "LEAD" if lead else "CUSTOMER",
        "externalId": f"demo-{number:04}",
        "firstName": chance.choice(given),
        "lastName": chance.choice(family),
        "country": country,
        "city": city,
        "preferredLanguage": language,
        "timeZone": zone,
        "emails": [{"address": f"person{number}@example.{chance.choice(('com', 'org', 'net'))}"}],
        "tags": chance.sample(TAGS, chance.randint(0, 2)),
        "customAttributes": _attributes(number, chance, now),
    }
    if number % 3:
        person["phones"] = [{"number": f"+1 555 0100 {number:04}"}]
    if not lead:
        person["birthDate"] = f"{chance.randint(1950, 2005)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        person["gender"] = chance.choice(("MALE", "FEMALE", "UNKNOWN"))
    return person


def _attributes(number: int, chance: random.Random, now: datetime) -> dict[str, Any]:
    return {
        "favouriteColour": chance.choice(COLOURS),
        "loyaltyPoints": number * 37 % 2500,
        "averageBasket": round(chance.uniform(9, 240), 2),
        "newsletter": chance.choice((True, True, False)),
        "customerSince": (now - timedelta(days=chance.randint(40, 1500))).strftime("%Y-%m-%d"),
        "lastVisit": clock.text(now - timedelta(minutes=chance.randint(5, 40_000))),
    }


def happening(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the type and the properties of something that a person does."""
    total = round(chance.uniform(5, 400), 2)
    return chance.choice(
        (
            ("orderPlaced", {"orderId": f"O-{chance.randint(10_000, 99_999)}", "total": total, "currency": "EUR"}),
            ("productViewed", {"sku": f"P-{chance.randint(100, 999)}", "name": chance.choice(PRODUCTS)}),
            ("productViewed", {"sku": f"P-{chance.randint(100, 999)}", "name": chance.choice(PRODUCTS)}),
            ("ticketOpened", {"subject": chance.choice(SUBJECTS), "priority": chance.choice(("low", "high"))}),
            ("newsletterOpened", {"issue": chance.randint(1, 52)}),
            ("cartAbandoned", {"items": chance.randint(1, 9), "total": total}),
        )
    )


def history(chance: random.Random, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield inputs of trackEvents over the last DAYS days; their ids make them count once, however often they come."""
    for number in range(1, PERSONS + 1):
        for index in range(EVENTS_PER_PERSON):
            type_, properties = happening(chance)
            at = now - timedelta(minutes=chance.randint(10, DAYS * 24 * 60))
            yield {
                "person": {"externalId": f"demo-{number:04}"},
                "type": type_,
                "eventId": f"demo-{number:04}-{index}",
                "occurredAt": clock.text(at),
                "properties": properties,
            }
