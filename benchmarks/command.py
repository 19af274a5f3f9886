"""What both commands share: names on the command line, progress, and a run whose processes are gone afterwards."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from benchmarks.processes import STORE_CORE, Child, NotStarted, stopped_at_exit
from benchmarks.seed import NotSeeded

T = TypeVar("T")


def say(text: str) -> None:
    """Print progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


def chosen(known: tuple[str, ...], text: str) -> list[str]:
    """Return the comma-separated names in the order of `known`; refuse others."""
    names = text.split(",")
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; one of {', '.join(known)}")
    return [name for name in known if name in names]


def carried_out(run: Callable[[Path, list[Child]], Coroutine[Any, Any, T]]) -> T | None:
    """Return what came of a run on the generator's core, in a directory of its own; None where it gave up."""
    os.sched_setaffinity(0, {STORE_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="profiles-bench-") as home, stopped_at_exit(children):
        try:
            return uvloop.run(run(Path(home), children))
        except (NotStarted, NotSeeded, TimeoutError) as error:
            say(f"gave up: {str(error) or 'out of time'}")
            return None
