"""Refusals that come one upon the other are held back, and only those."""

from app.access.patience import AT_ONCE, HELD_SECONDS, Patience


def test_only_an_account_that_is_refused_on_and_on_has_to_wait() -> None:
    """Not another one, and no longer than it goes on."""
    now = [100.2]
    patience = Patience(lambda: now[0])
    assert {patience.seconds("a") for _ in range(AT_ONCE)} == {0.0}
    held = [patience.seconds("a") for _ in range(100)]
    assert HELD_SECONDS <= min(held) < max(held) <= 2 * HELD_SECONDS
    assert patience.seconds("b") == 0.0
    now[0] = 101.0
    assert patience.seconds("a") == 0.0
