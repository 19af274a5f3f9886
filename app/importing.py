"""The command `profiles import`: a file becomes profiles through the public API, as by any client."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.table import Table

from app.bar import Bar
from app.core.errors import Unable
from app.importing_options import part_of

PIECE_BYTES = 1_048_576
POLL_SECONDS = 0.25
TRIES = 60
AWAY_SECONDS = 1.0
# A file of many sheets is looked into before createImport answers.
ANSWER_SECONDS = 180.0
LINE_BYTES = 1_024
PASSING = ("UNAVAILABLE", "RATE_LIMITED", "TIMEOUT")
UNDER_WAY = ("RUNNING", "REVERTING")
SHOWN_GROUPS = 10
SHOWN_SAMPLES = 3
DONE, STOPPED, WITH_ERRORS = 0, 1, 3

IMPORT = """id fileName format target personType state mode tag duplicates createdAt startedAt finishedAt
  detected { charset delimiter sheet notices } columns { name samples suggestion } mapping { column field format }
  counts { rows processed created updated promoted unchanged skipped failed }
  errorGroups { message column rows samples }"""
RESULT = f"{{ import {{ {IMPORT} }} errors {{ code message path }} }}"
CREATE = f"mutation($input: CreateImportInput!) {{ done: createImport(input: $input) {RESULT} }}"
MAP = f"mutation($id: ID!, $input: MapImportInput!) {{ done: mapImport(id: $id, input: $input) {RESULT} }}"
RUN = f"mutation($id: ID!, $mode: ImportMode!) {{ done: runImport(id: $id, mode: $mode) {RESULT} }}"
CANCEL = f"mutation($id: ID!) {{ done: cancelImport(id: $id) {RESULT} }}"
ONE = f"query($id: ID!) {{ done: import(id: $id) {{ {IMPORT} }} }}"

Import = dict[str, Any]


class ImportingError(Unable):
    """The import can't go on; one line says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for; `mapping` None takes what is suggested, `tag` None gives none, absent its own."""

    file: Path
    mapping: Sequence[dict[str, str]] | None
    making: dict[str, str]
    handling: dict[str, str | None]
    dry: bool = False
    errors: Path | None = None


class Away(ImportingError):  # noqa: N818 - read as what it says
    """The service does not answer at all."""


async def asked(question: str, *, unasked: bool) -> bool:
    """Ask a person, by yes and no; `unasked` is the answer where nobody is there.

    Who leaves in the middle of it leaves a thread behind that still reads: one that nothing waits for.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def told(text: bytes) -> None:
        if not answer.done():
            answer.set_result(text)

    def read() -> None:
        try:
            text = os.read(sys.stdin.fileno(), LINE_BYTES)
        except (OSError, ValueError):  # there is no input at all
            text = b""
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(told, text)

    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    threading.Thread(target=read, daemon=True).start()
    text = await answer
    return text.strip().lower().startswith(b"y") if text else unasked


async def agreed(question: str, *, unasked: bool) -> bool:  # noqa: ARG001 - as `asked`
    """Say yes for a person who has said it beforehand."""
    return True


class Service:
    """The service, asked with a key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def upload(self, file: Path, told: Callable[[int, int], None]) -> str:
        """Upload a file, telling how far it is; returns its id."""
        size = os.stat(file).st_size  # noqa: PTH116 - a lone look
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}

        async def pieces() -> AsyncIterator[bytes]:
            done = 0
            with file.open("rb") as source:
                while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
                    yield piece
                    done += len(piece)
                    told(done, size)

        for _ in range(TRIES):
            given = {"params": {"fileName": file.name}, "content": pieces(), "headers": headers}
            answer = await self._sent("POST", "/uploads", **given)
            wait = _passing(answer)
            if wait is None:
                return str(answer["uploadId"])
            await asyncio.sleep(wait)
        raise ImportingError("The service is not available for too long.")

    async def ask(self, query: str, **variables: Any) -> Any:
        """Return what a document of one root field answers; asked again while the service is busy."""
        for _ in range(TRIES):
            answer = await self._sent("POST", "/graphql", json={"query": query, "variables": variables})
            wait = _passing(answer)
            if wait is None:
                return answer["data"]["done"]
            await asyncio.sleep(wait)
        raise ImportingError("The service is not available for too long.")

    async def done(self, query: str, **variables: Any) -> Import:
        """Return the import after a mutation; raises with all that was refused."""
        payload = await self.ask(query, **variables)
        if payload["errors"]:
            raise ImportingError("; ".join(one["message"] for one in payload["errors"]))
        made: Import = payload["import"]
        return made

    async def download(self, path: str, to: Path) -> None:
        """Write a file to a path, where it appears when it is whole."""
        part = part_of(to)
        try:
            async with self._client.stream("GET", path) as answer:
                if answer.is_error:
                    raise ImportingError(f"The failed rows can't be had (status {answer.status_code}).")
                with part.open("wb") as out:
                    async for piece in answer.aiter_bytes():
                        out.write(piece)
            part.replace(to)
        except httpx.TransportError as away:
            raise ImportingError(f"The failed rows broke off ({type(away).__name__}).") from away
        except OSError as error:
            raise ImportingError(f"{to} can't be written: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)

    async def _sent(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, **given)
            answer: dict[str, Any] = response.json()
        except httpx.TransportError as away:
            raise Away(f"{self._client.base_url} does not answer ({type(away).__name__}).") from away
        except ValueError as broken:
            raise ImportingError(f"{self._client.base_url} is no Customer Profiles service.") from broken
        return answer


def _passing(answer: dict[str, Any]) -> float | None:
    """Return after how many seconds to ask again, None where it is answered; raises with what is wrong."""
    for error in answer.get("errors", ()):
        extensions = error.get("extensions", {})
        if extensions.get("code") in PASSING:
            return float(extensions.get("retryAfter", 1))
        raise ImportingError(f"{extensions.get('code', 'ERROR')}: {error['message']}")
    return None


class Progress(Bar):
    """How far an upload, and then its import is, with rows a second."""

    def __init__(self) -> None:
        pace = TextColumn("{task.fields[pace]}")
        super().__init__("Upload", TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), pace, pace="")

    def uploaded(self, done: int, total: int) -> None:
        """Show how much of the file is there."""
        self._bar.update(self._task, description="Upload", completed=done, total=total)

    def begin(self) -> None:
        """Show rows from now on."""
        self._bar.reset(self._task, description="Import", total=None, pace="")

    def went_on(self, one: Import) -> None:
        """Show how far an import is."""
        counts, speed = one["counts"], self._bar.tasks[0].speed
        pace = f"{speed:,.0f} rows/s" if speed else ""
        self._bar.update(self._task, completed=counts["processed"], total=counts["rows"] or None, pace=pace)

    def pause(self) -> None:
        """Leave the terminal to a question."""
        self._bar.stop()

    def go_on(self) -> None:
        """Come back."""
        self._bar.start()


class Importing:
    """One import from the file to its report; `running` is its id once it goes on by itself."""

    def __init__(self, service: Service, *, yes: bool = False) -> None:
        self._service = service
        self._agreed = agreed if yes else asked
        self._stop = asyncio.Event()
        self._asking = False
        self._task = asyncio.current_task()
        self.running: str | None = None

    def interrupt(self) -> None:
        """Take in ctrl-C: while the import runs it is a question, before that and at the question the end."""
        if self.running is not None and not self._asking:
            self._stop.set()
        elif self._task is not None:
            self._task.cancel()

    async def run(self, wanted: Wanted) -> Import | None:
        """Import a file to the end; None where somebody did not want to."""
        with Progress() as progress:
            upload = await self._service.upload(wanted.file, progress.uploaded)
        making = {**wanted.making, "uploadId": upload, "fileName": wanted.file.name}
        one = await self._service.done(CREATE, input=making)
        mapped = False
        try:
            mapped = await self._mapped(one, wanted)
        finally:
            if not mapped:
                with suppress(ImportingError):  # it is left as it is: nothing was written
                    await self._service.ask(CANCEL, id=one["id"])
        if not mapped:
            return None
        self.running = one["id"]
        await self._service.done(RUN, id=one["id"], mode="DRY_RUN" if wanted.dry else "COMMIT")
        one = await self._followed(one["id"])
        if wanted.errors is not None:
            await self._service.download(f"/imports/{one['id']}/errors.csv", wanted.errors)
        return one

    async def _mapped(self, one: Import, wanted: Wanted) -> bool:
        """Map an import as it was wished, or as it is suggested where somebody says yes; tells whether it was."""
        mapping = wanted.mapping
        if mapping is None:
            console = Console(stderr=True)
            console.print(suggestions(one))
            for notice in one["detected"]["notices"]:
                console.print(_plain(notice), highlight=False)
            if not await self._agreed("Import it so?", unasked=False):
                return False
            named = [column for column in one["columns"] if column["suggestion"]]
            mapping = [{"column": column["name"], "field": column["suggestion"]} for column in named]
        await self._service.done(MAP, id=one["id"], input={"mapping": mapping, **wanted.handling})
        return True

    async def _followed(self, import_id: str) -> Import:
        """Return an import when nobody works on it any more."""
        with Progress() as progress:
            progress.begin()
            while True:
                one = await self._looked(import_id)
                progress.went_on(one)
                if one["state"] not in UNDER_WAY:
                    return one
                await self._waited(import_id, progress)

    async def _looked(self, import_id: str) -> Import:
        """Return an import; a service that is away for a moment, as when it starts anew, is waited for."""
        for _ in range(TRIES):
            try:
                one: Import = await self._service.ask(ONE, id=import_id)
            except Away:
                await asyncio.sleep(AWAY_SECONDS)
            else:
                return one
        raise ImportingError(f"The service does not answer any more. Import {import_id} goes on when it is back.")

    async def _waited(self, import_id: str, progress: Progress) -> None:
        """Wait a moment; ask whether to cancel where somebody wishes to stop."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._stop.wait()
        except TimeoutError:
            return
        progress.pause()
        # Who interrupts the question leaves.
        self._asking = True
        wanted = await asked("Cancel the import? What is done stays, and can be taken back.", unasked=True)
        self._asking = False
        self._stop.clear()
        if wanted:
            await self._service.ask(CANCEL, id=import_id)
        else:
            print("It goes on.", file=sys.stderr, flush=True)  # noqa: T201 - the answer to the question
        progress.go_on()


async def imported(url: str, key: str, wanted: Wanted, *, yes: bool) -> Import | None:
    """Import a file; ctrl-C before it runs ends it, later on it asks."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_SECONDS) as client:
        importing = Importing(Service(client), yes=yes)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, importing.interrupt)
        try:
            return await importing.run(wanted)
        except asyncio.CancelledError:
            if importing.running is not None:
                raise ImportingError(f"Import {importing.running} goes on without you.") from None
            return None


def suggestions(one: Import) -> Table:
    """Return the columns of a file with what is in them and which field each would fill."""
    table = Table("Column", "Field", "Samples")
    for column in one["columns"]:
        samples = ", ".join(column["samples"][:SHOWN_SAMPLES])
        table.add_row(_plain(column["name"]), column["suggestion"] or "(left out)", _plain(samples))
    return table


def _plain(text: str) -> str:
    """Return a text of somebody's file as a terminal may show it: without marks and control characters."""
    return "".join(char if char.isprintable() else " " for char in text).replace("[", r"\[")


def status(one: Import | None) -> int:
    """Return the command's status: 0 done, 3 done but for some rows, 1 not done."""
    if one is None or one["state"] not in ("DONE", "DONE_WITH_ERRORS", "CHECKED"):
        return STOPPED
    return WITH_ERRORS if one["counts"]["failed"] else DONE


def report(one: Import) -> list[str]:
    """Return what is said of an import in the end."""
    counts = one["counts"]
    would = ", nothing was written" if one["mode"] == "DRY_RUN" else ""
    lines = [f"{one['state']}{would}: {counts['processed']:,} of {counts['rows']:,} rows"]
    names = ("created", "updated", "promoted", "unchanged", "skipped", "failed")
    lines += [f"  {name:10} {counts[name]:>12,}" for name in names if counts[name]]
    for group in one["errorGroups"][:SHOWN_GROUPS]:
        column = f"{group['column']}: " if group["column"] else ""
        rows = ", ".join(map(str, group["samples"][:SHOWN_SAMPLES]))
        more = ", …" if group["rows"] > SHOWN_SAMPLES else ""
        lines.append(f"  {group['rows']:,} rows: {column}{group['message']} (lines {rows}{more})")
    if len(one["errorGroups"]) > SHOWN_GROUPS:
        lines.append("  Further reasons are in the file of failed rows: --errors OUT.csv")
    return [*lines, f"Import {one['id']}"]
