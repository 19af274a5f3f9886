"""Stories Q: filters find exact sets, pages repeat nobody, and what can't be meant is said."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api import ATTRIBUTE, Api
from tests.stories.test_batches import UPSERT

FILTER = "query($f: PersonFilter) { persons(filter: $f, first: 1000) { totalCount nodes { externalId } } }"
PAGE = """query($first: Int, $after: Cursor) {
  persons(first: $first, after: $after, orderBy: {by: CREATED_AT, direction: ASC}) {
    nodes { externalId } pageInfo { hasNextPage hasPreviousPage endCursor } }
}"""
NAMES = ("Anna", "anton", "Bea", "ANja", "Érna", "Tina")
CITIES = ("Wien", "Graz", None)
ROWS: list[dict[str, Any]] = [
    {
        "externalId": f"p{n}",
        "firstName": NAMES[n % 6],
        "type": ("LEAD", "CUSTOMER")[n % 2],
        "tags": [tag for tag, each in (("vip", 2), ("beta", 3), ("old", 5)) if n % each == 0],
        "customAttributes": {"score": n % 17, **({"plan": ("Gold", "silver")[n % 2]} if n % 4 else {})},
        **({"city": CITIES[n % 3]} if CITIES[n % 3] else {}),
    }
    for n in range(120)
]

Rule = Callable[[dict[str, Any]], bool]


@pytest.fixture
async def crowd(api: Api) -> Api:
    """Give an account with 120 persons who differ."""
    await api(ATTRIBUTE, input={"name": "score", "type": "INTEGER"})
    await api(ATTRIBUTE, input={"name": "plan", "type": "STRING"})
    assert (await api(UPSERT, rows=ROWS))["errors"] == []
    return api


async def exactly(api: Api, wanted: dict[str, Any], rule: Rule) -> None:
    """Hold a filter to a rule that is told in other words."""
    expected = {row["externalId"] for row in ROWS if rule(row)}
    found = await api(FILTER, f=wanted)
    assert 0 < len(expected) < len(ROWS)
    assert ({one["externalId"] for one in found["nodes"]}, found["totalCount"]) == (expected, len(expected))
    assert len(found["nodes"]) == len(expected)


def named(name: str, **how: Any) -> dict[str, Any]:
    """Write a filter on an attribute."""
    return {"customAttribute": {"name": name, **how}}


async def test_Q1_name_tag_and_attribute_find_an_exact_set(crowd: Api) -> None:
    """W firstName startsWith and tag contains and attribute > n."""
    wanted = {"firstName": {"startsWith": "aN"}, "tags": {"has": "VIP"}, **named("score", number={"gt": 6})}
    await exactly(
        crowd,
        wanted,
        lambda row: (
            row["firstName"].lower().startswith("an") and "vip" in row["tags"] and row["customAttributes"]["score"] > 6
        ),
    )


Q2: list[tuple[dict[str, Any], Rule]] = [
    (
        {"or": [{"tags": {"has": "beta"}}, named("score", number={"lte": 2})]},
        lambda row: "beta" in row["tags"] or row["customAttributes"]["score"] <= 2,
    ),
    ({"not": {"tags": {"hasAny": ["vip", "old"]}}}, lambda row: not {"vip", "old"} & {*row["tags"]}),
    ({"firstName": {"in": ["ANNA", "tina"]}}, lambda row: row["firstName"].lower() in ("anna", "tina")),
    ({"firstName": {"notIn": ["ANNA", "tina"]}}, lambda row: row["firstName"].lower() not in ("anna", "tina")),
    ({"city": {"exists": False}}, lambda row: "city" not in row),
    (named("plan", exists=True), lambda row: "plan" in row["customAttributes"]),
    ({"city": {"ne": "wien"}}, lambda row: row.get("city") != "Wien"),
    (
        {"not": {"or": [{"type": "LEAD"}, {"not": named("plan", string={"eq": "SILVER"})}]}},
        lambda row: row["type"] == "CUSTOMER" and row["customAttributes"].get("plan") == "silver",
    ),
    (
        {"and": [{"or": [{"city": {"eq": "graz"}}, {"city": {"exists": False}}]}, {"tags": {"hasNone": ["vip"]}}]},
        lambda row: row.get("city") in ("Graz", None) and "vip" not in row["tags"],
    ),
]


async def test_Q2_or_not_in_and_exists_find_exact_sets(crowd: Api) -> None:
    """Each by itself and in each other."""
    for wanted, rule in Q2:
        await exactly(crowd, wanted, rule)


async def test_Q3_pages_repeat_nobody_while_rows_are_inserted(api: Api) -> None:
    """G 1,005 persons W first 1000 T hasNextPage, the second page has the rest, and nobody twice."""
    for start in (0, 500, 1000):
        count = 5 if start == 1000 else 500
        await api(UPSERT, rows=[{"externalId": f"r{start + n}"} for n in range(count)])
    first = await api(PAGE, first=1000)
    assert (len(first["nodes"]), first["pageInfo"]["hasNextPage"]) == (1000, True)
    await api.made(externalId="late")
    second = await api(PAGE, first=1000, after=first["pageInfo"]["endCursor"])
    seen = [one["externalId"] for page in (first, second) for one in page["nodes"]]
    assert (len(second["nodes"]), second["pageInfo"]["hasNextPage"]) == (6, False)
    assert sorted(seen) == sorted({*(f"r{n}" for n in range(1005)), "late"})


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"nobody": {"eq": "x"}}, "BAD_VARIABLES"),
        ({"firstName": "Ann"}, "BAD_VARIABLES"),
        ({"firstName": {}}, "BAD_VARIABLES"),
        ({"firstName": {"eq": 3}}, "BAD_VARIABLES"),
        ({"createdAt": {"gt": "yesterday"}}, "BAD_VARIABLES"),
        ({"birthDate": {"eq": "2026-02-30"}}, "BAD_VARIABLES"),
        ({"type": "VISITOR"}, "BAD_VARIABLES"),
        (named("unknown", exists=True), "BAD_VARIABLES"),
        (named("score"), "BAD_VARIABLES"),
        (named("score", string={"eq": "x"}), "BAD_VARIABLES"),
        ({"ids": [f"per_{n}" for n in range(1001)]}, "BAD_VARIABLES"),
        ({"and": [{"city": {"eq": str(n)}} for n in range(201)]}, "BAD_VARIABLES"),
    ],
)
async def test_Q4_a_malformed_filter_is_a_clear_error(crowd: Api, wanted: dict[str, Any], code: str) -> None:
    """With a code and a sentence."""
    (error,) = (await crowd.post(FILTER, {"f": wanted})).json()["errors"]
    assert (error["extensions"]["code"], len(error["message"]) > 10) == (code, True)
