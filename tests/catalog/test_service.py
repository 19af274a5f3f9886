"""Tags, attributes and events: names are unique in any case, nothing is ever taken from an event."""

from typing import Any

import pytest

from app.catalog.model import AttributeDefinition, EventDefinition, EventField, ItemField
from app.core import clock, ids
from app.core.errors import Refused
from app.mongo.engine import Engine
from tests.make import ACTOR, House, house

ACCOUNT = ACTOR.account


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


async def code(work: Any) -> tuple[str, tuple[str, ...]]:
    """Return what an awaitable is refused with."""
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code, caught.value.path


def attribute(name: str, type_: str = "STRING", **also: Any) -> AttributeDefinition:
    """Write an attribute down."""
    return AttributeDefinition(ids.new("atr"), "PERSON", name, type_, clock.now(), **also)


def event(id_: str, *fields: EventField, title: str = "Title", description: str | None = None) -> EventDefinition:
    """Write an event down."""
    return EventDefinition(id_, title, clock.now(), description, fields=fields)


async def test_a_tag_is_unique_in_any_case(home: House) -> None:
    """VIP, then vip."""
    assert (await home.catalog.create_tag(ACCOUNT, " VIP ")).name == "VIP"
    assert await code(home.catalog.create_tag(ACCOUNT, "vip")) == ("DUPLICATE_NAME", ("name",))
    assert await code(home.catalog.create_tag(ACCOUNT, " ")) == ("REQUIRED", ("name",))
    assert await code(home.catalog.create_tag(ACCOUNT, "x" * 257)) == ("TOO_LONG", ("name",))
    assert [one.name for one in await home.catalog.tags(ACCOUNT, "V")] == ["VIP"]
    assert await home.catalog.tags("acc_2", None) == []


async def test_a_deleted_tag_leaves_its_persons(home: House) -> None:
    """And a new one of the same name is not on them."""
    made = await home.person("a@example.com", tags=["vip"])
    await home.catalog.delete_tag(ACCOUNT, "VIP")
    await home.catalog.create_tag(ACCOUNT, "vip")
    found = await house(home.engine).persons.get(ACCOUNT, made.id)
    assert found is not None
    assert found.tags == []
    assert await code(home.catalog.delete_tag(ACCOUNT, "none")) == ("TAG_NOT_FOUND", ("name",))


async def test_two_processes_make_one_tag(engine: Engine) -> None:
    """A tag made on the fly elsewhere is found, not made twice."""
    one, other = house(engine), house(engine)
    await other.catalog.of(ACCOUNT)
    await one.person("a@example.com", tags=["New"])
    made = await other.person("b@example.com", tags=["new"])
    assert made.tags == ["New"]
    assert len(await one.catalog.tags(ACCOUNT, None)) == 1


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (attribute("a[b"), ("INVALID", ("name",))),
        (attribute(""), ("REQUIRED", ("name",))),
        (attribute("a", description="x" * 2001), ("TOO_LONG", ("description",))),
        (attribute("a", "LIST"), ("REQUIRED", ("itemFields",))),
        (attribute("a", item_fields=(ItemField("x", "STRING"),)), ("INVALID", ("itemFields",))),
        (attribute("a", "LIST", item_fields=(ItemField("x", "LIST"),)), ("INVALID", ("itemFields", "0", "type"))),
        (attribute("a", "LIST", item_fields=(ItemField("X", "STRING"),)), ("INVALID", ("itemFields", "0", "name"))),
        (attribute("a", "LIST", item_fields=(ItemField("x", "STRING"),) * 2), ("INVALID", ("itemFields", "1", "name"))),
        (attribute("a", "LIST", item_fields=(ItemField("x", "STRING"),) * 129), ("TOO_MANY", ("itemFields",))),
    ],
)
async def test_attributes_follow_their_rules(
    engine: Engine, wanted: AttributeDefinition, expected: tuple[str, tuple[str, ...]]
) -> None:
    """Each is refused with a code and a path."""
    assert await code(house(engine).catalog.define_attribute(ACCOUNT, wanted)) == expected


async def test_an_attribute_is_unique_in_any_case(home: House) -> None:
    """Of its target."""
    await home.catalog.define_attribute(ACCOUNT, attribute("Plan"))
    assert await code(home.catalog.define_attribute(ACCOUNT, attribute("plan"))) == ("DUPLICATE_NAME", ("name",))
    assert [one.name for one in await home.catalog.attributes(ACCOUNT, "PERSON")] == ["Plan"]
    assert await home.catalog.attributes(ACCOUNT, "COMPANY") == []
    missing = home.catalog.delete_attribute(ACCOUNT, "PERSON", "none")
    assert await code(missing) == ("ATTRIBUTE_NOT_FOUND", ("name",))


async def test_an_event_only_grows(home: House) -> None:
    """Fields come, none goes or changes its type."""
    items = EventField("items", "LIST", (EventField("sku", "STRING"),))
    await home.catalog.define_event(ACCOUNT, event("order", EventField("total", "DECIMAL"), items))
    grown = await home.catalog.define_event(ACCOUNT, event("order", EventField("note", "STRING"), title="Order"))
    assert [one.name for one in grown.fields] == ["total", "items", "note"]
    retyped = home.catalog.define_event(ACCOUNT, event("order", EventField("total", "STRING")))
    assert await code(retyped) == ("INVALID", ("fields", "0", "type"))
    cased = home.catalog.define_event(ACCOUNT, event("order", EventField("tOtal", "DECIMAL")))
    assert await code(cased) == ("INVALID", ("fields", "0", "name"))
    assert await code(home.catalog.define_event(ACCOUNT, event("pageView"))) == ("STANDARD_EVENT", ("id",))
    again = (await house(home.engine).catalog.events(ACCOUNT))[-1]
    assert (again.id, again.title, again.fields) == ("order", "Order", grown.fields)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (event("a-b"), ("INVALID", ("id",))),
        (event("x" * 37), ("INVALID", ("id",))),
        (event("a", title=" "), ("REQUIRED", ("title",))),
        (event("a", title="x" * 101), ("TOO_LONG", ("title",))),
        (event("a", description="x" * 2001), ("TOO_LONG", ("description",))),
        (event("a", *[EventField(f"f{i}", "STRING") for i in range(121)]), ("TOO_MANY", ("fields",))),
        (event("a", EventField("f", "STRING"), EventField("F", "STRING")), ("INVALID", ("fields", "1", "name"))),
        (event("a", EventField("x" * 129, "STRING")), ("TOO_LONG", ("fields", "0", "name"))),
        (event("a", EventField("l", "LIST")), ("REQUIRED", ("fields", "0", "itemFields"))),
        (event("a", EventField("f", "STRING"), EventField("f", "STRING")), ("INVALID", ("fields", "1", "name"))),
        (
            event("a", EventField("f", "STRING", (EventField("x", "STRING"),))),
            ("INVALID", ("fields", "0", "itemFields")),
        ),
        (
            event("a", EventField("l", "LIST", (EventField("m", "LIST"),))),
            ("INVALID", ("fields", "0", "itemFields", "0", "type")),
        ),
    ],
)
async def test_events_follow_their_rules(
    engine: Engine, wanted: EventDefinition, expected: tuple[str, tuple[str, ...]]
) -> None:
    """Each is refused with a code and a path."""
    assert await code(house(engine).catalog.define_event(ACCOUNT, wanted)) == expected
