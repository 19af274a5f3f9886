"""Logs of a process: JSON lines together, columns on a terminal, and an entry for each request in the same form."""

import asyncio
import io
import sys
from collections.abc import Iterator

import orjson
import pytest
import structlog

from app.web import log
from app.web.log import ACCESS, AccessLog, Lines, configure

SECONDS = 10.0


class Terminal(io.TextIOWrapper):
    """Something like stderr, on a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        """Tell which."""
        return self._terminal

    def lines(self) -> list[str]:
        """Return what was written."""
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode().splitlines()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put the process' logs back."""
    kept, lines = structlog.get_config(), ACCESS._lines
    yield
    structlog.configure(**kept)
    ACCESS._lines = lines


def stderr(monkeypatch: pytest.MonkeyPatch, form: str, *, terminal: bool) -> Terminal:
    """Set logs up as of a form, on such a stderr."""
    shown = Terminal(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", shown)
    configure(form)
    return shown


@pytest.mark.parametrize(("form", "terminal"), [("json", True), ("auto", False)])
async def test_logs_are_json_lines(monkeypatch: pytest.MonkeyPatch, form: str, *, terminal: bool) -> None:
    """One object for each entry, with its level and time; less than INFO is not written."""
    shown = stderr(monkeypatch, form, terminal=terminal)
    log = structlog.get_logger("test")
    log.debug("unheard")
    log.info("heard", number=1, odd={1}.__class__)
    (line,) = [orjson.loads(one) for one in shown.lines()]
    assert (line["event"], line["level"], line["number"], line["odd"]) == ("heard", "info", 1, "<class 'set'>")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("form", "terminal"), [("console", False), ("auto", True)])
def test_logs_are_columns_on_a_terminal(monkeypatch: pytest.MonkeyPatch, form: str, *, terminal: bool) -> None:
    """For people, the requests among them."""
    shown = stderr(monkeypatch, form, terminal=terminal)
    structlog.get_logger("test").debug("unheard")
    structlog.get_logger("test").warning("heard", number=1)
    AccessLog().note(status=200)
    first, second = shown.lines()
    assert "heard" in first
    assert "request" in second
    assert not first.startswith("{")


async def test_requests_are_noted_in_the_form_of_the_other_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written together a moment later, or when the process ends."""
    shown = stderr(monkeypatch, "json", terminal=False)
    ACCESS.note(status=200, codes=None)
    ACCESS.note(status=401, codes=["UNAUTHENTICATED"])
    assert shown.lines() == []
    ACCESS.flush()
    first, second = [orjson.loads(one) for one in shown.lines()]
    assert (first["event"], first["level"], first["status"], second["codes"]) == (
        "request",
        "info",
        200,
        ["UNAUTHENTICATED"],
    )
    assert first["timestamp"].endswith("Z")


def test_an_access_log_without_lines_has_nothing_to_flush() -> None:
    """As in a process that logs to a terminal."""
    AccessLog().flush()


async def test_lines_are_written_together_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One write for all that came meanwhile, and the next moment begins with the next line."""
    assert log.FLUSH_SECONDS == 0.2
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.0)
    written: asyncio.Queue[bytes] = asyncio.Queue()
    lines = Lines(written.put_nowait)
    async with asyncio.timeout(SECONDS):
        for batch in ((b"a\n", b"b\n"), (b"c\n",)):
            for line in batch:
                lines.add(line)
            assert await written.get() == b"".join(batch)


async def test_many_lines_wait_for_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most LINES_WAITING of them are held; nothing is written twice or empty."""
    assert log.LINES_WAITING == 1000
    monkeypatch.setattr(log, "LINES_WAITING", 2)
    written: list[bytes] = []
    lines = Lines(written.append)
    for line in (b"a", b"b", b"c"):
        lines.add(line)
    lines.flush()
    lines.flush()
    assert written == [b"ab", b"c"]


def test_lines_of_several_processes_are_never_torn_apart() -> None:
    """Written in whole lines, no more at once than a pipe takes in one go; a line that is longer goes alone."""
    lines = [b"%d" % number + b"x" * length + b"\n" for number, length in enumerate((10, 4000, 200, 9000, 1, 4093, 5))]
    found = list(log.pieces(b"".join(lines)))
    assert b"".join(found) == b"".join(lines)
    assert all(one.endswith(b"\n") for one in found)
    assert [len(one) > log.PIECE_BYTES for one in found].count(True) == 1
    assert list(log.pieces(b"")) == []
