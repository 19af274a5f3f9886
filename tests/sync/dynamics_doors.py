"""Doors to Dynamics for tests: the adapter at a fake, and at answers that are written down."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.sync.crm import Credentials, CrmDeleted, CrmRecord, Mark
from app.sync.dynamics import Dynamics
from tests.fakes.dynamics import CLIENT_ID, CLIENT_SECRET, TENANT, FakeDynamics
from tests.fakes.serving import served

FIELDS = ("firstname", "lastname", "emailaddress1", "mobilephone")


@pytest.fixture
def fake() -> FakeDynamics:
    """Give an empty CRM."""
    return FakeDynamics()


@pytest.fixture
async def crm(fake: FakeDynamics) -> AsyncIterator[Dynamics]:
    """Give the adapter at it."""
    async with opened(fake) as one:
        yield one


@asynccontextmanager
async def opened(app: Any, **other: Any) -> AsyncIterator[Dynamics]:
    """Serve an application and give the adapter at it, with the fake's credentials but for `other`."""
    async with served(app) as base:
        given: dict[str, Any] = {
            "base_url": base,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token_url": f"{base}/{TENANT}/oauth2/v2.0/token",
            **other,
        }
        crm = Dynamics(Credentials(**given), loopback=True)
        try:
            yield crm
        finally:
            await crm.close()


class Told(NamedTuple):
    """What a pass told in all of its pages."""

    records: list[CrmRecord]
    deleted: list[CrmDeleted]
    mark: Mark
    untold: bool

    @property
    def ids(self) -> list[str]:
        """Return the records' ids."""
        return [one.id for one in self.records]


async def told(
    crm: Dynamics, since: Mark | None = None, entity: str = "contact", fields: Sequence[str] = FIELDS
) -> Told:
    """Make a pass."""
    pages = [page async for page in crm.changed(entity, fields, since)]
    assert not any(page.untold for page in pages[:-1])
    return Told(
        [one for page in pages for one in page.records],
        [one for page in pages for one in page.deleted],
        pages[-1].mark,
        pages[-1].untold,
    )


@dataclass
class Canned:
    """An application with answers that are written down, by path without the API's root; the last one stays.

    `{base}` in them is its own address; `asked` keeps what was asked.
    """

    answers: Mapping[str, Sequence[tuple[int, Mapping[str, str], str]]]
    asked: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        request = Request(scope, receive)
        base, content = str(request.base_url).rstrip("/"), (await request.body()).decode()
        path = request.url.path.removeprefix("/api/data/v9.2/")
        if path.endswith("/token"):
            token = Response('{"access_token": "t", "expires_in": 3599}', media_type="application/json")
            await token(scope, receive, send)
            return
        before = [one for one in self.asked if one[0] == path]
        self.asked.append((path, dict(request.headers), content))
        given = self.answers[path]
        status, headers, body = given[min(len(before), len(given) - 1)]
        answer = Response(body.replace("{base}", base), status, {"Content-Type": "application/json", **headers})
        await answer(scope, receive, send)
