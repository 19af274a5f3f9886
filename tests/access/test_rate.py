"""Token buckets: what a key may ask, how long it is told to wait, and that buckets are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.access import buckets
from app.access.buckets import Local
from app.access.rate import BURST_SECONDS, Rates
from app.core.errors import Fault


class Timer:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def refused(rates: Rates, key: str, cost: int = 1) -> int:
    """Return the seconds that a key is told to wait, 0 where it is let in."""
    try:
        rates.take(key, cost)
    except Fault as fault:
        return int(fault.extra["retryAfter"])
    return 0


def held(rates: Rates) -> int:
    """Return how many buckets there are."""
    assert isinstance(rates._buckets, Local)
    return len(rates._buckets)


def test_a_burst_is_ten_seconds_worth_and_then_no_more() -> None:
    """The next one is told how long to wait, in its words too."""
    rates = Rates(5, Timer())
    assert [refused(rates, "k") for _ in range(50)] == [0] * 50
    with pytest.raises(Fault, match=r"Try again in 1 seconds\.") as fault:
        rates.take("k", 1)
    assert (fault.value.code, fault.value.status) == ("RATE_LIMITED", 429)
    assert (refused(rates, "k", 5), refused(rates, "k", 6), refused(rates, "other")) == (1, 2, 0)


def test_a_bucket_fills_steadily_and_never_over() -> None:
    """After a second there is a second's worth; after an hour no more than a bucket."""
    timer = Timer()
    rates = Rates(2, timer)
    rates.take("k", 20)
    timer.at += 1
    assert [refused(rates, "k") for _ in range(3)] == [0, 0, 1]
    timer.at += 3600
    assert [refused(rates, "k", 20), refused(rates, "k")] == [0, 1]


@given(per_second=some.integers(1, 1000), costs=some.lists(some.integers(0, 20_000), min_size=1, max_size=20))
def test_who_waits_as_told_is_let_in(per_second: int, costs: list[int]) -> None:
    """No request costs more than a bucket, so no wait is longer than a bucket takes to fill."""
    timer = Timer()
    rates = Rates(per_second, timer)
    for cost in costs:
        wait = refused(rates, "k", cost)
        timer.at += wait
        assert wait <= BURST_SECONDS
        assert wait == 0 or refused(rates, "k", cost) == 0


def test_a_refusal_costs_nothing() -> None:
    """Who knocks too early does not wait the longer for it."""
    timer = Timer()
    rates = Rates(1, timer)
    rates.take("k", 10)
    assert [refused(rates, "k", 3) for _ in range(5)] == [3] * 5
    timer.at += 3
    assert refused(rates, "k", 3) == 0


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many takes the place of the first, and those who are known keep theirs."""
    assert buckets.BUCKETS == 10_000
    monkeypatch.setattr(buckets, "BUCKETS", 2)
    rates = Rates(1, Timer())
    for key in ("a", "b", "b", "c"):
        rates.take(key, 5)
    assert (refused(rates, "b"), refused(rates, "c", 6), held(rates)) == (1, 1, 2)
    assert refused(rates, "a", 10) == 0


def test_nought_switches_rates_off() -> None:
    """However much is asked."""
    rates = Rates(0, Timer())
    assert refused(rates, "k", 1_000_000) == 0
    assert held(rates) == 0
    assert rates.standing("k") is None


@given(per_second=some.integers(1, 1000), costs=some.lists(some.integers(1, 20_000), max_size=20))
def test_the_standing_is_what_can_be_asked(per_second: int, costs: list[int]) -> None:
    """What is left is let in and one more is not; after the seconds that are told the bucket is full."""
    timer = Timer()
    rates = Rates(per_second, timer)
    for cost in costs:
        refused(rates, "k", cost)
        timer.at += 0.3
    full, left, seconds = rates.standing("k") or (0, 0, 0)
    assert (full, seconds == 0) == (per_second * BURST_SECONDS, left == full)
    if left < full:
        assert refused(rates, "k", left + 1) > 0
    timer.at += seconds
    assert rates.standing("k") == (full, full, 0)
    assert refused(rates, "k", full) == 0
