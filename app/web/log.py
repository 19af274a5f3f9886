"""Structured logs: JSON lines, or columns on a terminal; never a value of a profile, never a key."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import structlog

from app.core import clock

FLUSH_SECONDS = 0.2
LINES_WAITING = 1_000
PIECE_BYTES = 4096


class Lines:
    """Lines that can wait a moment: collected, and written together FLUSH_SECONDS later.

    A write to a file lets go of the interpreter, and a busy service waits long to get it back; one line for each
    request would cost more than the request.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._waiting: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Take in a line; needs a running loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._waiting.append(line)
        if len(self._waiting) >= LINES_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        lines, self._waiting = self._waiting, []
        if lines:
            self._write(b"".join(lines))


class AccessLog:
    """One entry for each request, in the form of the other logs."""

    def __init__(self) -> None:
        self._lines: Lines | None = None

    def to_lines(self, write: Callable[[bytes], object]) -> None:
        """Write JSON lines by `write` from now on."""
        self._lines = Lines(write)

    def note(self, **entry: Any) -> None:
        """Note one request."""
        if self._lines is None:
            structlog.get_logger("app.web").info("request", **entry)
            return
        shown = {**entry, "event": "request", "level": "info", "timestamp": clock.text(clock.now())}
        self._lines.add(orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Write what waits."""
        if self._lines is not None:
            self._lines.flush()


ACCESS = AccessLog()


def configure(form: str, *, pieces: bool = False) -> None:
    """Set logs up for the process; `form` is auto, console or json.

    In `pieces` where other processes write to the same place: only a small write is never torn apart by another's.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if console:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        return
    ACCESS.to_lines(_in_pieces if pieces else _to_stderr)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _to_stderr(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.buffer.flush()


def _in_pieces(lines: bytes) -> None:
    for piece in pieces(lines):
        _to_stderr(piece)


def pieces(lines: bytes) -> Iterator[bytes]:
    """Give whole lines, as many at once as a pipe takes without letting others between; a longer one goes alone."""
    while len(lines) > PIECE_BYTES:
        cut = lines.rfind(b"\n", 0, PIECE_BYTES) + 1 or lines.find(b"\n") + 1 or len(lines)
        yield lines[:cut]
        lines = lines[cut:]
    if lines:
        yield lines


def _dumps(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str)
