"""GraphiQL in a real browser: three tabs that run, a key that stays in its tab, nothing from another host."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema
from playwright.async_api import Page, async_playwright, expect

from app.web.graphiql import ASSETS
from tests.system.conftest import Start
from tests.system.process import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
PLACEHOLDER = "<your key>"
RESULT = ".result-window .view-lines"
expect.set_options(timeout=20_000)


@pytest.fixture
def browser() -> str:
    """Give the path of a browser."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium")
    if not (ASSETS / "graphiql.js").exists():
        pytest.skip("GraphiQL is not built: cd web && npm ci && npm run build")
    return found


class Visit:
    """A browser tab on the page, with what it asked for and what it complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.hosts: set[str] = set()
        self.broken: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        page.on("pageerror", lambda error: self.broken.append(str(error)))

    async def open(self) -> None:
        """Open the page, and wait for its editors."""
        await self.page.goto(f"{self.url}/graphql")
        await expect(self.page.locator("[aria-label=Headers]").get_by_text("Authorization")).to_be_visible()

    async def give_key(self, key: str) -> None:
        """Type the key over the placeholder of the header editor; the page reads the schema with it."""
        await self.page.locator("[aria-label=Headers]").get_by_text("your key").click()
        for press in ["End", "ArrowLeft", *["Backspace"] * len(PLACEHOLDER)]:
            await self.page.keyboard.press(press)
        async with self.page.expect_response(lambda answer: answer.url.endswith("/graphql") and answer.ok):
            await self.page.keyboard.insert_text(key)

    async def run(self, tab: str, shows: str) -> None:
        """Run a tab as it stands, and wait until its result shows a text."""
        await self.page.locator("[role=tab]").get_by_text(tab, exact=True).click()
        await expect(self.page.locator("[aria-label='Operation Editor'] .view-lines")).to_contain_text(tab)
        await self.page.get_by_role("button", name="Execute query").click()
        await self.shows(shows)

    async def shows(self, text: str) -> None:
        """Wait until the result shows a text."""
        await expect(self.page.locator(RESULT)).to_contain_text(text)


@asynccontextmanager
async def visit(path: str, url: str) -> AsyncIterator[Visit]:
    """Open a fresh browser."""
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=path, args=FLAGS)
        context = await browser.new_context(viewport={"width": 1280, "height": 1400})
        try:
            yield Visit(await context.new_page(), url)
        finally:
            await browser.close()


@pytest.mark.parametrize("embedded", ["memory", "mongod"])
async def test_H1_query_mutation_and_live_subscription_run_from_the_page(
    start: Start, browser: str, embedded: str
) -> None:
    """The three tabs run as they stand with the key from the header editor; a live event moves the page."""
    served = start(embedded=embedded)
    async with visit(browser, served.url) as one:
        await one.open()
        await one.give_key(served.key)
        await one.run("Persons", '"nodes": []')
        await one.run("CreatePerson", '"errors": []')
        await one.run("Live", '"READY"')
        served.ask('mutation { createPerson(input: {firstName: "Grace", externalId: "g"}) { errors { code } } }')
        await one.shows('"Grace"')
        await one.page.get_by_role("button", name="Stop query").click()
        await one.run("Persons", '"ada@example.com"')
        # A reload right behind a change of tabs keeps them as they are, and the session's key; nothing that outlives
        # the session holds it.
        await one.page.locator("[role=tab]").get_by_text("CreatePerson", exact=True).click()
        await one.page.reload()
        await expect(one.page.locator("[role=tab]")).to_have_count(3)
        await one.run("Persons", '"Grace"')
        kept = await one.page.evaluate("JSON.stringify(localStorage)")
        assert "tabState" in kept
        assert served.key not in kept
        assert one.hosts == {urlsplit(served.url).netloc}
        assert one.broken == []
    assert served.key not in served.text().split("shown this once")[1]


async def test_a_key_in_the_address_is_taken_out_of_it(start: Start, browser: str) -> None:
    """The link that the service prints can be followed: the key stays neither in the address nor in the history."""
    served = start(embedded="memory")
    async with visit(browser, served.url) as one:
        await one.page.goto(f"{served.url}/graphql#key={served.key}")
        await one.run("Persons", '"nodes": []')
        assert one.page.url == f"{served.url}/graphql"
        assert served.key not in json.dumps(await one.page.evaluate("localStorage"))


def test_H1_every_type_field_argument_and_enum_value_carries_a_description() -> None:
    """Of `schema.graphql`, which is what the page shows."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    silent = []
    for name, kind in schema.type_map.items():
        if name.startswith("__") or kind.ast_node is None:
            continue
        parts = [(name, kind)]
        if isinstance(kind, GraphQLEnumType):
            parts += [(f"{name}.{value}", one) for value, one in kind.values.items()]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            parts += [(f"{name}.{field}", one) for field, one in kind.fields.items()]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            parts += [(f"{name}.{f}({a})", one) for f, field in kind.fields.items() for a, one in field.args.items()]
        silent += [place for place, one in parts if not one.description]
    assert silent == []
    assert len(schema.type_map) > 50
