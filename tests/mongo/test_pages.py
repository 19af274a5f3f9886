"""Pages that share a call are each their own."""

import asyncio
from typing import Any

from app.mongo.engine import Engine, Insert
from app.mongo.pages import Pages

SORT = (("at", -1), ("_id", -1))


async def filled(engine: Engine) -> Pages:
    """Give two lines of three documents each."""
    documents: list[dict[str, Any]] = [
        {"_id": f"{line}{at}", "subject": line, "at": at, "more": {"x": at}} for line in "ab" for at in range(3)
    ]
    await engine.write("events", [Insert(one) for one in documents])
    return Pages(engine, "events")


async def test_pages_that_are_asked_for_at_once_come_in_one_call(any_engine: Engine) -> None:
    """Aligned, sorted, each with its own bound; the same one twice is answered twice, one that finds nothing too."""
    pages = await filled(any_engine)
    found = await asyncio.gather(*[pages.get({"subject": line}, SORT, 2) for line in "abca"])
    assert [[one["_id"] for one in page] for page in found] == [["a2", "a1"], ["b2", "b1"], [], ["a2", "a1"]]
    assert found[0][0] == {"_id": "a2", "subject": "a", "at": 2, "more": {"x": 2}}


async def test_pages_of_other_kinds_travel_beside_each_other(any_engine: Engine) -> None:
    """Another order, another bound, only some fields."""
    pages = await filled(any_engine)
    found = await asyncio.gather(
        pages.get({"subject": "a"}, SORT, 1),
        pages.get({"subject": "a"}, (("at", 1), ("_id", 1)), 1),
        pages.get({"subject": "b"}, SORT, 2, {"at": 1}),
    )
    assert [one["_id"] for one in found[0]] == ["a2"]
    assert [one["_id"] for one in found[1]] == ["a0"]
    assert found[2] == [{"_id": "b2", "at": 2}, {"_id": "b1", "at": 1}]


async def test_more_than_one_answer_of_the_store_holds_is_read_to_its_end(any_engine: Engine) -> None:
    """Documents that are too large for one batch."""
    large = [{"_id": f"x{at}", "subject": "x", "at": at, "text": "x" * 1_000_000} for at in range(40)]
    for one in large:
        await any_engine.write("events", [Insert(one)])
    pages = Pages(any_engine, "events")
    found = await asyncio.gather(*[pages.get({"subject": "x"}, SORT, 30) for _ in range(2)])
    assert [len(page) for page in found] == [30, 30]
