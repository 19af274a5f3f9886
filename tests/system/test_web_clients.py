"""Published browser clients of the protocol, in a real browser on a page of another origin."""

import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, async_playwright

from tests import api as apis
from tests.system.conftest import Start
from tests.system.process import ROOT, Served
from tests.system.test_graphiql import BROWSERS, FLAGS
from tests.system.test_segment import EVENT, node

__all__ = ["node"]

SHOP = "http://shop.example"
MODULES = ROOT / "tests" / "clients" / "node_modules"
SEGMENT = MODULES / "@segment" / "analytics-next" / "dist" / "umd"
RUDDER = MODULES / "@rudderstack" / "analytics-js" / "dist" / "npm" / "modern" / "bundled" / "umd"
TIMEOUT_MS = 30_000
# The shop is only made up, so the browser takes it for a page of the wide world that reaches into this machine.
OPEN = ["--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks"]


@pytest.fixture
def browser(node: str) -> str:
    """Give the path of a browser; the clients are installed."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium")
    return found


class Shop:
    """A page of the shop in a browser, with the hosts that it asked and what it complained about."""

    def __init__(self, page: Page, scripts: Path) -> None:
        self.page = page
        self.scripts = scripts
        self.hosts: set[str] = set()
        self.broken: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.broken.append(str(error)))

    async def serve(self, route: Route) -> None:
        """Answer as the shop's own server: a page, and the client's files."""
        file = self.scripts / urlsplit(route.request.url).path.strip("/")
        if file.is_file():
            await route.fulfill(path=file, content_type="text/javascript")
        else:
            html = "<!doctype html><title>Prices</title><script src=/index.js></script>"
            await route.fulfill(body=html, content_type="text/html")


@asynccontextmanager
async def shop(path: str, scripts: Path) -> AsyncIterator[Shop]:
    """Open the shop's page in a fresh browser."""
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=path, args=[*FLAGS, *OPEN])
        try:
            page = await browser.new_page()
            one = Shop(page, scripts)
            await page.route(f"{SHOP}/**", one.serve)
            await page.goto(f"{SHOP}/prices")
            yield one
        finally:
            await browser.close()


def serving(start: Start) -> Served:
    """Start a service that the shop's pages may send to."""
    served = start(embedded="mongod", allowed_origins=SHOP)
    assert served.ask(apis.DEFINE, input=EVENT)["errors"] == []
    return served


def arrived(served: Served, by: dict[str, str]) -> Counter[str]:
    """Return how many events of each type are on somebody's timeline, a page with what it told of itself."""
    events = served.ask(apis.TIMELINE, by=by, first=100)["timeline"]["nodes"]
    for one in events:
        if one["type"] == "pageView":
            assert one["properties"]["url"] == f"{SHOP}/prices"
            assert one["properties"]["userAgent"].startswith("Mozilla/")
    return Counter(one["type"] for one in events)


async def test_analytics_js_of_segment(start: Start, browser: str) -> None:
    """`AnalyticsBrowser.load` with our address: page, track, identify arrive, each once; no other host is asked."""
    served = serving(start)
    host = urlsplit(served.url).netloc
    script = """async ([key, url, apiHost]) => {
      const given = {integrations: {"Segment.io": {apiHost}}};
      const analytics = AnalyticsNext.AnalyticsBrowser.load({writeKey: key, cdnURL: url}, given);
      await analytics.page("Prices");
      await analytics.track("Product Viewed", {sku: "A1"});
      await analytics.identify("crm-17", {email: "ana@example.com", firstName: "Ana"});
      await analytics.track("Product Viewed", {sku: "A2"});
    }"""
    async with shop(browser, SEGMENT) as one:
        await one.page.evaluate(script, [served.key, served.url, f"{host}/v1"])
        assert one.hosts == {"shop.example", host}
        assert one.broken == []
    counts = arrived(served, {"email": "ana@example.com"})
    assert (counts["productViewed"], counts["pageView"]) == (2, 1)
    assert served.ask(apis.FIND, by={"externalId": "crm-17"})["firstName"] == "Ana"


async def test_the_browser_client_of_rudderstack(start: Start, browser: str) -> None:
    """`load` with our addresses: the same."""
    served = serving(start)
    host = urlsplit(served.url).netloc
    script = """([key, url]) => {
      const analytics = new rudderanalytics.RudderAnalytics();
      analytics.load(key, url, {configUrl: url + "/v1"});
      analytics.page("Prices");
      analytics.track("Product Viewed", {sku: "A1"});
      analytics.identify("crm-17", {email: "ana@example.com", firstName: "Ana"});
    }"""
    async with shop(browser, RUDDER) as one:
        async with AsyncExitStack() as stack:
            awaited = [
                await stack.enter_async_context(one.page.expect_response(f"**/v1/{kind}", timeout=TIMEOUT_MS))
                for kind in ("page", "track", "identify")
            ]
            await one.page.evaluate(script, [served.key, served.url])
        assert [await (await answer.value).json() for answer in awaited] == [{"success": True}] * 3
        assert one.hosts == {"shop.example", host}
        assert one.broken == []
    counts = arrived(served, {"email": "ana@example.com"})
    assert (counts["productViewed"], counts["pageView"]) == (1, 1)
    assert served.ask(apis.FIND, by={"externalId": "crm-17"})["firstName"] == "Ana"
