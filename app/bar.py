"""A progress bar on stderr, for commands that take a while; nothing is drawn where nobody looks."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import ProgressColumn


class Bar:
    """One bar with a label, while its block runs; `fields` are what own columns show beside."""

    def __init__(self, label: str, *columns: ProgressColumn, **fields: Any) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(label, total=None, **fields)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
