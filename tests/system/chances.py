"""How many programs a state machine runs: a few that are always the same, or as many of fresh chance as are wanted."""

import os

from hypothesis import settings

from tests.chances import few

MORE = int(os.environ.get("MACHINE_EXAMPLES", "0"))


def chances(programs: int, steps: int) -> settings:
    """Return the settings of a machine: so many programs of so many steps, or MACHINE_EXAMPLES programs."""
    return few(programs, more=MORE, stateful_step_count=steps, report_multiple_bugs=False)
