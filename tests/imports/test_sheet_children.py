"""The children that read workbooks don't outlive the process that waits for them."""

import asyncio
import time
from pathlib import Path

import pytest

from app.imports import sheets, sheets_child
from app.imports.table import Unreadable


async def test_children_end_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that reads for long is ended at once, and its thread with it."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(sheets_child, "__file__", str(slow))
    began = time.monotonic()
    reading = asyncio.create_task(asyncio.to_thread(sheets.convert, tmp_path / "x", "XLSX", tmp_path / "y"))
    async with asyncio.timeout(10):
        while not sheets._RUNNING:  # noqa: ASYNC110 - a thread of its own begins it
            await asyncio.sleep(0)
    sheets.end_all()
    with pytest.raises(Unreadable):
        await reading
    assert time.monotonic() - began < 10
    assert not sheets._RUNNING
