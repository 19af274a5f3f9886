"""Doors to Salesforce for tests: the adapter at a fake, and at answers that are written down."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.sync.crm import Credentials, CrmDeleted, CrmError, CrmPage, CrmRecord, Mark
from app.sync.salesforce import Salesforce
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.serving import served

FIELDS = ("FirstName", "LastName", "Email", "Phone")
DATA = "/services/data/v62.0"


@pytest.fixture
def fake() -> FakeSalesforce:
    """Give an empty CRM."""
    return FakeSalesforce()


@pytest.fixture
async def crm(fake: FakeSalesforce) -> AsyncIterator[Salesforce]:
    """Give the adapter at it."""
    async with opened(fake) as one:
        yield one


@asynccontextmanager
async def opened(app: Any, **other: Any) -> AsyncIterator[Salesforce]:
    """Serve an application and give the adapter at it, with the fake's credentials but for `other`."""
    async with served(app) as base:
        given = {"base_url": base, "client_id": "fake-client", "client_secret": "fake-secret", **other}
        crm = Salesforce(Credentials(**given), loopback=True)
        try:
            yield crm
        finally:
            await crm.close()


class Told(NamedTuple):
    """What a pass told in all of its pages; `marks` behind each."""

    records: list[CrmRecord]
    deleted: list[CrmDeleted]
    mark: Mark
    untold: bool
    marks: list[Mark]

    @property
    def ids(self) -> list[str]:
        """Return the records' ids."""
        return [one.id for one in self.records]


async def told(
    crm: Salesforce, since: Mark | None = None, entity: str = "Contact", fields: Sequence[str] = FIELDS
) -> Told:
    """Make a pass."""
    pages = [page async for page in crm.changed(entity, fields, since)]
    assert not any(page.untold for page in pages[:-1])
    return Told(
        [one for page in pages for one in page.records],
        [one for page in pages for one in page.deleted],
        pages[-1].mark,
        pages[-1].untold,
        [page.mark for page in pages],
    )


async def broken_off(
    crm: Salesforce, error: type[CrmError], since: Mark | None = None, between: Callable[[], None] = lambda: None
) -> list[CrmPage]:
    """Return the pages of a pass that ends with an error; `between` is done behind each."""
    pages = []
    try:
        async for page in crm.changed("Contact", FIELDS, since):
            pages.append(page)
            between()
    except error:
        return pages
    raise AssertionError


def wrote(fake: FakeSalesforce) -> list[tuple[str, int]]:
    """Return the calls by which we wrote, with how many records each had."""
    return [(one["method"], len(one["records"])) for one in fake.journal]


def asked(fake: FakeSalesforce, part: str) -> list[str]:
    """Return the calls of a path with this part."""
    return [one for one in fake.calls if part in one]


@dataclass
class Canned:
    """An application with answers that are written down, by path from the version on; the last one stays.

    `{base}` in them is its own address.
    """

    answers: Mapping[str, Sequence[tuple[int, Any]]]
    token: dict[str, Any] = field(default_factory=lambda: {"access_token": "t", "instance_url": "{base}"})
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        request = Request(scope, receive)
        await request.body()
        base, path = str(request.base_url).rstrip("/"), request.url.path.removeprefix(DATA)
        if path.endswith("/token"):
            status, body = 200, self.token
        else:
            given = self.answers[path]
            status, body = given[min(self.asked.count(path), len(given) - 1)]
            self.asked.append(path)
        text = orjson.dumps(body).decode().replace("{base}", base)
        await Response(text, status, media_type="application/json")(scope, receive, send)
