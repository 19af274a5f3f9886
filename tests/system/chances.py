"""How many programs a state machine runs: a few that are always the same, or as many of fresh chance as are wanted."""

import os

from hypothesis import HealthCheck, Phase, settings

MORE = int(os.environ.get("MACHINE_EXAMPLES", "0"))


def chances(programs: int, steps: int) -> settings:
    """Return the settings of a machine: so many programs of so many steps, or MACHINE_EXAMPLES programs."""
    return settings(
        max_examples=MORE or programs,
        stateful_step_count=steps,
        derandomize=not MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # To make a failure small takes minutes.
        phases=[Phase.generate, Phase.shrink] if MORE else [Phase.generate],
        report_multiple_bugs=False,
        print_blob=True,
    )
