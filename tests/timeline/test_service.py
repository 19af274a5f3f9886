"""Events are let in by their rules, count once for ever, and are paged both ways."""

from datetime import timedelta
from typing import Any

import pytest

from app.catalog.model import Catalog, EventDefinition, EventField
from app.catalog.standard import STANDARD
from app.core import clock
from app.core.errors import Refused
from app.core.pages import Slice
from app.mongo.engine import Engine
from app.timeline.admit import Sent, admit
from app.timeline.model import Event, TimelineFilter, position
from app.timeline.service import EVERYTHING
from tests.make import House, house

NOW = clock.now()
ITEMS = EventField("items", "LIST", (EventField("sku", "STRING"), EventField("n", "NUMERIC")))
FIELDS = (EventField("total", "DECIMAL"), EventField("at", "DATE_TIME"), EventField("ok", "BOOLEAN"), ITEMS)


def catalog() -> Catalog:
    """Give a catalog with one event of its own."""
    made = Catalog("acc_1")
    made.add(EventDefinition("order", "Order", NOW, fields=FIELDS))
    made.add(STANDARD["pageView"])
    return made


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (Sent("none"), ("UNKNOWN_EVENT_TYPE", ("type",))),
        (Sent("pageView"), ("STANDARD_EVENT", ("type",))),
        (Sent("order", "a b"), ("INVALID", ("eventId",))),
        (Sent("order", "x" * 65), ("INVALID", ("eventId",))),
        (Sent("order", session_id=""), ("INVALID", ("sessionId",))),
        (Sent("order", occurred_at=NOW - timedelta(days=31)), ("TOO_OLD", ("occurredAt",))),
        (Sent("order", properties=[1]), ("INVALID", ("properties",))),
        (Sent("order", properties={"x": 1}), ("UNKNOWN_PROPERTY", ("properties", "x"))),
        (Sent("order", properties={"total": "1"}), ("INVALID", ("properties", "total"))),
        (Sent("order", properties={"total": 10**400}), ("INVALID", ("properties", "total"))),
        (Sent("order", properties={"total": float("inf")}), ("INVALID", ("properties", "total"))),
        (Sent("order", properties={"at": "yesterday"}), ("INVALID", ("properties", "at"))),
        (Sent("order", properties={"at": "2026-01-01T00:00:00"}), ("INVALID", ("properties", "at"))),
        (Sent("order", properties={"ok": 1}), ("INVALID", ("properties", "ok"))),
        (Sent("order", properties={"items": {}}), ("INVALID", ("properties", "items"))),
        (Sent("order", properties={"items": [{"y": 1}]}), ("UNKNOWN_PROPERTY", ("properties", "items", "0", "y"))),
        (Sent("order", properties={"items": [{"sku": "x" * 4097}]}), ("TOO_LONG", ("properties", "items", "0", "sku"))),
        (Sent("order", properties={"items": [{"sku": "x" * 4000}] * 130}), ("TOO_LONG", ("properties",))),
    ],
)
def test_what_breaks_a_rule_is_refused(sent: Sent, expected: tuple[str, tuple[str, ...]]) -> None:
    """Each with a code and a path."""
    with pytest.raises(Refused) as caught:
        admit(sent, catalog(), NOW)
    assert (caught.value.code, caught.value.path) == expected


def test_a_subset_of_what_is_declared_is_let_in() -> None:
    """Nulls are dropped, a future time becomes now."""
    given = {"total": 5, "ok": None, "items": [{"n": 2**63 - 1}], "at": "2026-01-01T01:00:00+01:00"}
    occurred, properties = admit(Sent("order", occurred_at=NOW + timedelta(days=1), properties=given), catalog(), NOW)
    assert occurred == NOW
    assert properties == {"total": 5.0, "items": [{"n": 2**63 - 1}], "at": "2026-01-01T00:00:00.000Z"}
    assert admit(Sent("order", properties=None), catalog(), NOW) == (NOW, {})


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**20, -(2**63), -(2**63) - 1, 10**300, 1.5])
def test_a_numeric_property_is_any_number_that_a_double_holds(number: float) -> None:
    """A whole one of 64 bits stays what it is."""
    _, properties = admit(Sent("order", properties={"items": [{"n": number}]}), catalog(), NOW)
    whole = -(2**63) <= number < 2**63
    assert properties == {"items": [{"n": number if whole else float(number)}]}
    assert isinstance(properties["items"][0]["n"], int) == (whole and number != 1.5)
    with pytest.raises(Refused):
        admit(Sent("order", properties={"items": [{"n": 10**400}]}), catalog(), NOW)


def event(number: int, **also: Any) -> Event:
    """Make an event, the higher the later."""
    at = NOW + timedelta(seconds=number)
    return Event(f"sub_1:{number}", "acc_1", "sub_1", "order", at, at, **also)


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


async def test_an_event_counts_once(home: House) -> None:
    """A repetition is told as such, beside new ones."""
    assert await home.timeline.record([event(1)]) == [True]
    assert await home.timeline.record([event(1), event(2)]) == [False, True]


async def test_timelines_page_both_ways(home: House) -> None:
    """Newest first, stable, filtered; another account sees nothing."""
    await home.timeline.record([event(n, session_id=f"s{n % 2}", source="API") for n in range(6)])

    async def ids(part: Slice, wanted: TimelineFilter = EVERYTHING) -> list[str]:
        page = await home.timeline.of_subjects("acc_1", ["sub_1", "sub_2"], wanted, part)
        return [one.id.partition(":")[2] for one in page.items]

    assert await ids(Slice(2)) == ["5", "4"]
    assert await ids(Slice(3, position(event(4)))) == ["3", "2", "1"]
    assert await ids(Slice(2, position(event(3)), backward=True)) == ["5", "4"]
    assert await ids(Slice(9), TimelineFilter(session_id="s1", sources=("API",))) == ["5", "3", "1"]
    assert await ids(Slice(9), TimelineFilter(types=("x",), not_types=("y",))) == []
    since, until = NOW + timedelta(seconds=2), NOW + timedelta(seconds=5)
    assert await ids(Slice(2, position(event(4))), TimelineFilter(since=since, until=until)) == ["3", "2"]
    everywhere = await home.timeline.of_account("acc_1", TimelineFilter(since=since, until=until), Slice(9))
    assert [one.id for one in everywhere.items] == ["sub_1:4", "sub_1:3", "sub_1:2"]
    assert everywhere.items[0].title == "order"
    assert (await home.timeline.of_account("acc_2", EVERYTHING, Slice(9))).items == []
    assert list(await home.timeline.get("acc_1", ["sub_1:1", "sub_1:99"])) == ["sub_1:1"]
