"""What can be done with imports: make, map, run, cancel, take back, look at. The work itself is the worker's."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.catalog.checks import tag_name
from app.catalog.service import CatalogService
from app.core import clock, ids
from app.core.actor import Actor
from app.core.errors import Fault, Refusals, Refused
from app.core.pages import Page, Slice
from app.imports import detect, mapping, model, reader, readers, suggest, table
from app.imports import template as templates
from app.imports.mapping import Entry
from app.imports.model import (
    CANCELLED,
    CHECKED,
    ENDED,
    FAILED,
    MAPPED,
    REVERTING,
    RUNNING,
    UPLOADED,
    Column,
    Import,
    RowError,
    refuse_unless,
)
from app.imports.report import Report
from app.imports.store import CHUNKS, IMPORT_UNDO_DAYS, PIECE_BYTES, Store, Upload, failed_row, new_id
from app.imports.table import Detection, Sample, Unreadable
from app.mongo.engine import Engine

# Has somebody work on an import of an account soon.
Send = Callable[[str, str], Awaitable[None]]

FILE_NAME_MAX = 255
DEFAULT_NAME = "import"
# Failed rows that are held at once while a file of them is written.
REPORT_ROWS = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to import: one that was uploaded, or its content."""

    upload_id: str | None
    content: str | None
    file_name: str | None
    format: str | None
    target: str
    person_type: str | None


@dataclass(frozen=True, slots=True)
class Mapped:
    """How a file is to be imported; `tag`: what every profile of it gets, None for nothing."""

    entries: Sequence[Entry]
    duplicates: str
    tag: str | None


class Imports:
    """The imports of all accounts."""

    def __init__(self, engine: Engine, catalog: CatalogService, send: Send) -> None:
        self._engine = engine
        self.store = Store(engine)
        self._catalog = catalog
        self._send = send

    # ------------------------------------------------------------ looking

    async def get(self, account: str, import_id: str) -> Import | None:
        """Return an import, None for an unknown or foreign one."""
        return await self.store.get(account, import_id)

    async def page(self, account: str, part: Slice) -> Page[Import]:
        """Return a part of the imports, newest first."""
        return await self.store.page(account, part)

    async def errors(self, one: Import, part: Slice) -> Page[RowError]:
        """Return a part of the rows that failed, and of what an undo kept."""
        return await self.store.errors(one, part)

    async def error_file(self, one: Import) -> AsyncGenerator[bytes, None]:
        """Yield the file of the rows that failed, and of what an undo kept: as the original, with why."""
        report, part = Report(one), Slice(REPORT_ROWS)
        yield report.begin()
        while True:
            page = await self.store.errors(one, part)
            if page.items:
                yield report.lines(page.items)
                part = Slice(REPORT_ROWS, model.position(page.items[-1]))
            if not page.has_next:
                return

    async def template(self, account: str, target: str) -> bytes:
        """Return a file with all columns that an account has, which can be imported as it is."""
        return templates.template(target, await self._catalog.fresh(account))

    # ------------------------------------------------------------ files

    async def receive(self, actor: Actor, pieces: AsyncIterator[bytes], named: Callable[[], str | None]) -> Upload:
        """Keep a file that comes in piece by piece, none larger than a megabyte; nothing of it stays where it breaks.

        `named` says what it is called, once it is here.
        """
        file_id, size, number = ids.new("upl"), 0, 0
        try:
            async for piece in pieces:
                await self.store.keep_piece(actor.account, file_id, number, piece)
                size, number = size + len(piece), number + 1
            file = Upload(file_id, actor.account, label(named()) or DEFAULT_NAME, size)
            await self.store.keep_upload(file)
        except BaseException:
            with suppress(Fault):  # the database is away: they go after a day
                await self.store.drop_upload(actor.account, file_id)
            raise
        return file

    # ------------------------------------------------------------ making

    async def create(self, actor: Actor, wanted: Wanted) -> tuple[Import, Refused | None]:
        """Make an import of a file; one that can't be read is there as well, FAILED, and comes with the reason.

        Refuses NOT_FOUND for an upload that is none, REQUIRED and INVALID for too little or too much.
        """
        if (wanted.upload_id is None) == (wanted.content is None):
            raise Refused("REQUIRED", "Give either the id of an upload or the content.", ("uploadId",))
        if wanted.person_type is not None and wanted.target != model.PERSON:
            raise Refused("INVALID", "Only persons have a type.", ("personType",))
        file = await self._file(actor, wanted)
        with tempfile.TemporaryDirectory(prefix="import-") as home:
            path = Path(home) / "file"
            await self.store.download(actor.account, file.id, path)
            catalog = await self._catalog.fresh(actor.account)
            found = await asyncio.to_thread(_looked, path, file.name, wanted.format)
        one = Import(
            new_id(),
            actor.account,
            file.name,
            file.id,
            wanted.target,
            wanted.person_type,
            UPLOADED,
            clock.now(),
            found.detected,
        )
        if found.sample is None:
            return await self._unreadable(one, found.problem, wanted)
        sample = found.sample
        suggested = suggest.suggestions(sample.columns, sample.rows, wanted.target, catalog)
        samples = sample.texts()
        one = replace(one, columns=[Column(*each) for each in zip(sample.columns, samples, suggested, strict=True)])
        await self.store.create(one)
        return one, None

    async def _file(self, actor: Actor, wanted: Wanted) -> Upload:
        if wanted.upload_id is not None:
            file = await self.store.upload(actor.account, wanted.upload_id)
            if file is None:
                raise Refused("NOT_FOUND", "There is no such upload; uploads go after a day.", ("uploadId",))
            return replace(file, name=label(wanted.file_name) or file.name)
        data = (wanted.content or "").encode(errors="surrogatepass")
        file = Upload(ids.new("upl"), actor.account, label(wanted.file_name) or DEFAULT_NAME, len(data))
        for number in range(-(-len(data) // PIECE_BYTES)):
            piece = data[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
            await self.store.keep_piece(file.account, file.id, number, piece)
        await self.store.keep_upload(file)
        return file

    async def _unreadable(self, one: Import, problem: str, wanted: Wanted) -> tuple[Import, Refused]:
        now = clock.now()
        one = replace(one, state=FAILED, finished_at=now)
        await self.store.create(one)
        error = failed_row(one, RowError("9" * 10, 0, None, problem, {}))
        await self._engine.write(CHUNKS, [error])
        group = {"message": problem, "column": None, "rows": 1, "samples": [0]}
        await self.store.change(one, {"groups.file": group})
        return one, Refused("INVALID", problem, ("content" if wanted.upload_id is None else "uploadId",))

    # ------------------------------------------------------------ mapping

    async def map(self, actor: Actor, import_id: str, wanted: Mapped) -> Import:
        """Say which column is which field; refuses NOT_FOUND, WRONG_STATE, and all that is wrong: MAPPING_INVALID."""
        one = await self._there(actor, import_id)
        refuse_unless(one, "mapped", UPLOADED, MAPPED, CHECKED)
        await self._refuse_lost(one)
        if wanted.tag is not None:
            wanted = replace(wanted, tag=_tag(wanted.tag))
        with tempfile.TemporaryDirectory(prefix="import-") as home:
            try:
                file = await reader.opened(self.store, one, Path(home), look=True)
                sample = await asyncio.to_thread(table.sample, file.table)
            except Unreadable as unreadable:
                raise Refused("MAPPING_INVALID", str(unreadable), ("mapping",)) from None
        catalog = await self._catalog.fresh(actor.account)
        checked = mapping.check_mapping(wanted.entries, sample.columns, sample.rows, one.target, catalog)
        change = {
            "state": MAPPED,
            "mode": None,
            "mapping": checked.to_document(),
            "duplicates": wanted.duplicates,
            "tag": wanted.tag,
        }
        return await self._changed(one, change)

    # ------------------------------------------------------------ running

    async def run(self, actor: Actor, import_id: str, mode: str) -> Import:
        """Have an import run, dry or in earnest; refuses NOT_FOUND and WRONG_STATE."""
        one = await self._there(actor, import_id)
        refuse_unless(one, "run" if one.mapping else "run before it is mapped", MAPPED, CHECKED)
        await self._refuse_lost(one)
        return await self._begin(one, {"state": RUNNING, "mode": mode, "prepared": False, "finishedAt": None})

    async def revert(self, actor: Actor, import_id: str) -> Import:
        """Have an import taken back; refuses NOT_FOUND and WRONG_STATE."""
        one = await self._there(actor, import_id)
        refuse_unless(one, "taken back", *ENDED)
        if not one.keeps:
            raise Refused("WRONG_STATE", "This import has written nothing.", ("id",))
        if one.finished_at and clock.now() - one.finished_at > timedelta(days=IMPORT_UNDO_DAYS):
            words = f"An import can be taken back for {IMPORT_UNDO_DAYS} days."
            raise Refused("WRONG_STATE", words, ("id",))
        if await self.store.reverting(actor.account):
            raise Refused("WRONG_STATE", "Another import is being taken back: wait for its end.", ("id",))
        undo = {"deleted": 0, "restored": 0, "kept": 0}
        return await self._begin(one, {"state": REVERTING, "undo": undo, "undone": None})

    async def cancel(self, actor: Actor, import_id: str) -> Import:
        """Stop an import: what is done stays. One that runs stops behind the rows it is at; refuses WRONG_STATE."""
        one = await self._there(actor, import_id)
        refuse_unless(one, "cancelled", UPLOADED, MAPPED, CHECKED, RUNNING)
        if one.state == RUNNING:
            changed = await self._changed(one, {"cancel": True})
            await self._send(one.account, one.id)
            return changed
        return await self._changed(one, {"state": CANCELLED, "finishedAt": clock.now()})

    async def _begin(self, one: Import, change: Mapping[str, Any]) -> Import:
        now = clock.now()
        await self.store.stay(one)
        changed = await self._changed(one, {**change, "due": now, "startedAt": now, "cancel": False})
        await self._send(one.account, one.id)
        return changed

    async def _there(self, actor: Actor, import_id: str) -> Import:
        one = await self.store.get(actor.account, import_id)
        if one is None:
            raise Refused("NOT_FOUND", "There is no such import.", ("id",))
        return one

    async def _refuse_lost(self, one: Import) -> None:
        if await self.store.upload(one.account, one.upload) is None:
            words = f"The file of this import is gone: it was kept for {IMPORT_UNDO_DAYS} days. Upload it again."
            raise Refused("WRONG_STATE", words, ("id",))

    async def _changed(self, one: Import, change: Mapping[str, Any]) -> Import:
        if not await self.store.change(one, change):
            raise Refused("WRONG_STATE", "This import has gone on meanwhile: look at it again.", ("id",))
        changed = await self.store.get(one.account, one.id)
        return one if changed is None else changed


def label(name: str | None) -> str | None:
    """Return the name of a file as a label: its last part, without characters that no name has; None for nothing."""
    if name is None:
        return None
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(char for char in last if char.isprintable()).strip()
    return kept[:FILE_NAME_MAX] or None


def default_tag() -> str:
    """Return the tag of an import that begins now."""
    return f"Import {clock.now():%Y-%m-%d %H:%M}"


def _tag(name: str) -> str:
    try:
        return str(tag_name(name))
    except Refused as refused:
        raise Refusals([refused.under("tag")]) from None


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found in a file: its sample, or why it can't be read."""

    detected: Mapping[str, Any]
    sample: Sample | None = None
    problem: str = ""


def _looked(path: Path, name: str, given: str | None) -> _Looked:
    try:
        detected = detect.detect(path, name, given)
    except Unreadable as unreadable:
        return _Looked(asdict(Detection(given or "CSV")), problem=str(unreadable))
    try:
        found = readers.opened(path, detected, path.parent, look=True)
        return _Looked(asdict(found.detection), table.sample(found))
    except Unreadable as unreadable:
        return _Looked(asdict(detected), problem=str(unreadable))
