"""Orders: each shows everybody once, in both directions, forward and backward, while others are being added."""

from typing import Any

import pytest

from tests.api import ATTRIBUTE, COMPANY, UPDATE, Api

PAGE = 3
LARGEST = 2**63 - 1
ARGUMENTS = "orderBy: $o, first: $first, after: $after, last: $last, before: $before"
SHOWN = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
VARIABLES = "$first: Int, $after: Cursor, $last: Int, $before: Cursor"
PERSONS = f"""query($o: PersonOrder, {VARIABLES}) {{ found: persons({ARGUMENTS}) {{
  nodes {{ id externalId createdAt updatedAt firstName lastName customAttributes }} {SHOWN} }} }}"""
COMPANIES = f"""query($o: CompanyOrder, {VARIABLES}) {{ found: companies({ARGUMENTS}) {{
  nodes {{ id externalId createdAt updatedAt name customAttributes }} {SHOWN} }} }}"""
TYPES = {
    "text": "STRING",
    "number": "INTEGER",
    "share": "DECIMAL",
    "member": "BOOLEAN",
    "day": "DATE",
    "moment": "DATE_TIME",
}
# Ties, gaps, and values at the ends of what can be kept.
VALUES: list[dict[str, Any]] = [
    {"text": "zeta", "number": LARGEST, "share": 0.1, "member": True, "day": "9999-12-31"},
    {"text": "Zeta", "number": LARGEST - 1, "share": 1e-300, "member": False, "moment": "9999-12-31T23:59:59.999Z"},
    {},
    {"text": "", "number": -LARGEST - 1, "share": 5, "member": True, "moment": "0001-01-01T00:00:00.001Z"},
    {"text": "zeta", "number": 0, "share": 0.1, "member": False, "day": "1969-12-31"},
    {"text": "é", "number": 0, "share": -0.5, "day": "0001-01-01", "moment": "1969-12-31T23:59:59.999Z"},
    {"moment": "2026-05-04T10:00:00.123Z", "day": "1969-12-31"},
]
NEWCOMER = {"text": "m", "number": 7, "share": 0.05, "member": False, "day": "2000-01-01"}
NAMES: list[dict[str, Any]] = [
    {"firstName": "Émile", "lastName": "zola"},
    {"firstName": "emil", "lastName": "Zola"},
    {"firstName": "Frank"},
    {"lastName": "Adams"},
    {"firstName": "Émile", "lastName": "Adams"},
    {},
    {"firstName": "emile", "lastName": "de Gaulle"},
]
FOLDED = {"Émile": "emile"}


class Shelf:
    """One kind of profile: how it is listed, and how one more is made."""

    def __init__(self, api: Api, query: str) -> None:
        self.api = api
        self.query = query
        self._made = 0

    async def add(self, **more: Any) -> None:
        """Make one; its external id is a number, that of a newcomer begins with `new`."""
        self._made += 1
        given = {"externalId": str(self._made), **more}
        if self.query is PERSONS:
            await self.api.made(**given)
        else:
            made = await self.api(COMPANY, input={"name": f"Cömpany {self._made % 4} {self._made}", **given})
            assert made["errors"] == [], made

    async def newcomer(self) -> None:
        """Make one in the middle of every order."""
        named = {"firstName": "Eve", "lastName": "Eden"} if self.query is PERSONS else {}
        await self.add(externalId=f"new-{self._made}", customAttributes=NEWCOMER, **named)

    async def page(self, order: dict[str, Any], **part: Any) -> Any:
        """Return a page."""
        return await self.api(self.query, o=order, **part)


@pytest.fixture
async def persons(api: Api) -> Shelf:
    """Give an account with persons; the second was changed last."""
    await defined(api, "PERSON")
    shelf = Shelf(api, PERSONS)
    for name, values in zip(NAMES, VALUES, strict=True):
        await shelf.add(**name, customAttributes=values)
    changed = await api(UPDATE, by={"externalId": "2"}, input={"city": "Wien"})
    assert changed["errors"] == []
    return shelf


@pytest.fixture
async def companies(api: Api) -> Shelf:
    """Give an account with companies."""
    await defined(api, "COMPANY")
    shelf = Shelf(api, COMPANIES)
    for values in VALUES:
        await shelf.add(customAttributes=values)
    return shelf


async def defined(api: Api, target: str) -> None:
    """Define an attribute of every type."""
    for name, type_ in {**TYPES, "items": "LIST"}.items():
        fields = {"itemFields": [{"name": "a", "type": "STRING"}]} if type_ == "LIST" else {}
        made = await api(ATTRIBUTE, input={"name": name, "type": type_, "target": target, **fields})
        assert made["errors"] == [], made


def standing(node: dict[str, Any], by: str, attribute: str | None) -> tuple[Any, ...]:
    """Return where a profile belongs, computed from what is shown of it."""
    if attribute:
        value = node["customAttributes"].get(attribute)
        return (0, 0, node["id"]) if value is None else (1, value, node["id"])
    first, last, name = (node.get(one) or "" for one in ("firstName", "lastName", "name"))
    shown = {
        "CREATED_AT": node["createdAt"],
        "UPDATED_AT": node["updatedAt"],
        "FIRST_NAME": FOLDED.get(first, first.lower()),
        "LAST_NAME": last.lower(),
        "NAME": name.lower().replace("ö", "o"),
    }
    return (shown[by], node["id"])


async def forward(shelf: Shelf, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return everything from the front, while newcomers arrive."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await shelf.page(order, first=PAGE, after=after)
        found += page["nodes"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
        await shelf.newcomer()


async def backward(shelf: Shelf, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return everything from the end, in the order of the list, while newcomers arrive."""
    found: list[dict[str, Any]] = []
    before: str | None = None
    while True:
        page = await shelf.page(order, last=PAGE, before=before)
        found = page["nodes"] + found
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        if not page["pageInfo"]["hasPreviousPage"]:
            return found
        before = page["pageInfo"]["startCursor"]
        await shelf.newcomer()


async def check(shelf: Shelf, by: str, attribute: str | None = None) -> None:
    """Walk an order in both directions and both ways."""
    for direction in ("ASC", "DESC"):
        order = {"by": by, "direction": direction, "customAttribute": attribute}
        for walk in (forward, backward):
            found = await walk(shelf, order)
            expected = sorted(found, key=lambda one: standing(one, by, attribute), reverse=direction == "DESC")
            assert [one["externalId"] for one in found] == [one["externalId"] for one in expected], (order, walk)
            assert len({one["id"] for one in found}) == len(found)
            old = {one["externalId"] for one in found if not one["externalId"].startswith("new")}
            assert old == {str(number + 1) for number in range(len(VALUES))}, (order, walk)


@pytest.mark.parametrize("by", ["CREATED_AT", "UPDATED_AT", "FIRST_NAME", "LAST_NAME"])
async def test_every_order_of_persons_shows_everybody_once(persons: Shelf, by: str) -> None:
    """Without repeats and gaps, those without a name before A."""
    await check(persons, by)


@pytest.mark.parametrize("attribute", TYPES)
async def test_persons_are_ordered_by_attributes_of_every_scalar_type(persons: Shelf, attribute: str) -> None:
    """The cursors hold values exactly; those without a value stand before the smallest."""
    await check(persons, "CUSTOM_ATTRIBUTE", attribute)


@pytest.mark.parametrize("by", ["CREATED_AT", "UPDATED_AT", "NAME"])
async def test_every_order_of_companies_shows_every_one_once(companies: Shelf, by: str) -> None:
    """Without repeats and gaps."""
    await check(companies, by)


@pytest.mark.parametrize("attribute", TYPES)
async def test_companies_are_ordered_by_attributes_of_every_scalar_type(companies: Shelf, attribute: str) -> None:
    """By the definitions of companies, which are not those of persons."""
    await check(companies, "CUSTOM_ATTRIBUTE", attribute)


BAD: list[dict[str, Any]] = [
    {"by": "CUSTOM_ATTRIBUTE"},
    {"by": "CUSTOM_ATTRIBUTE", "customAttribute": "nobody"},
    {"by": "CUSTOM_ATTRIBUTE", "customAttribute": "items"},
    {"by": "CREATED_AT", "customAttribute": "number"},
    {"customAttribute": "number"},
]


@pytest.mark.parametrize("order", BAD)
async def test_an_order_that_can_not_be_meant_is_refused(api: Api, order: dict[str, Any]) -> None:
    """An attribute where none belongs, none where one does, one that nobody defined, or a LIST."""
    for target, query in (("PERSON", PERSONS), ("COMPANY", COMPANIES)):
        await defined(api, target)
        assert await api.refused(query, o=order) == "BAD_VARIABLES"


async def test_a_cursor_belongs_to_its_order(persons: Shelf) -> None:
    """Another order, direction or attribute refuses it; the same attribute in another case does not."""
    order = {"by": "CUSTOM_ATTRIBUTE", "customAttribute": "number"}
    page = await persons.page(order, first=2)
    cursor = page["pageInfo"]["endCursor"]
    for other in (
        {"by": "CREATED_AT"},
        {**order, "direction": "ASC"},
        {**order, "customAttribute": "share"},
    ):
        assert await persons.api.refused(PERSONS, o=other, after=cursor) == "BAD_CURSOR"
    same = await persons.page({**order, "customAttribute": "NUMBER"}, first=2, after=cursor)
    assert {one["id"] for one in same["nodes"]}.isdisjoint({one["id"] for one in page["nodes"]})


async def test_an_order_goes_together_with_filters_and_a_search(persons: Shelf) -> None:
    """Only those who are found, in the order that is asked for."""
    query = """query($f: PersonFilter, $s: String, $o: PersonOrder) {
      persons(filter: $f, search: $s, orderBy: $o) { nodes { externalId } } }"""

    async def found(by: str, filter_: dict[str, Any] | None = None, search: str | None = None) -> str:
        order = {"by": by, "direction": "ASC"}
        return "".join(one["externalId"] for one in (await persons.api(query, f=filter_, s=search, o=order))["nodes"])

    zeta = {"customAttribute": {"name": "text", "string": {"eq": "ZETA"}}}
    assert await found("LAST_NAME", zeta) == "512"
    assert await found("LAST_NAME", {"customAttribute": {"name": "number", "number": {"gte": 0}}}) == "65 12".replace(
        " ", ""
    )
    assert await found("FIRST_NAME", None, "emil") == "2157"
    assert await found("LAST_NAME", {"or": [zeta, {"externalId": {"in": ["4", "7"]}}]}) == "45712"
