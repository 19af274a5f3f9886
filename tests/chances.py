"""How hypothesis chooses: always the same few examples in each run, or as many of fresh chance as are asked for."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings


def few(examples: int, *, more: int = 0, **options: Any) -> settings:
    """Return settings for so many examples, or, where `more` is said, for that many new ones, made small on failure."""
    return settings(
        max_examples=more or examples,
        derandomize=not more,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # To make a failure small takes minutes.
        phases=[Phase.generate, Phase.shrink] if more else [Phase.generate],
        print_blob=True,
        **options,
    )
