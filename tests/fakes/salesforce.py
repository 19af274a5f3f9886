"""A Salesforce for tests and demos: the REST API as the real one speaks it, over real HTTP, with faults on demand.

`python -m tests.fakes.salesforce` starts one. Behind `/_fake/` one acts as its users do.
"""

import argparse
import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.salesforce_answers import JSON, Broken, HalfOpen, refusal
from tests.fakes.salesforce_api import DATA, Api
from tests.fakes.salesforce_bulk import Bulk
from tests.fakes.salesforce_soql import BadQuery
from tests.fakes.salesforce_store import Refused
from tests.fakes.salesforce_world import World
from tests.fakes.serving import served

Handler = Callable[[Request], Awaitable[Response]]
GARBAGE = "<html><body><h1>We are down for maintenance.</h1></body></html>"
VERBS = ("add", "edit", "delete", "merge", "convert", "advance", "same_stamp_flood", "late_commit")


class FakeSalesforce(World):
    """The ASGI application. `instance_url`: where calls are sent by an answer with a token; by default here."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.client_id = "fake-client"
        self.client_secret = "fake-secret"
        self.instance_url: str | None = None
        self.tokens: set[str] = set()
        self.api = Api(self)
        self.bulk = Bulk(self)
        self._app = Starlette(routes=[*self._routes(), *self._fakes()])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        await self._app(scope, receive, send)

    def expire_tokens(self) -> None:
        """Have no token hold any more."""
        self.tokens.clear()

    def _routes(self) -> list[Route]:
        api, bulk = self.api, self.bulk
        open_: list[tuple[str, str, Handler]] = [
            ("POST", "/services/oauth2/token", self._token),
            ("GET", "/services/data", api.versions),
        ]
        guarded: list[tuple[str, str, Handler]] = [
            ("GET", "/services/oauth2/userinfo", self._userinfo),
            ("GET", f"{DATA}/limits", api.limits),
            ("GET", f"{DATA}/sobjects", api.objects),
            ("GET", f"{DATA}/sobjects/{{entity}}/describe", api.describe),
            ("GET", f"{DATA}/sobjects/{{entity}}/deleted", api.deleted),
            ("POST", f"{DATA}/sobjects/{{entity}}", api.create),
            ("GET", f"{DATA}/sobjects/{{entity}}/{{id}}", api.get),
            ("PATCH", f"{DATA}/sobjects/{{entity}}/{{id}}", api.update),
            ("DELETE", f"{DATA}/sobjects/{{entity}}/{{id}}", api.delete),
            ("GET", f"{DATA}/query", api.query),
            ("GET", f"{DATA}/query/{{locator}}", api.query),
            ("GET", f"{DATA}/queryAll", api.query),
            ("GET", f"{DATA}/queryAll/{{locator}}", api.query),
            ("POST", f"{DATA}/composite/sobjects", api.collection),
            ("PATCH", f"{DATA}/composite/sobjects", api.collection),
            ("PATCH", f"{DATA}/composite/sobjects/{{entity}}/{{field}}", api.upserts),
            ("POST", f"{DATA}/jobs/query", bulk.start),
            ("GET", f"{DATA}/jobs/query/{{job}}", bulk.status),
            ("DELETE", f"{DATA}/jobs/query/{{job}}", bulk.remove),
            ("GET", f"{DATA}/jobs/query/{{job}}/results", bulk.results),
        ]
        every = [(*one, False) for one in open_] + [(*one, True) for one in guarded]
        return [
            Route(path + slash, self._endpoint(handler, guarded=closed), methods=[method])
            for method, path, handler, closed in every
            for slash in ("", "/")
        ]

    def _endpoint(self, handler: Handler, *, guarded: bool) -> Handler:
        async def endpoint(request: Request) -> Response:
            self.calls.append(f"{request.method} {request.url.path}")
            response = await self._before(request, guarded=guarded) or await self._done(handler, request)
            self._tell(response)
            return self._spoilt(request, response)

        return endpoint

    async def _before(self, request: Request, *, guarded: bool) -> Response | None:
        """Return the answer to a call that comes to nothing."""
        faults, chance = self.faults, self.faults.chance
        if faults.strikes("skew"):
            self.skew()
        if faults.strikes("slow"):
            await asyncio.sleep(self.slow_seconds)
        if faults.strikes("too_many"):
            answer = refusal(429, "REQUEST_LIMIT_EXCEEDED", "Too many requests.")
            soon = (self.clock.now() + timedelta(seconds=1)).replace(tzinfo=UTC)
            answer.headers["Retry-After"] = chance.choice(["0", "1", format_datetime(soon, usegmt=True)])
            return answer
        if faults.strikes("server_error"):
            down = Response(GARBAGE, 503, media_type="text/html")
            return chance.choice([down, refusal(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")])
        return self._closed(request) if guarded else None

    def _closed(self, request: Request) -> Response | None:
        """Return the answer to a call that isn't let in."""
        if self.faults.strikes("expire_token"):
            self.expire_tokens()
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.used += 1
        if self.used > self.total or self.faults.strikes("limit"):
            return refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return None

    async def _done(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as error:
            return refusal(error.status, error.code, error.message, *error.fields)
        except BadQuery as error:
            return refusal(400, error.code, str(error))

    def _tell(self, response: Response) -> None:
        """Add what every answer tells."""
        response.headers["Date"] = format_datetime(self.clock.now().replace(tzinfo=UTC), usegmt=True)
        response.headers["Sforce-Limit-Info"] = f"api-usage={self.used}/{self.total}"

    def _spoilt(self, request: Request, response: Response) -> Response:
        """Return an answer, or what is left of it: what was asked for is done all the same."""
        if request.method != "GET" and self.faults.strikes("drop_after_commit"):
            return Broken()
        if self.faults.strikes("garbage"):
            return Response(GARBAGE, 200, media_type="text/html")
        if self.faults.strikes("half_open"):
            return HalfOpen(response.body, response.status_code, dict(response.headers))
        return response

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return JSON({"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400)
        if form.get("client_id") != self.client_id:
            return JSON({"error": "invalid_client_id", "error_description": "client identifier invalid"}, 400)
        if form.get("client_secret") != self.client_secret:
            return JSON({"error": "invalid_client", "error_description": "invalid client credentials"}, 401)
        token = f"00D5g000000fake!{secrets.token_urlsafe(32)}"
        self.tokens.add(token)
        base = str(request.base_url).rstrip("/")
        return JSON(
            {
                "access_token": token,
                "instance_url": self.instance_url or base,
                "id": f"{base}/id/00D5g000000fakeEAA/0055g000000fakeAAA",
                "token_type": "Bearer",
                "issued_at": str(self.clock.millis()),
            }
        )

    async def _userinfo(self, _: Request) -> Response:
        return JSON({"user_id": "0055g000000fakeAAA", "preferred_username": "sync@fake.example"})

    def _fakes(self) -> list[Route]:
        return [
            Route("/_fake/journal", self._journal, methods=["GET"]),
            Route("/_fake/records/{entity}", self._all, methods=["GET"]),
            Route("/_fake/faults", self._faults, methods=["POST"]),
            Route("/_fake/{verb}", self._acted, methods=["POST"]),
        ]

    async def _journal(self, _: Request) -> Response:
        return JSON(self.journal)

    async def _all(self, request: Request) -> Response:
        return JSON(self.records(request.path_params["entity"]))

    async def _faults(self, request: Request) -> Response:
        """Set probabilities by name."""
        for name, probability in orjson.loads(await request.body()).items():
            self.faults[name] = probability
        return JSON(dict(self.faults))

    async def _acted(self, request: Request) -> Response:
        """Do what a user does: {"args": ["Contact", "003…"], "fields": {"Title": "Dr."}}."""
        verb, told = request.path_params["verb"], orjson.loads(await request.body())
        if verb not in VERBS:
            return JSON({"error": "no such verb"}, 404)
        return JSON({"result": getattr(self, verb)(*told.get("args", ()), **told.get("fields", {}))})


async def main(port: int) -> None:
    """Serve one until it is stopped."""
    fake = FakeSalesforce()
    async with served(fake, port) as url:
        print(f"Base URL:      {url}\nClient id:     {fake.client_id}\nClient secret: {fake.client_secret}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().port))
