"""Values are counted below the limit that they don't exceed."""

from app.core.spread import Spread


def test_a_value_lies_below_the_first_limit_that_it_does_not_exceed() -> None:
    """One that is a limit lies below it; beyond the last there is one more place."""
    spread = Spread((1, 2.5))
    for value in (0, 1, 1.1, 2.5, 99):
        spread.add(value)
    assert (spread.counts, spread.total) == ([2, 2, 1], 103.6)
