"""Large first loads of a Salesforce: a Bulk 2.0 query is a job, whose results come as CSV, part by part, for a week.

Rows come out as those of the REST API, whose JSON has numbers and booleans.
"""

import asyncio
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from app.sync.crm import BOOLEAN, DATE_TIME, DECIMAL, INTEGER, Away
from app.sync.salesforce_line import DATA, Line, code
from app.sync.salesforce_soql import readable

JOBS = f"{DATA}/jobs/query"
# Above so many records.
BULK_RECORDS = 10_000
# As many as a page of a query has: with long texts more could pass what an answer may have.
PART_RECORDS = 2_000
POLL_SECONDS = 1.0
POLL_SECONDS_MAX = 30.0
POLL_GROWTH = 1.5
# About two hours.
POLLS = 250
CSV_TYPES = ("text/csv",)
# Said of a job that is gone, or has no such part.
_LOST = ("NOT_FOUND", "INVALIDJOB", "INVALIDJOBSTATE", "INVALIDLOCATOR", "API_ERROR")
_CONVERTED: Mapping[str, Callable[[str], Any]] = {
    INTEGER: lambda text: int(float(text)),
    DECIMAL: float,
    BOOLEAN: lambda text: text.lower() == "true",
    DATE_TIME: lambda text: text[:-1] + "+0000" if text.endswith("Z") else text,
}


class Lost(Away):
    """The results of a job are there no more, or are those of other fields."""


class Part(NamedTuple):
    """A part of the results, and where the next one is; None: this was the last."""

    rows: Sequence[Mapping[str, Any]]
    locator: str | None


async def start(line: Line, entity: str, soql: str) -> str:
    """Start a job for a query; returns its id."""
    # A second job after a lost answer does no harm but to take time.
    reply = await line.ask("POST", JOBS, entity, json={"operation": "query", "query": soql})
    with readable():
        return str(reply.body["id"])


async def finished(line: Line, job: str) -> None:
    """Wait until a job is done; raises Away where it fails or takes too long."""
    pause = POLL_SECONDS
    for _ in range(POLLS):
        reply = await line.ask("GET", f"{JOBS}/{job}")
        with readable():
            state = reply.body["state"]
            words = reply.body.get("errorMessage") or "no reason given."
        if state == "JobComplete":
            return
        if state in ("Failed", "Aborted"):
            raise Away(f"The CRM's bulk query failed: {words}")
        await asyncio.sleep(pause)
        pause = min(pause * POLL_GROWTH, POLL_SECONDS_MAX)
    raise Away("The CRM's bulk query takes too long.")


async def part(line: Line, job: str, locator: str | None, columns: Sequence[str], kinds: Mapping[str, str]) -> Part:
    """Return a part of a job's results; raises Lost."""
    behind = f"&locator={quote(locator, safe='')}" if locator else ""
    url = f"{JOBS}/{quote(job, safe='')}/results?maxRecords={PART_RECORDS}{behind}"
    reply = await line.ask("GET", url, accept=CSV_TYPES, bear=_LOST)
    if code(reply):
        raise Lost("The results of the CRM's bulk query are there no more.")
    try:
        reader = csv.DictReader(io.StringIO(reply.data.decode("utf-8-sig"), newline=""))
        if not set(columns) <= set(reader.fieldnames or ()):
            raise Lost("The CRM's bulk query was one for other fields.")
        rows = [_row(row, kinds) for row in reader]
    except (csv.Error, ValueError, TypeError, AttributeError) as error:
        raise Away("The CRM answers CSV that can't be read.") from error
    following = reply.headers.get("sforce-locator", "null")
    return Part(rows, None if following == "null" else following)


def _row(row: Mapping[str, str], kinds: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: _CONVERTED.get(kinds.get(name, ""), str)(text) for name, text in row.items() if text}
