"""Documents that stay packed: the same as those that are made at once, in any part and order."""

from typing import Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from app.mongo.engine import Engine, Insert
from app.mongo.packed import Packed

DOCUMENTS = st.lists(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4), st.integers(0, 9)
    ),
    max_size=12,
)


@given(batches=st.lists(DOCUMENTS, max_size=3), start=st.integers(-3, 14), stop=st.integers(-3, 14))
def test_packed_documents_are_a_list_of_them(batches: list[list[dict[str, Any]]], start: int, stop: int) -> None:
    """However many batches they came in: whole, one by one, in parts, and from behind."""
    plain = [one for batch in batches for one in batch]
    packed = Packed.of(b"".join(map(bson.encode, batch)) for batch in batches)
    assert len(packed) == len(plain)
    assert list(packed) == plain
    assert [packed[place] for place in range(len(packed))] == plain
    assert list(packed[start:stop]) == plain[start:stop]
    assert list(packed[::-1]) == plain[::-1]


async def test_a_store_gives_the_same_packed(any_engine: Engine) -> None:
    """With every option of a read; nothing where nothing matches."""
    await any_engine.write("things", [Insert({"_id": f"t{n:03}", "n": n % 7, "more": "x" * n}) for n in range(300)])
    options: dict[str, Any] = {"projection": {"n": 1}, "sort": (("n", -1), ("_id", 1)), "limit": 250}
    found = await any_engine.find_packed("things", {"n": {"$gt": 0}}, **options)
    assert list(found) == await any_engine.find("things", {"n": {"$gt": 0}}, **options)
    assert (len(found), found[0]) == (250, {"_id": "t006", "n": 6})
    assert len(await any_engine.find_packed("things", {"n": 8}, **options)) == 0
    assert len(await any_engine.find_packed("things", {})) == 300
