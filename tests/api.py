"""The service as a client sees it: GraphQL documents in, data out, on the real ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from app.core.actor import Scope
from app.main import Service
from app.mongo.door import Store
from app.mongo.engine import Engine
from app.settings import Settings
from app.web.answers import Header
from app.web.app import PATH, App
from app.web.connection import AT_ONCE_BYTES_MAX
from tests import wire

PERSON = "id type externalId firstName lastName emails { address primary } phones { number primary } tags version"
ERRORS = "errors { code message path existingId }"
CREATE = f"mutation($input: CreatePersonInput!) {{ createPerson(input: $input) {{ person {{ {PERSON} }} {ERRORS} }} }}"
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!, $version: Int) {{
  updatePerson(by: $by, input: $input, expectedVersion: $version) {{ person {{ {PERSON} customAttributes }} {ERRORS} }}
}}"""
REPLACE = f"""mutation($by: PersonLocator!, $input: CreatePersonInput!) {{
  replacePerson(by: $by, input: $input) {{ person {{ {PERSON} }} {ERRORS} }}
}}"""
FIND = f"query($by: PersonLocator!) {{ person(by: $by) {{ {PERSON} customAttributes }} }}"
TIMELINE = """query($by: PersonLocator!, $first: Int, $after: Cursor, $filter: TimelineFilter) {
  person(by: $by) { timeline(first: $first, after: $after, filter: $filter) {
    nodes { id type title properties occurredAt source } pageInfo { hasNextPage endCursor } } }
}"""
TRACK = f"""mutation($events: [EventInput!]!, $atomic: Boolean!) {{
  trackEvents(events: $events, atomic: $atomic) {{ {ERRORS}
    results {{ index status event {{ id type properties occurredAt }} {ERRORS} }} }}
}}"""
DEFINE = f"""mutation($input: DefineEventInput!) {{
  defineEvent(input: $input) {{ event {{ id title fields {{ name type }} }} {ERRORS} }}
}}"""
ATTRIBUTE = f"""mutation($input: DefineAttributeInput!) {{
  defineAttribute(input: $input) {{ attribute {{ name type }} {ERRORS} }}
}}"""
COMPANY = f"""mutation($input: CreateCompanyInput!) {{
  createCompany(input: $input) {{ company {{ id name domains tags version }} {ERRORS} }}
}}"""
LINK = f"""mutation($company: CompanyLocator!, $persons: [PersonLocator!]!, $role: String) {{
  linkPersons(company: $company, persons: $persons, role: $role) {{ company {{ id }} {ERRORS} }}
}}"""


class Transport(httpx.ASGITransport):
    """Asks as the server does: what needs no task is answered without one."""

    def __init__(self, app: App) -> None:
        super().__init__(app=app)
        self._app = app
        # How many were answered so.
        self.at_once = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        small = int(request.headers.get("content-length", AT_ONCE_BYTES_MAX + 1)) <= AT_ONCE_BYTES_MAX
        if small and request.method == "POST" and request.url.path == PATH:
            answer = self._begun(request.headers.raw, await request.aread())
            if answer is not None:
                return await answer
        return await super().handle_async_request(request)

    def _begun(self, headers: Sequence[Header], body: bytes) -> Awaitable[httpx.Response] | None:
        done: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()

        def reply(status: int, lines: bytes, content: bytes) -> None:
            named = [line.split(b": ", 1) for line in lines.splitlines()]
            done.set_result(httpx.Response(status, headers=[(name, value) for name, value in named], content=content))

        asked = self._app.asker([(name.lower(), value) for name, value in headers])
        begun = self._app.at_once(asked, body, reply)
        if begun is False:
            return None
        if begun is True:
            self.at_once += 1
            return done
        return self._ended(asyncio.create_task(begun), done)

    async def _ended(self, task: "asyncio.Task[None]", done: "asyncio.Future[httpx.Response]") -> httpx.Response:
        await task
        return done.result()


class Api:
    """One account, asked with one key; `as_` asks the same service with another."""

    def __init__(self, service: Service, key: str, account: str) -> None:
        self.service = service
        self.key = key
        self.account = account
        transport = Transport(service.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://profiles.test")

    def as_(self, key: str) -> "Api":
        """Ask with another key."""
        return Api(self.service, key, self.account)

    async def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a document, and return the whole response."""
        given = {"Authorization": f"Bearer {self.key}", **headers}
        return await self.http.post("/graphql", json={"query": query, "variables": variables or {}}, headers=given)

    async def __call__(self, query: str, **variables: Any) -> Any:
        """Return the one root field's value of an answer without top-level errors."""
        answer = (await self.post(query, variables)).json()
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def refused(self, query: str, **variables: Any) -> str:
        """Return the code of the first top-level error."""
        code: str = (await self.post(query, variables)).json()["errors"][0]["extensions"]["code"]
        return code

    async def made(self, **input_: Any) -> dict[str, Any]:
        """Make a person that is not refused."""
        payload = await self(CREATE, input=input_)
        assert payload["errors"] == [], payload
        person: dict[str, Any] = payload["person"]
        return person

    async def codes(self, query: str, **variables: Any) -> list[str]:
        """Return the codes of a payload's errors."""
        return [error["code"] for error in (await self(query, **variables))["errors"]]

    async def track(self, *events: dict[str, Any], atomic: bool = False) -> list[dict[str, Any]]:
        """Send events, and return their results."""
        payload = await self(TRACK, events=list(events), atomic=atomic)
        assert payload["errors"] == [], payload
        results: list[dict[str, Any]] = payload["results"]
        return results

    async def events(self, by: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """Return a person's timeline."""
        nodes: list[dict[str, Any]] = (await self(TIMELINE, by=by, **more))["timeline"]["nodes"]
        return nodes

    async def key_with(self, *scopes: str) -> "Api":
        """Return the same account, asked with a new key of these scopes."""
        _, text, _ = await self.service.services.access.create_key(self.account, "test", [Scope(one) for one in scopes])
        return self.as_(text)

    def socket(self, **more: Any) -> AbstractAsyncContextManager[wire.Socket]:
        """Open a websocket."""
        return wire.socket(self.service.app, **more)

    @asynccontextmanager
    async def live(self, query: str, **variables: Any) -> AsyncIterator[wire.Socket]:
        """Follow a subscription; READY has come and is kept as `ready`."""
        async with self.socket() as one:
            assert (await one.init(Authorization=f"App {self.key}"))["type"] == "connection_ack"
            await one.subscribe(query, **variables)
            yield one


class Borrowed(Store):
    """A store that is the fixture's own to close."""

    async def close(self) -> None:
        """Leave it open."""


@asynccontextmanager
async def opened(engine: Engine, **settings: Any) -> AsyncIterator[Api]:
    """Put the whole service on a store, with one account."""
    given = Settings.load({}, **{"rate_limit": 0, "crm_loopback": True, **settings})
    service = Service.on(Borrowed(engine, kept=False, description="of a test"), given)
    await service.begin(given)
    try:
        service.edge.ready = True
        account, _, key = await service.services.access.create_account("Test")
        yield Api(service, key, account.id)
    finally:
        await service.close()
