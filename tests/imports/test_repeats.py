"""Which keys come in more than one row."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.imports.repeats import Repeats
from tests.chances import few

ROWS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=30)


@few(100)
@given(ROWS)
def test_what_stands_in_two_rows(rows: list[list[str]]) -> None:
    """A key twice in one row has come once."""
    repeats = Repeats()
    for row in rows:
        repeats.add(row)
    repeats.settle()
    counted = Counter(key for row in rows for key in set(row))
    assert {key for key in "abcdefgh" if key in repeats} == {key for key, count in counted.items() if count > 1}
