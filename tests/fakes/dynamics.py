"""A Dataverse that isn't one: tokens, the Web API with change tracking and batches, and what goes wrong with it.

`python -m tests.fakes.dynamics` serves it for a first look. Behind `/_fake/` somebody works in it as a user would.
"""

import argparse
import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.fakes.dynamics_batches import batch
from tests.fakes.dynamics_store import Row
from tests.fakes.dynamics_values import Refused
from tests.fakes.dynamics_web import API, Answer, Entry, Question, Web
from tests.fakes.faults import SKEW_SECONDS, Clock, Faults
from tests.fakes.serving import gone, hang_up, served

TENANT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
CLIENT_ID, CLIENT_SECRET = "1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809", "a secret of the fake"
TOKEN_SECONDS = 3599
JSON = "application/json; odata.metadata=minimal"
_EXECUTION = (
    "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of 300 "
    "seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later."
)
LIMITS = {
    "too_many": ("0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."),
    "limit": ("0x80072321", _EXECUTION),
}
# What happens instead of an answer.
HANG_UP, HALF_OPEN = "drop_after_commit", "half_open"


class Call(NamedTuple):
    """A call of the API, and what was answered; 0 where nothing was."""

    method: str
    url: str
    status: int


class Broken(Response):
    """An answer that is lost on the way: all of it, or half of its body, after which nothing comes."""

    def __init__(self, whole: Response, fault: str) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what arrives."""
        if self._fault == HANG_UP:
            await hang_up(scope, receive)
            return
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await gone(receive)


class FakeDynamics(Starlette):
    """The fake; `journal` has what was written, `calls` what was asked, `tracking` the tables with change tracking."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(
            routes=[
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route(f"{API}/{{path:path}}", self._api, methods=["GET", "POST", "PATCH", "DELETE"]),
                Route("/_fake/{verb}", self._worked, methods=["GET", "POST"]),
            ]
        )
        self.faults, self.clock = Faults(seed), Clock()
        self.web = Web(self.faults, self.clock)
        self.calls: list[Call] = []
        self.slow_seconds = 2.0
        self._tokens: dict[str, datetime] = {}

    # What somebody does in it

    @property
    def journal(self) -> list[Entry]:
        """Return what was done to records."""
        return self.web.journal

    @property
    def tracking(self) -> set[str]:
        """Return the tables with change tracking; to be changed in place."""
        return self.web.tracking

    def add(self, entity: str, **fields: Any) -> str:
        """Make a record, a lookup given as (table, id); returns its id."""
        key = str(fields.pop(f"{entity}id", None) or self._id())
        self.web.save(entity, key, self._checked(entity, fields), by="user")
        return key

    def edit(self, entity: str, key: str, **fields: Any) -> None:
        """Change a record."""
        if key not in self.web.tables[entity].rows:
            raise KeyError(key)
        self.web.save(entity, key, self._checked(entity, fields), by="user")

    def delete(self, entity: str, key: str) -> None:
        """Take a record away."""
        self.web.remove(entity, key, by="user")

    def convert(self, lead: str, contact: str | None = None) -> str:
        """Qualify a lead, which makes a contact of it unless one is given; returns the contact."""
        row = self.web.tables["lead"].rows[lead]
        names = ("firstname", "middlename", "lastname", "emailaddress1", "mobilephone", "telephone1", "jobtitle")
        copied = {} if contact else {name: row[name] for name in names if row.get(name) is not None}
        key = contact or self._id()
        self.web.save("contact", key, {**copied, "originatingleadid": ("lead", lead)}, by="user")
        self.web.save("lead", lead, {"statecode": 1, "statuscode": 3}, by="user")
        return key

    def merge(self, entity: str, master: str, loser: str) -> None:
        """Merge a record into another: it stays, inactive and with the other as its master."""
        state = 2 if entity == "lead" else 1
        values = {"statecode": state, "statuscode": 2, "merged": True, "masterid": (entity, master)}
        self.web.save(entity, loser, values, by="user")
        self.web.save(entity, master, {}, by="user")

    def same_stamp_flood(self, entity: str, number: int = 5000, **fields: Any) -> list[str]:
        """Make many records at one time."""
        now, keys = self.clock.now(), [self._id() for _ in range(number)]
        for place, key in enumerate(keys):
            values = {"lastname": f"Flood {place}", **fields}
            self.web.save(entity, key, self._checked(entity, values), by="user", modified=now)
        return keys

    def late_commit(self, entity: str, seconds: float, **fields: Any) -> str:
        """Make a record whose time is so long ago: its transaction took that long."""
        key = self._id()
        moment = self.clock.now() - timedelta(seconds=seconds)
        self.web.save(entity, key, self._checked(entity, fields), by="user", modified=moment)
        return key

    def records(self, entity: str) -> list[Row]:
        """Return all records, columns by name and `id`."""
        return [{"id": key, **row} for key, row in self.web.tables[entity].rows.items()]

    def drop_column(self, entity: str, name: str) -> None:
        """Have somebody remove a column."""
        del self.web.schema[entity][name]

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.advance(seconds)

    def forget_tokens(self) -> None:
        """Have it take none of the tokens that it gave."""
        self._tokens.clear()

    def _id(self) -> str:
        text = f"{self.faults.chance.getrandbits(128):032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def _checked(self, entity: str, fields: Mapping[str, Any]) -> Row:
        if unknown := fields.keys() - self.web.schema[entity].keys():
            raise KeyError(*unknown)
        return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}

    # What is asked over HTTP

    async def _worked(self, request: Request) -> Response:
        """Do over HTTP what the methods do: arguments as JSON, `fields` for those by name; told as `answer`."""
        verb = request.path_params["verb"]
        given = orjson.loads(await request.body() or b"{}")
        if verb == "faults":
            for name, probability in given.items():
                self.faults[name] = probability
            return self._json({"answer": self.faults})
        if verb in ("journal", "calls"):
            return self._json({"answer": [entry._asdict() for entry in getattr(self, verb)]})
        verbs = ("add", "edit", "delete", "convert", "merge", "same_stamp_flood", "late_commit", "records", "advance")
        if verb not in verbs:
            return Response(status_code=404)
        fields = given.pop("fields", {})
        return self._json({"answer": getattr(self, verb)(**given, **fields)})

    def _json(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        content = b"" if body is None else orjson.dumps(body)
        kind = {} if body is None else {"Content-Type": JSON}
        return Response(content, status, {"OData-Version": "4.0", "Date": self._date(), **kind, **(headers or {})})

    def _date(self) -> str:
        moment = self.clock.now()
        if self.faults.strikes("skew"):
            moment += timedelta(seconds=self.faults.chance.randint(-SKEW_SECONDS, SKEW_SECONDS))
        return format_datetime(moment.replace(tzinfo=UTC), usegmt=True)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if request.path_params["tenant"] != TENANT:
            return self._unwanted(400, "invalid_request", "AADSTS90002: Tenant not found.")
        if form.get("grant_type") != "client_credentials":
            return self._unwanted(400, "unsupported_grant_type", "AADSTS70003: The grant type isn't supported.")
        if form.get("client_id") != CLIENT_ID:
            return self._unwanted(400, "unauthorized_client", "AADSTS700016: The application was not found.")
        if form.get("client_secret") != CLIENT_SECRET:
            return self._unwanted(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        if form.get("scope") != f"{str(request.base_url).rstrip('/')}/.default":
            return self._unwanted(400, "invalid_scope", "AADSTS70011: The provided value for 'scope' is not valid.")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.clock.now() + timedelta(seconds=TOKEN_SECONDS)
        told = {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "ext_expires_in": TOKEN_SECONDS}
        return self._json({**told, "access_token": token})

    def _unwanted(self, status: int, error: str, words: str) -> Response:
        return self._json({"error": error, "error_description": words, "error_codes": []}, status)

    async def _api(self, request: Request) -> Response:
        content = await request.body()
        if self.faults.strikes("slow"):
            await asyncio.sleep(self.slow_seconds)
        answer = self._refused(request) or self._answered(request, content)
        answer = self._distorted(request, answer)
        status = 0 if isinstance(answer, Broken) else answer.status_code
        self.calls.append(Call(request.method, str(request.url), status))
        return answer

    def _refused(self, request: Request) -> Response | None:
        """Return the answer of a server that doesn't look at a request any further."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self.faults.strikes("expire_token"):
            self._tokens.pop(token, None)
        if scheme != "Bearer" or self._tokens.get(token, datetime.min) <= self.clock.now():  # noqa: DTZ901
            return self._json(None, 401, {"WWW-Authenticate": "Bearer authorization_uri=https://login.example"})
        if self.faults.strikes("too_many"):
            seconds = self.faults.chance.randint(0, 1)
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
            return self._limited("too_many", self.faults.chance.choice((str(seconds), date)))
        if self.faults.strikes("limit"):
            return self._limited("limit", "3600")
        if self.faults.strikes("server_error"):
            body = {"error": {"code": "0x80040216", "message": "An unexpected error occurred."}}
            return self._json(body, self.faults.chance.choice((500, 503)))
        return None

    def _limited(self, fault: str, wait: str) -> Response:
        code, message = LIMITS[fault]
        return self._json({"error": {"code": code, "message": message}}, 429, {"Retry-After": wait})

    def _answered(self, request: Request, content: bytes) -> Response:
        question = Question(
            request.method,
            request.path_params["path"],
            dict(request.query_params),
            dict(request.headers),
            content,
            str(request.base_url).rstrip("/"),
        )
        try:
            if question.path == "$batch":
                status, kind, body = batch(self.web, question)
                return Response(body, status, {"OData-Version": "4.0", "Date": self._date(), "Content-Type": kind})
            answer = self.web.answer(question)
        except Refused as error:
            answer = Answer(error.status, {"error": {"code": error.code, "message": error.message}})
        return self._json(answer.body, answer.status, answer.headers)

    def _distorted(self, request: Request, answer: Response) -> Response:
        """Return an answer as it arrives, or doesn't."""
        if request.method != "GET" and self.faults.strikes(HANG_UP):
            return Broken(answer, HANG_UP)
        if self.faults.strikes(HALF_OPEN):
            return Broken(answer, HALF_OPEN)
        if self.faults.strikes("garbage"):
            return Response("<html><body>Our service is being updated.</body></html>", media_type="text/html")
        return answer


async def main() -> None:
    """Serve the fake until interrupted."""
    parser = argparse.ArgumentParser(description=FakeDynamics.__doc__)
    parser.add_argument("--port", type=int, default=8365)
    fake = FakeDynamics()
    ada = fake.add("contact", firstname="Ada", lastname="Lovelace", emailaddress1="ada@example.com")
    fake.edit("contact", ada, parentcustomerid=("account", fake.add("account", name="Analytical Engines")))
    fake.add("lead", firstname="Charles", lastname="Babbage", companyname="Difference Engines", subject="A machine")
    async with served(fake, parser.parse_args().port) as base:
        print(f"base URL       {base}")  # noqa: T201
        print(f"token URL      {base}/{TENANT}/oauth2/v2.0/token")  # noqa: T201
        print(f"client id      {CLIENT_ID}\nclient secret  {CLIENT_SECRET}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
