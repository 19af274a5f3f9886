"""Bulk 2.0 queries of the fake Salesforce: jobs whose results are CSV, part by part."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from tests.fakes.salesforce_answers import JSON
from tests.fakes.salesforce_api import NOT_THERE
from tests.fakes.salesforce_soql import BadQuery, parsed, stamp
from tests.fakes.salesforce_store import Record, Refused
from tests.fakes.salesforce_world import World

RECORDS_MAX = 50_000


@dataclass
class Job:
    """A query that runs beside; `polls` are those to which it answers that it is not done."""

    id: str
    operation: str
    entity: str
    columns: Sequence[str]
    found: Sequence[Record]
    created: str
    polls: int
    state: str = "InProgress"
    error: str = ""

    def told(self) -> dict[str, Any]:
        """Return it as the API does."""
        failed = {"errorMessage": self.error} if self.error else {}
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.entity,
            "createdDate": self.created,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 62.0,
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
            "numberRecordsProcessed": len(self.found),
            **failed,
        }


class Bulk:
    """The jobs. With `failing` each fails with these words."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs: dict[str, Job] = {}
        self.failing = ""

    def forget_jobs(self) -> None:
        """Have no results any more."""
        self._jobs.clear()

    async def start(self, request: Request) -> Response:
        """Start a job."""
        asked = orjson.loads(await request.body())
        try:
            query = parsed(asked["query"], self._world.hidden)
        except BadQuery as error:
            raise Refused("API_ERROR" if error.code == "MALFORMED_QUERY" else error.code, str(error)) from error
        found = self._world.store.found(query, gone=asked["operation"] == "queryAll")
        id_ = f"750{len(self._jobs):012}AAA"
        created, polls = stamp(self._world.clock.millis()), self._world.bulk_polls
        self._jobs[id_] = Job(id_, asked["operation"], query.entity, query.columns, found, created, polls)
        return JSON({**self._jobs[id_].told(), "state": "UploadComplete"})

    async def status(self, request: Request) -> Response:
        """Tell how far a job is."""
        job = self._there(request)
        if self.failing:
            job.state, job.error = "Failed", self.failing
        elif job.polls:
            job.polls -= 1
        else:
            job.state = "JobComplete"
        return JSON(job.told())

    async def results(self, request: Request) -> Response:
        """Give a part of the results."""
        job = self._there(request)
        if job.state != "JobComplete":
            raise Refused("INVALIDJOBSTATE", "The job is not complete.")
        start = int(request.query_params.get("locator", 0))
        end = start + min(int(request.query_params.get("maxRecords", RECORDS_MAX)), RECORDS_MAX)
        some = [one for one in job.found[start:end] if one.deleted is None]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(job.columns)
        writer.writerows(_cells(some, job.columns))
        headers = {
            "Sforce-Locator": "null" if end >= len(job.found) else str(end),
            "Sforce-NumberOfRecords": str(len(some)),
        }
        return Response(text.getvalue().encode(), headers=headers, media_type="text/csv")

    async def remove(self, request: Request) -> Response:
        """Delete a job."""
        del self._jobs[self._there(request).id]
        return Response(status_code=204)

    def _there(self, request: Request) -> Job:
        job = self._jobs.get(request.path_params["job"])
        if job is None:
            raise Refused("NOT_FOUND", NOT_THERE, status=404)
        return job


def _cells(records: Sequence[Record], columns: Sequence[str]) -> Iterator[list[Any]]:
    """Give rows as the CSV has them: booleans small, times with a Z."""
    for one in records:
        values = [one.values[name] for name in columns]
        yield [
            str(value).lower()
            if isinstance(value, bool)
            else value[:-5] + "Z"
            if isinstance(value, str) and value.endswith("+0000")
            else value
            for value in values
        ]
